// Tests one end of a WebSocket that writes to an array instead of a socket: RFC 6455 §5 to §7.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Endpoint, NotOpenError } from "../../../protocol/websocket/endpoint.ts";
import { BINARY, encodeTextFrame, TEXT } from "../../../protocol/websocket/frame.ts";
import { NEED_DATA } from "../../../protocol/websocket/receiver.ts";
import { MemoryWire, Station } from "../../support/endpoint.ts";
import { describeFrames, frame, readFrames } from "../../support/frame.ts";
import { held } from "../../support/memory.ts";
import { Pair } from "../../support/pair.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes, everySplit } from "../../support/split.ts";

const KEY = bytes("37 fa 21 3d");
const SERVER = { role: "server", maxPayload: 1000, deflate: false } as const;
const CLIENT = {
  role: "client",
  maxPayload: 1000,
  deflate: false,
  randomFill: (key: Uint8Array) => key.set(KEY),
} as const;

/** Encodes a masked frame, as a client does. */
function fromClient(opcode: number, payload: Uint8Array | string = ""): Uint8Array {
  return frame(opcode, payload, { key: KEY });
}

const CLOSE_1000 = bytes("03 e8");

describe("Endpoint", () => {
  test("RFC 6455 §5.1 sends unmasked frames as a server, and masked frames as a client", () => {
    for (const [options, masked] of [
      [SERVER, false],
      [CLIENT, true],
    ] as const) {
      const wire = new MemoryWire();
      const endpoint = new Endpoint(wire, options);
      endpoint.sendText("text");
      endpoint.sendBinary(Uint8Array.of(1, 2));
      endpoint.sendMessage(TEXT, Buffer.from("€"));
      endpoint.sendMessage(BINARY, Uint8Array.of(3));
      endpoint.ping(Uint8Array.of(0x61));
      endpoint.pong();
      endpoint.close(1001, "away");
      const sent = wire.take();
      assert.deepEqual(describeFrames(sent), [
        "text text",
        "binary 01 02",
        "text €",
        "binary 03",
        "ping a",
        "pong",
        "close 1001 away",
      ]);
      assert.ok(readFrames(sent).every((each) => each.masked === masked));
      assert.equal(endpoint.state, "closeSent");
      assert.equal(wire.ended, false);
    }
  });

  test("RFC 7692 §6.1 sends a compressed message with RSV1", () => {
    const wire = new MemoryWire();
    new Endpoint(wire, { ...SERVER, deflate: true }).sendCompressed(TEXT, bytes("f2 48 00"));
    assert.deepEqual([...wire.take()], [...bytes("c1 03 f2 48 00")]);
  });

  test("sends encoded frames unchanged as a server, and throws as a client", () => {
    const wire = new MemoryWire();
    new Endpoint(wire, SERVER).sendFrame(encodeTextFrame("made"));
    assert.deepEqual(describeFrames(wire.take()), ["text made"]);
    const client = new Endpoint(wire, CLIENT);
    assert.throws(() => client.sendFrame(encodeTextFrame("made")), {
      name: "TypeError",
      message: "a client cannot send an unmasked frame",
    });
    assert.equal(wire.take().length, 0);
  });

  test("RFC 6455 §6.1 throws instead of sending if the connection is not open", () => {
    const wire = new MemoryWire();
    const endpoint = new Endpoint(wire, SERVER);
    endpoint.close();
    wire.take();
    for (const send of [
      () => endpoint.sendText("x"),
      () => endpoint.sendBinary(Uint8Array.of(1)),
      () => endpoint.sendMessage(TEXT, Uint8Array.of(1)),
      () => endpoint.sendCompressed(TEXT, Uint8Array.of(1)),
      () => endpoint.sendFrame(Uint8Array.of(1)),
      () => endpoint.ping(),
      () => endpoint.pong(),
    ]) {
      assert.throws(send, {
        name: "NotOpenError",
        code: "ERR_NOT_OPEN",
        message: 'cannot send on a WebSocket in the state "closeSent"',
      });
    }
    assert.equal(wire.take().length, 0);
  });

  test("RFC 6455 §5.5 throws for a ping or pong of more than 125 bytes", () => {
    const wire = new MemoryWire();
    const endpoint = new Endpoint(wire, SERVER);
    endpoint.ping(new Uint8Array(125));
    assert.equal(wire.take().length, 127);
    const tooLong = {
      name: "RangeError",
      message: "the payload of a ping or pong must have at most 125 bytes, got 126",
    };
    assert.throws(() => endpoint.ping(new Uint8Array(126)), tooLong);
    assert.throws(() => endpoint.pong(new Uint8Array(126)), tooLong);
    assert.equal(wire.take().length, 0);
  });

  test("RFC 6455 §5.3, §10.3 requires randomFill for a client, and forbids it for a server", () => {
    const wire = new MemoryWire();
    const error = (role: string) => ({
      name: "TypeError",
      message: `a client must have the option randomFill, and a server must not, got role "${role}"`,
    });
    assert.throws(() => new Endpoint(wire, { ...SERVER, randomFill: () => {} }), error("server"));
    assert.throws(() => new Endpoint(wire, { ...SERVER, role: "client" }), error("client"));
  });
});

