// Manages the connection that the sockets of several namespaces share, and reconnects. reconnection.ts defines the
// states of the connection.

import { ClientEmitter } from "../../lib/events/component-emitter.ts";
import { callListener, type DefaultEventsMap, type Untyped } from "../../lib/events/emitter.ts";
import { type PacketCodec, type PacketDecoder, parserCodec } from "../../lib/events/parser.ts";
import type { Bytes } from "../../protocol/bytes.ts";
import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import type { Packet } from "../../protocol/socketio/packet.ts";
import { type CloseReason, Engine, type EngineSink } from "../engineio/engine.ts";
import type { DisconnectDetails } from "../engineio/transport.ts";
import type { Platform } from "../platform/platform.ts";
import { parseAddress } from "./address.ts";
import { delayBefore } from "./backoff.ts";
import {
  CLIENT_OPTIONS,
  checkClientOptions,
  type ManagerOptions,
  type SocketOptions,
} from "./options.ts";
import {
  type ConnectionEvent,
  type ConnectionState,
  isConnecting,
  isReconnecting,
  nextConnectionState,
} from "./reconnection.ts";
import { Socket } from "./socket.ts";

/** The events that a manager emits. */
export interface ManagerEvents {
  /** Emitted when the connection is open. */
  open: () => void;
  /**
   * Emitted when the connection cannot be opened.
   *
   * @param error the cause
   */
  error: (error: Error) => void;
  /** Emitted when a ping of the server is received. Engine.IO "Heartbeat". */
  ping: () => void;
  /**
   * Emitted when a Socket.IO packet is received, for any namespace.
   *
   * @param packet the decoded packet
   */
  packet: (packet: Packet) => void;
  /**
   * Emitted when the connection is closed.
   *
   * @param reason why the connection was closed
   * @param details further details, if the connection was lost
   */
  close: (reason: CloseReason, details?: DisconnectDetails) => void;
  /**
   * Emitted before an attempt to reconnect.
   *
   * @param attempt the number of the attempt, from 1
   */
  reconnect_attempt: (attempt: number) => void;
  /**
   * Emitted when the manager has reconnected.
   *
   * @param attempt the number of the successful attempt, from 1
   */
  reconnect: (attempt: number) => void;
  /**
   * Emitted when an attempt to reconnect fails.
   *
   * @param error the cause
   */
  reconnect_error: (error: Error) => void;
  /** Emitted when all attempts to reconnect have failed (option `reconnectionAttempts`). */
  reconnect_failed: () => void;
}

/** `Options` with writable properties. */
export type Changeable<Options> = { -readonly [Name in keyof Options]: Options[Name] };

/** The members of a socket that its manager uses. */
interface ManagedSocket {
  readonly active: boolean;
  connect(): unknown;
  onOpen(): void;
  onPacket(packet: Packet): void;
  onError(error: Error): void;
  onClose(reason: CloseReason, details?: DisconnectDetails): void;
}

/** The names of the options that methods of the manager can change. */
const SETTINGS = [
  "reconnection",
  "reconnectionAttempts",
  "reconnectionDelay",
  "reconnectionDelayMax",
  "randomizationFactor",
  "timeout",
] as const;

/** The values of the options in SETTINGS. */
type Settings = Changeable<Required<Pick<ManagerOptions, (typeof SETTINGS)[number]>>>;

const DEFAULTS: Readonly<Settings> = {
  reconnection: true,
  reconnectionAttempts: Number.POSITIVE_INFINITY,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  randomizationFactor: 0.5,
  timeout: 20_000,
};

/**
 * Manages the connection to a server, which the sockets of several namespaces share. The classes Manager of Node and of
 * browsers extend this class.
 */
export class AnyManager extends ClientEmitter<ManagerEvents> implements EngineSink {
  /** The options passed to the constructor. Changes apply from the next connection. */
  readonly opts: Changeable<ManagerOptions>;
  private readonly platform: Platform;
  private readonly server: URL;
  private readonly codec: PacketCodec;
  private readonly sockets = new Map<string, ManagedSocket>();
  private decoder: PacketDecoder | undefined;
  private currentEngine: Engine | undefined;
  private state: ConnectionState = "closed";
  private openCallback: ((error?: Error) => void) | undefined;
  private timeoutTimer: ReturnType<typeof setTimeout> | undefined;
  private stopWatching: (() => void) | undefined;

