// Reads a part of a stream again for reconnecting clients. One read serves all clients that are waiting when the read
// starts, and begins at the lowest of their offsets.
//
//   turn() ─▶ waits until the previous read ends ─▶ the caller deletes the session in Redis ─▶ read() ─▶ page after page
//     └─▶ the client is no longer waiting: the client gets no turn, and its session stays in Redis

import type { SendCommand } from "./redis-sessions.ts";
import type { StreamHub } from "./stream-hub.ts";
import { compareIds, entriesOf, type StreamEntry } from "./stream-reader.ts";

/** Receives the entries that are read for one client. */
export interface ReplayReader<Page> {
  /** The id of an entry. The reader needs the entries after this entry. */
  readonly from: string;
  /** Called with the next page. The first page may start before `from`. Returns whether the reader accepts another page. */
  onPage(page: Page): boolean;
}

/**
 * The turn of a client. The next read of the stream serves all clients that have a turn, and starts when read() or
 * leave() was called in each of these turns.
 */
export interface ReplayTurn<Page> {
  /**
   * Reads the stream. Resolves to `true` if all entries after `from` still existed and the reader
   * has accepted all pages.
   */
  read(reader: ReplayReader<Page>): Promise<boolean>;
  /** Ends the turn without reading. Has no effect after read(). */
  leave(): void;
}

interface Waiting<Page> {
  isWanted(): boolean;
  begin(turn: ReplayTurn<Page> | undefined): void;
}

/** A client that has called read() in its turn, and whose reader receives pages. */
interface Reading<Page> extends ReplayReader<Page> {
  isWanted(): boolean;
  end(isComplete: boolean | Promise<never>): void;
}

/** The members of the hub that replays use. */
export type ReplayHub = Pick<StreamHub, "position" | "replay">;

/** Reads the stream for reconnecting clients. */
export class StreamReplays<Page> {
  private readonly hub: ReplayHub;
  private readonly command: SendCommand;
  private readonly options: { readonly streamName: string; readonly readCount: number };
  private readonly toPage: (entries: readonly StreamEntry[]) => Page;
  private waiting: Waiting<Page>[] = [];
  private isReading = false;

  /**
   * @param hub the hub of the stream
   * @param command sends a command to Redis
   * @param options the name of the stream, and the largest number of entries per read
   * @param toPage converts entries to the page that the readers receive, once for all readers
   */
  constructor(
    hub: ReplayHub,
    command: SendCommand,
    options: { readonly streamName: string; readonly readCount: number },
    toPage: (entries: readonly StreamEntry[]) => Page,
  ) {
    this.hub = hub;
    this.command = command;
    this.options = options;
    this.toPage = toPage;
  }

  /**
   * Resolves when the previous read has ended, so that the next read can serve the client.
   *
   * @param isWanted returns whether the client is still waiting
   * @returns the turn, or `undefined` if the client is no longer waiting
   */
  turn(isWanted: () => boolean): Promise<ReplayTurn<Page> | undefined> {
    return new Promise((begin) => {
      this.waiting.push({ isWanted, begin });
      if (!this.isReading) void this.readAll();
    });
  }

  private async readAll(): Promise<void> {
    this.isReading = true;
    while (this.waiting.length > 0) await this.hub.replay(() => this.readOnce());
    this.isReading = false;
  }

  private async readOnce(): Promise<void> {
    const all = await Promise.all(this.waiting.splice(0).map(readingOf));
    let readers = all.filter((each) => each !== undefined);
    const { position } = this.hub;
    const [first] = readers.toSorted((one, other) => compareIds(one.from, other.from));
    if (first === undefined || position === undefined) {
      for (const each of readers) each.end(false);
      return;
    }
    const { readCount } = this.options;
    for (let { from } = first, more = true; more && readers.length > 0; ) {
      const reply = await this.range(`(${from}`, position, readCount);
      const entries = entriesOf(reply);
      from = entries.at(-1)?.id ?? from;
      const page = this.toPage(entries);
      readers = readers.filter((each) => {
        const isNext = reply !== undefined && each.isWanted() && wants(each, from, page);
        if (!isNext) each.end(false);
        return isNext;
      });
      more = entries.length === readCount;
    }
    if (readers.length === 0) return;
    // The oldest entry is checked at the end, because entries can be removed while the stream is read.
    const [oldest] = entriesOf(await this.range("-", "+", 1));
    for (const each of readers)
      each.end(oldest !== undefined && compareIds(oldest.id, each.from) <= 0);
  }

  private range(from: string, to: string, count: number): Promise<unknown> {
    return this.command("XRANGE", this.options.streamName, from, to, "COUNT", `${count}`);
  }
}

/**
 * Passes a page to a reader. `last` is the id of the page's last entry. Returns whether the reader accepts more pages.
 */
function wants<Page>(reader: Reading<Page>, last: string, page: Page): boolean {
  try {
    return compareIds(last, reader.from) <= 0 || reader.onPage(page);
  } catch (error) {
    // An error of one reader must not affect the other readers.
    reader.end(Promise.reject(error));
    return false;
  }
}

/**
 * Starts a client's turn. Resolves when read() or leave() was called in this turn. After leave(), the result is
 * `undefined`.
 */
function readingOf<Page>({
  isWanted,
  begin,
}: Waiting<Page>): Promise<Reading<Page> | undefined> | undefined {
  if (!isWanted()) {
    begin(undefined);
    return undefined;
  }
  return new Promise((resolve) => {
    begin({
      leave: () => resolve(undefined),
      read: ({ from, onPage }) => new Promise((end) => resolve({ from, onPage, isWanted, end })),
    });
  });
}
