// One connection for the sockets of many namespaces, and its reconnection.

import type { Bytes } from "../protocol/bytes.ts";
import { checkMilliseconds } from "../protocol/errors.ts";
import type { DefaultEventsMap, Untyped } from "../protocol/events.ts";
import type { Packet } from "../protocol/socketio/packet.ts";
import { delayBefore } from "./backoff.ts";
import { type Codec, codecOf, type PacketDecoder, type Parser } from "./codec.ts";
import { ClientEmitter } from "./emitter.ts";
import { type CloseReason, Engine, type EngineOptions } from "./engine.ts";
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

const DEFAULTS = {
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  randomizationFactor: 0.5,
  timeout: 20_000,
  maxAttachments: 10,
} as const;

export class Manager extends ClientEmitter<ManagerEvents> {
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
  #reconnection: boolean;
  #attempts: number;
  #delay: number;
  #delayMax: number;
  #jitter: number;
  #timeout: number | false;
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
    this.#codec = codecOf(options.parser, options.maxAttachments ?? DEFAULTS.maxAttachments);
    this.#reconnection = options.reconnection ?? true;
    this.#attempts = options.reconnectionAttempts || Number.POSITIVE_INFINITY;
    this.#delay = options.reconnectionDelay || DEFAULTS.reconnectionDelay;
    this.#delayMax = options.reconnectionDelayMax || DEFAULTS.reconnectionDelayMax;
    this.#jitter = options.randomizationFactor ?? DEFAULTS.randomizationFactor;
    this.#timeout = options.timeout ?? DEFAULTS.timeout;
    if (options.autoConnect !== false) this.open();
  }

  /** The connection; another one after each reconnection. @throws Error before open() */
  get engine(): Engine {
    if (this.#engine === undefined) throw new Error("the manager was never opened");
    return this.#engine;
  }

  /** Whether it connects again. */
  reconnection(): boolean;
  /** Sets it; `false` ends a reconnection that is under way. */
  reconnection(reconnection: boolean): this;
  reconnection(reconnection?: boolean): boolean | this {
    if (reconnection === undefined) return this.#reconnection;
    this.#reconnection = reconnection;
    if (!reconnection) this.#skipReconnect = true;
    return this;
  }

  /** Attempts before it gives up. */
  reconnectionAttempts(): number;
  /** Sets them. */
  reconnectionAttempts(attempts: number): this;
  reconnectionAttempts(attempts?: number): number | this {
    if (attempts === undefined) return this.#attempts;
    this.#attempts = attempts;
    return this;
  }

  /** Milliseconds before the first attempt. */
  reconnectionDelay(): number;
  /** Sets them. */
  reconnectionDelay(milliseconds: number): this;
  reconnectionDelay(milliseconds?: number): number | this {
    if (milliseconds === undefined) return this.#delay;
    checkMilliseconds("the delay", milliseconds);
    this.#delay = milliseconds;
    return this;
  }

  /** Milliseconds before an attempt at most. */
  reconnectionDelayMax(): number;
  /** Sets them. */
  reconnectionDelayMax(milliseconds: number): this;
  reconnectionDelayMax(milliseconds?: number): number | this {
    if (milliseconds === undefined) return this.#delayMax;
    checkMilliseconds("the delay", milliseconds);
    this.#delayMax = milliseconds;
    return this;
  }

  /** How much of a wait may be taken off or put on. */
  randomizationFactor(): number;
  /** Sets it, from 0 to 1. */
  randomizationFactor(factor: number): this;
  randomizationFactor(factor?: number): number | this {
    if (factor === undefined) return this.#jitter;
    this.#jitter = factor;
    return this;
  }

  /** Milliseconds that a connection may take to be made. */
  timeout(): number | false;
  /** Sets them. */
  timeout(milliseconds: number | false): this;
  timeout(milliseconds?: number | false): number | false | this {
    if (milliseconds === undefined) return this.#timeout;
    this.#timeout = milliseconds;
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
    this.#state = "opening";
    this.#skipReconnect = false;
    this.#openCallback = callback;
    this.#decoder = this.#codec.createDecoder();
    const engine = new Engine(
      this.#platform,
      this.#origin,
      { ...this.opts },
      {
        onOpen: () => this.#onOpen(),
        onMessage: (data) => this.#onMessage(data),
        onPing: () => this.dispatch("ping", []),
        onClose: (reason, details, error) => this.#onClose(engine, reason, details, error),
      },
    );
    this.#engine = engine;
    if (this.#timeout !== false) {
      this.#timeoutTimer = this.#timer(() => {
        if (this.#state === "opening") this.#giveUp(engine, new Error("timeout"));
      }, this.#timeout);
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
  send(packet: Packet): void {
    this.#engine?.send(this.#codec.encode(packet));
  }

  /** The ping of the server is overdue. @internal */
  get overdue(): boolean {
    if (this.#engine?.overdue !== true) return false;
    this.#engine.checkHeartbeat();
    return true;
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

  /** Ends the connection, and does not try again. */
  close(): void {
    this.#skipReconnect = true;
    this.#reconnecting = false;
    clearTimeout(this.#reconnectTimer);
    this.#stopWatching?.();
    const engine = this.#engine;
    if (this.#state === "closed") return;
    if (engine !== undefined) engine.close();
  }

  // What the engine reports.

  #onOpen(): void {
    clearTimeout(this.#timeoutTimer);
    this.#state = "open";
    const attempt = this.#attempt;
    this.#attempt = 0;
    this.dispatch("open", []);
    for (const socket of [...this.#sockets.values()]) socket.onOpen();
    const callback = this.#openCallback;
    this.#openCallback = undefined;
    callback?.();
    if (!this.#reconnecting) return;
    this.#reconnecting = false;
    this.dispatch("reconnect", [attempt]);
  }

  #onMessage(data: string | Bytes): void {
    let packet: Packet | undefined;
    try {
      packet = this.#decoder?.add(data);
    } catch (error) {
      // Whatever the server sends, and whatever the parser thinks of it.
      const description = error instanceof Error ? error.message : `${error}`;
      this.#lose("parse error", { description, context: error });
      return;
    }
    if (packet === undefined) return;
    this.dispatch("packet", [packet]);
    this.#sockets.get(packet.namespace)?.onPacket(packet);
  }

  /** The connection cannot go on: it is ended, for a reason of ours. */
  #lose(reason: CloseReason, details: DisconnectDetails): void {
    const engine = this.#engine;
    this.#engine = undefined;
    engine?.close();
    this.#engine = engine;
    this.#onLost(reason, details);
  }

  #onClose(
    engine: Engine,
    reason: CloseReason,
    details: DisconnectDetails | undefined,
    error: Error | undefined,
  ): void {
    if (engine !== this.#engine || this.#state === "closed") return;
    if (this.#state === "opening") this.#giveUp(engine, error ?? new Error(reason));
    else this.#onLost(reason, details);
  }

  /** A connection could not be made. */
  #giveUp(engine: Engine, error: Error): void {
    clearTimeout(this.#timeoutTimer);
    this.#state = "closed";
    engine.close();
    this.dispatch("error", [error]);
    for (const socket of [...this.#sockets.values()]) socket.onError(error);
    const callback = this.#openCallback;
    this.#openCallback = undefined;
    if (this.#reconnecting) {
      this.dispatch("reconnect_error", [error]);
      this.#reconnect();
    } else if (callback !== undefined) {
      callback(error);
    } else if (this.#reconnection && !this.#skipReconnect) {
      this.#reconnect();
    }
  }

  #onLost(reason: CloseReason, details: DisconnectDetails | undefined): void {
    clearTimeout(this.#timeoutTimer);
    this.#state = "closed";
    this.#decoder = undefined;
    this.#attempt = 0;
    this.dispatch("close", details === undefined ? [reason] : [reason, details]);
    for (const socket of [...this.#sockets.values()]) socket.onClose(reason, details);
    if (this.#reconnection && !this.#skipReconnect) this.#reconnect();
  }

  // Reconnection.

  #reconnect(): void {
    if (this.#skipReconnect || this.#state !== "closed") return;
    if (this.#attempt >= this.#attempts) {
      this.#attempt = 0;
      this.#reconnecting = false;
      this.dispatch("reconnect_failed", []);
      return;
    }
    const options = { min: this.#delay, max: this.#delayMax, jitter: this.#jitter };
    const delay = delayBefore(this.#attempt, options, Math.random());
    this.#attempt++;
    this.#reconnecting = true;
    const go = (): void => {
      clearTimeout(this.#reconnectTimer);
      this.#stopWatching?.();
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
    if (this.opts.autoUnref === true) this.#platform.unref(timer);
    return timer;
  }
}
