// A clock that stands still until a test moves it.

import type { TestContext } from "node:test";

import { install } from "@sinonjs/fake-timers";

/** Takes the place of setTimeout() and performance.now(), until the test ends. */
export class Clock {
  readonly #clock = install({
    toFake: ["setTimeout", "clearTimeout", "performance"],
    // Those of sockets of the test before, whose ends come now.
    shouldClearNativeTimers: true,
  });

  constructor(context: TestContext) {
    context.after(() => this.#clock.uninstall());
  }

  /** Moves on by so many milliseconds; timers that end meanwhile fire, each at its time. */
  tick(milliseconds: number): void {
    this.#clock.tick(milliseconds);
  }

  /** How many timers run. */
  get timers(): number {
    return this.#clock.countTimers();
  }
}
