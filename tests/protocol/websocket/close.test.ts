// Tests the close frame: RFC 6455 §5.5.1 and §7.4.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  decodeClose,
  encodeClose,
  maySendCode,
  NO_STATUS,
} from "../../../protocol/websocket/close.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";

// biome-ignore format: aligned table
const RANGES: readonly { from: number; to: number; may: boolean; why: string }[] = [
  { from: 0,    to: 999,   may: false, why: "RFC 6455 §7.4.2 0 to 999 are not used" },
  { from: 1000, to: 1003,  may: true,  why: "RFC 6455 §7.4.1 1000 to 1003 (Autobahn 7.7.1 to 7.7.4)" },
  { from: 1004, to: 1006,  may: false, why: "RFC 6455 §7.4.1 1004 to 1006 must not be sent (Autobahn 7.9.3 to 7.9.5)" },
  { from: 1007, to: 1011,  may: true,  why: "RFC 6455 §7.4.1 1007 to 1011 (Autobahn 7.7.5 to 7.7.9)" },
  { from: 1012, to: 1014,  may: true,  why: "RFC 6455 §11.7 1012 to 1014 were registered later" },
  { from: 1015, to: 1015,  may: false, why: "RFC 6455 §7.4.1 1015 must not be sent" },
  { from: 1016, to: 2999,  may: false, why: "RFC 6455 §7.4.2 1016 to 2999 are not defined (Autobahn 7.9.6 to 7.9.9)" },
  { from: 3000, to: 3999,  may: true,  why: "RFC 6455 §7.4.2 3000 to 3999 are for libraries (Autobahn 7.7.10)" },
  { from: 4000, to: 4999,  may: true,  why: "RFC 6455 §7.4.2 4000 to 4999 are for applications (Autobahn 7.7.12)" },
  { from: 5000, to: 65535, may: false, why: "RFC 6455 §7.4.2 5000 and above are not defined (Autobahn 7.13.1)" },
];

describe("the status code of a close frame", () => {
  for (const { from, to, may, why } of RANGES) {
    test(`${why}: ${may ? "can be sent and received" : "cannot be sent or received"}`, () => {
      for (let code = from; code <= to; code++) {
        assert.equal(maySendCode(code), may, `${code}`);
        const payload = Uint8Array.of(code >> 8, code & 0xff);
        if (may) {
          assert.deepEqual([...encodeClose(code)], [...payload]);
          assert.deepEqual(decodeClose(payload), { code, reason: "" });
        } else {
          assert.throws(() => encodeClose(code), {
            name: "RangeError",
            message: `invalid close status code: expected 1000 to 1003, 1007 to 1014 or 3000 to 4999, got ${code}`,
          });
          assert.throws(() => decodeClose(payload), { rule: "CLOSE_CODE" });
        }
      }
    });
  }

  test("must be an integer", () => {
    for (const code of [-1, 1000.5, 3000.0001, 65536 + 1000, Number.NaN, Infinity, -Infinity]) {
      assert.throws(() => encodeClose(code), RangeError, `${code}`);
    }
  });
});

describe("the payload of a close frame", () => {
  test("RFC 6455 §5.5.1 may be empty (Autobahn 7.3.1)", () => {
    assert.equal(encodeClose().length, 0);
    assert.equal(encodeClose(undefined, "").length, 0);
    assert.deepEqual(decodeClose(new Uint8Array(0)), { code: NO_STATUS, reason: "" });
  });

  test("RFC 6455 §5.5.1 cannot be one byte long (Autobahn 7.3.2)", () => {
    for (let byte = 0; byte < 256; byte++) {
      assert.throws(() => decodeClose(Uint8Array.of(byte)), { rule: "CLOSE_LENGTH" });
    }
  });

  test("RFC 6455 §5.5.1 cannot have a reason without a code", () => {
    assert.throws(() => encodeClose(undefined, "because"), {
      name: "RangeError",
      message: 'a close reason needs a status code, got only the reason "because"',
    });
  });

  test("RFC 6455 §5.5.1 has a reason of at most 123 bytes in UTF-8 (Autobahn 7.3.5)", () => {
    assert.equal(encodeClose(1000, "a".repeat(123)).length, 125);
    const tooLong = {
      name: "RangeError",
      message: "a close reason must have at most 123 bytes in UTF-8, got 124",
    };
    assert.throws(() => encodeClose(1000, "a".repeat(124)), tooLong);
    assert.equal(encodeClose(1000, "€".repeat(41)).length, 125);
    assert.throws(() => encodeClose(1000, `${"€".repeat(41)}a`), tooLong);
  });

  test("RFC 6455 §5.5.1 is rejected if its reason is not UTF-8 (Autobahn 7.5.1)", () => {
    for (const hex of [
      "ff",
      "c2",
      "ed a0 80",
      "61 62 80",
      "ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80",
    ]) {
      assert.throws(() => decodeClose(bytes(`03 e8 ${hex}`)), { rule: "INVALID_UTF8" });
    }
  });

  test("RFC 6455 §7.4 is checked for its code before its reason", () => {
    assert.throws(() => decodeClose(bytes("00 00 ff")), { rule: "CLOSE_CODE" });
  });

  test("has U+FFFD in place of a lone surrogate", () => {
    assert.deepEqual(decodeClose(encodeClose(1000, "a\ud800")), { code: 1000, reason: "a\ufffd" });
  });

  test("has only the bytes of the code and the reason", () => {
    for (const reason of ["", "a", "¢", "€", "𐍈", "a".repeat(123)]) {
      const expected = [0x03, 0xe8, ...Buffer.from(reason)];
      assert.deepEqual([...encodeClose(1000, reason)], expected);
    }
  });

  test(`is decoded to the encoded code and reason (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 2000; round++) {
      const code = 3000 + random.int(2000);
      const reason = Array.from({ length: random.int(30) }, () =>
        String.fromCodePoint(
          random.pick([
            random.int(0x80),
            0x100 + random.int(0xd000),
            0x1_0000 + random.int(0xf_0000),
          ]),
        ),
      ).join("");
      assert.deepEqual(decodeClose(encodeClose(code, reason)), { code, reason });
    }
  });
});
