// What an engine tells its operator: counts, channels of node:diagnostics_channel, a logger of the program, and
// lines on standard error if NODE_DEBUG=barewire:engine. docs/operating.md shows how to read them.

import { channel } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

import type { Revision } from "../../protocol/engineio/handshake.ts";
import type { Packet } from "../../protocol/engineio/packet.ts";
import type { CloseReason } from "../../protocol/engineio/session.ts";
import { BoundExceededError } from "../bound-exceeded.ts";
import { debugEngine } from "../debug.ts";
import { Log, type Logger } from "./log.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Transport } from "./transport.ts";

/** How an engine is doing. Counts are since it was created. */
export interface EngineStats {
  readonly connections: {
    /** Clients that are connected. */
    readonly open: number;
    /** Addresses from which they have come. Of IPv6, each network of 64 bits is one. */
    readonly addresses: number;
    /** Clients that have been connected. */
    readonly total: number;
    /** Those that are connected, by their transport. */
    readonly byTransport: Readonly<Record<Transport["name"], number>>;
    /** Those that are connected, by the revision of Engine.IO that they speak. */
    readonly byRevision: Readonly<Record<Revision, number>>;
  };
  /** Packets of Engine.IO: messages and heartbeats. */
  readonly packets: { readonly received: number; readonly sent: number };
  readonly bytes: {
    /** Of WebSocket connections with their heads, and of the bodies of polling requests. */
    readonly received: number;
    /** Of WebSocket connections with their heads, and of the bodies of the answers to polling requests. */
    readonly sent: number;
    /** That wait in this process for clients to take them. */
    readonly waiting: number;
  };
  /** Clients that were refused, by the reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Sessions that have ended, by the reason that "disconnect" listeners are given. */
  readonly closes: Readonly<Record<string, number>>;
  /** Breaches of a protocol that ended a session, by the rule. */
  readonly breaches: Readonly<Record<string, number>>;
  /** Failures of the server's own, such as of the way to the other nodes of a cluster, or of the logger. */
  readonly errors: number;
  /** Bounds that clients have reached, by the name of the option. */
  readonly bounds: Readonly<Record<string, number>>;
  /** Those for which the most waits, at most five. */
  readonly slowest: readonly SlowClient[];
  /** Events that were not sent to a client because too much waited for it: `backpressurePolicy`. */
  readonly dropped: number;
  /**
   * Milliseconds by which the event loop is late, since the first call of stats(), to which it is not known. A
   * sample is taken every 20 ms.
   */
  readonly eventLoopDelay: { readonly mean: number; readonly p99: number; readonly max: number };
}

/** A client that does not take what is sent to it as fast as it is sent. */
export interface SlowClient {
  /** Of its session, as the logger has it. */
  readonly id: string;
  readonly address: string;
  /** Bytes that wait for it in this process. */
  readonly waiting: number;
}

const MAX_SLOWEST = 5;

/** A session as its monitor sees it. */
export interface Monitored {
  readonly id: string;
  readonly protocol: Revision;
  readonly clientAddress: string;
  readonly addressGroup: string;
  readonly transport: Transport;
  readonly bufferedAmount: number;
}

const CONNECTION = channel("barewire:connection");
const MESSAGE = channel("barewire:message");
const REFUSAL = channel("barewire:refusal");
const BOUND = channel("barewire:bound");
const CLOSE = channel("barewire:close");

const SAMPLING_INTERVAL = 20;
const NANOSECONDS = 1e6;

