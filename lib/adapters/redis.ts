/**
 * `barewire/redis`: connects several processes over Redis. The adapter uses the format of @socket.io/redis-adapter 8
 * (redis-wire.ts), so processes with that adapter, and @socket.io/redis-emitter, can be members of the same cluster.
 * ```ts
 * // a client of the package "redis" or "ioredis"
 * const adapter = createRedisAdapter(createClient({ url: process.env.REDIS_URL }));
 * const io = new Server(3000, { adapter });
 * await adapter.ready;
 * ```
 * A process only subscribes to rooms that have sockets in this process, and only decodes a broadcast if one of its
 * sockets receives it. This makes the adapter fast.
 * @module barewire/redis
 */

import type { Bytes } from "../../protocol/bytes.ts";
import { checkOptions, type OptionTable, string } from "../events/options.ts";
import { bytes, oneOf } from "../node-options.ts";
import {
  type AdapterHost,
  allOf,
  type BroadcastOptions,
  type Room,
  type SocketId,
} from "../socketio/adapter.ts";
import { CLUSTER_OPTIONS, type ClusterStats } from "./cluster-adapter.ts";
import type { ClusterAnswer, ClusterCommand, NodeId } from "./cluster-messages.ts";
import { checkClient, type RedisClient } from "./redis-client.ts";
import { type HubFactory, RedisHub, type RedisHubOptions } from "./redis-hub.ts";
import { type MembershipMessage, RedisHubAdapter } from "./redis-hub-adapter.ts";
import type { ChannelListener, LinkStats } from "./redis-link.ts";
import {
  type Channels,
  channelsOf,
  decodeAnswer,
  decodeBroadcast,
  decodeMembership,
  decodeRequest,
  encodeAnswer,
  encodeBroadcast,
  encodeMembership,
  encodeRequest,
  type RedisAnswer,
} from "./redis-wire.ts";

export { MissingNodesError } from "./cluster-adapter.ts";
export type {
  IoRedisClient,
  NodeRedisClient,
  RedisClient,
  RedisMessageListener,
} from "./redis-client.ts";
export { RedisCommandError, RedisOverloadedError, RedisUnavailableError } from "./redis-link.ts";
export {
  createRedisStreamsAdapter,
  type RedisStreamsAdapter,
  type RedisStreamsAdapterFactory,
  type RedisStreamsAdapterOptions,
  type RedisStreamsStats,
} from "./redis-streams.ts";

/** The options of createRedisAdapter(). */
export interface RedisAdapterOptions extends RedisHubOptions {
  /** The prefix of the channel names. Corresponds to the option `key` of @socket.io/redis-adapter. Default: "socket.io". */
  readonly prefix?: string;
  /**
   * Which channels to subscribe to. "rooms": the channels of rooms that have sockets in this process. "namespace": the
   * channels of all rooms. "auto": starts like "rooms", and changes to "namespace" when a process with another adapter
   * is found. Default: "auto".
   */
  readonly subscribe?: "auto" | "rooms" | "namespace";
}

/** The checks of the options. */
export const REDIS_ADAPTER_OPTIONS: OptionTable<RedisAdapterOptions> = {
  ...CLUSTER_OPTIONS,
  maxPending: bytes,
  prefix: string,
  subscribe: oneOf("auto", "rooms", "namespace"),
};

/** What the adapter reports about its cluster, its connection to Redis, and its messages. */
export interface RedisStats extends ClusterStats, LinkStats {
  /** The number of broadcasts from other processes that sockets of this process have received. */
  readonly delivered: number;
  /**
   * The number of broadcasts from other processes that no socket of this process has received. Their packets were not
   * decoded.
   */
  readonly skipped: number;
  /** The number of invalid messages. */
  readonly invalid: number;
  /** Whether the adapter is subscribed to all rooms of the namespace. */
  readonly subscribedToAll: boolean;
}

const DEFAULT_PREFIX = "socket.io";

/** Creates the adapter of each namespace. The value of the server's option `adapter`. */
export interface RedisAdapterFactory extends HubFactory {
  /**
   * Creates the adapter of a namespace.
   *
   * @param nsp the namespace that the adapter serves
   */
  (nsp: AdapterHost): RedisAdapter;
}