  // The settings and the progress of the reconnection.
  private readonly settings: Settings = { ...DEFAULTS };
  private attempt = 0;
  private reconnectTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param base the URL of the page, which completes `url`
   * @param url the URL of the server, or the options
   * @throws TypeError if the URL or an option is invalid
   * @internal
   */
  constructor(
    platform: Platform,
    base: string | undefined,
    url: string | URL | ManagerOptions = "",
    more: ManagerOptions = {},
  ) {
    super();
    const isUrl = typeof url === "string" || url instanceof URL;
    const options = isUrl ? more : url;
    checkClientOptions(options, platform.options);
    this.opts = options;
    this.platform = platform;
    this.server = parseAddress(isUrl ? `${url}` : "", base, options).url;
    this.codec =
      options.parser === undefined
        ? platform.codec(options)
        : parserCodec(options.parser, SERVER_LIMITS);
    for (const name of SETTINGS) this.setting(name, options[name]);
    if (options.autoConnect !== false) this.open();
  }

  /** The current connection. Each reconnection replaces it. `undefined` before the first call of open(). */
  get engine(): Engine {
    // The type has no `undefined`, as in socket.io-client. Only programs with `autoConnect: false` can read
    // `undefined`.
    const engine: Untyped = this.currentEngine;
    return engine;
  }

  /** Returns whether the manager reconnects if the connection is lost. */
  reconnection(): boolean;
  /**
   * Sets whether the manager reconnects.
   *
   * @param reconnection `false` also ends a pending reconnection
   *
   * @example
   * manager.reconnection(false);
   */
  reconnection(reconnection: boolean): this;
  reconnection(reconnection?: boolean): boolean | this {
    if (reconnection === false) this.advance("stop");
    return this.setting("reconnection", reconnection);
  }

  /** Returns the largest number of attempts to reconnect. */
  reconnectionAttempts(): number;
  /**
   * Sets the largest number of attempts to reconnect.
   *
   * @param attempts `Infinity` for no limit. 0 means the default, `Infinity`
   *
   * @example
   * manager.reconnectionAttempts(10);
   */
  reconnectionAttempts(attempts: number): this;
  reconnectionAttempts(attempts?: number): number | this {
    return this.setting("reconnectionAttempts", attempts);
  }

  /** Returns the delay before the first attempt to reconnect, in milliseconds. */
  reconnectionDelay(): number;
  /**
   * Sets the delay before the first attempt to reconnect. The delay doubles with each attempt.
   *
   * @param milliseconds the delay, in milliseconds. 0 means the default, 1,000
   *
   * @example
   * manager.reconnectionDelay(500);
   */
  reconnectionDelay(milliseconds: number): this;
  reconnectionDelay(milliseconds?: number): number | this {
    return this.setting("reconnectionDelay", milliseconds);
  }

  /** Returns the longest delay before an attempt to reconnect, in milliseconds. */
  reconnectionDelayMax(): number;
  /**
   * Sets the longest delay before an attempt to reconnect.
   *
   * @param milliseconds the delay, in milliseconds. 0 means the default, 5,000
   *
   * @example
   * manager.reconnectionDelayMax(10_000);
   */
  reconnectionDelayMax(milliseconds: number): this;
  reconnectionDelayMax(milliseconds?: number): number | this {
    return this.setting("reconnectionDelayMax", milliseconds);
  }

  /** Returns the largest random change of a delay, as a fraction of the delay. */
  randomizationFactor(): number;
  /**
   * Sets the largest random change of a delay.
   *
   * @param factor a fraction of the delay, from 0 to 1
   *
   * @example
   * manager.randomizationFactor(0.2);
   */
  randomizationFactor(factor: number): this;
  randomizationFactor(factor?: number): number | this {
    return this.setting("randomizationFactor", factor);
  }

  /** Returns how long a connection may take to open, in milliseconds. `false` means no limit. */
  timeout(): number | false;
  /**
   * Sets how long a connection may take to open.
   *
   * @param milliseconds the timeout, in milliseconds. `false` means no limit. 0 means the default, 20,000
   *
   * @example
   * manager.timeout(5000);
   */
  timeout(milliseconds: number | false): this;
  timeout(milliseconds?: number | false): number | false | this {
    return this.setting("timeout", milliseconds);
  }

