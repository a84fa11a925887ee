// A histogram of latencies with buckets that grow by 2 %. Histograms of several processes can be added.

import type { Json } from "../../bench/ipc.ts";

const GROWTH = Math.log(1.02);
/** The upper limit of the first bucket, in milliseconds. */
const FIRST = 0.01;

export class Latencies {
  readonly #buckets = new Map<number, number>();
  count = 0;

  /** Adds one latency, in milliseconds. */
  add(ms: number): void {
    this.#addTo(Math.max(0, Math.ceil(Math.log(ms / FIRST) / GROWTH)), 1);
  }

  /** Adds the result of toJson() from another process. */
  merge(json: Json): void {
    if (json === null || typeof json !== "object") return;
    for (const [bucket, count] of Object.entries(json)) this.#addTo(Number(bucket), Number(count));
  }

  /** Returns a percentile in milliseconds, with an error of at most 2 %. `share` is between 0 and 1. */
  percentile(share: number): number {
    const sorted = [...this.#buckets].sort(([one], [other]) => one - other);
    let seen = 0;
    for (const [bucket, count] of sorted) {
      seen += count;
      if (seen >= share * this.count) return FIRST * Math.exp(bucket * GROWTH);
    }
    return Number.NaN;
  }

  toJson(): Json {
    return Object.fromEntries(this.#buckets);
  }

  #addTo(bucket: number, count: number): void {
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + count);
    this.count += count;
  }
}
