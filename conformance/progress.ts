// The line at the bottom of a terminal that says how far a run is.

import type { Result } from "./kit/runner.ts";

/** Where output goes; process.stdout is one. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** ECMA-48 §8.3.41: what stands in the line is erased. */
const ERASE = "\r\x1b[K";

export class Progress {
  readonly #output: Output;
  readonly #total: number;
  readonly #shown: boolean;
  #done = 0;
  #failed = 0;

  /** Nothing is shown where `output` is no terminal. */
  constructor(output: Output, total: number, wanted: boolean) {
    this.#output = output;
    this.#total = total;
    this.#shown = wanted && output.isTTY === true;
  }

  update({ id, outcome }: Result): void {
    this.#done++;
    if (outcome === "failed") this.#failed++;
    if (!this.#shown) return;
    const line = `${this.#done}/${this.#total}, ${this.#failed} failed  ${id}`;
    // A line that wraps could not be erased.
    this.#output.write(ERASE + line.slice(0, (this.#output.columns ?? 80) - 1));
  }

  clear(): void {
    if (this.#shown) this.#output.write(ERASE);
  }
}
