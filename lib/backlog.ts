// What waits for the clients of a server all together, and whose connection ends when it is too much: the one for which the
// most waits, so that a client that reads pays for nobody.

/** A client for which something waits. */
export interface Debtor {
  /** More waits for all clients than may, and the most for this one. */
  onBacklogFull(): void;
}

export class Backlog {
  readonly #max: number;
  readonly #lengths = new Map<Debtor, number>();
  #total = 0;

  /** @param max bytes that may wait for all clients together */
  constructor(max: number) {
    this.#max = max;
  }

  /** Sets how many bytes wait for a client. A single one may exceed the limit: it has its own. */
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
