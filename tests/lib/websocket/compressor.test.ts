// Tests permessage-deflate over real connections: RFC 7692, with `ws` at the other end.

import assert from "node:assert/strict";
import { getDefaultHighWaterMark } from "node:stream";
import { describe, type TestContext, test } from "node:test";
import {
  type CompressCallback,
  constants,
  deflateRawSync,
  type InputType,
  inflateRawSync,
  type ZlibOptions,
} from "node:zlib";

import type { WebSocketConnection, WebSocketServerOptions } from "../../../lib/websocket/server.ts";
import { frame, readFrames } from "../../support/frame.ts";
import { TcpClient, turn, until, upgradeRequest, WebSocketClient } from "../../support/net.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";
import { connection, serveWebSocket } from "../../support/web-socket-server.ts";

const KEY = bytes("0a 0b 0c 0d");
const TEXT = "the same words again and again, ".repeat(100);

/**
 * Connects a raw client that offers permessage-deflate. Returns the client, the server's end of the connection, and the
 * close event of the server's end.
 */
async function raw(
  context: TestContext,
  options: Partial<WebSocketServerOptions> = {},
  offer = "permessage-deflate",
): Promise<{ client: TcpClient; ours: WebSocketConnection; closed: Promise<unknown[]> }> {
  const { server, port } = await serveWebSocket(context, { perMessageDeflate: true, ...options });
  const client = new TcpClient(port);
  client.write(upgradeRequest("/", { "Sec-WebSocket-Extensions": offer }));
  const ours = await connection(server);
  await client.until("\r\n\r\n");
  const closed = new Promise<unknown[]>((resolve) =>
    ours.once("close", (code, reason, failure) => resolve([code, reason, failure?.rule])),
  );
  return { client, ours, closed };
}

/** Returns the code of the close frame, which must be the first frame after the opening handshake. */
function closeCode(received: Buffer): number | undefined {
  const [close] = readFrames(received.subarray(received.indexOf("\r\n\r\n") + 4));
  return close?.payload.readUInt16BE(0);
}

function compressed(text: string | Uint8Array): Buffer {
  const whole = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH });
  return whole.subarray(0, whole.length - 4);
}

