// Socket.IO "Packet encoding": bytes taken out of a payload, and put back.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runInNewContext } from "node:vm";

import { extract, restore } from "../../../protocol/socketio/attachments.ts";
import { bytes } from "../../support/split.ts";

const BYTES = bytes("01 02 03 04 05 06 07 08");
const HOLE = { _placeholder: true, num: 0 };

class WithToJson {
  readonly #value: unknown;
  constructor(value: unknown) {
    this.#value = value;
  }
  toJSON(): unknown {
    return this.#value;
  }
}

/** What holds bytes, what stays of it, and the bytes in hex. */
const WITH_BINARY: readonly (readonly [
  does: string,
  value: unknown,
  data: unknown,
  hex: string[],
])[] = [
  ["a Uint8Array", BYTES, HOLE, ["0102030405060708"]],
  ["a Buffer", Buffer.from("a"), HOLE, ["61"]],
  ["an ArrayBuffer", new Uint8Array([7, 8]).buffer, HOLE, ["0708"]],
  ["an empty ArrayBuffer", new ArrayBuffer(0), HOLE, [""]],
  ["a view of a part", BYTES.subarray(2, 5), HOLE, ["030405"]],
  ["a DataView of a part", new DataView(BYTES.buffer, 1, 2), HOLE, ["0203"]],
  ["a Uint16Array of a part", new Uint16Array(BYTES.buffer, 2, 2), HOLE, ["03040506"]],
  ["a Float64Array", new Float64Array([1]), HOLE, ["000000000000f03f"]],
  ["a BigInt64Array", new BigInt64Array([-1n]), HOLE, ["ffffffffffffffff"]],
  ["a Uint8ClampedArray", new Uint8ClampedArray([300]), HOLE, ["ff"]],
  ["a Uint8Array of another realm", runInNewContext("new Uint8Array([1, 2])"), HOLE, ["0102"]],
  ["one in an array", [1, BYTES], [1, HOLE], ["0102030405060708"]],
  ["one in an object", { a: { b: BYTES } }, { a: { b: HOLE } }, ["0102030405060708"]],
  [
    "several, depth first",
    [{ a: [bytes("00"), { b: bytes("01") }] }, bytes("02")],
    [{ a: [HOLE, { b: { ...HOLE, num: 1 } }] }, { ...HOLE, num: 2 }],
    ["00", "01", "02"],
  ],
  [
    "the same twice",
    [BYTES, BYTES],
    [HOLE, { ...HOLE, num: 1 }],
    ["0102030405060708", "0102030405060708"],
  ],
  ["what toJSON() gives", new WithToJson(bytes("09")), HOLE, ["09"]],
  ["what toJSON() gives, inside", { a: new WithToJson([bytes("09")]) }, { a: [HOLE] }, ["09"]],
  ["a Date beside bytes", [new Date(0), bytes("09")], ["1970-01-01T00:00:00.000Z", HOLE], ["09"]],
  ["a toJSON that is no function", { toJSON: 1, a: bytes("09") }, { toJSON: 1, a: HOLE }, ["09"]],
  [
    "null, undefined and a function beside bytes",
    [null, undefined, bytes("09")],
    [null, undefined, HOLE],
    ["09"],
  ],
  ["what looks like a placeholder", [HOLE, bytes("09")], [HOLE, HOLE], ["09"]],
];

const WITHOUT_BINARY: readonly (readonly [does: string, value: unknown])[] = [
  ["undefined", undefined],
  ["null", null],
  ["a string", "x"],
  ["a number", 1],
  ["a function", () => BYTES],
  ["an empty array", []],
  ["an empty object", {}],
  ["a Date", new Date(0)],
  ["a Map, whose values JSON does not see", new Map([["a", BYTES]])],
  ["what toJSON() leaves out", { a: BYTES, toJSON: () => ({}) }],
  ["what toJSON() makes undefined", new WithToJson(undefined)],
  ["a key that is not enumerable", Object.defineProperty({}, "a", { value: BYTES })],
  ["a key that is inherited", Object.create({ a: BYTES })],
  ["a key that is a symbol", { [Symbol("a")]: BYTES }],
  ["a SharedArrayBuffer", new SharedArrayBuffer(1)],
  ["nesting", [[{ a: [{ b: null }] }]]],
];

