// Sends the client's events with flags: `volatile` and `timeout()`.

import type { EventArguments, EventNames, WithTimeout } from "../../lib/events/emitter.ts";
import { checkMilliseconds } from "../../lib/events/errors.ts";
import {
  type EmitFlags,
  type EventSender,
  emitTo,
  FlaggedEmitter,
} from "../../lib/events/socket-emitter.ts";

/** Sends events with the flags that `volatile` and `timeout()` of a socket have set. */
export class SocketEmitter<EmitEvents> extends FlaggedEmitter<
  EmitEvents,
  EmitFlags,
  EventSender<EmitFlags>
> {
  /**
   * Sends an event. If the last argument is a function, it is called with the acknowledgement.
   *
   * @param event the event's name
   * @param args the event's arguments
   * @throws TypeError if the event name is reserved
   *
   * @example
   * socket.volatile.emit("position", { x: 1, y: 2 });
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): this {
    emitTo(this.sender, event, args, this.flags);
    return this;
  }

  /** Drops the next event if it cannot be sent at once. */
  get volatile(): SocketEmitter<EmitEvents> {
    return new SocketEmitter(this.sender, { ...this.flags, volatile: true });
  }

  /**
   * Does nothing. Exists for programs written for socket.io-client. The connection decides which messages to
   * compress.
   *
   * @param _compress ignored
   */
  compress(_compress: boolean): this {
    return this;
  }

  /**
   * Sets how long to wait for the acknowledgement of the next event. The callback receives an error, or `null`, as its
   * first argument.
   *
   * @param milliseconds the timeout, in milliseconds
   * @throws TypeError if `milliseconds` is not a number
   * @throws RangeError if `milliseconds` is not from 0 to 2,147,483,647
   */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>> {
    checkMilliseconds("the timeout", milliseconds);
    return new SocketEmitter(this.sender, { ...this.flags, timeout: milliseconds });
  }
}