interface Case {
  readonly does: string;
  readonly input: readonly Uint8Array[];
  readonly gives: readonly string[];
}

const CASES: readonly Case[] = [
  {
    does: "RFC 6455 §5.5.2 a ping is answered with its payload",
    input: [fromClient(9, "are you there?")],
    gives: ["ping are you there?", "sends pong are you there?"],
  },
  {
    does: "RFC 6455 §5.5.3 an unsolicited pong is not answered",
    input: [fromClient(10, "yes")],
    gives: ["pong yes"],
  },
  {
    does: "RFC 6455 §5.4 a ping inside a fragmented message is answered at once",
    input: [
      frame(1, "Hel", { fin: false, key: KEY }),
      fromClient(9, "?"),
      frame(0, "lo", { key: KEY }),
    ],
    gives: ["ping ?", "text Hello", "sends pong ?"],
  },
  {
    does: "RFC 6455 §5.5.1 a close frame is answered with its code, not its reason, and the server ends TCP",
    input: [fromClient(8, Buffer.concat([CLOSE_1000, Buffer.from("bye")]))],
    gives: ["close 1000 bye", "sends close 1000", "ends"],
  },
  {
    does: "RFC 6455 §7.1.5 a close frame without a code is answered with a close frame without a code",
    input: [fromClient(8)],
    gives: ["close", "sends close", "ends"],
  },
  {
    does: "RFC 6455 §1.4 frames after a close frame are discarded",
    input: [fromClient(8, CLOSE_1000), fromClient(1, "late"), fromClient(9), fromClient(3)],
    gives: ["close 1000", "sends close 1000", "ends"],
  },
  {
    does: "RFC 6455 §7.1.7 frames after an invalid frame are discarded",
    input: [fromClient(1, "good"), frame(1, "unmasked"), fromClient(1, "late"), fromClient(8)],
    gives: [
      "text good",
      "fail MASK_REQUIRED",
      "sends close 1002 a client's frame is not masked (RFC 6455 §5.1)",
      "ends",
    ],
  },
];

describe("Endpoint, receiving frames split anywhere", () => {
  for (const { does, input, gives } of CASES) {
    test(does, () => {
      for (const chunks of everySplit(Buffer.concat(input))) {
        const station = new Station(SERVER);
        for (const chunk of chunks) station.receive(chunk);
        assert.deepEqual(station.outcome(), gives);
      }
    });
  }

  test("the properties text, payload and compressed describe the last message from next()", () => {
    const endpoint = new Endpoint(new MemoryWire(), { ...SERVER, deflate: true });
    endpoint.receive(new Uint8Array(fromClient(1, "€")));
    assert.equal(endpoint.next(), TEXT);
    assert.equal(endpoint.text, "€");
    assert.equal(endpoint.compressed, false);
    endpoint.receive(frame(2, bytes("01 02"), { rsv: 4, key: KEY }));
    assert.equal(endpoint.next(), BINARY);
    assert.deepEqual([...endpoint.payload], [1, 2]);
    assert.equal(endpoint.compressed, true);
    assert.equal(endpoint.next(), NEED_DATA);
  });
});

