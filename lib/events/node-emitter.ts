// The emitter of the server's classes, with the methods of Node's EventEmitter.

import { Emitter, type EventNames, type Listener, type ListenerOf, originalOf } from "./emitter.ts";
import { checkFunction } from "./errors.ts";

/**
 * Registers and calls listeners, with the methods of Node's EventEmitter. There are two differences: every listener is
 * called, even if an earlier listener throws, and an "error" event without a listener does not throw.
 */
export abstract class NodeEmitter<Events> extends Emitter<Events> {
  /** @internal */
  declare protected registrant: NodeEmitter<Events>;

  /**
   * The same as on().
   *
   * @param event the event's name
   * @param listener called with the arguments of each event
   */
  addListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.insert(event, listener, false);
  }

  /**
   * Adds a listener before the existing listeners of the event.
   *
   * @param event the event's name
   * @param listener called with the arguments of each event
   * @throws ArgumentTypeError if `listener` is not a function
   */
  prependListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.insert(event, listener, true);
  }

  /**
   * Adds a listener that is called at most once. The listener is added before the existing listeners of the event.
   *
   * @param event the event's name
   * @param listener called with the arguments of the next event
   * @throws ArgumentTypeError if `listener` is not a function
   */
  prependOnceListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.insert(event, this.onlyOnce(event, listener), true);
  }

  /**
   * Removes the most recent registration of a listener.
   *
   * @param event the event's name
   * @param listener the listener to remove
   * @throws ArgumentTypeError if `listener` is not a function
   *
   * @example
   * const onChat = (text: string) => console.log(text);
   * socket.on("chat", onChat);
   * socket.off("chat", onChat);
   */
  off<Event extends EventNames<Events>>(event: Event, listener: ListenerOf<Events, Event>): this {
    // In the client's off(), the argument `listener` may be missing. In this method, a missing listener is a mistake.
    checkFunction(`the listener of "${event}"`, listener);
    this.removeUntyped(event, listener);
    return this;
  }

  /**
   * The same as off().
   *
   * @param event the event's name
   * @param listener the listener to remove
   */
  removeListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.off(event, listener);
  }

  /**
   * Does nothing, because the number of listeners is not limited. Exists for programs written for Node's
   * EventEmitter.
   *
   * @param _count ignored
   */
  setMaxListeners(_count: number): this {
    return this;
  }

  /** Returns `Infinity`, because the number of listeners is not limited. */
  getMaxListeners(): number {
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Returns the listeners of an event as listeners() does, but with the wrappers of once().
   *
   * @param event the event's name
   */
  rawListeners(event: EventNames<Events>): Listener[] {
    return [...this.registered(event)];
  }

  /** Returns the names of the events that have listeners. */
  eventNames(): string[] {
    return [...(this.registrant.registrations?.keys() ?? [])];
  }

  /** Whether any event has listeners. @internal */
  protected get listens(): boolean {
    return this.registrant.registrations !== undefined;
  }

  /**
   * Makes this emitter use the listeners of `owner`. Afterwards both emitters add, remove and call the same listeners.
   * @internal
   */
  protected shareListenersOf(owner: NodeEmitter<Events>): void {
    this.registrant = owner;
  }

  /** The same as on(), but the compiler does not check the name of the event. @internal */
  protected addUntyped(event: string, listener: Listener): void {
    this.insert(event, listener, false);
  }

  /** Returns the listeners of `event`, each with the number of parameters that the listener declares. @internal */
  protected calls(event: string): { readonly call: Listener; readonly length: number }[] {
    return this.registered(event).map((listener) => ({
      call: (...args) => listener.apply(this, args),
      length: originalOf(listener).length,
    }));
  }

  /** Adds the current listeners of this emitter to `other`. @internal */
  protected copyListenersTo(other: NodeEmitter<Events>): void {
    for (const event of this.eventNames()) {
      for (const listener of this.registered(event)) other.insert(event, listener, false);
    }
  }
}
