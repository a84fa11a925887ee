// Tests the offsets of clients over a Redis stream: their format, and which events they include.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { formatOffset, includes, parseOffset } from "../../../lib/adapters/stream-offset.ts";

describe("a client's offset in a Redis stream", () => {
  for (const text of ["0-0", "1700000000000-12", "1-2~process_-9~0", "1-2~p~123456789012345"]) {
    test(`is parsed and formatted: ${text}`, () => {
      const offset = parseOffset(text);
      assert.ok(offset);
      assert.equal(formatOffset(offset), text);
    });
  }

  for (const text of [
    "",
    "1",
    "1-",
    "-1",
    "1-1-1",
    "1-1~",
    "1-1~p",
    "1-1~p~",
    "1-1~p~-1",
    "1-1~p~1~",
    "1-1~~1",
    "1-1~p q~1",
    `1-1~${"p".repeat(65)}~1`,
    `1-1~p~${"9".repeat(16)}`,
    `${"9".repeat(16)}-1`,
    " 1-1",
    "1-1\n",
  ]) {
    test(`is invalid: ${JSON.stringify(text)}`, () => {
      assert.equal(parseOffset(text), undefined);
    });
  }

  for (const [offset, id, sender, number, expected] of [
    ["5-1", "5-1", "a", 9, true],
    ["5-1", "5-0", "a", undefined, true],
    ["5-1", "5-2", "a", 0, false],
    ["5-1~a~7", "6-0", "a", 7, true],
    ["5-1~a~7", "6-0", "a", 6, true],
    ["5-1~a~7", "6-0", "a", 8, false],
    ["5-1~a~7", "6-0", "b", 1, false],
    ["5-1~a~7", "6-0", "a", undefined, false],
    ["5-1~a~7", "4-0", "b", 100, true],
  ] as const) {
    test(`${offset} ${expected ? "includes" : "does not include"} event ${number} of server ${sender} at ${id}`, () => {
      const parsed = parseOffset(offset);
      assert.ok(parsed);
      assert.equal(includes(parsed, { id, sender, number }), expected);
    });
  }
});
