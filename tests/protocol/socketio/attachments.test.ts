// Tests the functions that extract binary data from a payload and restore it: Socket.IO "Packet encoding".

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

/** A value with binary data, the same value with placeholders, and the attachments in hex. */
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
  ["a view of a part of a buffer", BYTES.subarray(2, 5), HOLE, ["030405"]],
  ["a DataView of a part of a buffer", new DataView(BYTES.buffer, 1, 2), HOLE, ["0203"]],
  ["a Uint16Array of a part of a buffer", new Uint16Array(BYTES.buffer, 2, 2), HOLE, ["03040506"]],
  ["a Float64Array", new Float64Array([1]), HOLE, ["000000000000f03f"]],
  ["a BigInt64Array", new BigInt64Array([-1n]), HOLE, ["ffffffffffffffff"]],
  ["a Uint8ClampedArray", new Uint8ClampedArray([300]), HOLE, ["ff"]],
  ["a Uint8Array of another realm", runInNewContext("new Uint8Array([1, 2])"), HOLE, ["0102"]],
  ["a Uint8Array in an array", [1, BYTES], [1, HOLE], ["0102030405060708"]],
  ["a Uint8Array in an object", { a: { b: BYTES } }, { a: { b: HOLE } }, ["0102030405060708"]],
  [
    "several Uint8Arrays, in depth-first order",
    [{ a: [bytes("00"), { b: bytes("01") }] }, bytes("02")],
    [{ a: [HOLE, { b: { ...HOLE, num: 1 } }] }, { ...HOLE, num: 2 }],
    ["00", "01", "02"],
  ],
  [
    "the same Uint8Array twice",
    [BYTES, BYTES],
    [HOLE, { ...HOLE, num: 1 }],
    ["0102030405060708", "0102030405060708"],
  ],
  ["the Uint8Array that toJSON() returns", new WithToJson(bytes("09")), HOLE, ["09"]],
  [
    "a Uint8Array inside the result of a nested toJSON()",
    { a: new WithToJson([bytes("09")]) },
    { a: [HOLE] },
    ["09"],
  ],
  ["bytes beside a Date", [new Date(0), bytes("09")], ["1970-01-01T00:00:00.000Z", HOLE], ["09"]],
  [
    "bytes beside a toJSON that is not a function",
    { toJSON: 1, a: bytes("09") },
    { toJSON: 1, a: HOLE },
    ["09"],
  ],
  [
    "bytes beside null, undefined and a function",
    [null, undefined, bytes("09")],
    [null, undefined, HOLE],
    ["09"],
  ],
  [
    "bytes beside an object that looks like a placeholder",
    [HOLE, bytes("09")],
    [HOLE, HOLE],
    ["09"],
  ],
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
  ["a Map, whose values JSON ignores", new Map([["a", BYTES]])],
  ["an object whose toJSON() omits the bytes", { a: BYTES, toJSON: () => ({}) }],
  ["an object whose toJSON() returns undefined", new WithToJson(undefined)],
  ["a property that is not enumerable", Object.defineProperty({}, "a", { value: BYTES })],
  ["an inherited property", Object.create({ a: BYTES })],
  ["a property whose key is a symbol", { [Symbol("a")]: BYTES }],
  ["a SharedArrayBuffer", new SharedArrayBuffer(1)],
  ["nested arrays and objects", [[{ a: [{ b: null }] }]]],
];

