/**
 * `barewire/emitter`: emits events to the clients of a cluster from a process that serves no clients, such as a
 * background job or a command-line program. It uses the format of redis-wire.ts. The processes of the cluster use
 * `barewire/redis` or @socket.io/redis-adapter.
 * ```ts
 * const emitter = new Emitter(client);
 * const processes = await emitter.to("room1").emit("event", 1);
 * if (processes === 0) throw new Error("no process has this room");
 * ```
 * Events and commands are sent over the client that the user passes. Acknowledgements and other answers arrive over a
 * separate connection, which the emitter opens for the first request.
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
export type {
  IoRedisClient,
  NodeRedisClient,
  RedisClient,
  RedisMessageListener,
} from "./redis-client.ts";

/** The options of an emitter. */
export interface EmitterOptions {
  /** The prefix of the channel names. Must be the same as for createRedisAdapter(). Default: "socket.io". */
  readonly prefix?: string;
  /** The namespace whose clients receive the events. Default: "/". */
  readonly namespace?: string;
  /** How long to wait for acknowledgements and answers if timeout() is not called, in milliseconds. Default: 5000. */
  readonly requestTimeout?: number;
}

/**
 * The checks of the options.
 *
 * @internal
 */
export const EMITTER_OPTIONS: OptionTable<EmitterOptions> = {
  namespace: string,
  prefix: string,
  requestTimeout: positiveMilliseconds,
};

const DEFAULT_REQUEST_TIMEOUT = 5_000;
/** How long processes may take to subscribe to a room after sockets have joined it, in milliseconds. */
const JOINING = 5_000;

/**
 * A set of target sockets, and the flags of the events to send. to(), except(), `volatile` and similar members return a
 * new operator, and do not change this operator.
 */
export class EmitterOperator<EmitEvents, SocketData = Untyped> {
  private readonly cluster: EmitterCluster;
  private readonly options: BroadcastOptions;

  /** @internal */
  constructor(cluster: EmitterCluster, options: BroadcastOptions) {
    this.cluster = cluster;
    this.options = options;
  }

  /**
   * Adds rooms to the target. A socket that is in several of the rooms receives an event once.
   *
   * @param rooms a room or a list of rooms
   * @example
   * ```ts
   * await emitter.to(["room1", "room2"]).emit("event", 1);
   * ```
   */
  to(rooms: Room | readonly Room[]): EmitterOperator<EmitEvents, SocketData> {
    return this.with({ rooms: new Set([...this.options.rooms, ...listOf(rooms)]) });
  }

  /**
   * Adds rooms to the target. Does the same as to().
   *
   * @param rooms a room or a list of rooms
   * @example
   * ```ts
   * await emitter.in("room1").disconnectSockets();
   * ```
   */
  in(rooms: Room | readonly Room[]): EmitterOperator<EmitEvents, SocketData> {
    return this.to(rooms);
  }

  /**
   * Excludes the sockets that are in any of these rooms.
   *
   * @param rooms a room or a list of rooms
   * @example
   * ```ts
   * await emitter.to("room1").except("room2").emit("event", 1);
   * ```
   */
  except(rooms: Room | readonly Room[]): EmitterOperator<EmitEvents, SocketData> {
    return this.with({ except: new Set([...this.options.except, ...listOf(rooms)]) });
  }

  /**
   * Drops the event for clients that cannot receive it immediately.
   *
   * @example
   * ```ts
   * await emitter.volatile.emit("position", 3, 4);
   * ```
   */
  get volatile(): EmitterOperator<EmitEvents, SocketData> {
    return this.flag({ volatile: true });
  }

  /**
   * Sets whether to compress the event, if the transport supports compression.
   *
   * @param compress whether to compress. Default: `true`
   * @example
   * ```ts
   * await emitter.compress(false).emit("event", 1);
   * ```
   */
  compress(compress: boolean): EmitterOperator<EmitEvents, SocketData> {
    return this.flag({ compress });
  }

  /**
   * Sets how long to wait for acknowledgements and answers.
   *
   * @param milliseconds how long to wait, in milliseconds. Default: the option `requestTimeout`
   * @throws ArgumentTypeError or ArgumentRangeError if the timeout is invalid
   * @example
   * ```ts
   * const replies = await emitter.timeout(1000).emitWithAck("ping");
   * ```
   */
  timeout(milliseconds: number): EmitterOperator<EmitEvents, SocketData> {
    checkMilliseconds("the timeout", milliseconds);
    return this.flag({ timeout: milliseconds });
  }

  /**
   * Sends an event to all target sockets.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   * @returns the number of processes that receive the event. 0 if no process is subscribed to the channel of the event.
   * If the target is one room, 0 can also mean that no process has a socket in this room. Rejects if Redis does not
   * accept the message. If the caller ignores the rejection, the process does not end
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") if the event name is reserved
   * @example
   * ```ts
   * const processes = await emitter.to("room1").emit("event", 1);
   * ```
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
   * Sends an event, and resolves to the acknowledgements of all target sockets.
   *
   * The promise rejects with an AckTimeoutError if clients do not acknowledge before the timeout, with a
   * DisconnectedError if clients have disconnected, and with a MissingNodesError if processes do not answer. The
   * property `responses` of the error contains the acknowledgements that have arrived.
   *
   * @param event the name of the event
   * @param args the arguments of the event, without the callback
   * @throws TypeError (rejects; `code` "ERR_RESERVED_EVENT") if the event name is reserved
   * @example
   * ```ts
   * const answers = await emitter.to("room1").emitWithAck("question");
   * ```
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

  /**
   * Returns the id, the handshake, the rooms and the `data` of each target socket. The property `missing` of the list
   * contains the processes that have not answered in time.
   *
   * @example
   * ```ts
   * const sockets = await emitter.in("room1").fetchSockets();
   * for (const { id, rooms } of sockets) console.log(id, rooms);
   * ```
   */
  fetchSockets(): Promise<Gathered<SocketDetails>> {
    return this.cluster.fetchSockets(this.options);
  }

