// What is emitted to one client, and how: with or without acknowledgement, in time, volatile.
//
//   socket.timeout(1000).emit("event", (error, answer) => …)
//
// Rule: as in broadcast.ts, every step gives a new emitter and changes none.

import { checkMilliseconds } from "../../protocol/errors.ts";
import {
  type AckValue,
  type AllButLast,
  type EventArguments,
  type EventNames,
  isListener,
  type JsonArguments,
  type LastArgument,
  type MessageArguments,
  type Untyped,
  type WithTimeout,
} from "../../protocol/events.ts";
import { type AckCallback, ackCallback } from "./acks.ts";
import type { Adapter, BroadcastFlags, BroadcastOptions, Room } from "./adapter.ts";
import { BroadcastOperator } from "./broadcast.ts";

/** How long call() waits, in milliseconds. */
export const CALL_TIMEOUT = 60_000;

/** The socket as its emitters see it. */
export interface EmitTarget {
  /** Sends an event; with `ack`, the client is asked to acknowledge it. */
  sendEvent(
    event: string,
    args: readonly unknown[],
    flags: BroadcastFlags,
    ack?: AckCallback,
  ): void;
  readonly adapter: Adapter;
  /** Everybody else in the namespace, with flags. */
  others(flags: BroadcastFlags): BroadcastOptions;
}

/** Sends an event whose last argument may be the callback of an acknowledgement. */
export function emitTo(
  target: EmitTarget,
  event: string,
  args: readonly unknown[],
  flags: BroadcastFlags,
): true {
  const last = args.at(-1);
  if (isListener(last)) {
    const callback = ackCallback(target, last, flags.timeout !== undefined);
    target.sendEvent(event, args.slice(0, -1), flags, callback);
  } else {
    target.sendEvent(event, args, flags);
  }
  return true;
}

/** Sends an event and resolves to the first argument of its acknowledgement. */
export function request<Value>(
  target: EmitTarget,
  event: string,
  args: readonly unknown[],
  flags: BroadcastFlags,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    target.sendEvent(event, args, flags, (error, [value]) => {
      if (error === null) resolve(value);
      else reject(error);
    });
  });
}

export class SocketEmitter<EmitEvents, SocketData = Untyped> {
  readonly #target: EmitTarget;
  readonly #flags: BroadcastFlags;

  constructor(target: EmitTarget, flags: BroadcastFlags) {
    this.#target = target;
    this.#flags = flags;
  }

  /** As Socket.emit(). */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    return emitTo(this.#target, event, args, this.#flags);
  }

  /** As Socket.emitWithAck(); after timeout() it rejects with AckTimeoutError when nothing comes in time. */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this.#target, event, args, this.#flags);
  }

  /** As Socket.call(), with the milliseconds of timeout() if they were given. */
  call<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this.#target, event, args, { timeout: CALL_TIMEOUT, ...this.#flags });
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    emitTo(this.#target, "message", args, this.#flags);
    return this;
  }

  /** The same as send(). */
  write(...args: MessageArguments<EmitEvents>): this {
    return this.send(...args);
  }

  /** Sends a "json" event. */
  json(...args: JsonArguments<EmitEvents>): this {
    emitTo(this.#target, "json", args, this.#flags);
    return this;
  }

  /** Drops the event if the client cannot take it now. */
  get volatile(): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this.#target, { ...this.#flags, volatile: true });
  }

  /** Whether the event is worth compressing, where the transport can. Default `true`. */
  compress(compress: boolean): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this.#target, { ...this.#flags, compress });
  }

  /** Acknowledgements are awaited for so many milliseconds, and callbacks told of an error first. */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>, SocketData> {
    checkMilliseconds("the timeout", milliseconds);
    return new SocketEmitter(this.#target, { ...this.#flags, timeout: milliseconds });
  }

  /** Everybody else in the namespace. */
  get broadcast(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.#target.adapter, this.#target.others(this.#flags));
  }

  /** Clients of this process only. */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.local;
  }

  /** Who else is in any of these rooms. */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.to(rooms);
  }

  /** The same as to(). */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.to(rooms);
  }

  /** Everybody else but who is in any of these rooms. */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.except(rooms);
  }
}