describe("extract()", () => {
  for (const [does, value, data, hex] of WITH_BINARY) {
    test(`Packet encoding: extracts ${does}`, () => {
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
    test(`Packet encoding: finds no bytes in ${does}`, () => {
      assert.deepEqual(extract(value).attachments, []);
    });
  }

  test("Packet encoding: extracts bytes from a subclass of Array without using its Symbol.species", () => {
    class Blobs extends Array<unknown> {
      static override get [Symbol.species](): ArrayConstructor {
        throw new Error("a list of blobs");
      }
    }
    const list = new Blobs();
    list.push(bytes("09"), 1);
    assert.deepEqual(extract([list]), { data: [[HOLE, 1]], attachments: [bytes("09")] });
  });

  test("Packet encoding: calls toJSON() once, and not on its result, like JSON.stringify()", () => {
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

  test("Packet encoding: keeps the key __proto__", () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":1}}');
    const { data } = extract([value, BYTES]);
    assert.equal(JSON.stringify(data), '[{"__proto__":{"a":1}},{"_placeholder":true,"num":0}]');
  });

  test("Packet encoding: extracts bytes under the key __proto__ without changing the prototype", () => {
    const value: object = JSON.parse('{"a":1,"__proto__":null}');
    Object.defineProperty(value, "__proto__", { value: BYTES, enumerable: true });
    const { data, attachments } = extract([value]);
    assert.equal(JSON.stringify(data), `[{"a":1,"__proto__":${JSON.stringify(HOLE)}}]`);
    assert.deepEqual(attachments, [BYTES]);
  });

  test("Packet encoding: returns a copy without the toJSON() of a toJSON() result", () => {
    const given = {
      blob: BYTES,
      toJSON: () => assert.fail("toJSON() of the result has been called"),
    };
    const { data, attachments } = extract(new WithToJson(given));
    assert.equal(JSON.stringify([data]), `[{"blob":${JSON.stringify(HOLE)}}]`);
    assert.deepEqual(attachments, [BYTES]);
  });

  test("Packet encoding: does not call an inherited getter, like JSON.stringify()", () => {
    const parent = {
      get a(): never {
        return assert.fail("the getter has been called");
      },
    };
    const child: unknown = Object.create(parent, { b: { value: BYTES, enumerable: true } });
    assert.equal(JSON.stringify(extract([child]).data), `[{"b":${JSON.stringify(HOLE)}}]`);
  });

  test("Packet encoding: replaces an invalid Date beside bytes with null, like JSON.stringify()", () => {
    const { data } = extract([new Date(Number.NaN), bytes("09")]);
    // deepEqual() is avoided: if the Date is not replaced, Node's TAP reporter fails to print it.
    assert.ok(Array.isArray(data) && data[0] === null);
  });

  test("does not copy values without bytes", () => {
    const inner = [[1], { a: [2], b: { c: 3 } }];
    const around = { inner };
    assert.equal(extract(around).data, around);
    const { data } = extract([BYTES, around]);
    assert.ok(Array.isArray(data) && data[1] === around);
  });

  test("throws for arrays and objects that are nested too deeply", () => {
    for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ inner })]) {
      let value: unknown = 1;
      for (let i = 0; i < 10; i++) value = wrap(value);
      assert.deepEqual(extract(value, 10).attachments, []);
      assert.throws(() => extract(value, 9), {
        name: "RangeError",
        message: "the data is nested too deeply, or contains itself",
      });
    }
  });

  test("does not change the caller's data, and does not copy its bytes", () => {
    const data = Object.freeze({ a: Object.freeze([BYTES]) });
    const [attachment] = extract(data).attachments;
    assert.equal(attachment, BYTES);
    assert.equal(extract(new DataView(BYTES.buffer, 1, 2)).attachments[0]?.buffer, BYTES.buffer);
    assert.deepEqual(data, { a: [BYTES] });
  });
});

describe("restore()", () => {
  test("Packet encoding: replaces placeholders at any depth, including the top level", () => {
    assert.equal(restore(HOLE, [BYTES]), BYTES);
    assert.deepEqual(restore([{ a: [HOLE] }, HOLE], [BYTES]), [{ a: [BYTES] }, BYTES]);
  });

  test("Packet encoding: replaces a hundred placeholders", () => {
    const wide = Array.from({ length: 100 }, (_, num) => [{ a: [{ ...HOLE, num }] }]);
    const attachments = wide.map((_, i) => Uint8Array.of(i));
    const expected = attachments.map((attachment) => [{ a: [attachment] }]);
    assert.deepEqual(restore(wide, attachments), expected);
  });

  test("Packet encoding: restores the bytes that extract() extracted", () => {
    for (const [does, value] of WITH_BINARY) {
      if (does === "bytes beside an object that looks like a placeholder") continue;
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

  test("Packet encoding: changes the given data in place", () => {
    const data = ["x", { a: 1, b: HOLE }];
    assert.equal(restore(data, [BYTES]), data);
    assert.deepEqual(data, ["x", { a: 1, b: BYTES }]);
    assert.deepEqual(Object.keys(data[1] ?? {}), ["a", "b"]);
    for (const plain of [undefined, null, 1, "x", [], {}]) {
      assert.deepEqual(restore(plain, []), plain);
    }
  });

  test("Packet encoding: replaces a placeholder under the key __proto__ without changing the prototype", () => {
    const data: unknown = JSON.parse('[{"__proto__":{"_placeholder":true,"num":0}}]');
    const restored = restore(data, [BYTES]);
    assert.ok(Array.isArray(restored));
    const [object]: unknown[] = restored;
    assert.ok(typeof object === "object" && object !== null);
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
    assert.deepEqual(Object.entries(object), [["__proto__", BYTES]]);
    assert.ok(Object.getOwnPropertyDescriptor(object, "__proto__")?.writable);
  });

  test("Packet encoding: creates writable and configurable properties, like JSON.parse()", () => {
    const object = { a: HOLE };
    restore(object, [BYTES]);
    assert.deepEqual(Object.getOwnPropertyDescriptor(object, "a"), {
      value: BYTES,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  });

  test("Packet encoding: does not search attachments for placeholders", () => {
    const tricky = Object.assign(bytes("00"), { inner: HOLE });
    restore([HOLE], [tricky]);
    assert.equal(tricky.inner, HOLE);
  });

  test("Packet encoding: throws for a placeholder with an invalid number", () => {
    for (const num of [1, -1, 0.5, "0", "length", null, undefined, Number.NaN, {}, [0]]) {
      assert.throws(() => restore([{ _placeholder: true, num }], [BYTES]), {
        name: "ProtocolError",
        rule: "PLACEHOLDER",
      });
    }
  });
});
