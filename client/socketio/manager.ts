// One connection for the sockets of many namespaces, and its reconnection. reconnection.ts has the states.

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

/** What a manager tells of itself. */
export interface ManagerEvents {
  open: () => void;
  error: (error: Error) => void;
  ping: () => void;
  packet: (packet: Packet) => void;
  close: (reason: CloseReason, details?: DisconnectDetails) => void;
  reconnect_attempt: (attempt: number) => void;
  reconnect: (attempt: number) => void;
  reconnect_error: (error: Error) => void;
  reconnect_failed: () => void;
}

/** Options that a program may change. */
export type Changeable<Options> = { -readonly [Name in keyof Options]: Options[Name] };

/** A socket as its manager sees it. */
interface ManagedSocket {
  readonly active: boolean;
  connect(): unknown;
  onOpen(): void;
  onPacket(packet: Packet): void;
  onError(error: Error): void;
  onClose(reason: CloseReason, details?: DisconnectDetails): void;
}

const SETTINGS = [
  "reconnection",
  "reconnectionAttempts",
  "reconnectionDelay",
  "reconnectionDelayMax",
  "randomizationFactor",
  "timeout",
] as const;

/** What can be changed between connections. */
type Settings = Changeable<Required<Pick<ManagerOptions, (typeof SETTINGS)[number]>>>;

const DEFAULTS: Readonly<Settings> = {
  reconnection: true,
  reconnectionAttempts: Number.POSITIVE_INFINITY,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  randomizationFactor: 0.5,
  timeout: 20_000,
};

export class AnyManager extends ClientEmitter<ManagerEvents> implements EngineSink {
  /** What it was made with. What is changed here counts from the next connection on. */
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

  // Reconnection.
  private readonly settings: Settings = { ...DEFAULTS };
  private attempt = 0;
  private reconnectTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param base the page's URL, for what `url` lacks
   * @param url of the server, or the options
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

  /** The connection; another one after each reconnection, and `undefined` before the first open(). */
  get engine(): Engine {
    // That it may be missing is known from autoConnect, and was never in the type.
    const engine: Untyped = this.currentEngine;
    return engine;
  }

  /** Returns whether the manager connects again when the connection is lost. */
  reconnection(): boolean;
  /** Sets whether the manager connects again. `false` also ends a reconnection that is under way. */
  reconnection(reconnection: boolean): this;
  reconnection(reconnection?: boolean): boolean | this {
    if (reconnection === false) this.advance("stop");
    return this.setting("reconnection", reconnection);
  }

  /** Attempts before it gives up. */
  reconnectionAttempts(): number;
  /** Sets them. */
  reconnectionAttempts(attempts: number): this;
  reconnectionAttempts(attempts?: number): number | this {
    return this.setting("reconnectionAttempts", attempts);
  }

  /** Milliseconds before the first attempt. */
  reconnectionDelay(): number;
  /** Sets them. */
  reconnectionDelay(milliseconds: number): this;
  reconnectionDelay(milliseconds?: number): number | this {
    return this.setting("reconnectionDelay", milliseconds);
  }

  /** Milliseconds before an attempt at most. */
  reconnectionDelayMax(): number;
  /** Sets them. */
  reconnectionDelayMax(milliseconds: number): this;
  reconnectionDelayMax(milliseconds?: number): number | this {
    return this.setting("reconnectionDelayMax", milliseconds);
  }

  /** How much of a wait may be taken off or put on. */
  randomizationFactor(): number;
  /** Sets it, from 0 to 1. */
  randomizationFactor(factor: number): this;
  randomizationFactor(factor?: number): number | this {
    return this.setting("randomizationFactor", factor);
  }

