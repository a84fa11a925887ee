// Tests the format of @socket.io/redis-adapter: reads its messages, and writes messages with the same bytes or with the
// same meaning.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { ClusterAnswer, ClusterCommand } from "../../../lib/adapters/cluster-messages.ts";
import {
  decodeAnswer,
  decodeBroadcast,
  decodeMembership,
  decodeRequest,
  encodeAnswer,
  encodeBroadcast,
  encodeMembership,
  encodeRequest,
} from "../../../lib/adapters/redis-wire.ts";
import { decode, encode, splitArray } from "../../../protocol/socketio/messagepack.ts";
import { HANDSHAKE } from "../../support/bus.ts";
import { ANSWERS, BROADCASTS, REQUESTS } from "../../vectors/redis.ts";

function bytesOf(text: string): Buffer {
  return text.startsWith("{") ? Buffer.from(text) : Buffer.from(text, "hex");
}

/** Removes `undefined` values, which JSON cannot express. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("broadcasts of @socket.io/redis-adapter", () => {
  for (const { name, hex, namespace, sender, options, data, flags } of BROADCASTS) {
    const bytes = Buffer.from(hex, "hex");
    test(`reads ${name}`, () => {
      const broadcast = decodeBroadcast(bytes, namespace);
      assert.deepEqual(broadcast?.sender, sender);
      assert.deepEqual(broadcast?.options, options);
      assert.deepEqual(broadcast?.packet(), { type: 2, namespace, data });
      assert.equal(decodeBroadcast(bytes, "/another")?.packet(), undefined);
    });

    test(`writes ${name}`, () => {
      const packet = { type: 2, namespace, data } as const;
      const written = encodeBroadcast(sender, packet, {
        ...options,
        flags: flags ?? options.flags,
      });
      if (flags === undefined) {
        const broadcast = decodeBroadcast(written, namespace);
        assert.deepEqual(broadcast?.options, options);
        assert.deepEqual(broadcast?.packet(), packet);
      } else {
        assert.equal(Buffer.from(written).toString("hex"), hex);
      }
    });

    test(`ignores a truncated message: ${name}`, () => {
      for (let end = 0; end < bytes.length; end++) {
        const broadcast = decodeBroadcast(bytes.subarray(0, end), namespace);
        assert.equal(broadcast, undefined);
      }
    });
  }

  test("reads the sender and the options of a broadcast whose packet is invalid", () => {
    const invalid = Buffer.from([0x93, 0xa1, 0x61, 0xc1, 0x82, 0xa5]);
    const options = encode({ rooms: [], except: [] });
    const bytes = Buffer.concat([invalid.subarray(0, 4), options]);
    const broadcast = decodeBroadcast(bytes, "/");
    assert.equal(broadcast?.sender, "a");
    assert.equal(broadcast?.packet(), undefined);
  });

  test("ignores invalid broadcasts", () => {
    for (const value of [
      null,
      [],
      ["a", {}, {}],
      ["a", {}, { rooms: "r" }],
      ["a", {}, { rooms: [{}] }],
      ["a", {}, { rooms: [], except: 1 }],
    ]) {
      assert.equal(decodeBroadcast(encode(value), "/"), undefined);
    }
    for (const packet of [{ type: 0 }, { type: 2, data: "x" }, { type: 2, data: [{}] }, 1]) {
      const bytes = encode(["a", packet, { rooms: [] }]);
      assert.equal(decodeBroadcast(bytes, "/")?.packet(), undefined);
    }
  });
});

describe("requests of @socket.io/redis-adapter", () => {
  for (const { name, text, sender, message, same } of REQUESTS) {
    test(`reads ${name}`, () => {
      assert.deepEqual(decodeRequest(bytesOf(text), "/"), { sender, message });
    });

    test(`ignores a truncated request: ${name}`, () => {
      const bytes = bytesOf(text);
      for (let end = 0; end < bytes.length; end++) {
        assert.equal(decodeRequest(bytes.subarray(0, end), "/"), undefined);
      }
    });

    if (same !== true || message.type === "sockets" || message.type === "all-rooms") continue;
    test(`writes ${name}`, () => {
      const written = Buffer.from(encodeRequest(sender ?? "", message));
      assert.deepEqual(JSON.parse(written.toString()), JSON.parse(text));
    });
  }

  test("writes and reads a broadcast that expects acknowledgements", () => {
    const { message } = REQUESTS.at(-1) ?? assert.fail();
    assert.ok(message.type === "broadcast");
    assert.deepEqual(decodeRequest(encodeRequest("uid123", message), "/"), {
      sender: "uid123",
      message,
    });
  });

  test("writes a request with binary data as MessagePack", () => {
    const message: ClusterCommand = {
      type: "server-side-emit",
      event: ["tell", { deep: [Buffer.from([1, 2])] }],
      request: "r",
    };
    assert.deepEqual(decodeRequest(encodeRequest("a", message), "/"), { sender: "a", message });
  });

  test("ignores invalid requests", () => {
    const texts = [
      "",
      "{",
      "null",
      "{}",
      '{"type":99}',
      '{"type":0}',
      '{"type":1}',
      '{"type":2,"opts":{"rooms":[]}}',
      '{"type":3,"rooms":["a"]}',
      '{"type":4}',
      '{"type":5,"opts":{"rooms":[]}}',
      '{"type":5,"requestId":"a"}',
      '{"type":6,"data":[1]}',
      '{"type":6,"data":{}}',
      '{"type":7,"requestId":"a","opts":{"rooms":[]}}',
      '{"uid":"\u00ff',
    ];
    for (const text of texts) assert.equal(decodeRequest(Buffer.from(text), "/"), undefined, text);
    assert.equal(decodeRequest(Buffer.from([0x7b, 0xff]), "/"), undefined);
  });
});

describe("responses of @socket.io/redis-adapter", () => {
  for (const { name, text, message } of ANSWERS) {
    test(`reads ${name}`, () => {
      const expected = message && { sender: undefined, message };
      assert.deepEqual(decodeAnswer(bytesOf(text)), expected);
    });
  }

  const answers: readonly ClusterAnswer[] = [
    { type: "asked", request: "r", count: 3 },
    { type: "answer", request: "r", value: [1, "2", null] },
    { type: "answer", request: "r", value: Buffer.from([1]) },
    { type: "no-answer", request: "r" },
    { type: "done", request: "r" },
    { type: "server-side-answer", request: "r", value: { a: Buffer.from([1]) } },
    { type: "heartbeat" },
    {
      type: "fetched",
      request: "r",
      sockets: [{ id: "s", handshake: HANDSHAKE, rooms: new Set(["s", "room"]), data: { a: 1 } }],
    },
  ];
  for (const message of answers) {
    test(`writes and reads ${message.type}`, () => {
      assert.deepEqual(decodeAnswer(encodeAnswer("me", message)), { sender: "me", message });
    });
  }

  test("writes the fields that @socket.io/redis-adapter expects", () => {
    const written = (answer: Parameters<typeof encodeAnswer>[1]): unknown =>
      plain(JSON.parse(Buffer.from(encodeAnswer("me", answer)).toString()));
    assert.deepEqual(written({ type: "sockets", request: "r", sockets: ["s"] }), {
      requestId: "r",
      sockets: ["s"],
      uid: "me",
    });
    assert.deepEqual(written({ type: "all-rooms", request: "r", rooms: ["a"] }), {
      requestId: "r",
      rooms: ["a"],
      uid: "me",
    });
    assert.deepEqual(decode(encodeAnswer("me", { type: "answer", request: "r", value: 1 })), {
      type: 9,
      requestId: "r",
      packet: 1,
      uid: "me",
    });
  });

  test("ignores invalid responses", () => {
    for (const text of [
      "{}",
      '{"requestId":1}',
      '{"requestId":"a","type":8,"clientCount":-1}',
      '{"requestId":"a","type":8,"clientCount":0.5}',
      '{"requestId":"a","type":8,"clientCount":16777217}',
      "[",
    ]) {
      assert.equal(decodeAnswer(Buffer.from(text)), undefined, text);
    }
  });
});

test("membership messages are written and read, and invalid membership messages are ignored", () => {
  for (const type of ["hello", "heartbeat", "goodbye"] as const) {
    assert.deepEqual(decodeMembership(encodeMembership("me", type)), {
      sender: "me",
      message: { type },
    });
  }
  for (const text of ["{}", '{"type":"x"}', "", "7"]) {
    assert.equal(decodeMembership(Buffer.from(text)), undefined);
  }
});

describe("splitArray() of a MessagePack array", () => {
  const values: readonly unknown[] = [
    1,
    -1,
    300,
    70_000,
    2 ** 40,
    -200,
    -40_000,
    -(2 ** 40),
    1.5,
    null,
    true,
    "short",
    "x".repeat(100),
    "x".repeat(1_000),
    "x".repeat(70_000),
    Buffer.alloc(10),
    Buffer.alloc(300),
    Buffer.alloc(70_000),
    new Date(1700000000123),
    [1, [2, [3]]],
    Array.from({ length: 20 }, (_, index) => index),
    Array.from({ length: 70_000 }, () => 0),
    { a: { b: [1] } },
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, index])),
  ];

  test("returns items that decode to the same values as the whole array", () => {
    const items = splitArray(encode(values));
    assert.deepEqual(items.map(decode), decode(encode(values)));
    const many = Array.from({ length: 70_000 }, () => 1);
    assert.equal(splitArray(encode(many)).length, 70_000);
  });

  test("splits numbers, extensions, maps and arrays of every format", () => {
    const formats = [
      "ca00000000",
      "d4ff00",
      "d5ff0000",
      "d8ff00000000000000000000000000000000",
      "c703ff000000",
      "c80003ff000000",
      "c900000003ff000000",
      "df0000000101" + "02",
      "dd0000000101",
    ];
    for (const format of formats) {
      const bytes = Buffer.from(`92${format}07`, "hex");
      const [first, second] = splitArray(bytes);
      assert.equal(Buffer.from(first ?? []).toString("hex"), format);
      assert.equal(Buffer.from(second ?? []).toString("hex"), "07");
    }
  });

  test("throws for other values, truncated arrays, and bytes after the array", () => {
    for (const hex of ["", "01", "80", "9101" + "02", "92" + "01", "ddffffffff", "91a5"]) {
      assert.throws(() => splitArray(Buffer.from(hex, "hex")), hex);
    }
  });
});
