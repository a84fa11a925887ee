/**
 * barewire/emitter: emits to the clients of a cluster from a process that serves none, such as a job or a
 * command line. It speaks the format of redis-wire.ts, to processes with barewire/redis and with
 * @socket.io/redis-adapter.
 *
 * ```ts
 * const emitter = new Emitter(client);
 * const processes = await emitter.to("room1").emit("event", 1);
 * if (processes === 0) throw new Error("no process has this room");
 * ```
 *
 * Events and commands go over the client that the program has passed. Acknowledgements and other answers
 * arrive over a connection of its own, which is opened for the first request.
 *
 * @module barewire/emitter
 */

import { EVENT } from "../../protocol/socketio/packet.ts";
import { Deadlines } from "../deadlines.ts";
import type {
  AckValue,
  AllButLast,
  DefaultEventsMap,
  EventArguments,
  EventNames,
  LastArgument,
  Untyped,
} from "../events/emitter.ts";
import { checkMilliseconds } from "../events/errors.ts";
import { checkOptions, type OptionTable, string } from "../events/options.ts";
import { positiveMilliseconds } from "../node-options.ts";
import type {
  BroadcastFlags,
  BroadcastOptions,
  Gathered,
  Room,
  SocketDetails,
} from "../socketio/adapter.ts";
import { EVERYBODY, eventData, listOf } from "../socketio/broadcast.ts";
import { broadcastWithAck } from "../socketio/broadcast-acks.ts";
import { ClusterAdapter } from "./cluster-adapter.ts";
import type { ClusterCommand, ClusterRequest } from "./cluster-messages.ts";
import type { Expected } from "./pending-request.ts";
import {
  checkClient,
  openConnection,
  type RedisClient,
  type RedisConnection,
  sendCommand,
} from "./redis-client.ts";
import {
  type Channels,
  channelsOf,
  decodeAnswer,
  encodeBroadcast,
  encodeRequest,
} from "./redis-wire.ts";
import { Subscriptions } from "./subscriptions.ts";

export { MissingNodesError } from "./cluster-adapter.ts";
export type { IoRedisClient, NodeRedisClient, RedisClient } from "./redis-client.ts";

export interface EmitterOptions {
  /** What the names of the channels begin with, as with createRedisAdapter(). Default: "socket.io". */
  readonly prefix?: string;
  /** The namespace. Default: "/". */
  readonly namespace?: string;
  /** Milliseconds to wait for answers, where timeout() does not say otherwise. Default: 5,000. */
  readonly requestTimeout?: number;
}

/** The checks of the options. */
export const EMITTER_OPTIONS: OptionTable<EmitterOptions> = {
  namespace: string,
  prefix: string,
  requestTimeout: positiveMilliseconds,
};

const DEFAULT_REQUEST_TIMEOUT = 5_000;
/** Milliseconds in which processes subscribe to a room that sockets were put into. */
const JOINING = 5_000;

/** Whom a chain of to(), in() and except() means so far, and how what is emitted is sent. */
export class EmitterOperator<EmitEvents, SocketData = Untyped> {
  private readonly cluster: EmitterCluster;
  private readonly options: BroadcastOptions;

  /** @internal */
  constructor(cluster: EmitterCluster, options: BroadcastOptions) {
    this.cluster = cluster;
    this.options = options;
  }

  /** Adds rooms: sockets in any of them receive, once. */
  to(rooms: Room | readonly Room[]): EmitterOperator<EmitEvents, SocketData> {
    return this.with({ rooms: new Set([...this.options.rooms, ...listOf(rooms)]) });
  }

  /** The same as to(). */
  in(rooms: Room | readonly Room[]): EmitterOperator<EmitEvents, SocketData> {
    return this.to(rooms);
  }

  /** Excludes sockets that are in any of these rooms. */
  except(rooms: Room | readonly Room[]): EmitterOperator<EmitEvents, SocketData> {
    return this.with({ except: new Set([...this.options.except, ...listOf(rooms)]) });
  }

  /** Drops the event for clients that cannot receive it now. */
  get volatile(): EmitterOperator<EmitEvents, SocketData> {
    return this.flag({ volatile: true });
  }

  /** Whether the event is worth compressing, where the transport can. Default: `true`. */
  compress(compress: boolean): EmitterOperator<EmitEvents, SocketData> {
    return this.flag({ compress });
  }

  /** Sets how long to wait for acknowledgements and answers, in milliseconds. */
  timeout(milliseconds: number): EmitterOperator<EmitEvents, SocketData> {
    checkMilliseconds("the timeout", milliseconds);
    return this.flag({ timeout: milliseconds });
  }