  private setting<Name extends keyof Settings>(
    name: Name,
    value: Settings[Name] | undefined,
  ): Settings[Name] | this {
    if (value === undefined) return this.settings[name];
    CLIENT_OPTIONS[name](value, name);
    // 0 is replaced by the default. With a delay of 0, the client would try to connect again and again without a pause.
    const none = name !== "randomizationFactor" && typeof value === "number" && !(value > 0);
    this.settings[name] = none ? DEFAULTS[name] : value;
    return this;
  }

  /**
   * Opens the connection. Does nothing if the connection is open or being opened.
   *
   * @param callback called once, with an error if the connection cannot be opened. If a callback is passed and the
   * attempt fails, the manager makes no further attempt, unless the failed attempt was part of a reconnection. Default:
   * none
   *
   * @example
   * manager.open((error) => console.log(error ?? "connected"));
   */
  open(callback?: (error?: Error) => void): this {
    if (!this.advance("attempt")) return this;
    this.openCallback = callback;
    this.decoder = this.codec.createDecoder();
    const engine = new Engine(this.platform, this.server, { ...this.opts }, this);
    this.currentEngine = engine;
    const { timeout } = this.settings;
    // The engine may fail, and call onClose(), before its constructor returns. Then the manager no longer waits for the
    // connection.
    if (timeout !== false && isConnecting(this.state)) {
      this.timeoutTimer = this.timer(() => this.onFailed(new Error("timeout")), timeout);
    }
    return this;
  }

  /**
   * The same as open().
   *
   * @param callback called once, with an error if the connection cannot be opened. Default: none
   */
  connect(callback?: (error?: Error) => void): this {
    return this.open(callback);
  }

