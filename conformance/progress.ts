// The progress of a run: a line at the bottom of a terminal, or a line at intervals for other outputs.

import type { Result } from "./harness/runner.ts";

/** A writable output, such as process.stdout. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** ECMA-48 §8.3.41: erases the line. */
const ERASE = "\r\x1b[K";

/** Milliseconds between two lines if the output is not a terminal, as in CI. */
const INTERVAL = 5000;

export class Progress {
  readonly #output: Output;
  readonly #total: number;
  readonly #shown: boolean;
  readonly #timer: NodeJS.Timeout | undefined;
  #done = 0;
  #failed = 0;
  #musts = 0;
  #latest = "";

  constructor(output: Output, total: number, wanted: boolean) {
    this.#output = output;
    this.#total = total;
    this.#shown = wanted && output.isTTY === true;
    if (wanted && !this.#shown) {
      this.#timer = setInterval(() => output.write(`${this.#line()}\n`), INTERVAL);
    }
  }

  update({ id, outcome, severity }: Pick<Result, "id" | "outcome" | "severity">): void {
    this.#done++;
    if (outcome === "failed") this.#failed++;
    if (outcome === "failed" && severity === "MUST") this.#musts++;
    this.#latest = id;
    // The line is truncated, because a line that wraps could not be erased.
    if (this.#shown) {
      this.#output.write(ERASE + this.#line().slice(0, (this.#output.columns ?? 80) - 1));
    }
  }

  /** Ends the progress. Erases the line of a terminal. */
  clear(): void {
    clearInterval(this.#timer);
    if (this.#shown) this.#output.write(ERASE);
  }

  #line(): string {
    const musts = this.#musts === 0 ? "" : ` (${this.#musts} MUST)`;
    return `${this.#done}/${this.#total}, ${this.#failed} failed${musts}  ${this.#latest}`;
  }
}
