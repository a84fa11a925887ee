// The clients for Redis of the packages "redis" and "ioredis", as one interface. Neither is imported: a
// program passes the client that it has.

import type { Bytes } from "../../protocol/bytes.ts";
import type { Untyped } from "../events/emitter.ts";
import { ArgumentTypeError } from "../events/errors.ts";
import { isFunction, isObject } from "../events/options.ts";
import { BATCH } from "./subscriptions.ts";

/** What both clients have in common. */
interface ClientEvents {
  on(event: string, listener: (...args: Untyped[]) => void): unknown;
}

type MessageListener = (message: Buffer, channel: Buffer) => void;

/** A client of the package "redis", version 4 or newer, as this package uses it. */
export interface NodeRedisClient extends ClientEvents {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  duplicate(overrides?: {
    disableOfflineQueue?: boolean;
    commandOptions?: { timeout: number };
  }): NodeRedisClient;
  sendCommand(args: (string | Buffer)[]): Promise<unknown>;
  subscribe(channels: string[], listener: MessageListener, buffers: true): Promise<unknown>;
  unsubscribe(channels: string[], listener: MessageListener, buffers: true): Promise<unknown>;
  pSubscribe(patterns: string[], listener: MessageListener, buffers: true): Promise<unknown>;
  pUnsubscribe(patterns: string[], listener: MessageListener, buffers: true): Promise<unknown>;
}

/** A client of the package "ioredis", as this package uses it. */
export interface IoRedisClient extends ClientEvents {
  readonly status: string;
  duplicate(overrides?: {
    autoResendUnfulfilledCommands?: boolean;
    autoResubscribe?: boolean;
    enableOfflineQueue?: boolean;
    lazyConnect?: boolean;
  }): IoRedisClient;
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  psubscribe(...patterns: string[]): Promise<unknown>;
  punsubscribe(...patterns: string[]): Promise<unknown>;
  disconnect(): void;
}

/** A client for Redis: of the package "redis" or "ioredis". */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** What a connection to Redis tells. */
export interface RedisSink {
  /** A message has arrived. `pattern` is that of the subscription, where it was one to a pattern. */
  onMessage(channel: string, message: Bytes, pattern: string | undefined): void;
  /** The connection is ready, or is not any more. */
  onState(): void;
  onError(error: Error): void;
}

/** One connection to Redis. */
export interface RedisConnection {
  /** Whether commands are sent now. */
  readonly ready: boolean;
  command(args: readonly (string | Bytes)[]): Promise<unknown>;
  subscribe(channels: readonly string[]): Promise<unknown>;
  unsubscribe(channels: readonly string[]): Promise<unknown>;
  subscribePattern(pattern: string): Promise<unknown>;
  unsubscribePattern(pattern: string): Promise<unknown>;
  /** Ends the connection at once. */
  end(): void;
}

/**
 * Opens a connection like that of `client`. Commands fail at once while it is broken, and none is sent
 * twice: a message that Redis had taken before would arrive twice.
 *
 * @throws ArgumentTypeError for what is no client, and for a client of a Redis Cluster
 */
export function openConnection(client: RedisClient, sink: RedisSink): RedisConnection {
  checkClient(client);
  return isNodeRedis(client) ? openNodeRedis(client, sink) : openIoRedis(client, sink);
}

/** Sends a command over the client of the program itself. */
export function sendCommand(
  client: RedisClient,
  args: readonly (string | Bytes)[],
): Promise<unknown> {
  const [command, ...others] = args.map(asArgument);
  return isNodeRedis(client)
    ? client.sendCommand([`${command}`, ...others])
    : client.call(`${command}`, others);
}

/** @throws ArgumentTypeError for what is no client, and for a client of a Redis Cluster */
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
  throw new ArgumentTypeError('the client must be one of the package "redis" or "ioredis"');
}

function isNodeRedis(client: RedisClient): client is NodeRedisClient {
  return "pSubscribe" in client;
}

function openNodeRedis(template: NodeRedisClient, sink: RedisSink): RedisConnection {
  // From version 5 on a command that was not written within 5 s fails, and each has a timer for that, which
  // takes a third of the time of a node that publishes. What waits is bounded by its bytes instead.
  const commandOptions = { timeout: 0 };
  const client = template.duplicate({ disableOfflineQueue: true, commandOptions });
  client.on("error", (error) => sink.onError(asError(error)));
  for (const event of ["ready", "reconnecting", "end"]) client.on(event, () => sink.onState());
  // What it rejects with was told as an error before.
  client.connect().catch(() => {});
  const onMessage: MessageListener = (message, channel) =>
    sink.onMessage(channel.toString(), message, undefined);
  const patterns = new Map<string, MessageListener>();
  return {
    get ready() {
      return client.isReady;
    },
    command: (args) => client.sendCommand(args.map(asArgument)),
    subscribe: (channels) => client.subscribe([...channels], onMessage, true),
    unsubscribe: (channels) => client.unsubscribe([...channels], onMessage, true),
    subscribePattern: (pattern) => {
      const listener: MessageListener = (message, channel) =>
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
      // Its name changed with version 5.
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
    // It forgets the subscriptions when the next connection breaks before it has them again.
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
  // It never settles the commands that are not answered when the connection breaks, since it is not to
  // send them again.
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

/** The clients take no other bytes than those of a Buffer. */
function asArgument(value: string | Bytes): string | Buffer {
  if (typeof value === "string" || Buffer.isBuffer(value)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
