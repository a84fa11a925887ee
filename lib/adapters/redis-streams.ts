// Connects several processes over a stream of Redis. Clients can recover their session in any of these processes. The
// adapter uses the format of @socket.io/redis-streams-adapter 0.3 (redis-streams-wire.ts), so processes with that
// adapter can be members of the same cluster.
//
//   io.emit() ──▶ XADD ──▶ the stream ──▶ XREAD ──▶ every process, including this one ──▶ its clients
//
// If clients can recover, a process sends its own events to its clients only when it reads them from the stream
// (stream-order.ts). Therefore all processes send all events in the same order, and the ids of the entries serve as
// increasing offsets. A client has missed the events after its offset in the stream (stream-history.ts). An event that
// is not read in time is sent early (unread-events.ts), with an offset that records this (stream-offset.ts). Sessions
// are stored in Redis too (redis-sessions.ts).

import type { Bytes } from "../../protocol/bytes.ts";
import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { decode, encode } from "../../protocol/socketio/messagepack.ts";
import { EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { fromPacket, toPacket } from "../../protocol/socketio/parser.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import { checkOptions, isString, type OptionTable, string } from "../events/options.ts";
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
import { noteSent } from "../socketio/recovering-clients.ts";
import { CLUSTER_OPTIONS, type ClusterStats } from "./cluster-adapter.ts";
import type {
  ClusterAnswer,
  ClusterCommand,
  ClusterMessage,
  ClusterRequest,
  NodeId,
} from "./cluster-messages.ts";
import {
  type GrowingSession,
  type RecoveringClient,
  type SentEvent,
  withOffset,
} from "./recovering-adapter.ts";
import { checkClient, type RedisClient } from "./redis-client.ts";
import { DEFAULT_MAX_PENDING, type HubFactory, type RedisHubOptions } from "./redis-hub.ts";
import { isMembership, type MembershipMessage, RedisHubAdapter } from "./redis-hub-adapter.ts";
import { type LinkStats, OVERHEAD } from "./redis-link.ts";
import { RedisSessions, type SendCommand, type TakenSession } from "./redis-sessions.ts";
import {
  decodeEntry,
  decodeStreamsMessage,
  encodeEntry,
  encodeStreamsMessage,
  type RecoveryNews,
  type StreamsMessage,
} from "./redis-streams-wire.ts";
import { type HistoryTurn, StreamHistory } from "./stream-history.ts";
import { StreamHub, type StreamMember } from "./stream-hub.ts";
import {
  formatOffset,
  includes,
  parseOffset,
  type StreamOffset,
  type StreamPlace,
} from "./stream-offset.ts";
import { StreamOrder } from "./stream-order.ts";
import { compareIds, type StreamEntry } from "./stream-reader.ts";
import { type Added, UnreadEvents } from "./unread-events.ts";

/**
 * The options of createRedisStreamsAdapter(). Options that also exist in @socket.io/redis-streams-adapter have the same
 * names and defaults there.
 */
export interface RedisStreamsAdapterOptions extends RedisHubOptions {
  /** The key of the stream. Default: "socket.io". */
  readonly streamName?: string;
  /** The prefix of the channel names. Default: "socket.io". */
  readonly channelPrefix?: string;
  /**
   * The approximate number of entries that the stream keeps. Clients that have missed more start a new session.
   * Default: 10,000.
   */
  readonly maxLen?: number;
  /** Largest number of entries per read. Default: 100. */
  readonly readCount?: number;
  /** How long a read waits for entries, in milliseconds. Default: 5000. */
  readonly blockTimeInMs?: number;
  /** The prefix of the session keys. Default: "sio:session:". */
  readonly sessionKeyPrefix?: string;
  /**
   * Largest number of missed events that a client receives when it recovers. A client that has missed more starts a new
   * session. Default: 10,000.
   */
  readonly maxMissedEvents?: number;
  /**
   * Largest number of bytes of missed events that a client receives when it recovers. A client that has missed more
   * starts a new session. The adapter reads up to 16 times as many bytes of the stream for a client, because the stream
   * contains the events of all rooms and namespaces. Use at most half of the server's `maxBackpressure`, because the
   * server disconnects a client for which more than `maxBackpressure` bytes wait. Default: 8 MiB.
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

type Settings = RedisHubOptions &
  Required<Omit<RedisStreamsAdapterOptions, keyof RedisHubOptions>> & {
    readonly maxPending: number;
  };

const DEFAULTS: Settings = {
  blockTimeInMs: 5_000,
  channelPrefix: "socket.io",
  maxLen: 10_000,
  maxMissedBytes: 8 * 1024 * 1024,
  maxMissedEvents: 10_000,
  maxPending: DEFAULT_MAX_PENDING,
  readCount: 100,
  sessionKeyPrefix: "sio:session:",
  streamName: "socket.io",
};

/** What the adapter reports about its cluster, its connection to Redis, and its recovered clients. */
export interface RedisStreamsStats extends ClusterStats, LinkStats {
  /** The number of invalid entries and messages. */
  readonly invalid: number;
  /**
   * The number of events of this process that wait for Redis before they are sent to its clients.
   */
  readonly waiting: number;
  /** The number of clients that have recovered in this process. */
  readonly recovered: number;
  /** The id of the last entry that was read. */
  readonly position: string | undefined;
}

/** Creates the adapter of each namespace. The value of the server's option `adapter`. */
export interface RedisStreamsAdapterFactory extends HubFactory {
  /**
   * Creates the adapter of a namespace.
   *
   * @param nsp the namespace that the adapter serves
   */
  (nsp: AdapterHost): RedisStreamsAdapter;
}

/**
 * Creates an adapter over a stream of Redis, for the server's option `adapter`. If the servers have the option
 * `connectionStateRecovery`, clients recover on any of them. Requires Redis 6.2 or later.
 *
 * @param client a client of the package "redis" or "ioredis". The adapter opens three connections with the same
 * settings, and closes these connections when the server closes
 * @param options the options of the adapter
 * @throws ArgumentTypeError if `client` is not a Redis client or is a client of a Redis Cluster, or if an option is
 * unknown or has an invalid type
 * @throws ArgumentRangeError if an option is out of range
 * @example
 * ```ts
 * import { Server } from "barewire";
 * import { createRedisStreamsAdapter } from "barewire/redis";
 * import { createClient } from "redis";
 *
 * const adapter = createRedisStreamsAdapter(createClient({ url: "redis://localhost" }));
 * const io = new Server(3000, { adapter, connectionStateRecovery: {} });
 * await adapter.ready;
 * ```
 */
export function createRedisStreamsAdapter(
  client: RedisClient,
  options: RedisStreamsAdapterOptions = {},
): RedisStreamsAdapterFactory {
  checkClient(client);
  checkOptions(options, REDIS_STREAMS_OPTIONS);
  // An option that is `undefined` has its default.
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const settings = { ...DEFAULTS, ...Object.fromEntries(given) };
  const hub = new StreamHub(client, options, settings);
  return Object.assign((nsp: AdapterHost) => new RedisStreamsAdapter(nsp, hub, settings), {
    ready: hub.redis.ready,
    close: () => hub.redis.close(),
  });
}

interface SentFromStream extends SentEvent {
  /** The place of the event's entry. `undefined` if the entry was not read. */
  readonly place: StreamPlace | undefined;
}

/** @internal */
interface RecoveringFromStream extends RecoveringClient<SentFromStream> {
  /** The id of an entry. The list `sent` of the base type does not contain the events up to this entry. */
  after: string;
  /**
   * The client's offset. The list `sent` does not contain the events that the client has already received according to
   * this offset.
   */
  heard: StreamOffset | undefined;
}

/** The adapter of one namespace, which createRedisStreamsAdapter() creates. */
export class RedisStreamsAdapter
  extends RedisHubAdapter<SentFromStream, RecoveringFromStream>
  implements StreamMember
{
  private readonly hub: StreamHub;
  private readonly settings: Settings;
  protected override readonly channels: Readonly<
    Record<"requests" | "answers" | "membership", string>
  >;
  /** `undefined` if clients cannot recover. */
  private readonly sessions: RedisSessions | undefined;
  private readonly history: StreamHistory;
  /**
   * The events and commands of this process that wait until their entries are read back from the
   * stream.
   */
  private readonly echoes: StreamOrder;
  /** The events that were sent before their entries were read. */
  private readonly early = new UnreadEvents();
  /**
   * How often the client of each socket has reconnected. A socket whose client has not reconnected
   * has no entry.
   */
  private readonly returns = new Map<SocketId, number>();
  /** The secret ids of clients that have reconnected to another process. */
  private readonly taken = new Set<string>();
  private count = 0;
  private dropped = 0;
  private invalid = 0;
  private recovered = 0;

  /** @internal */
  constructor(nsp: AdapterHost, hub: StreamHub, settings: Settings) {
    super(nsp, hub.redis, settings);
    this.hub = hub;
    this.settings = settings;
    const { channelPrefix, maxPending, sessionKeyPrefix } = settings;
    const requests = `${channelPrefix}#${nsp.name}#`;
    this.channels = {
      requests,
      answers: this.answersOf(this.id),
      membership: `${channelPrefix}-barewire#${nsp.name}#`,
    };
    const duration = nsp.maxDisconnectionDuration;
    hub.add(this);
    this.sessions =
      duration === undefined
        ? undefined
        : new RedisSessions(this.command, nsp.name, sessionKeyPrefix, duration);
    this.history = new StreamHistory(nsp, hub, this.command, settings);
    this.echoes = new StreamOrder(maxPending);
  }

  /** @internal */
  protected override get recovers(): boolean {
    return this.sessions !== undefined;
  }

  override async init(): Promise<void> {
    const { requests, answers, membership } = this.channels;
    const onMessage = (message: Bytes): void => this.onMessage(message);
    await this.listen({ [requests]: onMessage, [answers]: onMessage, [membership]: onMessage });
    if (!this.isOpen) return;
    const sessions = this.connectedSessions.bind(this);
    const count = (): number => this.pids.size;
    this.sessions?.startRenewal(sessions, count, (session) => this.saveSession(session));
    super.init();
  }

  /** @internal */
  protected override release(): void {
    this.sessions?.close();
    this.echoes.close();
    // The pending changes of sessions must be saved before the connections are closed.
    this.saveChanged();
    this.hub.remove(this);
  }

  // Methods that the hub calls.

  /**
   * Called when the stream cannot be read.
   *
   * @internal
   */
  onRefused(error: Error): void {
    this.report(error);
  }

  /**
   * Called when the reader of the stream (stream-reader.ts) has chosen the entry after which it starts to read. This
   * happens when the reader has connected for the first time, and when another stream has replaced the stream.
   *
   * @internal
   */
  onLocated(position: string): void {
    this.history.onLocated(position);
  }

  /**
   * Called with each entry of the stream for this namespace.
   *
   * @internal
   */
  onEntry({ id, fields }: StreamEntry): void {
    const entry = decodeEntry(fields, this.nsp.name);
    if (entry === undefined) {
      this.onInvalid(`the entry ${id} of the stream ${this.settings.streamName}`);
      return;
    }
    const { sender, message, number } = entry;
    if (message === undefined) return;
    const place = { id, sender, number };
    if (this.recovers) this.history.add(place, message, fields.get("data")?.length ?? 0);
    if (sender !== this.id) this.apply(message, sender, place);
    // An event of this process that is no longer waiting was already sent to the clients, so it is not sent again.
    else if (number !== undefined && this.echoes.has(number)) this.echoes.onEcho(number, id);
  }

  /**
   * Called after each read of the stream.
   *
   * @internal
   */
  onRead(): void {
    this.echoes.onRead();
    this.early.onRead(this.hub.position);
  }

  // Methods that the namespace calls.

  /**
   * Sends an event to the target sockets in all processes.
   *
   * @param packet the event
   * @param options the target sockets, and the flags of the event
   */
  override broadcast(packet: Packet, options: BroadcastOptions): void {
    if (!this.recovers || packet.type !== EVENT) super.broadcast(packet, options);
    else if (options.flags.local === true) {
      this.inOrder(packet, (sent) => this.deliver(sent, options, undefined));
    } else void this.append({ type: "broadcast", packet, options });
  }

  /**
   * Sends an event to one socket. If the client may recover, the event is broadcast to the room of the socket's id, so
   * that the stream contains it.
   *
   * @param member the socket
   * @param packet the event
   * @param flags the flags of the event
   */
  override emitTo(member: Member, packet: Packet, flags: BroadcastFlags): void {
    const { id } = member;
    const isIn = this.socketRooms(id)?.has(id) === true && this.nsp.sockets.has(id);
    if (!isIn) super.emitTo(member, packet, flags);
    // An event with an acknowledgement is not added to the stream. When a client recovers and receives its missed
    // events, the sender no longer waits for acknowledgements.
    else if (packet.type !== EVENT || packet.id !== undefined) {
      this.inOrder(packet, (sent) => super.emitTo(member, sent, flags));
    } else this.broadcast(packet, { rooms: new Set([id]), except: new Set(), flags });
  }

  /**
   * Makes the target sockets join rooms. Resolves after the sockets in all processes have joined.
   *
   * @param options the target sockets
   * @param rooms the rooms
   */
  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    if (!this.isInStream(options)) return super.addSockets(options, rooms);
    return this.askToDo({ type: "join", options, rooms, request: this.nextRequest() });
  }

  /**
   * Makes the target sockets leave rooms. Resolves after the sockets in all processes have left.
   *
   * @param options the target sockets
   * @param rooms the rooms
   */
  override delSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    if (!this.isInStream(options)) return super.delSockets(options, rooms);
    return this.askToDo({ type: "leave", options, rooms, request: this.nextRequest() });
  }

  /**
   * Disconnects the target sockets. Resolves after all processes have disconnected their sockets.
   *
   * @param options the target sockets
   * @param close whether to close the connections of the clients too
   */
  override disconnectSockets(options: BroadcastOptions, close: boolean): void | Promise<void> {
    if (!this.isInStream(options)) return super.disconnectSockets(options, close);
    return this.askToDo({ type: "disconnect", options, close, request: this.nextRequest() });
  }

  /** Returns whether a command runs when its entry is read from the stream, after all earlier events. */
  private isInStream({ flags }: BroadcastOptions): boolean {
    return this.recovers && flags.local !== true;
  }

  override stats(): RedisStreamsStats {
    const link = this.link.stats();
    return {
      ...super.stats(),
      ...link,
      dropped: link.dropped + this.dropped,
      invalid: this.invalid,
      waiting: this.echoes.size,
      recovered: this.recovered,
      position: this.hub.position,
    };
  }

  // Methods that the base class calls.

  /** @internal */
  protected override respond(to: NodeId, answer: ClusterAnswer): void {
    this.publishAnswer(this.answersOf(to), answer.type, () => this.encode(answer));
  }

  /** @internal */
  protected override send(message: ClusterCommand): Promise<boolean> {
    if (message.type !== "server-side-emit") return this.append(message);
    return this.link
      .publish(this.channels.requests, this.encode(message))
      .then((received) => received !== undefined);
  }

  /** @internal */
  protected override encodeRequest(request: ClusterRequest): Bytes {
    return this.encode(request);
  }

  /** @internal */
  protected override encodeMembership(message: MembershipMessage): Bytes {
    return this.encode(message);
  }

  // Methods for the messages of channels.

  private answersOf(node: NodeId): string {
    return `${this.settings.channelPrefix}#${this.nsp.name}#${node}#`;
  }

  private encode(message: ClusterMessage | ClusterAnswer | RecoveryNews): Bytes {
    return encodeStreamsMessage(this.id, this.nsp.name, message);
  }

  private onMessage(bytes: Bytes): void {
    const decoded = decodeStreamsMessage(bytes, this.nsp.name);
    if (decoded === undefined) {
      this.onInvalid("a message");
      return;
    }
    const { sender, message } = decoded;
    if (message === undefined) return;
    if (isMembership(message)) this.onMembership(message, sender);
    else if (sender !== this.id) this.apply(message, sender, undefined);
  }

  private onInvalid(what: string): void {
    this.invalid++;
    this.report(new Error(`${what} is invalid and was skipped (namespace ${this.nsp.name})`));
  }

  // Methods that apply events and commands of this process and of other processes.

  /**
   * Applies a message.
   *
   * @param place the place of the message's entry, if the entry was read
   */
  private apply(message: StreamsMessage, sender: NodeId, place: StreamPlace | undefined): void {
    this.attempt(() => {
      if (message.type === "returned") this.onTaken(message);
      else if (this.recovers && message.type === "broadcast" && message.request === undefined)
        this.deliver(message.packet, message.options, place);
      else this.receive(message, sender);
    });
  }

  /** Applies an event or a command of this process, after all earlier events and commands were applied. */
  private async applyOwn(message: StreamsMessage, place: StreamPlace | undefined): Promise<void> {
    switch (message.type) {
      case "broadcast":
        this.apply(message, this.id, place);
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

  /** Sends an event with an offset to the clients of this process, and buffers it for clients that are reconnecting. */
  private deliver(packet: Packet, options: BroadcastOptions, place: StreamPlace | undefined): void {
    if (packet.type !== EVENT) return;
    const number = this.early.last;
    const early = this.early.isPending ? { sender: this.id, number } : undefined;
    // Clients interpret a string at the end of any event as an offset, so each event must have an offset.
    const offset = formatOffset({ id: place?.id ?? this.offset, early });
    const data = withOffset(packet.data, offset);
    const stamped: Packet = { type: EVENT, namespace: packet.namespace, data };
    const isKept = options.flags.volatile !== true && options.flags.local !== true;
    let message: Outgoing | undefined;
    for (const each of isKept ? this.recovering : []) {
      if (place !== undefined && compareIds(place.id, each.after) <= 0) continue;
      message ??= this.nsp.encode(stamped, options.flags.compress ?? true);
      noteSent(each, { place, message, options }, this.maxReplay);
    }
    this.sendToMembers(stamped, options, message);
  }

  // Methods that write to the stream.

  /**
   * Adds a message to the stream. After the message was applied in this process, resolves to whether Redis has accepted
   * the message.
   *
   * @throws TypeError or RangeError if a value cannot be encoded
   */
  private append(message: ClusterCommand): Promise<boolean> {
    const number = this.count++;
    const { streamName, maxLen } = this.settings;
    const fields = encodeEntry(this.id, this.nsp.name, message, number);
    const added = this.command(
      ...["XADD", streamName, "MAXLEN", "~", `${maxLen}`, "*"],
      ...[...fields].flat(),
    ).then((reply): Added => {
      if (isString(reply)) return { id: reply };
      this.dropped++;
      return this.link.ready ? "refused" : "unknown";
    });
    const isAdded = added.then((result) => typeof result === "object");
    if (!this.recovers) return isAdded;
    return new Promise((resolve) => {
      let refused = false;
      const run = (id: string | undefined): void => {
        const own = decodeEntry(fields, this.nsp.name)?.message;
        if (own === undefined) this.onInvalid("an event of this process");
        if (id === undefined && !refused) this.early.add(number, added);
        const place = id === undefined ? undefined : { id, sender: this.id, number };
        const applied = own && this.applyOwn(own, place);
        void Promise.allSettled([applied]).then(() => resolve(isAdded));
      };
      // Until the reader has found the end of the stream, it does not read new entries, so this entry would not be read
      // back (its echo would not arrive).
      const needsEcho = !this.echoes.gaveUp && this.hub.position !== undefined;
      const size = (fields.get("data")?.length ?? 0) + OVERHEAD;
      this.echoes.add(number, { size, needsEcho, run });
      void added.then((result) => {
        refused = result === "refused";
        if (typeof result === "string") this.echoes.onRefused(number);
      });
    });
  }

  /** Runs a function after all earlier events were sent. Runs it immediately if no event is waiting. */
  private inOrder(packet: Packet, run: (packet: Packet) => void): void {
    if (this.echoes.size === 0) {
      run(packet);
      return;
    }
    const copy = copyOf(packet);
    const send = (): void => this.attempt(() => run(copy));
    this.echoes.add(this.count++, { size: OVERHEAD, needsEcho: false, run: send });
  }

  /** Sends a command. Resolves to `undefined` if Redis has not accepted it. Never rejects. */
  private readonly command: SendCommand = (...args) => {
    const size = args.reduce((sum, { length }) => sum + length, OVERHEAD);
    return this.link.command(args, size);
  };

  // Methods for connection state recovery.

  /** The id of the last entry that was read. "" if clients cannot recover. */
  override get offset(): string {
    return this.recovers ? (this.hub.position ?? "") : "";
  }

  /**
   * Twice the limit of missed events: once for the events that the client has missed, and once for the events that are
   * sent until the client has joined its rooms.
   *
   * @internal
   */
  protected override get maxReplay(): number {
    return 2 * this.settings.maxMissedBytes;
  }

  /**
   * Stores the session of a disconnected socket in Redis.
   *
   * @param session the state of the socket
   */
  override persistSession(session: RecoverableSession): void {
    const { pid, sid } = session;
    this.stopRecoveries(pid);
    const isKept = this.pids.delete(sid);
    const returns = this.returnsOf(sid);
    this.returns.delete(sid);
    if (this.taken.delete(pid)) return;
    // If Redis no longer has the session, the client has reconnected to another process.
    this.sessions?.saveLast(session, returns, isKept);
  }

  /**
   * Returns a stored session together with the packets that its client missed since `offset`, or the reason why the
   * session cannot be recovered. A session is returned only once.
   *
   * @param pid the private session id
   * @param offset the offset of the last packet that the client received
   */
  override async restoreSession(
    pid: string,
    offset?: string,
  ): Promise<RestoredSession | RecoveryFailure> {
    // Connected clients have received the early events, but the reconnecting client has not. Its
    // missed events are complete only after the entries of the early events were read.
    const isOver = this.early.over().then(() => true);
    if (this.early.isPending && !(await this.inTime(isOver, false))) return "unknown session";
    const { position } = this.hub;
    if (this.sessions === undefined || position === undefined) return "unknown session";
    const recovering: RecoveringFromStream = {
      pid,
      session: undefined,
      after: position,
      heard: undefined,
      sent: [],
    };
    this.recovering.add(recovering);
    const result = await this.inTime(
      this.claim(this.sessions, recovering, position, offset),
      "unknown session",
    );
    if (isString(result) || !this.recovering.has(recovering)) {
      this.recovering.delete(recovering);
      return isString(result) ? result : "unknown session";
    }
    const { after, heard } = recovering;
    recovering.sent = recovering.sent.filter(({ place }) => {
      if (place === undefined || heard === undefined) return true;
      return compareIds(place.id, after) > 0 && !includes(heard, place);
    });
    recovering.session = result;
    this.returns.set(result.sid, result.returns);
    this.recovered++;
    return result;
  }

  private async claim(
    sessions: RedisSessions,
    recovering: RecoveringFromStream,
    position: string,
    offset: string | undefined,
  ): Promise<(GrowingSession & TakenSession) | RecoveryFailure> {
    const isWanted = (): boolean => this.recovering.has(recovering);
    const given = offset === undefined ? undefined : parseOffset(offset);
    if (offset !== undefined && (given === undefined || this.history.isRecent(given.id)))
      return this.take(sessions, recovering, position, offset, undefined);
    // The session is not yet deleted from Redis, because the client may disconnect again before its
    // missed events can be read.
    const turn = await this.history.turn(isWanted);
    if (turn === undefined) return "unknown session";
    return this.take(sessions, recovering, position, offset, turn).finally(() => turn.leave());
  }

  private async take(
    sessions: RedisSessions,
    recovering: RecoveringFromStream,
    position: string,
    offset: string | undefined,
    turn: HistoryTurn | undefined,
  ): Promise<(GrowingSession & TakenSession) | RecoveryFailure> {
    const { pid } = recovering;
    const session = await sessions.take(pid);
    if (session === "invalid") this.onInvalid("the session of a client");
    if (session === undefined || session === "invalid") return "unknown session";
    const { sid, returns } = session;
    const news = this.encode({ type: "returned", sid, pid, returns });
    void this.link.publish(this.channels.membership, news);
    const { offset: began } = session;
    const given = parseOffset(offset ?? began);
    if (given === undefined) return "unknown offset";
    const { id: start = given.id } = parseOffset(began) ?? {};
    // A client that has received no event in this session may send the offset of an earlier session. In this case, the
    // start of this session is used.
    const heard = compareIds(start, given.id) > 0 ? { ...given, id: start } : given;
    recovering.heard = heard;
    if (compareIds(heard.id, position) > 0) {
      // The client's previous process has read more of the stream than this process. The client already has the events
      // up to its offset, so it must not receive them again when this process reads them.
      if (!(await this.history.has(heard.id))) return "unknown offset";
      recovering.after = heard.id;
      turn?.leave();
      await this.hub.reached(heard.id);
      return { ...session, missed: [] };
    }
    const missed = await this.history.missedBy(session, heard, position, turn).catch((error) => {
      // An event of another process cannot be encoded for clients.
      this.report(
        new Error("the events that a client has missed cannot be encoded", { cause: error }),
      );
      return undefined;
    });
    return missed === undefined ? "packets dropped" : { ...session, missed };
  }

  /**
   * Called when a client of this process has reconnected to another process. The message is ignored if the client has
   * since reconnected to this process.
   */
  private onTaken({ sid, pid, returns }: Extract<RecoveryNews, { type: "returned" }>): void {
    if (this.returnsOf(sid) > returns) return;
    this.taken.add(pid);
    this.nsp.onReturned?.(pid);
    this.taken.delete(pid);
  }

  /** Waits for a result for at most `requestTimeout`. If there is no result in this time, resolves to `otherwise`. */
  private async inTime<Result>(result: Promise<Result>, otherwise: Result): Promise<Result> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Result>((resolve) => {
      timer = setTimeout(() => resolve(otherwise), this.requestTimeout);
    });
    return Promise.race([result, timeout]).finally(() => clearTimeout(timer));
  }

  // Methods that store the sessions of connected clients in Redis.

  /** @internal */
  protected override saveSession(session: RecoverableSession): void {
    this.sessions?.save(session, this.returnsOf(session.sid));
  }

  /** @internal */
  protected override forgetSession(_id: SocketId, pid: string): void {
    this.sessions?.delete(pid);
  }

  /**
   * Removes a socket from all rooms.
   *
   * @param id the id of the socket
   */
  override delAll(id: SocketId): void {
    super.delAll(id);
    this.returns.delete(id);
  }

  private returnsOf(id: SocketId): number {
    return this.returns.get(id) ?? 0;
  }

  private *connectedSessions(): IterableIterator<RecoverableSession | undefined> {
    for (const id of this.pids.keys()) yield this.nsp.sockets.get(id)?.recoverableSession;
  }
}

function locally({ rooms, except, flags }: BroadcastOptions): BroadcastOptions {
  return { rooms, except, flags: { ...flags, local: true } };
}

/** Returns a copy of a packet, because the user may change the arguments later. */
function copyOf(packet: Packet): Packet {
  const { data, ...others } = fromPacket(packet);
  return toPacket({ ...others, data: decode(encode(data)) }, SERVER_LIMITS);
}
