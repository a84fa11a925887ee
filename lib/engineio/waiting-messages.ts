// What waits for one client to take it, in order, and what becomes of it when that is more than may wait: the options
// `maxBackpressure` and `backpressurePolicy`.
//
// Only what waits here can be dropped. Bytes that a transport was given may be half-way out: those of a frame, or of an
// answer to a poll. A transport says that it is not writable as soon as it has been given a few, so it never holds many.

import type { Outgoing } from "./outgoing.ts";

/**
 * What is done about a client that does not take what is sent to it, when `maxBackpressure` is reached.
 *
 * - "close": it is disconnected.
 * - "drop-volatile": volatile events wait as well, and the oldest of them are dropped. The client is disconnected when
 *   the rest alone exceeds the bound.
 * - "drop-oldest": the oldest events that nobody awaits an acknowledgement of are dropped, each with its attachments. The
 *   client is disconnected when the rest alone exceeds the bound. Volatile events do not wait.
 */
export type BackpressurePolicy = "close" | "drop-volatile" | "drop-oldest";

export const BACKPRESSURE_POLICIES: readonly BackpressurePolicy[] = [
  "close",
  "drop-volatile",
  "drop-oldest",
];

interface Entry {
  readonly message: Outgoing;
  /** Counts up over both rows, so that together they are one order. */
  readonly place: number;
  next: Entry | undefined;
}

/** Entries of which the first one leaves first. */
class Row {
  first: Entry | undefined;
  #last: Entry | undefined;

  push(entry: Entry): void {
    if (this.#last === undefined) this.first = entry;
    else this.#last.next = entry;
    this.#last = entry;
  }

  shift(): Outgoing | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    this.first = first.next;
    if (this.first === undefined) this.#last = undefined;
    return first.message;
  }
}

export class WaitingMessages {
  /** Bytes that they take, about. */
  length = 0;
  /** How many were dropped. */
  dropped = 0;
  readonly #max: number;
  readonly #policy: BackpressurePolicy;
  readonly #kept = new Row();
  #keptLength = 0;
  // Rows of their own, so that the oldest one is found at once, however much is in front of it.
  readonly #droppable = new Row();
  #places = 0;

  /** @param max bytes that may wait */
  constructor(max: number, policy: BackpressurePolicy) {
    this.#max = max;
    this.#policy = policy;
  }

  get isEmpty(): boolean {
    return this.#kept.first === undefined && this.#droppable.first === undefined;
  }

  /**
   * Adds a message behind all others, and drops what must give way to it; it may be dropped itself. However large it is, a
   * message that waits alone may wait.
   *
   * @returns `false` if more than may wait cannot be dropped. Then nothing has changed
   */
  add(message: Outgoing, volatile: boolean): boolean {
    const mayBeDropped = this.#mayBeDropped(message, volatile);
    const mustFit = this.#keptLength + message.length;
    if (this.#kept.first !== undefined && mustFit > this.#max) {
      if (mayBeDropped) this.dropped++;
      return mayBeDropped;
    }
    this.#makeRoom(this.#max - message.length);
    const entry = { message, place: this.#places++, next: undefined };
    this.length += message.length;
    if (mayBeDropped) {
      this.#droppable.push(entry);
    } else {
      this.#kept.push(entry);
      this.#keptLength += message.length;
    }
    return true;
  }

  /** Takes the first one out. Returns `undefined` if there is none. */
  take(): Outgoing | undefined {
    const { first: kept } = this.#kept;
    const { first: droppable } = this.#droppable;
    const isKept = kept !== undefined && (droppable === undefined || kept.place < droppable.place);
    const message = isKept ? this.#kept.shift() : this.#droppable.shift();
    if (message === undefined) return undefined;
    this.length -= message.length;
    if (isKept) this.#keptLength -= message.length;
    return message;
  }

  #mayBeDropped(message: Outgoing, volatile: boolean): boolean {
    switch (this.#policy) {
      case "close":
        return false;
      case "drop-volatile":
        return volatile;
      case "drop-oldest":
        return message.isDroppable;
    }
  }

  /** Drops the oldest that may be, until what is left takes no more than `length` or none may be dropped. */
  #makeRoom(length: number): void {
    while (this.length > length) {
      const oldest = this.#droppable.shift();
      if (oldest === undefined) return;
      this.length -= oldest.length;
      this.dropped++;
    }
  }
}
