// Tests the checks of the close code and the reason that a program passes. WHATWG "WebSockets", "validate close code and
// reason".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { checkClose } from "../../../lib/websocket/close-arguments.ts";

type Input = readonly [code: number | undefined, reason: string | undefined];

const VALID: readonly (readonly [...Input, Input])[] = [
  [undefined, undefined, [undefined, undefined]],
  [undefined, "bye", [1000, "bye"]],
  [undefined, "", [1000, ""]],
  [1000, undefined, [1000, undefined]],
  [3000, "bye", [3000, "bye"]],
  [4999, "x".repeat(123), [4999, "x".repeat(123)]],
  // Web IDL, "[Clamp] unsigned short": rounded to the nearest number, and halves to an even number.
  [2999.6, undefined, [3000, undefined]],
  [3000.5, undefined, [3000, undefined]],
  [3001.5, undefined, [3002, undefined]],
];

const INVALID: readonly (readonly [...Input, name: string, message: string])[] = [
  ...[0, 999, 1001, 1005, 2999, 5000, 65_535].map(
    (code) =>
      [
        code,
        undefined,
        "InvalidAccessError",
        `the close code must be 1000 or 3000 to 4999, got ${code}`,
      ] as const,
  ),
  [-1, undefined, "InvalidAccessError", "the close code must be 1000 or 3000 to 4999, got 0"],
  [1e9, undefined, "InvalidAccessError", "the close code must be 1000 or 3000 to 4999, got 65535"],
  [3000, "x".repeat(124), "SyntaxError", "the close reason must have at most 123 bytes"],
  [undefined, "é".repeat(62), "SyntaxError", "the close reason must have at most 123 bytes"],
];

const lengthOf = (reason: string | undefined): string =>
  reason === undefined ? "no reason" : `a reason of ${Buffer.byteLength(reason)} bytes`;

describe("the arguments of close()", () => {
  for (const [code, reason, [wantedCode, wantedReason]] of VALID) {
    test(`${code ?? "no code"} and ${lengthOf(reason)} are sent as ${wantedCode ?? "no code"}`, () => {
      assert.deepEqual(checkClose(code, reason), { code: wantedCode, reason: wantedReason });
    });
  }

  for (const [code, reason, name, message] of INVALID) {
    test(`${code ?? "no code"} and ${lengthOf(reason)} throw ${name}`, () => {
      assert.throws(
        () => checkClose(code, reason),
        (error) => {
          assert.ok(error instanceof DOMException);
          assert.deepEqual([error.name, error.message], [name, message]);
          return true;
        },
      );
    });
  }
});
