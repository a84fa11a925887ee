// Stores listeners that are called for every event of a socket, such as the listeners of onAny().

import {
  type CallListener,
  callListener,
  Emitter,
  type Listener,
  type Untyped,
} from "./emitter.ts";

/**
 * A listener of onAny() or onAnyOutgoing(). Receives the name of the event, then its arguments.
 *
 * @param event the name of the event
 * @param args the arguments of the event
 */
export type AnyListener = (event: string, ...args: Untyped[]) => void;

/** The emitter's only event, under which all listeners are registered. */
const ANY = "";

/** An ordered list of listeners that are called for every event. */
export class CatchAll extends Emitter<Record<typeof ANY, Listener>> {
  /**
   * Adds a listener after the existing listeners.
   *
   * @throws ArgumentTypeError if `listener` is not a function
   */
  append(listener: Listener): void {
    this.insert(ANY, listener, false);
  }

  /**
   * Adds a listener before the existing listeners.
   *
   * @throws ArgumentTypeError if `listener` is not a function
   */
  prepend(listener: Listener): void {
    this.insert(ANY, listener, true);
  }

  /** Removes the most recent registration of `listener`. Without an argument, removes all listeners. */
  remove(listener?: Listener): void {
    if (listener === undefined) this.removeAllListeners();
    else this.removeUntyped(ANY, listener);
  }

  /** Returns the listeners in the order in which they are called. */
  list(): Listener[] {
    return this.listeners(ANY);
  }

  /**
   * Calls every listener.
   *
   * @param event a list of the event's name and the event's arguments
   * @param call calls one listener. Default: callListener(), with which an error that the listener throws becomes an
   * uncaught exception
   */
  call(self: object, event: readonly unknown[], call: CallListener = callListener): void {
    for (const listener of this.registered(ANY)) call(self, listener, event);
  }
}
