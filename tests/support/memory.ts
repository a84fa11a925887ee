// How much memory is held, after the garbage is collected.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// The collector without a flag on the command line.
setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Bytes held by objects and by array buffers. */
export function held(): number {
  // Twice: the first round may only have begun to free array buffers.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
