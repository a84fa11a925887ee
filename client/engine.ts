// One connection to a server: the handshake, the transport that carries it, the upgrade to another,
// the heartbeat. Engine.IO "Handshake" to "Upgrade", the client's side.
//
//   opening ── open packet ──▶ open ── close() ──▶ closing ── all is sent ──▶ closed
//      └───────────── lost ─────┴──────────── lost ──────────────────────────────▲

import type { Bytes } from "../protocol/bytes.ts";
import { decodeOpen, type OpenPacket } from "../protocol/engineio/handshake.ts";
import {
  CLOSE,
  encodePacket,
  MESSAGE,
  OPEN,
  PACKET_NAMES,
  type Packet,
  PING,
  PONG,
  PROBE,
  UPGRADE,
} from "../protocol/engineio/packet.ts";
import { decodePayloadPacket } from "../protocol/engineio/payload.ts";
import { ProtocolError } from "../protocol/engineio/rules.ts";
import type { Untyped } from "../protocol/events.ts";
import { ClientEmitter } from "./emitter.ts";
import type { Platform, PlatformOptions } from "./platform.ts";
import { PollingTransport } from "./polling.ts";
import type {
  DisconnectDetails,
  Link,
  Transport,
  TransportClass,
  TransportSink,
} from "./transport.ts";
import { WebSocketTransport } from "./websocket-transport.ts";

/** Names of others, as "webtransport", are passed over. */
export type TransportName = "polling" | "websocket" | "webtransport";

export interface EngineOptions {
  /** In this order: names, or classes. Default polling, then WebSocket. */
  readonly transports?: readonly (TransportName | TransportClass)[];
  /** The next transport is tried when one fails. Default `false`. */
  readonly tryAllTransports?: boolean;
  /** Milliseconds that one transport may take to open. Default 10,000 where another is left to try. */
  readonly transportTimeout?: number;
  /** From polling to WebSocket. Default `true`. */
  readonly upgrade?: boolean;
  /** A connection that was upgraded is next tried over WebSocket. Default `false`. */
  readonly rememberUpgrade?: boolean;
  /** Default "/socket.io". */
  readonly path?: string;
  /** The path ends with "/". Default `true`. */
  readonly addTrailingSlash?: boolean;
  /** What stands in the query of each request. */
  readonly query?: Readonly<Record<string, Untyped>> | string;
  /** Bytes travel as text, over WebSockets too. Default `false`. */
  readonly forceBase64?: boolean;
  /** Options that are others for one transport, by its name. */
  readonly transportOptions?: Readonly<Record<string, EngineOptions & PlatformOptions>>;
  /** Header fields of each request; of a WebSocket in Node only. */
  readonly extraHeaders?: Readonly<Record<string, string>>;
  /** Cookies go with requests to another origin. Default `false`. */
  readonly withCredentials?: boolean;
  /** Requests carry a name that no other has, against caches. Default: those of polling. */
  readonly timestampRequests?: boolean;
  /** Of that name. Default "t". */
  readonly timestampParam?: string;
  /** Milliseconds that a request may take; 0, the default, for as long as it likes. */
  readonly requestTimeout?: number;
  /** Subprotocols of the WebSocket. */
  readonly protocols?: string | readonly string[];
  /** The connection is closed when the page is left. Default `false`: the browser does. */
  readonly closeOnBeforeunload?: boolean;
  /** Timers do not keep a process of Node alive. Default `false`. */
  readonly autoUnref?: boolean;
}

export type CloseReason =
  | "transport close"
  | "transport error"
  | "parse error"
  | "ping timeout"
  | "forced close";

/** What an engine tells of itself. */
export interface EngineEvents {
  open: () => void;
  handshake: (handshake: OpenPacket) => void;
  packet: (packet: { readonly type: string; readonly data: string | Bytes }) => void;
  packetCreate: (packet: { readonly type: string; readonly data: string | Bytes }) => void;
  message: (data: string | Bytes) => void;
  data: (data: string | Bytes) => void;
  ping: () => void;
  pong: () => void;
  drain: () => void;
  upgrading: (transport: Transport) => void;
  upgrade: (transport: Transport) => void;
  upgradeError: (error: Error) => void;
  error: (error: Error) => void;
  close: (reason: CloseReason, details?: DisconnectDetails) => void;
}

/** The layer above. */
export interface EngineSink {
  onOpen(): void;
  /** What it throws ends the connection with "parse error". */
  onMessage(data: string | Bytes): void;
  onPing(): void;
  /** It has ended. Where it was never open, `error` says why. */
  onClose(reason: CloseReason, details?: DisconnectDetails, error?: Error): void;
}

