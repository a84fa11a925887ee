// Listeners for every event of a socket, whatever its name.

import { checkFunction } from "./errors.ts";
import { callListener, type Listener } from "./events.ts";

export class CatchAll {
  // Replaced, never changed, so that it can be walked while listeners come and go.
  #listeners: readonly Listener[] = [];

  /** Adds a listener behind those that are there. @throws TypeError for what is no function */
  append(listener: Listener): void {
    this.#listeners = [...this.#listeners, checked(listener)];
  }

  /** Adds a listener in front of those that are there. @throws TypeError for what is no function */
  prepend(listener: Listener): void {
    this.#listeners = [checked(listener), ...this.#listeners];
  }

  /** Removes a listener, the one added first where it was added several times; without one, all. */
  remove(listener?: Listener): void {
    const at = listener === undefined ? -1 : this.#listeners.indexOf(listener);
    if (listener === undefined) this.#listeners = [];
    else if (at !== -1) this.#listeners = this.#listeners.toSpliced(at, 1);
  }

  /** Those that are there, in the order in which they are called. */
  list(): Listener[] {
    return [...this.#listeners];
  }

  /** Calls each with an event's name and arguments. */
  call(self: object, event: readonly unknown[]): void {
    for (const listener of this.#listeners) callListener(self, listener, event);
  }
}

function checked(listener: Listener): Listener {
  checkFunction("the listener", listener);
  return listener;
}
