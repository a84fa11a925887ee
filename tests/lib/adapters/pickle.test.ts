// Tests reading Python pickles: pickles of plain data are read, and all others are rejected with an error that names the
// reason.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";

import {
  PICKLE_LIMITS,
  PickleError,
  type Unpickled,
  unpickle,
} from "../../../lib/adapters/pickle.ts";

interface Vector {
  readonly protocol: number;
  readonly name: string;
  readonly hex: string;
}

const VECTORS: { readonly data: readonly Vector[]; readonly hostile: readonly Vector[] } =
  JSON.parse(readFileSync(new URL("../../vectors/pickles.json", import.meta.url), "utf8"));

const PYTHON = "/usr/bin/python3";
const noPython = existsSync(PYTHON) || process.env.CI === "true" ? false : `${PYTHON} is missing`;

const proto: unknown = JSON.parse('{"__proto__":{"x":1},"a":1}');

/** The expected JavaScript value of each value in pickles.py. */
const EXPECTED: Readonly<Record<string, unknown>> = {
  none: null,
  true: true,
  false: false,
  ints: [
    ...[0, 1, 255, 256, 65535, 65536, -1, -128, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, -(2 ** 31) - 1],
    ...[2 ** 53, -(2 ** 63), 1e20, 2 ** 200],
  ],
  floats: [0, -0, 1.5, 1e308, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  nan: Number.NaN,
  strings: ["", "a", "hé", "😀", "\ud800", "a\udfffb€", "x".repeat(300)],
  tuples: [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]],
  nested: { a: [{ b: [1, [2]] }], c: {} },
  keys: { 1: "a", null: "b", false: "c" },
  "proto key": proto,
  shared: [[1, 2], [1, 2], { again: [1, 2] }],
  bytes: [Buffer.of(), Buffer.of(0, 255), Buffer.alloc(300, "q")],
  "long list": Array.from({ length: 1200 }, (_, i) => i),
  "long dict": Object.fromEntries(Array.from({ length: 300 }, (_, i) => [String(i), i])),
  bytearray: Buffer.from("abc"),
};

function read(hex: string): Unpickled {
  return unpickle(Buffer.from(hex, "hex"));
}

function refuses(hex: string, message: RegExp): void {
  assert.throws(() => read(hex), { name: "PickleError", code: "ERR_PICKLE", message });
}

