// What escapes to the process, seen by the test instead of by the runner.

import type { TestContext } from "node:test";

/** Gathers uncaught exceptions until the test ends. */
export function gatherUncaught(context: TestContext): unknown[] {
  const uncaught: unknown[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error));
  context.after(() => process.setUncaughtExceptionCaptureCallback(null));
  return uncaught;
}
