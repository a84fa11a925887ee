// Asserts how the time of a function grows. The absolute time would depend on the machine.

import assert from "node:assert/strict";

/** The ratio of the two input sizes. Quadratic time would grow by a factor of 64. */
const FACTOR = 8;
const MAX_GROWTH = 30;
/** The least time that the calls with the small input take together, in microseconds. Shorter times cannot be measured. */
const LEAST = 5_000;

/** Returns the processor time of this process that calls take, in microseconds. */
function cost(call: () => void, count: number): number {
  const before = process.cpuUsage();
  for (let done = 0; done < count; done++) call();
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
  const small = (): void => run(largest / FACTOR);
  const large = (): void => run(largest);
  let count = 1;
  while (cost(small, count) < LEAST) count *= 2;
  const costs = [1, 2, 3].map(() => ({ small: cost(small, count), large: cost(large, count) }));
  const before = Math.min(...costs.map((each) => each.small));
  const after = Math.min(...costs.map((each) => each.large));
  assert.ok(
    after < MAX_GROWTH * before,
    `${count} calls: ${before} µs, and ${after} µs for ${FACTOR} times the size`,
  );
}
