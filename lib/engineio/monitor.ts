// Monitors an engine: counts its events, publishes them to channels of node:diagnostics_channel, and passes them to the
// program's logger. Writes to standard error if NODE_DEBUG=barewire:engine is set. docs/operating.md explains the values.

import { channel } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { inspect } from "node:util";

import type { Revision } from "../../protocol/engineio/handshake.ts";
import type { Packet } from "../../protocol/engineio/packet.ts";
import type { CloseReason } from "../../protocol/engineio/session.ts";
import { BoundExceededError } from "../bound-exceeded.ts";
import { debugEngine } from "../debug.ts";
import { Log, type Logger } from "./log.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Transport } from "./transport.ts";

/** The statistics of an engine. Counts start when the engine is created. */
export interface EngineStats {
  /** The clients. */
  readonly connections: {
    /** Connected clients. */
    readonly open: number;
    /** Different IP addresses of the connected clients. The addresses of a /64 network of IPv6 count as one. */
    readonly addresses: number;
    /** Clients that have connected since the engine was created. */
    readonly total: number;
    /** Connected clients by transport. */
    readonly byTransport: Readonly<Record<Transport["name"], number>>;
    /** Connected clients by revision of Engine.IO. */
    readonly byRevision: Readonly<Record<Revision, number>>;
  };
  /** Engine.IO packets, including heartbeats. */
  readonly packets: {
    /** Received packets. */
    readonly received: number;
    /** Sent packets. */
    readonly sent: number;
  };
  /** Received, sent and waiting bytes. */
  readonly bytes: {
    /** Received bytes: all bytes of WebSocket connections, including headers, and the bodies of polling requests. */
    readonly received: number;
    /** Sent bytes: all bytes of WebSocket connections, including headers, and the bodies of polling responses. */
    readonly sent: number;
    /** Bytes that wait in this process for clients that read too slowly. */
    readonly waiting: number;
  };
  /** Refused clients, by the name of the refusal. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Ended sessions, by the reason that listeners for "disconnect" receive. */
  readonly closes: Readonly<Record<string, number>>;
  /** Protocol errors that ended a session, by the violated rule. */
  readonly breaches: Readonly<Record<string, number>>;
  /** Failures of the server itself, such as errors of the logger or of the connection to the other nodes of a cluster. */
  readonly errors: number;
  /** How often clients have reached a limit, by the name of the option that sets the limit. */
  readonly bounds: Readonly<Record<string, number>>;
  /** The clients for which the most bytes wait, at most five. */
  readonly slowest: readonly SlowClient[];
  /** Events that `backpressurePolicy` has dropped. */
  readonly dropped: number;
  /**
   * By how much the event loop was late, in milliseconds, since the first call of stats(). All values are 0 in the first call. A
   * sample is taken every 20 ms.
   */
  readonly eventLoopDelay: {
    /** The mean of the samples. */
    readonly mean: number;
    /** The 99th percentile of the samples. */
    readonly p99: number;
    /** The largest sample. */
    readonly max: number;
  };
}

/** A client that reads more slowly than the server sends. */
export interface SlowClient {
  /** The id of the session, as in the details for the logger. */
  readonly id: string;
  /** The IP address of the client. */
  readonly address: string;
  /** Bytes that wait in this process for the client. */
  readonly waiting: number;
}

const MAX_SLOWEST = 5;

/** A session that is monitored. */
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

/** Counts incidents by name. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/** Counts and reports the events of an engine. */
export class Monitor {
  // These two counts are public fields, because they change with each packet, and methods would be slower.
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
   * Called when a client was refused.
   *
   * @param name the name of the refusal, or of the exact cause
   * @param context the details of "connection_error"
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

  /** Called when a session has ended. @param waiting bytes that waited for the client */
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

  /** Called when a client has violated the Socket.IO protocol. @param rule the name of the violated rule */
  onBreach({ id, clientAddress: address }: Monitored, rule: string, message: string): void {
    this.#breaches.add(rule);
    if (rule === "TOO_MANY_ATTACHMENTS") this.#bounds.add("maxAttachments");
    if (debugEngine.enabled) debugEngine("%s breaks a rule: %s", id, message);
    const details = { id, address, rule, message };
    this.#log.warn("a client has violated the protocol", rule, () => details);
  }

  /**
   * Called when a client has reached a limit.
   *
   * @param bound the name of the option
   * @param isNew whether to log the incident. `false` if the client has already reached the limit shortly before
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
    this.#log.warn("a client has reached a limit", bound, () => details);
  }

  /**
   * Called when events for a client were dropped.
   *
   * @param begins whether to count and log that the limit is reached. `true` if these events are the first that were dropped
   * since the client's queue was last empty
   */
  onDropped(session: Monitored, events: number, begins: boolean): void {
    this.#dropped += events;
    if (begins) {
      const message = "too many bytes wait for the client: events are dropped";
      this.onBound(session, "maxBackpressure", message);
    }
  }

  /** Called when a new client was refused because of a limit. @param bound the name of the option */
  onNewcomerBound(address: string, bound: string, message: string): void {
    this.#bounds.add(bound);
    if (BOUND.hasSubscribers) BOUND.publish({ id: undefined, address, bound, message });
  }

  /** Logs how many warnings were omitted in this second. */
  flushLog(): void {
    this.#log.flush();
  }

  onError(error: Error): void {
    this.#errors++;
    this.#log.error(error.message, { error });
  }

  /** Returns the statistics. @param sessions the open sessions */
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
   * Counts a failure of the logger, and emits a process warning for the first failure. An error of the operating system, such as
   * a full disk, causes no warning: standard error may be a file on the same disk, and a warning that cannot be written ends
   * the process.
   */
  #onLoggerFailure(error: unknown): void {
    this.#errors++;
    if (debugEngine.enabled) debugEngine("the logger has failed: %s", error);
    const isSystem = error instanceof Error && "syscall" in error;
    if (isSystem || this.#loggerHasFailed) return;
    this.#loggerHasFailed = true;
    // The error is not converted to a string, because the conversion of a thrown value may throw as well.
    const [what] = inspect(error).split("\n", 1);
    process.emitWarning(`the logger has failed: ${what}`, { type: "BarewireLoggerWarning" });
  }
}

function startSampling(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: SAMPLING_INTERVAL });
  histogram.enable();
  return histogram;
}

/**
 * Converts a delay of the histogram to milliseconds, and subtracts the sampling interval, which the delay includes. The mean is
 * NaN if there are no samples.
 */
function lateness(nanoseconds: number): number {
  return Math.max(0, (nanoseconds || 0) / NANOSECONDS - SAMPLING_INTERVAL);
}
