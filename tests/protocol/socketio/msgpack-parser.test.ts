// Compares `barewire/msgpack` with socket.io-msgpack-parser, on the wire and in the servers and clients
// of socket.io.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import { Server as StockServer } from "socket.io";
import { type Socket as ClientSocket, io as connect } from "socket.io-client";

import type { Untyped } from "../../../lib/events/emitter.ts";
import { decode, encode } from "../../../protocol/socketio/messagepack.ts";
import * as ours from "../../../protocol/socketio/msgpack-parser.ts";
import type { ParserPacket } from "../../../protocol/socketio/parser.ts";
import { type Parser, Server } from "../../../server.ts";
import { listen, until } from "../../support/net.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";

interface Notepack {
  encode(value: unknown): Buffer;
  decode(bytes: Buffer): unknown;
}

const require = createRequire(import.meta.url);
const loaded: { theirs: unknown; notepack: unknown } = {
  theirs: require("socket.io-msgpack-parser"),
  // The version of notepack.io that socket.io-msgpack-parser depends on, which is not the newest.
  notepack: createRequire(require.resolve("socket.io-msgpack-parser"))("notepack.io"),
};

function isParser(value: unknown): value is Parser {
  return typeof value === "object" && value !== null && "Encoder" in value;
}

function isNotepack(value: unknown): value is Notepack {
  return typeof value === "object" && value !== null && "decode" in value;
}

const { theirs, notepack } = loaded;
assert.ok(isParser(theirs) && isNotepack(notepack));

const PACKETS: readonly ParserPacket[] = [
  { type: 0, nsp: "/" },
  { type: 0, nsp: "/admin", data: { token: "t" } },
  { type: 1, nsp: "/" },
  { type: 2, nsp: "/", data: ["event", 1, { a: ["é", null] }] },
  { type: 2, nsp: "/", data: ["bytes", Buffer.of(1, 2)], id: 0 },
  { type: 3, nsp: "/admin", data: [], id: 7 },
  { type: 4, nsp: "/", data: { message: "no", data: 1 } },
];

/** Returns the packets that a parser decodes from messages. */
function read({ Decoder }: Parser, messages: readonly (string | Uint8Array)[]): unknown[] {
  const packets: unknown[] = [];
  const decoder = new Decoder();
  decoder.on("decoded", (packet) => packets.push(packet));
  for (const message of messages) decoder.add(message);
  return packets;
}

