// Tests when events that the server sends to clients before it reads their stream entries are settled.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Added, UnreadEvents } from "../../../lib/adapters/unread-events.ts";

describe("events sent to clients before their stream entries were read", () => {
  test("are settled when their entries are read", async () => {
    const early = new UnreadEvents();
    assert.equal(early.isPending, false);
    await early.over();
    const answers: ((added: Added) => void)[] = [];
    for (const number of [3, 4]) early.add(number, new Promise((resolve) => answers.push(resolve)));
    assert.equal(early.last, 4);
    const over = early.over();
    // An entry that is read before Redis has replied settles no event.
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

  test("are settled at once if Redis rejected their entries", async () => {
    const early = new UnreadEvents();
    early.add(1, Promise.resolve("refused"));
    assert.equal(early.isPending, true);
    await early.over();
    assert.equal(early.isPending, false);
  });

  test("are settled after two reads if it is unknown whether Redis stored their entries", async () => {
    const early = new UnreadEvents();
    early.add(1, Promise.resolve("unknown"));
    await new Promise(setImmediate);
    early.onRead("1-0");
    assert.equal(early.isPending, true);
    early.onRead("1-0");
    assert.equal(early.isPending, false);
  });
});
