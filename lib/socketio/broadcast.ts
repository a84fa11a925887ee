// Broadcasts: an operator describes the receivers step by step, and emit() sends them an event.
//
//   io.to("room1").to("room2").except("room3").volatile.emit("event", 1)
//
// Rule: every step returns a new operator and does not change the old operator, so that a program
// can keep an operator and reuse it.

import { EVENT, type EventData, RESERVED_EVENTS } from "../../protocol/socketio/packet.ts";
import type { AckCallback } from "../events/acknowledgements.ts";
import {
  type AckValue,
  type AllButLast,
  callListener,
  type EventArguments,
  type EventNames,
  isListener,
  type JsonArguments,
  type LastArgument,
  type MessageArguments,
  type Untyped,
  type WithResponses,
  type WithTimeout,
} from "../events/emitter.ts";
import { ArgumentTypeError, checkMilliseconds } from "../events/errors.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
import { type EventSender, emitTo, FlaggedEmitter } from "../events/socket-emitter.ts";
import {
  type Adapter,
  type BroadcastFlags,
  type BroadcastOptions,
  type Gathered,
  gathered,
  type Room,
  type SocketDetails,
  type SocketId,
} from "./adapter.ts";
import { broadcastWithAck } from "./broadcast-acks.ts";
import type { Handshake } from "./handshake.ts";

const NO_ROOMS: ReadonlySet<Room> = new Set();

/** All sockets of the namespace. */
export const EVERYBODY: BroadcastOptions = { rooms: NO_ROOMS, except: NO_ROOMS, flags: {} };

/**
 * Addresses several sockets. Chain to(), in(), except() and the flags to select the receivers, then
 * call emit(). Operators are immutable: each of these methods returns a new operator.
 *
 * @example
 * ```ts
 * io.to("room1").except("room2").volatile.emit("news", "hello");
 * ```
 */
export class BroadcastOperator<EmitEvents, SocketData = Untyped> {
  private readonly adapter: Adapter;
  private readonly options: BroadcastOptions;

  /**
   * Creates an operator. Use the methods of Server, Namespace or Socket instead.
   *
   * @internal
   */
  constructor(adapter: Adapter, options: BroadcastOptions) {
    this.adapter = adapter;
    this.options = options;
  }

  /** The rooms selected so far. Empty: the whole namespace. */
  get rooms(): ReadonlySet<Room> {
    return this.options.rooms;
  }

