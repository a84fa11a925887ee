// The link between a process and Redis: one connection that publishes, and one that subscribes. The number of bytes that
// wait for Redis is limited (`maxPending`), and a new subscription is awaited with a timeout.
//
//   connecting ──▶ ready ◀──▶ away          (away: Redis is unreachable, and the Redis clients try to reconnect)
//
// Rules:
// - While Redis is unreachable (away), messages are dropped, because late events are worse than lost events. The
//   receivers would miss the messages anyway, because their connections break too.
// - While Redis does not answer, at most `maxPending` bytes wait. Further messages are dropped.
// - An error is reported once at the start of such a state, not for each message.

import type { Bytes } from "../../protocol/bytes.ts";
import { openConnection, type RedisClient, type RedisConnection } from "./redis-client.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Reported when Redis cannot be reached. */
export class RedisUnavailableError extends Error {
  /** The name of this class. */
  override readonly name = "RedisUnavailableError";
  /** The code of this error. */
  readonly code = "ERR_REDIS_UNAVAILABLE";
}

/** Reported when more bytes wait for Redis than `maxPending` allows. */
export class RedisOverloadedError extends Error {
  /** The name of this class. */
  override readonly name = "RedisOverloadedError";
  /** The code of this error. */
  readonly code = "ERR_REDIS_OVERLOADED";
}

/** Reported when Redis has rejected a command. */
export class RedisCommandError extends Error {
  /** The name of this class. */
  override readonly name = "RedisCommandError";
  /** The code of this error. */
  readonly code = "ERR_REDIS_COMMAND";
}

/** The state of a link, and counts of its messages. */
export interface LinkStats {
  /** Whether both connections to Redis are ready. */
  readonly ready: boolean;
  /** The number of messages that Redis has accepted. */
  readonly published: number;
  /** The number of messages that were not sent, or that Redis has not accepted. */
  readonly dropped: number;
  /** The number of bytes that wait for Redis. */
  readonly pendingBytes: number;
  /** The number of channels that this process subscribes to. */
  readonly channels: number;
}

/** Called with a message and its channel. */
export type ChannelListener = (message: Bytes, channel: string) => void;

/**
 * The limits of a link: the largest number of waiting bytes, and how long to wait for subscriptions, in milliseconds.
 */
export interface LinkOptions {
  readonly maxPending: number;
  readonly timeout: number;
}

/** The approximate size of a waiting command in addition to its arguments, in bytes. */
export const OVERHEAD = 200;

/** A process' link to Redis. */
export class RedisLink {
  readonly subscriptions: Subscriptions<ChannelListener>;
  private readonly publisher: RedisConnection;
  private readonly subscriber: RedisConnection;
  private readonly patterns = new Map<string, ChannelListener>();
  private readonly maxPending: number;
  private readonly onError: (error: Error) => void;
  private readonly onReady: () => void;
  private wasReady = false;
  private away = false;
  private overloaded = false;
  private refused = false;
  private ended = false;
  private published = 0;
  private dropped = 0;
  private pending = 0;

  /**
   * @param client the user's client, whose settings the connections use
   * @param options the limits
   * @param onReady called each time both connections become ready
   * @param onError called when Redis is unreachable, is overloaded, or rejects commands. Each of these three states is
   * reported once until it has ended
   */
  constructor(
    client: RedisClient,
    { maxPending, timeout }: LinkOptions,
    onReady: () => void,
    onError: (error: Error) => void,
  ) {
    this.maxPending = maxPending;
    this.onReady = onReady;
    this.onError = onError;
    const sink = {
      onMessage: (channel: string, message: Bytes, pattern: string | undefined) =>
        this.onMessage(channel, message, pattern),
      onState: () => this.onState(undefined),
      onError: (error: Error) => this.onState(error),
    };
    this.publisher = openConnection(client, sink);
    this.subscriber = openConnection(client, sink);
    this.subscriptions = new Subscriptions(
      {
        subscribe: async (channels) => this.subscriber.subscribe(channels),
        unsubscribe: async (channels) => this.subscriber.unsubscribe(channels),
      },
      timeout,
    );
  }

  /** Whether both connections are ready. */
  get ready(): boolean {
    return this.publisher.ready && this.subscriber.ready;
  }

