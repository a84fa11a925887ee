// How long the primary waits before it forks a worker in the place of one that has ended: not at all the first time,
// and longer each time if the workers keep ending soon.

/** A worker that ends within so many milliseconds after it began to listen has failed at once. */
export const SOON = 5_000;
export const FIRST_DELAY = 100;
export const LONGEST_DELAY = 30_000;

export class RestartDelay {
  #failures = 0;

  /** Milliseconds to wait. */
  get value(): number {
    if (this.#failures === 0) return 0;
    return Math.min(FIRST_DELAY * 2 ** (this.#failures - 1), LONGEST_DELAY);
  }

  /**
   * Notes that a worker has ended.
   *
   * @param listened milliseconds for which it has listened; 0 if it never did
   */
  onEnd(listened: number): void {
    this.#failures = listened < SOON ? this.#failures + 1 : 0;
  }
}
