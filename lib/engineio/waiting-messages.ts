// The queue of messages for one client that reads too slowly. Implements the options `maxBackpressure` and `backpressurePolicy`.
//
// Only messages of this queue can be dropped. Messages that were passed to a transport may already be partly sent, as part of a
// frame or of a polling response. A transport buffers only a few messages before it is no longer writable.

import type { Outgoing } from "./outgoing.ts";

/**
 * What happens when `maxBackpressure` is reached for a client that reads too slowly.
 *
 * - "close": the client is disconnected.
 * - "drop-volatile": volatile events are queued as well, and the oldest volatile events are dropped. The client is
 *   disconnected if the other packets alone exceed the limit.
 * - "drop-oldest": the oldest events without an acknowledgement are dropped, with their attachments. The client is disconnected
 *   if the other packets alone exceed the limit. Volatile events are not queued.
 *
 * @example
 * const io = new Server(3000, { backpressurePolicy: "drop-oldest", maxBackpressure: 1_000_000 });
 */
export type BackpressurePolicy = "close" | "drop-volatile" | "drop-oldest";

export const BACKPRESSURE_POLICIES: readonly BackpressurePolicy[] = [
  "close",
  "drop-volatile",
  "drop-oldest",
];

interface Entry {
  readonly message: Outgoing;
  /** The number of the entry. The entries of both rows are numbered together, in the order in which they were added. */
  readonly place: number;
  next: Entry | undefined;
}

/** A queue of entries (first in, first out). */
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

/** The queue of messages for one client. */
export class WaitingMessages {
  /** The approximate memory of the messages, in bytes. */
  length = 0;
  /** The number of dropped messages. */
  dropped = 0;
  readonly #max: number;
  readonly #policy: BackpressurePolicy;
  readonly #kept = new Row();
  #keptLength = 0;
  // Messages that may be dropped have a separate row, so that the oldest of these messages is found at once.
  readonly #droppable = new Row();
  #places = 0;

  /** @param max how many bytes may wait */
  constructor(max: number, policy: BackpressurePolicy) {
    this.#max = max;
    this.#policy = policy;
  }

  get isEmpty(): boolean {
    return this.#kept.first === undefined && this.#droppable.first === undefined;
  }

  /**
   * Adds a message to the end of the queue, and drops messages if the limit is exceeded. The added message itself may be
   * dropped. If the queue is empty, the message is always accepted, however large the message is.
   *
   * @returns `false` if the messages that must not be dropped exceed the limit. Then the queue is unchanged
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

  /** Removes and returns the first message. Returns `undefined` if the queue is empty. */
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

  /** Drops the oldest droppable messages until the queue takes at most `length` bytes, or no droppable message is left. */
  #makeRoom(length: number): void {
    while (this.length > length) {
      const oldest = this.#droppable.shift();
      if (oldest === undefined) return;
      this.length -= oldest.length;
      this.dropped++;
    }
  }
}
