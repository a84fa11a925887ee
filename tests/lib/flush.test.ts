import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Flushable, flushSoon } from "../../lib/flush.ts";
import { turn, until } from "../support/net.ts";
import { gatherUncaught } from "../support/uncaught.ts";

describe("flushSoon()", () => {
  test("flushes after the running callback, in order, once for each call", async () => {
    const log: string[] = [];
    const flushable = (name: string): Flushable => ({ flush: () => log.push(name) });
    flushSoon(flushable("a"));
    flushSoon(flushable("b"));
    log.push("callback ends");
    await turn();
    assert.deepEqual(log, ["callback ends", "a", "b"]);
    await turn();
    assert.equal(log.length, 3);
  });

  test("flushes after the other callbacks of the same turn of the event loop", async () => {
    const log: string[] = [];
    process.nextTick(() => flushSoon({ flush: () => log.push("flush") }));
    await new Promise((resolve) => process.nextTick(resolve));
    log.push("another callback");
    await turn();
    assert.deepEqual(log, ["another callback", "flush"]);
  });

  test("flushes an object that is added during a flush in the same turn of the event loop", async () => {
    const log: string[] = [];
    const inner: Flushable = { flush: () => log.push("inner") };
    flushSoon({
      flush: () => {
        log.push("outer");
        flushSoon(inner);
      },
    });
    await turn();
    assert.deepEqual(log, ["outer", "inner"]);
  });

  test("flushes the other objects if an object throws, and reports the error as uncaught", {
    timeout: 5_000,
  }, async (context) => {
    for (const [place, expected] of [
      ["first", ["a", "b", "inner", "later"]],
      ["last", ["a", "b", "inner", "later"]],
    ] as const) {
      const uncaught = gatherUncaught(context);
      const log: string[] = [];
      const failing: Flushable = {
        flush: () => {
          throw new Error("flush");
        },
      };
      if (place === "first") flushSoon(failing);
      flushSoon({ flush: () => log.push("a") });
      flushSoon({
        flush: () => {
          log.push("b");
          flushSoon({ flush: () => log.push("inner") });
        },
      });
      if (place === "last") flushSoon(failing);
      await until(() => log.includes("inner"));
      flushSoon({ flush: () => log.push("later") });
      await turn();
      assert.deepEqual(log, expected, place);
      assert.deepEqual(uncaught.map(String), ["Error: flush"], place);
      process.setUncaughtExceptionCaptureCallback(null);
    }
  });
});