/** A connection that could not be made. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly code = "ERR_CONNECT";
  readonly type = "TransportError";
  /** The status of a response, where there was one. */
  readonly description: unknown;

  constructor(message: string, description?: unknown) {
    super(message);
    this.description = description;
  }
}

const OURS: readonly TransportClass[] = [PollingTransport, WebSocketTransport];
const DEFAULT_TRANSPORT_TIMEOUT = 10_000;

/** Packets in one payload: servers in Python take no more, and lose all of a payload that has. */
const MOST_PACKETS = 16;

// Whether the last connection that was upgraded worked over WebSocket (`rememberUpgrade`).
let upgradedBefore = false;

export class Engine extends ClientEmitter<EngineEvents> implements TransportSink {
  /** The session's id, from the handshake on until it has ended. */
  id: string | undefined;
  readyState: "opening" | "open" | "closing" | "closed" = "opening";
  /** What carries the packets now. */
  transport: Transport;

  readonly #platform: Platform;
  readonly #origin: URL;
  readonly #options: EngineOptions & PlatformOptions;
  #sink: EngineSink | undefined;
  readonly #transports: readonly TransportClass[];
  readonly #untried: TransportClass[];
  #probe: Transport | undefined;
  #upgrading = false;
  #handshake: OpenPacket | undefined;
  // Encoded text packets and the bytes of messages that wait for the transport.
  #queue: (string | Bytes)[] = [];
  #attemptTimer: ReturnType<typeof setTimeout> | undefined;
  #heartbeatTimer: ReturnType<typeof setTimeout> | undefined;
  #pingDue = Number.POSITIVE_INFINITY;
  readonly #endings: (() => void)[] = [];
  #failure: Error | undefined;

