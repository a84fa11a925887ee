// Tests the delay before a reconnection attempt: bounded, and never zero.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { delayBefore } from "../../client/socketio/backoff.ts";

const OPTIONS = { reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5 };

describe("delayBefore()", () => {
  test("RFC 6455 §7.2.3 doubles the delay with each attempt, up to reconnectionDelayMax", () => {
    const delays = [0, 1, 2, 3, 4].map((attempt) => delayBefore(attempt, OPTIONS, 0.5));
    assert.deepEqual(delays, [1000, 2000, 4000, 5000, 5000]);
  });

  test("varies the delay by up to randomizationFactor in both directions", () => {
    assert.equal(delayBefore(0, OPTIONS, 0), 500);
    assert.equal(delayBefore(0, OPTIONS, 1), 1500);
    assert.equal(delayBefore(0, { ...OPTIONS, randomizationFactor: 0 }, 0), 1000);
  });

  test("returns at least half of reconnectionDelay and at most reconnectionDelayMax for every attempt", () => {
    for (const attempt of [0, 1, 30, 31, 1014, 1015, 100_000, Number.MAX_SAFE_INTEGER]) {
      for (const random of [0, 0.1, 0.5, 0.999999]) {
        const delay = delayBefore(attempt, OPTIONS, random);
        assert.ok(delay >= 500 && delay <= 5000, `${attempt} ${random} ${delay}`);
      }
    }
  });
});