describe("reading pickles of plain data", () => {
  for (const { protocol, name, hex } of VECTORS.data) {
    test(`protocol ${protocol}: reads ${name}`, () => {
      assert.ok(name in EXPECTED);
      assert.deepEqual(read(hex).value, EXPECTED[name]);
    });
  }

  test("has test vectors for every supported protocol", () => {
    for (const protocol of [2, 3, 4, 5]) {
      assert.ok(VECTORS.data.filter((each) => each.protocol === protocol).length >= 12);
    }
  });

  test("reads tuples and lists as arrays, and reports which were tuples", () => {
    const [, , , tuples] = VECTORS.data.filter(({ name }) => name === "tuples");
    const { value, tuples: found } = read(tuples?.hex ?? "");
    assert.ok(Array.isArray(value));
    assert.equal(found.has(value), false);
    assert.deepEqual(
      value.map((each) => found.has(each)),
      [true, true, true, true, true],
    );
  });

  test("reads the key __proto__ as an own property", () => {
    const { value } = read(VECTORS.data.find(({ name }) => name === "proto key")?.hex ?? "");
    assert.ok(typeof value === "object" && value !== null);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal("x" in value, false);
  });

  test("reads values that the installed Python writes", { skip: noPython }, () => {
    const script = `import pickle, json, sys
for value in json.load(sys.stdin):
    print(pickle.dumps(value).hex(), pickle.dumps((value, [value, value])).hex())`;
    const values = [
      ...[null, true, 0, -1, 1.5, 2 ** 53, "", "héé😀\ud800", "y".repeat(100_000), [], {}],
      { a: [1, "a", { b: null }], "": [[[]]], long: Array.from({ length: 5000 }, (_, i) => i) },
    ];
    const output = execFileSync(PYTHON, ["-c", script], {
      input: JSON.stringify(values),
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const lines = output.trim().split("\n");
    assert.equal(lines.length, values.length);
    for (const [i, line] of lines.entries()) {
      const [alone = "", inside = ""] = line.split(" ");
      const value = values[i];
      assert.deepEqual(read(alone).value, value);
      assert.deepEqual(read(inside).value, [value, [value, value]]);
    }
  });
});

describe("reading pickles with more than plain data", () => {
  const BY: Readonly<Record<string, RegExp>> = {
    "os.system": /opcode (GLOBAL|STACK_GLOBAL)|not a pickle/,
    "a function": /opcode (GLOBAL|STACK_GLOBAL)/,
    "a class": /opcode (GLOBAL|STACK_GLOBAL)/,
    "a set": /opcode (GLOBAL|EMPTY_SET)/,
    "a frozenset": /opcode (GLOBAL|FROZENSET)/,
    "a complex number": /opcode (GLOBAL|STACK_GLOBAL)/,
    "a datetime": /opcode (GLOBAL|STACK_GLOBAL)/,
    "an OrderedDict": /opcode (GLOBAL|STACK_GLOBAL)/,
    "a list that contains itself": /contains itself/,
    "a dict that contains itself": /contains itself/,
    "a tuple that contains itself": /opcode (POP|POP_MARK)|contains itself/,
    "a tuple as a key": /key in the pickle/,
    bytes: /opcode GLOBAL/,
    "a bytearray": /opcode STACK_GLOBAL/,
    "a list": /not a pickle|protocol/,
  };
  for (const { protocol, name, hex } of VECTORS.hostile) {
    test(`protocol ${protocol}: rejects ${name}`, () => {
      const message = BY[name];
      assert.ok(message !== undefined);
      refuses(hex, message);
    });
  }

  /** Each opcode of Python's pickletools that plain data does not need, preceded by operands for it. */
  const REFUSED: Readonly<Record<string, string>> = {
    GLOBAL: "63 6f730a73797374656d0a",
    STACK_GLOBAL: "8c026f73 8c0673797374656d 93",
    REDUCE: "4b01 29 52",
    BUILD: "7d 7d 62",
    INST: "28 69 6f730a73797374656d0a",
    OBJ: "28 7d 6f",
    NEWOBJ: "7d 29 81",
    NEWOBJ_EX: "7d 29 7d 92",
    EXT1: "82 01",
    EXT2: "83 0100",
    EXT4: "84 01000000",
    PERSID: "50 610a",
    BINPERSID: "4b01 51",
    POP: "4b01 30",
    POP_MARK: "28 31",
    DUP: "4b01 32",
    STRING: "53 2761270a",
    BINSTRING: "54 01000000 61",
    SHORT_BINSTRING: "55 01 61",
    UNICODE: "56 610a",
    INT: "49 310a",
    LONG: "4c 314c0a",
    FLOAT: "46 310a",
    DICT: "28 64",
    LIST: "28 6c",
    GET: "67 300a",
    PUT: "4b01 70 300a",
    EMPTY_SET: "8f",
    ADDITEMS: "8f 28 90",
    FROZENSET: "28 91",
    NEXT_BUFFER: "97",
    READONLY_BUFFER: "98",
    PROTO: "80 04",
    "0xff": "ff",
  };
  for (const [name, code] of Object.entries(REFUSED)) {
    test(`rejects the opcode ${name}`, () => {
      const first = name === "ADDITEMS" ? "EMPTY_SET" : name;
      refuses(`8004 ${code} 2e`.replaceAll(" ", ""), new RegExp(`opcode ${first} at byte `));
    });
  }

  test("all bytes except the 35 opcodes for plain data are rejected", () => {
    let known = 0;
    for (let opcode = 0; opcode < 256; opcode++) {
      // Every opcode finds enough operands on the stack before it, or in the bytes after it.
      const around = [`80045d7d4b014b0128`, `${"00".repeat(16)}2e`];
      const bytes = Buffer.from(around.join(opcode.toString(16).padStart(2, "0")), "hex");
      try {
        unpickle(bytes);
        known++;
      } catch (error) {
        assert.ok(error instanceof PickleError, `${opcode}: ${error}`);
        if (!/opcode .* at byte 9 /.test(error.message)) known++;
      }
    }
    // The reader knows 35 opcodes, including STOP.
    assert.equal(known, 35);
  });
});

describe("invalid and malicious pickles", () => {
  const le = (value: number, bytes: number): string => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(BigInt(value));
    return buffer.subarray(0, bytes).toString("hex");
  };

  test("a pickle truncated at any byte is rejected", () => {
    for (const { hex } of VECTORS.data) {
      const bytes = Buffer.from(hex, "hex");
      for (let end = 0; end < Math.min(bytes.length, 2000); end++) {
        assert.throws(() => unpickle(bytes.subarray(0, end)), PickleError);
      }
    }
  });

  test("a pickle with any byte changed is read, or rejected with a PickleError", () => {
    for (const { hex } of VECTORS.data.filter(({ name }) => name !== "long list")) {
      const bytes = Buffer.from(hex, "hex");
      for (let at = 0; at < Math.min(bytes.length, 400); at++) {
        for (const value of [0x00, 0x2e, 0x28, 0x7f, 0x80, 0xff, (bytes[at] ?? 0) ^ 1]) {
          const changed = Buffer.from(bytes);
          changed[at] = value;
          try {
            unpickle(changed);
          } catch (error) {
            assert.ok(error instanceof PickleError, `${error}`);
          }
        }
      }
    }
  });

  test("a length longer than the rest of the pickle is rejected", () => {
    const huge = Number.MAX_SAFE_INTEGER;
    for (const code of [
      `8c${le(200, 1)}61`,
      `58${le(0xffffffff, 4)}61`,
      `8d${le(huge, 8)}61`,
      `43${le(255, 1)}61`,
      `42${le(0xffffffff, 4)}61`,
      `8e${le(huge, 8)}61`,
      `8effffffffffffffff61`,
      `96${le(huge, 8)}61`,
      `8a${le(9, 1)}61`,
      `8b${le(0x7fffffff, 4)}61`,
      `95${le(huge, 8)}4e2e`,
    ]) {
      refuses(`8004${code}`, /is truncated/);
    }
  });

  test("an int with a negative or very large length is rejected", () => {
    refuses("80048bffffffff612e", /negative/);
    refuses(`80048b${le(10_000, 4)}${"7f".repeat(10_000)}2e`, /int .* too large/);
  });

  test("an opcode that reads from an empty stack or across a MARK is rejected", () => {
    for (const code of [
      "2e",
      "85",
      "86",
      "4b0187",
      "61",
      "5d61",
      "7d4b0173",
      "94",
      "7100",
      "4b012885",
    ]) {
      refuses(`8004${code}2e`, /that its stack does not contain/);
    }
    for (const code of ["74", "65", "75"]) refuses(`8004${code}2e`, /MARK/);
    refuses("80045d284b012e", /data after its value/);
  });

  test("appending to a value that is not a list or a dict is rejected", () => {
    refuses("80044b014b01612e", /not a list/);
    refuses("8004294b01612e", /not a list/);
    refuses("80047d4b01612e", /not a list/);
    refuses("80045d4b014b01732e", /not a dict/);
    refuses("80047d284b01752e", /not a dict/);
    refuses("80048c01614b014b01732e", /not a dict/);
  });

  test("an unknown memo entry is rejected, and a memo index of 2³²-1 is accepted", () => {
    refuses("800468072e", /unknown memo entry 7/);
    refuses("80046affffffff2e", /unknown memo entry 4294967295/);
    assert.deepEqual(read("80044b0172ffffffff6affffffff862e").value, [1, 1]);
  });

  test("bytes after the value are rejected", () => {
    refuses("80044e2e00", /data after its value/);
    refuses("80044e4e2e", /data after its value/);
  });

  test("a string that is not UTF-8 is rejected", () => {
    for (const bytes of ["ff", "eda0", "c0af", "edff80"]) {
      refuses(`80048c${le(bytes.length / 2, 1)}${bytes}2e`, /UTF-8/);
    }
  });

  test("500 nested containers are read, and 501 are rejected", () => {
    const nested = (depth: number): string =>
      `8004${"5d".repeat(depth)}${"61".repeat(depth - 1)}2e`;
    assert.ok(Array.isArray(read(nested(500)).value));
    refuses(nested(501), /more than 500 levels/);
    refuses(nested(400_000), /more than 500 levels/);
    // The nesting consists of references here: each of 600 tuples contains the previous tuple.
    refuses(`80042994${"8594".repeat(600)}2e`, /more than 500/);
    // The same value occurs twice, the second time inside further tuples. Only the second time
    // does it exceed the limit.
    const twice = (depth: number): string =>
      `80045d2829${"85".repeat(399)}71006800${"85".repeat(depth)}652e`;
    assert.doesNotThrow(() => read(twice(99)));
    refuses(twice(100), /more than 500/);
  });

  test("references that double the size repeatedly are rejected", () => {
    // A tuple that contains None, and 40 tuples that each contain the previous tuple twice.
    const doubled = Array.from({ length: 40 }, (_, i) => `68${le(i, 1)}8671${le(i + 1, 1)}`);
    refuses(`80045d284e857100${doubled.join("")}652e`, /too large/);
  });

  test("many references to one long string are rejected", () => {
    const text = "78".repeat(100_000);
    const references = "6800".repeat(1000);
    refuses(`80045d2858${le(100_000, 4)}${text}7100${references}652e`, /too large/);
  });

  test("a pickle with more values or bytes than the limits is rejected", () => {
    const limits = { ...PICKLE_LIMITS, values: 1000, size: 5000 };
    const list = (length: number): Buffer =>
      Buffer.from(`80045d28${"4b01".repeat(length)}652e`, "hex");
    assert.doesNotThrow(() => unpickle(list(900), limits));
    assert.throws(() => unpickle(list(1100), limits), /more than 1000 values/);
    assert.throws(() => unpickle(Buffer.alloc(5001, 0x80), limits), /larger than 5000 bytes/);
    assert.equal(PICKLE_LIMITS.values, 1_000_000);
  });
});
