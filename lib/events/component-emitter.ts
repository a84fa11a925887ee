// The emitter of the client's classes, with the names that programs of socket.io-client know.

import { Emitter, type EventNames, type ListenerOf } from "./emitter.ts";

export abstract class ClientEmitter<Events> extends Emitter<Events> {
  /** Removes a listener; without one, all of an event; without an event, all. */
  off<Event extends EventNames<Events>>(event?: Event, listener?: ListenerOf<Events, Event>): this {
    if (event === undefined || listener === undefined) return this.removeAllListeners(event);
    this.removeUntyped(event, listener);
    return this;
  }

  /** The same as on(). */
  addEventListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.on(event, listener);
  }

  /** The same as off(). */
  removeEventListener<Event extends EventNames<Events>>(
    event?: Event,
    listener?: ListenerOf<Events, Event>,
  ): this {
    return this.off(event, listener);
  }

  /** The same as off(). */
  removeListener<Event extends EventNames<Events>>(
    event?: Event,
    listener?: ListenerOf<Events, Event>,
  ): this {
    return this.off(event, listener);
  }

  /** Whether an event has listeners. */
  hasListeners(event: EventNames<Events>): boolean {
    return this.listenerCount(event) > 0;
  }
}
