// One client in one namespace: events both ways, acknowledgements, rooms, and its end.
//
//   connecting ── the middleware has passed ──▶ connected ──▶ disconnecting ──▶ disconnected
//        └───────────────── refused, or the client has gone ──────────────────────▲

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

/** What a socket tells of itself. */
export interface SocketReservedEvents {
  /** It is being disconnected; its rooms are still there. */
  disconnecting: (reason: DisconnectReason, description?: Error) => void;
  /** It is disconnected and has left its rooms. */
  disconnect: (reason: DisconnectReason, description?: Error) => void;
  /**
   * The client broke the protocol, and is disconnected next; or an event was not delivered: middleware of use() has
   * stopped it, or it was one more than `rateLimit` allows (`RateLimitError`).
   */
  error: (error: Error) => void;
}

type SocketState = "connecting" | "connected" | "disconnecting" | "disconnected";

/** An event as middleware of a socket receives it: its name, then its arguments. */
export type Event = [name: string, ...args: Untyped[]];

/** Stands between an event and its listeners: lets it through with `next()`, or stops it with `next(error)`. */
export type PacketMiddleware = (event: Event, next: (error?: Error) => void) => void;

const NO_FLAGS: BroadcastFlags = {};
const NO_MIDDLEWARE: readonly PacketMiddleware[] = [];

