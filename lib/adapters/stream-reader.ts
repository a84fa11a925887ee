// Reads a stream of Redis, over a separate connection because reads block the connection.
//
//   connecting ─▶ locating ─▶ reading ─▶ XREAD from the last id that was read ─┐
//        ▲                       ▲───────────────────────────────────────────┘
//        └── the connection breaks, Redis rejects the read, or Redis does not reply: the reader retries from the same id
//
// Rule: the reader reads from an existing id. Reading from `$`, the end, would skip entries that are added between two
// reads. If the stream is empty, the reader adds an entry without a namespace, which all readers skip.

import { isObject, isString } from "../events/options.ts";
import { openConnection, type RedisClient, type RedisConnection } from "./redis-client.ts";
import type { EntryFields } from "./redis-streams-wire.ts";

/** An entry of a stream. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: EntryFields;
}

export interface StreamReaderOptions {
  readonly streamName: string;
  /** Largest number of entries per read. */
  readonly readCount: number;
  /** How long a read waits for entries, in milliseconds. */
  readonly blockTimeInMs: number;
}

/** The methods that a reader calls. */
export interface StreamSink {
  /**
   * Called when the reader has chosen the entry after which it starts to read. This happens when the reader has
   * connected for the first time, and when another stream has replaced the stream.
   */
  onLocated(position: string): void;
  /** Called with each entry. */
  onEntry(entry: StreamEntry): void;
  /** Called after each reply of Redis, when onEntry() was called with all entries of the reply. */
  onRead(): void;
  /** Called when Redis has rejected a read. Not called again until a read has succeeded. */
  onRefused(error: unknown): void;
}

/** How long to wait after Redis has rejected a read, in milliseconds. */
const RETRY = 1_000;
/**
 * How late a reply may be, in milliseconds. This limit is necessary, because a network that drops all packets does not
 * break the connection.
 */
const REPLY_TIMEOUT = 5_000;
/** How long a connection may take to become ready before a new connection is opened, in milliseconds. */
const CONNECT_TIMEOUT = 15_000;
/** The longest delay that setTimeout() supports, in milliseconds. */
const MAX_TIMEOUT = 0x7fffffff;

/** Thrown if Redis has not replied in time. */
class SilenceError extends Error {}

export class StreamReader {
  private readonly client: RedisClient;
  private connection: RedisConnection;
  private readonly options: StreamReaderOptions;
  private readonly sink: StreamSink;
  private last: string | undefined;
  private reading = false;
  private refused = false;
  private ended = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(client: RedisClient, options: StreamReaderOptions, sink: StreamSink) {
    this.options = options;
    this.sink = sink;
    this.client = client;
    this.connection = this.open();
    void this.read();
  }

  /** The id of the last entry that was read. `undefined` until the end of the stream is known. */
  get position(): string | undefined {
    return this.last;
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.connection.end();
  }

  private get mayRead(): boolean {
    return !this.ended && this.connection.ready;
  }

  private open(): RedisConnection {
    return openConnection(this.client, {
      onMessage: () => {},
      onState: () => void this.read(),
      // The other connections to Redis break at the same time and report the error, so errors of this connection are
      // ignored.
      onError: () => {},
    });
  }

  private reopen(): void {
    this.connection.end();
    this.connection = this.open();
  }

  private async read(): Promise<void> {
    if (this.reading || this.ended) return;
    this.reading = true;
    clearTimeout(this.timer);
    try {
      if (this.mayRead) await this.locate();
      while (this.mayRead) await this.readOnce();
    } catch (error) {
      if (this.mayRead && !this.refused) {
        this.refused = true;
        this.sink.onRefused(error);
      }
      if (error instanceof SilenceError && !this.ended) this.reopen();
    }
    this.reading = false;
    if (this.ended) return;
    // If the connection becomes ready before this timer has expired, onState() calls read() immediately.
    const isReady = this.connection.ready;
    const retry = (): void => {
      if (!this.mayRead) this.reopen();
      void this.read();
    };
    this.timer = setTimeout(retry, isReady ? RETRY : CONNECT_TIMEOUT).unref();
  }

  /**
   * Sends a command.
   *
   * @param duration how long the command may block in Redis, in milliseconds
   * @throws SilenceError (rejects) if there is no reply in time
   */
  private async command(args: readonly string[], duration = 0): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const milliseconds = Math.min(duration + REPLY_TIMEOUT, MAX_TIMEOUT);
    const silence = new Promise<never>((_, reject) => {
      const onSilence = (): void =>
        reject(new SilenceError(`Redis has not replied for ${milliseconds} ms`));
      timer = setTimeout(onSilence, milliseconds).unref();
    });
    return Promise.race([this.connection.command(args), silence]).finally(() =>
      clearTimeout(timer),
    );
  }

  /**
   * Finds the end of the stream. If the stream ends before the last entry that was read, it was replaced by another
   * stream.
   */
  private async locate(): Promise<void> {
    const { streamName } = this.options;
    const [newest] = entriesOf(
      await this.command(["XREVRANGE", streamName, "+", "-", "COUNT", "1"]),
    );
    const end = newest?.id ?? (await this.command(["XADD", streamName, "*", "type", "start"]));
    if (!isString(end)) throw new TypeError("the reply of Redis contains no id");
    if (this.last !== undefined && compareIds(end, this.last) >= 0) return;
    this.last = end;
    this.sink.onLocated(end);
  }

  private async readOnce(): Promise<void> {
    const { streamName, readCount, blockTimeInMs } = this.options;
    const count = ["COUNT", `${readCount}`, "BLOCK", `${blockTimeInMs}`];
    const reply = await this.command(
      ["XREAD", ...count, "STREAMS", streamName, this.last ?? "$"],
      blockTimeInMs,
    );
    this.refused = false;
    for (const entry of entriesOf(streamOf(reply))) {
      if (this.ended) return;
      this.last = entry.id;
      this.sink.onEntry(entry);
    }
    this.sink.onRead();
  }
}

/**
 * Compares the ids of two entries. The result is negative, zero or positive, as sort() requires.
 */
export function compareIds(one: string, other: string): number {
  const [time = 0, sequence = 0] = one.split("-").map(Number);
  const [otherTime = 0, otherSequence = 0] = other.split("-").map(Number);
  return time - otherTime || sequence - otherSequence;
}

/**
 * Returns the entries of the only stream in a reply to XREAD. In RESP 3 the reply is a map, which the packages "redis" and
 * "ioredis" represent in different ways.
 */
function streamOf(reply: unknown): unknown {
  if (!Array.isArray(reply)) return isObject(reply) ? Object.values(reply)[0] : undefined;
  const [first, second]: unknown[] = reply;
  return Array.isArray(first) ? first[1] : second;
}

/** Returns the entries in a reply. */
export function entriesOf(reply: unknown): StreamEntry[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((entry) => {
    const [id, values]: unknown[] = Array.isArray(entry) ? entry : [];
    if (!isString(id) || !Array.isArray(values)) return [];
    const fields = new Map<string, string>();
    for (let at = 0; at + 1 < values.length; at += 2)
      fields.set(`${values[at]}`, `${values[at + 1]}`);
    return [{ id, fields }];
  });
}