  /**
   * Adds rooms to the selected rooms. A socket in several of the rooms receives an event once.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * io.to("room1").to(["room2", "room3"]).emit("news", "hello");
   * ```
   */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    const { rooms: before } = this.options;
    return this.with({ ...this.options, rooms: union(before, rooms) });
  }

  /**
   * Adds rooms to the selected rooms, as to() does.
   *
   * @param rooms a room or a list of rooms
   */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.to(rooms);
  }

  /**
   * Excludes the sockets in any of these rooms.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * io.to("room1").except("muted").emit("news", "hello");
   * ```
   */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    const { except: before } = this.options;
    return this.with({ ...this.options, except: union(before, rooms) });
  }

  /**
   * Drops the event for clients whose connection cannot send now.
   *
   * @example
   * ```ts
   * io.volatile.emit("position", 1, 2);
   * ```
   */
  get volatile(): BroadcastOperator<EmitEvents, SocketData> {
    return this.flag({ volatile: true });
  }

  /**
   * Selects clients of this process only.
   *
   * @example
   * ```ts
   * io.local.emit("news", "from this process");
   * ```
   */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.flag({ local: true });
  }

  /**
   * Sets whether to compress the event if the transport supports compression. Default: `true`.
   *
   * @param compress `false` to send without compression
   *
   * @example
   * ```ts
   * io.compress(false).emit("image", "already compressed");
   * ```
   */
  compress(compress: boolean): BroadcastOperator<EmitEvents, SocketData> {
    return this.flag({ compress });
  }

  /**
   * Sets how long to wait for acknowledgements, in milliseconds.
   *
   * @param milliseconds the longest time to wait, in milliseconds
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid number
   *
   * @example
   * ```ts
   * const answers = await io.timeout(5000).emitWithAck("question");
   * ```
   */
  timeout(milliseconds: number): BroadcastOperator<EmitEvents, SocketData> {
    checkMilliseconds("the timeout", milliseconds);
    return this.flag({ timeout: milliseconds });
  }

  /**
   * Sends an event to the selected sockets. If the last argument is a function, it is called when
   * every client has acknowledged the event, with `null` and a list of responses. If some clients
   * do not acknowledge the event, the function receives an error and the responses of the other
   * clients. The error is an AckTimeoutError if the time set with timeout() has passed, or a
   * DisconnectedError if clients disconnected. The `responses` property of the error holds the
   * responses, too.
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * acknowledgements
   * @returns `true`
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event name that the protocol
   * reserves
   *
   * @example
   * ```ts
   * io.to("room1").timeout(5000).emit("question", (error: Error | null, responses: unknown[]) => {
   *   io.emit("result", responses.length, error === null);
   * });
   * ```
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<WithResponses<EmitEvents>, Event>
  ): true {
    this.emitEvent(event, args);
    return true;
  }

  /**
   * Sends an event and resolves to the list of the clients' acknowledgements. Rejects with the
   * error that the callback of emit() would receive.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   *
   * @example
   * ```ts
   * const responses = await io.to("room1").timeout(5000).emitWithAck("question");
   * ```
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>[]> {
    return new Promise((resolve, reject) => {
      broadcastWithAck(
        this.adapter,
        eventData(event, args),
        this.options,
        (error, responses: Untyped[]) => (error === null ? resolve(responses) : reject(error)),
      );
    });
  }

  /**
   * Sends a "message" event.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgements, as with emit()
   */
  send(...args: MessageArguments<WithResponses<EmitEvents>>): this {
    this.emitEvent("message", args);
    return this;
  }

  /**
   * Sends a "message" event, as send() does.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgements, as with emit()
   */
  write(...args: MessageArguments<WithResponses<EmitEvents>>): this {
    return this.send(...args);
  }

  /**
   * Sends a "json" event.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgements, as with emit()
   */
  json(...args: JsonArguments<WithResponses<EmitEvents>>): this {
    this.emitEvent("json", args);
    return this;
  }

  /**
   * Returns the selected sockets of all servers. The property `missing` of the list holds the ids
   * of the servers that did not answer in time.
   *
   * @example
   * ```ts
   * for (const socket of await io.in("room1").fetchSockets()) socket.emit("hello", socket.id);
   * ```
   */
  async fetchSockets(): Promise<Gathered<RemoteSocket<EmitEvents, SocketData>>> {
    const sockets = await this.adapter.fetchSockets(this.options);
    return gathered(
      Array.from(sockets, (details) => new RemoteSocket(this.adapter, details)),
      "missing" in sockets ? sockets.missing : [],
    );
  }

  /**
   * Adds the selected sockets to a room or to several rooms. Await the result to be sure that other
   * servers have added their sockets, too.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * await io.in("room1").socketsJoin("room2");
   * ```
   */
  socketsJoin(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.adapter.addSockets(this.options, listOf(rooms));
  }

  /**
   * Removes the selected sockets from a room or from several rooms. Await the result to be sure
   * that other servers have removed their sockets, too.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * await io.in("room1").socketsLeave("room1");
   * ```
   */
  socketsLeave(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.adapter.delSockets(this.options, listOf(rooms));
  }

  /**
   * Disconnects the selected sockets from the namespace.
   *
   * @param close whether to close their connections, too. Default: `false`
   *
   * @example
   * ```ts
   * io.in("room1").disconnectSockets(true);
   * ```
   */
  disconnectSockets(close = false): void | Promise<void> {
    return this.adapter.disconnectSockets(this.options, close);
  }

  /**
   * Returns the ids of the sockets in the selected rooms.
   *
   * @deprecated Use fetchSockets().
   */
  allSockets(): Promise<Set<string>> {
    return this.adapter.sockets(this.options.rooms);
  }

  /** Sends an event, and requests acknowledgements if the last argument is a function. */
  private emitEvent(event: string, args: readonly unknown[]): void {
    const last = args.at(-1);
    if (!isListener(last)) {
      this.broadcast(eventData(event, args));
      return;
    }
    const data = eventData(event, args.slice(0, -1));
    const call = this.adapter.nsp.callerOf?.(event) ?? callListener;
    broadcastWithAck(this.adapter, data, this.options, (error, responses) =>
      call(this, last, [error, responses]),
    );
  }

  private broadcast(data: EventData): void {
    const { name } = this.adapter.nsp;
    this.adapter.broadcast({ type: EVENT, namespace: name, data }, this.options);
  }

  private flag(flags: BroadcastFlags): BroadcastOperator<EmitEvents, SocketData> {
    return this.with({ ...this.options, flags: { ...this.options.flags, ...flags } });
  }

  private with(options: BroadcastOptions): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, options);
  }
}

