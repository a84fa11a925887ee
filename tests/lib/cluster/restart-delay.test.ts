// Tests the delay before the primary forks another worker.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LONGEST_DELAY, RestartDelay, SOON } from "../../../lib/cluster/restart-delay.ts";

test("a worker is replaced at once, with increasing delays if workers keep exiting soon after their start", () => {
  const delay = new RestartDelay();
  assert.equal(delay.value, 0);
  delay.onEnd(SOON);
  assert.equal(delay.value, 0);
  const delays = [0, SOON - 1, 100, 0, 0].map((listened) => {
    delay.onEnd(listened);
    return delay.value;
  });
  assert.deepEqual(delays, [100, 200, 400, 800, 1600]);
  for (let count = 0; count < 2000; count++) delay.onEnd(0);
  assert.equal(delay.value, LONGEST_DELAY);
  delay.onEnd(SOON);
  assert.equal(delay.value, 0);
});
