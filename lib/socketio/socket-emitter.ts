// Emits the server's events to one client with flags: `volatile`, `compress()` and `timeout()`.

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

/**
 * How long call() waits for the acknowledgement if the application sets no timeout, in
 * milliseconds.
 */
export const CALL_TIMEOUT = 60_000;

/** The part of a socket that its emitters use. */
export interface EmitTarget extends EventSender<BroadcastFlags> {
  /** The adapter of the namespace. */
  readonly adapter: Adapter;
  /** Returns the options that address the other sockets of the namespace. */
  others(flags: BroadcastFlags): BroadcastOptions;
}

/**
 * Emits events with flags to one client. Returned by the flags of Socket. Each flag returns a new
 * emitter.
 *
 * @example
 * ```ts
 * socket.volatile.compress(false).emit("position", 1, 2);
 * ```
 */
export class SocketEmitter<EmitEvents, SocketData = Untyped> extends FlaggedEmitter<
  EmitEvents,
  BroadcastFlags,
  EmitTarget
> {
  /**
   * Sends an event, as Socket.emit() does.
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * acknowledgement
   * @returns `true`
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event name that the protocol
   * reserves
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this.sender, event, args, this.flags);
    return true;
  }

  /**
   * Sends an event and resolves to the client's acknowledgement, as Socket.call() does. timeout()
   * sets how long to wait. Default: 60,000 milliseconds.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   */
  call<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this.sender, event, args, { timeout: CALL_TIMEOUT, ...this.flags });
  }

  /**
   * Sends a "message" event, as send() does.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgement
   */
  write(...args: MessageArguments<EmitEvents>): this {
    return this.send(...args);
  }

  /**
   * Sends a "json" event.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgement
   */
  json(...args: JsonArguments<EmitEvents>): this {
    emitTo(this.sender, "json", args, this.flags);
    return this;
  }

  /** Drops the event if the connection cannot send now. */
  get volatile(): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this.sender, { ...this.flags, volatile: true });
  }

  /**
   * Sets whether to compress the event if the transport supports compression. Default: `true`.
   *
   * @param compress `false` to send without compression
   */
  compress(compress: boolean): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this.sender, { ...this.flags, compress });
  }

  /**
   * Sets how long to wait for the acknowledgement, in milliseconds. The callback of emit() receives
   * an error or `null` as its first argument.
   *
   * @param milliseconds the longest time to wait, in milliseconds
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid number
   */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>, SocketData> {
    checkMilliseconds("the timeout", milliseconds);
    return new SocketEmitter(this.sender, { ...this.flags, timeout: milliseconds });
  }

  /** Selects all other sockets of the namespace. */
  get broadcast(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.sender.adapter, this.sender.others(this.flags));
  }

  /** Selects the other clients of this process. */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.local;
  }

  /**
   * Selects the other sockets in any of these rooms.
   *
   * @param rooms a room or a list of rooms
   */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.to(rooms);
  }

  /**
   * Selects the other sockets in any of these rooms, as to() does.
   *
   * @param rooms a room or a list of rooms
   */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.to(rooms);
  }

  /**
   * Selects the other sockets, except those in any of these rooms.
   *
   * @param rooms a room or a list of rooms
   */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast.except(rooms);
  }
}
