// Sends events to the other end of a socket, with or without an acknowledgement. The sockets of the server and of the
// client use this file, and so do the emitters that the flags `volatile` and `timeout()` return.
//
//   socket.timeout(1000).emit("event", (error, answer) => …)
//
// Each flag returns a new emitter and does not change the existing emitter, so programs can keep an emitter and
// use it several times.

import { type AckCallback, ackCallback, ackPromise } from "./acknowledgements.ts";
import {
  type AckValue,
  type AllButLast,
  type CallListener,
  type EventArguments,
  type EventNames,
  isListener,
  type LastArgument,
  type MessageArguments,
} from "./emitter.ts";

/** The flags with which an event is sent. */
export interface EmitFlags {
  /** Drop the event if it cannot be sent now. Default: `false`. */
  readonly volatile?: boolean;
  /** How long to wait for the acknowledgement, in milliseconds. Default: no limit. */
  readonly timeout?: number;
}

/** A socket that sends the events of its emitters with flags. */
export interface EventSender<Flags extends EmitFlags> {
  /** Sends an event. If `ack` is passed, the packet requests an acknowledgement from the other end. */
  sendEvent(event: string, args: readonly unknown[], flags: Flags, ack?: AckCallback): void;
  /**
   * Returns the function that calls the callback of an acknowledgement. If this method is missing, an error that the
   * callback throws becomes an uncaught exception.
   */
  callerOf?(event: string): CallListener;
}

/** Sends an event. If the last argument is a function, it is the callback of the acknowledgement. */
export function emitTo<Flags extends EmitFlags>(
  sender: EventSender<Flags>,
  event: string,
  args: readonly unknown[],
  flags: Flags,
): void {
  const last = args.at(-1);
  if (isListener(last)) {
    const call = sender.callerOf?.(event);
    const callback = ackCallback(sender, last, flags.timeout !== undefined, call);
    sender.sendEvent(event, args.slice(0, -1), flags, callback);
  } else {
    sender.sendEvent(event, args, flags);
  }
}

/** Sends an event. Returns a promise that resolves to the first argument of the acknowledgement. */
export function request<Value, Flags extends EmitFlags>(
  sender: EventSender<Flags>,
  event: string,
  args: readonly unknown[],
  flags: Flags,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    sender.sendEvent(event, args, flags, ackPromise(resolve, reject));
  });
}

/** The base class of the server's and the client's emitters with flags. */
export abstract class FlaggedEmitter<
  EmitEvents,
  Flags extends EmitFlags,
  Sender extends EventSender<Flags>,
> {
  /** @internal */
  protected readonly sender: Sender;
  /** @internal */
  protected readonly flags: Flags;

  /** @internal */
  constructor(sender: Sender, flags: Flags) {
    this.sender = sender;
    this.flags = flags;
  }

  /**
   * Sends an event and awaits its acknowledgement.
   *
   * @param event the event's name
   * @param args the event's arguments
   * @returns a promise that resolves to the first argument of the acknowledgement. It rejects with an AckTimeoutError
   * after the timeout of timeout(), and with a DisconnectedError if the socket is disconnected before the
   * acknowledgement
   *
   * @example
   * const answer: unknown = await socket.timeout(5000).emitWithAck("question", "Ready?");
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this.sender, event, args, this.flags);
  }

  /**
   * Sends a "message" event with these arguments.
   *
   * @param args the event's arguments
   */
  send(...args: MessageArguments<EmitEvents>): this {
    emitTo(this.sender, "message", args, this.flags);
    return this;
  }
}
