// One client in one namespace: events in both directions, acknowledgements, rooms and disconnection.
//
//   connecting ── accepted by all middleware ──▶ connected ──▶ disconnecting ──▶ disconnected
//        └────────── refused, or the client has disconnected ──────────────────────▲

import type { IncomingMessage } from "node:http";
import {
  ACK,
  type ConnectErrorData,
  DISCONNECT,
  EVENT,
  type EventData,
  type Packet,
} from "../../protocol/socketio/packet.ts";
import { debugSocketio } from "../debug.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { CloseReason, Session } from "../engineio/session.ts";
import { type AckCallback, Acknowledgements } from "../events/acknowledgements.ts";
import { type AnyListener, CatchAll } from "../events/catch-all.ts";
import type {
  AckValue,
  AllButLast,
  CallListener,
  DefaultEventsMap,
  EventArguments,
  EventNames,
  JsonArguments,
  LastArgument,
  Listener,
  MessageArguments,
  Untyped,
  WithTimeout,
} from "../events/emitter.ts";
import { checkFunction, DisconnectedError } from "../events/errors.ts";
import { emitTo, request } from "../events/socket-emitter.ts";
import { generateId } from "../generate-id.ts";
import type {
  Adapter,
  BroadcastFlags,
  BroadcastOptions,
  Member,
  RecoverableSession,
  RecoveryFailure,
  RestoredSession,
  Room,
  SocketId,
} from "./adapter.ts";
import { Broadcaster, BroadcastOperator, EVERYBODY, eventData, listOf } from "./broadcast.ts";
import type { Client } from "./client.ts";
import type { EventMaps } from "./event-maps.ts";
import { createHandshake, type Handshake } from "./handshake.ts";
import type { Namespace, NamespaceServer } from "./namespace.ts";
import { type RateLimit, RateLimitError, TokenBucket } from "./rate-limit.ts";
import { RECOVERABLE } from "./recovery.ts";
import { CALL_TIMEOUT, type EmitTarget, SocketEmitter } from "./socket-emitter.ts";

/** Why a socket was disconnected. */
export type DisconnectReason =
  | CloseReason
  | "server shutting down"
  | "forced server close"
  | "client namespace disconnect"
  | "server namespace disconnect";

/** The events that a socket itself emits. */
export interface SocketReservedEvents {
  /**
   * Emitted before the socket leaves its rooms.
   *
   * @param reason why the socket is being disconnected
   * @param description the error that caused the disconnection, if there is one
   */
  disconnecting: (reason: DisconnectReason, description?: Error) => void;
  /**
   * Emitted after the socket has left its rooms.
   *
   * @param reason why the socket was disconnected
   * @param description the error that caused the disconnection, if there is one
   */
  disconnect: (reason: DisconnectReason, description?: Error) => void;
  /**
   * Emitted before a client is disconnected because it violated the protocol or exceeded
   * `maxRoomsPerSocket`. Also emitted when an event is not delivered, because middleware stopped it
   * or the client has exceeded its `rateLimit` (RateLimitError).
   *
   * @param error what went wrong
   */
  error: (error: Error) => void;
}

type SocketState = "connecting" | "connected" | "disconnecting" | "disconnected";

/** An event in the middleware of a socket: its name, followed by its arguments. */
export type Event = [name: string, ...args: Untyped[]];

/**
 * Runs before the listeners of an event. Passes the event on with `next()`, or stops it with
 * `next(error)`.
 *
 * @param event the name and the arguments of the event
 * @param next passes the event on, or stops it if called with an error
 */
export type PacketMiddleware = (event: Event, next: (error?: Error) => void) => void;

const NO_FLAGS: BroadcastFlags = {};
const NO_MIDDLEWARE: readonly PacketMiddleware[] = [];

/**
 * One client in one namespace. Passed to the listeners of "connection".
 *
 * @example
 * ```ts
 * io.on("connection", (socket) => {
 *   socket.join("room1");
 *   socket.on("chat", (text) => socket.to("room1").emit("chat", text));
 * });
 * ```
 */
