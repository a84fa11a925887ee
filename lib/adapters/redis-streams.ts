// Several processes as one over a stream of Redis, with connection state recovery on any of them. It speaks the
// format of @socket.io/redis-streams-adapter 0.3 (redis-streams-wire.ts), so that processes with that adapter
// belong to the same cluster.
//
//   io.emit() ──▶ XADD ──▶ the stream ──▶ XREAD ──▶ every process, this one too ──▶ its clients
//
// Where clients may recover, a process sends its own events when they come back from the stream (echo-queue.ts). So
// all processes send all events in the same order, the ids of the entries are offsets that only grow, and what a
// client has missed is what stands in the stream behind its offset (stream-history.ts). What does not come back in
// time is sent early (early-events.ts), with an offset that says so (stream-offset.ts). Sessions are in Redis too
// (redis-sessions.ts).

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
import { noteSent } from "../socketio/returning.ts";
import { CLUSTER_OPTIONS, type ClusterStats } from "./cluster-adapter.ts";
import type {
  ClusterAnswer,
  ClusterCommand,
  ClusterMessage,
  ClusterRequest,
  NodeId,
} from "./cluster-messages.ts";
import { type Added, EarlyEvents } from "./early-events.ts";
import { EchoQueue } from "./echo-queue.ts";
import {
  type GrowingSession,
  type Returning,
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
import { compareIds, type StreamEntry } from "./stream-reader.ts";

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
   * The bytes of the events that a client may have missed. With more it starts anew. 16 times as many are read of the
   * stream for it, which has the events of all rooms and namespaces. At most half of the server's
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
  // One that is given as `undefined` has its default.
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const settings = { ...DEFAULTS, ...Object.fromEntries(given) };
  const hub = new StreamHub(client, options, settings);
  return Object.assign((nsp: AdapterHost) => new RedisStreamsAdapter(nsp, hub, settings), {
    ready: hub.redis.ready,
    close: () => hub.redis.close(),
  });
}

interface SentFromStream extends SentEvent {
  /** Of its entry, if that was read. */
  readonly place: StreamPlace | undefined;
}

interface ReturningToStream extends Returning<SentFromStream> {
  /** Events up to this entry are no part of `sent`. */
  after: string;
  /** Events that the client has are no part of it either. */
  heard: StreamOffset | undefined;
}