describe("bytes taken out", () => {
  for (const [does, value, data, hex] of WITH_BINARY) {
    test(`Packet encoding: ${does}`, () => {
      const extracted = extract(value);
      assert.deepEqual(extracted.data, data);
      assert.deepEqual(
        extracted.attachments.map((each) => Buffer.from(each).toString("hex")),
        hex,
      );
      for (const each of extracted.attachments) assert.ok(ArrayBuffer.isView(each));
    });
  }

  for (const [does, value] of WITHOUT_BINARY) {
    test(`Packet encoding: none in ${does}`, () => {
      assert.deepEqual(extract(value).attachments, []);
    });
  }

  test("Packet encoding: from a list of the caller's own class, which has no say in the placeholder", () => {
    class Blobs extends Array<unknown> {
      static override get [Symbol.species](): ArrayConstructor {
        throw new Error("a list of blobs");
      }
    }
    const list = new Blobs();
    list.push(bytes("09"), 1);
    assert.deepEqual(extract([list]), { data: [[HOLE, 1]], attachments: [bytes("09")] });
  });

  test("Packet encoding: as JSON does, toJSON() is asked once, and not what it gives", () => {
    class Copying {
      readonly blob = bytes("09");
      toJSON(): Copying {
        return new Copying();
      }
    }
    const value = new Copying();
    const { data, attachments } = extract([value]);
    assert.deepEqual(data, [{ blob: HOLE }]);
    assert.deepEqual(attachments, [bytes("09")]);
    assert.deepEqual(extract(new WithToJson(new WithToJson(bytes("09")))).attachments, []);
  });

  test("Packet encoding: __proto__ is a key like any other", () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":1}}');
    const { data } = extract([value, BYTES]);
    assert.equal(JSON.stringify(data), '[{"__proto__":{"a":1}},{"_placeholder":true,"num":0}]');
  });

  test("Packet encoding: bytes under the key __proto__, without a new prototype", () => {
    const value: object = JSON.parse('{"a":1,"__proto__":null}');
    Object.defineProperty(value, "__proto__", { value: BYTES, enumerable: true });
    const { data, attachments } = extract([value]);
    assert.equal(JSON.stringify(data), `[{"a":1,"__proto__":${JSON.stringify(HOLE)}}]`);
    assert.deepEqual(attachments, [BYTES]);
  });

  test("Packet encoding: a toJSON() that toJSON() gave is not asked in the copy", () => {
    const given = { blob: BYTES, toJSON: () => assert.fail("asked twice") };
    const { data, attachments } = extract(new WithToJson(given));
    assert.equal(JSON.stringify([data]), `[{"blob":${JSON.stringify(HOLE)}}]`);
    assert.deepEqual(attachments, [BYTES]);
  });

  test("Packet encoding: a getter that is inherited is not asked, as JSON does not", () => {
    const parent = {
      get a(): never {
        return assert.fail("asked");
      },
    };
    const child: unknown = Object.create(parent, { b: { value: BYTES, enumerable: true } });
    assert.equal(JSON.stringify(extract([child]).data), `[{"b":${JSON.stringify(HOLE)}}]`);
  });

  test("Packet encoding: a Date that is none beside bytes is null, as in JSON", () => {
    const { data } = extract([new Date(Number.NaN), bytes("09")]);
    // Not deepEqual(): if the date is still there, Node's TAP reporter fails to print it.
    assert.ok(Array.isArray(data) && data[0] === null);
  });

  test("what holds no bytes is not copied", () => {
    const inner = [[1], { a: [2], b: { c: 3 } }];
    const around = { inner };
    assert.equal(extract(around).data, around);
    const { data } = extract([BYTES, around]);
    assert.ok(Array.isArray(data) && data[1] === around);
  });

  test("data that is nested too deeply throws, whether in arrays or in objects", () => {
    for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ inner })]) {
      let value: unknown = 1;
      for (let i = 0; i < 10; i++) value = wrap(value);
      assert.deepEqual(extract(value, 10).attachments, []);
      assert.throws(() => extract(value, 9), {
        name: "RangeError",
        message: "the data is nested too deeply, or in itself",
      });
    }
  });

  test("the caller's data stays as it is, and its memory is not copied", () => {
    const data = Object.freeze({ a: Object.freeze([BYTES]) });
    const [attachment] = extract(data).attachments;
    assert.equal(attachment, BYTES);
    assert.equal(extract(new DataView(BYTES.buffer, 1, 2)).attachments[0]?.buffer, BYTES.buffer);
    assert.deepEqual(data, { a: [BYTES] });
  });
});

