import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Deadlines } from "../../lib/deadlines.ts";
import { Clock } from "../support/clock.ts";
import { turn } from "../support/net.ts";

describe("Deadlines", () => {
  test("calls back for each item when its deadline has passed, in the order of add()", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const deadlines = new Deadlines<string>(100, (item) => expired.push(item));
    deadlines.add("a");
    clock.tick(40);
    deadlines.add("b");
    clock.tick(59);
    assert.deepEqual(expired, []);
    clock.tick(1);
    assert.deepEqual(expired, ["a"]);
    clock.tick(40);
    assert.deepEqual(expired, ["a", "b"]);
    assert.equal(deadlines.size, 0);
  });

  test("restarts the wait of an item that is added again", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const deadlines = new Deadlines<string>(100, (item) => expired.push(item));
    deadlines.add("a");
    clock.tick(60);
    deadlines.add("a");
    assert.equal(deadlines.size, 1);
    clock.tick(60);
    assert.deepEqual(expired, []);
    clock.tick(40);
    assert.deepEqual(expired, ["a"]);
  });

  test("adding an item again does not delay items added in between", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const deadlines = new Deadlines<string>(100, (item) => expired.push(item));
    deadlines.add("a");
    clock.tick(10);
    deadlines.add("b");
    clock.tick(50);
    deadlines.add("a");
    clock.tick(50);
    assert.deepEqual(expired, ["b"]);
    clock.tick(50);
    assert.deepEqual(expired, ["b", "a"]);
  });

  test("calls back for the other items if a callback throws, and the timer throws the error", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const deadlines = new Deadlines<string>(100, (item) => {
      expired.push(item);
      if (item === "bad") throw new Error("expire");
    });
    for (const item of ["a", "bad", "b"]) deadlines.add(item);
    clock.tick(50);
    deadlines.add("later");
    assert.throws(() => clock.tick(50), /expire/);
    clock.tick(1);
    assert.deepEqual(expired, ["a", "bad", "b"]);
    clock.tick(50);
    assert.deepEqual(expired, ["a", "bad", "b", "later"]);
    assert.equal(clock.timers, 0);
  });

  test("does not call back for a deleted item", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const deadlines = new Deadlines<string>(100, (item) => expired.push(item));
    deadlines.add("a");
    deadlines.add("b");
    assert.equal(deadlines.has("a"), true);
    assert.equal(deadlines.delete("a"), true);
    assert.equal(deadlines.delete("a"), false);
    assert.equal(deadlines.has("a"), false);
    clock.tick(100);
    assert.deepEqual(expired, ["b"]);
  });

  test("an item that a callback adds does not delay the other items", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const deadlines: Deadlines<string> = new Deadlines(100, (item) => {
      expired.push(item);
      if (expired.length === 1) deadlines.add("again");
    });
    deadlines.add("a");
    clock.tick(50);
    deadlines.add("b");
    clock.tick(50);
    clock.tick(50);
    assert.deepEqual(expired, ["a", "b"]);
    clock.tick(50);
    assert.deepEqual(expired, ["a", "b", "again"]);
  });

  test("a callback may delete other items", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const deadlines: Deadlines<string> = new Deadlines(100, (item) => {
      expired.push(item);
      deadlines.delete("b");
    });
    deadlines.add("a");
    deadlines.add("b");
    clock.tick(100);
    assert.deepEqual(expired, ["a"]);
    assert.equal(deadlines.size, 0);
  });

  test("supports waits longer than the longest setTimeout(), and Infinity", (context) => {
    const clock = new Clock(context);
    const expired: string[] = [];
    const longer = new Deadlines<string>(2 ** 31 + 1000, (item) => expired.push(item));
    longer.add("a");
    const never = new Deadlines<string>(Number.POSITIVE_INFINITY, (item) => expired.push(item));
    never.add("b");
    clock.tick(10_000);
    assert.deepEqual(expired, []);
    clock.tick(2 ** 31 - 10_000);
    assert.deepEqual(expired, []);
    clock.tick(1000);
    assert.deepEqual(expired, ["a"]);
    never.delete("b");
  });

  test("does not keep the process alive", () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const deadlines = new Deadlines<string>(60_000, () => {});
    deadlines.add("a");
    assert.equal(timers(), before);
    deadlines.delete("a");
  });

  test("calls back for an overdue item without waiting for the next event of a socket", async () => {
    const expired: string[] = [];
    const deadlines = new Deadlines<string>(20, (item) => expired.push(item));
    deadlines.add("a");
    const active = new Promise<string[]>((resolve) => {
      // This timer runs directly after the timer of the deadline. By then, Deadlines must have scheduled the callback
      // for the item with setImmediate(), so that Node reads the sockets before the callback runs.
      setTimeout(() => resolve(process.getActiveResourcesInfo()), 20);
    });
    // Blocks the event loop until the deadline has passed.
    const end = performance.now() + 40;
    while (performance.now() < end);
    assert.ok((await active).includes("Immediate"));
    await turn();
    assert.deepEqual(expired, ["a"]);
  });
});
