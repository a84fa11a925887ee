// One connection to a server: the handshake, the transport that carries the packets, the upgrade to another
// transport, the heartbeat. Engine.IO "Handshake" to "Upgrade", the client's side. states.ts has the states.

import { ClientEmitter } from "../../lib/events/component-emitter.ts";
import type { Bytes } from "../../protocol/bytes.ts";
import { decodeOpen, type OpenPacket } from "../../protocol/engineio/handshake.ts";
import {
  CLOSE,
  encodePacket,
  MESSAGE,
  OPEN,
  PACKET_NAMES,
  type Packet,
  PING,
  PONG,
} from "../../protocol/engineio/packet.ts";
import { decodePayloadPacket } from "../../protocol/engineio/payload.ts";
import { ProtocolError } from "../../protocol/engineio/rules.ts";
import type { PlatformOptions } from "../platform/network.ts";
import type { Platform } from "../platform/platform.ts";
import type { EngineOptions } from "./options.ts";
import { PollingTransport } from "./polling.ts";
import { Probe, type ProbeSink } from "./probe.ts";
import { formatQuery, queryFields } from "./query.ts";
import {
  type EngineEvent,
  type EngineState,
  mayFlush,
  maySend,
  nextEngineState,
  type ReadyState,
  readyStateOf,
} from "./states.ts";
import type { DisconnectDetails, Link, Transport, TransportClass } from "./transport.ts";
import { WebSocketTransport } from "./websocket.ts";

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
  /** The connection has ended. Where it was never open, `error` says why. */
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

export class Engine extends ClientEmitter<EngineEvents> implements ProbeSink {
  /** The session's id, from the handshake on until it has ended. */
  id: string | undefined;
  /** The transport that carries the packets. */
  transport: Transport;

  private readonly platform: Platform;
  private readonly server: URL;
  private readonly options: EngineOptions & PlatformOptions;
  private sink: EngineSink | undefined;
  private readonly transports: readonly TransportClass[];
  private readonly untried: TransportClass[];
  private state: EngineState = "opening";
  // The transport on trial: in the states `probing`, `upgrading` and `closingUpgrading`.
  private probe: Probe | undefined;
  // Encoded text packets, and the bytes of binary messages, until the transport is writable.
  private queue: (string | Bytes)[] = [];
  private attemptTimer: ReturnType<typeof setTimeout> | undefined;
  private heartbeatTimer: ReturnType<typeof setTimeout> | undefined;
  // Of the open packet: the longest time between two pings, in milliseconds, and the longest payload in bytes.
  private heartbeatDelay = Number.POSITIVE_INFINITY;
  private maxPayload = Number.POSITIVE_INFINITY;
  private pingDue = Number.POSITIVE_INFINITY;
  private readonly endings: (() => void)[] = [];
  // Why the transport that was tried last has not opened.
  private failure: Error | undefined;

