// How long to wait: bounded, never nothing, whatever the attempt.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { delayBefore } from "../../client/socketio/backoff.ts";

const OPTIONS = { reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5 };

describe("delayBefore()", () => {
  test("RFC 6455 §7.2.3 doubles up to the limit", () => {
    const delays = [0, 1, 2, 3, 4].map((attempt) => delayBefore(attempt, OPTIONS, 0.5));
    assert.deepEqual(delays, [1000, 2000, 4000, 5000, 5000]);
  });

  test("is taken off or put on by as much as the factor says", () => {
    assert.equal(delayBefore(0, OPTIONS, 0), 500);
    assert.equal(delayBefore(0, OPTIONS, 1), 1500);
    assert.equal(delayBefore(0, { ...OPTIONS, randomizationFactor: 0 }, 0), 1000);
  });

  test("is never nothing and never beyond the limit, however many attempts", () => {
    for (const attempt of [0, 1, 30, 31, 1014, 1015, 100_000, Number.MAX_SAFE_INTEGER]) {
      for (const random of [0, 0.1, 0.5, 0.999999]) {
        const delay = delayBefore(attempt, OPTIONS, random);
        assert.ok(delay >= 500 && delay <= 5000, `${attempt} ${random} ${delay}`);
      }
    }
  });
});
