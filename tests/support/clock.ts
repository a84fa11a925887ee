// A fake clock. Its time changes only when a test calls tick().

import type { TestContext } from "node:test";

import { install } from "@sinonjs/fake-timers";

/** Replaces setTimeout() and performance.now() until the test ends. */
export class Clock {
  readonly #clock = install({
    toFake: ["setTimeout", "clearTimeout", "performance"],
    // Sockets of the previous test may still clear native timers when they close.
    shouldClearNativeTimers: true,
  });

  constructor(context: TestContext) {
    context.after(() => this.#clock.uninstall());
  }

  /**
   * Advances the time by this many milliseconds. Timers that expire in this period fire in order, each at its own
   * time.
   */
  tick(milliseconds: number): void {
    this.#clock.tick(milliseconds);
  }

  /** The number of pending timers. */
  get timers(): number {
    return this.#clock.countTimers();
  }
}