  /**
   * Publishes a message. Resolves to the number of connections that receive the message, or to `undefined` if Redis has
   * not accepted it. Never rejects.
   */
  async publish(channel: string, message: Bytes): Promise<number | undefined> {
    const size = message.length + channel.length + OVERHEAD;
    const result = await this.command(["PUBLISH", channel, message], size);
    if (result === undefined) this.dropped++;
    else this.published++;
    return result === undefined ? undefined : Number(result);
  }

  /** Resolves to the number of subscribers of each channel, or to `undefined` if Redis does not answer. Never rejects. */
  async countSubscribers(...channels: readonly string[]): Promise<number[] | undefined> {
    const reply = await this.command(["PUBSUB", "NUMSUB", ...channels], OVERHEAD);
    if (!Array.isArray(reply)) return undefined;
    return channels.map((_, index) => Number(reply[index * 2 + 1]));
  }

  /** Subscribes to all channels that match a pattern. */
  async subscribePattern(pattern: string, listener: ChannelListener): Promise<void> {
    this.patterns.set(pattern, listener);
    await this.subscriber.subscribePattern(pattern);
  }

  /** Unsubscribes from a pattern. */
  unsubscribePattern(pattern: string): void {
    this.patterns.delete(pattern);
    if (this.subscriber.ready) this.subscriber.unsubscribePattern(pattern).catch(() => {});
  }

  /** Called when no message of this process has come back from Redis although the connections exist. */
  onSilence(milliseconds: number): void {
    this.reportAway(`no heartbeat has come back for ${milliseconds} ms`, undefined);
  }

  /** Called when a message of this process has come back from Redis. */
  onSound(): void {
    if (this.ready) this.away = false;
  }

  /** Closes both connections. */
  end(): void {
    this.ended = true;
    this.subscriptions.release();
    this.publisher.end();
    this.subscriber.end();
  }

  /** Returns the state of the link, and counts of its messages. */
  stats(): LinkStats {
    return {
      ready: this.ready,
      published: this.published,
      dropped: this.dropped,
      pendingBytes: this.pending,
      channels: this.subscriptions.size,
    };
  }

  /** Sends a command of `size` bytes. Resolves to `undefined` if the command was not sent or has failed. Never rejects. */
  async command(args: readonly (string | Bytes)[], size: number): Promise<unknown> {
    if (!this.publisher.ready) return undefined;
    if (this.pending + size > this.maxPending) {
      if (!this.overloaded) {
        this.overloaded = true;
        const text = `more than ${this.maxPending} bytes wait for Redis: events only reach clients of this process`;
        this.onError(new RedisOverloadedError(text));
      }
      return undefined;
    }
    this.pending += size;
    try {
      const result = await this.publisher.command(args);
      this.refused = false;
      return result;
    } catch (error) {
      this.reportRefusal(error);
      return undefined;
    } finally {
      this.pending -= size;
      if (this.pending < this.maxPending / 2) this.overloaded = false;
    }
  }

  private onMessage(channel: string, message: Bytes, pattern: string | undefined): void {
    const listener =
      pattern === undefined ? this.subscriptions.listenerOf(channel) : this.patterns.get(pattern);
    listener?.(message, channel);
  }

  private onState(error: Error | undefined): void {
    if (this.ended) return;
    if (this.ready) {
      this.away = false;
      // Each of the two connections calls this method when it becomes ready.
      if (this.wasReady) return;
      this.wasReady = true;
      this.subscriptions.retry();
      this.onReady();
      return;
    }
    // Before the first connection is established, the link is not ready, which is normal. Only an
    // error is reported.
    if (error === undefined && !this.wasReady) return;
    this.wasReady = false;
    this.reportAway(error?.message ?? "the connection has ended", error);
  }

  private reportAway(why: string, cause: Error | undefined): void {
    if (this.away || this.ended) return;
    this.away = true;
    this.subscriptions.release();
    const text = `Redis cannot be reached (${why}): events only reach clients of this process`;
    this.onError(new RedisUnavailableError(text, { cause }));
  }

  /** Reports a command that has failed while the connection was ready: Redis has rejected it. */
  private reportRefusal(error: unknown): void {
    if (this.refused || this.ended || !this.publisher.ready) return;
    this.refused = true;
    const why = error instanceof Error ? error.message : String(error);
    this.onError(new RedisCommandError(`Redis has rejected a command: ${why}`, { cause: error }));
  }
}
