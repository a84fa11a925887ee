// What this process has added to a stream, in order, until it comes back from there and is done here too. So all
// processes do everything in the same order.
//
//   waits ─▶ comes back ─────────────────────────▶ done, with the id of its entry
//     └────▶ refused, or late (ECHO_TIMEOUT) ────▶ done, without
//
// Nothing overtakes: what need not come back is done behind what was emitted before it.

/** What waits. */
export interface Awaited {
  /** Bytes that it takes. */
  readonly size: number;
  /** It waits for nothing but what is in front of it. */
  readonly ready: boolean;
  /** Does it. @param id of its entry, if it has come back */
  run(id: string | undefined): void;
}

/** Milliseconds after which the clients of this process are sent what has not come back. */
const ECHO_TIMEOUT = 2_000;

export class EchoQueue {
  private readonly maxBytes: number;
  private readonly waiting = new Map<number, Awaited & { readonly since: number }>();
  /** Those that came to be ready while they waited. */
  private readonly released = new Set<number>();
  private bytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private isSilent = false;

  /** @param maxBytes that wait at most; with more, nothing is waited for until something comes back */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Nothing comes back, so nothing is waited for. */
  get silent(): boolean {
    return this.isSilent;
  }

  has(number: number): boolean {
    return this.waiting.has(number);
  }

  /** @param number larger than those before */
  add(number: number, awaited: Awaited): void {
    this.waiting.set(number, { ...awaited, since: performance.now() });
    this.bytes += awaited.size;
    this.runReady();
    if (this.bytes > this.maxBytes) this.giveUp();
    else if (this.waiting.size > 0) this.watch(ECHO_TIMEOUT);
  }

  /** It will not come back. */
  release(number: number): void {
    if (!this.waiting.has(number)) return;
    this.released.add(number);
    this.runReady();
  }

  /** It has come back. What was added before it and has not come back was refused. */
  onEcho(number: number, id: string): void {
    this.runAll(number);
    this.run(number, id);
    this.runReady();
  }

  /** The stream is read again. */
  onSound(): void {
    this.isSilent = false;
  }

  /** Does all that waits, and waits no more. */
  close(): void {
    clearTimeout(this.timer);
    this.runAll();
  }

  private giveUp(): void {
    this.isSilent = true;
    this.runAll();
  }

  private run(number: number, id?: string): void {
    const awaited = this.waiting.get(number);
    if (awaited === undefined) return;
    this.waiting.delete(number);
    this.released.delete(number);
    this.bytes -= awaited.size;
    awaited.run(id);
  }

  private runReady(): void {
    for (const [number, { ready }] of this.waiting) {
      if (!ready && !this.released.has(number)) return;
      this.run(number);
    }
  }

  private runAll(before = Number.POSITIVE_INFINITY): void {
    for (const number of this.waiting.keys()) {
      if (number >= before) return;
      this.run(number);
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