export class Socket<
    ListenEvents = DefaultEventsMap,
    EmitEvents = ListenEvents,
    ServerSideEvents = DefaultEventsMap,
    SocketData = Untyped,
  >
  extends Broadcaster<ListenEvents & SocketReservedEvents, EmitEvents, SocketData>
  implements Member, EmitTarget
{
  /**
   * The id of the socket: 20 characters of `[A-Za-z0-9_-]`. For clients of Socket.IO 1 and 2, the
   * id begins with the namespace and "#", except in the main namespace. A client has a different id
   * in each namespace. The id changes when the client reconnects, unless the client recovers its
   * session.
   */
  readonly id: SocketId;
  /** The namespace of the socket. */
  readonly nsp: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  /** The connection. Sockets of the same client in other namespaces share it. */
  readonly client: Client;
  /**
   * Whether the client has recovered its session: the id, the rooms and the data are restored, and
   * the missed packets are sent.
   */
  readonly recovered: boolean;
  /**
   * Why the client could not recover its session. `undefined` if the client did not try to recover
   * a session, or has recovered its session.
   */
  readonly recoveryFailure: RecoveryFailure | undefined;
  /**
   * The private session id, a secret of the client. `undefined` if the session cannot be recovered.
   *
   * @internal
   */
  readonly pid: string | undefined;

  // Most of the following values are created only when needed, because most sockets do not use
  // them.
  private createdHandshake: Handshake | undefined;
  private readonly handshakeAuth: object;
  private ownData: SocketData | undefined;
  private awaitedAcks: Acknowledgements | undefined;
  private packetMiddleware: readonly PacketMiddleware[] = NO_MIDDLEWARE;
  private catchAll: CatchAll | undefined;
  private catchAllOutgoing: CatchAll | undefined;
  private socketState: SocketState = "connecting";
  // The recovered session, until the socket is connected.
  private restoredSession: RestoredSession | undefined;
  private recoveryOffset = "";
  // Set only if there is a rate limit.
  private bucket: TokenBucket | undefined;
  // Whether the socket is disconnected and its session is stored.
  private mayComeBack = false;

  /**
   * Creates a socket. The namespace calls this constructor.
   *
   * @param session the session that the client recovers, or why it could not be recovered
   * @internal
   */
  constructor(
    namespace: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    client: Client,
    auth: object,
    session?: RestoredSession | RecoveryFailure,
  ) {
    super();
    const restored = typeof session === "object" ? session : undefined;
    this.nsp = namespace;
    this.client = client;
    this.id = restored?.sid ?? client.socketId(namespace.name);
    const recoverable = namespace.recovers && client.recoverable;
    this.pid = recoverable ? (restored?.pid ?? generateId()) : undefined;
    this.recovered = restored !== undefined;
    this.recoveryFailure = typeof session === "string" ? session : undefined;
    this.restoredSession = restored;
    this.handshakeAuth = auth;
    this.ownData = restored?.data;
    if (client.bucketFullAt > 0) this.bucket = new TokenBucket(client.bucketFullAt);
  }

  /** The details of the client's handshake. */
  get handshake(): Handshake {
    const { request, address, issued } = this.client;
    this.createdHandshake ??= createHandshake(request, address, issued, this.handshakeAuth);
    return this.createdHandshake;
  }

  /**
   * Data that the application stores for this client. Default: an empty object.
   *
   * @example
   * ```ts
   * socket.data.user = "Ada";
   * ```
   */
  get data(): SocketData {
    if (this.ownData !== undefined) return this.ownData;
    const none: Untyped = {};
    this.ownData = none;
    return none;
  }

  /**
   * Replaces the data.
   *
   * @param data the new value
   */
  set data(data: SocketData) {
    this.ownData = data;
  }

  /** Whether the socket can be used: it has passed the middleware and is not disconnected. */
  get connected(): boolean {
    return this.socketState === "connected" || this.socketState === "disconnecting";
  }

  /** The opposite of `connected`. */
  get disconnected(): boolean {
    return !this.connected;
  }

  /** Whether the socket was refused or is disconnected, and will not be used any more. @internal */
  get gone(): boolean {
    return this.socketState === "disconnected";
  }

  /** The server that the socket belongs to. */
  get server(): NamespaceServer<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> {
    return this.nsp.server;
  }

  /** The Engine.IO session of the connection. */
  get conn(): Session {
    return this.client.conn;
  }

  /**
   * Approximate number of bytes that are queued for this client in all namespaces and have not been
   * passed to the operating system. If they exceed `maxBackpressure`, the connection is closed or
   * events are dropped, according to `backpressurePolicy`.
   */
  get bufferedAmount(): number {
    return this.client.conn.bufferedAmount;
  }

  /**
   * Resolves when the client can receive more data. Resolves immediately if nothing is queued, and
   * also when the connection closes. Await the promise between the parts of a large transfer.
   *
   * @example
   * ```ts
   * for (const part of ["one", "two", "three"]) {
   *   socket.emit("part", part);
   *   await socket.drained();
   * }
   * ```
   */
  drained(): Promise<void> {
    return this.client.conn.drained();
  }

  /** The HTTP request that opened the connection. */
  get request(): IncomingMessage {
    return this.client.request;
  }

  /** The rooms that the socket is in, including the room with its own id. */
  get rooms(): Set<Room> {
    return this.nsp.adapter.socketRooms(this.id) ?? new Set();
  }

  /**
   * Sends an event to the client. If the last argument is a function, it is called with the
   * client's acknowledgement.
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * acknowledgement
   * @returns `true`
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event name that the protocol
   * reserves
   * @throws TypeError if JSON cannot encode the arguments
   *
   * @example
   * ```ts
   * socket.emit("question", "ready?", (answer: string) => socket.emit("thanks", answer));
   * ```
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this, event, args, NO_FLAGS);
    return true;
  }

  /**
   * Sends an event and resolves to the client's acknowledgement. Rejects with a DisconnectedError
   * (`code` "ERR_DISCONNECTED") if the client disconnects first, and with the errors that emit()
   * throws.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   *
   * @example
   * ```ts
   * const answer = await socket.timeout(5000).emitWithAck("question", "ready?");
   * ```
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this, event, args, NO_FLAGS);
  }

  /**
   * Sends an event and resolves to the client's acknowledgement, as emitWithAck() does. Rejects
   * with an AckTimeoutError after 60,000 milliseconds, or after the time that timeout() sets.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   *
   * @example
   * ```ts
   * const answer = await socket.call("question", "ready?");
   * ```
   */
  call<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this, event, args, { timeout: CALL_TIMEOUT });
  }

  /**
   * Sends a "message" event.
   *
   * @param args the values to send. If the last value is a function, it receives the
   * acknowledgement
   */
  send(...args: MessageArguments<EmitEvents>): this {
    emitTo(this, "message", args, NO_FLAGS);
    return this;
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
    emitTo(this, "json", args, NO_FLAGS);
    return this;
  }

  /**
   * Drops the next event if the connection cannot send now. With `backpressurePolicy`
   * "drop-volatile", the event is queued, and dropped only if the queue becomes too long.
   *
   * @example
   * ```ts
   * socket.volatile.emit("position", 1, 2);
   * ```
   */
  get volatile(): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this, { volatile: true });
  }

  /**
   * Sets whether to compress the next event if the transport supports compression. Default: `true`.
   *
   * @param compress `false` to send without compression
   *
   * @example
   * ```ts
   * socket.compress(false).emit("image", "already compressed");
   * ```
   */
  compress(compress: boolean): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this, { compress });
  }

  /**
   * Sets how long to wait for the acknowledgement of the next event, in milliseconds. The callback
   * of emit() then receives an error or `null` as its first argument.
   *
   * @param milliseconds the longest time to wait, in milliseconds
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid number
   *
   * @example
   * ```ts
   * socket.timeout(5000).emit("question", (error: Error | null, answer: string) => {
   *   socket.emit("result", error === null ? answer : "no answer");
   * });
   * ```
   */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>, SocketData> {
    return new SocketEmitter(this, NO_FLAGS).timeout(milliseconds);
  }

  /**
   * Selects all other sockets of the namespace.
   *
   * @example
   * ```ts
   * socket.broadcast.emit("joined", socket.id);
   * ```
   */
  get broadcast(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, this.others(NO_FLAGS));
  }

  /**
   * Adds the socket to a room or to several rooms. An adapter for several servers may return a
   * promise, which resolves when the socket has joined. If the socket would exceed
   * `maxRoomsPerSocket`, it emits "error" and its connection is closed.
   *
   * @param rooms a room or a list of rooms
   *
   * @example
   * ```ts
   * socket.join("room1");
   * ```
   */
  join(rooms: Room | readonly Room[]): void | Promise<void> {
    // If a listener called join() after the client has disconnected, the id would stay in the room
    // forever.
    if (this.socketState === "disconnected") return;
    const { adapter } = this;
    const joined = adapter.socketRooms(this.id);
    const more = new Set(listOf(rooms));
    if ((joined?.size ?? 0) + more.size > this.nsp.maxRoomsPerSocket) {
      for (const room of joined ?? []) more.delete(room);
      if ((joined?.size ?? 0) + more.size > this.nsp.maxRoomsPerSocket) {
        const message = "the socket is in too many rooms";
        this.conn.onBound("maxRoomsPerSocket", message);
        this.onError(new Error(message));
        this.disconnect(true);
        return;
      }
    }
    return adapter.addAll(this.id, more);
  }

  /**
   * Removes the socket from a room.
   *
   * @param room the name of the room
   *
   * @example
   * ```ts
   * socket.leave("room1");
   * ```
   */
  leave(room: Room): void | Promise<void> {
    return this.nsp.adapter.del(this.id, room);
  }

  /**
   * Removes the socket from all rooms, including the room with its own id. `io.to(socket.id)` then
   * no longer reaches the socket.
   */
  leaveAll(): void {
    this.nsp.adapter.delAll(this.id);
  }

  /**
   * Returns the value that the application stores for this client in this namespace until the
   * connection closes. Unlike `data`, the value is kept when the client leaves the namespace and
   * joins it again. Default: an empty object.
   *
   * @example
   * ```ts
   * socket.session().visits = 1;
   * ```
   */
  session(): Untyped;
  /**
   * Replaces the value that session() returns.
   *
   * @param session the new value
   */
  session(session: unknown): this;
  session(...args: [session?: unknown]): Untyped {
    const { sessions } = this.client;
    const { name } = this.nsp;
    if (args.length > 0) {
      sessions.set(name, args[0]);
      return this;
    }
    const session = sessions.get(name) ?? {};
    sessions.set(name, session);
    return session;
  }

  /**
   * Disconnects the socket from its namespace.
   *
   * @param close whether to close the connection, too, which disconnects the client's sockets in
   * all namespaces. Default: `false`
   *
   * @example
   * ```ts
   * socket.disconnect(true);
   * ```
   */
  disconnect(close = false): this {
    if (this.isEnding()) return this;
    if (close) {
      this.client.disconnectAll();
      return this;
    }
    this.sendPacket({ type: DISCONNECT, namespace: this.nsp.name });
    this.onClose("server namespace disconnect");
    return this;
  }

  /**
   * Adds middleware that every event must pass before its listeners are called. Functions run in
   * the order in which they were added. If middleware stops an event with an error, the socket
   * emits "error". The client is not notified.
   *
   * @param middleware calls `next()` to pass the event on, or `next(error)` to stop it
   * @throws ArgumentTypeError if `middleware` is not a function
   *
   * @example
   * ```ts
   * socket.use(([event], next) => {
   *   if (event === "admin") next(new Error("not allowed"));
   *   else next();
   * });
   * ```
   */
  use(middleware: PacketMiddleware): this {
    checkFunction("the middleware", middleware);
    this.packetMiddleware = [...this.packetMiddleware, middleware];
    return this;
  }

  /**
   * Adds a listener for every event that the client sends. The listener is called before the
   * middleware and before all other listeners.
   *
   * @param listener the listener to add
   *
   * @example
   * ```ts
   * const received: string[] = [];
   * socket.onAny((event) => received.push(event));
   * ```
   */
  onAny(listener: AnyListener): this {
    this.catchAll ??= new CatchAll();
    this.catchAll.append(listener);
    return this;
  }

  /**
   * Adds a listener for every event that the client sends, before the existing listeners.
   *
   * @param listener the listener to add
   */
  prependAny(listener: AnyListener): this {
    this.catchAll ??= new CatchAll();
    this.catchAll.prepend(listener);
    return this;
  }

  /**
   * Removes a listener that was added with onAny().
   *
   * @param listener the listener to remove. Default: all listeners
   */
  offAny(listener?: AnyListener): this {
    this.catchAll?.remove(listener);
    return this;
  }

  /** Returns the listeners that were added with onAny(). */
  listenersAny(): Listener[] {
    return this.catchAll?.list() ?? [];
  }

  /**
   * Adds a listener for every event that is sent to the client, including broadcasts. The listener
   * is not called for acknowledgements.
   *
   * @param listener the listener to add
   *
   * @example
   * ```ts
   * const sent: string[] = [];
   * socket.onAnyOutgoing((event) => sent.push(event));
   * ```
   */
  onAnyOutgoing(listener: AnyListener): this {
    this.catchAllOutgoing ??= new CatchAll();
    this.catchAllOutgoing.append(listener);
    return this;
  }

  /**
   * Adds a listener for every event that is sent to the client, before the existing listeners.
   *
   * @param listener the listener to add
   */
  prependAnyOutgoing(listener: AnyListener): this {
    this.catchAllOutgoing ??= new CatchAll();
    this.catchAllOutgoing.prepend(listener);
    return this;
  }

  /**
   * Removes a listener that was added with onAnyOutgoing().
   *
   * @param listener the listener to remove. Default: all listeners
   */
  offAnyOutgoing(listener?: AnyListener): this {
    this.catchAllOutgoing?.remove(listener);
    return this;
  }

  /** Returns the listeners that were added with onAnyOutgoing(). */
  listenersAnyOutgoing(): Listener[] {
    return this.catchAllOutgoing?.list() ?? [];
  }

  // The methods that the emitters call.

  /** @internal */
  sendEvent(
    event: string,
    args: readonly unknown[],
    flags: BroadcastFlags,
    ack?: AckCallback,
  ): void {
    const data = eventData(event, args);
    if (this.socketState === "disconnected") {
      this.emitTooLate(data, flags, ack);
      return;
    }
    const id = ack && this.nsp.nextAckId();
    const packet: Packet = { type: EVENT, namespace: this.nsp.name, data, id };
    if (this.nsp.recovers) {
      if (ack !== undefined && id !== undefined) this.acksAwaited().await(id, ack, flags.timeout);
      try {
        this.adapter.emitTo(this, packet, flags);
      } catch (error) {
        // The packet cannot be encoded, so no acknowledgement will arrive.
        if (id !== undefined) this.forgetAck(id);
        throw error;
      }
      return;
    }
    const message = this.nsp.encode(packet, flags.compress ?? true);
    if (ack !== undefined && id !== undefined) this.acksAwaited().await(id, ack, flags.timeout);
    this.tellSent(data);
    this.client.send(message, flags.volatile ?? false);
  }

  /** @internal */
  callerOf(event: string): CallListener {
    return (self, listener, args) =>
      this.guard(event, args, () => Reflect.apply(listener, self, args));
  }

  /**
   * Calls a function of the application. An error goes to the error handler or becomes an uncaught
   * exception.
   */
  private guard(event: string, args: readonly Untyped[], call: () => unknown): void {
    this.nsp.handling.guard(this, event, args, call);
  }

  private tellSent(data: EventData): void {
    this.catchAllOutgoing?.call(this, data, (self, listener, all) =>
      this.guard(`${data[0]}`, data.slice(1), () => Reflect.apply(listener, self, all)),
    );
  }

  /**
   * Handles an event that is emitted after the client has disconnected. A client that recovers its
   * session will receive the event, as it receives the events that `io.to(id)` sends.
   */
  private emitTooLate(data: EventData, flags: BroadcastFlags, ack: AckCallback | undefined): void {
    if (ack !== undefined) {
      ack(new DisconnectedError(), []);
    } else if (this.mayComeBack) {
      this.tellSent(data);
      const packet: Packet = { type: EVENT, namespace: this.nsp.name, data };
      this.adapter.broadcast(packet, { ...EVERYBODY, rooms: new Set([this.id]), flags });
    }
  }

  /** @internal */
  others(flags: BroadcastFlags): BroadcastOptions {
    return { ...EVERYBODY, except: new Set([this.id]), flags };
  }

  /** @internal */
  get adapter(): Adapter {
    return this.nsp.adapter;
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return this.broadcast;
  }

  // The methods that the adapter calls.

  /** @internal */
  deliver(message: Outgoing, volatile: boolean): void {
    // A listener of onAnyOutgoing() that was called for the same broadcast may have disconnected
    // the socket.
    if (this.socketState !== "disconnected") this.client.send(message, volatile);
  }

  /** @internal */
  notifyOutgoingListeners(packet: Packet): void {
    if (packet.type !== EVENT || this.socketState === "disconnected") return;
    this.tellSent(packet.data);
  }

  /** @internal */
  awaitAck(id: number, callback: AckCallback): void {
    if (this.socketState === "disconnected") callback(new DisconnectedError(), []);
    else this.acksAwaited().await(id, callback);
  }

  /** The number of acknowledgements that are awaited from the client. @internal */
  get awaitedAcksCount(): number {
    return this.awaitedAcks?.size ?? 0;
  }

  /** @internal */
  forgetAck(id: number): void {
    this.awaitedAcks?.forget(id);
  }

  /** @internal */
  get recoverableSession(): RecoverableSession | undefined {
    const { id: sid, pid, data, recoveryOffset: offset } = this;
    return pid === undefined ? undefined : { sid, pid, rooms: new Set(this.rooms), data, offset };
  }

  // The methods that the namespace calls.

  /** Connects the socket after all middleware has accepted it. @internal */
  onConnect(): void {
    const restored = this.restoredSession;
    const missed = restored === undefined ? [] : this.adapter.endRecovery(restored);
    if (missed === undefined) {
      // Too many packets were sent while the middleware was running. The client will reconnect
      // immediately and get a new session.
      this.conn.discard("transport close");
      return;
    }
    this.restoredSession = undefined;
    this.socketState = "connected";
    // A recovered socket keeps the offset from the start of its session, because a client that
    // disconnects again may not have received the missed packets.
    this.recoveryOffset = restored?.offset ?? this.adapter.offset;
    this.nsp.guardAdapter("addAll", () => this.join([this.id, ...(restored?.rooms ?? [])]), this);
    // A listener for "create-room" or "join-room" of the adapter may have disconnected the socket.
    if (this.gone) return;
    this.client.onJoined();
    const { id: sid, pid } = this;
    if (debugSocketio.enabled) {
      const { recovered, recoveryFailure: failure = "" } = this;
      const how = recovered ? ", recovered" : failure && `, not recovered: ${failure}`;
      debugSocketio("%s joins %s as %s%s", this.client.id, this.nsp.name, sid, how);
    }
    this.client.sendConnected(this.nsp.name, pid === undefined ? { sid } : { sid, pid });
    for (const message of missed) this.client.send(message, false);
  }

  /** Refuses the client on behalf of the middleware. @internal */
  onRefuse(data: ConnectErrorData): void {
    this.socketState = "disconnected";
    this.leaveNamespace();
    if (debugSocketio.enabled) {
      debugSocketio("%s is refused from %s: %s", this.client.id, this.nsp.name, data.message);
    }
    try {
      this.client.sendRefused(this.nsp.name, data);
    } catch (error) {
      // JSON cannot encode the data. The client is refused without the data, and the application
      // receives the error.
      this.client.sendRefused(this.nsp.name, { message: data.message });
      throw error;
    }
  }

  // The methods that the dispatcher calls.

  /** Handles an event from the client. @internal */
  onEvent(data: readonly [name: string | number, ...args: readonly unknown[]], id?: number): void {
    const limit = this.nsp.eventLimit;
    if (limit !== undefined && this.isOverLimit(limit, `${data[0]}`, id)) return;
    const [name, ...args] = data;
    const acknowledge = id === undefined ? undefined : this.acknowledgement(id);
    if (acknowledge !== undefined) args.push(acknowledge);
    this.catchAll?.call(this, [`${name}`, ...args], (self, listener, all) =>
      this.guard(`${name}`, data.slice(1), () => Reflect.apply(listener, self, all)),
    );
    if (this.packetMiddleware.length === 0) this.callHandlers(`${name}`, args, acknowledge);
    else this.passMiddleware([`${name}`, ...args], acknowledge, this.packetMiddleware, 0);
  }

  /**
   * Takes a token of the rate limit for an event. If no token is available, notifies the client and
   * the application, and returns `true`.
   */
  private isOverLimit(limit: RateLimit, event: string, id: number | undefined): boolean {
    this.bucket ??= new TokenBucket();
    const wasOverdrawn = this.bucket.isOverdrawn;
    const retryAfter = this.bucket.take(limit, performance.now());
    if (retryAfter === 0) return false;
    const error = new RateLimitError(event, retryAfter);
    const { code, message } = error;
    this.conn.onBound("rateLimit", message, !wasOverdrawn);
    // The acknowledgement is sent before the listeners are called, because a listener may
    // disconnect the client.
    if (id !== undefined) this.acknowledgement(id)({ error: { code, message, retryAfter } });
    this.onError(error);
    return true;
  }

  /** Handles an acknowledgement from the client. @internal */
  onAck(id: number, args: readonly unknown[]): void {
    this.awaitedAcks?.receive(id, args);
  }

  /**
   * Emits "error" because the client violated the protocol or an event was not delivered. @internal
   */
  onError(error: Error): void {
    for (const listener of this.registered("error")) {
      this.guard("error", [error], () => Reflect.apply(listener, this, [error]));
    }
  }

  /** Disconnects the socket for any reason. @internal */
  onClose(reason: DisconnectReason, description?: Error): void {
    if (this.isEnding()) return;
    const was = this.socketState;
    if (debugSocketio.enabled)
      debugSocketio("%s leaves %s: %s", this.client.id, this.nsp.name, reason);
    const details = description === undefined ? [reason] : [reason, description];
    if (was === "connected") {
      this.socketState = "disconnecting";
      this.callHandlers("disconnecting", details);
    }
    this.socketState = "disconnected";
    if (RECOVERABLE.has(reason)) this.persistSession(was);
    this.leaveNamespace();
    this.awaitedAcks?.disconnect();
    if (was === "connected") this.callHandlers("disconnect", details);
  }

  /**
   * Whether the socket is disconnecting or disconnected. A listener of "disconnecting" may call
   * disconnect() again.
   */
  private isEnding(): boolean {
    return this.socketState === "disconnecting" || this.socketState === "disconnected";
  }

  /** Calls the handlers of an event. */
  private callHandlers(event: string, args: readonly unknown[], acknowledge?: Listener): void {
    const { handling } = this.nsp;
    if (handling.isPlain) this.dispatch(event, args);
    else handling.handle(this, event, this.calls(event), args, acknowledge);
  }

  /**
   * Passes an event through the middleware that existed when the event was received, starting at
   * position `index`.
   */
  private passMiddleware(
    event: [name: string, ...args: unknown[]],
    acknowledge: Listener | undefined,
    all: readonly PacketMiddleware[],
    index: number,
  ): void {
    // The client may have disconnected while middleware was waiting.
    if (!this.connected) return;
    const middleware = all[index];
    if (middleware === undefined) {
      const [name, ...args] = event;
      this.callHandlers(name, args, acknowledge);
      return;
    }
    let called = false;
    const next = (error?: Error): void => {
      if (called) return;
      called = true;
      if (error) this.onError(error);
      else this.passMiddleware(event, acknowledge, all, index + 1);
    };
    const [name, ...args] = event;
    // The acknowledgement callback is not an argument of the event, so the error handler does not
    // receive it.
    const own = acknowledge !== undefined && args.at(-1) === acknowledge ? args.slice(0, -1) : args;
    this.guard(name, own, () => middleware.call(this, event, next));
  }

  /**
   * Returns the function with which a listener acknowledges an event. The function sends the
   * acknowledgement only once, and only while the client is connected.
   */
  private acknowledgement(id: number): Listener {
    let sent = false;
    return (...args) => {
      if (sent) return;
      sent = true;
      try {
        this.sendPacket({ type: ACK, namespace: this.nsp.name, data: args, id });
      } catch (error) {
        // The values cannot be encoded. The listener may acknowledge with other values instead.
        sent = false;
        throw error;
      }
    };
  }

  private acksAwaited(): Acknowledgements {
    this.awaitedAcks ??= new Acknowledgements();
    return this.awaitedAcks;
  }

  private sendPacket(packet: Packet): void {
    this.client.send(this.nsp.encode(packet, true), false);
  }

  /** Stores the session of a client that may reconnect. */
  private persistSession(was: SocketState): void {
    const session = this.recoverableSession;
    if (was === "connected" && session !== undefined) {
      this.mayComeBack = true;
      this.nsp.guardAdapter("persistSession", () => this.adapter.persistSession(session), this);
    } else if (this.restoredSession !== undefined) {
      // The client disconnected again before it passed the middleware, so its restored session is
      // stored again.
      this.nsp.giveBack(this.restoredSession);
    }
  }

  private leaveNamespace(): void {
    if (this.restoredSession !== undefined) this.adapter.endRecovery(this.restoredSession);
    this.nsp.guardAdapter("delAll", () => this.adapter.delAll(this.id), this);
    this.nsp.remove(this);
    const { client, bucket } = this;
    client.leave(this.nsp.name);
    if (bucket !== undefined) client.bucketFullAt = Math.max(client.bucketFullAt, bucket.fullAt);
  }
}
