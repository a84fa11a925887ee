// Listeners for every event of a socket, whatever its name.

import { callListener, Emitter, type Listener } from "./events.ts";

/** As the listeners of one event without a name. */
const ANY = "";

export class CatchAll extends Emitter<Record<typeof ANY, Listener>> {
  /** Adds a listener behind those that are there. @throws TypeError for what is no function */
  append(listener: Listener): void {
    this.insert(ANY, listener, false);
  }

  /** Adds a listener in front of those that are there. @throws TypeError for what is no function */
  prepend(listener: Listener): void {
    this.insert(ANY, listener, true);
  }

  /** Removes a listener, the one added last where it was added several times; without one, all. */
  remove(listener?: Listener): void {
    if (listener === undefined) this.removeAllListeners();
    else this.removeUntyped(ANY, listener);
  }

  /** Those that are there, in the order in which they are called. */
  list(): Listener[] {
    return this.listeners(ANY);
  }

  /** Calls each with an event's name and arguments. */
  call(self: object, event: readonly unknown[]): void {
    for (const listener of this.registered(ANY)) callListener(self, listener, event);
  }
}
