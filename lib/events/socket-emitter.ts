// Emits events to the other end of a socket, with or without an acknowledgement. Both ends' sockets and
// their emitters with flags do it here.
//
//   socket.timeout(1000).emit("event", (error, answer) => …)
//
// Every flag returns a new emitter and changes none, so that one can be kept and used again.

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

/** How an event is sent. */
export interface EmitFlags {
  /** Drop the event if it cannot be sent now. */
  readonly volatile?: boolean;
  /** How long to wait for the acknowledgement, in milliseconds. */
  readonly timeout?: number;
}

/** What emits an event in the end: a socket. */
export interface EventSender<Flags extends EmitFlags> {
  /** Sends an event. With `ack`, the other end is asked to acknowledge it. */
  sendEvent(event: string, args: readonly unknown[], flags: Flags, ack?: AckCallback): void;
  /** Returns how the callback of an acknowledgement is called. Default: what it throws surfaces as an uncaught error. */
  callerOf?(event: string): CallListener;
}

/** Sends an event. A function as its last argument is the callback of the acknowledgement. */
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

/** Sends an event. Resolves to the first argument of its acknowledgement. */
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

/** What the emitters of both ends have in common. */
export abstract class FlaggedEmitter<
  EmitEvents,
  Flags extends EmitFlags,
  Sender extends EventSender<Flags>,
> {
  protected readonly sender: Sender;
  protected readonly flags: Flags;

  constructor(sender: Sender, flags: Flags) {
    this.sender = sender;
    this.flags = flags;
  }

  /** As Socket.emitWithAck(). After timeout(), rejects with an AckTimeoutError if no acknowledgement arrives in time. */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this.sender, event, args, this.flags);
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    emitTo(this.sender, "message", args, this.flags);
    return this;
  }
}
