// Runs cases whose steps send or expect WebSocket frames, over WebSocket, Engine.IO and Socket.IO: frames sent in pieces,
// frames expected in any order, time limits and severities.

import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";

import type { Result } from "../../conformance/harness/runner.ts";
import { TcpConnection } from "../../conformance/peers/tcp.ts";
import { createTarget } from "../../conformance/testees/servers/barewire.ts";
import { loadCases } from "../../conformance/transcripts/load.ts";
import { runPatiently, withTarget } from "./support.ts";
import { playToClient, withCaseOf } from "./written-case.ts";

/**
 * Runs a case with these steps: against barewire's server, or against a client that answers "2" with "3", and "6" with
 * a close packet.
 */
async function play(steps: readonly string[]): Promise<Result | undefined> {
  if (steps[0]?.startsWith("connect") === true) {
    return await withCaseOf(steps, async (file) => {
      const cases = loadCases(file);
      const [result] = await withTarget(createTarget(), (target) => runPatiently(cases, target));
      return result;
    });
  }
  return await playToClient(steps, (websocket) => {
    websocket.onmessage = ({ data }) => {
      if (data === "2") websocket.send("3");
      if (data === "6") websocket.send("1");
    };
  });
}

// biome-ignore format: aligned table
const IN_PIECES: readonly (readonly [steps: readonly string[], bytes: number])[] = [
  [["connect websocket", "> in pieces of 1: text 'ab'", "< text 'ab'"], 8],
  [["connect engineio4 websocket", "> in pieces of 1: text '4ab'", "< '4ab'"], 9],
  [["connect socketio in /", "> frame in pieces of 1: text '42[\"message\"]'", "< '2[\"message-back\"]'"], 19],
  [["accept websocket", "< in pieces of 1: text '2'", "> text '3'"], 3],
  [["accept socketio", "< frame in pieces of 1: text '2'", "> frame text '3'"], 3],
];

describe('"in pieces of 1" writes each byte alone', () => {
  for (const [steps, bytes] of IN_PIECES) {
    test(`in ${steps[0]}`, async () => {
      const { mock: write } = mock.method(TcpConnection.prototype, "write");
      try {
        const result = await play(steps);
        assert.equal(result?.outcome, "passed", result?.got);
        const alone = write.calls.filter(({ arguments: [piece] }) => piece?.length === 1);
        assert.equal(alone.length, bytes);
      } finally {
        write.restore();
      }
    });
  }
});

// biome-ignore format: aligned table
const PLAYED: readonly (readonly [steps: readonly string[], expected: string | undefined])[] = [
  [["accept websocket", "< close 1000", "> closed within 10 s"], undefined],
  [["accept websocket", "< close 1000", "> closed after 10 s"], "at least 10000 ms"],
  [["accept websocket", "< close 1000", "> closed (INFO)"], undefined],
  [["accept websocket", "< close 1000", "> close after 10 s"], "at least 10000 ms"],
  [["accept websocket", "< ping", "> close (INFO)"], "a close frame"],
  [["accept websocket", "< ping 'a'", "> pong within 10 s (SHOULD)"], undefined],
  [["accept websocket", "< ping", "> pong after 10 s"], "at least 10000 ms"],
  [["accept socketio", "< frame close 1000", "> frame close within 10 s"], undefined],
  [["accept socketio", "< frame close 1000", "> closed"], undefined],
  [["accept socketio", "< frame text '6'", "> closed"], undefined],
  [["accept socketio", "< frame text '6'", "> any packets, then closed"], undefined],
  [["accept socketio", "< frame close 1000", "> frame close after 10 s"], "at least 10000 ms"],
  [["accept socketio", "< frame ping + text '2'", "any order", "> frame text '3'", "> frame pong ''", "end"], undefined],
  [["accept socketio", "< frame text '2' + ping", "any order", "> frame text '3'", "> frame pong ''", "end"], undefined],
  [["accept socketio", "< frame text '2' + ping 'a'", "any order", "> frame text '3'", "> frame pong 'b'", "end"], "62"],
];

describe("expected frames", () => {
  for (const [steps, expected] of PLAYED) {
    const outcome = expected === undefined ? "passed" : "failed";
    test(`${steps.slice(1).join("; ")}: the case is ${outcome}`, async () => {
      const result = await play(steps);
      assert.equal(result?.expected, expected);
      assert.equal(result?.outcome, outcome);
    });
  }
});
