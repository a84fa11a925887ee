// A queue of the actions that this process has added to a stream. An action waits until this process reads its entry
// from the stream (its echo), and only then runs in this process. Therefore all processes run all actions in the same
// order.
//
//   add() ─▶ waits ─┬─▶ onEcho()     the entry was read ────────────────▶ run() with the id of the entry
//                   ├─▶ onRefused()  there will be no entry ─────────────▶ run() without an id
//                   └─▶ giveUp()     the echo is late, or too much waits ─▶ run() of all waiting actions without an id
//
// After giveUp(), new actions need no echo, until the stream is read again (onRead()).
//
// The order never changes: an action that needs no echo still runs after the actions that were added before it.

/** An action that waits. */
export interface Awaited {
  /** The size of the action, in bytes. */
  readonly size: number;
  /** Whether the action waits for its own echo. Otherwise it only waits for the actions before it. */
  readonly needsEcho: boolean;
  /**
   * Runs the action.
   *
   * @param id the id of the action's entry. `undefined` if the entry was not read
   */
  run(id: string | undefined): void;
}

/** How long an action waits for its echo before it runs anyway, in milliseconds. */
const ECHO_TIMEOUT = 2_000;

/** A queue of actions that run when their entries are read from the stream. */
export class StreamOrder {
  private readonly maxBytes: number;
  private readonly waiting = new Map<number, Awaited & { readonly since: number }>();
  /** Waiting actions whose entries will not arrive. */
  private readonly refused = new Set<number>();
  private bytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private hasGivenUp = false;

  /**
   * @param maxBytes the largest number of bytes that may wait. If more bytes wait, all actions run, and new actions run
   * immediately until the stream is read again
   */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** The number of waiting actions. */
  get size(): number {
    return this.waiting.size;
  }

  /**
   * Whether the queue has given up waiting for echoes, because an echo was late or too many bytes were waiting. Until
   * the next onRead(), the caller adds actions that need no echo.
   */
  get gaveUp(): boolean {
    return this.hasGivenUp;
  }

  /** Returns whether the action with this number is waiting. */
  has(number: number): boolean {
    return this.waiting.has(number);
  }

  /**
   * Adds an action.
   *
   * @param number the number of the action, larger than the numbers of all earlier actions
   * @param awaited the action
   */
  add(number: number, awaited: Awaited): void {
    this.waiting.set(number, { ...awaited, since: performance.now() });
    this.bytes += awaited.size;
    this.runFront();
    if (this.bytes > this.maxBytes) this.giveUp();
    else if (this.waiting.size > 0) this.watch(ECHO_TIMEOUT);
  }

  /** Called when the entry of an action will not arrive. */
  onRefused(number: number): void {
    if (!this.waiting.has(number)) return;
    this.refused.add(number);
    this.runFront();
  }

  /**
   * Called when the entry of an action was read. Earlier actions that still wait for an echo run first, because their
   * entries will not arrive.
   */
  onEcho(number: number, id: string): void {
    this.runBefore(number);
    this.run(number, id);
    this.runFront();
  }

  /** Called after each read of the stream. */
  onRead(): void {
    this.hasGivenUp = false;
  }

  /** Runs all waiting actions. After this call, no action may be added. */
  close(): void {
    clearTimeout(this.timer);
    this.runBefore(Number.POSITIVE_INFINITY);
  }

  private giveUp(): void {
    this.hasGivenUp = true;
    this.runBefore(Number.POSITIVE_INFINITY);
  }

  private run(number: number, id?: string): void {
    const awaited = this.waiting.get(number);
    if (awaited === undefined) return;
    this.waiting.delete(number);
    this.refused.delete(number);
    this.bytes -= awaited.size;
    awaited.run(id);
  }

  /** Runs the actions at the front of the queue, up to the first action that waits for its echo. */
  private runFront(): void {
    for (const [number, { needsEcho }] of this.waiting) {
      if (needsEcho && !this.refused.has(number)) return;
      this.run(number);
    }
  }

  private runBefore(number: number): void {
    for (const each of this.waiting.keys()) {
      if (each >= number) return;
      this.run(each);
    }
  }

  private watch(milliseconds: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const [first] = this.waiting.values();
      if (first === undefined) return;
      const left = first.since + ECHO_TIMEOUT - performance.now();
      if (left > 1) this.watch(left);
      else this.giveUp();
    }, milliseconds).unref();
  }
}