/**
 * A socket that fetchSockets() returned. The socket may be connected to this server or to another
 * server.
 */
export class RemoteSocket<EmitEvents, SocketData = Untyped> {
  /** The id of the socket. */
  readonly id: SocketId;
  /** The details of the client's handshake. */
  readonly handshake: Handshake;
  /** The rooms that the socket was in when it was fetched. */
  readonly rooms: Set<Room>;
  /**
   * The `data` of the socket when it was fetched. A copy if the socket belongs to another server.
   */
  readonly data: SocketData;
  private readonly operator: BroadcastOperator<EmitEvents, SocketData>;
  private readonly adapter: Adapter;

  /**
   * Creates a remote socket. Use fetchSockets() instead.
   *
   * @internal
   */
  constructor(adapter: Adapter, { id, handshake, rooms, data }: SocketDetails) {
    this.id = id;
    this.handshake = handshake;
    this.rooms = new Set(rooms);
    this.data = data;
    this.adapter = adapter;
    this.operator = new BroadcastOperator(adapter, { ...EVERYBODY, rooms: new Set([id]) });
  }

  /**
   * Sends an event to the client. If the last argument is a function, it is called with the
   * client's acknowledgement, as with Socket.emit().
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * acknowledgement
   * @returns `true`
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event name that the protocol
   * reserves
   *
   * @example
   * ```ts
   * const [socket] = await io.fetchSockets();
   * socket?.emit("news", "hello");
   * ```
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this, event, args, {});
    return true;
  }

  /**
   * Sets how long to wait for the acknowledgement of the next event, in milliseconds. The callback
   * of emit() then receives an error or `null` as its first argument.
   *
   * @param milliseconds the longest time to wait, in milliseconds
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid number
   */
  timeout(milliseconds: number): RemoteEmitter<WithTimeout<EmitEvents>> {
    checkMilliseconds("the timeout", milliseconds);
    return new RemoteEmitter(this, { timeout: milliseconds });
  }

  /**
   * Sends an event. Called by emit() and by the emitter that timeout() returns.
   *
   * @internal
   */
  sendEvent(
    event: string,
    args: readonly unknown[],
    flags: BroadcastFlags,
    ack?: AckCallback,
  ): void {
    const data = eventData(event, args);
    const options = { ...EVERYBODY, rooms: new Set([this.id]), flags };
    if (ack === undefined) {
      this.adapter.broadcast({ type: EVENT, namespace: this.adapter.nsp.name, data }, options);
    } else {
      // The room of the socket's id contains this socket only, so there is one acknowledgement.
      broadcastWithAck(this.adapter, data, options, (error, responses) =>
        ack(error, responses.slice(0, 1)),
      );
    }
  }

  /**
   * Adds the socket to a room or to several rooms. If the socket belongs to another server, await
   * the result to be sure that the socket has joined.
   *
   * @param rooms a room or a list of rooms
   */
  join(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.operator.socketsJoin(rooms);
  }

