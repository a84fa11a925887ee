// One connection for the sockets of many namespaces, and its reconnection.

import type { Bytes } from "../protocol/bytes.ts";
import { callListener, type DefaultEventsMap, type Untyped } from "../protocol/events.ts";
import type { Packet } from "../protocol/socketio/packet.ts";
import { delayBefore } from "./backoff.ts";
import { type Codec, type PacketDecoder, type Parser, parserCodec } from "./codec.ts";
import { ClientEmitter } from "./emitter.ts";
import { type CloseReason, Engine, type EngineOptions, type EngineSink } from "./engine.ts";
import type { Platform } from "./platform.ts";
import { Socket, type SocketOptions } from "./socket.ts";
import type { DisconnectDetails } from "./transport.ts";

export interface ManagerOptions extends EngineOptions {
  /** Connects again when the connection is lost. Default `true`. */
  readonly reconnection?: boolean;
  /** Attempts before it gives up. Default: it does not. */
  readonly reconnectionAttempts?: number;
  /** Milliseconds before the first attempt. Default 1,000. */
  readonly reconnectionDelay?: number;
  /** Milliseconds before an attempt at most. Default 5,000. */
  readonly reconnectionDelayMax?: number;
  /** How much of a wait may be taken off or put on, from 0 to 1. Default 0.5. */
  readonly randomizationFactor?: number;
  /** Milliseconds that a connection may take to be made. Default 20,000; `false` for as long as it likes. */
  readonly timeout?: number | false;
  /** Connects at once. Default `true`. */
  readonly autoConnect?: boolean;
  /** How packets travel; the server must have the same. */
  readonly parser?: Parser;
  /** Attachments that one packet of the server may have. Default 10. */
  readonly maxAttachments?: number;
  /** Events that wait for the connection, for each socket; more are dropped, the oldest first. Default 10,000. */
  readonly maxOfflineBuffer?: number;
}

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
  readonly #platform: Platform;
  readonly #origin: URL;
  readonly #codec: Codec;
  readonly #sockets = new Map<string, ManagedSocket>();
  #decoder: PacketDecoder | undefined;
  #engine: Engine | undefined;
  #state: "closed" | "opening" | "open" = "closed";
  #openCallback: ((error?: Error) => void) | undefined;
  #timeoutTimer: ReturnType<typeof setTimeout> | undefined;
  #stopWatching: (() => void) | undefined;

  // Reconnection.
  readonly #settings: Settings = { ...DEFAULTS };
  #attempt = 0;
  #reconnecting = false;
  #skipReconnect = false;
  #reconnectTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param origin of the server */
  constructor(platform: Platform, origin: URL, options: ManagerOptions = {}) {
    super();
    this.opts = options;
    this.#platform = platform;
    this.#origin = origin;
    this.#codec =
      options.parser === undefined ? platform.codec(options) : parserCodec(options.parser);
    for (const name of SETTINGS) this.#setting(name, options[name]);
    if (options.autoConnect !== false) this.open();
  }

  /** The connection; another one after each reconnection, and `undefined` before the first open(). */
  get engine(): Engine {
    // That it may be missing is known from autoConnect, and was never in the type.
    const engine: Untyped = this.#engine;
    return engine;
  }

  /** Whether it connects again. */
  reconnection(): boolean;
  /** Sets it; `false` ends a reconnection that is under way. */
  reconnection(reconnection: boolean): this;
  reconnection(reconnection?: boolean): boolean | this {
    if (reconnection === false) this.#stopReconnecting();
    return this.#setting("reconnection", reconnection);
  }

  /** Attempts before it gives up. */
  reconnectionAttempts(): number;
  /** Sets them. */
  reconnectionAttempts(attempts: number): this;
  reconnectionAttempts(attempts?: number): number | this {
    return this.#setting("reconnectionAttempts", attempts);
  }

  /** Milliseconds before the first attempt. */
  reconnectionDelay(): number;
  /** Sets them. */
  reconnectionDelay(milliseconds: number): this;
  reconnectionDelay(milliseconds?: number): number | this {
    return this.#setting("reconnectionDelay", milliseconds);
  }

  /** Milliseconds before an attempt at most. */
  reconnectionDelayMax(): number;
  /** Sets them. */
  reconnectionDelayMax(milliseconds: number): this;
  reconnectionDelayMax(milliseconds?: number): number | this {
    return this.#setting("reconnectionDelayMax", milliseconds);
  }

  /** How much of a wait may be taken off or put on. */
  randomizationFactor(): number;
  /** Sets it, from 0 to 1. */
  randomizationFactor(factor: number): this;
  randomizationFactor(factor?: number): number | this {
    return this.#setting("randomizationFactor", factor);
  }

  /** Milliseconds that a connection may take to be made. */
  timeout(): number | false;
  /** Sets them. */
  timeout(milliseconds: number | false): this;
  timeout(milliseconds?: number | false): number | false | this {
    return this.#setting("timeout", milliseconds);
  }

  #setting<Name extends keyof Settings>(
    name: Name,
    value: Settings[Name] | undefined,
  ): Settings[Name] | this {
    if (value === undefined) return this.#settings[name];
    // Without any time between them, attempts would be all that a client does.
    const none = name !== "randomizationFactor" && typeof value === "number" && !(value > 0);
    this.#settings[name] = none ? DEFAULTS[name] : value;
    return this;
  }

  /**
   * Connects; does nothing where it is connected, or about to be.
   *
   * @param callback called once, with an error where the connection cannot be made: then nobody
   * tries again
   */
  open(callback?: (error?: Error) => void): this {
    if (this.#state !== "closed") return this;
    this.#stopWaiting();
    this.#state = "opening";
    this.#skipReconnect = false;
    this.#openCallback = callback;
    this.#decoder = this.#codec.createDecoder();
    const engine = new Engine(this.#platform, this.#origin, { ...this.opts }, this);
    this.#engine = engine;
    const { timeout } = this.#settings;
    // An engine may fail before it is returned.
    if (timeout !== false && this.#state === "opening") {
      this.#timeoutTimer = this.#timer(() => {
        this.#giveUp(new Error("timeout"));
      }, timeout);
    }
    return this;
  }

  /** The same as open(). */
  connect(callback?: (error?: Error) => void): this {
    return this.open(callback);
  }

  /** The socket of a namespace, which begins to be. */
  socket<ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    namespace: string,
    options: SocketOptions = {},
  ): Socket<ListenEvents, EmitEvents> {
    const known = this.#sockets.get(namespace);
    if (known !== undefined) {
      if (this.opts.autoConnect !== false && !known.active) known.connect();
      // Whoever asked first has said what its events are; whoever asks now says it again.
      const socket: Untyped = known;
      return socket;
    }
    const socket = new Socket<ListenEvents, EmitEvents>(this, namespace, {
      ...this.opts,
      ...options,
    });
    this.#sockets.set(namespace, socket);
    if (this.opts.autoConnect !== false) socket.connect();
    return socket;
  }

  // What its sockets call.

  /** @internal */
  get connected(): boolean {
    return this.#state === "open";
  }

  /** @internal */
  has(namespace: string): boolean {
    return this.#sockets.has(namespace);
  }

  /** The connection can take packets now. @internal */
  get writable(): boolean {
    return this.#engine?.writable === true;
  }

  /** @internal */
  toMessages(packet: Packet): readonly (string | Bytes)[] {
    return this.#codec.encode(packet);
  }

  /** @internal */
  sendAll(messages: readonly (string | Bytes)[]): void {
    this.#engine?.sendAll(messages);
  }

  /** @internal */
  send(packet: Packet): void {
    this.sendAll(this.toMessages(packet));
  }

  /** The connection has gone, though nobody has said so yet. @internal */
  get overdue(): boolean {
    return this.#engine?.endIfOverdue() === true;
  }

  /** A socket is wanted: the connection too. @internal */
  want(): void {
    if (!this.#reconnecting) this.open();
  }

  /** A socket is not wanted any more; without any, the connection neither. @internal */
  release(): void {
    if ([...this.#sockets.values()].some(({ active }) => active)) return;
    this.close();
  }

  /** Ends the connection behind what was sent, and does not try again. */
  close(): void {
    this.#stopReconnecting();
    if (this.#state === "closed") return;
    // What it still has to send it sends alone.
    this.#engine?.release();
    this.#onLost("forced close");
  }

  // What the engine reports.

  /** @internal */
  onOpen(): void {
    clearTimeout(this.#timeoutTimer);
    this.#state = "open";
    const attempt = this.#attempt;
    this.#attempt = 0;
    this.dispatch("open", []);
    for (const socket of [...this.#sockets.values()]) socket.onOpen();
    const callback = this.#openCallback;
    this.#openCallback = undefined;
    if (callback !== undefined) callListener(this, callback, []);
    if (!this.#reconnecting) return;
    this.#reconnecting = false;
    this.dispatch("reconnect", [attempt]);
  }

  /** @internal */
  onMessage(data: string | Bytes): void {
    const packet = this.#decoder?.add(data);
    if (packet === undefined) return;
    this.dispatch("packet", [packet]);
    this.#sockets.get(packet.namespace)?.onPacket(packet);
  }

  /** @internal */
  onPing(): void {
    this.dispatch("ping", []);
  }

  /** @internal */
  onClose(reason: CloseReason, details?: DisconnectDetails, error?: Error): void {
    if (this.#state === "opening") this.#giveUp(error ?? new Error(reason));
    else if (this.#state === "open") this.#onLost(reason, details);
  }

  /** A connection could not be made. */
  #giveUp(error: Error): void {
    clearTimeout(this.#timeoutTimer);
    this.#state = "closed";
    this.#engine?.close();
    const callback = this.#openCallback;
    this.#openCallback = undefined;
    this.dispatch("error", [error]);
    for (const socket of [...this.#sockets.values()]) socket.onError(error);
    if (callback !== undefined) callListener(this, callback, [error]);
    if (this.#reconnecting) this.dispatch("reconnect_error", [error]);
    else if (callback !== undefined) return;
    this.#reconnect();
  }

  #onLost(reason: CloseReason, details?: DisconnectDetails): void {
    clearTimeout(this.#timeoutTimer);
    this.#state = "closed";
    this.#decoder = undefined;
    this.#attempt = 0;
    this.dispatch("close", [reason, details]);
    for (const socket of [...this.#sockets.values()]) socket.onClose(reason, details);
    this.#reconnect();
  }

  // Reconnection.

  #stopReconnecting(): void {
    this.#skipReconnect = true;
    this.#reconnecting = false;
    this.#stopWaiting();
  }

  #stopWaiting(): void {
    clearTimeout(this.#reconnectTimer);
    this.#stopWatching?.();
  }

  #reconnect(): void {
    const settings = this.#settings;
    if (!settings.reconnection || this.#skipReconnect || this.#state !== "closed") return;
    if (this.#attempt >= settings.reconnectionAttempts) {
      this.#attempt = 0;
      this.#reconnecting = false;
      this.dispatch("reconnect_failed", []);
      return;
    }
    const delay = delayBefore(this.#attempt, settings, Math.random());
    this.#attempt++;
    this.#reconnecting = true;
    const go = (): void => {
      if (this.#skipReconnect) return;
      this.dispatch("reconnect_attempt", [this.#attempt]);
      // A listener may have ended it.
      if (!this.#skipReconnect) this.open();
    };
    this.#reconnectTimer = this.#timer(go, delay);
    // A network that has come back is not waited for.
    this.#stopWatching = this.#platform.onNetwork((online) => {
      if (online) go();
    });
  }

  #timer(callback: () => void, delay: number): ReturnType<typeof setTimeout> {
    const timer = setTimeout(callback, delay);
    if (this.opts.autoUnref) this.#platform.unref?.(timer);
    return timer;
  }
}
