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
