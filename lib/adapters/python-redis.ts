// One channel of Redis over the user's clients, of the packages `redis` (4 to 6) or `ioredis`. They
// are described here by the methods that are called, and never imported.

import { checkThat, isFunction, isObject, isString } from "../events/options.ts";

/** A client of `redis` or `ioredis` that publishes. */
export interface RedisPublisher {
  publish(channel: string, message: string): Promise<number>;
}

/** A client of `redis` that is used for subscriptions only. */
export interface NodeRedisSubscriber {
  subscribe(
    channel: string,
    listener: (message: Buffer) => unknown,
    bufferMode: true,
  ): Promise<unknown>;
  unsubscribe(
    channel: string,
    listener: (message: Buffer) => unknown,
    bufferMode: true,
  ): Promise<unknown>;
  sSubscribe: unknown;
  /** Whether connect() was called. */
  readonly isOpen?: boolean;
}

/** A client of `ioredis` that is used for subscriptions only. */
export interface IoredisSubscriber {
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  on(event: "messageBuffer", listener: (channel: Buffer, message: Buffer) => void): unknown;
  removeListener(
    event: "messageBuffer",
    listener: (channel: Buffer, message: Buffer) => void,
  ): unknown;
}

export type RedisSubscriber = NodeRedisSubscriber | IoredisSubscriber;

export const redisPublisher = checkThat(
  "a client of redis or ioredis",
  (value): value is object => isObject(value) && hasMethods(value, ["publish"]),
);
export const redisSubscriber = checkThat(
  "a client of redis or ioredis",
  (value): value is object => isObject(value) && hasMethods(value, ["subscribe", "unsubscribe"]),
);

/** The channels that Flask-SocketIO and python-socketio use where nothing else is said. */
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
  /** Subscribes; may be called again after it has rejected. The client subscribes anew after it has reconnected. */
  start(): Promise<unknown>;
  stop(): Promise<unknown>;
}

/** Prepares a subscription whose messages arrive as bytes. */
export function subscription(
  subscriber: RedisSubscriber,
  channel: string,
  onMessage: (message: Buffer) => void,
): Subscription {
  if (isNodeRedis(subscriber)) {
    return {
      // It would wait for a connect() that the program has forgotten, and say nothing.
      start: async () => {
        if (subscriber.isOpen === false) throw new Error("the client is closed, call connect()");
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