  constructor(
    platform: Platform,
    origin: URL,
    options: EngineOptions & PlatformOptions,
    sink: EngineSink,
  ) {
    super();
    this.#platform = platform;
    this.#origin = origin;
    this.#options = options;
    this.#sink = sink;
    this.#transports = (options.transports ?? OURS).flatMap((wanted) =>
      typeof wanted === "string"
        ? OURS.filter(({ prototype }) => prototype.name === wanted)
        : [wanted],
    );
    const remembers = options.rememberUpgrade && upgradedBefore;
    const first =
      this.#transports.find(({ prototype }) => remembers && prototype.name === "websocket") ??
      this.#transports[0];
    if (first === undefined) throw new TypeError("no transport");
    this.#untried = this.#transports.filter((each) => each !== first);
    this.transport = this.#create(first, this);
    this.#endings.push(
      platform.onNetwork((online) => {
        // What is on this machine is there without a network.
        if (online || /^(localhost|127\.|\[::1)/.test(origin.hostname)) return;
        this.onLost("transport close", { description: "network connection lost" });
      }),
    );
    if (options.closeOnBeforeunload) {
      this.#endings.push(platform.onLeave(() => this.transport.close()));
    }
    this.#attempt();
  }

  /** Packets leave now. */
  get writable(): boolean {
    return this.readyState === "open" && this.#queue.length === 0 && this.transport.writable;
  }

  /** Sends a message. What is sent on an engine that is not open, nor about to be, is dropped. */
  send(message: string | Bytes): this {
    return this.sendAll([message]);
  }

  /** The same as send(). */
  write(message: string | Bytes): this {
    return this.sendAll([message]);
  }

  /** Sends messages that belong together. @internal */
  sendAll(messages: readonly (string | Bytes)[]): this {
    if (this.readyState === "opening" || this.readyState === "open") {
      for (const message of messages) {
        this.#push(typeof message === "string" ? encodePacket(MESSAGE, message) : message);
      }
      this.#flush();
    }
    return this;
  }

  /** Ends it when all that was sent has left. */
  close(): this {
    if (this.readyState === "opening") {
      this.#end("forced close");
    } else if (this.readyState === "open") {
      this.readyState = "closing";
      this.#endIfSent();
    }
    return this;
  }

  /** Nobody is told any more: it ends by itself when all that was sent has left. @internal */
  release(): void {
    this.#sink = undefined;
    this.close();
  }

  #endIfSent(): void {
    if (this.readyState !== "closing" || this.#upgrading || this.#queue.length > 0) return;
    if (this.transport.writable) this.#end("forced close");
  }

  // Opening.

  #attempt(): void {
    const other = this.#options.tryAllTransports && this.#untried.length > 0;
    const { transportTimeout = other ? DEFAULT_TRANSPORT_TIMEOUT : Number.POSITIVE_INFINITY } =
      this.#options;
    this.#attemptTimer = this.#timer(() => {
      this.onLost("transport error", { description: "transport timeout" });
    }, transportTimeout);
    this.transport.open();
  }

  #create(Class: TransportClass, sink: TransportSink): Transport {
    const { name } = Class.prototype;
    const options = { ...this.#options, ...this.#options.transportOptions?.[name] };
    const { protocol } = this.#origin;
    const link: Link = {
      base64: options.forceBase64 === true,
      request: (body) => this.#platform.request(this.#url(protocol, name, options), body, options),
      webSocket: () =>
        this.#platform.webSocket(this.#url(protocol.replace("http", "ws"), name, options), options),
    };
    return new Class(link, sink);
  }

  #url(scheme: string, transport: string, options: EngineOptions): string {
    const { path = "/socket.io", addTrailingSlash = true, query = {} } = options;
    const { timestampRequests, timestampParam = "t" } = options;
    const search = new URLSearchParams(query);
    search.set("EIO", "4");
    search.set("transport", transport);
    if (options.forceBase64) search.set("b64", "1");
    if (this.id !== undefined) search.set("sid", this.id);
    if (timestampRequests ?? transport === "polling") {
      search.set(timestampParam, Math.random().toString(36).slice(2, 10));
    }
    const slash = addTrailingSlash ? "/" : "";
    return `${scheme}//${this.#origin.host}${path.replace(/\/$/, "")}${slash}?${search}`;
  }

  // What the transport reports.

  /** @internal */
  onOpen(): void {}

  /** @internal */
  onMessage(data: string | Bytes): void {
    if (this.readyState === "closed") return;
    try {
      this.#onPacket(packetOf(data));
    } catch (error) {
      // A ProtocolError, or whatever a parser of the program throws.
      this.onLost("parse error", { description: `${error}`, context: error });
    }
  }

  #onPacket(packet: Packet): void {
    const { type, data } = packet;
    this.dispatch("packet", [named(packet)]);
    if (type === CLOSE) {
      this.onLost("transport close", { description: "transport closed by the server" });
    } else if (type === OPEN && typeof data === "string") {
      // A second one means nothing.
      if (this.#handshake === undefined) this.#begin(decodeOpen(data));
    } else if (this.#handshake === undefined) {
      throw new ProtocolError("OPEN_PACKET");
    } else if (type === MESSAGE) {
      this.dispatch("data", [data]);
      this.dispatch("message", [data]);
      this.#sink?.onMessage(data);
    } else if (type === PING) {
      this.#await(this.#handshake);
      this.#push(encodePacket(PONG));
      this.#flush();
      this.dispatch("ping", []);
      this.#sink?.onPing();
      this.dispatch("pong", []);
    }
  }

  #begin(handshake: OpenPacket): void {
    clearTimeout(this.#attemptTimer);
    this.#handshake = handshake;
    this.id = handshake.sid;
    this.#await(handshake);
    this.dispatch("handshake", [handshake]);
    if (this.readyState !== "opening") return;
    this.readyState = "open";
    upgradedBefore = this.transport.name === "websocket";
    this.dispatch("open", []);
    this.#sink?.onOpen();
    this.#flush();
    if (this.readyState === "open") this.#tryUpgrade(handshake);
  }

  /** @internal */
  onWritable(): void {
    this.#flush();
    if (this.#queue.length > 0) return;
    this.dispatch("drain", []);
    this.#endIfSent();
  }

  /** @internal */
  onLost(
    reason: "transport close" | "transport error" | "parse error",
    details: DisconnectDetails,
  ): void {
    if (this.readyState === "closed") return;
    const { description, context } = details;
    if (this.#handshake === undefined) {
      this.#failure = new ConnectError(description, context);
      const next = this.#options.tryAllTransports && this.#untried.shift();
      if (next) {
        clearTimeout(this.#attemptTimer);
        this.transport.close();
        this.transport = this.#create(next, this);
        this.#attempt();
        return;
      }
      upgradedBefore = false;
      this.dispatch("error", [this.#failure]);
    }
    this.#end(reason, details);
  }

  #end(reason: CloseReason, details?: DisconnectDetails): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    clearTimeout(this.#attemptTimer);
    clearTimeout(this.#heartbeatTimer);
    for (const end of this.#endings) end();
    this.#probe?.close();
    this.transport.close();
    this.#queue = [];
    this.id = undefined;
    this.dispatch("close", [reason, details]);
    this.#sink?.onClose(reason, details, this.#handshake === undefined ? this.#failure : undefined);
  }

  // Sending.

  #push(packet: string | Bytes): void {
    this.#queue.push(packet);
    if (this.listenerCount("packetCreate") === 0) return;
    this.dispatch("packetCreate", [named(packetOf(packet))]);
  }

  #flush(): void {
    if (this.readyState !== "open" && this.readyState !== "closing") return;
    if (this.#upgrading || this.#queue.length === 0 || !this.transport.writable) return;
    const batch = this.#queue.splice(0, this.#batchLength());
    this.transport.send(batch);
  }

  /** How many packets fit into one payload; one always does. */
  #batchLength(): number {
    const { maxPayload = Number.POSITIVE_INFINITY } = this.#handshake ?? {};
    if (this.transport.name !== "polling") return this.#queue.length;
    let length = 0;
    for (const [index, packet] of this.#queue.entries()) {
      // UTF-8 has three bytes for a UTF-16 unit at most, and base64 fewer for one of ours.
      length += packet.length * 3 + 4;
      if (index === MOST_PACKETS || (index > 0 && length > maxPayload)) return index;
    }
    return this.#queue.length;
  }

  // The heartbeat. Engine.IO "Heartbeat".

  #await({ pingInterval, pingTimeout }: OpenPacket): void {
    const delay = pingInterval + pingTimeout;
    clearTimeout(this.#heartbeatTimer);
    this.#pingDue = performance.now() + delay;
    this.#heartbeatTimer = this.#timer(() => this.#end("ping timeout"), delay);
  }

  /**
   * Whether the server's ping is overdue, though no timer has said so, since those of a page that
   * sleeps are late; then it ends. @internal
   */
  endIfOverdue(): boolean {
    const overdue = performance.now() > this.#pingDue;
    if (overdue) queueMicrotask(() => this.#end("ping timeout"));
    return overdue;
  }

  // The upgrade. Engine.IO "Upgrade".

  #tryUpgrade({ upgrades }: OpenPacket): void {
    if (this.#options.upgrade === false || this.transport.name !== "polling") return;
    const better = this.#transports.find(
      ({ prototype: { name } }) => name !== "polling" && upgrades.includes(name),
    );
    if (better === undefined) return;
    const fail = (description: string): void => {
      if (this.#probe !== probe) return;
      this.#probe = undefined;
      probe.close();
      this.dispatch("upgradeError", [new ConnectError(`probe error: ${description}`)]);
    };
    const probe = this.#create(better, {
      onOpen: () => probe.send([encodePacket(PING, PROBE)]),
      onWritable: () => {
        if (this.transport === probe) this.onWritable();
      },
      onLost: (reason, details) => {
        if (this.transport === probe || this.#upgrading) this.onLost(reason, details);
        else fail(details.description);
      },
      onMessage: (data) => {
        if (this.transport === probe) this.onMessage(data);
        // Before it has our UPGRADE, the server has nothing more to say here.
        else if (this.#upgrading) return;
        else if (data === encodePacket(PONG, PROBE) && this.readyState === "open")
          this.#change(probe);
        else fail("no probe");
      },
    });
    this.#probe = probe;
    probe.open();
  }

  /** The server has answered over the WebSocket: what is under way over polling ends, and then it is the transport. */
  #change(probe: Transport): void {
    this.#upgrading = true;
    this.dispatch("upgrading", [probe]);
    this.transport.pause(() => {
      if (this.readyState === "closed") return;
      this.#probe = undefined;
      this.#upgrading = false;
      this.transport = probe;
      upgradedBefore = true;
      probe.send([encodePacket(UPGRADE)]);
      this.dispatch("upgrade", [probe]);
      this.onWritable();
    });
  }

  #timer(callback: () => void, delay: number): ReturnType<typeof setTimeout> | undefined {
    // A timer takes no more than 32 bits.
    if (delay > 0x7fffffff) return undefined;
    const timer = setTimeout(callback, delay);
    if (this.#options.autoUnref) this.#platform.unref?.(timer);
    return timer;
  }
}

/** Throws ProtocolError. */
function packetOf(data: string | Bytes): Packet {
  return typeof data === "string" ? decodePayloadPacket(data) : { type: MESSAGE, data };
}

/** As programs know it. */
function named({ type, data }: Packet): { readonly type: string; readonly data: string | Bytes } {
  return { type: PACKET_NAMES[type], data };
}
