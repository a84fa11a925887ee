// The client's end of one namespace: events both ways, acknowledgements, and what waits while there
// is no connection.
//
//   connect() ──▶ active: whenever there is a connection, it asks to join ── CONNECT ──▶ connected
//   refused, sent away, disconnect() ──▶ not active: it does not ask again by itself

import { CatchAll } from "../protocol/catch-all.ts";
import { AckTimeoutError, ArgumentTypeError, DisconnectedError } from "../protocol/errors.ts";
import {
  type AckValue,
  type AllButLast,
  callListener,
  type DefaultEventsMap,
  type EventArguments,
  type EventNames,
  isListener,
  type LastArgument,
  type Listener,
  type MessageArguments,
  type Untyped,
  type WithTimeout,
} from "../protocol/events.ts";
import {
  ACK,
  CONNECT,
  CONNECT_ERROR,
  type ConnectErrorData,
  DISCONNECT,
  EVENT,
  type EventData,
  type Packet,
  RESERVED_EVENTS,
} from "../protocol/socketio/packet.ts";
import { ClientEmitter } from "./emitter.ts";
import type { CloseReason } from "./engine.ts";
import type { AnyManager, ManagerOptions } from "./manager.ts";
import { type Flags, SocketEmitter } from "./socket-emitter.ts";
import type { DisconnectDetails } from "./transport.ts";

/** What a client says of itself when it joins: the same each time, or asked for each time. */
export type Auth =
  | Readonly<Record<string, unknown>>
  | ((callback: (data: Readonly<Record<string, unknown>>) => void) => void);

export interface SocketOptions {
  /** Says to the server who this is; the server finds it in `socket.handshake.auth`. */
  readonly auth?: Auth;
  /** Events are sent again until they are acknowledged, so many times; one after the other. */
  readonly retries?: number;
  /** Milliseconds that acknowledgements are awaited for. */
  readonly ackTimeout?: number;
}

/** Why a socket was disconnected. */
export type DisconnectReason = CloseReason | "io server disconnect" | "io client disconnect";

/** What a socket tells of itself. */
export interface SocketReservedEvents {
  connect: () => void;
  /** It could not join: the connection could not be made (it tries again), or the server has refused it (it does not). */
  connect_error: (error: Error) => void;
  disconnect: (reason: DisconnectReason, details?: DisconnectDetails) => void;
}

/** The server has refused a client; `data` is what its middleware has said. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly code = "ERR_REFUSED";
  readonly data: Untyped;

  constructor({ message, data }: ConnectErrorData) {
    super(message);
    this.data = data;
  }
}

/** An event that waits. */
export type EventPacket = Extract<Packet, { readonly type: typeof EVENT }>;

type AnyListener = (event: string, ...args: Untyped[]) => void;

/** Called once: with the arguments of an acknowledgement, or with an error. */
type AckCallback = (error: Error | null, args: readonly Untyped[]) => void;

