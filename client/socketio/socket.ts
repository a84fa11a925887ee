// The client's socket in one namespace. Sends and receives events and acknowledgements, and buffers events while there
// is no connection. joining.ts defines the states of a socket.

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
import { invalidOption } from "../../lib/events/option-mistakes.ts";
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

/**
 * Why a socket was disconnected:
 * - "io server disconnect": the server disconnected or refused the client.
 * - "io client disconnect": the program called disconnect().
 * - all other reasons: the connection was closed.
 */
export type DisconnectReason = CloseReason | "io server disconnect" | "io client disconnect";

/** The second argument of a "disconnect" listener. */
export type DisconnectDescription = Error | DisconnectDetails;

/** The error of a "connect_error" event. */
export interface ExtendedError extends Error {
  /**
   * The `data` of the error that the server's middleware passed to next(). Missing if the server did not refuse
   * the client.
   */
  data?: Untyped;
}

/** The events that a socket emits in addition to the events that it receives. */
export interface SocketReservedEvents {
  /** Emitted when the socket has joined the namespace, also after a reconnection. */
  connect: () => void;
  /**
   * Emitted when the connection cannot be opened, or when the server refuses the client. After a refusal, the socket
   * does not try again.
   *
   * @param error the cause, a RefusedError if the server refuses the client
   */
  connect_error: (error: ExtendedError) => void;
  /**
   * Emitted when the socket is disconnected.
   *
   * @param reason why the socket was disconnected
   * @param details further details, if the connection was lost
   */
  disconnect: (reason: DisconnectReason, details?: DisconnectDetails) => void;
}

/** Emitted as "connect_error" if the server refuses the client. */
export class RefusedError extends Error {
  /** The name of the class. */
  override readonly name = "RefusedError";
  /** Identifies this kind of error. */
  readonly code = "ERR_REFUSED";
  /** The `data` of the error that the server's middleware passed to next(). */
  readonly data: Untyped;

  /** @internal */
  constructor({ message, data }: ConnectErrorData) {
    super(message);
    this.data = data;
  }
}

/** A buffered event. */
export type EventPacket = Extract<Packet, { readonly type: typeof EVENT }>;

/** An event that is sent again if the server does not acknowledge it (option `retries`). */
interface Retried {
  readonly data: EventData;
  readonly callback: AckCallback | undefined;
  readonly timeout: number | undefined;
  tries: number;
  pending: boolean;
}

const DEFAULT_MAX_OFFLINE_BUFFER = 10_000;
/** A private event that ends the iterators of a socket. */
const END = "";

/**
 * The client's socket in one namespace. Created by io() or Manager.socket().
 *
 * @typeParam ListenEvents the events that the server sends, with their listeners
 * @typeParam EmitEvents the events that the client sends, with their listeners
 */
