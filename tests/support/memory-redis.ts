// An in-memory Redis with channels only, and clients with the interfaces of the packages redis and ioredis.

import { EventEmitter } from "node:events";

import type { IoRedisClient } from "../../lib/adapters/redis.ts";

type Deliver = (channel: string, message: Buffer) => void;

export class MemoryRedis {
  /** The published messages, in order. */
  readonly published: { readonly channel: string; readonly message: string }[] = [];
  /** If set, this function is called instead of publishing a message. */
  onPublish: (() => Promise<number>) | undefined;
  /** Called before subscribing. If it rejects, the subscription fails. */
  onSubscribe: (() => Promise<unknown>) | undefined;
  /** Called before unsubscribing. If it rejects, the unsubscription fails. */
  onUnsubscribe: (() => Promise<unknown>) | undefined;
  readonly #subscriptions = new Map<Deliver, string>();
  readonly #connections = new Set<MemoryConnection>();

  /** Returns the number of subscriptions to a channel. */
  subscriptions(channel: string): number {
    return [
      ...this.#subscriptions.values(),
      ...[...this.#connections].flatMap(({ channels }) => [...channels]),
    ].filter((each) => each === channel).length;
  }

  /** Publishes a message as a third-party client. Subscribers receive the message in a later turn. */
  publish(channel: string, message: string | Buffer): Promise<number> {
    const bytes = Buffer.from(message);
    setImmediate(() => {
      for (const [deliver, subscribed] of [...this.#subscriptions]) {
        if (subscribed === channel) deliver(channel, bytes);
      }
      for (const connection of this.#connections) connection.receive(channel, bytes);
    });
    const byPattern = [...this.#connections].filter((each) => each.matches(channel).length > 0);
    return Promise.resolve(this.subscriptions(channel) + byPattern.length);
  }

  /** Returns an `ioredis` client that opens its own connections, as createRedisAdapter() requires. */
  client(): IoRedisClient {
    return new MemoryConnection(this, this.#connections);
  }

  /** Returns a publisher and a subscriber for one server, with the interface of `redis`. */
  nodeRedis() {
    const delivers = new Map<(message: Buffer) => unknown, Deliver>();
    return {
      publisher: this.#publisher(),
      subscriber: {
        sSubscribe: () => {},
        subscribe: async (
          channel: string,
          listener: (message: Buffer) => unknown,
          bufferMode: true,
        ) => {
          if (!bufferMode) throw new TypeError("the message would be a string");
          await this.onSubscribe?.();
          const deliver: Deliver = (_channel, message) => listener(message);
          delivers.set(listener, deliver);
          this.#subscriptions.set(deliver, channel);
        },
        unsubscribe: async (_channel: string, listener: (message: Buffer) => unknown) => {
          await this.onUnsubscribe?.();
          const deliver = delivers.get(listener);
          if (deliver !== undefined) this.#subscriptions.delete(deliver);
        },
      },
    };
  }

  /** Returns a publisher and a subscriber for one server, with the interface of `ioredis`. */
  ioredis() {
    const emitter = new EventEmitter();
    const deliver: Deliver = (channel, message) =>
      emitter.emit("messageBuffer", Buffer.from(channel), message);
    return {
      publisher: this.#publisher(),
      subscriber: Object.assign(emitter, {
        subscribe: async (channel: string) => {
          await this.onSubscribe?.();
          this.#subscriptions.set(deliver, channel);
        },
        unsubscribe: async () => {
          await this.onUnsubscribe?.();
          this.#subscriptions.delete(deliver);
        },
      }),
    };
  }

  #publisher() {
    return {
      publish: (channel: string, message: string): Promise<number> => {
        this.published.push({ channel, message });
        return this.onPublish?.() ?? this.publish(channel, message);
      },
    };
  }
}

/** A connection with the interface of an `ioredis` client. */
class MemoryConnection extends EventEmitter implements IoRedisClient {
  readonly channels = new Set<string>();
  readonly patterns = new Set<string>();
  readonly #redis: MemoryRedis;
  readonly #connections: Set<MemoryConnection>;

  constructor(redis: MemoryRedis, connections: Set<MemoryConnection>) {
    super();
    this.#redis = redis;
    this.#connections = connections;
  }

  get status(): string {
    return this.#connections.has(this) ? "ready" : "end";
  }

  duplicate(): MemoryConnection {
    const connection = new MemoryConnection(this.#redis, this.#connections);
    setImmediate(() => {
      this.#connections.add(connection);
      connection.emit("ready");
    });
    return connection;
  }

  receive(channel: string, message: Buffer): void {
    if (this.channels.has(channel)) this.emit("messageBuffer", Buffer.from(channel), message);
    for (const pattern of this.matches(channel)) {
      this.emit("pmessageBuffer", Buffer.from(pattern), Buffer.from(channel), message);
    }
  }

  /** Returns the subscribed patterns that match a channel. All patterns end in "*". */
  matches(channel: string): string[] {
    return [...this.patterns].filter((pattern) => channel.startsWith(pattern.slice(0, -1)));
  }

  async call(command: string, args: (string | Buffer | number)[]): Promise<unknown> {
    const [channel, message] = args;
    if (command === "PUBLISH" && Buffer.isBuffer(message)) {
      this.#redis.published.push({ channel: `${channel}`, message: message.toString() });
      return this.#redis.publish(`${channel}`, message);
    }
    return args.slice(1).flatMap((name) => [name, this.#redis.subscriptions(`${name}`)]);
  }

  async subscribe(...channels: string[]): Promise<void> {
    for (const channel of channels) this.channels.add(channel);
  }

  async unsubscribe(...channels: string[]): Promise<void> {
    for (const channel of channels) this.channels.delete(channel);
  }

  async psubscribe(...patterns: string[]): Promise<void> {
    for (const pattern of patterns) this.patterns.add(pattern);
  }

  async punsubscribe(...patterns: string[]): Promise<void> {
    for (const pattern of patterns) this.patterns.delete(pattern);
  }

  disconnect(): void {
    this.#connections.delete(this);
  }
}
