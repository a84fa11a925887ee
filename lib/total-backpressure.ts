// Limits the bytes that wait for all clients of a server together. If the limit is exceeded, the server closes the
// connection of the client with the most waiting bytes, so that slow clients do not affect clients that read.

/** A client with waiting bytes. */
export interface Debtor {
  /** Called when more bytes wait for all clients than the limit allows, and the most of them wait for this client. */
  onBacklogFull(): void;
}

/** Tracks how many bytes wait for each client of a server, and limits their sum. */
export class TotalBackpressure {
  readonly #max: number;
  readonly #lengths = new Map<Debtor, number>();
  #total = 0;

  /** @param max the most bytes that may wait for all clients together */
  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Sets how many bytes wait for a client. A single client may exceed this limit, because each client has a limit of
   * its own.
   */
  set(debtor: Debtor, length: number): void {
    this.#total += length - (this.#lengths.get(debtor) ?? 0);
    if (length === 0) this.#lengths.delete(debtor);
    else this.#lengths.set(debtor, length);
    while (this.#total > this.#max && this.#lengths.size > 1) this.#endLargest();
  }

  #endLargest(): void {
    let largest: Debtor | undefined;
    let most = 0;
    for (const [debtor, length] of this.#lengths) {
      if (length > most) [largest, most] = [debtor, length];
    }
    if (largest === undefined) return;
    this.set(largest, 0);
    largest.onBacklogFull();
  }
}