export class Socket<ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>
  extends ClientEmitter<ListenEvents & SocketReservedEvents>
  implements EventSender<EmitFlags>
{
  /** The manager of the connection. */
  readonly io: AnyManager;
  /** The name of the namespace, such as "/chat". */
  readonly nsp: string;
  /** The data that authenticates the client. A change applies from the next attempt to join the namespace. */
  auth: Auth | undefined;
  /** The id of the socket on the server. `undefined` while the socket is not connected. */
  id: string | undefined;
  /**
   * Whether the server has recovered the socket's state after the last reconnection, and has sent the missed
   * packets.
   */
  recovered = false;
  /** Events that are buffered until the socket is connected, the oldest first. The program may clear the list. */
  sendBuffer: EventPacket[] = [];
  /** Events that were received before the socket was connected. They are emitted when the socket is connected. */
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
  // The number of attempts to join the namespace. Data that `auth` passes for an earlier attempt is ignored.
  private asked = 0;
  // The private id of the session and the offset of the last received packet, for connection state recovery.
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

  /** Whether the socket has joined the namespace. */
  get connected(): boolean {
    return this.state === "connected";
  }

  /** Whether the socket is connected, or will join the namespace when there is a connection. */
  get active(): boolean {
    return this.state !== "inactive";
  }

  /** The opposite of `connected`. */
  get disconnected(): boolean {
    return !this.connected;
  }

  /**
   * Joins the namespace, now and after each reconnection. Opens the connection if necessary.
   *
   * @example
   * const socket = io("http://localhost:3000", { autoConnect: false });
   * socket.connect();
   */
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

  /**
   * Leaves the namespace. The socket does not reconnect. The connection is closed if the manager has no other active
   * socket.
   *
   * @example
   * socket.disconnect();
   */
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
   * Sends an event. The event is buffered while the socket is not connected. If the last argument is a function, it is
   * called with the arguments of the acknowledgement.
   *
   * @param event the event's name
   * @param args the event's arguments
   * @throws TypeError if the event name is reserved, or is neither a string nor a number
   *
   * @example
   * socket.emit("chat", "hello", (id: number) => console.log(`stored as ${id}`));
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): this {
    emitTo(this, event, args, this.flags);
    return this;
  }

  /**
   * Sends an event and awaits its acknowledgement.
   *
   * @param event the event's name
   * @param args the event's arguments
   * @returns a promise that resolves to the first argument of the acknowledgement. It rejects with a DisconnectedError
   * if the connection is lost before the acknowledgement, and with an AckTimeoutError after the timeout of timeout() or
   * of the option `ackTimeout`
   *
   * @example
   * const id: unknown = await socket.emitWithAck("chat", "hello");
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return request(this, event, args, this.flags);
  }

  /**
   * Sends a "message" event with these arguments.
   *
   * @param args the event's arguments
   *
   * @example
   * socket.send("hello");
   */
  send(...args: MessageArguments<EmitEvents>): this {
    emitTo(this, "message", args, this.flags);
    return this;
  }

  /**
   * Drops the next event if it cannot be sent at once.
   *
   * @example
   * socket.volatile.emit("position", { x: 1, y: 2 });
   */
  get volatile(): SocketEmitter<EmitEvents> {
    return new SocketEmitter(this, { ...this.flags, volatile: true });
  }

  /**
   * Sets how long to wait for the acknowledgement of the next event. The callback receives an error, or `null`, as its
   * first argument.
   *
   * @param milliseconds the timeout, in milliseconds
   * @throws TypeError if `milliseconds` is not a number
   * @throws RangeError if `milliseconds` is not from 0 to 2,147,483,647
   *
   * @example
   * socket.timeout(5000).emit("chat", "hello", (error: Error | null, id?: number) => {
   *   console.log(error ?? `stored as ${id}`);
   * });
   */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>> {
    return new SocketEmitter<EmitEvents>(this, this.flags).timeout(milliseconds);
  }

  /**
   * Does nothing. Exists for programs written for socket.io-client. The connection decides which messages to
   * compress.
   *
   * @param _compress ignored
   */
  compress(_compress: boolean): this {
    return this;
  }

  /**
   * Adds a listener for all received events. The listener is called before the listeners of the event.
   *
   * @param listener called with the event's name and arguments
   * @throws TypeError if `listener` is not a function
   *
   * @example
   * socket.onAny((event, ...args) => console.log(event, args));
   */
  onAny(listener: AnyListener): this {
    this.any.append(listener);
    return this;
  }

  /**
   * Adds a listener as onAny() does, but before the existing listeners of onAny().
   *
   * @param listener called with the event's name and arguments
   */
  prependAny(listener: AnyListener): this {
    this.any.prepend(listener);
    return this;
  }

  /**
   * Removes a listener of onAny().
   *
   * @param listener the listener to remove. Default: all listeners
   */
  offAny(listener?: AnyListener): this {
    this.any.remove(listener);
    return this;
  }

  /** Returns the listeners of onAny(). */
  listenersAny(): Listener[] {
    return this.any.list();
  }

  /**
   * Adds a listener for all sent events. The listener is not called for acknowledgements.
   *
   * @param listener called with the event's name and arguments
   * @throws TypeError if `listener` is not a function
   *
   * @example
   * socket.onAnyOutgoing((event, ...args) => console.log(event, args));
   */
  onAnyOutgoing(listener: AnyListener): this {
    this.anyOutgoing.append(listener);
    return this;
  }

  /**
   * Adds a listener as onAnyOutgoing() does, but before the existing listeners of onAnyOutgoing().
   *
   * @param listener called with the event's name and arguments
   */
  prependAnyOutgoing(listener: AnyListener): this {
    this.anyOutgoing.prepend(listener);
    return this;
  }

  /**
   * Removes a listener of onAnyOutgoing().
   *
   * @param listener the listener to remove. Default: all listeners
   */
  offAnyOutgoing(listener?: AnyListener): this {
    this.anyOutgoing.remove(listener);
    return this;
  }

  /** Returns the listeners of onAnyOutgoing(). */
  listenersAnyOutgoing(): Listener[] {
    return this.anyOutgoing.list();
  }

  // The emitters with flags call the method sendEvent().

  /** @internal */
  sendEvent(
    event: string,
    args: readonly unknown[],
    flags: EmitFlags,
    callback?: AckCallback,
  ): void {
    if (typeof event !== "string" && typeof event !== "number") {
      throw new ArgumentTypeError(invalidOption("the event name", "a string or a number", event));
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
    // The packet is encoded even if it will be buffered, so that emit() throws if an argument cannot be encoded.
    const messages = this.io.toMessages(packet);
    if (id !== undefined && callback !== undefined) this.acks.await(id, callback, timeout);
    if (this.connected && !this.io.overdue) this.write(packet, messages);
    else this.wait(packet);
  }

  private write(packet: EventPacket, messages = this.io.toMessages(packet)): void {
    const { id } = this;
    this.anyOutgoing.call(this, packet.data);
    // A listener of onAnyOutgoing() may have disconnected the socket. If the client sent an event to a namespace that
    // it has left, the server would close the connection.
    if (this.id === id) this.io.sendAll(messages);
    else this.wait(packet);
  }

  private wait(packet: EventPacket): void {
    this.sendBuffer.push(packet);
    if (this.sendBuffer.length <= this.maxOfflineBuffer) return;
    const dropped = this.sendBuffer.shift();
    if (dropped?.id !== undefined) this.acks.fail(dropped.id, new DisconnectedError());
  }

  // The method below implements the option `retries`: events are sent one at a time, and each event is sent again until
  // the server acknowledges the event or the retries are used up.

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

  // The manager calls the methods below that are not private.

  /** Joins the namespace if the socket is in the state `waiting` and the manager is connected. @internal */
  onOpen(): void {
    if (!this.io.connected || !this.advance("ask")) return;
    this.asked++;
    const { asked } = this;
    const join = (data: Readonly<Record<string, unknown>>): void => {
      // The function `auth` may call its callback twice, or after the socket has left the namespace or lost the
      // connection. Such a call is ignored.
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
      // The program disconnected the socket before the server accepted the socket.
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

  /** Called when the connection could not be opened. @internal */
  onError(error: Error): void {
    if (this.active && !this.connected) this.dispatch("connect_error", [error]);
  }

  /** Called when the connection is closed. @internal */
  onClose(reason: DisconnectReason, details?: DisconnectDetails): void {
    if (!this.active) return;
    this.advance("lost");
    this.onDisconnected(reason, details);
  }

  private onDisconnected(reason: DisconnectReason, details?: DisconnectDetails): void {
    this.id = undefined;
    this.receiveBuffer = [];
    this.dispatch("disconnect", [reason, details]);
    // The acknowledgements of buffered events stay pending, because these events are sent over the next connection. All
    // other acknowledgements fail, because nobody knows whether the server has received their events.
    this.acks.disconnect(new Set(this.sendBuffer.map(({ id }) => id)));
  }

  private onConnect(data: object | undefined): void {
    const { sid, pid }: Readonly<Record<string, unknown>> = { ...data };
    if (typeof sid !== "string") {
      const message = "the server uses Socket.IO 2.x or older, the client 3.x or newer";
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
      // A listener of an earlier event may have disconnected the socket. Then the remaining events are dropped, because
      // they belong to the ended connection.
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

  /** Returns the function with which a listener acknowledges an event, at most once. */
  private acknowledgement(id: number): Listener {
    let sent = false;
    const sid = this.id;
    return (...data) => {
      // After a reconnection, the server no longer awaits this acknowledgement.
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

  /** Changes the state. Returns `false` if the event cannot happen in the current state. */
  private advance(event: JoiningEvent): boolean {
    const next = nextJoiningState(this.state, event);
    if (next !== undefined) this.state = next;
    return next !== undefined;
  }

  /**
   * Yields the received events in order, until the socket leaves the namespace. A lost connection does not end the
   * iteration.
   *
   * @example
   * for await (const [event, ...args] of socket) console.log(event, args);
   */
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

/** Types that are members of the class, as in socket.io-client. */
export declare namespace Socket {
  export type { DisconnectReason };
}