  constructor(
    platform: Platform,
    server: URL,
    options: EngineOptions & PlatformOptions,
    sink: EngineSink,
  ) {
    super();
    this.platform = platform;
    this.server = server;
    this.options = options;
    this.sink = sink;
    this.transports = (options.transports ?? OURS).flatMap((wanted) =>
      typeof wanted === "string"
        ? OURS.filter(({ prototype }) => prototype.name === wanted)
        : [wanted],
    );
    const remembers = options.rememberUpgrade && upgradedBefore;
    const first =
      this.transports.find(({ prototype }) => remembers && prototype.name === "websocket") ??
      this.transports[0];
    if (first === undefined) throw new TypeError("no transport");
    this.untried = this.transports.filter((each) => each !== first);
    this.transport = new first(this.link(first), this);
    this.endings.push(
      platform.onNetwork((online) => {
        // What is on this machine is there without a network.
        if (online || /^(localhost|127\.|\[::1)/.test(server.hostname)) return;
        this.onLost("transport close", { description: "network connection lost" });
      }),
    );
    if (options.closeOnBeforeunload) {
      this.endings.push(platform.onLeave(() => this.transport.close()));
    }
    this.attempt();
  }

  get readyState(): ReadyState {
    return readyStateOf(this.state);
  }

  /** Whether a message would be given to the transport at once. */
  get writable(): boolean {
    return this.readyState === "open" && this.queue.length === 0 && this.transport.writable;
  }

  /** Sends a message, or queues it until the transport is writable. Drops it in a closing or closed connection. */
  send(message: string | Bytes): this {
    return this.sendAll([message]);
  }

  /** The same as send(). */
  write(message: string | Bytes): this {
    return this.sendAll([message]);
  }

  /** Sends messages that belong together. @internal */
  sendAll(messages: readonly (string | Bytes)[]): this {
    if (maySend(this.state)) {
      for (const message of messages) {
        this.push(typeof message === "string" ? encodePacket(MESSAGE, message) : message);
      }
      this.flush();
    }
    return this;
  }

  /** Closes the connection after sending what is queued. */
  close(): this {
    if (this.state === "opening") {
      this.end("close", "forced close");
    } else if (this.advance("close")) {
      if (this.state === "closing") this.dropProbe();
      this.endIfDrained();
    }
    return this;
  }

  /** Closes the connection as close() does, and reports nothing more to the layer above. @internal */
  release(): void {
    this.sink = undefined;
    this.close();
  }

  private endIfDrained(): void {
    if (this.state === "closing" && this.queue.length === 0 && this.transport.writable) {
      this.end("drained", "forced close");
    }
  }

  /** Changes the state. Returns false where the event cannot happen in this state. */
  private advance(event: EngineEvent): boolean {
    const next = nextEngineState(this.state, event);
    if (next !== undefined) this.state = next;
    return next !== undefined;
  }

  // Opening.

  private attempt(): void {
    const other = this.options.tryAllTransports && this.untried.length > 0;
    const { transportTimeout = other ? DEFAULT_TRANSPORT_TIMEOUT : Number.POSITIVE_INFINITY } =
      this.options;
    this.attemptTimer = this.timer(() => {
      this.onLost("transport error", { description: "transport timeout" });
    }, transportTimeout);
    this.transport.open();
  }

  private link(Class: TransportClass): Link {
    const { name } = Class.prototype;
    const options = { ...this.options, ...this.options.transportOptions?.[name] };
    const { protocol } = this.server;
    return {
      base64: options.forceBase64 === true,
      request: (body) => this.platform.request(this.url(protocol, name, options), body, options),
      webSocket: () =>
        this.platform.webSocket(this.url(protocol.replace("http", "ws"), name, options), options),
    };
  }

  private url(scheme: string, transport: string, options: EngineOptions): string {
    const { path = "/socket.io", addTrailingSlash = true, query = {} } = options;
    const { timestampRequests, timestampParam = "t" } = options;
    const isStamped = timestampRequests ?? transport === "polling";
    const slash = addTrailingSlash ? "/" : "";
    const { host, search } = this.server;
    const fields = formatQuery({
      ...queryFields(search || query),
      EIO: 4,
      transport,
      ...(options.forceBase64 && { b64: 1 }),
      ...(this.id !== undefined && { sid: this.id }),
      ...(isStamped && { [timestampParam]: Math.random().toString(36).slice(2, 10) }),
    });
    return `${scheme}//${host}${path.replace(/\/$/, "")}${slash}?${fields}`;
  }

  // What the transport reports.

  /** @internal */
  onOpen(): void {}

  /** @internal */
  onMessage(data: string | Bytes): void {
    if (this.state === "closed") return;
    try {
      this.onPacket(packetOf(data));
    } catch (error) {
      // A ProtocolError, or whatever a parser of the program throws.
      this.onLost("parse error", { description: `${error}`, context: error });
    }
  }

  private onPacket(packet: Packet): void {
    const { type, data } = packet;
    this.dispatch("packet", [named(packet)]);
    // A listener may have closed the connection, which must start no timer then.
    if (this.state === "closed") return;
    if (type === CLOSE) {
      this.onLost("transport close", { description: "transport closed by the server" });
    } else if (type === OPEN && typeof data === "string") {
      // A second open packet is ignored.
      if (this.state === "opening") this.begin(decodeOpen(data));
    } else if (this.state === "opening") {
      throw new ProtocolError("OPEN_PACKET");
    } else if (type === MESSAGE) {
      this.dispatch("data", [data]);
      this.dispatch("message", [data]);
      this.sink?.onMessage(data);
    } else if (type === PING) {
      this.awaitPing();
      this.push(encodePacket(PONG));
      this.flush();
      this.dispatch("ping", []);
      this.sink?.onPing();
      this.dispatch("pong", []);
    }
  }

  private begin(handshake: OpenPacket): void {
    const { sid, pingInterval, pingTimeout, maxPayload, upgrades } = handshake;
    clearTimeout(this.attemptTimer);
    this.failure = undefined;
    this.id = sid;
    this.heartbeatDelay = pingInterval + pingTimeout;
    this.maxPayload = maxPayload;
    this.awaitPing();
    this.dispatch("handshake", [handshake]);
    if (!this.advance("open")) return;
    upgradedBefore = this.transport.name === "websocket";
    // The layer above first: a listener may close the engine, and an end before the open would be lost.
    this.sink?.onOpen();
    if (this.readyState === "open") this.dispatch("open", []);
    this.flush();
    if (this.state === "open") this.tryUpgrade(upgrades);
  }

  /** @internal */
  onWritable(): void {
    this.flush();
    if (this.queue.length > 0) return;
    this.dispatch("drain", []);
    this.endIfDrained();
  }

  /** @internal */
  onLost(
    reason: "transport close" | "transport error" | "parse error",
    details: DisconnectDetails,
  ): void {
    if (this.state === "opening") {
      const { description, context } = details;
      this.failure = new ConnectError(description, context);
      const next = this.options.tryAllTransports && this.untried.shift();
      if (next) {
        clearTimeout(this.attemptTimer);
        this.transport.close();
        this.transport = new next(this.link(next), this);
        this.attempt();
        return;
      }
      upgradedBefore = false;
      this.dispatch("error", [this.failure]);
    }
    this.end("lost", reason, details);
  }

  private end(event: EngineEvent, reason: CloseReason, details?: DisconnectDetails): void {
    if (!this.advance(event)) return;
    clearTimeout(this.attemptTimer);
    clearTimeout(this.heartbeatTimer);
    for (const end of this.endings) end();
    this.dropProbe();
    this.transport.close();
    this.queue = [];
    this.id = undefined;
    this.dispatch("close", [reason, details]);
    this.sink?.onClose(reason, details, this.failure);
  }

  // Sending.

  private push(packet: string | Bytes): void {
    this.queue.push(packet);
    if (this.listenerCount("packetCreate") === 0) return;
    this.dispatch("packetCreate", [named(packetOf(packet))]);
  }

  private flush(): void {
    if (!mayFlush(this.state) || this.queue.length === 0 || !this.transport.writable) return;
    const batch = this.queue.splice(0, this.batchLength());
    this.transport.send(batch);
  }

  /** Returns how many packets of the queue fit into one payload. One packet always does. */
  private batchLength(): number {
    if (this.transport.name !== "polling") return this.queue.length;
    let length = 0;
    for (const [index, packet] of this.queue.entries()) {
      // UTF-8 has three bytes for a UTF-16 unit at most, and base64 fewer for one of ours.
      length += packet.length * 3 + 4;
      if (index === MOST_PACKETS || (index > 0 && length > this.maxPayload)) return index;
    }
    return this.queue.length;
  }

  // The heartbeat. Engine.IO "Heartbeat".

  private awaitPing(): void {
    clearTimeout(this.heartbeatTimer);
    this.pingDue = performance.now() + this.heartbeatDelay;
    this.heartbeatTimer = this.timer(() => this.end("lost", "ping timeout"), this.heartbeatDelay);
  }

  /**
   * Closes the connection if the server's ping is overdue, and returns whether it is. The timers of a page
   * that sleeps are late, so the heartbeat may not have noticed yet. @internal
   */
  endIfOverdue(): boolean {
    const overdue = performance.now() > this.pingDue;
    if (overdue) queueMicrotask(() => this.end("lost", "ping timeout"));
    return overdue;
  }

  // The upgrade. Engine.IO "Upgrade".

  private tryUpgrade(upgrades: readonly string[]): void {
    if (this.options.upgrade === false || this.transport.name !== "polling") return;
    const better = this.transports.find(
      ({ prototype: { name } }) => name !== "polling" && upgrades.includes(name),
    );
    if (better === undefined) return;
    this.advance("probe");
    this.probe = new Probe(better, this.link(better), this);
    this.probe.start();
  }

  /** @internal */
  onProbeAnswered(probe: Probe): void {
    if (!this.advance("pong")) return;
    this.dispatch("upgrading", [probe.transport]);
    this.transport.pause(() => this.onPaused(probe));
  }

  /** @internal */
  onProbeFailed(description: string): void {
    if (!this.advance("abandon")) return;
    this.dropProbe();
    this.dispatch("upgradeError", [new ConnectError(`probe error: ${description}`)]);
  }

  /** Polling has finished its requests, so the transport of the probe takes its place. */
  private onPaused(probe: Probe): void {
    if (!this.advance("upgrade")) return;
    this.probe = undefined;
    this.transport = probe.transport;
    upgradedBefore = true;
    probe.upgrade();
    this.dispatch("upgrade", [probe.transport]);
    this.onWritable();
  }

  private dropProbe(): void {
    this.probe?.abandon();
    this.probe = undefined;
  }

  private timer(callback: () => void, delay: number): ReturnType<typeof setTimeout> | undefined {
    // A timer takes no more than 32 bits.
    if (delay > 0x7fffffff) return undefined;
    const timer = setTimeout(callback, delay);
    if (this.options.autoUnref) this.platform.unref?.(timer);
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
