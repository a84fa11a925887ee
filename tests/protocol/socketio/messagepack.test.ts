// Tests MessagePack: every format of its specification, and the extensions of other Socket.IO parsers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { SERVER_LIMITS } from "../../../protocol/socketio/check.ts";
import { decode, encode, splitArray } from "../../../protocol/socketio/messagepack.ts";
import { ProtocolError } from "../../../protocol/socketio/rules.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex").replace(/../g, "$& ").trimEnd();
}

const repeat = (item: string, times: number): string => Array(times).fill(item).join(" ");

// biome-ignore format: aligned table
const VALUES: readonly (readonly [value: unknown, encoded: string])[] = [
  [null, "c0"], [false, "c2"], [true, "c3"],
  // Integers at both limits of each format.
  [0, "00"], [127, "7f"], [128, "cc 80"], [255, "cc ff"], [256, "cd 01 00"], [65_535, "cd ff ff"], [65_536, "ce 00 01 00 00"], [4_294_967_295, "ce ff ff ff ff"],
  [4_294_967_296, "cf 00 00 00 01 00 00 00 00"], [9_007_199_254_740_991, "cf 00 1f ff ff ff ff ff ff"],
  [-1, "ff"], [-32, "e0"], [-33, "d0 df"], [-128, "d0 80"], [-129, "d1 ff 7f"], [-32_768, "d1 80 00"], [-32_769, "d2 ff ff 7f ff"], [-2_147_483_648, "d2 80 00 00 00"],
  [-2_147_483_649, "d3 ff ff ff ff 7f ff ff ff"], [-9_007_199_254_740_991, "d3 ff e0 00 00 00 00 00 01"],
  // Floats.
  [1.5, "cb 3f f8 00 00 00 00 00 00"], [-0.1, "cb bf b9 99 99 99 99 99 9a"], [9_007_199_254_740_992, "cb 43 40 00 00 00 00 00 00"], [1e300, "cb 7e 37 e4 3c 88 00 75 9c"],
  [Number.POSITIVE_INFINITY, "cb 7f f0 00 00 00 00 00 00"], [Number.NaN, "cb 7f f8 00 00 00 00 00 00"],
  // Integers that a number cannot represent exactly.
  [9_007_199_254_740_993n, "cf 00 20 00 00 00 00 00 01"], [18_446_744_073_709_551_615n, "cf ff ff ff ff ff ff ff ff"], [-9_223_372_036_854_775_807n, "d3 80 00 00 00 00 00 00 01"],
  // Texts.
  ["", "a0"], ["a", "a1 61"], ["\x7f", "a1 7f"], ["\x80", "a2 c2 80"], ["é".repeat(31), `d9 3e ${repeat("c3 a9", 31)}`], ["€", "a3 e2 82 ac"], ["😀", "a4 f0 9f 98 80"], ["x".repeat(31), `bf ${repeat("78", 31)}`], ["x".repeat(32), `d9 20 ${repeat("78", 32)}`],
  ["x".repeat(255), `d9 ff ${repeat("78", 255)}`], ["x".repeat(256), `da 01 00 ${repeat("78", 256)}`], ["x".repeat(65_535), `da ff ff ${repeat("78", 65_535)}`], ["x".repeat(65_536), `db 00 01 00 00 ${repeat("78", 65_536)}`],
  // Bytes.
  [Buffer.alloc(0), "c4 00"], [Buffer.of(1, 2), "c4 02 01 02"], [Buffer.alloc(255, 7), `c4 ff ${repeat("07", 255)}`], [Buffer.alloc(256, 7), `c5 01 00 ${repeat("07", 256)}`],
  [Buffer.alloc(65_536, 7), `c6 00 01 00 00 ${repeat("07", 65_536)}`],
  // Arrays and maps.
  [[], "90"], [[1, [2]], "92 01 91 02"], [Array(15).fill(0), `9f ${repeat("00", 15)}`], [Array(16).fill(0), `dc 00 10 ${repeat("00", 16)}`], [Array(65_536).fill(0), `dd 00 01 00 00 ${repeat("00", 65_536)}`],
  [{}, "80"], [{ a: 1, b: null }, "82 a1 61 01 a1 62 c0"], [Object.fromEntries(Array.from({ length: 16 }, (_, i) => [String.fromCharCode(97 + i), i])), `de 00 10 ${Array.from({ length: 16 }, (_, i) => `a1 ${(97 + i).toString(16)} 0${i.toString(16)}`).join(" ")}`],
  // Dates.
  [new Date(0), "d7 00 00 00 00 00 00 00 00 00"], [new Date(4_294_967_295_001), "d7 00 00 00 03 e7 ff ff fc 19"], [new Date(-1), "d7 00 ff ff ff ff ff ff ff ff"],
];

