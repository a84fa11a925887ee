// Tests the validation of UTF-8 that arrives in chunks: RFC 6455 §8.1, RFC 3629 §4.

import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { describe, test } from "node:test";

import { Utf8Checker } from "../../../protocol/websocket/utf8.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes, everySplit, inChunks } from "../../support/split.ts";

const SINGLES = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));

function single(byte: number): Uint8Array {
  return SINGLES[byte] ?? assert.fail();
}

/** Whether `chunks` together are one valid text. */
function check(chunks: readonly Uint8Array[]): boolean {
  const checker = new Utf8Checker();
  return chunks.every((chunk) => checker.push(chunk)) && checker.complete;
}

// The limits of each range of first bytes, and the bytes next to them.
const LEADS = [
  0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
  0xf3, 0xf4, 0xf5, 0xff,
];

// The limits of all ranges of second bytes (RFC 3629 §4).
const CONTINUATIONS = [0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf];

const ENDINGS: readonly Uint8Array[] = (() => {
  const one = CONTINUATIONS.map((byte) => [byte]);
  const two = one.flatMap((end) => CONTINUATIONS.map((byte) => [...end, byte]));
  const three = two.flatMap((end) => CONTINUATIONS.map((byte) => [...end, byte]));
  return [[], ...one, ...two, ...three].map((end) => Uint8Array.from(end));
})();

const scratch = new Uint8Array(1000);

/** Whether `start` is a prefix of valid UTF-8. Tries all relevant endings. */
function canContinue(start: Uint8Array): boolean {
  scratch.set(start);
  return ENDINGS.some((end) => {
    scratch.set(end, start.length);
    return isUtf8(scratch.subarray(0, start.length + end.length));
  });
}

/** Returns how many bytes of `input` are a prefix of valid UTF-8. */
function readable(input: Uint8Array): number {
  let length = 0;
  while (length < input.length && canContinue(input.subarray(0, length + 1))) length++;
  return length;
}

/**
 * Compares the checker with readable() at every split of the input. push() must return `false` for the chunk with the
 * first invalid byte, and no earlier.
 */
function checkEverySplit(input: Uint8Array): void {
  const good = readable(input);
  for (const chunks of everySplit(input)) {
    const checker = new Utf8Checker();
    let at = 0;
    for (const chunk of chunks) {
      const lost = at + chunk.length > good;
      assert.equal(checker.push(chunk), !lost, `${Buffer.from(input).toString("hex")} at ${at}`);
      if (lost) break;
      at += chunk.length;
      assert.equal(checker.complete, isUtf8(input.subarray(0, at)));
    }
  }
}

