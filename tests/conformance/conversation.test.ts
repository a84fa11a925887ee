// Tests how the recorded conversation of a case with a server is shortened, and that the report
// says so.

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Case, Failure, Skip } from "../../conformance/harness/case.ts";
import { Conversation } from "../../conformance/harness/conversation.ts";
import { runCase } from "../../conformance/harness/runner.ts";
import { parseTarget } from "../../conformance/harness/target.ts";
import { renderHtml } from "../../conformance/reports/html.ts";
import { REPORT, result } from "./results.ts";

const LONG = "x".repeat(100_000);
const CUT = `${"x".repeat(2000)}… (98000 more characters)`;

test("a recorded conversation keeps its first and last 200 messages, and notes how many are left out", () => {
  for (const [said, gap] of [
    [0, undefined],
    [199, undefined],
    [400, undefined],
    [401, "1 more entries were not recorded here"],
    [5000, "4600 more entries were not recorded here"],
  ] as const) {
    const conversation = new Conversation();
    for (let number = 0; number < said; number++) {
      conversation.received(Buffer.from("a"), `${number}`);
    }
    const meanings = conversation.utterances.map(({ meaning }) => meaning);
    const all = Array.from({ length: said }, (_each, number) => `${number}`);
    const kept =
      gap === undefined ? all : [...all.slice(0, 200), gap, ...all.slice(all.length - 200)];
    assert.deepEqual(meanings, kept);
    const html = renderHtml({
      ...REPORT,
      results: [result("a.b.c", { outcome: "failed", conversation: conversation.utterances })],
    });
    assert.equal(html.split('<tr class="received">').length - 1, Math.min(said, 400));
    assert.ok(gap === undefined || html.includes(gap));
  }
});

test("a long text in a conversation is truncated with the number of missing characters, in the HTML report too", () => {
  const conversation = new Conversation();
  conversation.sent(Buffer.from("a"), LONG);
  conversation.received(Buffer.from("a"), LONG);
  conversation.note(LONG);
  conversation.note("x".repeat(2000));
  assert.deepEqual(
    conversation.utterances.map(({ meaning }) => meaning),
    [CUT, CUT, CUT, "x".repeat(2000)],
  );
  const results = [result("a.b.c", { conversation: conversation.utterances })];
  assert.equal(renderHtml({ ...REPORT, results }).split("98000 more characters").length, 4);
});

test("long expectations, results and reasons of a case are truncated", async () => {
  const judged = async (error: Error) => {
    const one: Case = {
      ...result("websocket.a.b"),
      run: () => Promise.reject(error),
    };
    const { expected, got, reason } = await runCase(one, parseTarget("http://127.0.0.1"), 10_000);
    return { expected, got, reason };
  };
  const none = { expected: undefined, got: undefined, reason: undefined };
  assert.deepEqual(await judged(new Failure(LONG, LONG)), { ...none, expected: CUT, got: CUT });
  assert.deepEqual(await judged(new Skip(LONG)), { ...none, reason: CUT });
  const { got } = await judged(new Error(LONG));
  assert.equal(got, CUT);
});