/** Formats that the decoder accepts but the encoder never writes. */
const OTHER_FORMS: readonly (readonly [encoded: string, value: unknown])[] = [
  ["cc 01", 1],
  ["cd 00 01", 1],
  ["d3 ff ff ff ff ff ff ff ff", -1],
  ["ca 3f c0 00 00", 1.5],
  // Integers beyond 2^53 that a number can represent exactly.
  ["cf 00 20 00 00 00 00 00 00", 2 ** 53],
  ["cf 80 00 00 00 00 00 00 00", 2 ** 63],
  ["d3 80 00 00 00 00 00 00 00", -(2 ** 63)],
  ["d9 01 61", "a"],
  ["dc 00 01 01", [1]],
  ["dd 00 00 00 01 01", [1]],
  ["de 00 01 01 02", { 1: 2 }],
  ["df 00 00 00 01 a1 61 02", { a: 2 }],
  ["c5 00 01 07", Buffer.of(7)],
  ["c6 00 00 00 01 07", Buffer.of(7)],
  ["da 00 01 61", "a"],
  ["db 00 00 00 01 61", "a"],
  // The three timestamp formats of the specification.
  ["c7 04 ff 00 00 00 01", new Date(1000)],
  ["d6 ff ff ff ff ff", new Date(4_294_967_295_000)],
  ["d7 ff 00 3d 09 00 00 00 00 00", new Date(1)],
  ["d7 ff 00 00 00 01 00 00 00 00", new Date(4_294_967_296_000)],
  ["c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff", new Date(-1000)],
  ["c7 0c ff 3b 8b 87 c0 ff ff ff ff ff ff ff ff", new Date(-1)],
  // The extensions of other Socket.IO parsers.
  ["d4 00 00", undefined],
  ["91 d4 00 00", [undefined]],
  ["d5 00 01 02", Uint8Array.of(1, 2).buffer],
  ["d6 00 01 02 03 04", Uint8Array.of(1, 2, 3, 4).buffer],
  [`d8 00 ${repeat("07", 16)}`, new Uint8Array(16).fill(7).buffer],
  ["c7 00 00", new ArrayBuffer(0)],
  ["c7 02 00 01 02", Uint8Array.of(1, 2).buffer],
  ["c8 00 02 00 01 02", Uint8Array.of(1, 2).buffer],
  ["c9 00 00 00 02 00 01 02", Uint8Array.of(1, 2).buffer],
  // Binary data with the same lengths as the extensions for `undefined` and dates.
  ["c7 01 00 07", Uint8Array.of(7).buffer],
  ["c7 08 00 00 00 00 00 00 00 00 07", Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 7).buffer],
];