describe("RFC 6455 §7.1 the closing handshake", () => {
  test("RFC 6455 §7.1.1 Close the WebSocket Connection: the client waits for the server to end TCP", () => {
    const station = new Station(CLIENT);
    station.receive(frame(8, CLOSE_1000));
    assert.deepEqual(station.outcome(), ["close 1000", "sends close 1000"]);
    assert.equal(station.endpoint.state, "finished");
    station.endpoint.receiveEnd();
    assert.equal(station.endpoint.state, "closed");
  });

  test("RFC 6455 §7.1.2 Start the WebSocket Closing Handshake: only the first close() sends a close frame", () => {
    const station = new Station(SERVER);
    station.endpoint.close(3000, "enough");
    station.endpoint.close(4000);
    station.endpoint.close();
    assert.deepEqual(describeFrames(station.wire.take()), ["close 3000 enough"]);
    assert.equal(station.endpoint.state, "closeSent");
    // RFC 6455 §5.5.2: the endpoint still responds to a ping, and receives messages, after it sent a close frame.
    station.receive(fromClient(9, "?"));
    station.receive(fromClient(1, "crossed"));
    station.receive(fromClient(8, bytes("0b b8")));
    assert.deepEqual(station.outcome(), [
      "ping ?",
      "text crossed",
      "close 3000",
      "sends pong ?",
      "ends",
    ]);
    assert.equal(station.endpoint.state, "finished");
  });

  test("RFC 6455 §7.1.4 the connection is closed when TCP ends, in every state", () => {
    for (const [before, status] of [
      [() => {}, 1006],
      [(station: Station) => station.endpoint.close(1000), 1006],
      [(station: Station) => station.receive(fromClient(8, CLOSE_1000)), 1000],
      [(station: Station) => station.receive(fromClient(3)), 1006],
    ] as const) {
      const station = new Station(SERVER);
      before(station);
      station.endpoint.receiveEnd();
      station.endpoint.receiveEnd();
      assert.equal(station.endpoint.state, "closed");
      assert.equal(station.endpoint.closeStatus.code, status);
      assert.throws(() => station.endpoint.sendText("x"), NotOpenError);
      station.receive(fromClient(1, "late"));
      assert.ok(!station.log.includes("text late"));
    }
  });

  test("RFC 6455 §7.1.5 The WebSocket Connection Close Code, and RFC 6455 §7.1.6 the reason, are those of the received close frame", () => {
    for (const [payload, code, reason] of [
      [bytes(""), 1005, ""],
      [bytes("03 e9"), 1001, ""],
      [bytes("0f a0 68 69"), 4000, "hi"],
    ] as const) {
      const station = new Station(SERVER);
      assert.deepEqual(station.endpoint.closeStatus, { code: 1006, reason: "" });
      station.receive(fromClient(8, payload));
      assert.deepEqual(station.endpoint.closeStatus, { code, reason });
    }
  });

  test("RFC 6455 §7.4 close() throws for invalid codes and reasons, also when it would send nothing", () => {
    const station = new Station(SERVER);
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536, -1, 1.5, Number.NaN]) {
      assert.throws(() => station.endpoint.close(code), RangeError);
    }
    assert.throws(() => station.endpoint.close(1000, "x".repeat(124)), RangeError);
    assert.equal(station.wire.take().length, 0);
    station.endpoint.close();
    assert.throws(() => station.endpoint.close(999), RangeError);
  });
});

