// Tests the messages of a python-socketio cluster: reads messages that three versions have published, and writes
// messages for these versions.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { parsePythonJson } from "../../../lib/adapters/python-json.ts";
import {
  decodeMessage,
  type Emit,
  encodeCallback,
  encodeCloseRoom,
  encodeEmit,
  encodeOperation,
  type PythonFormat,
  type PythonMessage,
} from "../../../lib/adapters/python-messages.ts";
import { assertLinear } from "../../support/growth.ts";

interface Vector {
  readonly version: "5.7.2" | "5.15.0" | "5.16.3";
  readonly name: string;
  readonly hex?: string;
  readonly text?: string;
}

const VECTORS: readonly Vector[] = JSON.parse(
  readFileSync(new URL("../../vectors/python-socketio.json", import.meta.url), "utf8"),
);

const FORMATS: Readonly<Record<Vector["version"], PythonFormat>> = {
  "5.7.2": { dialect: "raw", pickle: true },
  "5.15.0": { dialect: "raw", pickle: false },
  "5.16.3": { dialect: "args-list", pickle: false },
};
const NEWEST = FORMATS["5.16.3"];
const MIDDLE = FORMATS["5.15.0"];
const OLDEST = FORMATS["5.7.2"];

const HOST = "48a60123456789abcdef0123456789ab";
const ASKING = "ffff0123456789abcdef0123456789ab";
const EVERYBODY = { event: "ev", rooms: undefined, skip: [], callback: undefined };

function emit(args: readonly unknown[], rest: Partial<Emit> = {}): PythonMessage {
  return { method: "emit", namespace: "/", hostId: HOST, ...EVERYBODY, args, ...rest };
}

const BYTES = [{ b: Buffer.of(0, 255), x: [Buffer.from("q")] }];

/** The expected message for each call in python-socketio.py. A message that depends on the version is a function. */
const EXPECTED: Readonly<Record<string, PythonMessage | ((version: string) => PythonMessage)>> = {
  object: emit([{ a: 1 }]),
  None: emit([]),
  // If version 5.14 or 5.15.0 publishes a tuple, all receivers, including Python servers, read it as a list.
  "empty tuple": (version) => (version === "5.15.0" ? emit([[]]) : emit([])),
  tuple: (version) => (version === "5.15.0" ? emit([["a", 2, [3]]]) : emit(["a", 2, [3]])),
  list: emit([[1, 2]]),
  string: emit(["hé 😀"]),
  constants: emit([
    [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 'NaN "Infinity'],
  ]),
  "large int": emit([2 ** 53 + 2]),
  "larger int": emit([-(2 ** 80)]),
  "lone surrogate": emit(["a\ud800b"]),
  scalars: emit([[null, true, false, 0, -1, 255, 256, 65536, -70000, 1.5, 2 ** 31]]),
  bytes: emit(BYTES),
  "bytes alone": emit([Buffer.of(0, 255)]),
  "bytes in a tuple": emit([Buffer.of(0), 1]),
  "the same list twice": emit([
    [
      ["a", "a"],
      ["a", "a"],
    ],
  ]),
  room: emit([1], { rooms: ["r1"] }),
  rooms: emit([1], { rooms: ["r1", "r2"] }),
  "numeric room": emit([1], { rooms: ["7"] }),
  "one skip_sid": emit([1], { skip: ["s1"] }),
  "two skip_sids": emit([1], { skip: ["s1", "s2"] }),
  callback: emit([1], { rooms: ["s1"], callback: ["s1", "/", 1] }),
  answer: {
    method: "callback",
    namespace: "/",
    hostId: ASKING,
    sid: "s1",
    id: 1,
    args: ["acked", { q: 1 }],
  },
  // Versions before 5.10 publish this message and the next one without host_id.
  disconnect: (version) => ({
    method: "disconnect",
    namespace: "/",
    hostId: version === "5.7.2" ? undefined : HOST,
    sid: "s1",
  }),
  "close room": (version) => ({
    method: "close_room",
    namespace: "/",
    hostId: version === "5.7.2" ? undefined : HOST,
    room: "r1",
  }),
  "enter room": { method: "enter_room", namespace: "/", hostId: HOST, sid: "s1", room: "rx" },
  "leave room": { method: "leave_room", namespace: "/", hostId: HOST, sid: "s1", room: "rx" },
};

