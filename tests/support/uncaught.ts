// Uncaught errors, collected by the test instead of the runner.

import type { TestContext } from "node:test";

/** Collects uncaught exceptions and unhandled rejections until the test ends. */
export function gatherUncaught(context: TestContext): unknown[] {
  const uncaught: unknown[] = [];
  const onRejection = (reason: unknown): void => {
    uncaught.push(reason);
  };
  const runners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", onRejection);
  process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error));
  context.after(() => {
    process.setUncaughtExceptionCaptureCallback(null);
    process.off("unhandledRejection", onRejection);
    for (const runner of runners) process.on("unhandledRejection", runner);
  });
  return uncaught;
}
