// What the adapters of all namespaces share that have one stream: the connections to Redis, and what reads the
// stream.

import type { RedisClient } from "./redis-client.ts";
import { RedisHub, type RedisHubOptions } from "./redis-hub.ts";
import { RedisCommandError } from "./redis-link.ts";
import {
  compareIds,
  type StreamEntry,
  StreamReader,
  type StreamReaderOptions,
} from "./stream-reader.ts";

/** An adapter as the hub sees it. */
export interface StreamMember {
  readonly nsp: { readonly name: string };
  /** The stream is read from this entry on, for the first time or since it is another one. */
  onLocated(position: string): void;
  /** An entry of the stream for its namespace. */
  onEntry(entry: StreamEntry): void;
  /** Redis has answered, with entries or without, after all of them were passed to onEntry(). */
  onRead(): void;
  /** The stream cannot be read. */
  onRefused(error: Error): void;
}

/** Namespaces of which is read at the same time what clients have missed. The others wait. */
const MAX_REPLAYS = 4;

export class StreamHub {
  readonly redis: RedisHub;
  private readonly client: RedisClient;
  private readonly options: StreamReaderOptions;
  private readonly adapters = new Set<StreamMember>();
  private reader: StreamReader | undefined;
  private readonly replays: (() => void)[] = [];
  /** Called at each read. */
  private readonly readers = new Set<() => void>();
  private replaying = 0;

  constructor(client: RedisClient, options: RedisHubOptions, reader: StreamReaderOptions) {
    this.client = client;
    this.options = reader;
    this.redis = new RedisHub(client, options);
  }

  /** The id of the last entry that was read; `undefined` until it is known where the stream ends. */
  get position(): string | undefined {
    return this.reader?.position;
  }

  /** Resolves when the stream was read up to an entry. */
  reached(id: string): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.position === undefined || compareIds(this.position, id) < 0) return;
        this.readers.delete(check);
        resolve();
      };
      this.readers.add(check);
      check();
    });
  }

  /** Passes the entries of the stream on to an adapter, until it is removed. */
  add(adapter: StreamMember): void {
    this.adapters.add(adapter);
    this.reader ??= new StreamReader(this.client, this.options, {
      onLocated: (position) => {
        for (const each of [...this.adapters]) each.onLocated(position);
      },
      onEntry: (entry) => this.onEntry(entry),
      onRead: () => {
        for (const each of [...this.adapters]) each.onRead();
        for (const check of this.readers) check();
      },
      onRefused: (cause) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        const error = new RedisCommandError(`the stream cannot be read: ${why}`, { cause });
        for (const each of [...this.adapters]) each.onRefused(error);
      },
    });
  }

  /** With the last adapter it stops to read. */
  remove(adapter: StreamMember): void {
    this.adapters.delete(adapter);
    if (this.adapters.size > 0) return;
    this.reader?.end();
    this.reader = undefined;
  }

  /** Runs a replay when fewer than MAX_REPLAYS are running. */
  async replay<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.replaying >= MAX_REPLAYS)
      await new Promise<void>((resolve) => this.replays.push(resolve));
    this.replaying++;
    try {
      return await run();
    } finally {
      this.replaying--;
      this.replays.shift()?.();
    }
  }

  private onEntry(entry: StreamEntry): void {
    const namespace = entry.fields.get("nsp");
    for (const each of [...this.adapters]) if (each.nsp.name === namespace) each.onEntry(entry);
  }
}
