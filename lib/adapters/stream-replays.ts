// Reads a part of a stream again for clients that come back: once for all that wait, from the lowest of their offsets.
//
//   turn() ─▶ waits while others are read for ─▶ the client's session is taken ─▶ read() ─▶ page after page
//     └─▶ nobody waits for the client any more: it has no turn, and its session stays where it is

import type { SendCommand } from "./redis-sessions.ts";
import type { StreamHub } from "./stream-hub.ts";
import { compareIds, entriesOf, type StreamEntry } from "./stream-reader.ts";

/** For whom a stream is read. */
export interface ReplayReader<Page> {
  /** The entry behind which it is read. */
  readonly from: string;
  /** Takes what is next. The first page may begin before `from`. Returns whether it wants more. */
  onPage(page: Page): boolean;
}

/** The turn of a client. Others wait until it has called one of both. */
export interface ReplayTurn<Page> {
  /** Reads. Resolves to whether all was there and was wanted. */
  read(reader: ReplayReader<Page>): Promise<boolean>;
  /** It need not be read for it. Does nothing after read(). */
  leave(): void;
}

interface Waiting<Page> {
  isWanted(): boolean;
  begin(turn: ReplayTurn<Page> | undefined): void;
}

/** Who has a turn and reads. */
interface Reading<Page> extends ReplayReader<Page> {
  isWanted(): boolean;
  end(isComplete: boolean | Promise<never>): void;
}

/** What replays need of a hub. */
export type ReplayHub = Pick<StreamHub, "position" | "replay">;

export class StreamReplays<Page> {
  private readonly hub: ReplayHub;
  private readonly command: SendCommand;
  private readonly options: { readonly streamName: string; readonly readCount: number };
  private readonly toPage: (entries: readonly StreamEntry[]) => Page;
  private waiting: Waiting<Page>[] = [];
  private isReading = false;

  /** @param toPage makes of entries what the readers take, once for all of them */
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
   * Resolves when it is a client's turn.
   *
   * @param isWanted whether somebody still waits for the client
   * @returns `undefined` when nobody does
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
    // Looked at last: nothing behind the offsets was removed until now.
    const [oldest] = entriesOf(await this.range("-", "+", 1));
    for (const each of readers)
      each.end(oldest !== undefined && compareIds(oldest.id, each.from) <= 0);
  }

  private range(from: string, to: string, count: number): Promise<unknown> {
    return this.command("XRANGE", this.options.streamName, from, to, "COUNT", `${count}`);
  }
}

/** Passes on a page that ends with an entry. Returns whether more is wanted. */
function wants<Page>(reader: Reading<Page>, last: string, page: Page): boolean {
  try {
    return compareIds(last, reader.from) <= 0 || reader.onPage(page);
  } catch (error) {
    // Others read on.
    reader.end(Promise.reject(error));
    return false;
  }
}

/** Gives a client its turn. Resolves when it is known whether it reads. */
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
