// Runs many timeouts of equal length with one timer. The oldest timeout always ends first, so adding or deleting an
// item takes constant time.

/** How many milliseconds late a timer may fire before the event loop counts as blocked. */
const LATE = 2;

/** Calls a function for each item that was added `delay` milliseconds ago. */
export class Deadlines<Item> {
  readonly #delay: number;
  readonly #slack: number;
  readonly #onExpire: (item: Item) => void;
  // The time at which the wait of each item ends. The entries are sorted by this time, because all waits are equally long.
  readonly #ends = new Map<Item, number>();
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #immediate: NodeJS.Immediate | undefined;

  /**
   * @param delay how long each item waits, in milliseconds
   * @param onExpire called with each item whose wait has ended
   * @param slack how many milliseconds early an item may expire, so that it expires together with earlier items.
   * Default: 0
   */
  constructor(delay: number, onExpire: (item: Item) => void, slack = 0) {
    this.#delay = delay;
    this.#slack = slack;
    this.#onExpire = onExpire;
  }

  /** The number of waiting items. */
  get size(): number {
    return this.#ends.size;
  }

  /** Returns whether `item` is waiting. */
  has(item: Item): boolean {
    return this.#ends.has(item);
  }

  /** Starts the wait of `item`. Restarts the wait if `item` is already waiting. */
  add(item: Item): void {
    this.#ends.delete(item);
    // The end is rounded to an integer, which takes less memory in V8. Timers only count whole milliseconds anyway.
    this.#ends.set(item, Math.ceil(performance.now() + this.#delay));
    this.#timer ??= this.#startTimer(this.#delay);
  }

  /** Ends the wait of `item` without calling `onExpire`. Returns whether `item` was waiting. */
  delete(item: Item): boolean {
    const waited = this.#ends.delete(item);
    if (this.#ends.size === 0) this.#stop();
    return waited;
  }

  // If the item that the timer was set for has been deleted, the callback only sets the next timer. While the timer
  // runs, add() does not change the timer, because a new item always expires after all other items.
  readonly #onTimer = (): void => {
    if (performance.now() <= this.#due + LATE) {
      this.#expire();
      return;
    }
    // The event loop was blocked. Data that clients have sent in the meantime is still in the sockets' buffers. The event
    // loop reads this data before it calls the callback of setImmediate(), so an item whose client has sent data can be
    // deleted before it expires. unref() is not called on the immediate, because the callback would then wait for the next
    // event of the event loop, which may be much later.
    this.#immediate = setImmediate(() => this.#expire());
  };

  #expire(): void {
    const now = performance.now();
    try {
      for (const [item, end] of this.#ends) {
        // Timers count whole milliseconds and can fire up to 1 ms early.
        if (end > now + 1 + this.#slack) break;
        this.#ends.delete(item);
        this.#onExpire(item);
      }
    } finally {
      // This code also runs if a callback has thrown, so that the other items still expire. The error is not caught here.
      this.#stop();
      const [next] = this.#ends.values();
      if (next !== undefined) this.#timer = this.#startTimer(next - performance.now());
    }
  }

  /**
   * Starts a timer that does not keep the process alive, because sockets and servers already do. A timer's delay is
   * limited to 31 bits, so a longer wait needs several timers.
   */
  #startTimer(delay: number): NodeJS.Timeout {
    const wait = Math.max(1, Math.min(delay, 0x7fffffff));
    this.#due = performance.now() + wait;
    return setTimeout(this.#onTimer, wait).unref();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
  }
}
