// Limits the total number of bytes that are buffered because clients read too slowly. If the total exceeds the limit, the
// server disconnects the client for which the most bytes wait. Clients that read in time are not affected.

/** A client for which bytes may wait. */
export interface Debtor {
  /** Called when the total exceeds the limit, and no other client has more waiting bytes. Disconnects the client. */
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
   * Sets how many bytes wait for a client. If bytes wait for only one client, this limit does not apply to the client,
   * because a separate option limits each single client.
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
