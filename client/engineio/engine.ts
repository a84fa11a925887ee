// Implements the client's side of one Engine.IO connection: the handshake, the current transport, the upgrade to
// another transport, and the heartbeat. states.ts defines the states of the connection. Engine.IO "Handshake" to
// "Upgrade".

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

/** Why a connection was closed. "forced close" means that the program closed the connection. */
export type CloseReason =
  | "transport close"
  | "transport error"
  | "parse error"
  | "ping timeout"
  | "forced close";

/** An Engine.IO packet, as listeners of an engine receive packets. */
export interface EnginePacket {
  /** The name of the packet type, such as "message". */
  readonly type: string;
  /** The payload. Only a message can have bytes as its payload. */
  readonly data: string | Bytes;
}

/** The events that an engine emits. */
export interface EngineEvents {
  /** Emitted when the connection is open. */
  open: () => void;
  /**
   * Emitted when the open packet is received.
   *
   * @param handshake the content of the open packet
   */
  handshake: (handshake: OpenPacket) => void;
  /**
   * Emitted when a packet of any type is received.
   *
   * @param packet the received packet
   */
  packet: (packet: EnginePacket) => void;
  /**
   * Emitted when a packet is queued for sending.
   *
   * @param packet the queued packet
   */
  packetCreate: (packet: EnginePacket) => void;
  /**
   * Emitted when a message is received.
   *
   * @param data the message, a text or bytes
   */
  message: (data: string | Bytes) => void;
  /**
   * The same as `message`.
   *
   * @param data the message, a text or bytes
   */
  data: (data: string | Bytes) => void;
  /** Emitted when a ping of the server is received. */
  ping: () => void;
  /** Emitted after a ping of the server was answered with a pong. */
  pong: () => void;
  /** Emitted when the transport has sent all queued packets. */
  drain: () => void;
  /**
   * Emitted when the server has answered the probe of another transport.
   *
   * @param transport the new transport
   */
  upgrading: (transport: Transport) => void;
  /**
   * Emitted when the connection has changed to another transport.
   *
   * @param transport the new transport
   */
  upgrade: (transport: Transport) => void;
  /**
   * Emitted when the probe of another transport fails. The connection continues over the current transport.
   *
   * @param error the cause, a ConnectError
   */
  upgradeError: (error: Error) => void;
  /**
   * Emitted when the connection cannot be opened.
   *
   * @param error the cause, a ConnectError
   */
  error: (error: Error) => void;
  /**
   * Emitted when the connection is closed.
   *
   * @param reason why the connection was closed
   * @param details further details, if the connection was lost
   */
  close: (reason: CloseReason, details?: DisconnectDetails) => void;
}

/** The methods of a manager that an engine calls. */
export interface EngineSink {
  /** Called when the connection is open. */
  onOpen(): void;
  /**
   * Called when a message is received. If this method throws, the connection is closed with the reason "parse error".
   */
  onMessage(data: string | Bytes): void;
  /** Called after a ping of the server was received and answered. */
  onPing(): void;
  /** Called when the connection is closed. If the connection was never open, `error` is the cause. */
  onClose(reason: CloseReason, details?: DisconnectDetails, error?: Error): void;
}

/** Emitted as "connect_error" or "error" if the connection to the server cannot be opened. */
export class ConnectError extends Error {
  /** The name of the class. */
  override readonly name = "ConnectError";
  /** Identifies this kind of error. */
  readonly code = "ERR_CONNECT";
  /** The value of `type` in the errors of socket.io-client. */
  readonly type = "TransportError";
  /** The HTTP status of the response, or the error or event of the transport. May be `undefined`. */
  readonly description: unknown;

  /** @internal */
  constructor(message: string, description?: unknown) {
    super(message);
    this.description = description;
  }
}

const OURS: readonly TransportClass[] = [PollingTransport, WebSocketTransport];
const DEFAULT_TRANSPORT_TIMEOUT = 10_000;

/**
 * The largest number of packets in one payload. The server of python-engineio rejects a payload with more packets, and
 * these packets are lost.
 */
const MOST_PACKETS = 16;

// Whether the last connection used a WebSocket. The option `rememberUpgrade` needs this information.
let upgradedBefore = false;

/** One connection to a server. A manager creates another engine for each reconnection. Engine.IO "Handshake". */
export class Engine extends ClientEmitter<EngineEvents> implements ProbeSink {
  /** The id of the session. `undefined` before the handshake and after the end of the connection. */
  id: string | undefined;
  /** The current transport. An upgrade replaces the transport. */
  transport: Transport;

  private readonly platform: Platform;
  private readonly server: URL;
  private readonly options: EngineOptions & PlatformOptions;
  private sink: EngineSink | undefined;
  private readonly transports: readonly TransportClass[];
  private readonly untried: TransportClass[];
  private state: EngineState = "opening";
  // The probe of another transport, in the states `probing`, `upgrading` and `closingUpgrading`.
  private probe: Probe | undefined;
  // Outgoing packets that wait until the transport is writable: encoded text packets, and the bytes of binary
  // messages.
  private queue: (string | Bytes)[] = [];
  private attemptTimer: ReturnType<typeof setTimeout> | undefined;
  private heartbeatTimer: ReturnType<typeof setTimeout> | undefined;
  // The limits in the open packet: the longest time between two pings, in milliseconds, and the longest payload, in
  // bytes.
  private heartbeatDelay = Number.POSITIVE_INFINITY;
  private maxPayload = Number.POSITIVE_INFINITY;
  private pingDue = Number.POSITIVE_INFINITY;
  private readonly endings: (() => void)[] = [];
  // The error of the last transport that could not be opened.
  private failure: Error | undefined;

