// Tests parsing untrusted JSON with a depth limit. Socket.IO "Packet encoding".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { parseJson, stringEnd } from "../../../protocol/socketio/json.ts";

describe("parseJson() with at most two levels", () => {
  const ACCEPTED = [
    "1",
    '"[[["',
    "[[1]]",
    '{"a":{"b":1}}',
    '[{"a":1}]',
    '{"a":[1]}',
    "[[],[],[]]",
    "[{},{},{}]",
    '{"a":{},"b":[],"c":{}}',
    '["[[["]',
    '{"[[[":"{{{"}',
    '["\\"[[[",1]',
    '["\\\\\\"[[["]',
    '["a\\\\","[[["]',
    '["","[[["]',
  ];
  for (const text of ACCEPTED) {
    test(`Packet encoding: parses ${text}`, () => {
      assert.deepEqual(parseJson(text, 2), JSON.parse(text));
    });
  }

  const TOO_DEEP = [
    "[[[1]]]",
    "[[[]]]",
    '{"a":{"b":{}}}',
    '[{"a":[]}]',
    '{"a":[{}]}',
    "[[],[],[[]]]",
    "[{},[{}]]",
    // A bracket in a string closes no array, and an escaped backslash does not escape the quote.
    '["]",[[]]]',
    '["}",[{}]]',
    '["\\\\",[[]]]',
    '["\\\\\\\\",[[]]]',
    '["\\"",[[]]]',
    "[[[",
    '[[["',
  ];
  for (const text of TOO_DEEP) {
    test(`Packet encoding: rejects ${text}`, () => {
      assert.throws(() => parseJson(text, 2), { name: "ProtocolError", rule: "PAYLOAD_DEPTH" });
    });
  }

  const INVALID = ["[", "[1", '"', '"[[[', '"\\"[[[', "[]]", "{]", "a", " "];
  for (const text of INVALID) {
    test(`Packet encoding: rejects ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseJson(text, 2), { name: "ProtocolError", rule: "PAYLOAD_JSON" });
    });
  }

  test("Packet encoding: returns undefined for an empty text", () => {
    assert.equal(parseJson("", 2), undefined);
  });
});

test("stringEnd() returns the index of the first unescaped quote, or the length of the text", () => {
  for (const [text, start, end] of [
    ['"', 0, 0],
    ['a"b"', 0, 1],
    ['a"b"', 2, 3],
    ['\\"a"', 0, 3],
    ['\\\\"a"', 0, 2],
    ['\\\\\\"a"', 0, 5],
    ['\\"\\"\\"a"', 0, 7],
    ["abc", 0, 3],
    ['\\"', 0, 2],
    ["", 0, 0],
  ] as const) {
    assert.equal(stringEnd(text, start), end, text);
  }
});
