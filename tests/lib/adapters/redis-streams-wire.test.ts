// Tests reading and writing the format of @socket.io/redis-streams-adapter 0.3.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { ClusterAnswer, ClusterMessage } from "../../../lib/adapters/cluster-messages.ts";
import {
  decodeEntry,
  decodeSession,
  decodeStreamsMessage,
  encodeEntry,
  encodeSession,
  encodeStreamsMessage,
  type RecoveryNews,
} from "../../../lib/adapters/redis-streams-wire.ts";
import type { BroadcastOptions } from "../../../lib/socketio/adapter.ts";
import { decode, encode } from "../../../protocol/socketio/messagepack.ts";
import { EVENT } from "../../../protocol/socketio/packet.ts";
import { HANDSHAKE } from "../../support/bus.ts";

const OPTIONS: BroadcastOptions = {
  rooms: new Set(["room1", "room2"]),
  except: new Set(["room3"]),
  flags: { volatile: false, compress: true },
};
const packet = { type: EVENT, namespace: "/", data: ["event", 1, { a: null }] } as const;

const IN_STREAM: readonly ClusterMessage[] = [
  {
    type: "broadcast",
    packet: { ...packet, data: [...packet.data] },
    options: OPTIONS,
    request: undefined,
  },
  {
    type: "broadcast",
    packet: { ...packet, data: ["event", Buffer.from([1, 2])] },
    options: OPTIONS,
    request: undefined,
  },
  { type: "join", options: OPTIONS, rooms: ["room4"], request: "r" },
  { type: "leave", options: OPTIONS, rooms: ["room4"], request: undefined },
  { type: "disconnect", options: OPTIONS, close: true, request: "r" },
];

const IN_CHANNELS: readonly (ClusterMessage | ClusterAnswer | RecoveryNews)[] = [
  ...IN_STREAM,
  { type: "hello" },
  { type: "heartbeat" },
  { type: "goodbye" },
  { type: "returned", sid: "sid", pid: "secret", returns: 2 },
  { type: "fetch", options: OPTIONS, request: "r" },
  { type: "server-side-emit", event: ["event", 1], request: undefined },
  { type: "server-side-emit", event: ["event", Buffer.from([1])], request: "r" },
  { type: "asked", request: "r", count: 3 },
  { type: "answer", request: "r", value: [Buffer.from([1]), "text"] },
  { type: "server-side-answer", request: "r", value: { a: 1 } },
  { type: "done", request: "r" },
  { type: "no-answer", request: "r" },
  {
    type: "fetched",
    request: "r",
    sockets: [{ id: "a", handshake: HANDSHAKE, rooms: new Set(["a"]), data: { name: "a" } }],
  },
];

/** Serializes a value. The result for bytes does not depend on the class of the array. */
const comparable = (value: unknown): unknown =>
  JSON.stringify(value, (_name, each: unknown) => {
    if (each instanceof Uint8Array) return { bytes: [...each] };
    // If the value is a Buffer, JSON.stringify() has called its toJSON() before it calls this
    // function with the result.
    const { type, data } = Object(each);
    if (type === "Buffer" && Array.isArray(data)) return { bytes: data };
    return each instanceof Set ? [...each] : each;
  });