function bytesOf({ hex, text }: Vector): Buffer {
  return hex === undefined ? Buffer.from(text ?? "") : Buffer.from(hex, "hex");
}

function decode(message: object | string, format = NEWEST): PythonMessage | undefined {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  return decodeMessage(Buffer.from(text), format);
}

describe("reading messages that python-socketio published", () => {
  for (const vector of VECTORS) {
    const { version, name } = vector;
    test(`${version}: reads "${name}"`, () => {
      const expected = EXPECTED[name];
      assert.ok(expected !== undefined);
      assert.deepEqual(
        decodeMessage(bytesOf(vector), FORMATS[version]),
        typeof expected === "function" ? expected(version) : expected,
      );
    });
  }

  test("has test vectors of every version", () => {
    for (const version of Object.keys(FORMATS)) {
      assert.ok(VECTORS.filter((vector) => vector.version === version).length >= 22, version);
    }
  });

  test("rejects a pickle unless the pickle option is set", () => {
    for (const vector of VECTORS.filter(({ version }) => version === "5.7.2")) {
      assert.throws(() => decodeMessage(bytesOf(vector), NEWEST), {
        name: "PythonAdapterError",
        code: "ERR_PYTHON_PICKLE_OFF",
      });
    }
  });
});

describe("writing messages for python-socketio", () => {
  const text = (args: readonly unknown[], rest: Partial<Emit> = {}, format = NEWEST): string =>
    encodeEmit({ ...EVERYBODY, args, ...rest }, "/", HOST, format);
  const vector = (version: string, name: string): unknown =>
    parsePythonJson(
      VECTORS.find((each) => each.version === version && each.name === name)?.text ?? "",
    );

  /** Arguments, and the name of the vector with the message that Python publishes for the same arguments. */
  const SAME: readonly (readonly [name: string, args: unknown[], rest?: Partial<Emit>])[] = [
    ["object", [{ a: 1 }]],
    ["None", [null]],
    ["string", ["hé 😀"]],
    ["lone surrogate", ["a\ud800b"]],
    ["large int", [2 ** 53 + 2]],
    ["list", [[1, 2]]],
    ["bytes", BYTES],
    ["bytes alone", [Buffer.of(0, 255)]],
    ["room", [1], { rooms: ["r1"] }],
    ["rooms", [1], { rooms: ["r1", "r2"] }],
    ["one skip_sid", [1], { skip: ["s1"] }],
    ["two skip_sids", [1], { skip: ["s1", "s2"] }],
    ["callback", [1], { rooms: ["s1"], callback: ["s1", "/", 1] }],
  ];
  for (const [name, args, rest] of SAME) {
    test(`writes "${name}" like python-socketio, in both JSON dialects`, () => {
      assert.deepEqual(JSON.parse(text(args, rest)), vector("5.16.3", name));
      assert.deepEqual(JSON.parse(text(args, rest, MIDDLE)), vector("5.15.0", name));
    });
  }

  test("writes several arguments, and no arguments, like python-socketio, in the dialect args-list", () => {
    assert.deepEqual(JSON.parse(text(["a", 2, [3]])), vector("5.16.3", "tuple"));
    assert.deepEqual(JSON.parse(text([])), vector("5.16.3", "empty tuple"));
    assert.deepEqual(JSON.parse(text([Buffer.of(0), 1])), vector("5.16.3", "bytes in a tuple"));
  });

  test("writes operations and acknowledgements like python-socketio", () => {
    const parsed = {
      disconnect: encodeOperation("disconnect", "s1", undefined, "/", HOST),
      "enter room": encodeOperation("enter_room", "s1", "rx", "/", HOST),
      "leave room": encodeOperation("leave_room", "s1", "rx", "/", HOST),
      "close room": encodeCloseRoom("r1", "/", HOST),
      answer: encodeCallback(ASKING, ["s1", "/", 1], ["acked", { q: 1 }]),
    };
    for (const [name, written] of Object.entries(parsed)) {
      assert.deepEqual(JSON.parse(written), vector("5.16.3", name), name);
    }
  });

  test("writes NaN as null", () => {
    assert.deepEqual(JSON.parse(text([Number.NaN])).data, [null]);
  });

  test("dialect raw: writes no arguments as null, and throws for several arguments", () => {
    assert.equal(JSON.parse(text([], {}, MIDDLE)).data, null);
    assert.equal(JSON.parse(text([undefined], {}, MIDDLE)).data, null);
    for (const format of [MIDDLE, OLDEST]) {
      assert.throws(() => text([1, 2], {}, format), { code: "ERR_PYTHON_INEXPRESSIBLE" });
    }
  });

  test("dialect raw with pickles: throws for binary data, which python-socketio 5.7.2 does not read in JSON", () => {
    assert.throws(() => text([Buffer.of(1)], {}, OLDEST), { code: "ERR_PYTHON_INEXPRESSIBLE" });
    assert.doesNotThrow(() => text(["no bytes"], {}, OLDEST));
  });

  test("throws for an object that resembles a binary placeholder, but only if the event has binary data", () => {
    const lookalike = { _placeholder: true, num: 0 };
    // Python treats 1 as true, so an object with `_placeholder: 1` is a lookalike, too. A toJSON() may also return a
    // lookalike, and a lookalike may be nested.
    const others = [{ _placeholder: 1, num: 7 }, { toJSON: () => lookalike }, [[{ x: lookalike }]]];
    for (const object of [lookalike, ...others]) {
      assert.throws(() => text([object, Buffer.of(1)]), { code: "ERR_PYTHON_INEXPRESSIBLE" });
      assert.doesNotThrow(() => text([object]));
    }
    assert.doesNotThrow(() => text([{ _placeholder: true }, { num: 0 }, Buffer.of(1)]));
  });

  test("writes an ArrayBuffer and a DataView as base64", () => {
    const { buffer } = new Uint8Array([1, 2, 3, 4]);
    const { data } = JSON.parse(text([buffer, new DataView(buffer, 1, 2)]));
    assert.deepEqual(data.slice(1), ["AQIDBA==", "AgM="]);
  });

  test("throws for an acknowledgement with binary data, which no version reads", () => {
    assert.throws(() => encodeCallback(ASKING, ["s1", "/", 1], [{ b: Buffer.of(1) }]), {
      code: "ERR_PYTHON_INEXPRESSIBLE",
    });
  });
});

