// The server's events to one client with flags: `volatile`, `compress()` and `timeout()`.

import type {
  AckValue,
  AllButLast,
  EventArguments,
  EventNames,
  JsonArguments,
  LastArgument,
  MessageArguments,
  Untyped,
  WithTimeout,
} from "../events/emitter.ts";
import { checkMilliseconds } from "../events/errors.ts";
import { type EventSender, emitTo, FlaggedEmitter, request } from "../events/socket-emitter.ts";
import type { Adapter, BroadcastFlags, BroadcastOptions, Room } from "./adapter.ts";
import { BroadcastOperator } from "./broadcast.ts";

/** How long call() waits, in milliseconds. */
export const CALL_TIMEOUT = 60_000;

/** A socket as its emitters see it. */
export interface EmitTarget extends EventSender<BroadcastFlags> {
  readonly adapter: Adapter;
  /** Returns what addresses the other sockets of the namespace, with flags. */
  others(flags: BroadcastFlags): BroadcastOptions;
}

export class SocketEmitter<EmitEvents, SocketData = Untyped> extends FlaggedEmitter<
  EmitEvents,
  BroadcastFlags,
  EmitTarget
> {
  /** As Socket.emit(). */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this.sender, event, args, this.flags);
    return true;
  }

  /** As Socket.call(), with the milliseconds of timeout() if they were given. */
  call<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this.sender, event, args, { timeout: CALL_TIMEOUT, ...this.flags });
  }

  /** The same as send(). */
  write(...args: MessageArguments<EmitEvents>): this {
    return this.send(...args);
  }

  /** Sends a "json" event. */
  json(...args: JsonArguments<EmitEvents>): this {
    emitTo(this.sender, "json", args, this.flags);
    return this;
  }

  /** Drops the event if the client cannot take it now. */
  get volatile(): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this.sender, { ...this.flags, volatile: true });
  }

  /** Whether the event is worth compressing, where the transport can. Default `true`. */
  compress(compress: boolean): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this.sender, { ...this.flags, compress });
  }

  /** Acknowledgements are awaited for so many milliseconds, and callbacks told of an error first. */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>, SocketData> {
    checkMilliseconds("the timeout", milliseconds);
    return new SocketEmitter(this.sender, { ...this.flags, timeout: milliseconds });
  }

  /** Everybody else in the namespace. */
  get broadcast(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.sender.adapter, this.sender.others(this.flags));
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
