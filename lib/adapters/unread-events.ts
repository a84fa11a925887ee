// Normally, a process sends an event to its clients when it reads the event's entry from the stream. If Redis is slow
// or unreachable, the process sends the event early, before it has read the entry. As long as entries of early events
// may still arrive, each offset contains the number of the last event that clients have received (stream-offset.ts).
//
//   sent ─▶ Redis answers with the id of the entry ──────▶ the stream is read up to the entry ─┐
//     ├───▶ the connection breaks: the entry may exist ──▶ the stream is read twice ───────────┼─▶ over
//     └───▶ Redis refuses the entry ───────────────────────────────────────────────────────────┘

import { compareIds } from "./stream-reader.ts";

/** The result of adding an entry: the id of the entry, "refused", or "unknown" if the entry may be in the stream. */
export type Added = { readonly id: string } | "refused" | "unknown";

/** Tracks the events that were sent early and whose entries may still arrive. */
export class UnreadEvents {
  private readonly unanswered = new Set<number>();
  /** The entries of early events may still arrive until this entry was read. */
  private lastId: string | undefined;
  /**
   * How many more reads of the stream must end before it is certain that no entry of an early event arrives any more.
   * The first of these reads may have started before the connection broke.
   */
  private readsLeft = 0;
  private newest = -1;
  private waiting: (() => void)[] = [];

  /** The number of the last event that was sent early. */
  get last(): number {
    return this.newest;
  }

  /** Whether entries of early events may still arrive. */
  get isPending(): boolean {
    return this.unanswered.size > 0 || this.lastId !== undefined || this.readsLeft > 0;
  }

  /**
   * Adds an event that is sent early.
   *
   * @param number the number of the event, larger than the numbers of all earlier events
   * @param added resolves to the result of adding the entry
   */
  add(number: number, added: Promise<Added>): void {
    this.newest = number;
    this.unanswered.add(number);
    void added.then((result) => {
      this.unanswered.delete(number);
      if (result === "unknown") this.readsLeft = 2;
      else if (result !== "refused") this.onId(result.id);
      this.check();
    });
  }

  /** Called after the stream was read up to an entry. */
  onRead(position: string | undefined): void {
    if (this.readsLeft > 0) this.readsLeft--;
    if (this.lastId !== undefined && position !== undefined) {
      if (compareIds(this.lastId, position) <= 0) this.lastId = undefined;
    }
    this.check();
  }

  /** Resolves when no more entries of early events can arrive. */
  async over(): Promise<void> {
    if (this.isPending) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private onId(id: string): void {
    if (this.lastId === undefined || compareIds(id, this.lastId) > 0) this.lastId = id;
  }

  private check(): void {
    if (this.isPending) return;
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
