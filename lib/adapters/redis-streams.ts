// Several processes as one over a stream of Redis, with connection state recovery on any of them. It speaks the
// format of @socket.io/redis-streams-adapter 0.3 (redis-streams-wire.ts), so that processes with that adapter
// belong to the same cluster.
//
//   io.emit() ──▶ XADD ──▶ the stream ──▶ XREAD ──▶ every process, this one too ──▶ its clients
//
// Where clients may recover, a process sends its own events when they come back from the stream. So all
// processes send all events in the same order, the ids of the entries are offsets that only grow, and what a
// client has missed is what stands in the stream behind its offset. What cannot be added, or does not come
// back in time, is sent without: `pending` holds what waits, in order.
//
//   ┌─ pending ─▶ comes back ──────────────────────────▶ sent, with its id as the offset
//   └───────────▶ refused, or late (ECHO_TIMEOUT) ─────▶ sent, with the last offset; removed from the
//                                                        stream if it is there after all
//
// A session is in Redis as long as its client is connected, so that it outlives the process, and
// `maxDisconnectionDuration` longer. GETDEL takes it, so one client at most comes back with it.

import type { Bytes } from "../../protocol/bytes.ts";
import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { decode, encode } from "../../protocol/socketio/messagepack.ts";
import { EVENT, type EventData, type Packet } from "../../protocol/socketio/packet.ts";
import { fromPacket, toPacket } from "../../protocol/socketio/parser.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import { checkOptions, isString, type OptionTable, string } from "../events/options.ts";
import { flushSoon } from "../flush.ts";
import { bytes, positiveMilliseconds } from "../node-options.ts";
import type {
  AdapterHost,
  BroadcastFlags,
  BroadcastOptions,
  Member,
  RecoverableSession,
  RecoveryFailure,
  RestoredSession,
  Room,
  SocketId,
} from "../socketio/adapter.ts";
import { concerns } from "../socketio/recovery-store.ts";
import { CLUSTER_OPTIONS, ClusterAdapter, type ClusterStats } from "./cluster-adapter.ts";
import type { ClusterAnswer, ClusterMessage, ClusterRequest, NodeId } from "./cluster-messages.ts";
import type { Expected } from "./pending-request.ts";
import { checkClient, type RedisClient } from "./redis-client.ts";
import {
  ACK_TIMEOUT,
  DEFAULT_MAX_PENDING,
  type HubFactory,
  type HubMember,
  MAX_LOST,
  RedisHub,
  type RedisHubOptions,
} from "./redis-hub.ts";
import { type LinkStats, OVERHEAD, RedisCommandError, type RedisLink } from "./redis-link.ts";
import {
  decodeEntry,
  decodeSession,
  decodeStreamsMessage,
  encodeEntry,
  encodeSession,
  encodeStreamsMessage,
  type RecoveryNews,
  type StreamsMessage,
} from "./redis-streams-wire.ts";
import { compareIds, entriesOf, type StreamEntry, StreamReader } from "./stream-reader.ts";

/** The options. Those of @socket.io/redis-streams-adapter have its names and defaults. */
export interface RedisStreamsAdapterOptions extends RedisHubOptions {
  /** The key of the stream. Default: "socket.io". */
  readonly streamName?: string;
  /** What the names of the channels begin with. Default: "socket.io". */
  readonly channelPrefix?: string;
  /** The entries that the stream keeps, about. Clients that have missed more start anew. Default: 10,000. */
  readonly maxLen?: number;
  /** The most entries of one read. Default: 100. */
  readonly readCount?: number;
  /** Milliseconds that a read waits for entries. Default: 5,000. */
  readonly blockTimeInMs?: number;
  /** What the keys of the sessions begin with. Default: "sio:session:". */
  readonly sessionKeyPrefix?: string;
  /** The events that a client that recovers is sent. One that has missed more starts anew. Default: 10,000. */
  readonly maxMissedEvents?: number;
  /**
   * The bytes of the events that a client may have missed. With more it starts anew. At most half of the server's
   * `maxBackpressure`, beyond which the client would be disconnected at once. Default: 8 MiB.
   */
  readonly maxMissedBytes?: number;
}

/** The checks of the options. */
export const REDIS_STREAMS_OPTIONS: OptionTable<RedisStreamsAdapterOptions> = {
  ...CLUSTER_OPTIONS,
  blockTimeInMs: positiveMilliseconds,
  channelPrefix: string,
  maxLen: bytes,
  maxMissedBytes: bytes,
  maxMissedEvents: bytes,
  maxPending: bytes,
  readCount: bytes,
  sessionKeyPrefix: string,
  streamName: string,
};

type Settings = Required<Omit<RedisStreamsAdapterOptions, keyof RedisHubOptions>> & {
  readonly heartbeatTimeout: number;
  readonly maxPending: number;
};