  /**
   * Returns the socket of a namespace, creating it if necessary.
   *
   * @param namespace the name of the namespace, such as "/chat"
   * @param options the options of a new socket. Ignored if the socket exists. Default: none
   * @throws TypeError if an option is invalid
   *
   * @example
   * const chat = manager.socket("/chat", { auth: { token: "secret" } });
   */
  socket<ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    namespace: string,
    options: SocketOptions = {},
  ): Socket<ListenEvents, EmitEvents> {
    checkClientOptions(options, this.platform.options);
    const known = this.sockets.get(namespace);
    if (known !== undefined) {
      if (this.opts.autoConnect !== false && !known.active) known.connect();
      // The compiler cannot check whether this caller declares the same event types as the caller that created the
      // socket.
      const socket: Untyped = known;
      return socket;
    }
    const socket = new Socket<ListenEvents, EmitEvents>(this, namespace, options);
    this.sockets.set(namespace, socket);
    if (this.opts.autoConnect !== false) socket.connect();
    return socket;
  }

  // The sockets call the methods below.

  /** @internal */
  get connected(): boolean {
    return this.state === "open";
  }

  /** @internal */
  has(namespace: string): boolean {
    return this.sockets.has(namespace);
  }

  /** Whether packets can be sent at once. @internal */
  get writable(): boolean {
    return this.currentEngine?.writable === true;
  }

  /** @internal */
  toMessages(packet: Packet): readonly (string | Bytes)[] {
    return this.codec.encode(packet);
  }

  /** @internal */
  sendAll(messages: readonly (string | Bytes)[]): void {
    this.currentEngine?.sendAll(messages);
  }

  /** @internal */
  send(packet: Packet): void {
    this.sendAll(this.toMessages(packet));
  }

  /** Whether the server's ping is overdue, so that the connection is lost although it is not closed yet. @internal */
  get overdue(): boolean {
    return this.currentEngine?.endIfOverdue() === true;
  }

  /**
   * Opens the connection for a socket. While the manager is reconnecting, this method does nothing, and the socket
   * waits for the next attempt.
   *
   * @internal
   */
  want(): void {
    if (!isReconnecting(this.state)) this.open();
  }

  /** Closes the connection if no socket is active. @internal */
  release(): void {
    if ([...this.sockets.values()].some(({ active }) => active)) return;
    this.close();
  }

  /** Closes the connection after sending the queued messages. The manager does not reconnect. */
  close(): void {
    const connected = this.connected || isConnecting(this.state);
    // The manager is closed at once, while the engine still sends its queue.
    if (connected) this.currentEngine?.release();
    this.advance("close");
    if (connected) this.onDisconnected("forced close");
  }

  /** Changes the state. Returns `false` if the event cannot happen in the current state. */
  private advance(event: ConnectionEvent): boolean {
    const next = nextConnectionState(this.state, event);
    if (next === undefined) return false;
    this.state = next;
    this.stopWaiting();
    if (!isConnecting(next)) clearTimeout(this.timeoutTimer);
    return true;
  }

  // The engine calls the methods below.

  /** @internal */
  onOpen(): void {
    const reconnects = isReconnecting(this.state);
    this.advance("open");
    // The listeners of "open" may open or close the manager, and create sockets. Only the sockets and the callback of
    // this connection must be called, so `sockets` and `callback` are read before the listeners run.
    const sockets = [...this.sockets.values()];
    const callback = this.openCallback;
    this.openCallback = undefined;
    this.dispatch("open", []);
    for (const socket of sockets) socket.onOpen();
    if (callback !== undefined) callListener(this, callback, []);
    if (reconnects && this.connected) this.dispatch("reconnect", [this.attempt]);
  }

  /** @internal */
  onMessage(data: string | Bytes): void {
    const packet = this.decoder?.add(data);
    if (packet === undefined) return;
    this.dispatch("packet", [packet]);
    // A listener of "packet" may have closed the connection. Then the packet is ignored.
    if (this.state !== "open") return;
    this.sockets.get(packet.namespace)?.onPacket(packet);
  }

  /** @internal */
  onPing(): void {
    this.dispatch("ping", []);
  }

  /** @internal */
  onClose(reason: CloseReason, details?: DisconnectDetails, error?: Error): void {
    if (isConnecting(this.state)) {
      this.onFailed(error ?? new Error(reason));
    } else if (this.advance("lost")) {
      this.onDisconnected(reason, details);
      this.scheduleAttempt();
    }
  }

  /** Handles a connection that could not be opened. */
  private onFailed(error: Error): void {
    this.advance("fail");
    this.currentEngine?.close();
    const sockets = [...this.sockets.values()];
    const callback = this.openCallback;
    this.openCallback = undefined;
    this.dispatch("error", [error]);
    for (const socket of sockets) socket.onError(error);
    if (callback !== undefined) callListener(this, callback, [error]);
    if (isReconnecting(this.state)) this.dispatch("reconnect_error", [error]);
    // A program that has passed a callback decides whether to connect again.
    else if (callback !== undefined) this.advance("stop");
    this.scheduleAttempt();
  }

  /** Informs the listeners and the sockets that the connection is closed. */
  private onDisconnected(reason: CloseReason, details?: DisconnectDetails): void {
    this.decoder = undefined;
    const sockets = [...this.sockets.values()];
    this.dispatch("close", [reason, details]);
    for (const socket of sockets) socket.onClose(reason, details);
  }

  // The methods below implement the reconnection.

  /**
   * Starts the delay before the next attempt, unless a listener or the callback of open() has opened or closed the
   * manager. Stops if no attempt is left, or if the reconnection is disabled.
   */
  private scheduleAttempt(): void {
    const { reconnection, reconnectionAttempts } = this.settings;
    if (this.state === "disconnected") this.attempt = 0;
    else if (this.state !== "waiting") return;
    if (!reconnection) {
      this.advance("stop");
    } else if (this.attempt >= reconnectionAttempts) {
      this.advance("stop");
      this.dispatch("reconnect_failed", []);
    } else {
      this.advance("wait");
      this.startWaiting(delayBefore(this.attempt, this.settings, Math.random()));
    }
  }

  private startWaiting(delay: number): void {
    this.attempt++;
    const proceed = (): void => {
      this.dispatch("reconnect_attempt", [this.attempt]);
      // A listener of "reconnect_attempt" may have closed the manager.
      if (this.state === "waiting") this.open();
    };
    this.reconnectTimer = this.timer(proceed, delay);
    // When the network becomes available, the manager does not wait for the timer.
    this.stopWatching = this.platform.onNetwork((online) => {
      if (online) proceed();
    });
  }

  private stopWaiting(): void {
    clearTimeout(this.reconnectTimer);
    this.stopWatching?.();
  }

  private timer(callback: () => void, delay: number): ReturnType<typeof setTimeout> {
    const timer = setTimeout(callback, delay);
    if (this.opts.autoUnref) this.platform.unref?.(timer);
    return timer;
  }
}