  /**
   * Sends an event. Resolves to the number of processes that receive it: 0 when no process listens, which
   * for one room may mean that none has a socket in it. Rejects when Redis does not take it; a program that
   * does not await it is not ended by that.
   *
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") for an event that only the protocol may send
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): Promise<number> {
    const namespace = this.cluster.nsp.name;
    const packet = { type: EVENT, namespace, data: eventData(event, args) } as const;
    return this.cluster.send({ type: "broadcast", packet, options: this.options });
  }

  /**
   * Sends an event and resolves to what each client acknowledges it with. Rejects, with the `responses` of
   * the others, with an AckTimeoutError after timeout() or `requestTimeout`, with a DisconnectedError when
   * clients have disconnected, or with a MissingNodesError when processes do not answer.
   */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>[]> {
    const { flags } = this.options;
    const options = {
      ...this.options,
      flags: { timeout: this.cluster.defaultTimeout, ...flags },
    };
    return new Promise((resolve, reject) => {
      broadcastWithAck(
        this.cluster,
        eventData(event, args),
        options,
        (error, responses: Untyped[]) => (error === null ? resolve(responses) : reject(error)),
      );
    });
  }

  /** Returns what is known of the sockets. The list has `missing`: processes that have not answered in time. */
  fetchSockets(): Promise<Gathered<SocketDetails>> {
    return this.cluster.fetchSockets(this.options);
  }

  /** Puts the sockets into a room, or several. Resolves to the number of processes that receive it. */
  socketsJoin(rooms: Room | readonly Room[]): Promise<number> {
    return this.cluster.send({ type: "join", options: this.options, rooms: listOf(rooms) });
  }

  /** Takes the sockets out of a room, or several. Resolves to the number of processes that receive it. */
  socketsLeave(rooms: Room | readonly Room[]): Promise<number> {
    return this.cluster.send({ type: "leave", options: this.options, rooms: listOf(rooms) });
  }

  /** Disconnects the sockets; with `close` their connections too. Default: `false`. Resolves to the number of processes that receive it. */
  disconnectSockets(close = false): Promise<number> {
    return this.cluster.send({ type: "disconnect", options: this.options, close });
  }

  private flag(flags: BroadcastFlags): EmitterOperator<EmitEvents, SocketData> {
    return this.with({ flags: { ...this.options.flags, ...flags } });
  }

  private with(options: Partial<BroadcastOptions>): EmitterOperator<EmitEvents, SocketData> {
    return new EmitterOperator(this.cluster, { ...this.options, ...options });
  }
}

/**
 * Emits to the clients of a cluster without serving any.
 *
 * Its type parameters are maps of event names to listeners: what is emitted to clients, what is emitted to
 * servers, and the type of `socket.data`.
 */
export class Emitter<
  EmitEvents = DefaultEventsMap,
  ServerSideEvents = DefaultEventsMap,
  SocketData = Untyped,
> extends EmitterOperator<EmitEvents, SocketData> {
  private readonly link: EmitterLink;
  private readonly own: EmitterCluster;
  private readonly settings: EmitterOptions;

  /**
   * @param client a connected client of the package "redis" or "ioredis"
   * @throws ArgumentTypeError for what is no client, for a client of a Redis Cluster, and for invalid options
   */
  constructor(client: RedisClient, options: EmitterOptions = {}) {
    checkClient(client);
    checkOptions(options, EMITTER_OPTIONS);
    const link = new EmitterLink(client, options.requestTimeout ?? DEFAULT_REQUEST_TIMEOUT);
    const cluster = new EmitterCluster(link, options);
    super(cluster, EVERYBODY);
    this.link = link;
    this.own = cluster;
    this.settings = options;
  }

  /** Returns what emits to another namespace. A missing leading "/" is added. */
  of(namespace: string): EmitterOperator<EmitEvents, SocketData> {
    const name = namespace.startsWith("/") ? namespace : `/${namespace}`;
    const cluster = new EmitterCluster(this.link, { ...this.settings, namespace: name });
    return new EmitterOperator(cluster, EVERYBODY);
  }

  /** Emits an event to the servers. Resolves to the number of processes that receive it. */
  serverSideEmit<Event extends EventNames<ServerSideEvents>>(
    event: Event,
    ...args: EventArguments<ServerSideEvents, Event>
  ): Promise<number> {
    return this.own.send({ type: "server-side-emit", event: [event, ...args] });
  }

  /** serverSideEmit(), and resolves to what each server answers; rejects where one does not, with `responses` of the others. */
  serverSideEmitWithAck<Event extends EventNames<ServerSideEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<ServerSideEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<ServerSideEvents, Event>>>[]> {
    return new Promise((resolve, reject) => {
      this.own.serverSideEmit([event, ...args], (error, responses: Untyped[]) =>
        error === null ? resolve(responses) : reject(Object.assign(error, { responses })),
      );
    });
  }

  /** Ends the connection for answers. The program's own client stays open. */
  close(): void {
    this.link.close();
  }
}