const DEFAULTS: Settings = {
  blockTimeInMs: 5_000,
  channelPrefix: "socket.io",
  heartbeatTimeout: 10_000,
  maxLen: 10_000,
  maxMissedBytes: 8 * 1024 * 1024,
  maxMissedEvents: 10_000,
  maxPending: DEFAULT_MAX_PENDING,
  readCount: 100,
  sessionKeyPrefix: "sio:session:",
  streamName: "socket.io",
};

/** What an adapter tells of its cluster, of Redis, and of the clients that come back. */
export interface RedisStreamsStats extends ClusterStats, LinkStats {
  /** Entries and messages that could not be read. */
  readonly invalid: number;
  /** Events of this process that wait for Redis before its clients are sent them. */
  readonly waiting: number;
  /** Clients that have come back here. */
  readonly recovered: number;
  /** The id of the last entry that was read. */
  readonly position: string | undefined;
}

/** Milliseconds after which the clients of this process are sent what has not come back from the stream. */
const ECHO_TIMEOUT = 2_000;
/** In how many parts the sessions of connected clients are renewed, so that not all are at once. */
const RENEWALS = 20;
/** The most entries that are noted as removed before they were read. */
const MAX_REMOVED = 10_000;
/** Clients whose missed events are read at the same time. The others wait. */
const MAX_REPLAYS = 4;

/** Makes the adapter of each namespace. For the option `adapter` of a server. */
export interface RedisStreamsAdapterFactory extends HubFactory {
  (nsp: AdapterHost): RedisStreamsAdapter;
}

/**
 * Creates an adapter over a stream of Redis, for the option `adapter` of a server. Clients recover on any
 * server where the servers have the option `connectionStateRecovery`. Needs Redis 6.2.
 *
 * @param client a client of the package "redis" or "ioredis". The adapter opens three connections of its own
 * with the same settings, and closes them with the server
 * @throws ArgumentTypeError for what is no client, for a client of a Redis Cluster, and for invalid options
 */
export function createRedisStreamsAdapter(
  client: RedisClient,
  options: RedisStreamsAdapterOptions = {},
): RedisStreamsAdapterFactory {
  checkClient(client);
  checkOptions(options, REDIS_STREAMS_OPTIONS);
  const hub = new StreamHub(client, options);
  return Object.assign((nsp: AdapterHost) => new RedisStreamsAdapter(nsp, hub, options), {
    ready: hub.redis.ready,
    close: () => hub.redis.close(),
  });
}

/** What the adapters of all namespaces share: the connections to Redis, and what reads the stream. */
class StreamHub {
  readonly redis: RedisHub;
  readonly settings: Settings;
  private readonly client: RedisClient;
  private readonly adapters = new Set<RedisStreamsAdapter>();
  private reader: StreamReader | undefined;
  private readonly replays: (() => void)[] = [];
  private replaying = 0;

  constructor(client: RedisClient, options: RedisStreamsAdapterOptions) {
    this.client = client;
    // One that is given as `undefined` has its default.
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.settings = { ...DEFAULTS, ...Object.fromEntries(given) };
    this.redis = new RedisHub(client, options);
  }

  /** The id of the last entry that was read; `undefined` until it is known where the stream ends. */
  get position(): string | undefined {
    return this.reader?.position;
  }

  add(adapter: RedisStreamsAdapter): void {
    this.redis.add(adapter);
    this.adapters.add(adapter);
    this.reader ??= new StreamReader(this.client, this.settings, {
      onLocated: (position) => {
        for (const each of [...this.adapters]) each.onLocated(position);
      },
      onEntry: (entry) => this.onEntry(entry),
      onRead: () => {
        for (const each of [...this.adapters]) each.onRead();
      },
      onRefused: (cause) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        const error = new RedisCommandError(`the stream cannot be read: ${why}`, { cause });
        for (const each of [...this.adapters]) each.onRefused(error);
      },
    });
  }

  remove(adapter: RedisStreamsAdapter, farewell: Promise<unknown>): Promise<void> {
    this.adapters.delete(adapter);
    if (this.adapters.size === 0) {
      this.reader?.end();
      this.reader = undefined;
    }
    return this.redis.remove(adapter, farewell);
  }

  /** Runs a replay when fewer than MAX_REPLAYS are running. */
  async replay<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.replaying >= MAX_REPLAYS)
      await new Promise<void>((resolve) => this.replays.push(resolve));
    this.replaying++;
    try {
      return await run();
    } finally {
      this.replaying--;
      this.replays.shift()?.();
    }
  }

  private onEntry(entry: StreamEntry): void {
    const namespace = entry.fields.get("nsp");
    for (const each of [...this.adapters]) if (each.nsp.name === namespace) each.onEntry(entry);
  }
}

/** What this process has emitted, until its own clients are sent it. */
interface Pending {
  /** When it was emitted. */
  readonly since: number;
  /** Bytes of its entry. */
  readonly size: number;
  /** It waits for nothing but what is in front of it. */
  ready: boolean;
  /** Does it. @param id of its entry, if it has one */
  run(id: string | undefined): void;
}

