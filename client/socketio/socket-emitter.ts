// The client's events with flags: `volatile` and `timeout()`.

import type { EventArguments, EventNames, WithTimeout } from "../../lib/events/emitter.ts";
import { checkMilliseconds } from "../../lib/events/errors.ts";
import {
  type EmitFlags,
  type EventSender,
  emitTo,
  FlaggedEmitter,
} from "../../lib/events/socket-emitter.ts";

export class SocketEmitter<EmitEvents> extends FlaggedEmitter<
  EmitEvents,
  EmitFlags,
  EventSender<EmitFlags>
> {
  /** As Socket.emit(). */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): this {
    emitTo(this.sender, event, args, this.flags);
    return this;
  }

  /** Drops the event if it cannot be sent now. */
  get volatile(): SocketEmitter<EmitEvents> {
    return new SocketEmitter(this.sender, { ...this.flags, volatile: true });
  }

  /** Does nothing, as in socket.io-client: the connection decides what is compressed. */
  compress(_compress: boolean): this {
    return this;
  }

  /** Sets how long to wait for the acknowledgement, in milliseconds. Its callback receives an error, or `null`, first. */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>> {
    checkMilliseconds("the timeout", milliseconds);
    return new SocketEmitter(this.sender, { ...this.flags, timeout: milliseconds });
  }
}
