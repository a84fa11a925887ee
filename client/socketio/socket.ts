// The client's end of one namespace: events in both directions, acknowledgements, and the events that are
// buffered while there is no connection. joining.ts has the states.

import { type AckCallback, Acknowledgements } from "../../lib/events/acknowledgements.ts";
import { type AnyListener, CatchAll } from "../../lib/events/catch-all.ts";
import { ClientEmitter } from "../../lib/events/component-emitter.ts";
import {
  type AckValue,
  type AllButLast,
  callListener,
  type DefaultEventsMap,
  type EventArguments,
  type EventNames,
  type LastArgument,
  type Listener,
  type MessageArguments,
  type Untyped,
  type WithTimeout,
} from "../../lib/events/emitter.ts";
import { ArgumentTypeError, DisconnectedError } from "../../lib/events/errors.ts";
import {
  type EmitFlags,
  type EventSender,
  emitTo,
  request,
} from "../../lib/events/socket-emitter.ts";
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
} from "../../protocol/socketio/packet.ts";
import type { CloseReason } from "../engineio/engine.ts";
import type { DisconnectDetails } from "../engineio/transport.ts";
import { type JoiningEvent, type JoiningState, nextJoiningState } from "./joining.ts";
import type { AnyManager } from "./manager.ts";
import type { Auth, SocketOptions } from "./options.ts";
import { SocketEmitter } from "./socket-emitter.ts";

/** Why a socket was disconnected. */
export type DisconnectReason = CloseReason | "io server disconnect" | "io client disconnect";

/** What the program learns about a disconnection beside its reason. */
export type DisconnectDescription = Error | DisconnectDetails;

/** An error that may have `data` of the server's middleware. */
export interface ExtendedError extends Error {
  data?: Untyped;
}

