// The emitter of the server's classes, with the names of Node's EventEmitter.

import { Emitter, type EventNames, type Listener, type ListenerOf, originalOf } from "./emitter.ts";
import { checkFunction } from "./errors.ts";

/**
 * Registers and calls listeners. Unlike Node's, it calls every listener even if one before it
 * throws, and "error" without a listener is nothing special.
 */
export abstract class NodeEmitter<Events> extends Emitter<Events> {
  declare protected registrant: NodeEmitter<Events>;

  /** The same as on(). */
  addListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.insert(event, listener, false);
  }

  /** Adds a listener in front of those that are there. */
  prependListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.insert(event, listener, true);
  }

  /** once(), in front of the listeners that are there. */
  prependOnceListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.insert(event, this.onlyOnce(event, listener), true);
  }

  /** Removes a listener, the one added last where it was added several times. */
  off<Event extends EventNames<Events>>(event: Event, listener: ListenerOf<Events, Event>): this {
    // Forgotten, it would otherwise be no mistake: a client's off() may leave it out.
    checkFunction(`the listener of "${event}"`, listener);
    this.removeUntyped(event, listener);
    return this;
  }

  /** The same as off(). */
  removeListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.off(event, listener);
  }

  /** There is no limit to be raised, so it does nothing; programs for Node's emitter call it. */
  setMaxListeners(_count: number): this {
    return this;
  }

  /** How many listeners an event may have: there is no limit. */
  getMaxListeners(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** The same as listeners(), with the wrappers of once() as they are. */
  rawListeners(event: EventNames<Events>): Listener[] {
    return [...this.registered(event)];
  }

  /** The events that have listeners. */
  eventNames(): string[] {
    return [...(this.registrant.registrations?.keys() ?? [])];
  }

  /** Whether anybody listens to anything. */
  protected get listens(): boolean {
    return this.registrant.registrations !== undefined;
  }

  /** What listens to it listens to `owner` from now on. */
  protected shareListenersOf(owner: NodeEmitter<Events>): void {
    this.registrant = owner;
  }

  /** on(), where the compiler cannot know the events. */
  protected addUntyped(event: string, listener: Listener): void {
    this.insert(event, listener, false);
  }

  /** The listeners of `event` as they are called, each with how many parameters it has of its own. */
  protected calls(event: string): { readonly call: Listener; readonly length: number }[] {
    return this.registered(event).map((listener) => ({
      call: (...args) => listener.apply(this, args),
      length: originalOf(listener).length,
    }));
  }

  /** Gives `other` the listeners that are here now. */
  protected copyListenersTo(other: NodeEmitter<Events>): void {
    for (const event of this.eventNames()) {
      for (const listener of this.registered(event)) other.insert(event, listener, false);
    }
  }
}