/** Counts by names that are not known beforehand. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

export class Monitor {
  // Counted at each packet, so they are plain numbers.
  received = 0;
  sent = 0;
  #total = 0;
  #bytesReceived = 0;
  #bytesSent = 0;
  readonly #refusals = new Counts();
  readonly #closes = new Counts();
  readonly #breaches = new Counts();
  readonly #bounds = new Counts();
  readonly #log: Log;
  #loggerHasFailed = false;
  readonly #addressOf: (request: IncomingMessage) => string;
  #errors = 0;
  #dropped = 0;
  #delay: IntervalHistogram | undefined;

  /** @param addressOf returns the address of a request's client */
  constructor(logger: Logger | undefined, addressOf: (request: IncomingMessage) => string) {
    this.#log = new Log(logger, (error) => this.#onLoggerFailure(error));
    this.#addressOf = addressOf;
  }

  onConnection(session: Monitored): void {
    this.#total++;
    const { id, protocol, transport, clientAddress } = session;
    if (CONNECTION.hasSubscribers) CONNECTION.publish({ session });
    if (debugEngine.enabled)
      debugEngine("%s connects over %s, revision %d", id, transport.name, protocol);
    if (!this.#log.debugs) return;
    this.#log.debug("a client has connected", {
      id,
      address: clientAddress,
      transport: transport.name,
      revision: protocol,
    });
  }

  onUpgrade({ id }: Monitored, from: Transport): void {
    this.#addBytes(from);
    if (debugEngine.enabled) debugEngine("%s changes to its WebSocket", id);
    this.#log.debug("a client has changed to its WebSocket", { id });
  }

  /**
   * @param name of the refusal, or of what exactly was wrong
   * @param context what else is known, as "connection_error" has it
   */
  onRefusal(
    request: IncomingMessage,
    name: string,
    message: string,
    context: Readonly<Record<string, unknown>> = {},
  ): void {
    this.#refusals.add(name);
    if (REFUSAL.hasSubscribers) REFUSAL.publish({ request, name, message });
    if (debugEngine.enabled) debugEngine("refuses %s %s: %s", request.method, request.url, message);
    this.#log.warn("a client was refused", name, () => {
      const address = this.#addressOf(request);
      return { ...context, name, message, address, url: request.url };
    });
  }

  onReceived(session: Monitored, packet: Packet): void {
    this.received++;
    if (MESSAGE.hasSubscribers) {
      MESSAGE.publish({ session, direction: "received", packets: [packet] });
    }
  }

  onSent(session: Monitored, { packets }: Outgoing): void {
    this.sent += packets.length;
    if (MESSAGE.hasSubscribers) MESSAGE.publish({ session, direction: "sent", packets });
  }

  /** @param waiting bytes that waited for the client */
  onClose(
    session: Monitored,
    waiting: number,
    reason: CloseReason,
    detail: Error | undefined,
  ): void {
    const { id, clientAddress: address } = session;
    this.#closes.add(reason);
    this.#addBytes(session.transport);
    if (CLOSE.hasSubscribers) CLOSE.publish({ session, reason, detail });
    if (debugEngine.enabled)
      debugEngine("%s ends: %s%s", id, reason, detail ? `, ${detail.message}` : "");
    const rule: unknown = detail && Reflect.get(detail, "rule");
    if (typeof rule === "string") this.#breaches.add(rule);
    if (detail instanceof BoundExceededError) {
      this.onBound(session, detail.bound, detail.message);
    } else if (rule === "MESSAGE_TOO_BIG") {
      this.onBound(session, "maxHttpBufferSize", `${detail?.message}`);
    } else if (reason === "ping timeout" && waiting > 0) {
      const details = { id, address, waiting };
      this.#log.warn("a client did not read, and has timed out", reason, () => details);
    } else if (detail === undefined) {
      this.#log.debug("a client has disconnected", { id, reason });
    } else {
      const details = { id, address, reason, error: detail };
      this.#log.warn("a connection has failed", reason, () => details);
    }
  }

  /** @param rule the name of the rule of Socket.IO */
  onBreach({ id, clientAddress: address }: Monitored, rule: string, message: string): void {
    this.#breaches.add(rule);
    if (rule === "TOO_MANY_ATTACHMENTS") this.#bounds.add("maxAttachments");
    if (debugEngine.enabled) debugEngine("%s breaks a rule: %s", id, message);
    const details = { id, address, rule, message };
    this.#log.warn("a client has broken the protocol", rule, () => details);
  }

  /**
   * @param bound the name of its option
   * @param isNew it is told of. Otherwise it is only counted: the client has reached the bound just before
   */
  onBound(
    { id, clientAddress: address }: Monitored,
    bound: string,
    message: string,
    isNew = true,
  ): void {
    this.#bounds.add(bound);
    if (!isNew) return;
    if (BOUND.hasSubscribers) BOUND.publish({ id, address, bound, message });
    const details = { id, address, bound, message };
    this.#log.warn("a client has reached a bound", bound, () => details);
  }

  /**
   * Events for a client were dropped.
   *
   * @param begins they are the first of those that were dropped since something began to wait for it. Others are
   * counted, and not told of: each event may be one
   */
  onDropped(session: Monitored, events: number, begins: boolean): void {
    this.#dropped += events;
    if (begins) {
      const message = "too many bytes wait for the client: events are dropped";
      this.onBound(session, "maxBackpressure", message);
    }
  }

  /** A new client was refused because of a bound. @param bound the name of its option */
  onNewcomerBound(address: string, bound: string, message: string): void {
    this.#bounds.add(bound);
    if (BOUND.hasSubscribers) BOUND.publish({ id: undefined, address, bound, message });
  }

  /** Logs how many lines were left out lately. */
  flushLog(): void {
    this.#log.flush();
  }

  onError(error: Error): void {
    this.#errors++;
    this.#log.error(error.message, { error });
  }

  /** @param sessions those that are open */
  stats(sessions: Iterable<Monitored>): EngineStats {
    const byTransport = { polling: 0, websocket: 0, memory: 0 };
    const byRevision = { 3: 0, 4: 0 };
    let [open, received, sent, waiting] = [0, this.#bytesReceived, this.#bytesSent, 0];
    const addresses = new Set<string>();
    const slow: SlowClient[] = [];
    for (const session of sessions) {
      const { transport, protocol, bufferedAmount, addressGroup } = session;
      open++;
      addresses.add(addressGroup);
      byTransport[transport.name]++;
      byRevision[protocol]++;
      received += transport.bytesReceived;
      sent += transport.bytesSent;
      waiting += bufferedAmount;
      const { id, clientAddress: address } = session;
      if (bufferedAmount > 0) slow.push({ id, address, waiting: bufferedAmount });
    }
    slow.sort((one, other) => other.waiting - one.waiting);
    this.#delay ??= startSampling();
    const { mean, max } = this.#delay;
    return {
      connections: {
        open,
        addresses: addresses.size,
        total: this.#total,
        byTransport,
        byRevision,
      },
      packets: { received: this.received, sent: this.sent },
      bytes: { received, sent, waiting },
      refusals: this.#refusals.toRecord(),
      closes: this.#closes.toRecord(),
      breaches: this.#breaches.toRecord(),
      bounds: this.#bounds.toRecord(),
      slowest: slow.slice(0, MAX_SLOWEST),
      dropped: this.#dropped,
      errors: this.#errors,
      eventLoopDelay: {
        mean: lateness(mean),
        p99: lateness(this.#delay.percentile(99)),
        max: lateness(max),
      },
    };
  }

  #addBytes({ bytesReceived, bytesSent }: Transport): void {
    this.#bytesReceived += bytesReceived;
    this.#bytesSent += bytesSent;
  }

  /**
   * Counts a failure of the logger. The process warns of the first one, unless the operating system has caused it: standard
   * error may be on the same full disk, and a warning that cannot be written ends a process of Node.
   */
  #onLoggerFailure(error: unknown): void {
    this.#errors++;
    if (debugEngine.enabled) debugEngine("the logger has failed: %s", error);
    const isSystem = error instanceof Error && "syscall" in error;
    if (isSystem || this.#loggerHasFailed) return;
    this.#loggerHasFailed = true;
    process.emitWarning(`the logger has failed: ${error}`, { type: "BarewireLoggerWarning" });
  }
}

function startSampling(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: SAMPLING_INTERVAL });
  histogram.enable();
  return histogram;
}

/** Node counts from one sample to the next. Without samples there is no mean. */
function lateness(nanoseconds: number): number {
  return Math.max(0, (nanoseconds || 0) / NANOSECONDS - SAMPLING_INTERVAL);
}