describe("MessagePack", () => {
  for (const [value, encoded] of VALUES) {
    test(`encodes and decodes ${encoded.slice(0, 30)}`, () => {
      const written = hex(encode(value));
      assert.equal(written.slice(0, 100), encoded.slice(0, 100));
      // equal() and deepEqual() would take minutes to report the difference between long values.
      assert.ok(written === encoded);
      assert.ok(isDeepStrictEqual(decode(bytes(encoded)), value));
    });
  }

  test("rejects a truncated value, and a value followed by another byte", () => {
    for (const [, encoded] of VALUES.filter(([, each]) => each.length < 200)) {
      const whole = bytes(encoded);
      for (let end = 0; end < whole.length; end++) {
        assert.throws(() => decode(whole.subarray(0, end)), { rule: "MESSAGEPACK" });
      }
      assert.throws(() => decode(Buffer.concat([whole, Buffer.of(0)])), { rule: "MESSAGEPACK" });
    }
  });

  test("decodes the formats that only other encoders use", () => {
    for (const [encoded, value] of OTHER_FORMS) {
      assert.deepEqual(decode(bytes(encoded)), value);
    }
  });

  test("encodes toJSON(), undefined and functions like JSON.stringify()", () => {
    const value = {
      a: undefined,
      b: () => {},
      c: { toJSON: () => ({ d: 1 }) },
      e: [undefined, () => {}],
      f: new Map([[1, 2]]),
      h: { toJSON: 1 },
    };
    assert.deepEqual(decode(encode(value)), {
      c: { d: 1 },
      e: [null, null],
      f: {},
      h: { toJSON: 1 },
    });
    assert.equal(decode(encode(undefined)), null);
    assert.equal(decode(encode(new Date(Number.NaN))), null);
  });

  test("encodes bytes of every class, and only the part that a view covers", () => {
    const memory = Uint8Array.of(9, 1, 2, 9);
    for (const value of [
      memory.subarray(1, 3),
      Buffer.from(memory.buffer, 1, 2),
      new DataView(memory.buffer, 1, 2),
      Uint8Array.of(1, 2).buffer,
      new Uint16Array(Uint8Array.of(1, 2).buffer),
    ]) {
      assert.equal(hex(encode(value)), "c4 02 01 02");
    }
    const decoded = decode(bytes("92 c4 01 07 c4 01 08"));
    assert.ok(Array.isArray(decoded) && Buffer.isBuffer(decoded[0]));
    assert.equal(decoded[0].buffer.byteLength, 1);
  });

  test("decodes __proto__ as an ordinary key", () => {
    const value = decode(bytes("81 a9 5f 5f 70 72 6f 74 6f 5f 5f 81 a1 61 01"));
    assert.deepEqual(Object.getOwnPropertyDescriptors(value), {
      ["__proto__"]: { value: { a: 1 }, configurable: true, enumerable: true, writable: true },
    });
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });

  for (const [does, encoded, rule] of [
    ["the unused byte c1", "c1", "MESSAGEPACK"],
    ["a string that is not UTF-8", "a2 c3 28", "MESSAGEPACK"],
    ["an unknown extension type", "d4 07 00", "MESSAGEPACK"],
    ["the lowest extension type, -128", "d4 80 00", "MESSAGEPACK"],
    ["the extension type -2, next to that of timestamps", "d6 fe 00 00 00 00", "MESSAGEPACK"],
    ["the extension type 1, next to that of ArrayBuffers", "d4 01 00", "MESSAGEPACK"],
    [
      "the extension type 1 with the length of a date",
      "d7 01 00 00 00 00 00 00 00 00",
      "MESSAGEPACK",
    ],
    [
      "the extension type 1 with the length of a timestamp",
      "c7 0c 01 00 00 00 00 00 00 00 00 00 00 00 00",
      "MESSAGEPACK",
    ],
    ["a timestamp of an invalid length", "d5 ff 00 00", "MESSAGEPACK"],
    ["a map key that is an array", "81 90 01", "MESSAGEPACK"],
    ["an array that is longer than the input", "dd ff ff ff ff 00", "MESSAGEPACK"],
    ["a map that is longer than the input", "df ff ff ff ff 00 00", "MESSAGEPACK"],
    ["a string that is longer than the input", "db ff ff ff ff 00", "MESSAGEPACK"],
    ["arrays that are nested too deeply", `${repeat("91", 100_000)} 00`, "PAYLOAD_DEPTH"],
    ["map keys that are nested too deeply", `${repeat("81", 100_000)} 00`, "PAYLOAD_DEPTH"],
  ] as const) {
    test(`rejects ${does}`, () => {
      assert.throws(() => decode(bytes(encoded)), { name: "ProtocolError", rule });
    });
  }

  test("throws for circular references, BigInts of more than 64 bits, and symbols", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    // The error must not be the RangeError of a stack overflow.
    const tooDeep = {
      name: "RangeError",
      message: "the value is nested too deeply, or contains itself",
    };
    assert.throws(() => encode(cycle), tooDeep);
    const field: { self?: unknown } = {};
    field.self = field;
    assert.throws(() => encode(field), tooDeep);
    const json = { toJSON: (): unknown => json };
    assert.throws(() => encode(json), tooDeep);
    const tooLong = {
      name: "RangeError",
      message: "a BigInt of more than 64 bits cannot be encoded",
    };
    assert.throws(() => encode(2n ** 64n), tooLong);
    assert.throws(() => encode(-(2n ** 63n) - 1n), tooLong);
    const unknown = { name: "TypeError", message: "a symbol cannot be encoded" };
    assert.throws(() => encode(Symbol("x")), unknown);
    assert.throws(() => encode([() => {}, Symbol("x")]), unknown);
  });

  test("encodes a BigInt of 0 as an unsigned integer", () => {
    assert.equal(Buffer.from(encode(0n)).toString("hex"), "cf0000000000000000");
  });

  for (const [kind, wrap, prefix] of [
    ["arrays", (value: unknown): unknown => [value], "91"],
    ["maps", (value: unknown): unknown => ({ a: value }), "81 a1 61"],
  ] as const) {
    test(`encodes and decodes nested ${kind} up to the same depth`, () => {
      let value: unknown = 0;
      for (let depth = 0; depth < SERVER_LIMITS.maxDepth; depth++) value = wrap(value);
      const deepest = `${repeat(prefix, SERVER_LIMITS.maxDepth)} 00`;
      assert.equal(hex(encode(value)), deepest);
      assert.equal(hex(encode(decode(bytes(deepest)))), deepest);
      assert.throws(() => encode(wrap(value)), { name: "RangeError", message: /nested/ });
      assert.throws(() => decode(bytes(`${prefix} ${deepest}`)), { rule: "PAYLOAD_DEPTH" });
    });
  }

  test("splitArray() returns the encoded items of an array, whatever they are", () => {
    for (const [encoded] of [...VALUES.map(([, each]) => [each] as const), ...OTHER_FORMS]) {
      const items = splitArray(bytes(`93 01 ${encoded} a1 62`)).map(hex);
      assert.equal(items.length, 3);
      assert.ok(items[1] === encoded, encoded.slice(0, 100));
      assert.deepEqual([items[0], items[2]], ["01", "a1 62"]);
    }
  });

  test("splitArray() splits arrays of every format", () => {
    for (const [head, count] of [
      ["90", 0],
      ["9f", 15],
      ["dc 00 02", 2],
      ["dc 01 00", 256],
      ["dd 00 00 00 03", 3],
      ["dd 00 01 00 00", 65_536],
    ] as const) {
      const items = splitArray(bytes(`${head} ${repeat("c0", count)}`.trimEnd()));
      assert.equal(items.length, count);
      assert.ok(items.every((item) => hex(item) === "c0"));
    }
  });

  test("splitArray() accepts items nested to any depth", () => {
    const [item] = splitArray(bytes(`91 ${repeat("91", 100_000)} 00`));
    assert.equal(item?.length, 100_001);
  });

  test("splitArray() rejects other values and truncated arrays", () => {
    for (const encoded of [
      "",
      "80",
      "8f",
      "a0",
      "01",
      "c0",
      "db 00 00 00 00",
      "de 00 00",
      "91",
      "92 01",
      "91 01 02",
      "90 01",
      "dc 00",
      "dd 00 00 00",
      "dd ff ff ff ff 00",
      "91 81 01",
      "91 92 01",
      "91 a2 61",
      "91 c4",
      "91 c4 02 01",
      "91 c7 01 00",
      "91 ca 00 00 00",
      "91 cb 00 00 00 00 00 00 00",
      "91 cd 00",
      "91 d3 00 00 00 00 00 00 00",
      "91 d4 00",
      "91 d9 02 61",
      "91 dc 00 02 00",
      "91 de 00 01 00",
    ]) {
      assert.throws(() => splitArray(bytes(encoded)), { rule: "MESSAGEPACK" }, encoded);
    }
  });

  test(`decodes random bytes, or throws a ProtocolError (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let n = 0; n < 50_000; n++) {
      try {
        decode(random.bytes(random.int(20)));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, `${error}`);
      }
    }
  });
});
