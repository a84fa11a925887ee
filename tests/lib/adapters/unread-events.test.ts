// The server may send an event to clients before it reads the event's entry in the stream. These tests check how long
// the server counts such an event as unread.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Added, UnreadEvents } from "../../../lib/adapters/unread-events.ts";

describe("events sent to clients before the server has read their stream entries", () => {
  test("are unread until the server reads their entries", async () => {
    const early = new UnreadEvents();
    assert.equal(early.isPending, false);
    await early.over();
    const answers: ((added: Added) => void)[] = [];
    for (const number of [3, 4]) early.add(number, new Promise((resolve) => answers.push(resolve)));
    assert.equal(early.last, 4);
    const over = early.over();
    // Redis has not replied with the ids of the new entries yet, so the events stay unread after this read.
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

  test("are no longer unread if Redis has rejected their entries", async () => {
    const early = new UnreadEvents();
    early.add(1, Promise.resolve("refused"));
    assert.equal(early.isPending, true);
    await early.over();
    assert.equal(early.isPending, false);
  });

  test("are unread until two later reads if it is unknown whether Redis has stored their entries", async () => {
    const early = new UnreadEvents();
    early.add(1, Promise.resolve("unknown"));
    await new Promise(setImmediate);
    early.onRead("1-0");
    assert.equal(early.isPending, true);
    early.onRead("1-0");
    assert.equal(early.isPending, false);
  });
});