describe("the msgpack parser", () => {
  for (const packet of PACKETS) {
    test(`exchanges ${JSON.stringify(packet)} with socket.io-msgpack-parser`, () => {
      const message = new ours.Encoder().encode(packet);
      assert.deepEqual(read(theirs, message.map(Buffer.from)), [packet]);
      assert.deepEqual(read(ours, new theirs.Encoder().encode(packet)), [packet]);
      assert.deepEqual(read(ours, message), [packet]);
    });
  }

  // biome-ignore format: aligned table
  for (const [packet, rule] of [
    [{ type: 5, nsp: "/", data: ["x"] }, "PACKET_TYPE"], [{ type: -1, nsp: "/" }, "PACKET_TYPE"], [{ type: 1.5, nsp: "/" }, "PACKET_TYPE"], [{ type: "2", nsp: "/", data: ["x"] }, "PACKET_TYPE"],
    [[2, "/", ["x"]], "PACKET_TYPE"], ["x", "PACKET_TYPE"], [null, "PACKET_TYPE"], [{}, "PACKET_TYPE"],
    [{ type: 0 }, "NAMESPACE"], [{ type: 0, nsp: "a" }, "NAMESPACE"], [{ type: 0, nsp: "/\n" }, "NAMESPACE"], [{ type: 0, nsp: ["/"] }, "NAMESPACE"],
    [{ type: 2, nsp: "/", data: ["x"], id: -1 }, "PACKET_ID"], [{ type: 2, nsp: "/", data: ["x"], id: 1.5 }, "PACKET_ID"], [{ type: 2, nsp: "/", data: ["x"], id: "1" }, "PACKET_ID"],
    [{ type: 2, nsp: "/", data: [] }, "EVENT_PAYLOAD"], [{ type: 2, nsp: "/" }, "EVENT_PAYLOAD"], [{ type: 2, nsp: "/", data: ["connect"] }, "RESERVED_EVENT"], [{ type: 3, nsp: "/", data: [] }, "ACK_ID"],
    [{ type: 1, nsp: "/", data: 1 }, "DISCONNECT_PAYLOAD"], [{ type: 0, nsp: "/", data: [] }, "CONNECT_PAYLOAD"],
  ] as const) {
    test(`rejects ${JSON.stringify(packet)} with ${rule}`, () => {
      assert.throws(() => read(ours, [encode(packet)]), { name: "ProtocolError", rule });
    });
  }

  test("decodes a payload of null as missing in CONNECT and DISCONNECT, and rejects it in EVENT and ACK", () => {
    for (const type of [0, 1]) {
      assert.deepEqual(read(ours, [encode({ type, nsp: "/", data: null })]), [{ type, nsp: "/" }]);
    }
    for (const type of [2, 3]) {
      assert.throws(() => read(ours, [encode({ type, nsp: "/", data: null, id: 1 })]), {
        name: "ProtocolError",
      });
    }
  });

  test("rejects text, decodes ArrayBuffers, and removes listeners", () => {
    const decoder = new ours.Decoder();
    const packets: unknown[] = [];
    const listener = (packet: unknown): void => void packets.push(packet);
    assert.equal(decoder.on("decoded", listener), decoder);
    assert.throws(() => decoder.add("2"), { rule: "MESSAGEPACK" });
    const [message = bytes("")] = new ours.Encoder().encode({ type: 1, nsp: "/" });
    decoder.add(new Uint8Array(message).buffer);
    decoder.on("decoded", listener).off("decoded", listener).add(message);
    decoder.on("decoded", listener).removeListener("decoded", listener).add(message);
    decoder.on("decoded", listener).off().add(message);
    decoder.on("decoded", listener).removeAllListeners().add(message);
    decoder.destroy();
    assert.deepEqual(packets, [{ type: 1, nsp: "/" }]);
  });

  test("off() with a listener keeps the other listeners", () => {
    const decoder = new ours.Decoder();
    const [message] = new ours.Encoder().encode({ type: 1, nsp: "/" });
    let packets = 0;
    const removed = (): void => assert.fail("a removed listener was called");
    decoder.on("decoded", removed).on("decoded", () => packets++);
    decoder.off("decoded", removed).add(message);
    assert.equal(packets, 1);
  });

  test("exchanges numbers beyond 2^53 with notepack.io as numbers", () => {
    for (const given of [2 ** 53, -(2 ** 53), 1e16, -1e16, 1.7e18, 2 ** 63, -(2 ** 63)]) {
      assert.equal(decode(notepack.encode(given)), given);
      assert.equal(notepack.decode(Buffer.from(encode(given))), given);
    }
  });

  test("decodes ArrayBuffers of many lengths that notepack.io encoded", () => {
    for (const length of [...Array(300).keys(), 65_535, 65_536]) {
      const given = new Uint8Array(length).fill(7).buffer;
      assert.deepEqual(decode(notepack.encode(given)), given);
    }
  });

  test(`encodes and decodes random values like notepack.io (seed ${seed})`, () => {
    const random = new Random(seed);
    const value = (depth: number): unknown => {
      switch (random.int(depth > 3 ? 7 : 9)) {
        case 0:
          return null;
        case 1:
          return random.int(2) === 0;
        case 2:
          return (random.int(2) === 0 ? 1 : -1) * random.int(2 ** (1 + random.int(31))) + 0;
        case 3:
          return random.int(1000) / 7;
        case 4:
          return "aé日😀"
            .repeat(random.int(30))
            .slice(0, random.int(100))
            .replace(/[\ud800-\udfff]/g, "");
        case 5:
          return Buffer.from(random.bytes(random.int(300)));
        case 6:
          return new Date(random.int(2 ** 31) * 1000 + random.int(1000));
        case 7:
          return Array.from({ length: random.int(20) }, () => value(depth + 1));
        default:
          return Object.fromEntries(
            Array.from({ length: random.int(20) }, (_, i) => [`k${i}`, value(depth + 1)]),
          );
      }
    };
    for (let n = 0; n < 2000; n++) {
      const given = value(0);
      const encoded = encode(given);
      assert.deepEqual(Buffer.from(encoded), notepack.encode(given));
      assert.deepEqual(notepack.decode(Buffer.from(encoded)), given);
      assert.deepEqual(decode(notepack.encode(given)), given);
    }
  });
});

