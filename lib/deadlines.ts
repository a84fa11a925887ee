// Many equal waits on one timer: who waits longest is always first, so joining and leaving cost the
// same however many wait.

/** Calls back for each item that has waited `delay` milliseconds since it was added. */
export class Deadlines<Item> {
  readonly #delay: number;
  readonly #slack: number;
  readonly #onExpire: (item: Item) => void;
  // In the order of their ends, since all wait equally long.
  readonly #ends = new Map<Item, number>();
  #timer: NodeJS.Timeout | undefined;

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
    this.#timer ??= setTimeout(this.#onTimer, this.#delay);
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
    const now = performance.now();
    for (const [item, end] of this.#ends) {
      // Timers count whole milliseconds and may be up to one early.
      if (end > now + 1 + this.#slack) break;
      this.#ends.delete(item);
      this.#onExpire(item);
    }
    this.#stop();
    const [next] = this.#ends.values();
    if (next !== undefined) this.#timer = setTimeout(this.#onTimer, next - performance.now());
  };

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
