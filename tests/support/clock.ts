// A clock that stands still until a test moves it.

import { mock, type TestContext } from "node:test";

/** Takes the place of setTimeout() and performance.now(), until the test ends. */
export class Clock {
  #now = 0;

  constructor(context: TestContext) {
    mock.timers.enable({ apis: ["setTimeout"] });
    const now = mock.method(performance, "now", () => this.#now);
    context.after(() => {
      mock.timers.reset();
      now.mock.restore();
    });
  }

  /** Moves on by so many milliseconds; timers that end meanwhile fire. */
  tick(milliseconds: number): void {
    this.#now += milliseconds;
    mock.timers.tick(milliseconds);
  }
}