/** What the namespaces of an emitter share. */
class EmitterLink {
  private readonly client: RedisClient;
  private readonly subscriptions: Subscriptions<(message: Uint8Array) => void>;
  private connection: RedisConnection | undefined;

  constructor(client: RedisClient, timeout: number) {
    this.client = client;
    this.subscriptions = new Subscriptions(
      {
        subscribe: async (channels) => this.connection?.subscribe(channels),
        unsubscribe: async (channels) => this.connection?.unsubscribe(channels),
      },
      timeout,
    );
  }

  /** Rejects when Redis does not take it. One that nobody awaits is no unhandled rejection. */
  publish(channel: string, message: Uint8Array): Promise<number> {
    const published = sendCommand(this.client, ["PUBLISH", channel, message]).then(Number);
    published.catch(() => {});
    return published;
  }

  /** Resolves when the channels are subscribed to, or Redis has taken too long. */
  async subscribe(
    channels: readonly string[],
    listener: (message: Uint8Array) => void,
  ): Promise<void> {
    this.connection ??= openConnection(this.client, {
      onMessage: (channel, message) => this.subscriptions.listenerOf(channel)?.(message),
      onState: () => {
        if (this.connection?.ready === true) this.subscriptions.retry();
      },
      // The program's own client tells it the same.
      onError: () => {},
    });
    await Promise.all(channels.map((channel) => this.subscriptions.add(channel, listener)));
  }

  close(): void {
    this.subscriptions.release();
    this.connection?.end();
    this.connection = undefined;
  }
}

/** The cluster as one sees it that belongs to it only to ask. */
class EmitterCluster extends ClusterAdapter {
  private readonly link: EmitterLink;
  private readonly channels: Channels;
  /** Rooms that processes may still be subscribing to. */
  private readonly joining = new Deadlines<Room>(JOINING, () => {});
  private subscribed: Promise<void> | undefined;

  constructor(
    link: EmitterLink,
    { prefix = "socket.io", namespace = "/", ...options }: EmitterOptions,
  ) {
    let lastAck = 0;
    const nsp = {
      name: namespace,
      sockets: new Map(),
      encode: (): never => {
        throw new Error("there are no clients here");
      },
      nextAckId: () => lastAck++,
      onServerSideEmit: () => {},
      maxDisconnectionDuration: undefined,
    };
    super(nsp, options);
    this.link = link;
    this.channels = channelsOf(prefix, namespace);
  }

  get defaultTimeout(): number {
    return this.requestTimeout;
  }

  /** Sends a message, and resolves to the number of processes that receive it. */
  send(message: ClusterCommand): Promise<number> {
    if (message.type === "join") for (const room of message.rooms) this.joining.add(room);
    if (message.type !== "broadcast" || message.request !== undefined) {
      return this.link.publish(this.channels.requests, encodeRequest(this.id, message));
    }
    const { packet, options } = message;
    const [room] = options.rooms;
    const isOne = room !== undefined && options.rooms.size === 1 && !this.joining.has(room);
    const channel = isOne ? this.channels.room(room) : this.channels.broadcasts;
    return this.link.publish(channel, encodeBroadcast(this.id, packet, options));
  }

  protected override get presumed(): Expected {
    return { nodes: [], unknown: 1 };
  }

  protected override async ask(request: ClusterRequest): Promise<Expected> {
    const { responses } = this.channels;
    this.subscribed ??= this.link.subscribe(
      [responses, this.channels.responsesTo(this.id)],
      (message) => {
        const answer = decodeAnswer(message);
        if (answer !== undefined) this.receive(answer.message, answer.sender);
      },
    );
    await this.subscribed;
    try {
      const received = await this.send(request);
      return { nodes: [], unknown: received, received };
    } catch {
      return { nodes: [], unknown: 1, failed: true };
    }
  }

  protected override publish(): void {}

  protected override respond(): void {}
}
