// One connection to a server: the handshake, the transport that carries it, the upgrade to another,
// the heartbeat. Engine.IO "Handshake" to "Upgrade", the client's side.
//
//   opening ── open packet ──▶ open ── close() ──▶ closing ── all is sent ──▶ closed
//      └───────────── lost ─────┴──────────── lost ──────────────────────────────▲

import type { Bytes } from "../protocol/bytes.ts";
import { decodeOpen, type OpenPacket } from "../protocol/engineio/handshake.ts";
import {
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
import { ProtocolError } from "../protocol/engineio/rules.ts";
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
  /** Milliseconds that one transport may take to open before the next is tried. Default 10,000. */
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
  readonly query?: Readonly<Record<string, unknown>> | string;
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
  onMessage(data: string | Bytes): void;
  onPing(): void;
  /** It has ended. Where it was never open, `error` says why. */
  onClose(
    reason: CloseReason,
    details: DisconnectDetails | undefined,
    error: Error | undefined,
  ): void;
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

export class Engine extends ClientEmitter<EngineEvents> {
  id: string | undefined;
  readonly #platform: Platform;
  readonly #origin: URL;
  readonly #options: EngineOptions & PlatformOptions;
  readonly #sink: EngineSink;
  readonly #transports: readonly TransportClass[];
  readonly #untried: TransportClass[];
  #state: "opening" | "open" | "closing" | "closed" = "opening";
  #transport: Transport;
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
    this.#transports = (options.transports ?? OURS).flatMap(
      (wanted) => OURS.find(({ prototype }) => prototype.name === wanted) ?? classes(wanted),
    );
    const remembers = options.rememberUpgrade === true && upgradedBefore;
    const first =
      (remembers ? this.#transports.find(isWebSocket) : undefined) ?? this.#transports[0];
    if (first === undefined) throw new TypeError("no transport is given");
    this.#untried = this.#transports.filter((each) => each !== first);
    this.#transport = this.#create(first);
    this.#endings.push(
      platform.onNetwork((online) => {
        if (!online) this.#onOffline();
      }),
    );
    if (options.closeOnBeforeunload === true) {
      this.#endings.push(platform.onLeave(() => this.#transport.close()));
    }
    this.#attempt();
  }

  get readyState(): "opening" | "open" | "closing" | "closed" {
    return this.#state;
  }

  /** What carries the packets now. */
  get transport(): Transport {
    return this.#transport;
  }

  /** Packets leave now. */
  get writable(): boolean {
    return this.#state === "open" && this.#queue.length === 0 && this.#transport.writable;
  }

  /** The server's ping is overdue, though no timer has said so: timers of a page that sleeps are late. */
  get overdue(): boolean {
    return performance.now() > this.#pingDue;
  }

  /** Sends messages that belong together. What is sent on an engine that is not open is dropped. */
  send(messages: readonly (string | Bytes)[]): void {
    if (this.#state !== "opening" && this.#state !== "open") return;
    for (const message of messages) {
      this.#push(typeof message === "string" ? encodePacket(MESSAGE, message) : message);
    }
    this.#flush();
  }

  /** The same as send() of one message. */
  write(message: string | Bytes): this {
    this.send([message]);
    return this;
  }

  /** Ends it when all that was sent has left. */
  close(): this {
    if (this.#state === "opening") {
      this.#end("forced close");
    } else if (this.#state === "open") {
      this.#state = "closing";
      if (this.#queue.length === 0 && !this.#upgrading) this.#end("forced close");
    }
    return this;
  }

  // Opening.

  #attempt(): void {
    const { transportTimeout = DEFAULT_TRANSPORT_TIMEOUT } = this.#options;
    this.#attemptTimer = this.#timer(() => {
      this.#onLost("transport error", { description: "the transport took too long to open" });
    }, transportTimeout);
    this.#transport.open();
  }

  #create(Class: TransportClass, sink: TransportSink = this.#sinkOf()): Transport {
    const { name } = Class.prototype;
    const options = { ...this.#options, ...this.#options.transportOptions?.[name] };
    const { extraHeaders = {}, withCredentials = false, requestTimeout = 0 } = options;
    const { protocol } = this.#origin;
    const link: Link = {
      base64: options.forceBase64 === true,
      request: (body) =>
        this.#platform.request(
          {
            method: body === undefined ? "GET" : "POST",
            url: this.#url(protocol, name, options),
            body,
            headers: {
              Accept: "*/*",
              ...(body !== undefined && { "Content-Type": "text/plain;charset=UTF-8" }),
              ...extraHeaders,
            },
            withCredentials,
            timeout: requestTimeout,
          },
          options,
        ),
      webSocket: () =>
        this.#platform.webSocket(
          this.#url(protocol.replace("http", "ws"), name, options),
          [options.protocols ?? []].flat(),
          extraHeaders,
          options,
        ),
    };
    return new Class(link, sink);
  }

  #url(scheme: string, transport: string, options: EngineOptions): string {
    const { path = "/socket.io", addTrailingSlash = true, query = {} } = options;
    const { timestampRequests, timestampParam = "t" } = options;
    const search = new URLSearchParams(
      typeof query === "string"
        ? query
        : Object.entries(query).map(([name, value]): [string, string] => [name, `${value}`]),
    );
    search.set("EIO", "4");
    search.set("transport", transport);
    if (options.forceBase64 === true) search.set("b64", "1");
    if (this.id !== undefined) search.set("sid", this.id);
    if (timestampRequests ?? transport === "polling") {
      search.set(timestampParam, Math.random().toString(36).slice(2, 10));
    }
    const slash = addTrailingSlash ? "/" : "";
    return `${scheme}//${this.#origin.host}${path.replace(/\/$/, "")}${slash}?${search}`;
  }

  #sinkOf(): TransportSink {
    return {
      onOpen: () => {},
      onPacket: (packet) => this.#onPacket(packet),
      onWritable: () => this.#onWritable(),
      onLost: (reason, details) => this.#onLost(reason, details),
    };
  }

  // What the transport reports.

  #onPacket(packet: Packet): void {
    if (this.#state === "closed") return;
    const { type, data } = packet;
    this.dispatch("packet", [{ type: PACKET_NAMES[type], data }]);
    if (type === OPEN && typeof data === "string") {
      this.#onOpen(data);
    } else if (this.#handshake === undefined) {
      this.#onLost("parse error", { description: "the server did not begin with an open packet" });
    } else if (type === MESSAGE) {
      this.dispatch("data", [data]);
      this.dispatch("message", [data]);
      this.#sink.onMessage(data);
    } else if (type === PING) {
      this.#await(this.#handshake);
      this.#push(encodePacket(PONG));
      this.#flush();
      this.dispatch("ping", []);
      this.#sink.onPing();
      this.dispatch("pong", []);
    }
  }

  #onOpen(data: string): void {
    // A second one means nothing.
    if (this.#handshake !== undefined) return;
    let handshake: OpenPacket;
    try {
      handshake = decodeOpen(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#onLost("parse error", { description: error.message, context: error });
      return;
    }
    clearTimeout(this.#attemptTimer);
    this.#handshake = handshake;
    this.id = handshake.sid;
    this.#await(handshake);
    this.dispatch("handshake", [handshake]);
    if (this.#state !== "opening") return;
    this.#state = "open";
    upgradedBefore = this.#transport.name === "websocket";
    this.dispatch("open", []);
    this.#sink.onOpen();
    this.#flush();
    if (this.#state === "open") this.#tryUpgrade(handshake);
  }

  #onWritable(): void {
    this.#flush();
    if (this.#queue.length > 0) return;
    this.dispatch("drain", []);
    if (this.#state === "closing" && !this.#upgrading) this.#end("forced close");
  }

  #onLost(
    reason: "transport close" | "transport error" | "parse error",
    details: DisconnectDetails,
  ): void {
    if (this.#state === "closed") return;
    const { description, context } = details;
    if (this.#handshake === undefined) {
      this.#failure = new ConnectError(description, context);
      const next = this.#options.tryAllTransports === true ? this.#untried.shift() : undefined;
      if (next !== undefined) {
        clearTimeout(this.#attemptTimer);
        this.#transport.close();
        this.#transport = this.#create(next);
        this.#attempt();
        return;
      }
      upgradedBefore = false;
      this.dispatch("error", [this.#failure]);
    }
    this.#end(reason, details);
  }

  #onOffline(): void {
    // What is on this machine is there without a network.
    if (/^(localhost|127\.|\[?::1)/.test(this.#origin.hostname)) return;
    this.#onLost("transport close", { description: "network connection lost" });
  }

  #end(reason: CloseReason, details?: DisconnectDetails): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#attemptTimer);
    clearTimeout(this.#heartbeatTimer);
    for (const end of this.#endings) end();
    this.#probe?.close();
    this.#transport.close();
    this.#queue = [];
    this.id = undefined;
    this.dispatch("close", details === undefined ? [reason] : [reason, details]);
    this.#sink.onClose(reason, details, this.#handshake === undefined ? this.#failure : undefined);
  }

  // Sending.

  #push(packet: string | Bytes): void {
    this.#queue.push(packet);
    if (this.listenerCount("packetCreate") === 0) return;
    const type = typeof packet === "string" ? packet.charAt(0) : MESSAGE;
    const name = Object.entries(PACKET_NAMES).find(([each]) => each === type)?.[1];
    const data = typeof packet === "string" ? packet.slice(1) : packet;
    this.dispatch("packetCreate", [{ type: name, data }]);
  }

  #flush(): void {
    if (this.#state !== "open" && this.#state !== "closing") return;
    if (this.#upgrading || this.#queue.length === 0 || !this.#transport.writable) return;
    const batch = this.#queue.splice(0, this.#batchLength());
    this.#transport.send(batch);
  }

  /** How many packets fit into one payload; one always does. */
  #batchLength(): number {
    const { maxPayload = Number.POSITIVE_INFINITY } = this.#handshake ?? {};
    if (this.#transport.name !== "polling") return this.#queue.length;
    let length = 0;
    for (const [index, packet] of this.#queue.entries()) {
      // UTF-8 has three bytes for a UTF-16 unit at most, and base64 four characters for three bytes.
      length += typeof packet === "string" ? packet.length * 3 : 3 + packet.length * (4 / 3);
      if (index === MOST_PACKETS || (index > 0 && length > maxPayload)) return index;
      length += 1;
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

  /** Ends a connection whose ping is overdue. */
  checkHeartbeat(): void {
    if (this.overdue) queueMicrotask(() => this.#end("ping timeout"));
  }

  // The upgrade. Engine.IO "Upgrade".

  #tryUpgrade({ upgrades }: OpenPacket): void {
    if (this.#options.upgrade === false || this.#transport.name !== "polling") return;
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
      onWritable: () => {},
      onLost: (_reason, { description }) => {
        if (!this.#upgrading) fail(description);
        else this.#onLost("transport error", { description });
      },
      onPacket: ({ type, data }) => {
        if (type !== PONG || data !== PROBE || this.#state === "closing") fail("no probe");
        else if (!this.#upgrading) this.#change(probe);
      },
    });
    this.#probe = probe;
    probe.open();
  }

  /** The server has answered over the WebSocket: what is under way over polling ends, and then it is the transport. */
  #change(probe: Transport): void {
    this.#upgrading = true;
    this.dispatch("upgrading", [probe]);
    this.#transport.pause(() => {
      if (this.#state === "closed") return;
      this.#probe = undefined;
      this.#upgrading = false;
      probe.reportTo(this.#sinkOf());
      this.#transport = probe;
      upgradedBefore = true;
      probe.send([encodePacket(UPGRADE)]);
      this.dispatch("upgrade", [probe]);
      this.#flush();
    });
  }

  #timer(callback: () => void, delay: number): ReturnType<typeof setTimeout> | undefined {
    // A timer takes no more than 32 bits.
    if (delay > 0x7fffffff) return undefined;
    const timer = setTimeout(callback, delay);
    if (this.#options.autoUnref === true) this.#platform.unref(timer);
    return timer;
  }
}

function isWebSocket({ prototype }: TransportClass): boolean {
  return prototype.name === "websocket";
}

/** What is none of our names: a class of the program's, or nothing. */
function classes(wanted: TransportName | TransportClass): TransportClass[] {
  return typeof wanted === "string" ? [] : [wanted];
}
