// Manages the connections to Redis and the reader of the stream, which the adapters of all namespaces share.

import type { RedisClient } from "./redis-client.ts";
import { RedisHub, type RedisHubOptions } from "./redis-hub.ts";
import { RedisCommandError } from "./redis-link.ts";
import {
  compareIds,
  type StreamEntry,
  StreamReader,
  type StreamReaderOptions,
} from "./stream-reader.ts";

/**
 * The methods of an adapter that the hub calls.
 *
 * @internal
 */
export interface StreamMember {
  readonly nsp: { readonly name: string };
  /**
   * Called when the reader has chosen the entry after which it starts to read. This happens when the reader has
   * connected for the first time, and when another stream has replaced the stream.
   */
  onLocated(position: string): void;
  /** Called with each entry of the stream for the adapter's namespace. */
  onEntry(entry: StreamEntry): void;
  /** Called after each reply of Redis, when onEntry() was called with all entries of the reply. */
  onRead(): void;
  /** Called when the stream cannot be read. */
  onRefused(error: Error): void;
}

/**
 * Largest number of namespaces for which missed events are read at the same time. Other namespaces
 * wait.
 */
const MAX_REPLAYS = 4;

export class StreamHub {
  readonly redis: RedisHub;
  private readonly client: RedisClient;
  private readonly options: StreamReaderOptions;
  private readonly adapters = new Set<StreamMember>();
  private reader: StreamReader | undefined;
  private readonly replays: (() => void)[] = [];
  /** Functions that are called after each read. */
  private readonly readers = new Set<() => void>();
  private replaying = 0;

  constructor(client: RedisClient, options: RedisHubOptions, reader: StreamReaderOptions) {
    this.client = client;
    this.options = reader;
    this.redis = new RedisHub(client, options);
  }

  /** The id of the last entry that was read. `undefined` until the end of the stream is known. */
  get position(): string | undefined {
    return this.reader?.position;
  }

  /** Resolves after the stream was read up to an entry. */
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

  /** Passes the entries of the stream to an adapter, until the adapter is removed. */
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

  /** Removes an adapter. Removing the last adapter stops the reader. */
  remove(adapter: StreamMember): void {
    this.adapters.delete(adapter);
    if (this.adapters.size > 0) return;
    this.reader?.end();
    this.reader = undefined;
  }

  /**
   * Calls a function that reads missed events (a replay), as soon as fewer than MAX_REPLAYS such
   * functions are running.
   */
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
