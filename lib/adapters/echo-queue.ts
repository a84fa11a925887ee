// What this process has added to a stream, in order, until it comes back from there and is done here too. So all
// processes do everything in the same order.
//
//   add() ─▶ waits ─┬─▶ onEcho()     it has come back ─────────────▶ run(), with the id of its entry
//                   ├─▶ onRefused()  it will not come back ─────────▶ run(), without
//                   └─▶ giveUp()     it is late, or too much waits ─▶ run() of all that waits, without
//
// When it has given up, what is added does not wait until the stream is read again (onRead()).
//
// Nothing overtakes: what need not come back is done behind what was emitted before it.

/** What waits. */
export interface Awaited {
  /** Bytes that it takes. */
  readonly size: number;
  /** Whether it waits until it comes back. Otherwise it waits only for what is in front of it. */
  readonly needsEcho: boolean;
  /** Does it. @param id of its entry, if it has come back */
  run(id: string | undefined): void;
}

/** Milliseconds after which the clients of this process are sent what has not come back. */
const ECHO_TIMEOUT = 2_000;

export class EchoQueue {
  private readonly maxBytes: number;
  private readonly waiting = new Map<number, Awaited & { readonly since: number }>();
  /** Those of them that will not come back. */
  private readonly refused = new Set<number>();
  private bytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private hasGivenUp = false;

  /** @param maxBytes that wait at most; with more, nothing is waited for until something comes back */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Whether nothing is waited for, since nothing comes back. */
  get gaveUp(): boolean {
    return this.hasGivenUp;
  }

  has(number: number): boolean {
    return this.waiting.has(number);
  }

  /** @param number larger than those before */
  add(number: number, awaited: Awaited): void {
    this.waiting.set(number, { ...awaited, since: performance.now() });
    this.bytes += awaited.size;
    this.runFront();
    if (this.bytes > this.maxBytes) this.giveUp();
    else if (this.waiting.size > 0) this.watch(ECHO_TIMEOUT);
  }

  /** It will not come back. */
  onRefused(number: number): void {
    if (!this.waiting.has(number)) return;
    this.refused.add(number);
    this.runFront();
  }

  /** It has come back. What was added before it and has not come back was refused. */
  onEcho(number: number, id: string): void {
    this.runBefore(number);
    this.run(number, id);
    this.runFront();
  }

  /** The stream is read again. */
  onRead(): void {
    this.hasGivenUp = false;
  }

  /** Does all that waits, and waits no more. */
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

  /** Does what is in front, up to the first that has to come back. */
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
