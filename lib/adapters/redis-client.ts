// Provides one interface for the Redis clients of the packages "redis" and "ioredis". Neither package is imported: the
// user passes a client.

import type { Bytes } from "../../protocol/bytes.ts";
import type { Untyped } from "../events/emitter.ts";
import { ArgumentTypeError } from "../events/errors.ts";
import { isFunction, isObject } from "../events/options.ts";
import { BATCH } from "./subscriptions.ts";

/** The methods that the clients of both packages have. */
interface ClientEvents {
  /**
   * Adds a listener of an event.
   *
   * @param event the name of the event
   * @param listener the listener
   */
  on(event: string, listener: (...args: Untyped[]) => void): unknown;
}

/**
 * Called with a message and its channel.
 *
 * @param message the message
 * @param channel the channel that the message was published on
 */
export type RedisMessageListener = (message: Buffer, channel: Buffer) => void;

/** A client of the package "redis", version 4 or later: the members that this package uses. */
export interface NodeRedisClient extends ClientEvents {
  /** Whether connect() was called, and the client was not closed. */
  readonly isOpen: boolean;
  /** Whether the client can send commands. */
  readonly isReady: boolean;
  /** Connects to Redis. */
  connect(): Promise<unknown>;
  /**
   * Creates a client with the same settings, which is not connected yet.
   *
   * @param overrides settings that differ
   */
  duplicate(overrides?: {
    disableOfflineQueue?: boolean;
    commandOptions?: { timeout: number };
  }): NodeRedisClient;
  /**
   * Sends a command.
   *
   * @param args the name of the command, and its arguments
   */
  sendCommand(args: (string | Buffer)[]): Promise<unknown>;
  /**
   * Subscribes to channels.
   *
   * @param channels the channels
   * @param listener the listener of the messages
   * @param buffers `true`: messages and channels are passed as bytes
   */
  subscribe(channels: string[], listener: RedisMessageListener, buffers: true): Promise<unknown>;
  /**
   * Unsubscribes from channels.
   *
   * @param channels the channels
   * @param listener the listener of the subscription
   * @param buffers `true`, as for subscribe()
   */
  unsubscribe(channels: string[], listener: RedisMessageListener, buffers: true): Promise<unknown>;
  /**
   * Subscribes to all channels that match a pattern.
   *
   * @param patterns the patterns
   * @param listener the listener of the messages
   * @param buffers `true`: messages and channels are passed as bytes
   */
  pSubscribe(patterns: string[], listener: RedisMessageListener, buffers: true): Promise<unknown>;
  /**
   * Unsubscribes from patterns.
   *
   * @param patterns the patterns
   * @param listener the listener of the subscription
   * @param buffers `true`, as for pSubscribe()
   */
  pUnsubscribe(patterns: string[], listener: RedisMessageListener, buffers: true): Promise<unknown>;
}

/** A client of the package "ioredis": the members that this package uses. */
export interface IoRedisClient extends ClientEvents {
  /** The state of the connection. "ready" if the client can send commands. */
  readonly status: string;
  /**
   * Creates a client with the same settings, and connects it.
   *
   * @param overrides settings that differ
   */
  duplicate(overrides?: {
    autoResendUnfulfilledCommands?: boolean;
    autoResubscribe?: boolean;
    enableOfflineQueue?: boolean;
    lazyConnect?: boolean;
  }): IoRedisClient;
  /**
   * Sends a command.
   *
   * @param command the name of the command
   * @param args the arguments of the command
   */
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  /**
   * Subscribes to channels.
   *
   * @param channels the channels
   */
  subscribe(...channels: string[]): Promise<unknown>;
  /**
   * Unsubscribes from channels.
   *
   * @param channels the channels
   */
  unsubscribe(...channels: string[]): Promise<unknown>;
  /**
   * Subscribes to all channels that match a pattern.
   *
   * @param patterns the patterns
   */
  psubscribe(...patterns: string[]): Promise<unknown>;
  /**
   * Unsubscribes from patterns.
   *
   * @param patterns the patterns
   */
  punsubscribe(...patterns: string[]): Promise<unknown>;
  /** Closes the connection immediately. */
  disconnect(): void;
}