  /**
   * Removes the socket from a room. If the socket belongs to another server, await the result to be
   * sure that the socket has left.
   *
   * @param room the name of the room
   */
  leave(room: Room): void | Promise<void> {
    return this.operator.socketsLeave(room);
  }

  /**
   * Disconnects the socket from its namespace.
   *
   * @param close whether to close the connection, too. Default: `false`
   */
  disconnect(close = false): this {
    void this.operator.disconnectSockets(close);
    return this;
  }
}

/** Emits events with a timeout to one socket of this server or of another server. */
export class RemoteEmitter<EmitEvents> extends FlaggedEmitter<
  EmitEvents,
  BroadcastFlags,
  EventSender<BroadcastFlags>
> {
  /**
   * Sends an event, as RemoteSocket.emit() does, but the callback receives an error or `null` as
   * its first argument.
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * acknowledgement
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this.sender, event, args, this.flags);
    return true;
  }
}

/**
 * The common base class of Server, Namespace and Socket. Has listeners, and methods that start a
 * broadcast.
 */
export abstract class Broadcaster<
  Events,
  EmitEvents,
  SocketData = Untyped,
> extends NodeEmitter<Events> {
  /**
   * Returns the operator that broadcasts start with. For a namespace, the operator selects all
   * sockets. For a socket, the operator selects all other sockets.
   */
  protected abstract start(): BroadcastOperator<EmitEvents, SocketData>;

  /**
   * Selects the sockets in any of these rooms. Socket.to() does not select the socket itself.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * io.to("room1").emit("news", "hello");
   * ```
   */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().to(rooms);
  }

  /**
   * Selects the sockets in any of these rooms, as to() does.
   *
   * @param rooms a room or a list of rooms
   */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().to(rooms);
  }

  /**
   * Selects all sockets except those in any of these rooms. Socket.except() does not select the
   * socket itself.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * io.except("muted").emit("news", "hello");
   * ```
   */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().except(rooms);
  }

  /**
   * Selects clients of this process only.
   *
   * @example
   * ```ts
   * io.local.emit("news", "from this process");
   * ```
   */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().local;
  }
}

/**
 * The common base class of Server, Namespace and ParentNamespace. Broadcasts to all sockets of a
 * namespace.
 */
export abstract class GroupBroadcaster<
  Events,
  EmitEvents,
  SocketData = Untyped,