describe("stream entries", () => {
  for (const [index, message] of IN_STREAM.entries()) {
    test(`are read back as written: ${message.type}, ${index}`, () => {
      const entry = decodeEntry(encodeEntry("uid", "/", message, 7), "/");
      assert.deepEqual([entry?.sender, entry?.number], ["uid", 7]);
      assert.equal(comparable(entry?.message), comparable(message));
    });
  }

  test('are written like those of @socket.io/redis-streams-adapter, with an additional field "number"', () => {
    const [broadcast, binary] = IN_STREAM;
    assert.ok(broadcast && binary);
    assert.deepEqual(Object.fromEntries(encodeEntry("uid", "/", broadcast, 7)), {
      uid: "uid",
      nsp: "/",
      type: "3",
      data: '{"opts":{"rooms":["room1","room2"],"except":["room3"],"flags":{"volatile":false,"compress":true}},"packet":{"type":2,"nsp":"/","data":["event",1,{"a":null}]}}',
      number: "7",
    });
    const data = encodeEntry("uid", "/", binary, 7).get("data") ?? "";
    assert.deepEqual(decode(Buffer.from(data, "base64")), {
      opts: {
        rooms: ["room1", "room2"],
        except: ["room3"],
        flags: { volatile: false, compress: true },
      },
      packet: { type: 2, nsp: "/", data: ["event", Buffer.from([1, 2])] },
    });
  });

  test("have dates as ISO strings, even if they also have binary data", () => {
    const data = ["event", new Date(0), Buffer.from([1])] as const;
    const written = encodeEntry(
      "uid",
      "/",
      { type: "broadcast", packet: { ...packet, data: [...data] }, options: OPTIONS },
      1,
    );
    const { message } = decodeEntry(written, "/") ?? {};
    assert.ok(message?.type === "broadcast" && message.packet.type === EVENT);
    assert.equal(message.packet.data[1], "1970-01-01T00:00:00.000Z");
  });

  test("of @socket.io/redis-streams-adapter are read", () => {
    const fields = new Map([
      ["uid", "5f4dcc3b5aa765d6"],
      ["nsp", "/"],
      ["type", "3"],
      [
        "data",
        '{"packet":{"type":2,"data":["event"],"nsp":"/"},"opts":{"rooms":[],"except":[],"flags":{"volatile":true}}}',
      ],
    ]);
    const entry = decodeEntry(fields, "/");
    assert.deepEqual(entry?.message, {
      type: "broadcast",
      packet: { type: EVENT, namespace: "/", data: ["event"], id: undefined },
      options: { rooms: new Set(), except: new Set(), flags: { volatile: true, compress: true } },
      request: undefined,
    });
    assert.equal(entry?.number, undefined);
  });

  test("of an unknown type are valid and have no message", () => {
    const entry = decodeEntry(
      new Map([
        ["uid", "x"],
        ["type", "99"],
        ["data", "{}"],
      ]),
      "/",
    );
    assert.deepEqual(entry, { sender: "x", number: undefined, message: undefined });
  });

  test("cannot be written if an argument is circular, too deeply nested or a BigInt", () => {
    let deep: unknown = [];
    for (let depth = 0; depth < 1_500; depth++) deep = [deep];
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const value of [deep, cycle, 1n]) {
      const broken: ClusterMessage = {
        type: "broadcast",
        packet: { ...packet, data: ["event", value] },
        options: OPTIONS,
      };
      assert.throws(() => encodeEntry("uid", "/", broken, 1), /nested|circular|BigInt/);
    }
  });
});

describe("pub/sub messages", () => {
  for (const [index, message] of IN_CHANNELS.entries()) {
    test(`are read back as written: ${message.type}, ${index}`, () => {
      const bytes = encodeStreamsMessage("uid", "/chat", asIn("/chat", message));
      const decoded = decodeStreamsMessage(bytes, "/chat");
      assert.equal(decoded?.sender, "uid");
      assert.equal(comparable(decoded?.message), comparable(asIn("/chat", message)));
      assert.equal(decodeStreamsMessage(bytes, "/another"), undefined);
    });
  }

  for (const [name, value] of Object.entries({
    "a value that is not an object": 1,
    "no sender": { nsp: "/", type: 2 },
    "a sender that is not a string": { uid: 1, nsp: "/", type: 2 },
    "a pid that is not a string": {
      uid: "x",
      nsp: "/",
      type: "returned",
      data: { sid: "sid", pid: 1 },
    },
    "no request id": { uid: "x", nsp: "/", type: 7, data: { opts: { rooms: [], except: [] } } },
    "a negative count": { uid: "x", nsp: "/", type: 11, data: { requestId: "r", clientCount: -1 } },
    "too large a count": {
      uid: "x",
      nsp: "/",
      type: 11,
      data: { requestId: "r", clientCount: 2 ** 40 },
    },
    "sockets that are not a list": {
      uid: "x",
      nsp: "/",
      type: 8,
      data: { requestId: "r", sockets: {} },
    },
  })) {
    test(`are invalid with ${name}`, () => {
      assert.equal(decodeStreamsMessage(encode(value), "/"), undefined);
    });
  }
});

describe("stored sessions", () => {
  const session = {
    sid: "sid",
    pid: "pid",
    nsp: "/",
    rooms: new Set(["sid", "room"]),
    data: { name: "Ada" },
    offset: "1-0",
    returns: 3,
  };

  test("are read back unchanged, but only with the right pid", () => {
    assert.deepEqual(decodeSession(encodeSession(session), "pid"), session);
    assert.equal(decodeSession(encodeSession(session), "another"), undefined);
  });

  test("of @socket.io/redis-streams-adapter, which have no namespace and no offset, are read", () => {
    const { sid, pid, data } = session;
    const text = Buffer.from(encode({ sid, pid, rooms: ["sid"], data })).toString("base64");
    assert.deepEqual(decodeSession(text, "pid"), {
      sid,
      pid,
      nsp: undefined,
      rooms: new Set(["sid"]),
      data,
      offset: "",
      returns: 0,
    });
  });

  test("omit data that cannot be encoded", () => {
    const data = { name: "Ada", call: () => {}, symbol: Symbol("a"), large: 2n ** 70n };
    assert.deepEqual(decodeSession(encodeSession({ ...session, data }), "pid")?.data, {
      name: "Ada",
    });
  });
});

function asIn<Message extends ClusterMessage | ClusterAnswer | RecoveryNews>(
  namespace: string,
  message: Message,
): ClusterMessage | ClusterAnswer | RecoveryNews {
  return message.type === "broadcast"
    ? { ...message, packet: { ...message.packet, namespace } }
    : message;
}
