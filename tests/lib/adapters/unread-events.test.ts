// When no entry comes any more of what clients were sent before it was read.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Added, UnreadEvents } from "../../../lib/adapters/unread-events.ts";

describe("events that were sent early", () => {
  test("are over when their entries are read", async () => {
    const early = new UnreadEvents();
    assert.equal(early.isPending, false);
    await early.over();
    const answers: ((added: Added) => void)[] = [];
    for (const number of [3, 4]) early.add(number, new Promise((resolve) => answers.push(resolve)));
    assert.equal(early.last, 4);
    const over = early.over();
    // What is read before Redis has answered says nothing.
    early.onRead("9-0");
    assert.equal(early.isPending, true);
    answers[0]?.({ id: "10-0" });
    answers[1]?.({ id: "10-1" });
    await new Promise(setImmediate);
    early.onRead("10-0");
    assert.equal(early.isPending, true);
    early.onRead("10-1");
    assert.equal(early.isPending, false);
    await over;
  });

  test("are over at once where Redis has refused them", async () => {
    const early = new UnreadEvents();
    early.add(1, Promise.resolve("refused"));
    assert.equal(early.isPending, true);
    await early.over();
    assert.equal(early.isPending, false);
  });

  test("are over after two reads where nobody knows whether Redis has them", async () => {
    const early = new UnreadEvents();
    early.add(1, Promise.resolve("unknown"));
    await new Promise(setImmediate);
    early.onRead("1-0");
    assert.equal(early.isPending, true);
    early.onRead("1-0");
    assert.equal(early.isPending, false);
  });
});