/** The members that the sockets of both servers have in common. */
interface AnySocket {
  on(event: string, listener: (...args: Untyped[]) => void): unknown;
}

/** The server, its parser, and the client's parser. */
const PAIRS = [
  { server: "ours", serverParser: theirs, clientParser: theirs },
  { server: "ours", serverParser: ours, clientParser: theirs },
  { server: "ours", serverParser: theirs, clientParser: ours },
  { server: "stock", serverParser: ours, clientParser: theirs },
  { server: "stock", serverParser: theirs, clientParser: ours },
] as const;

describe("the option parser", () => {
  for (const { server, serverParser, clientParser } of PAIRS) {
    const name = (parser: unknown): string => (parser === ours ? "our parser" : "the stock parser");
    for (const transport of ["polling", "websocket"]) {
      test(`works with ${name(serverParser)} in ${server === "ours" ? "our" : "the stock"} server, ${name(clientParser)} in the stock client, over ${transport}`, async (context) => {
        const http = createServer();
        const options = { parser: serverParser };
        const io = server === "ours" ? new Server(http, options) : new StockServer(http, options);
        const port = await listen(http);
        const echo = (socket: AnySocket): unknown =>
          socket.on("echo", (...args) => args.pop()(...args));
        if (io instanceof Server) io.on("connection", echo);
        else io.on("connection", echo);
        const client: ClientSocket = connect(`http://127.0.0.1:${port}`, {
          transports: [transport],
          parser: clientParser,
          forceNew: true,
        });
        context.after(async () => {
          client.disconnect();
          await io.close();
        });
        const args = ["é", { date: new Date(7), bytes: [Buffer.of(1, 2, 3)] }, 1.5];
        const back = await new Promise<unknown[]>((resolve) =>
          client.emit("echo", ...args, (...answer: unknown[]) => resolve(answer)),
        );
        assert.deepEqual(back, args);
        const heard = new Promise<unknown[]>((resolve) =>
          client.once("news", (...news: unknown[]) => resolve(news)),
        );
        io.emit("news", Buffer.of(9), null);
        assert.deepEqual(await heard, [Buffer.of(9), null]);
        client.on("ask", (...asked: Untyped[]) => asked.pop()(...asked));
        const answers = await io.timeout(5000).emitWithAck("ask", { bytes: Buffer.of(8) });
        assert.deepEqual(answers, [{ bytes: Buffer.of(8) }]);
      });
    }
  }

  test('disconnects the client and emits "error" on its socket if the parser throws', async (context) => {
    const http = createServer();
    const io = new Server(http, { parser: theirs });
    const port = await listen(http);
    context.after(() => io.close());
    const errors: unknown[] = [];
    const reasons: string[] = [];
    io.on("connection", (socket) => {
      socket.on("error", (error) => errors.push("code" in error && error.code, error.message));
      socket.on("disconnect", (reason) => reasons.push(reason));
    });
    const client = connect(`http://127.0.0.1:${port}`, {
      transports: ["websocket"],
      parser: theirs,
      reconnection: false,
    });
    await new Promise<void>((resolve) => client.once("connect", resolve));
    client.io.engine.write(Buffer.from(encode({ type: 9 })));
    await until(() => reasons.length === 1);
    assert.deepEqual(errors, ["ERR_PARSER", "invalid packet type"]);
  });

  test("makes the constructor throw if the value is not a parser", () => {
    assert.throws(() => Reflect.construct(Server, [{ parser: {} }]), {
      code: "ERR_INVALID_ARG_TYPE",
    });
  });
});