/** A Redis client of the package "redis" or "ioredis". */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** Receives the messages and the state changes of a connection to Redis. */
export interface RedisSink {
  /**
   * Called with each message. `pattern` is the pattern of the subscription, or `undefined` for a subscription to a
   * channel.
   */
  onMessage(channel: string, message: Bytes, pattern: string | undefined): void;
  /** Called when the connection becomes ready, and when it is no longer ready. */
  onState(): void;
  /** Called with each error of the connection. */
  onError(error: Error): void;
}

/** A connection to Redis. */
export interface RedisConnection {
  /** Whether commands can be sent now. */
  readonly ready: boolean;
  /** Sends a command, and resolves to its reply. */
  command(args: readonly (string | Bytes)[]): Promise<unknown>;
  subscribe(channels: readonly string[]): Promise<unknown>;
  unsubscribe(channels: readonly string[]): Promise<unknown>;
  /** Subscribes to all channels that match a pattern. */
  subscribePattern(pattern: string): Promise<unknown>;
  unsubscribePattern(pattern: string): Promise<unknown>;
  /** Closes the connection immediately. */
  end(): void;
}

/**
 * Opens a connection with the settings of `client`. While the connection is broken, commands fail immediately. No
 * command is sent twice, because Redis may have executed it the first time, and a message would arrive twice.
 *
 * @throws ArgumentTypeError if `client` is not a Redis client, or is a client of a Redis Cluster
 */
export function openConnection(client: RedisClient, sink: RedisSink): RedisConnection {
  checkClient(client);
  return isNodeRedis(client) ? openNodeRedis(client, sink) : openIoRedis(client, sink);
}

/** Sends a command over the user's client. */
export function sendCommand(
  client: RedisClient,
  args: readonly (string | Bytes)[],
): Promise<unknown> {
  const [command, ...others] = args.map(asArgument);
  return isNodeRedis(client)
    ? client.sendCommand([`${command}`, ...others])
    : client.call(`${command}`, others);
}

/**
 * Checks the client that the user has passed.
 *
 * @throws ArgumentTypeError if `client` is not a Redis client, or is a client of a Redis Cluster
 */
export function checkClient(client: unknown): asserts client is RedisClient {
  const has = (name: string): boolean => isObject(client) && isFunction(Reflect.get(client, name));
  const isCluster =
    isObject(client) && (Reflect.get(client, "isCluster") === true || "masters" in client);
  if (isCluster) {
    throw new ArgumentTypeError(
      "a client of a Redis Cluster is not supported: use the sharded adapter of @socket.io/redis-adapter",
    );
  }
  if (has("duplicate") && (has("pSubscribe") || has("psubscribe"))) return;
  throw new ArgumentTypeError('the client must be a client of the package "redis" or "ioredis"');
}

function isNodeRedis(client: RedisClient): client is NodeRedisClient {
  return "pSubscribe" in client;
}