/** A session whose list of missed events still grows. */
type GrowingSession = RecoverableSession & { readonly missed: Outgoing[] };

/** A client that wants to come back, until it is in its rooms. */
interface Returning {
  readonly pid: string;
  /** Known when its missed events have been read. */
  session: GrowingSession | undefined;
  /** Events up to this entry are no part of `sent`. */
  after: string;
  /** What is sent to the clients of this process meanwhile. */
  sent: Sent[];
}

interface Sent {
  readonly id: string | undefined;
  readonly message: Outgoing;
  readonly options: BroadcastOptions;
}

type Event = Packet & { readonly type: typeof EVENT; readonly data: EventData };

/** An event that clients may have missed. It is encoded for the first that has. */
interface RecentEvent {
  readonly id: string;
  readonly event: Event;
  readonly options: BroadcastOptions;
  /** Bytes of its entry. */
  readonly size: number;
  message: Outgoing | undefined;
}

/** The rooms of a namespace, over several processes. Created by createRedisStreamsAdapter(). */
export class RedisStreamsAdapter extends ClusterAdapter implements HubMember {
  private readonly hub: StreamHub;
  private readonly link: RedisLink;
  private readonly settings: Settings;
  private readonly channels: Readonly<Record<"requests" | "answers" | "membership", string>>;
  private readonly sessionDuration: number | undefined;
  /** Processes that were removed and may still be subscribed. */
  private readonly lost = new Set<NodeId>();
  private isOpen = true;
  private lastEcho = performance.now();
  private farewell: Promise<unknown> = Promise.resolve();
  private count = 0;
  private dropped = 0;
  private invalid = 0;
  private recovered = 0;

  // What this process has emitted, by its number.
  private readonly pending = new Map<number, Pending>();
  private pendingBytes = 0;
  private pendingTimer: NodeJS.Timeout | undefined;
  /** Nothing comes back: nothing is waited for. */
  private silent = false;
  /** Own entries that came back too late. */
  private late: string[] = [];

  private readonly returning = new Set<Returning>();
  // The newest events, so that they need not be read again for each client that comes back.
  private readonly recent = new Set<RecentEvent>();
  private recentBytes = 0;
  /** Entries that another process has removed, and that were not read here yet. */
  private readonly removed = new Set<string>();
  /** All events behind this entry are in `recent`. */
  private recentSince: string | undefined;
  // The connected sockets that may come back, with their secrets.
  private readonly pids = new Map<SocketId, string>();
  /** Secrets of clients that have come back to another process. */
  private readonly taken = new Set<string>();
  private readonly changed = new Set<SocketId>();
  private readonly flusher = { flush: (): void => this.saveChanged() };
  private renewal: IterableIterator<[SocketId, string]> | undefined;
  private renewalTimer: NodeJS.Timeout | undefined;

  /** @internal */
  constructor(nsp: AdapterHost, hub: StreamHub, options: RedisStreamsAdapterOptions) {
    super(nsp, options);
    this.hub = hub;
    this.settings = hub.settings;
    const { channelPrefix } = hub.settings;
    const requests = `${channelPrefix}#${nsp.name}#`;
    this.channels = {
      requests,
      answers: this.answersOf(this.id),
      membership: `${channelPrefix}-barewire#${nsp.name}#`,
    };
    const duration = nsp.maxDisconnectionDuration;
    // SETs take whole milliseconds.
    this.sessionDuration =
      duration === undefined ? undefined : Math.min(Math.max(1, Math.ceil(duration)), 0x7fffffff);
    hub.add(this);
    this.recentSince = hub.position;
    this.link = hub.redis.link;
  }

  private get recovers(): boolean {
    return this.sessionDuration !== undefined;
  }

  override async init(): Promise<void> {
    const { subscriptions } = this.link;
    const onMessage = (message: Bytes): void => this.onMessage(message);
    await Promise.all(
      Object.values(this.channels).map((channel) => subscriptions.add(channel, onMessage)),
    );
    if (!this.isOpen) return;
    if (this.sessionDuration !== undefined) {
      const interval = Math.ceil(this.sessionDuration / 2 / RENEWALS);
      this.renewalTimer = setInterval(() => this.renewSessions(), interval).unref();
    }
    super.init();
  }

