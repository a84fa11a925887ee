// Computes how long the primary waits before it forks a worker to replace one that has ended. A worker that has listened for
// at least SOON milliseconds is replaced at once. If workers keep ending soon after they have started, each delay is twice
// as long as the delay before, from FIRST_DELAY up to LONGEST_DELAY.

/** A worker that ends within this many milliseconds after it has started to listen counts as failed. */
export const SOON = 5_000;
export const FIRST_DELAY = 100;
export const LONGEST_DELAY = 30_000;

export class RestartDelay {
  #failures = 0;

  /** The delay before the next fork, in milliseconds. */
  get value(): number {
    if (this.#failures === 0) return 0;
    return Math.min(FIRST_DELAY * 2 ** (this.#failures - 1), LONGEST_DELAY);
  }

  /**
   * Records that a worker has ended.
   *
   * @param listened for how many milliseconds the worker has listened, or 0 if it never listened
   */
  onEnd(listened: number): void {
    this.#failures = listened < SOON ? this.#failures + 1 : 0;
  }
}
