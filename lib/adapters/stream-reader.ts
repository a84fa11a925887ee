// Reads a stream of Redis, over a connection of its own since it waits there.
//
//   connecting ─▶ locating ─▶ reading ─▶ XREAD from the last id that was read ─┐
//        ▲                       ▲───────────────────────────────────────────┘
//        └── the connection breaks, or Redis refuses, or is silent (another connection): again from the same id
//
// Rule: it reads from an id that exists, not from `$`, the end, which would skip what is added between two reads.
// In a stream that is empty it adds an entry without a namespace, which all readers skip.

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
  /** The most entries of one read. */
  readonly readCount: number;
  /** Milliseconds that a read waits for entries. */
  readonly blockTimeInMs: number;
}

/** What a reader calls. */
export interface StreamSink {
  /** The stream is read from this entry on: for the first time, or since it is another stream now. */
  onLocated(position: string): void;
  onEntry(entry: StreamEntry): void;
  /** Redis has answered, with entries or without, after all of them were passed to onEntry(). */
  onRead(): void;
  /** Redis has refused to be read from. Called once until it is read from again. */
  onRefused(error: unknown): void;
}

/** Milliseconds until Redis is read from again after it has refused. */
const RETRY = 1_000;
/** Milliseconds for which a reply may be late: a network that drops everything breaks no connection. */
const REPLY_TIMEOUT = 5_000;
/** Milliseconds without news of a connection that is not ready, until another one is opened. */
const CONNECT_TIMEOUT = 15_000;
/** setTimeout() takes no more milliseconds. */
const MAX_TIMEOUT = 0x7fffffff;

/** Redis has not answered in time. */
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

  /** The id of the last entry that was read; `undefined` until Redis has said where the stream ends. */
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
      // The other connections break at the same time, and tell of it.
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
    // It is read from at once when the connection is back.
    const isReady = this.connection.ready;
    const retry = (): void => {
      if (!this.mayRead) this.reopen();
      void this.read();
    };
    this.timer = setTimeout(retry, isReady ? RETRY : CONNECT_TIMEOUT).unref();
  }

  /** Sends a command. @throws SilenceError when there is no reply in time */
  private async command(args: readonly string[], duration = 0): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const milliseconds = Math.min(duration + REPLY_TIMEOUT, MAX_TIMEOUT);
    const silence = new Promise<never>((_, reject) => {
      const onSilence = (): void =>
        reject(new SilenceError(`Redis has not answered for ${milliseconds} ms`));
      timer = setTimeout(onSilence, milliseconds).unref();
    });
    return Promise.race([this.connection.command(args), silence]).finally(() =>
      clearTimeout(timer),
    );
  }

  /** Finds the end of the stream. Where it was read before, it may be another stream now, which ends earlier. */
  private async locate(): Promise<void> {
    const { streamName } = this.options;
    const [newest] = entriesOf(
      await this.command(["XREVRANGE", streamName, "+", "-", "COUNT", "1"]),
    );
    const end = newest?.id ?? (await this.command(["XADD", streamName, "*", "type", "start"]));
    if (!isString(end)) throw new TypeError("the reply of Redis has no id");
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

/** Compares two ids of entries, as `sort()` does. */
export function compareIds(one: string, other: string): number {
  const [time = 0, sequence = 0] = one.split("-").map(Number);
  const [otherTime = 0, otherSequence = 0] = other.split("-").map(Number);
  return time - otherTime || sequence - otherSequence;
}

/** The entries of the only stream in a reply to XREAD. RESP 3 has a map, which clients show in several ways. */
function streamOf(reply: unknown): unknown {
  if (!Array.isArray(reply)) return isObject(reply) ? Object.values(reply)[0] : undefined;
  const [first, second]: unknown[] = reply;
  return Array.isArray(first) ? first[1] : second;
}

/** The entries of a reply. */
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