describe("reading messages that other programs publish", () => {
  const BASE = { method: "emit", event: "ev", namespace: "/" };

  test("requires only event, data and namespace", () => {
    const args = [1];
    const expected = { ...emit(args), hostId: undefined };
    assert.deepEqual(decode({ ...BASE, data: args }), expected);
  });

  test("reads data that is not a list as one argument, and null as no arguments", () => {
    for (const [data, args] of [
      [{ a: 1 }, [{ a: 1 }]],
      ["text", ["text"]],
      [null, []],
      [[null], []],
      [
        [null, null],
        [null, null],
      ],
    ] as const) {
      assert.deepEqual(decode({ ...BASE, data }), { ...emit(args), hostId: undefined });
    }
  });

  test("reads an empty list of rooms as no recipients", () => {
    const message = decode({ ...BASE, data: [], room: [] });
    assert.deepEqual(message, { ...emit([]), hostId: undefined, rooms: [] });
  });

  test("ignores a callback that does not have three parts", () => {
    for (const callback of [[], ["s1", "/"], "s1/1", { 0: 1 }]) {
      assert.deepEqual(decode({ ...BASE, data: [], callback }), { ...emit([]), hostId: undefined });
    }
  });

  test("ignores an unknown method", () => {
    assert.equal(decode({ method: "rejoice", namespace: "/" }), undefined);
  });

  test("reads NaN and Infinity outside strings only", () => {
    const written = String.raw`[NaN, -Infinity, Infinity, "NaN, \" Infinity", {"NaN": NaN}]`;
    assert.deepEqual(parsePythonJson(written), [
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      'NaN, " Infinity',
      { NaN: Number.NaN },
    ]);
    assert.deepEqual(parsePythonJson(String.raw`["N\u0061N", NaN]`), ["NaN", Number.NaN]);
    for (const bad of ["NaNs", "xNaN", "1NaN", "-NaN", "[Infinity", '"NaN', "nan", "{NaN: 1}"]) {
      assert.throws(() => parsePythonJson(bad), { name: "ProtocolError" }, bad);
    }
  });

  test("reads 100,000 NaN values in linear time", () => {
    assertLinear(100_000, (count) => {
      const many = ",NaN".repeat(count);
      // The first value contains an escape, because Python's json.dumps() escapes all characters outside ASCII.
      for (const before of [String.raw`"\u00e9"`, `"NaN${"N".repeat(4 * count)}"`]) {
        const values = parsePythonJson(`[${before}${many}]`);
        assert.ok(Array.isArray(values) && values.length === count + 1);
        assert.ok(Number.isNaN(values.at(-1)));
      }
    });
  });

  test("reads the key __proto__ as an own property", () => {
    const message = decode(
      `{"method":"emit","event":"e","namespace":"/","data":[{"__proto__":{"x":1}}]}`,
    );
    assert.ok(message?.method === "emit");
    const [object] = message.args;
    assert.ok(typeof object === "object" && object !== null);
    assert.deepEqual(Object.keys(object), ["__proto__"]);
    assert.equal("x" in object, false);
  });

  const deep = `${"[".repeat(1200)}${"]".repeat(1200)}`;
  const INVALID: Readonly<Record<string, string | object>> = {
    "invalid JSON": "{",
    "an empty message": "",
    "a number": "1",
    "a list": "[]",
    null: "null",
    "no method": { event: "ev" },
    "a method that is not a string": { method: 1 },
    "no namespace": { method: "emit", event: "ev", data: [] },
    "a namespace that is not a string": { ...BASE, namespace: null, data: [] },
    "no event": { method: "emit", namespace: "/", data: [] },
    "an event that is not a string": { ...BASE, event: ["ev"], data: [] },
    "a reserved event": { ...BASE, event: "disconnect", data: [] },
    "no data": BASE,
    "a room that is not a string": { ...BASE, data: [], room: { a: 1 } },
    "a sid that is not a string": { ...BASE, data: [], skip_sid: [true] },
    "binary data that is not a list": { ...BASE, data: "AP8=", binary: true },
    "binary data that is an empty list": { ...BASE, data: [], binary: true },
    "an attachment that is not base64": { ...BASE, data: [[], "*"], binary: true },
    "an attachment that is not a string": { ...BASE, data: [[], 7], binary: true },
    "a placeholder without an attachment": {
      ...BASE,
      data: [[{ _placeholder: true, num: 1 }], "AP8="],
      binary: true,
    },
    "a placeholder with a string as its number": {
      ...BASE,
      data: [[{ _placeholder: true, num: "length" }], "AP8="],
      binary: true,
    },
    "data that is nested too deeply": `{"method":"emit","event":"ev","namespace":"/","data":${deep}}`,
    "data that is nested too deeply, in a message with NaN": `{"method":"emit","x":NaN,"namespace":"/","data":${deep}}`,
    "a callback without arguments": { method: "callback", namespace: "/", sid: "s", id: 1 },
    "a disconnect without a sid": { method: "disconnect", namespace: "/" },
    "close_room with null as the room": { method: "close_room", namespace: "/", room: null },
    "enter_room with null as the sid": {
      method: "enter_room",
      namespace: "/",
      room: "r",
      sid: null,
    },
    "leave_room without a room": { method: "leave_room", namespace: "/", sid: "s1" },
  };
  for (const [name, message] of Object.entries(INVALID)) {
    test(`rejects ${name}`, () => {
      assert.throws(() => decode(message), /./);
    });
  }

  test("rejects a message that is not UTF-8", () => {
    assert.throws(() => decodeMessage(Buffer.of(0x22, 0xff, 0x22), NEWEST), {
      code: "ERR_PYTHON_MESSAGE",
    });
  });

  test("throws for a message truncated at any byte", () => {
    for (const vector of VECTORS.filter(({ text }) => text !== undefined)) {
      const bytes = bytesOf(vector);
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => decodeMessage(bytes.subarray(0, end), FORMATS[vector.version]));
      }
    }
  });
});
