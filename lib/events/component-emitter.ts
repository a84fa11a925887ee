// The emitter of the client's classes, with the method names of socket.io-client.

import { Emitter, type EventNames, type ListenerOf } from "./emitter.ts";

/** Registers and calls listeners, with the method names of socket.io-client. */
export abstract class ClientEmitter<Events> extends Emitter<Events> {
  /**
   * Removes the most recent registration of a listener.
   *
   * @param event the event's name. Default: all events
   * @param listener the listener to remove. Default: all listeners of the event
   *
   * @example
   * const onChat = (text: string) => console.log(text);
   * socket.on("chat", onChat);
   * socket.off("chat", onChat);
   */
  off<Event extends EventNames<Events>>(event?: Event, listener?: ListenerOf<Events, Event>): this {
    if (event === undefined || listener === undefined) return this.removeAllListeners(event);
    this.removeUntyped(event, listener);
    return this;
  }

  /**
   * The same as on().
   *
   * @param event the event's name
   * @param listener called with the arguments of each event
   */
  addEventListener<Event extends EventNames<Events>>(
    event: Event,
    listener: ListenerOf<Events, Event>,
  ): this {
    return this.on(event, listener);
  }

  /**
   * The same as off().
   *
   * @param event the event's name. Default: all events
   * @param listener the listener to remove. Default: all listeners of the event
   */
  removeEventListener<Event extends EventNames<Events>>(
    event?: Event,
    listener?: ListenerOf<Events, Event>,
  ): this {
    return this.off(event, listener);
  }

  /**
   * The same as off().
   *
   * @param event the event's name. Default: all events
   * @param listener the listener to remove. Default: all listeners of the event
   */
  removeListener<Event extends EventNames<Events>>(
    event?: Event,
    listener?: ListenerOf<Events, Event>,
  ): this {
    return this.off(event, listener);
  }

  /**
   * Returns whether an event has listeners.
   *
   * @param event the event's name
   */
  hasListeners(event: EventNames<Events>): boolean {
    return this.listenerCount(event) > 0;
  }
}
