// Listeners for every event of a socket, whatever its name.

import {
  type CallListener,
  callListener,
  Emitter,
  type Listener,
  type Untyped,
} from "./emitter.ts";

/** Called for every event, with its name before its arguments. */
export type AnyListener = (event: string, ...args: Untyped[]) => void;

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

  /**
   * Calls each with an event's name and arguments.
   *
   * @param call how one is called. Default: what it throws surfaces as an uncaught error
   */
  call(self: object, event: readonly unknown[], call: CallListener = callListener): void {
    for (const listener of this.registered(ANY)) call(self, listener, event);
  }
}
