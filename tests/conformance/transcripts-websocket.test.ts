// Tests syntax errors in transcripts of TCP connections and WebSockets: each error names the line and the column.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";

import { WEBSOCKET } from "../../conformance/cases/server/websocket.ts";
import { loadCases, loadClientCases } from "../../conformance/transcripts/load.ts";
import { parseTranscripts } from "../../conformance/transcripts/parse.ts";

/** Returns the text of a case whose steps begin in line 5. */
function withSteps(...steps: readonly string[]): string {
  const header = ["case a.b.c", "title t", "section RFC 6455 §5.2", "severity MUST"];
  return [...header, ...steps].join("\n");
}

const DEFLATE = "connect websocket with permessage-deflate";

// biome-ignore format: aligned table
const WRONG: readonly (readonly [what: string, steps: readonly string[], error: RegExp])[] = [
  ["a handshake without an empty line at its end", ["connect tcp", "> handshake"], /^line 6, column 3: expected an empty line behind the head$/],
  ["a handshake with a field without a value", ["connect tcp", "> handshake with Host", ">"], /^line 6, column 22: expected ":", got the end of the line$/],
  ["a handshake without a field that no handshake has", ["connect tcp", "> handshake without Cookie", ">"], /^line 6, column 27: a handshake has no Cookie/],
  ["a handshake with an unknown word after it", ["connect tcp", "> handshake and Cookie", ">"], /^line 6, column 13: expected the end of the line, got "and Cookie"$/],
  ["a quoted line of a head without a closing quote", ["connect tcp", "> handshake", "> 'Cookie: a", ">"], /^line 7, column 13: expected "'", got the end of the line$/],
  ["a WebSocket step in an alternative before the upgrade", ["connect tcp", "either", "< websocket", "or", "< alive", "end"], /^line 9, column 3: expected "header", got "alive"$/],
  ['a WebSocket step after an "either" that upgrades', ["connect tcp", "either", "< websocket", "end", "< alive"], /^line 9, column 3: expected "header", got "alive"$/],
  ['a "+" without a frame after it', ["connect websocket", "> text 'a' +"], /^line 6, column 13: expected text or binary/],
  ['">+" as the first line', ["connect websocket", ">+ text 'a'"], /^line 6, column 1: expected a head or frames above/],
  ['">+" after an expected line', ["connect websocket", "> text 'a'", "< text 'a'", ">+ ping"], /^line 8, column 1: expected a head or frames above/],
  ['">+" after a line of another connection', ["connect websocket as A", "connect websocket as B", "A> ping", "B>+ ping"], /^line 8, column 1: expected a head or frames above/],
  ['">+" after FIN', ["connect websocket", "> FIN", ">+ ping"], /^line 7, column 1: expected a head or frames above/],
  ['">+" with bytes over a TCP connection', ["connect tcp", "> 'a'", ">+ 'b'"], /^line 7, column 1: expected a head or frames above/],
  ['"<+"', ["connect websocket", "> ping", "<+ pong"], /^line 7, column 1: expected a head or frames above/],
  ['"<+" in "any order"', ["connect websocket", "any order", "< pong", "<+ ping", "end"], /^line 8, column 1: expected a line of "any order" without "\+"$/],
  ['"in pieces of" in a line with ">+"', ["connect websocket", "> ping", ">+ in pieces of 1: ping"], /^line 7, column 1: expected "in pieces of" in the line above/],
  ["pieces of no bytes", ["connect websocket", "> in pieces of 0: ping"], /^line 6, column 17: expected at least 1 byte, got/],
  ["fragments of no bytes", ["connect websocket", "> fragments of 0: text 'a'"], /^line 6, column 17: expected at least 1 byte, got/],
  ["a head in pieces of no bytes", ["connect tcp", "> in pieces of 0:", "> handshake", ">"], /^line 6, column \d+: expected/],
  ['a second frame without a "+"', ["connect websocket", "> text 'a' ping"], /^line 6, column 12: expected the end of the line, got "ping"$/],
  ["an opcode of two digits", ["connect websocket", "> opcode 10"], /^line 6, column 10: expected a hex digit, got "10"$/],
  ["an expected message without bytes", ["connect websocket", "< text"], /^line 6, column 7: expected bytes, '' for none/],
  ['"with" without a header field or an offer', ["connect websocket with"], /^line 5, column 23: expected a field of HTTP, or an offer of permessage-deflate/],
  ['"noise" without a size', ["connect websocket", "> binary noise"], /^line 6, column 15: expected how many bytes, got the end of the line$/],
  ["an unknown extension parameter", [DEFLATE, "< agreed window"], /^line 6, column 10: expected server_no_context_takeover or .*, got "window"$/],
  ["a window size without a number", [DEFLATE, "< agreed server_max_window_bits"], /^line 6, column 32: expected "at most"/],
  ["a number for a parameter without a value", [DEFLATE, "< agreed server_no_context_takeover at most 1"], /^line 6, column 37: expected the end of the line/],
  ['a number for a parameter in "not agreed"', [DEFLATE, "< not agreed client_max_window_bits at most 9"], /^line 6, column 37: expected the end of the line/],
];