describe("RFC 6455 §7.1.7 Fail the WebSocket Connection", () => {
  test("fail() sends the rule's code, after which no frame is delivered", () => {
    const station = new Station(SERVER);
    station.endpoint.fail("MESSAGE_TOO_BIG");
    station.endpoint.fail("INVALID_DEFLATE");
    station.receive(fromClient(1, "late"));
    assert.deepEqual(station.outcome(), [
      "fail MESSAGE_TOO_BIG",
      "sends close 1009 the message is larger than this endpoint accepts (RFC 6455 §7.4.1)",
      "ends",
    ]);
    assert.equal(station.endpoint.state, "failed");
  });

  test("chunks received after a failure are not kept, even before next() is called", () => {
    const endpoint = new Endpoint(new MemoryWire(), SERVER);
    endpoint.fail("MESSAGE_TOO_BIG");
    const before = held();
    for (let i = 0; i < 8; i++) endpoint.receive(new Uint8Array(1024 * 1024));
    const grown = held() - before;
    assert.equal(endpoint.next(), NEED_DATA);
    // The last chunks may still be in memory until V8 collects them, but not all chunks.
    assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`);
  });

  test("no second close frame is sent after a first close frame", () => {
    const station = new Station(SERVER);
    station.endpoint.close(1000);
    station.receive(fromClient(3));
    assert.deepEqual(station.outcome(), ["fail RESERVED_OPCODE", "sends close 1000", "ends"]);
  });
});

describe("RFC 6455 §5.5.3 pings from a peer that does not read", () => {
  test("only the last ping is answered, as soon as the peer reads", () => {
    const station = new Station(SERVER);
    station.wire.congested = true;
    for (const name of ["a", "b", "c"]) station.receive(fromClient(9, name));
    assert.equal(station.wire.take().length, 0);
    station.wire.congested = false;
    station.endpoint.drained();
    assert.deepEqual(describeFrames(station.wire.take()), ["pong c"]);
    station.endpoint.drained();
    assert.equal(station.wire.take().length, 0);
  });

  test("earlier pings are not answered after a later ping was answered", () => {
    const station = new Station(SERVER);
    station.wire.congested = true;
    station.receive(fromClient(9, "before"));
    station.wire.congested = false;
    station.receive(fromClient(9, "after"));
    station.endpoint.drained();
    assert.deepEqual(describeFrames(station.wire.take()), ["pong after"]);
  });

  test("no ping is answered if the connection has failed meanwhile", () => {
    const station = new Station(SERVER);
    station.wire.congested = true;
    station.receive(fromClient(9, "?"));
    station.receive(fromClient(3));
    station.wire.take();
    station.endpoint.drained();
    assert.equal(station.wire.take().length, 0);
  });
});

describe("Endpoint throws errors that the peer did not cause", () => {
  test("if randomFill throws", () => {
    const mistake = new Error("no randomness");
    const endpoint = new Endpoint(new MemoryWire(), {
      ...CLIENT,
      randomFill: () => {
        throw mistake;
      },
    });
    endpoint.receive(frame(9, "?"));
    assert.throws(() => endpoint.next(), mistake);
    assert.equal(endpoint.failure, undefined);
  });

  test("if a wire calls receiveEnd() during a write", () => {
    const wire = { congested: false, write: () => endpoint.receiveEnd(), end: () => {} };
    const endpoint = new Endpoint(wire, SERVER);
    assert.throws(
      () => endpoint.close(),
      /the event "sendClose" is not allowed in the state "closed"/,
    );
  });
});

describe("a client and a server with chunks of random sizes", () => {
  for (let round = 0; round < 50; round++) {
    test(`receive every message once and in order, and close with 1000 (SEED=${seed + round})`, () => {
      const random = new Random(seed + round);
      const pair = new Pair(random, { maxPayload: 200_000, deflate: false });
      const ends = [
        { from: pair.client, to: pair.server, sent: [] as string[] },
        { from: pair.server, to: pair.client, sent: [] as string[] },
      ];
      for (let i = 0; i < 40; i++) {
        const end = random.pick(ends);
        assert.ok(end);
        const length = random.pick([0, 1, 125, 126, 127, 1000, 65_535, 65_536, 70_000]);
        if (random.int(2) === 0) {
          const text = "€x".repeat(length).slice(0, length);
          end.from.endpoint.sendText(text);
          end.sent.push(`text ${text}`.trimEnd());
        } else {
          end.from.endpoint.ping(random.bytes(random.int(126)));
        }
        for (let steps = random.int(20); steps > 0; steps--) pair.step();
      }
      const closer = random.int(3);
      if (closer !== 1) pair.client.endpoint.close(1000, "done");
      if (closer !== 0) pair.server.endpoint.close(1000, "done");
      pair.run();
      for (const { to, sent } of ends) {
        assert.deepEqual(
          to.log.filter((line) => line.startsWith("text")),
          sent,
        );
        assert.equal(to.endpoint.failure, undefined);
        assert.equal(to.endpoint.state, "closed");
        assert.equal(to.endpoint.closeStatus.code, 1000);
      }
    });
  }
});
