// Tests the grammar of docs/transcripts.md: syntax errors with line and column, and the cases that a file defines.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { evaluate, scanBytes } from "../../conformance/transcripts/bytes.ts";
import { parseTranscripts } from "../../conformance/transcripts/parse.ts";
import { Scanner } from "../../conformance/transcripts/scanner.ts";

/** Returns the text of a case whose steps begin in line 5. */
function withSteps(...steps: readonly string[]): string {
  const header = ["case a.b.c", "title t", "section RFC 6455 §5.2", "severity MUST"];
  return [...header, ...steps].join("\n");
}

/** Returns the text of a case with one step. Its header continues with `lines` in line 2. */
function withHeader(...lines: readonly string[]): string {
  return ["case a.b.c", ...lines, "connect websocket"].join("\n");
}

const WHOLE = ["title t", "section RFC 6455 §5.2", "severity MUST"];

// biome-ignore format: aligned table
const WRONG: readonly (readonly [what: string, text: string, error: RegExp])[] = [
  ["a file that does not start with a case", "steps", /^line 1, column 1: expected "case", got "steps"$/],
  ["no id", "case", /^line 1, column 5: expected an id/],
  ["a case without steps", "case a.b.c\ntitle t", /^line 1, column 1: expected steps behind this$/],
  ["no title", withHeader("section s", "severity MUST"), /^line 1, column 1: expected a line "title"/],
  ["no section", withHeader("title t", "severity MUST"), /^line 1, column 1: expected a line "section"/],
  ["no severity", withHeader("title t", "section s"), /^line 1, column 1: expected a line "severity"/],
  ["an unknown severity", withHeader("title t", "section s", "severity HIGH"), /unknown severity "HIGH"/],
  ["a header field that appears twice", withHeader(...WHOLE, "  title again"), /^line 5, column 3: there is a second "title"$/],
  ["an unknown sentence", withHeader(...WHOLE, "sentence nobody"), /^line 5, column 1: no sentence is called "nobody"$/],
  ["a sentence without a section", "sentence a: something", /^line 1, column 13: expected a section/],
  ["two cases with one id", `${withHeader(...WHOLE)}\n${withHeader(...WHOLE)}`, /^line 6, column 1: there are two cases/],
  ["a table without rows", withHeader(...WHOLE, "each a | b"), /^line 5, column 1: expected rows/],
  ["a row with too many cells", withHeader(...WHOLE, "each a | b", "| 1 | 2 | 3"), /^line 6, column 1: expected 2 cells$/],
  ["a step without < or >", withSteps("connect websocket", "  text 'a'"), /^line 6, column 3: expected a step/],
  ["a connection that is not open", withSteps("> text 'a'"), /^line 5, column 1: no connection "" is open$/],
  ["a connection name that is opened twice", withSteps("connect websocket", "connect tcp"), /^line 6, column 12: connection "" is open already/],
  ["an unknown level", withSteps("connect quic"), /^line 5, column 9: expected tcp or websocket/],
  ["an unknown frame", withSteps("connect websocket", "> txet 'a'"), /^line 6, column 3: expected text or binary/],
  ["a text without a closing quote", withSteps("connect websocket", "> text 'a"), /^line 6, column 10: expected "'", got the end of the line$/],
  ["an unknown escape", withSteps("connect websocket", "> text '\\q'"), /^line 6, column \d+: unknown escape/],
  ["half a byte", withSteps("connect websocket", "> binary 0"), /^line 6, column 10: expected the end of the line, got "0"$/],
  ["text after a step", withSteps("connect websocket", "< alive 'a'"), /^line 6, column 9: expected the end of the line/],
  ["a variable without a value", withSteps("connect websocket", "> text '{sid}'"), /^line 6, column 3: the variable \{sid\} has no value yet$/],
  ["a loop without an end", withSteps("connect websocket", "for i in 1..3", "> text '{i}'"), /^line 6, column 1: expected an "end" behind this$/],
  ['an "either" without an end', withSteps("connect websocket", "either", "< ping"), /expected an "end" behind this$/],
  ['an "either" whose first step sends', withSteps("connect websocket", "either", "> ping", "end"), /^line 7, column 1: expected a line that the harness receives$/],
  ['a step without a payload in "any order"', withSteps("connect websocket", "any order", "< alive", "end"), /^line 7, column 1: expected a message, a ping or a pong$/],
  ["a head without an empty line at its end", withSteps("connect tcp", "> GET / HTTP/1.1"), /expected an empty line behind the head$/],
  ["an invalid line in a head", withSteps("connect tcp", "> GET / HTTP/1.1", "> nothing"), /^line 7, column 3: expected a line of HTTP, got "nothing"$/],
  ["an invalid status", withSteps("connect tcp", "< status ok"), /^line 6, column 10: expected a status/],
  ["a time without a unit", withSteps("~ 200"), /^line 5, column 6: expected ms or s/],
];