  override async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    super.close();
    clearInterval(this.renewalTimer);
    clearTimeout(this.pendingTimer);
    this.runPending();
    // The sessions of its clients are saved by commands before this one.
    this.saveChanged();
    for (const channel of Object.values(this.channels)) this.link.subscriptions.delete(channel);
    await this.hub.remove(this, this.farewell);
  }

  override get ackTimeout(): number {
    return ACK_TIMEOUT;
  }

  // What the hub calls.

  /** @internal */
  onReady(): void {
    this.lastEcho = performance.now();
    // Before init() has ended it is told as "hello" there.
    if (this.isBeating) this.publish({ type: "hello" });
  }

  /** @internal */
  onLinkError(error: Error): void {
    this.dispatch("error", [error]);
  }

  /** @internal */
  onRefused(error: Error): void {
    this.report(error);
  }

  /** The stream is read from this entry on, for the first time or since it is another one. @internal */
  onLocated(position: string): void {
    this.recent.clear();
    this.recentBytes = 0;
    this.recentSince = position;
  }

  /** An entry of the stream for this namespace. @internal */
  onEntry({ id, fields }: StreamEntry): void {
    const entry = decodeEntry(fields, this.nsp.name);
    if (entry === undefined) {
      this.onInvalid(`the entry ${id} of the stream ${this.settings.streamName}`);
      return;
    }
    const { sender, message, number } = entry;
    if (message === undefined) return;
    if (sender === this.id && !this.isAwaited(number)) {
      // It was sent already, and clients that come back would be sent it twice.
      if (this.recovers && message.type === "broadcast") this.late.push(id);
      return;
    }
    if (this.recovers) this.keep(id, message, fields.get("data")?.length ?? 0);
    if (sender === this.id && number !== undefined) this.onOwnEntry(id, number);
    else this.apply(message, sender, id);
  }

  /** @internal */
  onRead(): void {
    this.silent = false;
    for (const id of this.removed) if (!this.isAhead(id)) this.removed.delete(id);
    if (this.late.length === 0) return;
    const ids = this.late;
    this.late = [];
    void this.command("XDEL", this.settings.streamName, ...ids);
    this.tell({ type: "removed", ids });
  }

  // What the namespace calls.

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    if (!this.recovers || packet.type !== EVENT) super.broadcast(packet, options);
    else if (options.flags.local === true) {
      this.inOrder(packet, (sent) => this.deliver(sent, options, undefined));
    } else void this.append({ type: "broadcast", packet, options });
  }

  /** Broadcasts to the room of the socket's id, where it can be kept for a client that comes back. */
  override emitTo(member: Member, packet: Packet, flags: BroadcastFlags): void {
    const { id } = member;
    const isIn = this.socketRooms(id)?.has(id) === true && this.nsp.sockets.has(id);
    if (!isIn) super.emitTo(member, packet, flags);
    // Nobody would wait for the acknowledgement any more.
    else if (packet.type !== EVENT || packet.id !== undefined) {
      this.inOrder(packet, (sent) => super.emitTo(member, sent, flags));
    } else this.broadcast(packet, { rooms: new Set([id]), except: new Set(), flags });
  }

  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    if (!this.isInStream(options)) return super.addSockets(options, rooms);
    return this.askToDo({ type: "join", options, rooms, request: this.nextRequest() });
  }

  override delSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    if (!this.isInStream(options)) return super.delSockets(options, rooms);
    return this.askToDo({ type: "leave", options, rooms, request: this.nextRequest() });
  }

  override disconnectSockets(options: BroadcastOptions, close: boolean): void | Promise<void> {
    if (!this.isInStream(options)) return super.disconnectSockets(options, close);
    return this.askToDo({ type: "disconnect", options, close, request: this.nextRequest() });
  }

  /** Commands of this process are done here when they come back, behind the events before them. */
  private isInStream({ flags }: BroadcastOptions): boolean {
    return this.recovers && flags.local !== true;
  }

  /** How many processes share the namespace, those with other adapters counted. */
  override async serverCount(): Promise<number> {
    const [count] = (await this.link.countSubscribers(this.channels.requests)) ?? [];
    return count ?? super.serverCount();
  }

  override stats(): RedisStreamsStats {
    const link = this.link.stats();
    return {
      ...super.stats(),
      ...link,
      dropped: link.dropped + this.dropped,
      invalid: this.invalid,
      waiting: this.pending.size,
      recovered: this.recovered,
      position: this.hub.position,
    };
  }

  // What the cluster's part calls.

  protected override publish(message: ClusterMessage): void {
    switch (message.type) {
      case "hello":
      case "heartbeat":
      case "goodbye":
        this.tell(message);
        break;
      case "server-side-emit":
        void this.link.publish(this.channels.requests, this.encode(message));
        break;
      default:
        void this.append(message);
    }
  }

  protected override respond(to: NodeId, answer: ClusterAnswer): void {
    let message: Bytes;
    try {
      message = this.encode(answer);
    } catch (error) {
      // The data of a socket, or a program's answer. The process that asked is told that this answer is missing.
      this.report(new Error(`an answer (${answer.type}) cannot be encoded`, { cause: error }));
      return;
    }
    void this.link.publish(this.answersOf(to), message);
  }

  protected override async ask(request: ClusterRequest): Promise<Expected> {
    const nodes = [...this.nodes];
    if (request.type === "join" || request.type === "leave" || request.type === "disconnect") {
      // Others do not answer these.
      return { nodes, unknown: 0, failed: !(await this.append(request)) };
    }
    const [received, counts] = await Promise.all([
      this.link.publish(this.channels.requests, this.encode(request)),
      this.link.countSubscribers(this.channels.membership),
    ]);
    const [ours = 1] = counts ?? [];
    if (received === undefined) return { nodes, unknown: 0, failed: true };
    // Processes that have come but were not heard yet, and those with other adapters.
    const others = Math.max(0, ours - 1 - nodes.length);
    // What was removed and is not subscribed any more does not come back.
    this.forgetLost(others);
    const unknown = others - this.lost.size + Math.max(0, received - ours);
    return { nodes, unknown, received: received - 1 };
  }

  protected override beat(): void {
    super.beat();
    this.link.subscriptions.retry();
    const { heartbeatTimeout } = this.settings;
    if (performance.now() - this.lastEcho > heartbeatTimeout) this.link.onSilence(heartbeatTimeout);
  }

  protected override onNodeRemoved(node: NodeId): void {
    this.lost.add(node);
    this.forgetLost(MAX_LOST);
  }

  /** Keeps so many of the processes that were removed, the latest. */
  private forgetLost(most: number): void {
    for (const node of this.lost) {
      if (this.lost.size <= most) break;
      this.lost.delete(node);
    }
  }

  // Messages of channels.

  private answersOf(node: NodeId): string {
    return `${this.hub.settings.channelPrefix}#${this.nsp.name}#${node}#`;
  }

  private encode(message: ClusterMessage | ClusterAnswer | RecoveryNews): Bytes {
    return encodeStreamsMessage(this.id, this.nsp.name, message);
  }

  /** Tells the processes that have this adapter. */
  private tell(message: ClusterMessage | RecoveryNews): void {
    const told = this.link.publish(this.channels.membership, this.encode(message));
    if (message.type === "goodbye") this.farewell = told;
  }

  private onMessage(bytes: Bytes): void {
    const decoded = decodeStreamsMessage(bytes, this.nsp.name);
    if (decoded === undefined) {
      this.onInvalid("a message");
      return;
    }
    const { sender, message } = decoded;
    const isMembership =
      message?.type === "hello" || message?.type === "heartbeat" || message?.type === "goodbye";
    if (sender === this.id) {
      if (!isMembership) return;
      this.lastEcho = performance.now();
      this.link.onSound();
    } else if (message !== undefined) {
      if (isMembership) this.lost.delete(sender);
      this.apply(message, sender, undefined);
      if (message.type === "goodbye") this.lost.delete(sender);
    }
  }

  private onInvalid(what: string): void {
    this.invalid++;
    this.report(new Error(`${what} is invalid, and is skipped (namespace ${this.nsp.name})`));
  }

  // Doing what was emitted, here or elsewhere.

  /** @param id of its entry, if it has one */
  private apply(message: StreamsMessage, sender: NodeId, id: string | undefined): void {
    this.attempt(() => {
      if (message.type === "returned") this.onTaken(message.pid);
      else if (message.type === "removed") this.onRemoved(message.ids);
      else if (this.recovers && message.type === "broadcast" && message.request === undefined)
        this.deliver(message.packet, message.options, id);
      else this.receive(message, sender);
    });
  }

  /** Does what this process has emitted, when it is its turn. */
  private async applyOwn(message: StreamsMessage, id: string | undefined): Promise<void> {
    switch (message.type) {
      case "broadcast":
        this.apply(message, this.id, id);
        break;
      case "join":
        await super.addSockets(locally(message.options), message.rooms);
        break;
      case "leave":
        await super.delSockets(locally(message.options), message.rooms);
        break;
      case "disconnect":
        await super.disconnectSockets(locally(message.options), message.close);
    }
  }

  /** Sends an event to the clients of this process, with an offset, and notes it for those that come back. */
  private deliver(packet: Packet, options: BroadcastOptions, id: string | undefined): void {
    if (packet.type !== EVENT) return;
    const { volatile = false } = options.flags;
    // Clients take a text at the end of any event for an offset, so each event has one.
    const stamped = withOffset(packet, id ?? this.offset);
    let message: Outgoing | undefined;
    const isRemoved = id !== undefined && this.removed.has(id);
    if (!volatile && options.flags.local !== true && !isRemoved) {
      for (const { session, after, sent } of this.returning) {
        if (id !== undefined && compareIds(id, after) <= 0) continue;
        if (session !== undefined && !concerns(options, session.rooms)) continue;
        message ??= this.nsp.encode(stamped, options.flags.compress ?? true);
        sent.push({ id, message, options });
      }
    }
    this.sendToMembers(stamped, options, message);
  }

  // The stream.

  /**
   * Adds a message to the stream. Resolves when it is done here too, to whether Redis has taken it.
   *
   * @throws TypeError, RangeError for a value that cannot be encoded
   */
  private append(message: ClusterMessage): Promise<boolean> {
    const number = this.count++;
    const { streamName, maxLen } = this.settings;
    const fields = encodeEntry(this.id, this.nsp.name, message, number);
    const added = this.command(
      ...["XADD", streamName, "MAXLEN", "~", `${maxLen}`, "*"],
      ...[...fields].flat(),
    ).then((reply) => {
      if (isString(reply)) return true;
      this.dropped++;
      return false;
    });
    if (!this.recovers) return added;
    return new Promise((resolve) => {
      const run = (id: string | undefined): void => {
        const own = decodeEntry(fields, this.nsp.name)?.message;
        if (own === undefined) this.onInvalid("an event of this process");
        const applied = own && this.applyOwn(own, id);
        void Promise.allSettled([applied]).then(() => added.then(resolve));
      };
      // Nothing comes back that was added before the reader knows where the stream ends.
      const ready = this.silent || this.hub.position === undefined;
      const size = (fields.get("data")?.length ?? 0) + OVERHEAD;
      this.wait(number, { since: performance.now(), size, ready, run });
      void added.then((isAdded) => {
        const pending = this.pending.get(number);
        if (isAdded || pending === undefined) return;
        pending.ready = true;
        this.runReady();
      });
    });
  }

  /** Does something behind what was emitted before. At once, if nothing waits. */
  private inOrder(packet: Packet, run: (packet: Packet) => void): void {
    if (this.pending.size === 0) {
      run(packet);
      return;
    }
    const copy = copyOf(packet);
    const send = (): void => this.attempt(() => run(copy));
    const size = OVERHEAD;
    this.wait(this.count++, { since: performance.now(), size, ready: true, run: send });
  }

  private wait(number: number, pending: Pending): void {
    this.pending.set(number, pending);
    this.pendingBytes += pending.size;
    this.runReady();
    if (this.pendingBytes > this.settings.maxPending) this.giveUp();
    else if (this.pending.size > 0) this.watchPending(ECHO_TIMEOUT);
  }

  /** Waits for nothing any more, until something comes back. */
  private giveUp(): void {
    this.silent = true;
    this.runPending();
  }

  private runFirst(number: number, { size, run }: Pending, id?: string): void {
    this.pending.delete(number);
    this.pendingBytes -= size;
    run(id);
  }

  private watchPending(milliseconds: number): void {
    this.pendingTimer ??= setTimeout(() => {
      this.pendingTimer = undefined;
      const [first] = this.pending.values();
      if (first === undefined) return;
      const left = first.since + ECHO_TIMEOUT - performance.now();
      if (left > 1) {
        this.watchPending(left);
      } else {
        this.giveUp();
      }
    }, milliseconds).unref();
  }

  /** Does what is first and waits for nothing. */
  private runReady(): void {
    for (const [number, pending] of this.pending) {
      if (!pending.ready) return;
      this.runFirst(number, pending);
    }
  }

  /** Does all that waits, up to one number. */
  private runPending(before = Number.POSITIVE_INFINITY): void {
    for (const [number, pending] of this.pending) {
      if (number >= before) return;
      this.runFirst(number, pending);
    }
  }

  private isAwaited(number: number | undefined): boolean {
    return number !== undefined && this.pending.has(number);
  }

  private onOwnEntry(id: string, number: number): void {
    // Redis has not taken what was emitted before it: it would have come back before.
    this.runPending(number);
    const pending = this.pending.get(number);
    if (pending !== undefined) this.runFirst(number, pending, id);
    this.runReady();
  }

  /** Sends a command. Resolves to `undefined` where Redis has not taken it; never rejects. */
  private command(...args: string[]): Promise<unknown> {
    const size = args.reduce((sum, { length }) => sum + length, OVERHEAD);
    return this.link.command(args, size);
  }

  // Connection state recovery.

  /** The id of the last entry that was read. */
  override get offset(): string {
    return this.recovers ? (this.hub.position ?? "") : "";
  }

  override persistSession(session: RecoverableSession): void {
    const { pid, sid } = session;
    for (const each of this.returning) if (each.pid === pid) this.returning.delete(each);
    const isKept = this.pids.delete(sid);
    if (this.taken.delete(pid)) return;
    // It is there already, unless the client has come back elsewhere meanwhile.
    this.save(session, 1, isKept);
  }

  override async restoreSession(
    pid: string,
    offset?: string,
  ): Promise<RestoredSession | RecoveryFailure> {
    const { position } = this.hub;
    if (!this.recovers || position === undefined) return "unknown session";
    const returning: Returning = { pid, session: undefined, after: position, sent: [] };
    this.returning.add(returning);
    const result = await this.inTime(this.claim(returning, position, offset), "unknown session");
    if (isString(result) || !this.returning.has(returning)) {
      this.returning.delete(returning);
      return isString(result) ? result : "unknown session";
    }
    returning.session = result;
    this.recovered++;
    return result;
  }

  private async claim(
    returning: Returning,
    position: string,
    offset: string | undefined,
  ): Promise<GrowingSession | RecoveryFailure> {
    const { pid } = returning;
    // Once: of two that know the secret, the second is not the client.
    const text = await this.command("GETDEL", this.keyOf(pid));
    if (!isString(text)) return "unknown session";
    const session = decodeSession(text, pid);
    if (session === undefined) {
      this.onInvalid("the session of a client");
      return "unknown session";
    }
    this.tell({ type: "returned", pid });
    const { offset: began } = session;
    const given = offset ?? began;
    if (!isOffset(given)) return "unknown offset";
    // A client that has received nothing in this session may have the offset of an earlier one.
    const heard = isOffset(began) && compareIds(began, given) > 0 ? began : given;
    if (compareIds(heard, position) > 0) {
      // Another process has read further. What comes until there is known to the client.
      const known = entriesOf(await this.xrange(heard, heard, 1));
      if (known.length === 0) return "unknown offset";
      returning.after = heard;
      return { ...session, missed: [] };
    }
    const missed = await this.missedBy(session, heard, position);
    return missed === undefined ? "packets dropped" : { ...session, missed };
  }

  /** What a session has missed. `undefined` where not all of it is there, or it is too much. */
  private async missedBy(
    session: RecoverableSession,
    heard: string,
    position: string,
  ): Promise<Outgoing[] | undefined> {
    const { maxMissedEvents } = this.settings;
    const missed: Outgoing[] = [];
    if (this.recentSince !== undefined && compareIds(heard, this.recentSince) >= 0) {
      for (const each of this.recent) {
        const isMissed = compareIds(each.id, heard) > 0 && compareIds(each.id, position) <= 0;
        if (isMissed && concerns(each.options, session.rooms)) missed.push(this.encodeRecent(each));
      }
      return missed;
    }
    const entries = await this.hub.replay(() => this.entriesBetween(heard, position));
    for (const { id, fields } of entries ?? []) {
      // Most entries of a busy stream are for others: what is no event here need not be decoded.
      if (fields.get("nsp") !== this.nsp.name || fields.get("type") !== "3") continue;
      const event = this.recentOf(id, decodeEntry(fields, this.nsp.name)?.message, 0);
      if (event !== undefined && concerns(event.options, session.rooms))
        missed.push(this.encodeRecent(event));
    }
    return entries === undefined || missed.length > maxMissedEvents ? undefined : missed;
  }

  /** Reads entries again. `undefined` where not all of them are there, or they are too many. */
  private async entriesBetween(
    heard: string,
    position: string,
  ): Promise<StreamEntry[] | undefined> {
    const { maxMissedBytes, readCount } = this.settings;
    const all: StreamEntry[] = [];
    let size = 0;
    for (let from = heard, more = true; more; ) {
      const reply = await this.xrange(`(${from}`, position, readCount);
      if (reply === undefined) return undefined;
      const entries = entriesOf(reply);
      for (const entry of entries) {
        from = entry.id;
        size += OVERHEAD + (entry.fields.get("data")?.length ?? 0);
        all.push(entry);
      }
      if (size > maxMissedBytes) return undefined;
      more = entries.length === readCount;
    }
    // Looked at last: nothing behind the offset was removed until now.
    const [first] = entriesOf(await this.xrange("-", "+", 1));
    return first !== undefined && compareIds(first.id, heard) <= 0 ? all : undefined;
  }

  /** Notes an event for clients that come back. */
  private keep(id: string, message: StreamsMessage, size: number): void {
    const event = this.recentOf(id, message, size + OVERHEAD);
    if (event === undefined || this.removed.has(id)) return;
    const { maxMissedBytes, maxMissedEvents } = this.settings;
    this.recent.add(event);
    this.recentBytes += event.size;
    for (const oldest of this.recent) {
      if (this.recent.size <= maxMissedEvents && this.recentBytes <= maxMissedBytes) break;
      this.recent.delete(oldest);
      this.recentBytes -= oldest.size;
      this.recentSince = oldest.id;
    }
  }

  /** The event that a client may miss, `undefined` for what is none. */
  private recentOf(
    id: string,
    message: StreamsMessage | undefined,
    size: number,
  ): RecentEvent | undefined {
    if (message?.type !== "broadcast" || message.request !== undefined) return undefined;
    const { packet: event, options } = message;
    if (event.type !== EVENT || options.flags.volatile === true) return undefined;
    return { id, event, options, size, message: undefined };
  }

  private onRemoved(ids: readonly string[]): void {
    const removed = new Set(ids);
    for (const event of this.recent) {
      if (!removed.has(event.id)) continue;
      this.recent.delete(event);
      this.recentBytes -= event.size;
    }
    for (const returning of this.returning)
      returning.sent = returning.sent.filter(({ id }) => id === undefined || !removed.has(id));
    // The news comes over another connection than the entries, and may be the first to arrive.
    for (const id of ids) if (this.isAhead(id)) this.removed.add(id);
    for (const oldest of this.removed) {
      if (this.removed.size <= MAX_REMOVED) break;
      this.removed.delete(oldest);
    }
  }

  /** Whether an entry was not read here yet. */
  private isAhead(id: string): boolean {
    const { position } = this.hub;
    return position === undefined || compareIds(id, position) > 0;
  }

  private encodeRecent(recent: RecentEvent): Outgoing {
    const { id, event, options } = recent;
    recent.message ??= this.nsp.encode(withOffset(event, id), options.flags.compress ?? true);
    return recent.message;
  }

  private xrange(from: string, to: string, count: number): Promise<unknown> {
    return this.command("XRANGE", this.settings.streamName, from, to, "COUNT", `${count}`);
  }

  /** A client has come back. Adds what was sent since its missed events were read. */
  private endReturn(id: SocketId): void {
    for (const returning of this.returning) {
      const { session, after, sent } = returning;
      if (session?.sid !== id) continue;
      this.returning.delete(returning);
      for (const each of sent) {
        const isKnown = each.id !== undefined && compareIds(each.id, after) <= 0;
        if (!isKnown && concerns(each.options, session.rooms)) session.missed.push(each.message);
      }
    }
  }

  /** A client of this process has come back to another one. */
  private onTaken(pid: string): void {
    this.taken.add(pid);
    this.nsp.onReturned?.(pid);
    this.taken.delete(pid);
  }

  /** Waits as long as for an answer of other processes. */
  private async inTime<Result>(result: Promise<Result>, otherwise: Result): Promise<Result> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Result>((resolve) => {
      timer = setTimeout(() => resolve(otherwise), this.requestTimeout);
    });
    return Promise.race([result, timeout]).finally(() => clearTimeout(timer));
  }

  // The sessions of connected clients, as Redis has them.

  override addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    if (this.returning.size > 0) this.endReturn(id);
    this.note(id);
    return super.addAll(id, rooms);
  }

  override del(id: SocketId, room: Room): void | Promise<void> {
    this.note(id);
    return super.del(id, room);
  }

  override delAll(id: SocketId): void {
    if (this.returning.size > 0) this.endReturn(id);
    this.note(id);
    super.delAll(id);
  }

  private note(id: SocketId): void {
    if (!this.recovers) return;
    if (this.changed.size === 0) flushSoon(this.flusher);
    this.changed.add(id);
  }

  private saveChanged(): void {
    for (const id of this.changed) {
      const session = this.nsp.sockets.get(id)?.recoverableSession;
      const pid = this.pids.get(id);
      if (session !== undefined) {
        this.pids.set(id, session.pid);
        this.save(session, 2, false);
      } else if (pid !== undefined) {
        // It was disconnected, and may not come back.
        this.pids.delete(id);
        void this.command("DEL", this.keyOf(pid));
      }
    }
    this.changed.clear();
  }

  /**
   * Saves a session.
   *
   * @param times how often `maxDisconnectionDuration` it is kept: longer for a client that is connected, since it is
   * renewed after half of that time
   */
  private save(session: RecoverableSession, times: number, onlyIfKept: boolean): void {
    if (this.sessionDuration === undefined) return;
    const duration = `${Math.min(times * this.sessionDuration, 0x7fffffff)}`;
    const condition = onlyIfKept ? ["XX"] : [];
    const key = this.keyOf(session.pid);
    void this.command("SET", key, encodeSession(session), "PX", duration, ...condition);
  }

  /** Saves the sessions of some of the clients again, with what their data is now. */
  private renewSessions(): void {
    for (let left = Math.ceil(this.pids.size / RENEWALS); left > 0; left--) {
      const next = this.renewal?.next();
      if (next === undefined || next.done === true) {
        this.renewal = this.pids.entries();
        continue;
      }
      const [id] = next.value;
      const session = this.nsp.sockets.get(id)?.recoverableSession;
      if (session !== undefined) this.save(session, 2, false);
    }
  }

  private keyOf(pid: string): string {
    return `${this.settings.sessionKeyPrefix}${pid}`;
  }
}

/** An id of an entry, as clients send it back. Numbers of this length are exact. */
function isOffset(offset: string): boolean {
  return /^\d{1,15}-\d{1,15}$/.test(offset);
}

function locally({ rooms, except, flags }: BroadcastOptions): BroadcastOptions {
  return { rooms, except, flags: { ...flags, local: true } };
}

/** An event, with an offset behind its arguments. */
function withOffset({ namespace, data: [name, ...args] }: Event, offset: string): Event {
  return { type: EVENT, namespace, data: [name, ...args, offset] };
}

/** Copies a packet as it is now: the program may change what it has emitted. */
function copyOf(packet: Packet): Packet {
  const { data, ...others } = fromPacket(packet);
  return toPacket({ ...others, data: decode(encode(data)) }, SERVER_LIMITS);
}