/** The events that a socket emits by itself. */
export interface SocketReservedEvents {
  connect: () => void;
  /** It could not join: the connection could not be made (it tries again), or the server has refused it (it does not). */
  connect_error: (error: ExtendedError) => void;
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

/** An event that is sent until it is acknowledged. */
interface Retried {
  readonly data: EventData;
  readonly callback: AckCallback | undefined;
  readonly timeout: number | undefined;
  tries: number;
  pending: boolean;
}

const DEFAULT_MAX_OFFLINE_BUFFER = 10_000;
/** An event of its own, for its iterators. */
const END = "";

export class Socket<ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>
  extends ClientEmitter<ListenEvents & SocketReservedEvents>
  implements EventSender<EmitFlags>
{
  /** The connection. */
  readonly io: AnyManager;
  readonly nsp: string;
  /** Read again with every attempt to join. */
  auth: Auth | undefined;
  /** The server's name for it, while it is connected. */
  id: string | undefined;
  /** What was missed while the connection was lost has come. */
  recovered = false;
  /** Events that wait for the connection, the oldest first. A program may empty it. */
  sendBuffer: EventPacket[] = [];
  /** Events that came before the socket was connected, and wait for that. */
  receiveBuffer: EventPacket[] = [];

  private readonly options: SocketOptions;
  private readonly flags: EmitFlags;
  private readonly maxOfflineBuffer: number;
  private readonly acks = new Acknowledgements((id) => {
    this.sendBuffer = this.sendBuffer.filter((each) => each.id !== id);
  });
  private ackId = 0;
  private retried: Retried[] = [];
  private readonly any = new CatchAll();
  private readonly anyOutgoing = new CatchAll();
  private state: JoiningState = "inactive";
  // How often the program was asked for `auth`: an answer counts only if nothing was asked since.
  private asked = 0;
  // Connection state recovery.
  private pid: string | undefined;
  private offset: string | undefined;

  /** @internal */
  constructor(io: AnyManager, namespace: string, options: SocketOptions = {}) {
    super();
    this.io = io;
    this.nsp = namespace;
    this.auth = options.auth;
    this.options = options;
    this.flags = options.ackTimeout === undefined ? {} : { timeout: options.ackTimeout };
    this.maxOfflineBuffer = io.opts.maxOfflineBuffer ?? DEFAULT_MAX_OFFLINE_BUFFER;
  }

  /** Whether the socket is in the namespace. */
  get connected(): boolean {
    return this.state === "connected";
  }

  /** Whether the socket joins the namespace whenever there is a connection. */
  get active(): boolean {
    return this.state !== "inactive";
  }

  /** The opposite of `connected`. */
  get disconnected(): boolean {
    return !this.connected;
  }

  /** Joins the namespace, now and whenever the manager has connected again. */
  connect(): this {
    this.advance("connect");
    if (this.io.connected) this.onOpen();
    else this.io.want();
    return this;
  }

  /** The same as connect(). */
  open(): this {
    return this.connect();
  }

  /** Leaves the namespace. The manager closes the connection when its last socket has left. */
  disconnect(): this {
    if (this.connected) this.io.send({ type: DISCONNECT, namespace: this.nsp });
    this.leave("io client disconnect");
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
    emitTo(this, event, args, this.flags);
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
    return request(this, event, args, this.flags);
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    emitTo(this, "message", args, this.flags);
    return this;
  }

  /** Drops the next event if it cannot be sent now. */
  get volatile(): SocketEmitter<EmitEvents> {
    return new SocketEmitter(this, { ...this.flags, volatile: true });
  }

  /** Acknowledgements of the next event are awaited for so many milliseconds, and callbacks told of an error first. */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>> {
    return new SocketEmitter<EmitEvents>(this, this.flags).timeout(milliseconds);
  }

  /** For programs of socket.io-client: what is worth compressing is decided by the connection. */
  compress(_compress: boolean): this {
    return this;
  }

  /** Adds a listener for every event that comes, called before all others. */
  onAny(listener: AnyListener): this {
    this.any.append(listener);
    return this;
  }

  /** onAny(), in front of those that are there. */
  prependAny(listener: AnyListener): this {
    this.any.prepend(listener);
    return this;
  }

  /** Removes a listener of onAny(); without one, all. */
  offAny(listener?: AnyListener): this {
    this.any.remove(listener);
    return this;
  }

  /** The listeners of onAny(). */
  listenersAny(): Listener[] {
    return this.any.list();
  }

  /** Adds a listener for every event that is sent; acknowledgements are none. */
  onAnyOutgoing(listener: AnyListener): this {
    this.anyOutgoing.append(listener);
    return this;
  }

  /** onAnyOutgoing(), in front of those that are there. */
  prependAnyOutgoing(listener: AnyListener): this {
    this.anyOutgoing.prepend(listener);
    return this;
  }

  /** Removes a listener of onAnyOutgoing(); without one, all. */
  offAnyOutgoing(listener?: AnyListener): this {
    this.anyOutgoing.remove(listener);
    return this;
  }

  /** The listeners of onAnyOutgoing(). */
  listenersAnyOutgoing(): Listener[] {
    return this.anyOutgoing.list();
  }

  // What its emitters call.

  /** @internal */
  sendEvent(
    event: string,
    args: readonly unknown[],
    flags: EmitFlags,
    callback?: AckCallback,
  ): void {
    if (typeof event !== "string" && typeof event !== "number") {
      throw new ArgumentTypeError("the event has no name");
    }
    if (RESERVED_EVENTS.has(event)) {
      throw new ArgumentTypeError(`"${event}" is a reserved event name`);
    }
    const data: EventData = [event, ...args];
    const { timeout } = flags;
    if ((this.options.retries ?? 0) > 0 && !flags.volatile) {
      this.retried.push({ data, callback, timeout, tries: 0, pending: false });
      this.retry();
    } else if (flags.volatile && !(this.connected && this.io.writable)) {
      if (callback !== undefined) queueMicrotask(() => callback(new DisconnectedError(), []));
    } else {
      this.sendOrWait(data, timeout, callback);
    }
  }

  private sendOrWait(
    data: EventData,
    timeout: number | undefined,
    callback: AckCallback | undefined,
  ): void {
    const id = callback && this.ackId++;
    const packet: EventPacket = { type: EVENT, namespace: this.nsp, data, id };
    // What cannot be encoded throws here, at the call, also where it has to wait.
    const messages = this.io.toMessages(packet);
    if (id !== undefined && callback !== undefined) this.acks.await(id, callback, timeout);
    if (this.connected && !this.io.overdue) this.write(packet, messages);
    else this.wait(packet);
  }

  private write(packet: EventPacket, messages = this.io.toMessages(packet)): void {
    const { id } = this;
    this.anyOutgoing.call(this, packet.data);
    // A listener may disconnect. The server ends a connection on which an event comes for a namespace
    // that the client has left.
    if (this.id === id) this.io.sendAll(messages);
    else this.wait(packet);
  }

  private wait(packet: EventPacket): void {
    this.sendBuffer.push(packet);
    if (this.sendBuffer.length <= this.maxOfflineBuffer) return;
    const dropped = this.sendBuffer.shift();
    if (dropped?.id !== undefined) this.acks.fail(dropped.id, new DisconnectedError());
  }

  // Events that are sent until they are acknowledged, one at a time.

  private retry(): void {
    const [first] = this.retried;
    if (first === undefined || !this.connected || first.pending) return;
    first.pending = true;
    first.tries++;
    this.sendOrWait(first.data, first.timeout, (error, args) => {
      if (this.retried[0] !== first) return;
      first.pending = false;
      if (error !== null && first.tries <= (this.options.retries ?? 0)) {
        this.retry();
        return;
      }
      this.retried.shift();
      first.callback?.(error, args);
      this.retry();
    });
  }

  // What the manager calls.

  /** Joins the namespace if the socket is waiting for a connection and there is one. @internal */
  onOpen(): void {
    if (!this.io.connected || !this.advance("ask")) return;
    this.asked++;
    const { asked } = this;
    const join = (data: Readonly<Record<string, unknown>>): void => {
      // `auth` may answer twice, or after the socket has left or lost the connection.
      if (asked === this.asked) this.join(data);
    };
    if (typeof this.auth === "function") callListener(this, this.auth, [join]);
    else this.join(this.auth);
  }

  private join(auth: Readonly<Record<string, unknown>> | undefined): void {
    if (!this.advance("join")) return;
    const session = { pid: this.pid, offset: this.offset };
    const data = this.pid === undefined ? auth : { ...session, ...auth };
    this.io.send({ type: CONNECT, namespace: this.nsp, data });
  }

  /** @internal */
  onPacket(packet: Packet): void {
    if (!this.active) {
      // The program has disconnected the socket before the server answered.
      if (packet.type === CONNECT) this.io.send({ type: DISCONNECT, namespace: this.nsp });
      return;
    }
    switch (packet.type) {
      case CONNECT:
        this.onConnect(packet.data);
        break;
      case CONNECT_ERROR:
        this.leave("io server disconnect");
        this.dispatch("connect_error", [new RefusedError(packet.data)]);
        break;
      case DISCONNECT:
        this.leave("io server disconnect");
        break;
      case ACK:
        this.acks.receive(packet.id, packet.data);
        break;
      case EVENT:
        if (this.connected) this.onEvent(packet.data, packet.id);
        else this.receiveBuffer.push(packet);
    }
  }

  /** The connection could not be made. @internal */
  onError(error: Error): void {
    if (this.active && !this.connected) this.dispatch("connect_error", [error]);
  }

  /** The connection was lost. @internal */
  onClose(reason: DisconnectReason, details?: DisconnectDetails): void {
    if (!this.active) return;
    this.advance("lost");
    this.onDisconnected(reason, details);
  }

  private onDisconnected(reason: DisconnectReason, details?: DisconnectDetails): void {
    this.id = undefined;
    this.receiveBuffer = [];
    this.dispatch("disconnect", [reason, details]);
    // Buffered events are sent with the next connection. The server may have received the others, or not.
    this.acks.disconnect(new Set(this.sendBuffer.map(({ id }) => id)));
  }

  private onConnect(data: object | undefined): void {
    const { sid, pid }: Readonly<Record<string, unknown>> = { ...data };
    if (typeof sid !== "string") {
      const message = "the server speaks Socket.IO 2.x or older, the client 3.x or newer";
      this.dispatch("connect_error", [new Error(message)]);
      return;
    }
    if (this.connected) return;
    this.id = sid;
    this.recovered = typeof pid === "string" && pid === this.pid;
    this.pid = typeof pid === "string" ? pid : undefined;
    if (!this.recovered) this.offset = undefined;
    this.advance("accept");
    const received = this.receiveBuffer;
    this.receiveBuffer = [];
    for (const packet of received) {
      // A listener may disconnect: what is left was for this session alone.
      if (this.id === sid) this.onPacket(packet);
    }
    const waiting = this.sendBuffer;
    this.sendBuffer = [];
    for (const packet of waiting) {
      if (this.id === sid) this.write(packet);
      else this.sendBuffer.push(packet);
    }
    for (const each of this.retried) each.pending = false;
    this.retry();
    if (this.id === sid) this.dispatch("connect", []);
  }

  private onEvent([name, ...args]: EventData, id: number | undefined): void {
    const offset = args.at(-1);
    if (this.pid !== undefined && id === undefined && typeof offset === "string") {
      this.offset = offset;
    }
    if (id !== undefined) args.push(this.acknowledgement(id));
    this.any.call(this, [`${name}`, ...args]);
    this.dispatch(`${name}`, args);
  }

  /** The function with which a listener answers, once. */
  private acknowledgement(id: number): Listener {
    let sent = false;
    const sid = this.id;
    return (...data) => {
      // Another session knows nothing of it.
      if (sent || sid !== this.id) return;
      sent = true;
      this.io.send({ type: ACK, namespace: this.nsp, data, id });
    };
  }

  /** Leaves the namespace. A socket that was not connected emits no "disconnect". */
  private leave(reason: DisconnectReason): void {
    const { connected } = this;
    this.advance("leave");
    this.receiveBuffer = [];
    if (connected) this.onDisconnected(reason);
    this.dispatch(END, []);
    this.io.release();
  }

  /** Changes the state. Returns false where the event cannot happen in this state. */
  private advance(event: JoiningEvent): boolean {
    const next = nextJoiningState(this.state, event);
    if (next !== undefined) this.state = next;
    return next !== undefined;
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

/** Types of the class, by the names that programs for socket.io-client use. */
export declare namespace Socket {
  export type { DisconnectReason };
}