interface Pending {
  readonly callback: AckCallback;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/** An event that is sent until it is acknowledged. */
interface Retried {
  readonly data: EventData;
  readonly callback: AckCallback | undefined;
  readonly timeout: number | undefined;
  tries: number;
  pending: boolean;
}

const DEFAULT_MAX_OFFLINE_BUFFER = 10_000;
const NO_FLAGS: Flags = {};
/** An event of its own, for its iterators. */
const END = "";

export class Socket<
  ListenEvents = DefaultEventsMap,
  EmitEvents = ListenEvents,
> extends ClientEmitter<ListenEvents & SocketReservedEvents> {
  /** The connection. */
  readonly io: AnyManager;
  readonly nsp: string;
  /** Read again with every attempt to join. */
  auth: Auth | undefined;
  /** The server's name for it, while it is connected. */
  id: string | undefined;
  /** It is in the namespace. */
  connected = false;
  /** What was missed while the connection was lost has come. */
  recovered = false;
  /** It wants to be in the namespace: it joins whenever there is a connection. */
  active = false;
  /** Events that wait for the connection, the oldest first. A program may empty it. */
  sendBuffer: EventPacket[] = [];
  /** Events that came before the socket was connected, and wait for that. */
  receiveBuffer: EventPacket[] = [];

  readonly #options: SocketOptions & ManagerOptions;
  readonly #maxOfflineBuffer: number;
  readonly #acks = new Map<number, Pending>();
  #ackId = 0;
  #retried: Retried[] = [];
  readonly #any = new CatchAll();
  readonly #anyOutgoing = new CatchAll();
  // Connection state recovery.
  #pid: string | undefined;
  #offset: string | undefined;

  /** @internal */
  constructor(io: AnyManager, namespace: string, options: SocketOptions & ManagerOptions = {}) {
    super();
    this.io = io;
    this.nsp = namespace;
    this.auth = options.auth;
    this.#options = options;
    this.#maxOfflineBuffer = options.maxOfflineBuffer ?? DEFAULT_MAX_OFFLINE_BUFFER;
  }

  /** The opposite of `connected`. */
  get disconnected(): boolean {
    return !this.connected;
  }

  /** Joins the namespace, and whenever the connection is made again. */
  connect(): this {
    const { active } = this;
    this.active = true;
    if (!this.io.connected) this.io.want();
    // Otherwise it has asked to join already.
    else if (!active) this.onOpen();
    return this;
  }

  /** The same as connect(). */
  open(): this {
    return this.connect();
  }

  /** Leaves the namespace; the connection ends with its last socket. */
  disconnect(): this {
    const was = this.connected;
    if (was) this.io.send({ type: DISCONNECT, namespace: this.nsp });
    this.#deactivate(was ? "io client disconnect" : undefined);
    return this;
  }

  /** The same as disconnect(). */
  close(): this {
    return this.disconnect();
  }

  /**
   * Sends an event; while there is no connection it waits. A function as the last argument is called
   * with what the server acknowledges it with.
   *
   * @throws TypeError for an event that only the protocol may send
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): this {
    this.emitWith(event, args, NO_FLAGS);
    return this;
  }

  /**
   * Sends an event and resolves to what the server acknowledges it with. Rejects with
   * DisconnectedError when the connection is lost first, and with AckTimeoutError after timeout().
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return this.ask(event, args, NO_FLAGS);
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    this.emitWith("message", args, NO_FLAGS);
    return this;
  }

  /** Drops the next event if it cannot be sent now. */
  get volatile(): SocketEmitter<EmitEvents> {
    return new SocketEmitter(this, { volatile: true });
  }

  /** Acknowledgements of the next event are awaited for so many milliseconds, and callbacks told of an error first. */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>> {
    return new SocketEmitter<EmitEvents>(this, NO_FLAGS).timeout(milliseconds);
  }

  /** For programs of socket.io-client: what is worth compressing is decided by the connection. */
  compress(_compress: boolean): this {
    return this;
  }

  /** Adds a listener for every event that comes, called before all others. */
  onAny(listener: AnyListener): this {
    this.#any.append(listener);
    return this;
  }

  /** onAny(), in front of those that are there. */
  prependAny(listener: AnyListener): this {
    this.#any.prepend(listener);
    return this;
  }

  /** Removes a listener of onAny(); without one, all. */
  offAny(listener?: AnyListener): this {
    this.#any.remove(listener);
    return this;
  }

  /** The listeners of onAny(). */
  listenersAny(): Listener[] {
    return this.#any.list();
  }

  /** Adds a listener for every event that is sent; acknowledgements are none. */
  onAnyOutgoing(listener: AnyListener): this {
    this.#anyOutgoing.append(listener);
    return this;
  }

  /** onAnyOutgoing(), in front of those that are there. */
  prependAnyOutgoing(listener: AnyListener): this {
    this.#anyOutgoing.prepend(listener);
    return this;
  }

  /** Removes a listener of onAnyOutgoing(); without one, all. */
  offAnyOutgoing(listener?: AnyListener): this {
    this.#anyOutgoing.remove(listener);
    return this;
  }

  /** The listeners of onAnyOutgoing(). */
  listenersAnyOutgoing(): Listener[] {
    return this.#anyOutgoing.list();
  }

  // What its emitters call.

  /** @internal */
  emitWith(event: string, given: readonly unknown[], flags: Flags): void {
    const last = given.at(-1);
    if (!isListener(last)) {
      this.#emit(event, given, flags);
      return;
    }
    const { timeout = this.#options.ackTimeout } = flags;
    this.#emit(event, given.slice(0, -1), flags, (error, args) => {
      if (timeout !== undefined) callListener(this, last, [error, ...args]);
      else if (error === null) callListener(this, last, args);
    });
  }