describe("Utf8Checker", () => {
  test("accepts an empty text as complete", () => {
    const checker = new Utf8Checker();
    assert.ok(checker.complete);
    assert.ok(checker.push(new Uint8Array(0)));
    assert.ok(checker.complete);
  });

  test("ignores empty chunks inside a character", () => {
    const checker = new Utf8Checker();
    for (const hex of ["", "f0", "", "90", "", "8d", "", "88", ""]) {
      assert.ok(checker.push(bytes(hex)));
      assert.equal(checker.complete, hex === "88" || (hex === "" && checker.complete));
    }
    assert.ok(checker.complete);
  });

  // This fast test precedes the exhaustive tests, which are slow.
  test("RFC 3629 §4 checks both ends of each range and the bytes next to them, at every split", () => {
    const seconds = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
    const endings = ["", "7f", "80", "bf", "c0", "80 7f", "80 80", "bf bf", "80 c0", "80 80 61"];
    for (const lead of LEADS) {
      for (const second of seconds) {
        for (const ending of endings) {
          checkEverySplit(Uint8Array.of(lead, second, ...bytes(ending)));
        }
      }
    }
  });

  test("RFC 6455 §8.1 checks all sequences of one byte", () => {
    for (let a = 0; a < 256; a++) checkEverySplit(single(a));
  });

  test("RFC 6455 §8.1 checks all sequences of two bytes, at every split", () => {
    for (let a = 0; a < 256; a++) {
      // If the first byte is invalid, the bytes after it do not matter.
      if (!canContinue(single(a))) {
        for (let b = 0; b < 256; b++) assert.ok(!check([Uint8Array.of(a, b)]));
        continue;
      }
      for (let b = 0; b < 256; b++) checkEverySplit(Uint8Array.of(a, b));
    }
  });

  test("RFC 6455 §8.1 checks all sequences of three bytes, at every split", () => {
    // One byte below 80 represents all bytes below 80. The test of two bytes covers invalid first bytes.
    const firsts = [0x41];
    for (let a = 0xc2; a <= 0xf4; a++) firsts.push(a);
    const three = new Uint8Array(3);
    const two = new Uint8Array(2);
    const checker = new Utf8Checker();
    const differ = (split: string): never =>
      assert.fail(`${Buffer.from(three).toString("hex")} ${split}`);
    for (const a of firsts) {
      for (let b = 0; b < 256; b++) {
        const lostAtTwo = !canContinue(Uint8Array.of(a, b));
        for (let c = 0; c < 256; c++) {
          three[0] = a;
          three[1] = two[0] = b;
          three[2] = two[1] = c;
          const valid = isUtf8(three);
          checker.reset();
          if ((checker.push(three) && checker.complete) !== valid) differ("whole");
          checker.reset();
          if ((checker.push(single(a)) && checker.push(two) && checker.complete) !== valid) {
            differ("1+2");
          }
          if (lostAtTwo) continue;
          checker.reset();
          if (!checker.push(three.subarray(0, 2))) differ("2");
          if ((checker.push(single(c)) && checker.complete) !== valid) differ("2+1");
          checker.reset();
          if (!(checker.push(single(a)) && checker.push(single(b)))) differ("1+1");
          if ((checker.push(single(c)) && checker.complete) !== valid) differ("1+1+1");
        }
      }
    }
  });

  test("RFC 6455 §8.1 checks four bytes with every first and second byte, at every split", () => {
    const thirds = [0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff];
    for (let a = 0xe0; a < 256; a++) {
      for (let b = 0; b < 256; b++) {
        const lost = !canContinue(Uint8Array.of(a, b));
        for (const c of thirds) {
          for (const d of thirds) {
            const four = Uint8Array.of(a, b, c, d);
            const valid = isUtf8(four);
            assert.equal(check([four]), valid);
            if (lost) continue;
            for (const chunks of everySplit(four)) assert.equal(check(chunks), valid);
          }
        }
      }
    }
  });

  test("RFC 6455 §8.1 accepts all characters up to U+FFFF and many beyond, whole and byte by byte", () => {
    const checker = new Utf8Checker();
    for (let code = 0; code <= 0x10ffff; code += code < 0x1_0000 ? 1 : 61) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const character = Buffer.from(String.fromCodePoint(code));
      if (!checker.push(character) || !checker.complete) assert.fail(`U+${code.toString(16)}`);
      for (let i = 0; i < character.length; i++) {
        if (!checker.push(character.subarray(i, i + 1))) assert.fail(`U+${code.toString(16)}`);
        if (checker.complete !== (i === character.length - 1))
          assert.fail(`U+${code.toString(16)}`);
      }
    }
  });

  test("RFC 6455 §8.1 agrees with TextDecoder for texts of several characters, at every split", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    for (const hex of [
      "61 e2 82 ac 62",
      "e2 82 ac e2 82",
      "f0 90 8d 88 c2",
      "61 62 63 f0 9f",
      "ed 9f bf ed a0 80",
    ]) {
      const input = bytes(hex);
      let valid = true;
      try {
        decoder.decode(input);
      } catch {
        valid = false;
      }
      for (const chunks of everySplit(input)) assert.equal(check(chunks), valid, hex);
    }
  });

  test(`RFC 6455 §8.1 fails exactly at the first byte that cannot be valid (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 3000; round++) {
      const input = Uint8Array.from({ length: 1 + random.int(12) }, () =>
        random.int(3) === 0 ? (random.pick(LEADS) ?? 0) : (random.pick(CONTINUATIONS) ?? 0),
      );
      checkEverySplit(input);
    }
  });

  test(`RFC 6455 §8.1 fails at the invalid byte of long texts too (SEED=${seed})`, () => {
    const random = new Random(seed + 1);
    const text = Buffer.from(
      "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 日本語 😀 ".repeat(3),
    );
    for (let round = 0; round < 300; round++) {
      const input = new Uint8Array(text);
      const at = random.int(input.length);
      input[at] = random.int(256);
      const valid = isUtf8(input);
      for (const size of [1, 2, 3, 5, 64, 1000]) {
        const checker = new Utf8Checker();
        const chunks = inChunks(input, size);
        const failed = chunks.findIndex((chunk) => !checker.push(chunk));
        assert.equal(failed === -1 && checker.complete, valid);
        // The check fails at the changed byte, or up to three bytes later if a continuation byte is missing.
        if (failed !== -1) assert.ok(failed * size <= at + 3);
      }
    }
  });

  test("reset() starts a new text after any input", () => {
    for (const hex of ["c2", "e0", "ed", "f0", "f4", "f0 90", "ff", "61 80"]) {
      const checker = new Utf8Checker();
      checker.push(bytes(hex));
      checker.reset();
      assert.ok(checker.complete);
      assert.ok(checker.push(bytes("e1 80 80 f1 80 80 80 c2 bf e1 bf bf 41")), hex);
      assert.ok(checker.complete);
    }
  });
});
