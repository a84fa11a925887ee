// One client in one namespace: events both ways, acknowledgements, rooms, and its end.
//
//   connecting ── the middleware has passed ──▶ connected ──▶ disconnecting ──▶ disconnected
//        └───────────────── refused, or the client has gone ──────────────────────▲

import type { IncomingMessage } from "node:http";
import { CatchAll } from "../../protocol/catch-all.ts";
import { checkFunction, DisconnectedError } from "../../protocol/errors.ts";
import {
  type AckValue,
  type AllButLast,
  callListener,
  type DefaultEventsMap,
  type EventArguments,
  type EventNames,
  type JsonArguments,
  type LastArgument,
  type Listener,
  type MessageArguments,
  type Untyped,
  type WithTimeout,
} from "../../protocol/events.ts";
import {
  ACK,
  type ConnectErrorData,
  DISCONNECT,
  EVENT,
  type Packet,
} from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { CloseReason, Session } from "../engineio/session.ts";
import { generateId } from "../generate-id.ts";
import { type AckCallback, Acks } from "./acks.ts";
import type {
  Adapter,
  BroadcastFlags,
  BroadcastOptions,
  Member,
  RecoveryFailure,
  RestoredSession,
  Room,
  SocketId,
} from "./adapter.ts";
import { Broadcaster, BroadcastOperator, EVERYBODY, eventData, listOf } from "./broadcast.ts";
import type { Client } from "./client.ts";
import type { Handler } from "./handling.ts";
import { createHandshake, type Handshake } from "./handshake.ts";
import type { Namespace, NamespaceServer } from "./namespace.ts";
import { RECOVERABLE } from "./recovery.ts";
import { CALL_TIMEOUT, type EmitTarget, emitTo, request, SocketEmitter } from "./socket-emitter.ts";

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
  /** The client broke the protocol; it is disconnected next. */
  error: (error: Error) => void;
}

type SocketState = "connecting" | "connected" | "disconnecting" | "disconnected";

/** Stands between an event and its listeners: lets it through with `next()`, or stops it with `next(error)`. */
export type PacketMiddleware = (
  event: [name: string, ...args: Untyped[]],
  next: (error?: Error) => void,
) => void;