/**
 * Creates an adapter over Redis, for the server's option `adapter`.
 *
 * @param client a client of the package "redis" or "ioredis". The adapter opens two connections with the same settings,
 * and closes these connections when the server closes
 * @param options the options of the adapter
 * @throws ArgumentTypeError if `client` is not a Redis client or is a client of a Redis Cluster, or if an option is
 * unknown or has an invalid type
 * @throws ArgumentRangeError if an option is out of range
 * @example
 * ```ts
 * import { Server } from "barewire";
 * import { createRedisAdapter } from "barewire/redis";
 * import { createClient } from "redis";
 *
 * const adapter = createRedisAdapter(createClient({ url: "redis://localhost" }));
 * const io = new Server(3000, { adapter });
 * await adapter.ready;
 * ```
 */
export function createRedisAdapter(
  client: RedisClient,
  options: RedisAdapterOptions = {},
): RedisAdapterFactory {
  checkClient(client);
  checkOptions(options, REDIS_ADAPTER_OPTIONS);
  const hub = new RedisHub(client, options);
  return Object.assign((nsp: AdapterHost) => new RedisAdapter(nsp, hub, options), {
    ready: hub.ready,
    close: () => hub.close(),
  });
}

/** The adapter of one namespace, which createRedisAdapter() creates. */
export class RedisAdapter extends RedisHubAdapter {
  /** @internal */
  protected override readonly channels: Channels;
  private readonly mode: "auto" | "rooms" | "namespace";
  /** Rooms that this process has made sockets join, and to which other processes may still be subscribing. */
  private readonly joining = new Map<Room, number>();
  // While the subscription to all rooms (a pattern) replaces the subscriptions to single rooms (channels), a message
  // can arrive twice. Redis sends it to the subscribers of the channel, and immediately afterwards to the subscribers
  // of the pattern. To detect the second message, it is enough to compare each message with the previous message.
  private last: { readonly channel: string; readonly message: Bytes } | undefined;
  private all = false;
  private subscribing: Promise<void> | undefined;
  private delivered = 0;
  private skipped = 0;
  private invalid = 0;

  /** @internal */
  constructor(nsp: AdapterHost, hub: RedisHub, options: RedisAdapterOptions) {
    super(nsp, hub, options);
    this.channels = channelsOf(options.prefix ?? DEFAULT_PREFIX, nsp.name);
    this.mode = options.subscribe ?? "auto";
  }

  override async init(): Promise<void> {
    const { broadcasts, requests, responses, membership } = this.channels;
    await this.listen({
      [requests]: (message) => this.onRequest(message),
      [responses]: (message) => this.onResponse(message),
      [this.channels.responsesTo(this.id)]: (message) => this.onResponse(message),
      [membership]: (message) => this.onMembershipBytes(message),
      [broadcasts]: this.onBroadcastMessage,
    });
    if (this.mode === "namespace") await this.subscribeToAll();
    else await this.findOthers();
    if (this.isOpen) super.init();
  }

  /** @internal */
  protected override release(): void {
    for (const room of this.rooms.keys()) this.unsubscribe(room);
    if (this.all) this.link.unsubscribePattern(`${this.channels.broadcasts}*`);
  }

  // Methods that the hub calls.

  /**
   * Called when Redis is connected, for the first time or again.
   *
   * @internal
   */
  override onReady(): void {
    super.onReady();
    if (this.mode === "namespace" && !this.all) void this.subscribeToAll();
  }

  // Methods that the namespace calls.