  /**
   * Makes the target sockets join one or several rooms.
   *
   * @param rooms a room or a list of rooms
   * @returns the number of processes that receive the command
   * @example
   * ```ts
   * await emitter.in("room1").socketsJoin("room2");
   * ```
   */
  socketsJoin(rooms: Room | readonly Room[]): Promise<number> {
    return this.cluster.send({ type: "join", options: this.options, rooms: listOf(rooms) });
  }

  /**
   * Makes the target sockets leave one or several rooms.
   *
   * @param rooms a room or a list of rooms
   * @returns the number of processes that receive the command
   * @example
   * ```ts
   * await emitter.in("room1").socketsLeave("room2");
   * ```
   */
  socketsLeave(rooms: Room | readonly Room[]): Promise<number> {
    return this.cluster.send({ type: "leave", options: this.options, rooms: listOf(rooms) });
  }

  /**
   * Disconnects the target sockets.
   *
   * @param close whether to close their connections too. Default: `false`
   * @returns the number of processes that receive the command
   * @example
   * ```ts
   * await emitter.in("user:1").disconnectSockets();
   * ```
   */
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
 * Emits events to the clients of a cluster, from a process that serves no clients.
 *
 * The type parameter `EmitEvents` maps the names of events for clients to the types of their listeners.
 * `ServerSideEvents` maps the names of events for servers to the types of their listeners. `SocketData` is the type of
 * `socket.data`.
 *
 * @example
 * ```ts
 * import { createClient } from "redis";
 * import { Emitter } from "barewire/emitter";
 *
 * const client = createClient({ url: "redis://localhost" });
 * await client.connect();
 * const emitter = new Emitter(client);
 * await emitter.emit("event", 1);
 * ```
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
   * @param options the options of the emitter
   * @throws ArgumentTypeError if `client` is not a Redis client or is a client of a Redis Cluster, or if an option is
   * unknown or has an invalid type
   * @throws ArgumentRangeError if an option is out of range
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

  /**
   * Returns an operator that emits to another namespace.
   *
   * @param namespace the name of the namespace. A missing leading "/" is added
   * @example
   * ```ts
   * await emitter.of("/admin").emit("event", 1);
   * ```
   */
  of(namespace: string): EmitterOperator<EmitEvents, SocketData> {
    const name = namespace.startsWith("/") ? namespace : `/${namespace}`;
    const cluster = new EmitterCluster(this.link, { ...this.settings, namespace: name });
    return new EmitterOperator(cluster, EVERYBODY);
  }

  /**
   * Sends an event to the servers of the cluster.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   * @returns the number of processes that receive the event
   * @example
   * ```ts
   * await emitter.serverSideEmit("reload", "config");
   * ```
   */
  serverSideEmit<Event extends EventNames<ServerSideEvents>>(
    event: Event,
    ...args: EventArguments<ServerSideEvents, Event>
  ): Promise<number> {
    return this.own.send({ type: "server-side-emit", event: [event, ...args] });
  }

  /**
   * Sends an event to the servers of the cluster, and resolves to the answers of all servers. Rejects if a server does
   * not answer. The property `responses` of the error contains the answers that have arrived.
   *
   * @param event the name of the event
   * @param args the arguments of the event, without the callback
   * @example
   * ```ts
   * const loads = await emitter.serverSideEmitWithAck("load");
   * ```
   */
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

  /** Closes the connection for answers. The user's client stays open. */
  close(): void {
    this.link.close();
  }
}

/** The connections that all namespaces of an emitter share. */
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

  /**
   * Publishes a message. Rejects if Redis does not accept it. A rejection that the user ignores is not reported as
   * unhandled.
   */
  publish(channel: string, message: Uint8Array): Promise<number> {
    const published = sendCommand(this.client, ["PUBLISH", channel, message]).then(Number);
    published.catch(() => {});
    return published;
  }

  /**
   * Subscribes to channels. Resolves when the subscriptions are active, or after the timeout if Redis has not confirmed
   * them.
   */
  async subscribe(
    channels: readonly string[],
    listener: (message: Uint8Array) => void,
  ): Promise<void> {
    this.connection ??= openConnection(this.client, {
      onMessage: (channel, message) => this.subscriptions.listenerOf(channel)?.(message),
      onState: () => {
        if (this.connection?.ready === true) this.subscriptions.retry();
      },
      // The user's client is connected to the same Redis and reports its failures, so errors of this connection are
      // ignored.
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

/** A member of the cluster that only sends events and requests, and has no clients. */
class EmitterCluster extends ClusterAdapter {
  private readonly link: EmitterLink;
  private readonly channels: Channels;
  /**
   * Rooms that sockets have joined shortly before, through socketsJoin() of this emitter. Other processes may still be
   * subscribing to these rooms.
   */
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
        throw new Error("an emitter cannot encode packets for clients, because it has no clients");
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

  /** Sends a message. Resolves to the number of processes that receive it. */
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
