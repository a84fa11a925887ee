// Asserts how the time of a function grows. The absolute time would depend on the machine.

import assert from "node:assert/strict";

/** The ratio of the two input sizes. Quadratic time would grow by a factor of 64. */
const FACTOR = 8;
const MAX_GROWTH = 30;
/** Added to the time of the small input, because the processor clock may be coarse. In microseconds. */
const CLOCK = 1_000;

/** Returns the processor time of this process that a call takes, in microseconds. */
function cost(call: () => void): number {
  const before = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/**
 * Asserts that the processor time of `run` grows in proportion to the size of its input. Other processes, and a single
 * collection of garbage, do not affect the result.
 *
 * @param largest the size of the larger of the two inputs that are compared
 */
export function assertLinear(largest: number, run: (size: number) => void): void {
  const small = largest / FACTOR;
  run(small);
  const costs = [1, 2, 3].map(() => ({
    small: cost(() => run(small)),
    large: cost(() => run(largest)),
  }));
  const before = Math.min(...costs.map((each) => each.small)) + CLOCK;
  const after = Math.min(...costs.map((each) => each.large));
  assert.ok(after < MAX_GROWTH * before, `${before} µs, ${after} µs for ${FACTOR} times the size`);
}