function openNodeRedis(template: NodeRedisClient, sink: RedisSink): RedisConnection {
  // From version 5 of `redis` on, each command has a timer and fails if it was not written within 5 s. The timers use a
  // third of the CPU time of a process that publishes. They are disabled here, because RedisLink limits the number of
  // waiting bytes instead.
  const commandOptions = { timeout: 0 };
  const client = template.duplicate({ disableOfflineQueue: true, commandOptions });
  client.on("error", (error) => sink.onError(asError(error)));
  for (const event of ["ready", "reconnecting", "end"]) client.on(event, () => sink.onState());
  // If connect() rejects, the client also emits "error" with the same error, so the rejection is ignored.
  client.connect().catch(() => {});
  const onMessage: RedisMessageListener = (message, channel) =>
    sink.onMessage(channel.toString(), message, undefined);
  const patterns = new Map<string, RedisMessageListener>();
  return {
    get ready() {
      return client.isReady;
    },
    command: (args) => client.sendCommand(args.map(asArgument)),
    subscribe: (channels) => client.subscribe([...channels], onMessage, true),
    unsubscribe: (channels) => client.unsubscribe([...channels], onMessage, true),
    subscribePattern: (pattern) => {
      const listener: RedisMessageListener = (message, channel) =>
        sink.onMessage(channel.toString(), message, pattern);
      patterns.set(pattern, listener);
      return client.pSubscribe([pattern], listener, true);
    },
    unsubscribePattern: async (pattern) => {
      const listener = patterns.get(pattern);
      patterns.delete(pattern);
      if (listener !== undefined) await client.pUnsubscribe([pattern], listener, true);
    },
    end: () => {
      // destroy() was named disconnect() before version 5.
      const end: unknown = Reflect.get(client, "destroy") ?? Reflect.get(client, "disconnect");
      if (typeof end !== "function" || !client.isOpen) return;
      Promise.resolve()
        .then(() => end.call(client))
        .catch(() => {});
    },
  };
}

function openIoRedis(template: IoRedisClient, sink: RedisSink): RedisConnection {
  const client = template.duplicate({
    autoResendUnfulfilledCommands: false,
    // ioredis forgets its subscriptions if a new connection breaks before they are renewed. Therefore ioredis does not
    // renew the subscriptions, and this file renews them.
    autoResubscribe: false,
    enableOfflineQueue: false,
    lazyConnect: false,
  });
  const channels = new Set<string>();
  const patterns = new Set<string>();
  client.on("error", (error) => sink.onError(asError(error)));
  client.on("ready", () => {
    const all = [...channels];
    for (let at = 0; at < all.length; at += BATCH) {
      client.subscribe(...all.slice(at, at + BATCH)).catch(() => {});
    }
    for (const pattern of patterns) client.psubscribe(pattern).catch(() => {});
  });
  // If the connection breaks while commands wait for a reply, ioredis does not send them again
  // (`autoResendUnfulfilledCommands` is `false`), and never settles their promises. Therefore this file rejects them.
  const unanswered = new Set<(error: Error) => void>();
  const answered = <Reply>(command: Promise<Reply>): Promise<Reply> =>
    new Promise((resolve, reject) => {
      unanswered.add(reject);
      void command.then(resolve, reject).then(() => unanswered.delete(reject));
    });
  client.on("close", () => {
    for (const reject of unanswered) reject(new Error("the connection has ended"));
    unanswered.clear();
  });
  for (const event of ["ready", "close", "end"]) client.on(event, () => sink.onState());
  client.on("messageBuffer", (channel, message) => {
    sink.onMessage(`${channel}`, message, undefined);
  });
  client.on("pmessageBuffer", (pattern, channel, message) => {
    sink.onMessage(`${channel}`, message, `${pattern}`);
  });
  return {
    get ready() {
      return client.status === "ready";
    },
    command: ([command, ...args]) => answered(client.call(`${command}`, args.map(asArgument))),
    subscribe: async (added) => {
      await answered(client.subscribe(...added));
      for (const channel of added) channels.add(channel);
    },
    unsubscribe: async (removed) => {
      await answered(client.unsubscribe(...removed));
      for (const channel of removed) channels.delete(channel);
    },
    subscribePattern: async (pattern) => {
      await answered(client.psubscribe(pattern));
      patterns.add(pattern);
    },
    unsubscribePattern: async (pattern) => {
      patterns.delete(pattern);
      await answered(client.punsubscribe(pattern));
    },
    end: () => client.disconnect(),
  };
}

/** Returns an argument as a string or a Buffer, because the clients accept no other byte arrays. */
function asArgument(value: string | Bytes): string | Buffer {
  if (typeof value === "string" || Buffer.isBuffer(value)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