  /**
   * Adds a socket to rooms. Resolves after this process has subscribed to the rooms.
   *
   * @param id the id of the socket
   * @param rooms the rooms
   */
  override addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    void super.addAll(id, rooms);
    if (!this.isOpen) return;
    if (this.all) return this.subscribing;
    const pending = [...rooms].map((room) =>
      // super.addAll() emits "join-room", and a listener may have removed the socket from the room.
      this.rooms.has(room)
        ? this.link.subscriptions.add(this.channels.room(room), this.onBroadcastMessage)
        : undefined,
    );
    // While Redis is unreachable, the caller does not wait for the subscriptions. They are made
    // when Redis is reachable again.
    return this.link.ready ? allOf(pending) : undefined;
  }

  /**
   * Removes a socket from a room.
   *
   * @param id the id of the socket
   * @param room the room
   */
  override del(id: SocketId, room: Room): void {
    void super.del(id, room);
    if (!this.rooms.has(room)) this.unsubscribe(room);
  }

  /**
   * Removes a socket from all rooms.
   *
   * @param id the id of the socket
   */
  override delAll(id: SocketId): void {
    const rooms = [...(this.sids.get(id) ?? [])];
    super.delAll(id);
    for (const room of rooms) if (!this.rooms.has(room)) this.unsubscribe(room);
  }

  /**
   * Makes the target sockets join rooms. Until the sockets in all processes have joined, and the processes have subscribed
   * to the rooms, this process publishes events for these rooms on the channel of the namespace.
   *
   * @param options the target sockets
   * @param rooms the rooms
   */
  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    const added = super.addSockets(options, rooms);
    if (!(added instanceof Promise) || options.flags.local === true) return added;
    for (const room of rooms) this.joining.set(room, (this.joining.get(room) ?? 0) + 1);
    return added.then(() => {
      for (const room of rooms) {
        const count = (this.joining.get(room) ?? 0) - 1;
        if (count > 0) this.joining.set(room, count);
        else this.joining.delete(room);
      }
    });
  }

  override stats(): RedisStats {
    return {
      ...super.stats(),
      ...this.link.stats(),
      delivered: this.delivered,
      skipped: this.skipped,
      invalid: this.invalid,
      subscribedToAll: this.all,
    };
  }

  // Methods that the base class calls.

  /** @internal */
  protected override respond(to: NodeId, answer: ClusterAnswer): void {
    // A process with another adapter would interpret "no-answer" as an acknowledgement, so the answer is not sent to such a
    // process.
    if (answer.type === "no-answer" && !this.nodes.has(to)) return;
    // The process that receives this list of sockets may immediately emit to their rooms. So the list is sent when this
    // process has subscribed to the rooms.
    const settled = answer.type === "fetched" ? this.link.subscriptions.settled : undefined;
    if (settled === undefined) this.answer(to, answer);
    else void settled.then(() => this.answer(to, answer));
  }

  /** @internal */
  protected override send(message: ClusterCommand): Promise<boolean> {
    const isRequest = message.type !== "broadcast" || message.request !== undefined;
    const published = isRequest
      ? this.link.publish(this.channels.requests, this.encodeRequest(message))
      : this.link.publish(
          this.channelFor(message.options),
          encodeBroadcast(this.id, message.packet, message.options),
        );
    return published.then((received) => received !== undefined);
  }

  /** @internal */
  protected override encodeRequest(request: ClusterCommand): Bytes {
    return encodeRequest(this.id, request);
  }

  /** @internal */
  protected override encodeMembership({ type }: MembershipMessage): Bytes {
    return encodeMembership(this.id, type);
  }

  /** @internal */
  protected override beat(): void {
    super.beat();
    if (this.all || this.mode === "rooms") return;
    void (this.mode === "auto" ? this.findOthers() : this.subscribeToAll());
  }

  // No sessions are stored, because this adapter does not support connection state recovery.

  /** @internal */
  protected override get recovers(): boolean {
    return false;
  }

  /** @internal */
  protected override saveSession(): void {}

  /** @internal */
  protected override forgetSession(): void {}

  // Methods that send messages.

  private channelFor({ rooms }: BroadcastOptions): string {
    const [room] = rooms;
    if (room === undefined || rooms.size > 1 || this.joining.has(room))
      return this.channels.broadcasts;
    return this.channels.room(room);
  }

  private answer(to: NodeId, answer: RedisAnswer): void {
    const encode = (): Bytes => encodeAnswer(this.id, answer);
    this.publishAnswer(this.channels.responsesTo(to), answer.type, encode);
  }

  // Methods that handle received messages.

  private readonly onBroadcastMessage: ChannelListener = (message, channel) => {
    if (this.all) this.last = { channel, message };
    this.onBroadcastBytes(message);
  };

  private readonly onPatternMessage: ChannelListener = (message, channel) => {
    const { last } = this;
    this.last = undefined;
    if (last?.channel === channel && Buffer.compare(last.message, message) === 0) return;
    const room = channel.slice(this.channels.broadcasts.length, -1);
    // JavaScript users can also use numbers as rooms. this.rooms.has() does not find such a room by a string, so broadcasts
    // to the room are not skipped.
    if (room === "" || this.rooms.has(room) || !Number.isNaN(Number(room))) {
      this.onBroadcastBytes(message);
    } else {
      this.skipped++;
    }
  };

  private onBroadcastBytes(bytes: Bytes): void {
    const broadcast = decodeBroadcast(bytes, this.nsp.name);
    if (broadcast === undefined) {
      this.invalid++;
      return;
    }
    const { sender, options } = broadcast;
    if (sender === this.id) return;
    if (sender === STOCK_EMITTER && this.mode === "auto") void this.subscribeToAll();
    if (!this.hasMembers(options)) {
      this.skipped++;
      return;
    }
    const packet = broadcast.packet();
    if (packet === undefined) {
      this.invalid++;
      return;
    }
    this.delivered++;
    this.receive({ type: "broadcast", packet, options }, sender);
  }

  private onRequest(bytes: Bytes): void {
    const request = decodeRequest(bytes, this.nsp.name);
    if (request === undefined) {
      this.invalid++;
      return;
    }
    const { sender, message } = request;
    if (sender === this.id) return;
    if (message.type === "sockets") {
      const options = { rooms: new Set(message.rooms), except: new Set<Room>(), flags: {} };
      const sockets = this.members(options).map(({ id }) => id);
      if (sender !== undefined) this.answer(sender, { ...message, sockets });
    } else if (message.type === "all-rooms") {
      if (sender !== undefined) this.answer(sender, { ...message, rooms: [...this.rooms.keys()] });
    } else {
      this.receive(message, sender);
    }
  }

  private onResponse(bytes: Bytes): void {
    // Processes with other adapters answer each other on the same channel, in formats that are unknown here. Such answers
    // are ignored.
    const response = decodeAnswer(bytes);
    if (response !== undefined) this.receive(response.message, response.sender);
  }

  private onMembershipBytes(bytes: Bytes): void {
    const heard = decodeMembership(bytes);
    if (heard === undefined) {
      this.invalid++;
      return;
    }
    const { sender, message } = heard;
    if (sender !== undefined) this.onMembership(message, sender);
  }

  // Methods that change the subscriptions.

  private unsubscribe(room: Room): void {
    this.link.subscriptions.delete(this.channels.room(room));
  }

  /**
   * Looks for processes with other adapters. If there are any, subscribes to all rooms in the mode "auto": such processes
   * publish on a room's channel as soon as a socket has joined the room, even if the socket's process has not subscribed
   * yet.
   */
  private async findOthers(): Promise<void> {
    const { requests, membership } = this.channels;
    const [all = 0, ours = 0] = (await this.link.countSubscribers(requests, membership)) ?? [];
    if (this.mode === "auto" && all > ours) await this.subscribeToAll();
  }

  /** Subscribes to all rooms, and then ends the subscriptions to single rooms. */
  private async subscribeToAll(): Promise<void> {
    if (this.all || !this.isOpen) return;
    this.all = true;
    const { broadcasts } = this.channels;
    this.subscribing = this.link
      .subscribePattern(`${broadcasts}*`, this.onPatternMessage)
      .then(undefined, () => {
        // Redis is unreachable. The next heartbeat tries again. In the mode "namespace", onReady() tries again earlier if
        // Redis becomes reachable before that.
        this.all = false;
      });
    await this.subscribing;
    this.subscribing = undefined;
    if (!this.all || !this.isOpen) return;
    const { subscriptions } = this.link;
    subscriptions.delete(broadcasts);
    for (const room of this.rooms.keys()) this.unsubscribe(room);
    await subscriptions.idle();
    this.last = undefined;
  }
}

/** The sender id of @socket.io/redis-emitter. */
const STOCK_EMITTER = "emitter";