/** The rooms of a namespace, over several processes. Created by createRedisStreamsAdapter(). */
export class RedisStreamsAdapter
  extends RedisHubAdapter<SentFromStream, ReturningToStream>
  implements StreamMember
{
  private readonly hub: StreamHub;
  private readonly settings: Settings;
  protected override readonly channels: Readonly<
    Record<"requests" | "answers" | "membership", string>
  >;
  /** Where clients may recover. */
  private readonly sessions: RedisSessions | undefined;
  private readonly history: StreamHistory;
  /** What this process has emitted, by its number. */
  private readonly echoes: EchoQueue;
  /** Of them, what was sent before its entry was read. */
  private readonly early = new EarlyEvents();
  /** How often the clients have come back whose sockets are here, if they have. */
  private readonly returns = new Map<SocketId, number>();
  /** Secrets of clients that have come back to another process. */
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
    this.echoes = new EchoQueue(maxPending);
  }

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

  protected override release(): void {
    this.sessions?.close();
    this.echoes.close();
    // The sessions of its clients are saved by commands before this one.
    this.saveChanged();
    this.hub.remove(this);
  }

  // What the hub calls.

  /** @internal */
  onRefused(error: Error): void {
    this.report(error);
  }

  /** The stream is read from this entry on, for the first time or since it is another one. @internal */
  onLocated(position: string): void {
    this.history.onLocated(position);
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
    const place = { id, sender, number };
    if (this.recovers) this.history.add(place, message, fields.get("data")?.length ?? 0);
    if (sender !== this.id) this.apply(message, sender, place);
    // One that does not wait was sent early. The clients that were not here then find it in the stream.
    else if (number !== undefined && this.echoes.has(number)) this.echoes.onEcho(number, id);
  }

  /** @internal */
  onRead(): void {
    this.echoes.onRead();
    this.early.onRead(this.hub.position);
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

  // What the cluster's part calls.

  protected override respond(to: NodeId, answer: ClusterAnswer): void {
    this.publishAnswer(this.answersOf(to), answer.type, () => this.encode(answer));
  }

  protected override send(message: ClusterCommand): Promise<boolean> {
    if (message.type !== "server-side-emit") return this.append(message);
    return this.link
      .publish(this.channels.requests, this.encode(message))
      .then((received) => received !== undefined);
  }

  protected override encodeRequest(request: ClusterRequest): Bytes {
    return this.encode(request);
  }

  protected override encodeMembership(message: MembershipMessage): Bytes {
    return this.encode(message);
  }

  // Messages of channels.

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
    this.report(new Error(`${what} is invalid, and is skipped (namespace ${this.nsp.name})`));
  }

  // Doing what was emitted, here or elsewhere.

  /** @param place of its entry, if that was read */
  private apply(message: StreamsMessage, sender: NodeId, place: StreamPlace | undefined): void {
    this.attempt(() => {
      if (message.type === "returned") this.onTaken(message);
      else if (this.recovers && message.type === "broadcast" && message.request === undefined)
        this.deliver(message.packet, message.options, place);
      else this.receive(message, sender);
    });
  }

  /** Does what this process has emitted, when it is its turn. */
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

  /** Sends an event to the clients of this process, with an offset, and notes it for those that come back. */
  private deliver(packet: Packet, options: BroadcastOptions, place: StreamPlace | undefined): void {
    if (packet.type !== EVENT) return;
    const number = this.early.last;
    const early = this.early.isPending ? { sender: this.id, number } : undefined;
    // Clients take a text at the end of any event for an offset, so each event has one.
    const offset = formatOffset({ id: place?.id ?? this.offset, early });
    const data = withOffset(packet.data, offset);
    const stamped: Packet = { type: EVENT, namespace: packet.namespace, data };
    const isKept = options.flags.volatile !== true && options.flags.local !== true;
    let message: Outgoing | undefined;
    for (const each of isKept ? this.returning : []) {
      if (place !== undefined && compareIds(place.id, each.after) <= 0) continue;
      message ??= this.nsp.encode(stamped, options.flags.compress ?? true);
      noteSent(each, { place, message, options }, this.maxReplay);
    }
    this.sendToMembers(stamped, options, message);
  }

  // The stream.

  /**
   * Adds a message to the stream. Resolves when it is done here too, to whether Redis has taken it.
   *
   * @throws TypeError, RangeError for a value that cannot be encoded
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
      // Nothing comes back that was added before the reader knows where the stream ends.
      const needsEcho = !this.echoes.gaveUp && this.hub.position !== undefined;
      const size = (fields.get("data")?.length ?? 0) + OVERHEAD;
      this.echoes.add(number, { size, needsEcho, run });
      void added.then((result) => {
        refused = result === "refused";
        if (typeof result === "string") this.echoes.onRefused(number);
      });
    });
  }

  /** Does something behind what was emitted before. At once, if nothing waits. */
  private inOrder(packet: Packet, run: (packet: Packet) => void): void {
    if (this.echoes.size === 0) {
      run(packet);
      return;
    }
    const copy = copyOf(packet);
    const send = (): void => this.attempt(() => run(copy));
    this.echoes.add(this.count++, { size: OVERHEAD, needsEcho: false, run: send });
  }

  /** Sends a command. Resolves to `undefined` where Redis has not taken it; never rejects. */
  private readonly command: SendCommand = (...args) => {
    const size = args.reduce((sum, { length }) => sum + length, OVERHEAD);
    return this.link.command(args, size);
  };

  // Connection state recovery.

  /** The id of the last entry that was read. */
  override get offset(): string {
    return this.recovers ? (this.hub.position ?? "") : "";
  }

  /** What a client has missed, and as much again that is sent until it is in its rooms. */
  protected override get maxReplay(): number {
    return 2 * this.settings.maxMissedBytes;
  }

  override persistSession(session: RecoverableSession): void {
    const { pid, sid } = session;
    this.stopReturns(pid);
    const isKept = this.pids.delete(sid);
    const returns = this.returnsOf(sid);
    this.returns.delete(sid);
    if (this.taken.delete(pid)) return;
    // It is there already, unless the client has come back elsewhere meanwhile.
    this.sessions?.saveLast(session, returns, isKept);
  }

  override async restoreSession(
    pid: string,
    offset?: string,
  ): Promise<RestoredSession | RecoveryFailure> {
    // The clients that are here have those events, and this one does not.
    const isOver = this.early.over().then(() => true);
    if (this.early.isPending && !(await this.inTime(isOver, false))) return "unknown session";
    const { position } = this.hub;
    if (this.sessions === undefined || position === undefined) return "unknown session";
    const returning: ReturningToStream = {
      pid,
      session: undefined,
      after: position,
      heard: undefined,
      sent: [],
    };
    this.returning.add(returning);
    const result = await this.inTime(
      this.claim(this.sessions, returning, position, offset),
      "unknown session",
    );
    if (isString(result) || !this.returning.has(returning)) {
      this.returning.delete(returning);
      return isString(result) ? result : "unknown session";
    }
    const { after, heard } = returning;
    returning.sent = returning.sent.filter(({ place }) => {
      if (place === undefined || heard === undefined) return true;
      return compareIds(place.id, after) > 0 && !includes(heard, place);
    });
    returning.session = result;
    this.returns.set(result.sid, result.returns);
    this.recovered++;
    return result;
  }

  private async claim(
    sessions: RedisSessions,
    returning: ReturningToStream,
    position: string,
    offset: string | undefined,
  ): Promise<(GrowingSession & TakenSession) | RecoveryFailure> {
    const isWanted = (): boolean => this.returning.has(returning);
    const given = offset === undefined ? undefined : parseOffset(offset);
    if (offset !== undefined && (given === undefined || this.history.isRecent(given.id)))
      return this.take(sessions, returning, position, offset, undefined);
    // Its session is there until it can be read what the client has missed.
    const turn = await this.history.turn(isWanted);
    if (turn === undefined) return "unknown session";
    return this.take(sessions, returning, position, offset, turn).finally(() => turn.leave());
  }

  private async take(
    sessions: RedisSessions,
    returning: ReturningToStream,
    position: string,
    offset: string | undefined,
    turn: HistoryTurn | undefined,
  ): Promise<(GrowingSession & TakenSession) | RecoveryFailure> {
    const { pid } = returning;
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
    // A client that has received nothing in this session may have the offset of an earlier one.
    const heard = compareIds(start, given.id) > 0 ? { ...given, id: start } : given;
    returning.heard = heard;
    if (compareIds(heard.id, position) > 0) {
      // Another process has read further. What comes until there is known to the client, which is not among those
      // that are sent it.
      if (!(await this.history.has(heard.id))) return "unknown offset";
      returning.after = heard.id;
      turn?.leave();
      await this.hub.reached(heard.id);
      return { ...session, missed: [] };
    }
    const missed = await this.history.missedBy(session, heard, position, turn).catch((error) => {
      // An event of another process that cannot be encoded for clients.
      this.report(new Error("what a client has missed cannot be encoded", { cause: error }));
      return undefined;
    });
    return missed === undefined ? "packets dropped" : { ...session, missed };
  }

  /** A client of this process has come back to another one, unless it has come back to this one since. */
  private onTaken({ sid, pid, returns }: Extract<RecoveryNews, { type: "returned" }>): void {
    if (this.returnsOf(sid) > returns) return;
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

  protected override saveSession(session: RecoverableSession): void {
    this.sessions?.save(session, this.returnsOf(session.sid));
  }

  protected override forgetSession(_id: SocketId, pid: string): void {
    this.sessions?.delete(pid);
  }

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

/** Copies a packet as it is now: the program may change what it has emitted. */
function copyOf(packet: Packet): Packet {
  const { data, ...others } = fromPacket(packet);
  return toPacket({ ...others, data: decode(encode(data)) }, SERVER_LIMITS);
}
