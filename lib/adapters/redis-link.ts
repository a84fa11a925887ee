// A process' link to Redis: one connection that publishes and one that receives, of which nothing here
// waits for Redis without a bound.
//
//   connecting ──▶ ready ◀──▶ away          (each connection may break; the clients reconnect)
//
// Rules: while Redis is away nothing is published, since events that arrive late are worse than events
// that are lost, and are lost to the receivers anyway, whose connections break too. While Redis does not
// answer, `maxPending` bytes wait for it and the rest is dropped. Errors are reported when a state
// begins, not for each message.

import type { Bytes } from "../../protocol/bytes.ts";
import { openConnection, type RedisClient, type RedisConnection } from "./redis-client.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Redis cannot be reached. */
export class RedisUnavailableError extends Error {
  override readonly name = "RedisUnavailableError";
  readonly code = "ERR_REDIS_UNAVAILABLE";
}

/** More is published than Redis takes. */
export class RedisOverloadedError extends Error {
  override readonly name = "RedisOverloadedError";
  readonly code = "ERR_REDIS_OVERLOADED";
}

/** Redis has refused a command. */
export class RedisCommandError extends Error {
  override readonly name = "RedisCommandError";
  readonly code = "ERR_REDIS_COMMAND";
}

/** What a link tells. */
export interface LinkStats {
  /** Whether both connections to Redis are ready. */
  readonly ready: boolean;
  /** Messages that Redis has taken. */
  readonly published: number;
  /** Messages that were not sent, or that Redis has not taken. */
  readonly dropped: number;
  /** Bytes that wait for Redis. */
  readonly pendingBytes: number;
  /** Channels that are subscribed to. */
  readonly channels: number;
}

/** Called with a message, and the channel that it was sent to. */
export type ChannelListener = (message: Bytes, channel: string) => void;

export interface LinkOptions {
  readonly maxPending: number;
  readonly timeout: number;
}

/** Bytes that a command takes beside its own while it waits. */
export const OVERHEAD = 200;

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
   * @param onReady called when both connections are ready, each time
   * @param onError called when Redis is away, is overloaded or refuses commands, once until that is over
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

  get ready(): boolean {
    return this.publisher.ready && this.subscriber.ready;
  }

  /**
   * Publishes a message. Resolves to the number of connections that receive it, or to `undefined` where
   * Redis has not taken it; never rejects.
   */
  async publish(channel: string, message: Bytes): Promise<number | undefined> {
    const size = message.length + channel.length + OVERHEAD;
    const result = await this.command(["PUBLISH", channel, message], size);
    if (result === undefined) this.dropped++;
    else this.published++;
    return result === undefined ? undefined : Number(result);
  }

  /** How many connections are subscribed to each channel; `undefined` where Redis does not answer. Never rejects. */
  async countSubscribers(...channels: readonly string[]): Promise<number[] | undefined> {
    const reply = await this.command(["PUBSUB", "NUMSUB", ...channels], OVERHEAD);
    if (!Array.isArray(reply)) return undefined;
    return channels.map((_, index) => Number(reply[index * 2 + 1]));
  }

  /** Subscribes to all channels that fit a pattern. */
  async subscribePattern(pattern: string, listener: ChannelListener): Promise<void> {
    this.patterns.set(pattern, listener);
    await this.subscriber.subscribePattern(pattern);
  }

  unsubscribePattern(pattern: string): void {
    this.patterns.delete(pattern);
    if (this.subscriber.ready) this.subscriber.unsubscribePattern(pattern).catch(() => {});
  }

  /** Says that Redis is silent although the connections are there. */
  onSilence(milliseconds: number): void {
    this.reportAway(`no message has come back for ${milliseconds} ms`, undefined);
  }

  /** Redis is heard again. */
  onSound(): void {
    if (this.ready) this.away = false;
  }

  /** Ends both connections. */
  end(): void {
    this.ended = true;
    this.subscriptions.release();
    this.publisher.end();
    this.subscriber.end();
  }

  stats(): LinkStats {
    return {
      ready: this.ready,
      published: this.published,
      dropped: this.dropped,
      pendingBytes: this.pending,
      channels: this.subscriptions.size,
    };
  }

  /** Sends a command of `size` bytes. Resolves to `undefined` where it was not sent or has failed; never rejects. */
  async command(args: readonly (string | Bytes)[], size: number): Promise<unknown> {
    if (!this.publisher.ready) return undefined;
    if (this.pending + size > this.maxPending) {
      if (!this.overloaded) {
        this.overloaded = true;
        const text = `more than ${this.maxPending} bytes wait for Redis: events reach only clients of this process`;
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
      // Clients tell of it twice, once for each connection.
      if (this.wasReady) return;
      this.wasReady = true;
      this.subscriptions.retry();
      this.onReady();
      return;
    }
    // A connection that has not been there yet is no news, until it fails.
    if (error === undefined && !this.wasReady) return;
    this.wasReady = false;
    this.reportAway(error?.message ?? "the connection has ended", error);
  }

  private reportAway(why: string, cause: Error | undefined): void {
    if (this.away || this.ended) return;
    this.away = true;
    this.subscriptions.release();
    const text = `Redis cannot be reached (${why}): events reach only clients of this process`;
    this.onError(new RedisUnavailableError(text, { cause }));
  }

  /** A command has failed while the connection was there: Redis has refused it. */
  private reportRefusal(error: unknown): void {
    if (this.refused || this.ended || !this.publisher.ready) return;
    this.refused = true;
    const why = error instanceof Error ? error.message : String(error);
    this.onError(new RedisCommandError(`Redis has refused a command: ${why}`, { cause: error }));
  }
}