// biome-ignore format: aligned table
const WRONG_OF_A_SERVER: readonly (readonly [what: string, steps: readonly string[], error: RegExp])[] = [
  ['an unknown level after "accept"', ["accept engineio4"], /^line 5, column 8: expected tcp or websocket or socketio, got "engineio4"$/],
  ['text after "accept websocket"', ["accept websocket with Cookie: a"], /^line 5, column 18: expected the end of the line, got "with Cookie: a"$/],
  ["a connection name that is accepted twice", ["accept tcp", "accept tcp"], /^line 6, column 11: connection "" is open already/],
  ['"accept" in a case that connects', ["connect tcp", "accept tcp as B"], /^line 6, column 1: a case that connects does not accept$/],
  ['"connect" in a case that accepts', ["accept tcp", "connect tcp as B"], /^line 6, column 1: a case that accepts does not connect$/],
  ["a response without an empty line at its end", ["accept tcp", "< handshake"], /^line 6, column 3: expected an empty line behind the head$/],
  ["a client's line within a response", ["accept tcp", "< handshake", "> FIN", "<"], /^line 7, column 1: expected a line of the head, or the empty line behind it$/],
  ["a response without a field that no response has", ["accept tcp", "< handshake without Host", "<"], /^line 6, column 25: a handshake has no Host/],
  ["frames after a response with status 400", ["accept tcp", "< HTTP/1.1 400 No", "<", "> alive"], /^line 8, column 3: expected "header", got "alive"$/],
  ["a status as an expectation for a client", ["accept tcp", "> status 101"], /^line 6, column 3: expected "header", got "status 101"$/],
  ["a pattern without a closing slash", ["accept tcp", "> request matches /^GET"], /^line 6, column 19: expected a pattern between slashes/],
  ["an invalid pattern", ["accept tcp", "> header Host matches /(/"], /^line 6, column 26: Invalid regular expression/],
  ["an unknown frame", ["accept websocket", "< txet 'a'"], /^line 6, column 3: expected text or binary/],
  ["an unknown expected frame", ["accept websocket", "> txet 'a'"], /^line 6, column 3: expected text or binary/],
  ["an invalid close code", ["accept websocket", "> closed now"], /^line 6, column 10: expected a code, got "now"$/],
  ['an "either" whose first step sends', ["accept websocket", "either", "< ping", "end"], /^line 7, column 1: expected a line that the harness receives$/],
  ["a variable without a value", ["accept websocket", "< text '{sid}'"], /^line 6, column 3: the variable \{sid\} has no value yet$/],
];

describe("a syntax error in a case for clients is reported with line and column", () => {
  for (const [what, steps, error] of WRONG_OF_A_SERVER) {
    test(what, () => {
      assert.throws(() => parseTranscripts(withSteps(...steps)), {
        name: "SyntaxFault",
        message: error,
      });
    });
  }

  test("a case for clients in the folder for servers, or a case for servers in the folder for clients", () => {
    const folder = join(import.meta.dirname, "../../conformance/cases");
    assert.throws(() => loadCases(join(folder, "client/websocket/closing.wire")), {
      message:
        /closing\.wire: line 5, column 1: expected a line "connect" in this case for servers$/,
    });
    assert.throws(() => loadClientCases(join(folder, "server/websocket/masking.wire")), {
      message:
        /masking\.wire: line \d+, column 1: expected a line "accept" in this case for clients$/,
    });
  });

  test("the server's lines become the steps that the kit sends, and each accept counts as a connection", () => {
    const [{ steps } = { steps: undefined }] = parseTranscripts(
      withSteps(
        "accept tcp",
        "< handshake",
        "<",
        "<+ text 'a'",
        "> text 'a'",
        "accept websocket as B",
      ),
    );
    assert.equal(steps?.sends, "handshake + text 'a'");
    assert.equal(steps?.expects, "text 'a'");
    assert.equal(steps?.accepts, 2);
  });
});

test("the case in which a client ends TCP between two messages sends only FIN", () => {
  const id = "websocket.closing.end-between-messages";
  const found = WEBSOCKET.find((each) => each.id === id);
  assert.equal(found?.sends, "FIN");
});

describe("a syntax error in a case over HTTP or WebSocket is reported with line and column", () => {
  for (const [what, steps, error] of WRONG) {
    test(what, () => {
      assert.throws(() => parseTranscripts(withSteps(...steps)), {
        name: "SyntaxFault",
        message: error,
      });
    });
  }

  test('an unknown behaviour after "needs"', () => {
    const text = withSteps("needs wings", "connect websocket");
    const message = 'line 5, column 1: unknown behaviour "wings"';
    assert.throws(() => parseTranscripts(text), { name: "SyntaxFault", message });
  });
});