  /** @internal */
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
    if (first === undefined) throw new TypeError("no supported transport");
    this.untried = this.transports.filter((each) => each !== first);
    this.transport = new first(this.link(first), this);
    this.endings.push(
      platform.onNetwork((online) => {
        // A server on this machine can be reached without a network, so the connection continues.
        if (online || /^(localhost|127\.|\[::1)/.test(server.hostname)) return;
        this.onLost("transport close", { description: "network connection lost" });
      }),
    );
    if (options.closeOnBeforeunload) {
      this.endings.push(platform.onLeave(() => this.transport.close()));
    }
    this.attempt();
  }

  /** The state of the connection, as in engine.io-client. */
  get readyState(): ReadyState {
    return readyStateOf(this.state);
  }

  /** Whether a message would be sent at once, and not queued. */
  get writable(): boolean {
    return this.readyState === "open" && this.queue.length === 0 && this.transport.writable;
  }

  /**
   * Sends a message. The message is queued until the transport is writable, and dropped if the connection is closing
   * or closed.
   *
   * @param message a text, or the bytes of a binary message
   */
  send(message: string | Bytes): this {
    return this.sendAll([message]);
  }

  /**
   * The same as send().
   *
   * @param message a text, or the bytes of a binary message
   */
  write(message: string | Bytes): this {
    return this.sendAll([message]);
  }

  /** Sends messages with no other message between them. @internal */
  sendAll(messages: readonly (string | Bytes)[]): this {
    if (maySend(this.state)) {
      for (const message of messages) {
        this.push(typeof message === "string" ? encodePacket(MESSAGE, message) : message);
      }
      this.flush();
    }
    return this;
  }

  /** Closes the connection after sending the queued messages. */
  close(): this {
    if (this.state === "opening") {
      this.end("close", "forced close");
    } else if (this.advance("close")) {
      if (this.state === "closing") this.dropProbe();
      this.endIfDrained();
    }
    return this;
  }

  /** Closes the connection as close() does, and no longer calls the methods of the sink. @internal */
  release(): void {
    this.sink = undefined;
    this.close();
  }

  private endIfDrained(): void {
    if (this.state === "closing" && this.queue.length === 0 && this.transport.writable) {
      this.end("drained", "forced close");
    }
  }

  /** Changes the state. Returns `false` if the event cannot happen in the current state. */
  private advance(event: EngineEvent): boolean {
    const next = nextEngineState(this.state, event);
    if (next !== undefined) this.state = next;
    return next !== undefined;
  }

  // The methods below open the connection.

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

  // The methods below handle the calls of the transport.

  /** @internal */
  onOpen(): void {}

  /** @internal */
  onMessage(data: string | Bytes): void {
    if (this.state === "closed") return;
    try {
      this.onPacket(packetOf(data));
    } catch (error) {
      // The error is a ProtocolError, or any error of a user-supplied parser.
      this.onLost("parse error", { description: `${error}`, context: error });
    }
  }

  private onPacket(packet: Packet): void {
    const { type, data } = packet;
    this.dispatch("packet", [named(packet)]);
    // A listener of "packet" may have closed the connection. A closed connection must not start a timer.
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
    // The sink is called before the listeners of "open". Otherwise, if a listener closed the engine, the sink would
    // receive onClose() before onOpen().
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

  // The methods below send packets.

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

  /**
   * Returns how many packets of the queue to send in one payload. The payload contains at least one packet, even if
   * this packet is too long.
   */
  private batchLength(): number {
    if (this.transport.name !== "polling") return this.queue.length;
    let length = 0;
    for (const [index, packet] of this.queue.entries()) {
      // The sum is an upper bound of the encoded length. A UTF-16 code unit has at most three bytes in UTF-8. A byte
      // has fewer than three characters in base64.
      length += packet.length * 3 + 4;
      if (index === MOST_PACKETS || (index > 0 && length > this.maxPayload)) return index;
    }
    return this.queue.length;
  }

  // The methods below implement the heartbeat. Engine.IO "Heartbeat".

  private awaitPing(): void {
    clearTimeout(this.heartbeatTimer);
    this.pingDue = performance.now() + this.heartbeatDelay;
    this.heartbeatTimer = this.timer(() => this.end("lost", "ping timeout"), this.heartbeatDelay);
  }

  /**
   * Closes the connection if the server's ping is overdue, and returns whether the ping is overdue. While a computer
   * sleeps or a page is frozen, timers do not run, so the timer of the heartbeat may be late. @internal
   */
  endIfOverdue(): boolean {
    const overdue = performance.now() > this.pingDue;
    if (overdue) queueMicrotask(() => this.end("lost", "ping timeout"));
    return overdue;
  }

  // The methods below implement the upgrade. Engine.IO "Upgrade".

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

  /**
   * Replaces the polling transport with the transport of the probe. Called after the polling transport has finished its
   * requests.
   */
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
    // Node and browsers call the function of a timer immediately if its delay is longer than 0x7fffffff ms. Therefore
    // no timer is started for such a delay.
    if (delay > 0x7fffffff) return undefined;
    const timer = setTimeout(callback, delay);
    if (this.options.autoUnref) this.platform.unref?.(timer);
    return timer;
  }
}

/** Decodes a packet. @throws ProtocolError if the packet is invalid */
function packetOf(data: string | Bytes): Packet {
  return typeof data === "string" ? decodePayloadPacket(data) : { type: MESSAGE, data };
}

/** Returns a packet in the form that listeners receive. */
function named({ type, data }: Packet): EnginePacket {
  return { type: PACKET_NAMES[type], data };
}
