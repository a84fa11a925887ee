// Publishes and subscribes over the user's clients of the packages `redis` (4 to 6) or `ioredis`. The types only
// describe the methods that are called. Neither package is imported.

import { checkThat, isFunction, isObject, isString } from "../events/options.ts";

/** A client of `redis` or `ioredis` that publishes. */
export interface RedisPublisher {
  /**
   * Publishes a message. Resolves to the number of subscribers that have received it.
   *
   * @param channel the channel
   * @param message the message
   */
  publish(channel: string, message: string): Promise<number>;
}

/**
 * A client of `redis` that is only used for subscriptions: the members that this package uses.
 *
 * @internal
 */
export interface NodeRedisSubscriber {
  /** Subscribes to a channel. The messages are passed as bytes. */
  subscribe(
    channel: string,
    listener: (message: Buffer) => unknown,
    bufferMode: true,
  ): Promise<unknown>;
  /** Unsubscribes from a channel. */
  unsubscribe(
    channel: string,
    listener: (message: Buffer) => unknown,
    bufferMode: true,
  ): Promise<unknown>;
  /** A method that distinguishes the client from one of `ioredis`. Not called. */
  sSubscribe: unknown;
  /** Whether connect() was called, and the client was not closed. */
  readonly isOpen?: boolean;
}

/**
 * A client of `ioredis` that is only used for subscriptions: the members that this package uses.
 *
 * @internal
 */
export interface IoredisSubscriber {
  /** Subscribes to a channel. */
  subscribe(channel: string): Promise<unknown>;
  /** Unsubscribes from a channel. */
  unsubscribe(channel: string): Promise<unknown>;
  /** Adds a listener of messages as bytes. */
  on(event: "messageBuffer", listener: (channel: Buffer, message: Buffer) => void): unknown;
  /** Removes a listener. */
  removeListener(
    event: "messageBuffer",
    listener: (channel: Buffer, message: Buffer) => void,
  ): unknown;
}

/** A client of `redis` or `ioredis` that is only used for subscriptions. */
export type RedisSubscriber = NodeRedisSubscriber | IoredisSubscriber;

export const redisPublisher = checkThat(
  "a client of redis or ioredis",
  (value): value is object => isObject(value) && hasMethods(value, ["publish"]),
);
export const redisSubscriber = checkThat(
  "a client of redis or ioredis",
  (value): value is object => isObject(value) && hasMethods(value, ["subscribe", "unsubscribe"]),
);

/** The default channels: "flask-socketio" of Flask-SocketIO, and "socketio" of python-socketio. */
export type PythonChannel = "flask-socketio" | "socketio";

export const channelName = checkThat(
  'a channel\'s name, such as "flask-socketio"',
  isString,
  (name) => name !== "",
);
export const dialectName = checkThat('"args-list" or "raw"', isString, (name) =>
  ["args-list", "raw"].includes(name),
);

/** A subscription to one channel. */
export interface Subscription {
  /**
   * Subscribes. Can be called again after its promise has rejected. After a reconnection, the user's client subscribes
   * again.
   */
  start(): Promise<unknown>;
  /** Unsubscribes. */
  stop(): Promise<unknown>;
}

/** Prepares a subscription whose messages are passed as bytes. */
export function subscription(
  subscriber: RedisSubscriber,
  channel: string,
  onMessage: (message: Buffer) => void,
): Subscription {
  if (isNodeRedis(subscriber)) {
    return {
      // Without this check, subscribe() would silently wait for a call of connect().
      start: async () => {
        if (subscriber.isOpen === false)
          throw new Error("the client is not connected: call connect()");
        await subscriber.subscribe(channel, onMessage, true);
      },
      stop: () => subscriber.unsubscribe(channel, onMessage, true),
    };
  }
  const listener = (from: Buffer, message: Buffer): void => {
    if (from.toString() === channel) onMessage(message);
  };
  let listens = false;
  return {
    start: () => {
      if (!listens) subscriber.on("messageBuffer", listener);
      listens = true;
      return subscriber.subscribe(channel);
    },
    stop: () => {
      subscriber.removeListener("messageBuffer", listener);
      listens = false;
      return subscriber.unsubscribe(channel);
    },
  };
}

function isNodeRedis(subscriber: RedisSubscriber): subscriber is NodeRedisSubscriber {
  return hasMethods(subscriber, ["sSubscribe"]);
}

function hasMethods(value: object, names: readonly string[]): boolean {
  return names.every((name) => isFunction(Reflect.get(value, name)));
}
