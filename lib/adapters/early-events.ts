// The events that the clients of this process were sent before their entries were read, since Redis is slow, silent
// or away. While entries of them may still come, offsets say up to which number clients have them (stream-offset.ts).
//
//   sent ─▶ Redis says the id of the entry ──────────────▶ the stream is read up to it ─┐
//     ├───▶ the connection breaks: perhaps in the stream ▶ the stream is read twice ────┼─▶ over
//     └───▶ refused ────────────────────────────────────────────────────────────────────┘

import { compareIds } from "./stream-reader.ts";

/** What has become of an entry: its id, or whether it may be in the stream. */
export type Added = { readonly id: string } | "refused" | "unknown";

export class EarlyEvents {
  private readonly unanswered = new Set<number>();
  /** Entries may come until this one is read. */
  private lastId: string | undefined;
  /** Reads of the stream that must end until nothing comes. A read that has begun before is the first. */
  private readsLeft = 0;
  private newest = -1;
  private waiting: (() => void)[] = [];

  /** The number of the last one. */
  get last(): number {
    return this.newest;
  }

  /** Whether entries may still come. */
  get isPending(): boolean {
    return this.unanswered.size > 0 || this.lastId !== undefined || this.readsLeft > 0;
  }

  /** @param number of an event that is sent. Larger than those before */
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

  /** The stream was read up to an entry. */
  onRead(position: string | undefined): void {
    if (this.readsLeft > 0) this.readsLeft--;
    if (this.lastId !== undefined && position !== undefined) {
      if (compareIds(this.lastId, position) <= 0) this.lastId = undefined;
    }
    this.check();
  }

  /** Resolves when no entry comes any more. */
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