  /** Milliseconds that a connection may take to be made. */
  timeout(): number | false;
  /** Sets them. */
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
    // Without any time between them, attempts would be all that a client does.
    const none = name !== "randomizationFactor" && typeof value === "number" && !(value > 0);
    this.settings[name] = none ? DEFAULTS[name] : value;
    return this;
  }

  /**
   * Connects. Does nothing if the manager is connected or connecting.
   *
   * @param callback called once, with an error if the connection cannot be made. In that case the manager
   * makes no further attempt, unless it is reconnecting
   */
  open(callback?: (error?: Error) => void): this {
    if (!this.advance("attempt")) return this;
    this.openCallback = callback;
    this.decoder = this.codec.createDecoder();
    const engine = new Engine(this.platform, this.server, { ...this.opts }, this);
    this.currentEngine = engine;
    const { timeout } = this.settings;
    // An engine may fail before its constructor returns.
    if (timeout !== false && isConnecting(this.state)) {
      this.timeoutTimer = this.timer(() => this.onFailed(new Error("timeout")), timeout);
    }
    return this;
  }

  /** The same as open(). */
  connect(callback?: (error?: Error) => void): this {
    return this.open(callback);
  }

  /**
   * Returns the socket of a namespace, creating it if necessary.
   *
   * @param options of a new socket; those of the manager are not among them
   */
  socket<ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    namespace: string,
    options: SocketOptions = {},
  ): Socket<ListenEvents, EmitEvents> {
    checkClientOptions(options, this.platform.options);
    const known = this.sockets.get(namespace);
    if (known !== undefined) {
      if (this.opts.autoConnect !== false && !known.active) known.connect();
      // Whoever asked first has said what its events are; whoever asks now says it again.
      const socket: Untyped = known;
      return socket;
    }
    const socket = new Socket<ListenEvents, EmitEvents>(this, namespace, options);
    this.sockets.set(namespace, socket);
    if (this.opts.autoConnect !== false) socket.connect();
    return socket;
  }

  // What its sockets call.

  /** @internal */
  get connected(): boolean {
    return this.state === "open";
  }

  /** @internal */
  has(namespace: string): boolean {
    return this.sockets.has(namespace);
  }

  /** The connection can take packets now. @internal */
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

  /** The connection has gone, though nobody has said so yet. @internal */
  get overdue(): boolean {
    return this.currentEngine?.endIfOverdue() === true;
  }

  /** Connects for a socket. A reconnection that is under way is not hurried. @internal */
  want(): void {
    if (!isReconnecting(this.state)) this.open();
  }

  /** Closes the connection if no socket needs it any more. @internal */
  release(): void {
    if ([...this.sockets.values()].some(({ active }) => active)) return;
    this.close();
  }

  /** Closes the connection after sending what is queued, and does not reconnect. */
  close(): void {
    const connected = this.connected || isConnecting(this.state);
    // The engine sends the rest of its queue without the manager.
    if (connected) this.currentEngine?.release();
    this.advance("close");
    if (connected) this.onDisconnected("forced close");
  }

  /** Changes the state. Returns false where the event cannot happen in this state. */
  private advance(event: ConnectionEvent): boolean {
    const next = nextConnectionState(this.state, event);
    if (next === undefined) return false;
    this.state = next;
    this.stopWaiting();
    if (!isConnecting(next)) clearTimeout(this.timeoutTimer);
    return true;
  }

  // What the engine reports.

  /** @internal */
  onOpen(): void {
    const reconnects = isReconnecting(this.state);
    this.advance("open");
    // Listeners may open or close the manager and make sockets: what follows is about this connection.
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
    // A listener may have closed the connection.
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

  /** The connection could not be made. */
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
    // A program that gave a callback decides itself whether to connect again.
    else if (callback !== undefined) this.advance("stop");
    this.scheduleAttempt();
  }

  /** Tells the listeners and the sockets that the connection has ended. */
  private onDisconnected(reason: CloseReason, details?: DisconnectDetails): void {
    this.decoder = undefined;
    const sockets = [...this.sockets.values()];
    this.dispatch("close", [reason, details]);
    for (const socket of sockets) socket.onClose(reason, details);
  }

  // Reconnection.

  /** Waits for the next attempt, if the listeners of the last one have neither connected nor closed the manager. */
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
      // A listener may have closed the manager.
      if (this.state === "waiting") this.open();
    };
    this.reconnectTimer = this.timer(proceed, delay);
    // The manager does not wait any longer when the network is back.
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
