// A bound on what is kept for several owners together. What is given up for others is the oldest of an owner that has
// about the most, so that nobody can have the few things of others given up by having many.

/** A part of a chain. */
abstract class Chained<Item> {
  before: Item | undefined;
  after: Item | undefined;
}

/** A list whose first part is found at once. That of a Set is behind all places from which others were deleted. */
class Chain<Item extends Chained<Item>> {
  first: Item | undefined;
  #last: Item | undefined;

  append(item: Item): void {
    item.before = this.#last;
    if (this.#last === undefined) this.first = item;
    else this.#last.after = item;
    this.#last = item;
  }

  remove(item: Item): void {
    const { before, after } = item;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    item.before = undefined;
    item.after = undefined;
  }
}

/** Something that is kept. */
export abstract class Kept extends Chained<Kept> {
  /** That of its owner, while it is kept. */
  account: Account | undefined;
  /** The bytes with which it was counted. */
  counted = 0;
  /** For whom it is kept. */
  abstract readonly owner: string;
  /** About as many bytes as it takes. */
  abstract readonly size: number;
  /** Called when it is given up for others. */
  abstract giveUp(): void;
}

/** What is kept for one owner. */
class Account extends Chained<Account> {
  readonly items = new Chain<Kept>();
  /** What the items take of the bound: their bytes, and a part for their number. */
  weight = 0;
}

/** The most that counts as a bound in the weights. */
const LARGE = 2 ** 30;
/** The most bytes for which one item counts: the sum of many is still exact. */
const LARGEST = 2 ** 40;

export class FairBound {
  readonly #maxCount: number;
  readonly #maxSize: number;
  /** The bytes for which one item counts: as many as there are for each when there are `maxCount`. */
  readonly #share: number;
  readonly #accounts = new Map<string, Account>();
  // By the logarithm of their weights, so that one with about the most is found without a search.
  readonly #byWeight: Chain<Account>[] = [];
  #count = 0;
  #size = 0;

  /**
   * @param maxCount items of all owners
   * @param maxSize bytes of all owners
   */
  constructor(maxCount: number, maxSize: number) {
    this.#maxCount = maxCount;
    this.#maxSize = maxSize;
    const share = Math.ceil(Math.min(maxSize, LARGE) / Math.max(1, Math.min(maxCount, LARGE)));
    // What weighs nothing could not be given up.
    this.#share = Math.max(1, share);
  }

  /** Adds an item. Others, or the item itself, are given up if that is too much. */
  add(item: Kept): void {
    const account = this.#accounts.get(item.owner) ?? new Account();
    this.#accounts.set(item.owner, account);
    item.account = account;
    account.items.append(item);
    item.counted = countedSize(item.size);
    this.#change(account, 1, item.counted);
    while (this.#count > this.#maxCount || this.#size > this.#maxSize) {
      const oldest = this.#byWeight.at(-1)?.first?.items.first;
      if (oldest === undefined) break;
      this.delete(oldest);
      oldest.giveUp();
    }
  }

  /** Removes an item, if it is there. */
  delete(item: Kept): void {
    const { account } = item;
    if (account === undefined) return;
    item.account = undefined;
    account.items.remove(item);
    this.#change(account, -1, -item.counted);
    if (account.items.first === undefined) this.#accounts.delete(item.owner);
  }

  #change(account: Account, count: number, size: number): void {
    this.#count += count;
    this.#size += size;
    const before = classOf(account.weight);
    account.weight += size + count * this.#share;
    const after = classOf(account.weight);
    if (before === after) return;
    // One that weighs nothing has nothing.
    if (before > 0) this.#byWeight[before]?.remove(account);
    while (this.#byWeight.length <= after) this.#byWeight.push(new Chain());
    if (after > 0) this.#byWeight[after]?.append(account);
    while (this.#byWeight.length > 0 && this.#byWeight.at(-1)?.first === undefined)
      this.#byWeight.pop();
  }
}

/** Returns the bytes for which an item counts. One whose size is no number counts as the largest, on its owner's account. */
function countedSize(size: number): number {
  return size >= 0 && size < LARGEST ? size : LARGEST;
}

function classOf(weight: number): number {
  return Math.floor(Math.log2(weight + 1));
}
