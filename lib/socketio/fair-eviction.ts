// Limits the number and the total size of stored items. Each item has an owner, for example an IP
// address or a room. When a limit is exceeded, the oldest item of an owner with approximately the
// largest share of the stored items is dropped. Therefore an owner with many items cannot displace
// the items of owners with few items.

/** An element of a linked list. */
abstract class Chained<Item> {
  before: Item | undefined;
  after: Item | undefined;
}

/**
 * A linked list that finds its first element in constant time. A Set would first have to skip the
 * slots of deleted elements.
 */
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

/** An item that counts towards a limit. */
export abstract class Kept extends Chained<Kept> {
  /** The account of the item's owner. `undefined` while the item is not stored. */
  account: Account | undefined;
  /** The size with which the item was counted, in bytes. */
  counted = 0;
  /** The owner of the item. */
  abstract readonly owner: string;
  /** Approximate size, in bytes. */
  abstract readonly size: number;
  /** Called when the item is dropped to make room for other items. */
  abstract giveUp(): void;
}

/** The items of one owner. */
class Account extends Chained<Account> {
  readonly items = new Chain<Kept>();
  /**
   * The share of the limits that the items use: their bytes, plus a fixed number of bytes for each
   * item.
   */
  weight = 0;
}

/** Limits above this value count as this value when weights are calculated. */
const LARGE = 2 ** 30;
/** Largest size of a single item, in bytes. The sum of many such sizes is still an exact number. */
const LARGEST = 2 ** 40;

export class FairEviction {
  readonly #maxCount: number;
  readonly #maxSize: number;
  /**
   * The fixed number of bytes for each item: the bytes available per item when `maxCount` items are
   * stored.
   */
  readonly #share: number;
  readonly #accounts = new Map<string, Account>();
  // Accounts grouped by the logarithm of their weight, so that an account with approximately the
  // largest weight is found without a search.
  readonly #byWeight: Chain<Account>[] = [];
  #count = 0;
  #size = 0;

  /**
   * Creates the limits.
   *
   * @param maxCount largest number of items of all owners
   * @param maxSize largest total size of all owners' items, in bytes
   */
  constructor(maxCount: number, maxSize: number) {
    this.#maxCount = maxCount;
    this.#maxSize = maxSize;
    const share = Math.ceil(Math.min(maxSize, LARGE) / Math.max(1, Math.min(maxCount, LARGE)));
    // The share is at least 1, because an item with weight 0 could not be dropped.
    this.#share = Math.max(1, share);
  }

  /** Adds an item. Drops other items, or the item itself, if a limit is exceeded. */
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

  /** Removes an item. Does nothing if the item is not stored. */
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
    // An account with weight 0 has no items, and is in no list of #byWeight.
    if (before > 0) this.#byWeight[before]?.remove(account);
    while (this.#byWeight.length <= after) this.#byWeight.push(new Chain());
    if (after > 0) this.#byWeight[after]?.append(account);
    while (this.#byWeight.length > 0 && this.#byWeight.at(-1)?.first === undefined)
      this.#byWeight.pop();
  }
}

/**
 * Returns the size with which an item is counted. An invalid size, such as NaN, counts as the
 * largest size.
 */
function countedSize(size: number): number {
  return size >= 0 && size < LARGEST ? size : LARGEST;
}

function classOf(weight: number): number {
  return Math.floor(Math.log2(weight + 1));
}