export class Socket<
    ListenEvents = DefaultEventsMap,
    EmitEvents = ListenEvents,
    ServerSideEvents = DefaultEventsMap,
    SocketData = Untyped,
  >
  extends Broadcaster<ListenEvents & SocketReservedEvents, EmitEvents, SocketData>
  implements Member, EmitTarget
{
  /** 20 characters of `[A-Za-z0-9_-]`; another one in each namespace, and after each reconnection but for one that recovers. */
  readonly id: SocketId;
  /** The namespace. */
  readonly nsp: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  /** The connection, which sockets in other namespaces may share. */
  readonly client: Client;
  /** Its client has come back: id, rooms and data are what they were, and what it missed is sent. */
  readonly recovered: boolean;
  /** Why a client that wanted to come back is a new one; `undefined` where it did not want to, or did. */
  readonly recoveryFailure: RecoveryFailure | undefined;
  /** With which it may come back. A secret of this client. @internal */
  readonly pid: string | undefined;

  // Most sockets have none of these, or are never asked for them.
  private createdHandshake: Handshake | undefined;
  private readonly handshakeAuth: object;
  private ownData: SocketData | undefined;
  private awaitedAcks: Acknowledgements | undefined;
  private packetMiddleware: readonly PacketMiddleware[] = NO_MIDDLEWARE;
  private catchAll: CatchAll | undefined;
  private catchAllOutgoing: CatchAll | undefined;
  private socketState: SocketState = "connecting";
  // What it was before, until it is connected.
  private restoredSession: RestoredSession | undefined;
  private recoveryOffset = "";
  // Only where there is a rate limit.
  private bucket: TokenBucket | undefined;
  // It has gone, and what it was is kept.
  private mayComeBack = false;

  /** @param session what its client comes back to, or why it cannot */
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

  /** What the client said when it connected. */
  get handshake(): Handshake {
    const { request, address, issued } = this.client;
    this.createdHandshake ??= createHandshake(request, address, issued, this.handshakeAuth);
    return this.createdHandshake;
  }

  /** Room for whatever the application keeps of this client; an empty object at first. */
  get data(): SocketData {
    if (this.ownData !== undefined) return this.ownData;
    const none: Untyped = {};
    this.ownData = none;
    return none;
  }

  set data(data: SocketData) {
    this.ownData = data;
  }

  /** It may be used: the middleware has passed, and the client has not gone. */
  get connected(): boolean {
    return this.socketState === "connected" || this.socketState === "disconnecting";
  }

  /** The opposite of `connected`. */
  get disconnected(): boolean {
    return !this.connected;
  }

  /** It will not be used any more: refused, or disconnected. @internal */
  get gone(): boolean {
    return this.socketState === "disconnected";
  }

  /** The server. */
  get server(): NamespaceServer<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> {
    return this.nsp.server;
  }

  /** The Engine.IO session that carries the connection. */
  get conn(): Session {
    return this.client.conn;
  }

  /**
   * Bytes that wait for this client, about: what was sent to it, in all namespaces, and was not handed to the
   * operating system yet. More than `maxBackpressure` end its connection, or have events dropped (`backpressurePolicy`).
   */
  get bufferedAmount(): number {
    return this.client.conn.bufferedAmount;
  }

  /**
   * Resolves when the client can be sent more, at once if nothing waits for it, and also when its connection ends.
   * A program that sends much awaits it before it sends the next part.
   */
  drained(): Promise<void> {
    return this.client.conn.drained();
  }

  /** The HTTP request with which the client came. */
  get request(): IncomingMessage {
    return this.client.request;
  }

  /** The rooms that it is in, the one with its own id among them. */
  get rooms(): Set<Room> {
    return this.nsp.adapter.socketRooms(this.id) ?? new Set();
  }

  /**
   * Sends an event to this client. A function as the last argument is called with what the client
   * acknowledges it with. Always `true`.
   *
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") for an event that only the protocol may send;
   * and for arguments that JSON cannot say
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this, event, args, NO_FLAGS);
    return true;
  }

  /**
   * Sends an event and resolves to what the client acknowledges it with. Rejects with
   * DisconnectedError (`code` "ERR_DISCONNECTED") when the client goes first, and as emit() throws.
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this, event, args, NO_FLAGS);
  }

  /**
   * emitWithAck() that waits for 60 seconds, and rejects with AckTimeoutError then; after
   * `timeout(ms)` for as long as that says.
   */
  call<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this, event, args, { timeout: CALL_TIMEOUT });
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    emitTo(this, "message", args, NO_FLAGS);
    return this;
  }

  /** The same as send(). */
  write(...args: MessageArguments<EmitEvents>): this {
    return this.send(...args);
  }

  /** Sends a "json" event. */
  json(...args: JsonArguments<EmitEvents>): this {
    emitTo(this, "json", args, NO_FLAGS);
    return this;
  }

  /** Drops the next event if the client cannot take it now; with `backpressurePolicy` "drop-volatile" it may wait. */
  get volatile(): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this, { volatile: true });
  }

  /** Whether the next event is worth compressing, where the transport can. Default `true`. */
  compress(compress: boolean): SocketEmitter<EmitEvents, SocketData> {
    return new SocketEmitter(this, { compress });
  }

  /** Acknowledgements of the next event are awaited for so many milliseconds, and callbacks told of an error first. */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>, SocketData> {
    return new SocketEmitter(this, NO_FLAGS).timeout(milliseconds);
  }

  /** Everybody else in the namespace. */
  get broadcast(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, this.others(NO_FLAGS));
  }

  /**
   * Puts it into a room, or several. To be awaited where the adapter works over a network. A socket that would be in more
   * than `maxRoomsPerSocket` has an "error" event, and its connection ends.
   */
  join(rooms: Room | readonly Room[]): void | Promise<void> {
    // A listener that goes on after the client has gone would leave it in the room for ever.
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

  /** Takes it out of a room. */
  leave(room: Room): void | Promise<void> {
    return this.nsp.adapter.del(this.id, room);
  }

  /** Removes the socket from all rooms, the one with its own id too: `io.to(socket.id)` does not reach it any more. */
  leaveAll(): void {
    this.nsp.adapter.delAll(this.id);
  }

  /**
   * What the program keeps for this client in this namespace, as long as the connection is there:
   * unlike `data` it outlives the socket, for a client that leaves the namespace and comes again.
   * An empty object at first.
   */
  session(): Untyped;
  /** Saves it. */
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
   * Disconnects it from this namespace.
   *
   * @param close ends the connection, and with it the client's sockets in all namespaces
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
   * Has every event pass `middleware` before its listeners are called; in the order of the calls.
   * One that is stopped with an error is an "error" event here, and nothing to the client.
   */
  use(middleware: PacketMiddleware): this {
    checkFunction("the middleware", middleware);
    this.packetMiddleware = [...this.packetMiddleware, middleware];
    return this;
  }

  /** Adds a listener for every event that comes, called before the middleware and all others. */
  onAny(listener: AnyListener): this {
    this.catchAll ??= new CatchAll();
    this.catchAll.append(listener);
    return this;
  }

  /** onAny(), in front of those that are there. */
  prependAny(listener: AnyListener): this {
    this.catchAll ??= new CatchAll();
    this.catchAll.prepend(listener);
    return this;
  }

  /** Removes a listener of onAny(); without one, all. */
  offAny(listener?: AnyListener): this {
    this.catchAll?.remove(listener);
    return this;
  }

  /** The listeners of onAny(). */
  listenersAny(): Listener[] {
    return this.catchAll?.list() ?? [];
  }

  /** Adds a listener for every event that is sent, by broadcasts too; acknowledgements are none. */
  onAnyOutgoing(listener: AnyListener): this {
    this.catchAllOutgoing ??= new CatchAll();
    this.catchAllOutgoing.append(listener);
    return this;
  }

  /** onAnyOutgoing(), in front of those that are there. */
  prependAnyOutgoing(listener: AnyListener): this {
    this.catchAllOutgoing ??= new CatchAll();
    this.catchAllOutgoing.prepend(listener);
    return this;
  }

  /** Removes a listener of onAnyOutgoing(); without one, all. */
  offAnyOutgoing(listener?: AnyListener): this {
    this.catchAllOutgoing?.remove(listener);
    return this;
  }

  /** The listeners of onAnyOutgoing(). */
  listenersAnyOutgoing(): Listener[] {
    return this.catchAllOutgoing?.list() ?? [];
  }

  // What its emitters call.

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
        // It cannot be encoded, so nobody will answer.
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

  /** Calls a function of the program. What it throws or rejects with reaches onError(), or surfaces. */
  private guard(event: string, args: readonly Untyped[], call: () => unknown): void {
    this.nsp.handling.guard(this, event, args, call);
  }

  private tellSent(data: EventData): void {
    this.catchAllOutgoing?.call(this, data, (self, listener, all) =>
      this.guard(`${data[0]}`, data.slice(1), () => Reflect.apply(listener, self, all)),
    );
  }

  /** The client has gone. One that may come back receives the event then, as with `io.to(id)`. */
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

  // What the adapter calls.

  /** @internal */
  deliver(message: Outgoing, volatile: boolean): void {
    // A listener of the same broadcast may have disconnected it.
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

  /** How many acknowledgements of the client are awaited. @internal */
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

  // What the namespace calls.

  /** The middleware has passed. @internal */
  onConnect(): void {
    const restored = this.restoredSession;
    const missed = restored === undefined ? [] : this.adapter.endReturn(restored);
    if (missed === undefined) {
      // So much was sent while the middleware waited. The client comes back at once, and starts anew.
      this.conn.discard("transport close");
      return;
    }
    this.restoredSession = undefined;
    this.socketState = "connected";
    // Who goes again may have heard nothing of what it had missed.
    this.recoveryOffset = restored?.offset ?? this.adapter.offset;
    this.nsp.guardAdapter("addAll", () => this.join([this.id, ...(restored?.rooms ?? [])]), this);
    // A listener of the adapter may have disconnected it.
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

  /** The middleware has refused it. @internal */
  onRefuse(data: ConnectErrorData): void {
    this.socketState = "disconnected";
    this.leaveNamespace();
    if (debugSocketio.enabled) {
      debugSocketio("%s is refused from %s: %s", this.client.id, this.nsp.name, data.message);
    }
    try {
      this.client.sendRefused(this.nsp.name, data);
    } catch (error) {
      // JSON cannot say the data. The client must be told all the same; the error is the program's.
      this.client.sendRefused(this.nsp.name, { message: data.message });
      throw error;
    }
  }

  // What the dispatcher calls.

  /** An event came. @internal */
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

  /** Takes a token for an event. If there is none, tells the client and the program, and returns `true`. */
  private isOverLimit(limit: RateLimit, event: string, id: number | undefined): boolean {
    this.bucket ??= new TokenBucket();
    const wasOverdrawn = this.bucket.isOverdrawn;
    const retryAfter = this.bucket.take(limit, performance.now());
    if (retryAfter === 0) return false;
    const error = new RateLimitError(event, retryAfter);
    const { code, message } = error;
    this.conn.onBound("rateLimit", message, !wasOverdrawn);
    // Before the listeners, who may disconnect it.
    if (id !== undefined) this.acknowledgement(id)({ error: { code, message, retryAfter } });
    this.onError(error);
    return true;
  }

  /** An acknowledgement came. @internal */
  onAck(id: number, args: readonly unknown[]): void {
    this.awaitedAcks?.receive(id, args);
  }

  /** The client broke the protocol, or an event is not delivered. @internal */
  onError(error: Error): void {
    for (const listener of this.registered("error")) {
      this.guard("error", [error], () => Reflect.apply(listener, this, [error]));
    }
  }

  /** It has gone, for whatever reason. @internal */
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

  /** It ends, or has ended: its listeners may end it again. */
  private isEnding(): boolean {
    return this.socketState === "disconnecting" || this.socketState === "disconnected";
  }

  /** Calls the handlers of an event. */
  private callHandlers(event: string, args: readonly unknown[], acknowledge?: Listener): void {
    const { handling } = this.nsp;
    if (handling.isPlain) this.dispatch(event, args);
    else handling.handle(this, event, this.calls(event), args, acknowledge);
  }

  /** Lets an event pass the middleware that was there when the event came, from number `index` on. */
  private passMiddleware(
    event: [name: string, ...args: unknown[]],
    acknowledge: Listener | undefined,
    all: readonly PacketMiddleware[],
    index: number,
  ): void {
    // The client may go while it waits.
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
    // The callback of the acknowledgement is no argument of the event.
    const own = acknowledge !== undefined && args.at(-1) === acknowledge ? args.slice(0, -1) : args;
    this.guard(name, own, () => middleware.call(this, event, next));
  }

  /** The function with which a listener answers: once, and only while the client is there. */
  private acknowledgement(id: number): Listener {
    let sent = false;
    return (...args) => {
      if (sent) return;
      sent = true;
      try {
        this.sendPacket({ type: ACK, namespace: this.nsp.name, data: args, id });
      } catch (error) {
        // It cannot be encoded. Something else may be sent instead.
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

  /** Keeps what it is for a client that may come back. */
  private persistSession(was: SocketState): void {
    const session = this.recoverableSession;
    if (was === "connected" && session !== undefined) {
      this.mayComeBack = true;
      this.nsp.guardAdapter("persistSession", () => this.adapter.persistSession(session), this);
    } else if (this.restoredSession !== undefined) {
      // It has gone again before the middleware let it in.
      this.nsp.giveBack(this.restoredSession);
    }
  }

  private leaveNamespace(): void {
    if (this.restoredSession !== undefined) this.adapter.endReturn(this.restoredSession);
    this.nsp.guardAdapter("delAll", () => this.adapter.delAll(this.id), this);
    this.nsp.remove(this);
    const { client, bucket } = this;
    client.leave(this.nsp.name);
    if (bucket !== undefined) client.bucketFullAt = Math.max(client.bucketFullAt, bucket.fullAt);
  }
}