describe("permessage-deflate", () => {
  const TERMS = [
    { does: "RFC 7692 §7.1 with context takeover in both directions", ours: true, theirs: true },
    {
      does: "RFC 7692 §7.1.1.1 without context takeover by the server",
      ours: { serverNoContextTakeover: true },
      theirs: true,
    },
    {
      does: "RFC 7692 §7.1.1.2 without context takeover by the client",
      ours: { clientNoContextTakeover: true },
      theirs: true,
    },
    {
      does: "RFC 7692 §7.1.1 without context takeover, as the client requests",
      ours: true,
      theirs: { serverNoContextTakeover: true, clientNoContextTakeover: true },
    },
    {
      does: "RFC 7692 §7.1.2 with small windows",
      ours: { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
      theirs: { clientMaxWindowBits: 10 },
    },
  ] as const;
  for (const { does, ours, theirs } of TERMS) {
    test(`${does}: echoes messages of every size (SEED=${seed})`, async (context) => {
      const { server, port } = await serveWebSocket(context, {
        perMessageDeflate: ours === true ? { threshold: 0 } : { ...ours, threshold: 0 },
      });
      server.on("connection", (each: WebSocketConnection) =>
        each.on("message", (data) => each.send(data)),
      );
      const options = { perMessageDeflate: theirs === true ? { threshold: 0 } : theirs };
      const client = await new WebSocketClient(port, "/", options).opened();
      assert.match(client.socket.extensions, /permessage-deflate/);
      const random = new Random(seed);
      const messages = [TEXT, TEXT, "", "short", "€".repeat(30_000), random.bytes(70_000)];
      for (const message of messages) client.send(message);
      for (const message of messages) {
        const received = await client.next();
        if (typeof message === "string") assert.equal(received, message);
        else assert.ok(Buffer.isBuffer(received) && received.equals(message));
      }
      client.socket.close();
      await client.closed;
    });
  }

  test("is not used if it is disabled or not offered", async (context) => {
    const off = await serveWebSocket(context, { perMessageDeflate: false });
    const client = new WebSocketClient(off.port, "/", { perMessageDeflate: true });
    const [ours] = await Promise.all([connection(off.server), client.opened()]);
    assert.equal(client.socket.extensions, "");
    ours.send(TEXT);
    assert.equal(await client.next(), TEXT);
    const on = await serveWebSocket(context, { perMessageDeflate: true });
    const plain = new WebSocketClient(on.port, "/");
    const [other] = await Promise.all([connection(on.server), plain.opened()]);
    assert.equal(plain.socket.extensions, "");
    other.send(TEXT);
    assert.equal(await plain.next(), TEXT);
  });

  test("messages below the threshold are sent uncompressed, in order with compressed messages", async (context) => {
    const { client, ours } = await raw(context, { perMessageDeflate: { threshold: 100 } });
    ours.send("short");
    ours.send(TEXT);
    ours.send("behind");
    ours.send("x".repeat(100));
    ours.close(1000);
    client.socket.once("data", () => {});
    const received = await new Promise<Buffer>((resolve) => {
      const answerClose = (): void => {
        client.write(frame(8, bytes("03 e8"), { key: KEY }));
        resolve(client.closed);
      };
      void client.until("\x88\x02\x03\xe8").then(answerClose);
    });
    const frames = readFrames(received.subarray(received.indexOf("\r\n\r\n") + 4));
    const kinds = frames.map(({ first }) => first.toString(16));
    assert.deepEqual(kinds, ["81", "c1", "81", "c1", "88"]);
    assert.equal(frames[2]?.payload.toString(), "behind");
    // RFC 7692 §7.2.1: the sender removes the four octets that end a sync flush.
    const payload = frames[1]?.payload ?? Buffer.alloc(0);
    const tail = Buffer.from([0, 0, 0xff, 0xff]);
    assert.ok(!payload.subarray(-4).equals(tail));
    const whole = inflateRawSync(Buffer.concat([payload, tail]), {
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    assert.equal(whole.toString(), TEXT);
  });

  test("an empty message is sent uncompressed, even if the threshold is 0", async (context) => {
    const { client, ours } = await raw(context, { perMessageDeflate: { threshold: 0 } });
    ours.send("");
    ours.send("x");
    await client.until("\x81\x00\xc1");
  });

  test("messages that wait to be compressed count as buffered, and close() waits for them", async (context) => {
    const { server, port } = await serveWebSocket(context, { perMessageDeflate: { threshold: 0 } });
    const client = new WebSocketClient(port, "/", { perMessageDeflate: true });
    const [ours] = await Promise.all([connection(server), client.opened()]);
    for (let i = 0; i < 20; i++) ours.send(`${i} ${TEXT}`);
    assert.ok(ours.bufferedAmount >= 20 * TEXT.length);
    ours.close(1000, "done");
    for (let i = 0; i < 20; i++) assert.equal(await client.next(), `${i} ${TEXT}`);
    assert.equal(await client.closed, 1000);
  });

  for (const [what, offer, options, message, first] of [
    ["that is too short to compress", "permessage-deflate", { threshold: 100 }, "short", "81"],
    [
      "that is compressed without context takeover",
      "permessage-deflate; server_no_context_takeover",
      { threshold: 0 },
      "short",
      "c1",
    ],
  ] as const) {
    test(`a message ${what} is written at once, before terminate()`, async (context) => {
      const { client, ours } = await raw(context, { perMessageDeflate: options }, offer);
      // The second message is compressed in the thread pool. Then the queue is empty.
      ours.send(message);
      ours.send("x".repeat(100_000));
      await until(() => ours.bufferedAmount === 0);
      ours.send(message);
      ours.terminate();
      const received = await client.closed;
      const frames = readFrames(received.subarray(received.indexOf("\r\n\r\n") + 4));
      const kinds = frames.map((each) => each.first.toString(16));
      assert.deepEqual(kinds, [first, "c1", first]);
    });
  }

  test("a binary message is compressed like a text message", async (context) => {
    const { client, ours } = await raw(context);
    ours.send(Buffer.from(TEXT));
    await client.until("\xc2");
  });

  test("after close(), no message can be sent, even while earlier messages wait to be compressed", async (context) => {
    const { ours, client } = await raw(context, { perMessageDeflate: { threshold: 0 } });
    for (let i = 0; i < 20; i++) ours.send(TEXT);
    ours.close(1000);
    assert.equal(ours.open, false);
    for (const send of [() => ours.send("x"), () => ours.send(bytes("01")), () => ours.ping()]) {
      assert.throws(send, { code: "ERR_NOT_OPEN" });
    }
    await client.until("\x88\x02\x03\xe8");
  });

  test('send() returns false while too many bytes wait to be compressed, until "drain"', async (context) => {
    const { server, port } = await serveWebSocket(context, { perMessageDeflate: { threshold: 0 } });
    const client = new WebSocketClient(port, "/", { perMessageDeflate: true });
    const [ours] = await Promise.all([connection(server), client.opened()]);
    for (let round = 0; round < 2; round++) {
      const drained = new Promise<void>((resolve) => ours.once("drain", resolve));
      let sent = 1;
      while (ours.send(TEXT)) sent++;
      await drained;
      for (let n = 0; n < sent; n++) assert.equal(await client.next(), TEXT);
    }
  });

  test('"drain" follows a send() that returned false only because of the bytes of the response to the handshake', async (context) => {
    const { server, port } = await serveWebSocket(context, { perMessageDeflate: true });
    const log: unknown[] = [];
    server.once("connection", (ours) => {
      // The response to the handshake has more than 100 bytes, and is still to be written.
      log.push(ours.send("x".repeat(getDefaultHighWaterMark(false) - 100)));
      ours.once("drain", () => log.push("drain"));
    });
    await new WebSocketClient(port, "/", { perMessageDeflate: true }).opened();
    await until(() => log.length === 2);
    assert.deepEqual(log, [false, "drain"]);
  });

  test("terminate() drops messages that wait to be compressed, without an error", async (context) => {
    const { server, port } = await serveWebSocket(context, { perMessageDeflate: { threshold: 0 } });
    for (const noContext of [false, true]) {
      const client = new WebSocketClient(port, "/", {
        perMessageDeflate: { serverNoContextTakeover: noContext },
      });
      const [ours] = await Promise.all([connection(server), client.opened()]);
      const closed = new Promise((resolve) => ours.once("close", resolve));
      for (let i = 0; i < 50; i++) ours.send(TEXT);
      await turn();
      ours.terminate();
      await closed;
      await client.closed;
      await until(() => ours.bufferedAmount === 0);
    }
  });

  test("a protocol error while messages wait to be compressed makes the close frame the last frame", async (context) => {
    const { client, ours, closed } = await raw(context, { perMessageDeflate: { threshold: 0 } });
    for (let i = 0; i < 20; i++) ours.send(i % 2 === 0 ? TEXT : "");
    client.write(frame(3, "", { key: KEY }));
    const [code, , rule] = await closed;
    assert.deepEqual([code, rule], [1006, "RESERVED_OPCODE"]);
    const received = await client.closed;
    const frames = readFrames(received.subarray(received.indexOf("\r\n\r\n") + 4));
    assert.equal(
      frames.findIndex(({ first }) => first === 0x88),
      frames.length - 1,
    );
  });

  test("many connections at once share the compressor", async (context) => {
    const { server, port } = await serveWebSocket(context, { perMessageDeflate: { threshold: 0 } });
    server.on("connection", (each: WebSocketConnection) =>
      each.on("message", (data) => each.send(data)),
    );
    const clients = Array.from(
      { length: 25 },
      () => new WebSocketClient(port, "/", { perMessageDeflate: { threshold: 0 } }),
    );
    await Promise.all(clients.map((client) => client.opened()));
    for (const client of clients) client.send(TEXT);
    for (const client of clients) assert.equal(await client.next(), TEXT);
  });
});

describe("permessage-deflate of received messages", () => {
  for (const offer of ["permessage-deflate", "permessage-deflate; client_no_context_takeover"]) {
    const terms = offer.includes(";") ? "without context takeover" : "with context takeover";
    const options = { perMessageDeflate: true, maxPayload: 100_000 };

    test(`${terms}: RFC 6455 §10.4 fails with 1009 for a message that exceeds maxPayload when inflated`, async (context) => {
      const { client, ours, closed } = await raw(context, options, offer);
      ours.on("message", () => assert.fail("a message that is too large was delivered"));
      const bomb = compressed(Buffer.alloc(50_000_000));
      assert.ok(bomb.length < 100_000);
      client.write(frame(2, bomb, { rsv: 4, key: KEY }));
      const [code, , rule] = await closed;
      assert.deepEqual([code, rule], [1006, "MESSAGE_TOO_BIG"]);
      assert.equal(closeCode(await client.closed), 1009);
    });

    test(`${terms}: RFC 6455 §10.4 fails with 1009 for a small compressed message that exceeds maxPayload`, async (context) => {
      for (const maxPayload of [100_000, 1000]) {
        const { client, ours, closed } = await raw(context, { ...options, maxPayload }, offer);
        ours.on("message", () => assert.fail("a message that is too large was delivered"));
        const bomb = compressed(Buffer.alloc(500_000));
        assert.ok(bomb.length < 1000);
        client.write(frame(2, bomb, { rsv: 4, key: KEY }));
        const [code, , rule] = await closed;
        assert.deepEqual([code, rule], [1006, "MESSAGE_TOO_BIG"]);
        assert.equal(closeCode(await client.closed), 1009);
      }
    });

    test(`${terms}: messages that are large when inflated are delivered in order with small messages`, async (context) => {
      const { client, ours } = await raw(context, options, offer);
      const log: number[] = [];
      ours.on("message", (data) => log.push(data.length));
      const small = frame(1, compressed("small"), { rsv: 4, key: KEY });
      const grows = frame(1, compressed("x".repeat(90_000)), { rsv: 4, key: KEY });
      const plain = frame(1, "plain.", { key: KEY });
      assert.ok(grows.length < 4096);
      client.write(Buffer.concat([small, grows, plain, small, grows, small]));
      await until(() => log.length === 6);
      assert.deepEqual(log, [5, 90_000, 6, 5, 90_000, 5]);
    });

    test(`${terms}: many small messages in one chunk do not block the event loop`, async (context) => {
      const { client, ours } = await raw(context, options, offer);
      let count = 0;
      const turns = new Set<number>();
      ours.on("message", () => {
        if (count++ === 0) setImmediate(() => turns.add(count));
      });
      const message = frame(1, compressed("small"), { rsv: 4, key: KEY });
      client.write(Buffer.concat(new Array<Uint8Array>(1000).fill(message)));
      await until(() => count === 1000);
      assert.deepEqual([...turns], [64], "messages in one turn of the event loop");
    });

    test(`${terms}: fails with 1007 for data that cannot be inflated`, async (context) => {
      const { client, closed } = await raw(context, options, offer);
      client.write(frame(1, bytes("ff ff ff ff ff"), { rsv: 4, key: KEY }));
      const [code, , rule] = await closed;
      assert.deepEqual([code, rule], [1006, "INVALID_DEFLATE"]);
      assert.equal(closeCode(await client.closed), 1007);
    });

    test(`${terms}: RFC 6455 §8.1 fails for inflated text that is not UTF-8`, async (context) => {
      const { client, ours, closed } = await raw(context, options, offer);
      ours.on("message", () => assert.fail("text that is not UTF-8 was delivered"));
      client.write(frame(1, compressed(Buffer.from([0xff])), { rsv: 4, key: KEY }));
      assert.deepEqual(await closed, [1006, "", "INVALID_UTF8"]);
    });

    test(`${terms}: delivers the messages of a peer that ends TCP while they are inflated`, async (context) => {
      const { client, ours, closed } = await raw(context, options, offer);
      const log: unknown[] = [];
      ours.on("message", (data) => log.push(data));
      const message = frame(1, compressed(TEXT), { rsv: 4, key: KEY });
      client.write(Buffer.concat([message, frame(1, "plain", { key: KEY }), message]));
      client.socket.end();
      await closed;
      assert.deepEqual(log, [TEXT, "plain", TEXT]);
    });
  }

  test("RFC 7692 §6.2 a ping after a compressed message is not inflated", async (context) => {
    const { client, ours } = await raw(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data));
    ours.on("ping", (payload) => log.push(Buffer.from(payload).toString()));
    client.write(frame(1, compressed("text"), { rsv: 4, key: KEY }));
    client.write(frame(9, "ping", { key: KEY }));
    await until(() => log.length === 2);
    assert.deepEqual(log, ["text", "ping"]);
  });

  test("large messages of many connections are inflated ten at a time", async (context) => {
    const zlib = process.getBuiltinModule("node:zlib");
    const { inflateRaw } = zlib;
    let busy = 0;
    let most = 0;
    context.mock.method(
      zlib,
      "inflateRaw",
      (message: InputType, options: ZlibOptions, callback: CompressCallback) => {
        most = Math.max(most, ++busy);
        inflateRaw(message, options, (error, result) => {
          busy--;
          callback(error, result);
        });
      },
    );
    const large = compressed(new Random(seed).bytes(20_000));
    const ends = await Promise.all(Array.from({ length: 25 }, () => raw(context)));
    let received = 0;
    for (const { ours } of ends) ours.on("message", () => received++);
    for (const { client } of ends) client.write(frame(2, large, { rsv: 4, key: KEY }));
    await until(() => received === ends.length);
    assert.equal(most, 10);
  });

  test("RFC 7692 §7.2.3.4 accepts further messages after a block with BFINAL set", async (context) => {
    const { client, ours } = await raw(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data));
    // RFC 7692 §7.2.3.4: the payload is "Hello" in a block with BFINAL, followed by an octet of zeros.
    const final = bytes("f3 48 cd c9 c9 07 00 00");
    client.write(frame(1, final, { rsv: 4, key: KEY }));
    client.write(frame(1, compressed("again"), { rsv: 4, key: KEY }));
    await until(() => log.length === 2);
    assert.deepEqual(log, ["Hello", "again"]);
  });

  test("RFC 7692 §7.2.3.2 a message may refer to the data of the previous message", async (context) => {
    const { client, ours } = await raw(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data));
    client.write(frame(1, bytes("f2 48 cd c9 c9 07 00"), { rsv: 4, key: KEY }));
    client.write(frame(1, bytes("f2 00 11 00 00"), { rsv: 4, key: KEY }));
    await until(() => log.length === 2);
    assert.deepEqual(log, ["Hello", "Hello"]);
  });
});
