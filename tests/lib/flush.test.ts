import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Flushable, flushSoon } from "../../lib/flush.ts";
import { turn } from "../support/net.ts";

describe("flushSoon()", () => {
  test("flushes behind the running callback, in order, once for each call", async () => {
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

  test("flushes behind the other callbacks of the turn", async () => {
    const log: string[] = [];
    process.nextTick(() => flushSoon({ flush: () => log.push("flush") }));
    await new Promise((resolve) => process.nextTick(resolve));
    log.push("another callback");
    await turn();
    assert.deepEqual(log, ["another callback", "flush"]);
  });

  test("what is written while flushing is flushed too", async () => {
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
});