describe("a syntax error in a transcript is reported with line and column", () => {
  for (const [what, text, error] of WRONG) {
    test(what, () => {
      assert.throws(() => parseTranscripts(text), { name: "SyntaxFault", message: error });
    });
  }
});

describe("a transcript file", () => {
  test("defines a case for each combination of table rows, varying the last table fastest", () => {
    const text = [
      "case a.{size}.{kind}",
      "  title  takes {kind} of {size}",
      "  section s",
      "  severity {severity}",
      "  each  size: 1, 3..2",
      "  each  kind | severity",
      "        | text | MUST",
      "        | a\\|b | INFO",
      "  connect websocket",
      "  > text '{kind}' × {size}",
    ].join("\n");
    const cases = parseTranscripts(text);
    assert.deepEqual(
      cases.map(({ id, title, severity, sends }) => [id, title, severity, sends]),
      ["1", "3", "2"].flatMap((size) => [
        [`a.${size}.text`, `takes text of ${size}`, "MUST", `text 'text' × ${size}`],
        [`a.${size}.a|b`, `takes a|b of ${size}`, "INFO", `text 'a|b' × ${size}`],
      ]),
    );
  });

  test("applies section and severity to the following cases that do not set their own", () => {
    const steps = "title t\nconnect websocket";
    const text = [
      "sentence a: RFC 6455 §5.1: Something.",
      "section s",
      "severity MUST",
      `case a.1\n${steps}`,
      `case a.2\nsentence a\nseverity INFO\n${steps}`,
      "section t",
      `case a.3\n${steps}`,
    ].join("\n");
    assert.deepEqual(
      parseTranscripts(text).map(({ clause, severity }) => [clause, severity]),
      [
        ["s", "MUST"],
        ["RFC 6455 §5.1", "INFO"],
        ["t", "MUST"],
      ],
    );
  });

  test('repeats the steps between "for" and "end", and describes the sent and the expected steps', () => {
    const [{ sends, expects } = { sends: "", expects: "" }] = parseTranscripts(
      withSteps(
        "connect websocket",
        "> text '0'",
        "for i in 2..1",
        ">+ text '{i}'  | for the reader",
        "end",
        "either",
        "< text '0'",
        "or",
        "< close 1000",
        "< FIN",
        "end",
      ),
    );
    assert.equal(sends, "text '0' + text '2' + text '1'");
    assert.equal(expects, "text '0', or close 1000; FIN");
  });
});

// biome-ignore format: aligned table
const BYTES: readonly (readonly [text: string, hex: string])[] = [
  ["", ""],
  ["81 05", "8105"],
  ["8105", "8105"],
  ["00..03", "00010203"],
  ["'hello'", "68656c6c6f"],
  ["'é\\r\\n\\t\\0\\\\\\''", "c3a90d0a09005c27"],
  ["'\\u{1f600}'", "f09f9880"],
  ["'\\u{feff}'", "efbbbf"],
  ["'  x'", "202078"],
  ["'ab' × 3", "616261626162"],
  ["'ab' up to 5", "6162616261"],
  ["'' up to 0", ""],
  ["00 × 1 KiB 'x'", `${"00".repeat(1024)}78`],
  ["'{name}!'", "6e616d6521"],
];

describe("bytes expressions", () => {
  for (const [text, hex] of BYTES) {
    test(text === "" ? "nothing" : text, () => {
      const scanner = new Scanner(text, 1);
      const bytes = scanBytes(scanner);
      scanner.end();
      assert.equal(evaluate(bytes, new Map([["name", "name"]])).toString("hex"), hex);
    });
  }
});
