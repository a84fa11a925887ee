// Measures the memory in use after a garbage collection.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// Enables the collector at run time, without a flag on the command line.
setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Returns the bytes in use by objects and array buffers. */
export function held(): number {
  // The first collection may only have started to free array buffers, so the collector runs twice.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** What growthOf() measures. The list keeps it in memory. */
const alive: unknown[] = [];

function growthOf(make: () => unknown): number {
  const before = held();
  alive.push(make());
  const grown = held() - before;
  alive.length = 0;
  return grown;
}

/**
 * Returns how many bytes are in use because of what `make` returns. This is the least of three measurements, because V8 may
 * allocate memory of its own during a measurement, for example for compiled code.
 */
export function leastGrowth(make: () => unknown): number {
  // Each measurement is a call of its own, so that nothing refers to the result of the measurement before.
  return Math.min(growthOf(make), growthOf(make), growthOf(make));
}