  /** @internal */
  ask<Value>(event: string, args: readonly unknown[], flags: Flags): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#emit(event, args, flags, (error, [value]) => {
        if (error === null) resolve(value);
        else reject(error);
      });
    });
  }

  #emit(event: string, args: readonly unknown[], flags: Flags, callback?: AckCallback): void {
    if (typeof event !== "string" && typeof event !== "number") {
      throw new ArgumentTypeError("the event has no name");
    }
    if (RESERVED_EVENTS.has(event)) {
      throw new ArgumentTypeError(`"${event}" is a reserved event name`);
    }
    const data: EventData = [event, ...args];
    const { timeout = this.#options.ackTimeout } = flags;
    if ((this.#options.retries ?? 0) > 0 && !flags.volatile) {
      this.#retried.push({ data, callback, timeout, tries: 0, pending: false });
      this.#retry();
    } else if (flags.volatile && !(this.connected && this.io.writable)) {
      if (callback !== undefined) queueMicrotask(() => callback(new DisconnectedError(), []));
    } else {
      this.#send(data, timeout, callback);
    }
  }

  #send(data: EventData, timeout: number | undefined, callback: AckCallback | undefined): void {
    const id = callback && this.#ackId++;
    const packet: EventPacket = { type: EVENT, namespace: this.nsp, data, id };
    // What cannot be encoded throws here, at the call, also where it has to wait.
    const messages = this.io.toMessages(packet);
    if (id !== undefined && callback !== undefined) this.#await(id, callback, timeout);
    if (this.connected && !this.io.overdue) this.#write(packet, messages);
    else this.#wait(packet);
  }

  #write(packet: EventPacket, messages = this.io.toMessages(packet)): void {
    this.#anyOutgoing.call(this, packet.data);
    this.io.sendAll(messages);
  }

  #wait(packet: EventPacket): void {
    this.sendBuffer.push(packet);
    if (this.sendBuffer.length <= this.#maxOfflineBuffer) return;
    const dropped = this.sendBuffer.shift();
    if (dropped?.id !== undefined) this.#settle(dropped.id, new DisconnectedError(), []);
  }

  // Acknowledgements.

  #await(id: number, callback: AckCallback, timeout: number | undefined): void {
    const onTimeout = (): void => {
      this.sendBuffer = this.sendBuffer.filter((each) => each.id !== id);
      this.#settle(id, new AckTimeoutError(), []);
    };
    const timer = timeout === undefined ? undefined : setTimeout(onTimeout, timeout);
    this.#acks.set(id, { callback, timer });
  }

  #settle(id: number, error: Error | null, args: readonly unknown[]): void {
    const pending = this.#acks.get(id);
    if (pending === undefined) return;
    this.#acks.delete(id);
    clearTimeout(pending.timer);
    pending.callback(error, args);
  }

  // Events that are sent until they are acknowledged, one at a time.

  #retry(): void {
    const [first] = this.#retried;
    if (first === undefined || !this.connected || first.pending) return;
    first.pending = true;
    first.tries++;
    this.#send(first.data, first.timeout, (error, args) => {
      if (this.#retried[0] !== first) return;
      first.pending = false;
      if (error !== null && first.tries <= (this.#options.retries ?? 0)) {
        this.#retry();
        return;
      }
      this.#retried.shift();
      first.callback?.(error, args);
      this.#retry();
    });
  }

  // What the manager calls.

  /** There is a connection. @internal */
  onOpen(): void {
    if (!this.active) return;
    const { engine } = this.io;
    let asked = false;
    const join = (data: Readonly<Record<string, unknown>>): void => {
      // Once, and on the connection for which it was asked.
      if (!asked && engine === this.io.engine) this.#join(data);
      asked = true;
    };
    if (typeof this.auth === "function") callListener(this, this.auth, [join]);
    else this.#join(this.auth);
  }

  #join(auth: Readonly<Record<string, unknown>> | undefined): void {
    if (!this.active || !this.io.connected) return;
    const session = { pid: this.#pid, offset: this.#offset };
    const data = this.#pid === undefined ? auth : { ...session, ...auth };
    this.io.send({ type: CONNECT, namespace: this.nsp, data });
  }

  /** @internal */
  onPacket(packet: Packet): void {
    if (!this.active) {
      // It was left before the server had let it in.
      if (packet.type === CONNECT) this.io.send({ type: DISCONNECT, namespace: this.nsp });
      return;
    }
    switch (packet.type) {
      case CONNECT:
        this.#onConnect(packet.data);
        break;
      case CONNECT_ERROR:
        this.#deactivate(undefined);
        this.dispatch("connect_error", [new RefusedError(packet.data)]);
        break;
      case DISCONNECT:
        this.#deactivate("io server disconnect");
        break;
      case ACK:
        this.#settle(packet.id, null, packet.data);
        break;
      case EVENT:
        if (this.connected) this.#onEvent(packet.data, packet.id);
        else this.receiveBuffer.push(packet);
    }
  }

  /** The connection could not be made. @internal */
  onError(error: Error): void {
    if (this.active && !this.connected) this.dispatch("connect_error", [error]);
  }

  /** The connection was lost. @internal */
  onClose(reason: DisconnectReason, details?: DisconnectDetails): void {
    const was = this.connected;
    this.connected = false;
    this.id = undefined;
    this.receiveBuffer = [];
    // Also where it had asked to join, and was not answered any more.
    if (was || this.active) this.dispatch("disconnect", [reason, details]);
    // What waits is sent with the next connection; the rest may have been received, or not.
    const waiting = new Set(this.sendBuffer.map(({ id }) => id));
    for (const id of [...this.#acks.keys()]) {
      if (!waiting.has(id)) this.#settle(id, new DisconnectedError(), []);
    }
  }

  #onConnect(data: object | undefined): void {
    const { sid, pid }: Readonly<Record<string, unknown>> = { ...data };
    if (typeof sid !== "string") {
      const message = "the server speaks Socket.IO 2.x or older, the client 3.x or newer";
      this.dispatch("connect_error", [new Error(message)]);
      return;
    }
    if (this.connected) return;
    this.id = sid;
    this.recovered = typeof pid === "string" && pid === this.#pid;
    this.#pid = typeof pid === "string" ? pid : undefined;
    if (!this.recovered) this.#offset = undefined;
    this.connected = true;
    const received = this.receiveBuffer;
    this.receiveBuffer = [];
    for (const packet of received) this.onPacket(packet);
    const waiting = this.sendBuffer;
    this.sendBuffer = [];
    for (const packet of waiting) this.#write(packet);
    for (const each of this.#retried) each.pending = false;
    this.#retry();
    if (this.connected) this.dispatch("connect", []);
  }

  #onEvent([name, ...args]: EventData, id: number | undefined): void {
    const offset = args.at(-1);
    if (this.#pid !== undefined && id === undefined && typeof offset === "string") {
      this.#offset = offset;
    }
    if (id !== undefined) args.push(this.#acknowledgement(id));
    this.#any.call(this, [`${name}`, ...args]);
    this.dispatch(`${name}`, args);
  }

  /** The function with which a listener answers, once. */
  #acknowledgement(id: number): Listener {
    let sent = false;
    const sid = this.id;
    return (...data) => {
      // Another session knows nothing of it.
      if (sent || sid !== this.id) return;
      sent = true;
      this.io.send({ type: ACK, namespace: this.nsp, data, id });
    };
  }

  /** It does not join any more by itself. */
  #deactivate(reason: DisconnectReason | undefined): void {
    this.active = false;
    if (reason !== undefined) this.onClose(reason);
    this.dispatch(END, []);
    this.io.release();
  }

  /** The events that come, one by one, until it is disconnected for good. */
  async *[Symbol.asyncIterator](): AsyncGenerator<[event: string, ...args: Untyped[]], void> {
    const events: [string, ...Untyped[]][] = [];
    let wake = (): void => {};
    const onEvent: AnyListener = (...event) => {
      events.push(event);
      wake();
    };
    const onEnd = (): void => wake();
    this.onAny(onEvent);
    this.insert(END, onEnd, false);
    try {
      while (this.active || events.length > 0) {
        yield* events.splice(0);
        if (!this.active || events.length > 0) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.offAny(onEvent);
      this.removeUntyped(END, onEnd);
    }
  }
}