> extends Broadcaster<Events, EmitEvents, SocketData> {
  /**
   * Sends an event to all sockets of the namespace. If the last argument is a function, it is
   * called when every client has acknowledged the event, as with BroadcastOperator.emit().
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * acknowledgements
   * @returns `true`
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event name that the protocol
   * reserves
   *
   * @example
   * ```ts
   * io.emit("news", "hello");
   * ```
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<WithResponses<EmitEvents>, Event>
  ): true {
    return this.start().emit(event, ...args);
  }

  /**
   * Sends an event to all sockets of the namespace, and resolves to the list of the clients'
   * acknowledgements, as BroadcastOperator.emitWithAck() does.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   *
   * @example
   * ```ts
   * const responses = await io.emitWithAck("question");
   * ```
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>[]> {
    return this.start().emitWithAck(event, ...args);
  }

  /**
   * Sets how long to wait for the acknowledgements of the next event, in milliseconds.
   *
   * @param milliseconds the longest time to wait, in milliseconds
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid number
   *
   * @example
   * ```ts
   * const responses = await io.timeout(5000).emitWithAck("question");
   * ```
   */
  timeout(milliseconds: number): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().timeout(milliseconds);
  }

  /**
   * Returns the sockets of the namespace on all servers. The property `missing` of the list holds
   * the ids of the servers that did not answer in time.
   *
   * @example
   * ```ts
   * const ids = (await io.fetchSockets()).map((socket) => socket.id);
   * ```
   */
  fetchSockets(): Promise<Gathered<RemoteSocket<EmitEvents, SocketData>>> {
    return this.start().fetchSockets();
  }

  /**
   * Adds all sockets of the namespace to a room or to several rooms.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * io.socketsJoin("everybody");
   * ```
   */
  socketsJoin(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.start().socketsJoin(rooms);
  }

  /**
   * Removes all sockets of the namespace from a room or from several rooms.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * io.socketsLeave(["room1", "room2"]);
   * ```
   */
  socketsLeave(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.start().socketsLeave(rooms);
  }

  /**
   * Disconnects all sockets of the namespace.
   *
   * @param close whether to close their connections, too. Default: `false`
   *
   * @example
   * ```ts
   * io.disconnectSockets(true);
   * ```
   */
  disconnectSockets(close = false): void | Promise<void> {
    return this.start().disconnectSockets(close);
  }

  /**
   * Returns the ids of the sockets of the namespace.
   *
   * @deprecated Use fetchSockets().
   */
  allSockets(): Promise<Set<string>> {
    return this.start().allSockets();
  }

  /**
   * Sends a "message" event to all sockets of the namespace.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgements, as with emit()
   */
  send(...args: MessageArguments<WithResponses<EmitEvents>>): this {
    this.start().send(...args);
    return this;
  }

  /**
   * Sends a "message" event to all sockets of the namespace, as send() does.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgements, as with emit()
   */
  write(...args: MessageArguments<WithResponses<EmitEvents>>): this {
    return this.send(...args);
  }

  /**
   * Sends a "json" event to all sockets of the namespace.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgements, as with emit()
   */
  json(...args: JsonArguments<WithResponses<EmitEvents>>): this {
    this.start().json(...args);
    return this;
  }

  /**
   * Removes all sockets from a room. The sockets stay connected.
   *
   * @param room the name of the room
   *
   * @example
   * ```ts
   * io.closeRoom("room1");
   * ```
   */
  closeRoom(room: Room): void | Promise<void> {
    return this.start().to(room).socketsLeave(room);
  }

  /**
   * Drops the next event for clients whose connection cannot send now.
   *
   * @example
   * ```ts
   * io.volatile.emit("position", 1, 2);
   * ```
   */
  get volatile(): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().volatile;
  }

  /**
   * Sets whether to compress the next event if the transport supports compression. Default: `true`.
   *
   * @param compress `false` to send without compression
   *
   * @example
   * ```ts
   * io.compress(false).emit("image", "already compressed");
   * ```
   */
  compress(compress: boolean): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().compress(compress);
  }
}

/**
 * Returns the data of an EVENT packet.
 *
 * @throws ArgumentTypeError if the event name is neither a string nor a number
 * @throws ReservedEventError if the event name is reserved
 */
export function eventData(event: string, args: readonly unknown[]): EventData {
  // JavaScript programs may use numbers as event names.
  if (typeof event !== "string" && typeof event !== "number") {
    throw new ArgumentTypeError("an event name must be a string");
  }
  if (RESERVED_EVENTS.has(event)) throw new ReservedEventError(event);
  return [event, ...args];
}

/** Thrown when a program emits an event whose name the protocol reserves. */
export class ReservedEventError extends TypeError {
  /** The name of the error class. */
  override readonly name = "ReservedEventError";
  /** The error code. */
  readonly code = "ERR_RESERVED_EVENT";

  /**
   * Creates an error for a reserved event name.
   *
   * @internal
   */
  constructor(event: string) {
    super(`"${event}" is a reserved event name`);
  }
}

function union(before: ReadonlySet<Room>, rooms: Room | readonly Room[]): ReadonlySet<Room> {
  return new Set([...before, ...listOf(rooms)]);
}

/** JavaScript programs may use any value as a room name. Only an array is a list of rooms. */
function isList(rooms: Room | readonly Room[]): rooms is readonly Room[] {
  return Array.isArray(rooms);
}

export function listOf(rooms: Room | readonly Room[]): readonly Room[] {
  return isList(rooms) ? rooms : [rooms];
}
