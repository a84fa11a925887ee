// Tests the masking of payloads: RFC 6455 §5.3.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { mask, readKey, turnKey } from "../../../protocol/websocket/mask.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";

/** "transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)" */
function byTheBook(original: Uint8Array, key: Uint8Array, start: number, end: number): Uint8Array {
  return original.map((byte, i) =>
    i < start || i >= end ? byte : byte ^ (key[(i - start) % 4] ?? 0),
  );
}

const KEYS = [
  "00 00 00 00",
  "01 02 03 04",
  "37 fa 21 3d",
  "80 80 80 80",
  "ff ff ff ff",
  "00 00 00 80",
  "80 00 00 00",
];

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe("mask()", () => {
  test("RFC 6455 §5.3 applies the RFC's formula at every offset and length, and restores the payload if applied twice", () => {
    const original = Uint8Array.from({ length: 280 }, (_, i) => (i * 37 + 11) & 0xff);
    for (const key of KEYS.map(bytes)) {
      for (let start = 0; start < 9; start++) {
        // Long payloads are masked word by word. The result must be the same at each alignment in
        // memory.
        for (const end of [...range(start, 40), ...range(start + 253, start + 264)]) {
          for (let place = 0; place < 4; place++) {
            const actual = new Uint8Array(new ArrayBuffer(284), place, 280);
            actual.set(original);
            mask(actual, readKey(key, 0), start, end);
            assert.deepEqual(actual, byTheBook(original, key, start, end));
            mask(actual, readKey(key, 0), start, end);
            assert.deepEqual(actual, original);
          }
        }
      }
    }
  });

  test("RFC 6455 §5.7 unmasks the RFC's example", () => {
    const hello = bytes("7f 9f 4d 51 58");
    mask(hello, readKey(bytes("81 85 37 fa 21 3d"), 2), 0, 5);
    assert.equal(Buffer.from(hello).toString(), "Hello");
  });

  test(`RFC 6455 §5.3 continues with the rotated key after any split of a payload (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 2000; round++) {
      const keyBytes = random.bytes(4);
      const original = random.bytes(random.int(50));
      const actual = new Uint8Array(original);
      let key = readKey(keyBytes, 0);
      for (let at = 0; at < actual.length; ) {
        const length = Math.min(random.int(9), actual.length - at);
        mask(actual, key, at, at + length);
        key = turnKey(key, length);
        at += length;
      }
      assert.deepEqual(actual, byTheBook(original, keyBytes, 0, original.length));
    }
  });
});

describe("turnKey()", () => {
  test("RFC 6455 §5.3 rotates the key to its octet i MOD 4, also for very long payloads", () => {
    const key = readKey(bytes("01 02 03 84"), 0);
    const turned = ["01 02 03 84", "02 03 84 01", "03 84 01 02", "84 01 02 03"];
    for (const length of [0, 1, 2, 3, 4, 5, 6, 7, 65535, 65536, 2 ** 31 + 1, 2 ** 32 + 2]) {
      const expected = readKey(bytes(turned[length % 4] ?? ""), 0);
      assert.equal(turnKey(key, length) | 0, expected, `${length}`);
    }
  });
});