/** Called for every event, with its name in front of its arguments. */
export type AnyListener = (event: string, ...args: Untyped[]) => void;

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
  #handshake: Handshake | undefined;
  readonly #auth: object;
  #data: SocketData | undefined;
  #acks: Acks | undefined;
  #middleware: readonly PacketMiddleware[] = NO_MIDDLEWARE;
  #any: CatchAll | undefined;
  #anyOutgoing: CatchAll | undefined;
  #state: SocketState = "connecting";
  // What it was before, until it is connected.
  #restored: RestoredSession | undefined;
  #offset = "";

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
    this.#restored = restored;
    this.#auth = auth;
    this.#data = restored?.data;
  }

  /** What the client said when it connected. */
  get handshake(): Handshake {
    const { request, address, issued } = this.client;
    this.#handshake ??= createHandshake(request, address, issued, this.#auth);
    return this.#handshake;
  }

  /** Room for whatever the application keeps of this client; an empty object at first. */
  get data(): SocketData {
    if (this.#data !== undefined) return this.#data;
    const none: Untyped = {};
    this.#data = none;
    return none;
  }

  set data(data: SocketData) {
    this.#data = data;
  }

  /** It may be used: the middleware has passed, and the client has not gone. */
  get connected(): boolean {
    return this.#state === "connected" || this.#state === "disconnecting";
  }

  /** The opposite of `connected`. */
  get disconnected(): boolean {
    return !this.connected;
  }

  /** It will not be used any more: refused, or disconnected. @internal */
  get gone(): boolean {
    return this.#state === "disconnected";
  }

  /** The server. */
  get server(): NamespaceServer<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    return this.nsp.server;
  }

  /** The Engine.IO session that carries the connection. */
  get conn(): Session {
    return this.client.conn;
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
    return emitTo(this, event, args, NO_FLAGS);
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

  /** Drops the next event if the client cannot take it now. */
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

  /** Puts it into a room, or several. To be awaited where the adapter works over a network. */
  join(rooms: Room | readonly Room[]): void | Promise<void> {
    // A listener that goes on after the client has gone would leave it in the room for ever.
    if (this.#state === "disconnected") return;
    return this.nsp.adapter.addAll(this.id, new Set(listOf(rooms)));
  }

  /** Takes it out of a room. */
  leave(room: Room): void | Promise<void> {
    return this.nsp.adapter.del(this.id, room);
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
    if (this.#ends()) return this;
    if (close) {
      this.client.disconnectAll();
      return this;
    }
    this.#send({ type: DISCONNECT, namespace: this.nsp.name });
    this.onClose("server namespace disconnect");
    return this;
  }

  /**
   * Has every event pass `middleware` before its listeners are called; in the order of the calls.
   * One that is stopped with an error is an "error" event here, and nothing to the client.
   */
  use(middleware: PacketMiddleware): this {
    checkFunction("the middleware", middleware);
    this.#middleware = [...this.#middleware, middleware];
    return this;
  }

  /** Adds a listener for every event that comes, called before the middleware and all others. */
  onAny(listener: AnyListener): this {
    this.#any ??= new CatchAll();
    this.#any.append(listener);
    return this;
  }

  /** onAny(), in front of those that are there. */
  prependAny(listener: AnyListener): this {
    this.#any ??= new CatchAll();
    this.#any.prepend(listener);
    return this;
  }

  /** Removes a listener of onAny(); without one, all. */
  offAny(listener?: AnyListener): this {
    this.#any?.remove(listener);
    return this;
  }

  /** The listeners of onAny(). */
  listenersAny(): Listener[] {
    return this.#any?.list() ?? [];
  }

  /** Adds a listener for every event that is sent, by broadcasts too; acknowledgements are none. */
  onAnyOutgoing(listener: AnyListener): this {
    this.#anyOutgoing ??= new CatchAll();
    this.#anyOutgoing.append(listener);
    return this;
  }

  /** onAnyOutgoing(), in front of those that are there. */
  prependAnyOutgoing(listener: AnyListener): this {
    this.#anyOutgoing ??= new CatchAll();
    this.#anyOutgoing.prepend(listener);
    return this;
  }

  /** Removes a listener of onAnyOutgoing(); without one, all. */
  offAnyOutgoing(listener?: AnyListener): this {
    this.#anyOutgoing?.remove(listener);
    return this;
  }

  /** The listeners of onAnyOutgoing(). */
  listenersAnyOutgoing(): Listener[] {
    return this.#anyOutgoing?.list() ?? [];
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
    if (this.#state === "disconnected") {
      ack?.(new DisconnectedError(), []);
      return;
    }
    if (ack === undefined && this.nsp.recovers) {
      const rooms = new Set([this.id]);
      const stamped = this.adapter.stamp(data, { ...EVERYBODY, rooms, flags });
      this.#anyOutgoing?.call(this, stamped.data);
      this.client.send(stamped.message, flags.volatile ?? false);
      return;
    }
    const id = ack && this.nsp.nextAckId();
    const packet: Packet = { type: EVENT, namespace: this.nsp.name, data, id };
    const message = this.nsp.encode(packet, flags.compress ?? true);
    if (ack !== undefined && id !== undefined) this.#awaited().await(id, ack, flags.timeout);
    this.#anyOutgoing?.call(this, data);
    this.client.send(message, flags.volatile ?? false);
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
    this.client.send(message, volatile);
  }

  /** @internal */
  notifyOutgoingListeners(packet: Packet): void {
    if (packet.type === EVENT) this.#anyOutgoing?.call(this, packet.data);
  }

  /** @internal */
  awaitAck(id: number, callback: AckCallback): void {
    if (this.#state === "disconnected") callback(new DisconnectedError(), []);
    else this.#awaited().await(id, callback);
  }

  /** @internal */
  forgetAck(id: number): void {
    this.#acks?.forget(id);
  }

  // What the namespace calls.

  /** The middleware has passed. @internal */
  onConnect(): void {
    const restored = this.#restored;
    this.#restored = undefined;
    this.#state = "connected";
    // Who goes again may have heard nothing of what it had missed.
    this.#offset = restored?.offset ?? this.adapter.offset;
    void this.join([this.id, ...(restored?.rooms ?? [])]);
    this.client.onJoined();
    const { id: sid, pid } = this;
    this.client.sendConnected(this.nsp.name, pid === undefined ? { sid } : { sid, pid });
    for (const message of restored?.missed ?? []) this.client.send(message, false);
  }

  /** The middleware has refused it. @internal */
  onRefuse(data: ConnectErrorData): void {
    this.#state = "disconnected";
    this.#leave();
    this.client.sendRefused(this.nsp.name, data);
  }

  /** Its listeners of an event, to be called one by one. @internal */
  handlers(event: string, acknowledges: boolean): Handler[] {
    return this.calls(event).map((each) => ({ ...each, acknowledges }));
  }

  // What the dispatcher calls.

  /** An event came. @internal */
  onEvent(data: readonly [name: string | number, ...args: readonly unknown[]], id?: number): void {
    const [name, ...args] = data;
    const acknowledge = id === undefined ? undefined : this.#acknowledgement(id);
    if (acknowledge !== undefined) args.push(acknowledge);
    this.#any?.call(this, [`${name}`, ...args]);
    if (this.#middleware.length === 0) this.#tell(`${name}`, args, acknowledge);
    else this.#pass([`${name}`, ...args], acknowledge, 0);
  }

  /** An acknowledgement came. @internal */
  onAck(id: number, args: readonly unknown[]): void {
    this.#acks?.receive(id, args);
  }

  /** The client broke the protocol. @internal */
  onError(error: Error): void {
    this.dispatch("error", [error]);
  }

  /** It has gone, for whatever reason. @internal */
  onClose(reason: DisconnectReason, description?: Error): void {
    if (this.#ends()) return;
    const was = this.#state;
    const details = description === undefined ? [reason] : [reason, description];
    if (was === "connected") {
      this.#state = "disconnecting";
      this.#tell("disconnecting", details);
    }
    this.#state = "disconnected";
    if (RECOVERABLE.has(reason)) this.#persist(was);
    this.#leave();
    this.#acks?.disconnect();
    if (was === "connected") this.#tell("disconnect", details);
  }

  /** It ends, or has ended: its listeners may end it again. */
  #ends(): boolean {
    return this.#state === "disconnecting" || this.#state === "disconnected";
  }

  /** Calls whom an event is for. */
  #tell(event: string, args: readonly unknown[], acknowledge?: Listener): void {
    if (!this.nsp.handle(this, event, args, acknowledge)) this.dispatch(event, args);
  }

  /** Lets an event pass the middleware from number `index` on. */
  #pass(
    event: [name: string, ...args: unknown[]],
    acknowledge: Listener | undefined,
    index: number,
  ): void {
    // The client may go while it waits.
    if (!this.connected) return;
    const middleware = this.#middleware[index];
    if (middleware === undefined) {
      const [name, ...args] = event;
      this.#tell(name, args, acknowledge);
      return;
    }
    let called = false;
    const next = (error?: Error): void => {
      if (called) return;
      called = true;
      if (error) this.onError(error);
      else this.#pass(event, acknowledge, index + 1);
    };
    callListener(this, middleware, [event, next]);
  }

  /** The function with which a listener answers: once, and only while the client is there. */
  #acknowledgement(id: number): Listener {
    let sent = false;
    return (...args) => {
      if (sent) return;
      sent = true;
      this.#send({ type: ACK, namespace: this.nsp.name, data: args, id });
    };
  }

  #awaited(): Acks {
    this.#acks ??= new Acks();
    return this.#acks;
  }

  #send(packet: Packet): void {
    this.client.send(this.nsp.encode(packet, true), false);
  }

  /** Keeps what it is for a client that may come back. */
  #persist(was: SocketState): void {
    const { id: sid, pid, rooms, data } = this;
    if (was === "connected" && pid !== undefined) {
      const offset = this.#offset;
      void this.adapter.persistSession({ sid, pid, rooms: new Set(rooms), data, offset });
    } else if (this.#restored !== undefined) {
      // It has gone again before the middleware let it in.
      void this.adapter.persistSession(this.#restored);
    }
  }

  #leave(): void {
    this.nsp.adapter.delAll(this.id);
    this.nsp.remove(this);
    this.client.leave(this.nsp.name);
  }
}
