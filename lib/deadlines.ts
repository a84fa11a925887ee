// Many equal waits on one timer: who waits longest is always first, so joining and leaving cost the
// same however many wait.

/** Milliseconds by which a timer may fire late before the event loop counts as blocked. */
const LATE = 2;

/** Calls back for each item that has waited `delay` milliseconds since it was added. */
export class Deadlines<Item> {
  readonly #delay: number;
  readonly #slack: number;
  readonly #onExpire: (item: Item) => void;
  // In the order of their ends, since all wait equally long.
  readonly #ends = new Map<Item, number>();
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #immediate: NodeJS.Immediate | undefined;

  /** @param slack milliseconds that an item may be early, so that it is called with those before it */
  constructor(delay: number, onExpire: (item: Item) => void, slack = 0) {
    this.#delay = delay;
    this.#slack = slack;
    this.#onExpire = onExpire;
  }

  /** How many wait. */
  get size(): number {
    return this.#ends.size;
  }

  /** Whether `item` waits. */
  has(item: Item): boolean {
    return this.#ends.has(item);
  }

  /** Begins the wait of `item`, anew if it waits already. */
  add(item: Item): void {
    this.#ends.delete(item);
    // A whole number takes no memory of its own, and timers count whole milliseconds anyway.
    this.#ends.set(item, Math.ceil(performance.now() + this.#delay));
    this.#timer ??= this.#startTimer(this.#delay);
  }

  /** Ends the wait of `item` without a call. Whether it waited. */
  delete(item: Item): boolean {
    const waited = this.#ends.delete(item);
    if (this.#ends.size === 0) this.#stop();
    return waited;
  }

  // A timer for an item that has left meanwhile only sets the next one. While it runs, add() leaves
  // the timer alone: who joins last is never the next.
  readonly #onTimer = (): void => {
    if (performance.now() <= this.#due + LATE) {
      this.#expire();
      return;
    }
    // The event loop was blocked. What clients have sent meanwhile is in their sockets' buffers, and is read before any of
    // them is called late.
    this.#immediate = setImmediate(() => this.#expire()).unref();
  };

  #expire(): void {
    const now = performance.now();
    try {
      for (const [item, end] of this.#ends) {
        // Timers count whole milliseconds and may be up to one early.
        if (end > now + 1 + this.#slack) break;
        this.#ends.delete(item);
        this.#onExpire(item);
      }
    } finally {
      // Also when one has thrown: the error surfaces, and the others expire all the same.
      this.#stop();
      const [next] = this.#ends.values();
      if (next !== undefined) this.#timer = this.#startTimer(next - performance.now());
    }
  }

  /**
   * Starts a timer that does not keep the process alive: sockets and servers do that. A timer takes no more than 32 bits,
   * so a longer wait takes several.
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
