// Tests syntax errors in transcripts of Engine.IO sessions: each error names the line and the column.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { parseTranscripts } from "../../conformance/transcripts/parse.ts";

/** Returns the text of a case whose steps begin in line 5. */
function withSteps(...steps: readonly string[]): string {
  const header = ["case a.b.c", "title t", "section s", "severity MUST"];
  return [...header, ...steps].join("\n");
}

const POLLING = "connect engineio4 polling";
const WEBSOCKET = "connect engineio4 websocket";

// biome-ignore format: aligned table
const WRONG: readonly (readonly [what: string, steps: readonly string[], error: RegExp])[] = [
  ["no transport", ["connect engineio4"], /^line 5, column 18: expected polling or websocket/],
  ["an unknown transport", ["connect engineio4 pigeon"], /^line 5, column 19: expected polling or websocket/],
  ["an unknown revision", ["connect engineio2 polling"], /^line 5, column 9: expected .*engineio4/],
  ["a polling connection of an existing session", [`${POLLING} as A`, "connect engineio4 polling as B of A"], /^line 6, column 32: expected the end of the line, got "of A"$/],
  ["a WebSocket of an unknown session", [`${WEBSOCKET} as B of A`], /^line 5, column 38: no connection "A" is open/],
  ["an unknown state of an upgrade", [`${POLLING} as A`, `${WEBSOCKET} as B of A ready`], /^line 6, column 39: expected the end of the line, got "ready"$/],
  ["a packet without quotes", [POLLING, "> 4hello"], /^line 6, column 3: expected a packet in quotes, bytes in hex, or no bytes/],
  ["a comma without a packet after it", [POLLING, "> '4one',"], /^line 6, column 10: expected a packet/],
  ["packets without a comma", [WEBSOCKET, "< '4one' bytes"], /^line 6, column 10: expected the end of the line/],
  ["a GET with a body", [POLLING, "> GET 'x'"], /^line 6, column 7: expected the end of the line/],
  ['"refused" without a code', [POLLING, "> GET", "< refused"], /^line 7, column 10: expected a code/],
  ["a status over a WebSocket", [WEBSOCKET, "< status 400"], /^line 6, column 3: expected a packet/],
  ["a request over a WebSocket", [WEBSOCKET, "> POST '4a'"], /^line 6, column 3: expected text or binary/],
  ['"no answer" over a WebSocket', [WEBSOCKET, "< no answer for 100 ms"], /^line 6, column 3: expected a packet/],
  ["a silence without a time", [POLLING, "< no message for"], /^line 6, column 17: expected a duration/],
  ["a pong over polling", [POLLING, "< pong 'x'"], /^line 6, column 3: expected a packet/],
  ["a string as a field of the open packet", [POLLING, "< open sid: 'x'"], /^line 6, column 13: expected number, or a list/],
  ["a limit without a duration", [POLLING, "< alive within"], /^line 6, column 15: expected a duration/],
  ["{pingInterval} before a session", ["~ pingInterval"], /^line 5, column 3: expected a duration/],
  ["{sid} before a session", ["connect tcp", "> '{sid}'"], /^line 6, column 3: the variable \{sid\} has no value yet$/],
];

describe("a syntax error in a transcript of Engine.IO is reported with line and column", () => {
  for (const [what, steps, error] of WRONG) {
    test(what, () => {
      assert.throws(() => parseTranscripts(withSteps(...steps)), {
        name: "SyntaxFault",
        message: error,
      });
    });
  }
});

test('a list of packets with "for" is expanded', () => {
  const [{ sends, expects } = { sends: "", expects: "" }] = parseTranscripts(
    withSteps(POLLING, "> '4{i}' for i in 1..3", "< '4{a}{b}', ff for b in 0, 2"),
  );
  assert.equal(sends, "connect engineio4 polling; '41', '42', '43'");
  assert.equal(expects, "'4{a}0', ff, '4{a}2', ff");
});