describe("bytes put back", () => {
  test("Packet encoding: at any depth, and at the top", () => {
    assert.equal(restore(HOLE, [BYTES]), BYTES);
    assert.deepEqual(restore([{ a: [HOLE] }, HOLE], [BYTES]), [{ a: [BYTES] }, BYTES]);
  });

  test("Packet encoding: in as many places as there are", () => {
    const wide = Array.from({ length: 100 }, (_, num) => [{ a: [{ ...HOLE, num }] }]);
    const attachments = wide.map((_, i) => Uint8Array.of(i));
    const expected = attachments.map((attachment) => [{ a: [attachment] }]);
    assert.deepEqual(restore(wide, attachments), expected);
  });

  test("Packet encoding: what was taken out comes back", () => {
    for (const [does, value] of WITH_BINARY) {
      if (does === "what looks like a placeholder") continue;
      const { data, attachments } = extract(value);
      const parsed: unknown = JSON.parse(JSON.stringify(data));
      const again = extract(restore(parsed, attachments));
      assert.deepEqual(
        JSON.parse(JSON.stringify(again.data)),
        JSON.parse(JSON.stringify(data)),
        does,
      );
      assert.deepEqual(again.attachments, attachments, does);
    }
  });

  test("Packet encoding: into what is given, as it is", () => {
    const data = ["x", { a: 1, b: HOLE }];
    assert.equal(restore(data, [BYTES]), data);
    assert.deepEqual(data, ["x", { a: 1, b: BYTES }]);
    assert.deepEqual(Object.keys(data[1] ?? {}), ["a", "b"]);
    for (const plain of [undefined, null, 1, "x", [], {}]) {
      assert.deepEqual(restore(plain, []), plain);
    }
  });

  test("Packet encoding: under the key __proto__, without a new prototype", () => {
    const data: unknown = JSON.parse('[{"__proto__":{"_placeholder":true,"num":0}}]');
    const restored = restore(data, [BYTES]);
    assert.ok(Array.isArray(restored));
    const [object]: unknown[] = restored;
    assert.ok(typeof object === "object" && object !== null);
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
    assert.deepEqual(Object.entries(object), [["__proto__", BYTES]]);
    assert.ok(Object.getOwnPropertyDescriptor(object, "__proto__")?.writable);
  });

  test("Packet encoding: what is restored can be changed and deleted as what JSON gives", () => {
    const object = { a: HOLE };
    restore(object, [BYTES]);
    assert.deepEqual(Object.getOwnPropertyDescriptor(object, "a"), {
      value: BYTES,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  });

  test("Packet encoding: attachments are not looked into", () => {
    const tricky = Object.assign(bytes("00"), { inner: HOLE });
    restore([HOLE], [tricky]);
    assert.equal(tricky.inner, HOLE);
  });

  test("Packet encoding: a placeholder that names none", () => {
    for (const num of [1, -1, 0.5, "0", "length", null, undefined, Number.NaN, {}, [0]]) {
      assert.throws(() => restore([{ _placeholder: true, num }], [BYTES]), {
        name: "ProtocolError",
        rule: "PLACEHOLDER",
      });
    }
  });
});
