// Tests which items are dropped if several owners together exceed a limit.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { FairEviction, Kept } from "../../../lib/socketio/fair-eviction.ts";
import { Random, seed } from "../../support/random.ts";

class Item extends Kept {
  readonly owner: string;
  readonly name: string;
  readonly size: number;
  readonly giveUp: () => void;

  constructor(owner: string, name: string, size: number, giveUp: () => void) {
    super();
    this.owner = owner;
    this.name = name;
    this.size = size;
    this.giveUp = giveUp;
  }
}

/** Creates a limit. Returns the limit, and a list for the names of the dropped items. */
function start(maxCount: number, maxSize: number): { bound: FairEviction; given: string[] } {
  return { bound: new FairEviction(maxCount, maxSize), given: [] };
}

function itemOf(given: string[], owner: string, name: string, size = 1): Item {
  return new Item(owner, name, size, () => given.push(name));
}

describe("FairEviction", () => {
  test("drops the oldest item of the owner with the most items if there are too many", () => {
    const { bound, given } = start(4, 1000);
    for (const name of ["a1", "b1", "b2", "b3", "b4", "b5"]) {
      bound.add(itemOf(given, name.charAt(0), name));
    }
    assert.deepEqual(given, ["b1", "b2"]);
  });

  test("compares owners by number of items, not by size, if there are too many items", () => {
    const { bound, given } = start(4, 1000);
    bound.add(itemOf(given, "a", "a1", 200));
    for (const name of ["b1", "b2", "b3", "b4"]) bound.add(itemOf(given, "b", name));
    assert.deepEqual(given, ["b1"]);
  });

  test("drops items beyond the total size, and an item that alone exceeds the total size", () => {
    const { bound, given } = start(1000, 100);
    bound.add(itemOf(given, "a", "a1", 40));
    bound.add(itemOf(given, "b", "b1", 50));
    bound.add(itemOf(given, "b", "b2", 20));
    assert.deepEqual(given, ["b1"]);
    bound.add(itemOf(given, "c", "c1", 101));
    assert.deepEqual(given, ["b1", "c1"]);
  });

  test("drops the oldest item of all owners if all have the same number of items", () => {
    const { bound, given } = start(3, 1000);
    for (const name of ["a", "b", "c", "d", "e"]) bound.add(itemOf(given, name, name));
    assert.deepEqual(given, ["a", "b"]);
  });

  test("drops every item if a limit is 0", () => {
    for (const [count, size] of [
      [0, 1000],
      [1000, 0],
      [0, 0],
    ] as const) {
      const { bound, given } = start(count, size);
      bound.add(itemOf(given, "a", "a1"));
      assert.deepEqual(given, ["a1"], `${count} ${size}`);
    }
  });

  test("drops items with an invalid size, and keeps its limits", () => {
    for (const size of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300]) {
      const { bound, given } = start(4, 1000);
      bound.add(itemOf(given, "a", "a1"));
      bound.add(itemOf(given, "b", "b1", size));
      assert.deepEqual(given, ["b1"], `${size}`);
      for (let count = 2; count < 10; count++) bound.add(itemOf(given, "b", `b${count}`));
      assert.deepEqual(given, ["b1", "b2", "b3", "b4", "b5", "b6"], `${size}`);
    }
  });

  test("counts an item with its size at add(), even if the size changes later", () => {
    const { bound, given } = start(100, 1000);
    const changing = {
      ...{ bytes: 900 },
      item: new (class extends Kept {
        readonly owner = "a";
        get size(): number {
          return changing.bytes;
        }
        giveUp(): void {
          given.push("a1");
        }
      })(),
    };
    bound.add(changing.item);
    changing.bytes = 1;
    bound.delete(changing.item);
    bound.add(itemOf(given, "b", "b1", 900));
    assert.deepEqual(given, []);
  });

  test("drops even an item of size 0 if the limits are 0", () => {
    const { bound, given } = start(0, 0);
    bound.add(itemOf(given, "a", "a1", 0));
    assert.deepEqual(given, ["a1"]);
  });

  test("drops nothing if the limits are Infinity", () => {
    const { bound, given } = start(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    for (let count = 0; count < 1000; count++) bound.add(itemOf(given, "a", `${count}`, 2 ** 40));
    assert.deepEqual(given, []);
  });

  test("does not count a deleted item, and ignores a second delete()", () => {
    const { bound, given } = start(2, 1000);
    const first = itemOf(given, "a", "a1");
    bound.add(first);
    bound.add(itemOf(given, "a", "a2"));
    bound.delete(first);
    bound.delete(first);
    bound.add(itemOf(given, "a", "a3"));
    assert.deepEqual(given, []);
    bound.add(itemOf(given, "a", "a4"));
    assert.deepEqual(given, ["a2"]);
  });

  test(`never exceeds its limits, and keeps all items of an owner with few items (SEED=${seed})`, () => {
    const random = new Random(seed);
    const [maxCount, maxSize] = [50, 2000];
    const bound = new FairEviction(maxCount, maxSize);
    const kept = new Map<string, Item>();
    const keep = (owner: string, name: string, size: number): void => {
      const item = new Item(owner, name, size, () => kept.delete(name));
      kept.set(name, item);
      bound.add(item);
    };
    const sizes = (): number[] => [...kept.values()].map(({ size }) => size);
    for (const name of ["f1", "f2", "f3"]) keep("few", name, 10);
    let most = 0;
    for (let step = 0; step < 5000; step++) {
      const item = [...kept.values()][random.int(kept.size)];
      if (item === undefined || random.int(3) > 0) {
        keep(`${random.int(3)}`, `${step}`, 1 + random.int(300));
      } else if (item.owner !== "few") {
        kept.delete(item.name);
        bound.delete(item);
      }
      most = Math.max(most, kept.size);
      assert.ok(kept.size <= maxCount);
      assert.ok(sizes().reduce((sum, size) => sum + size, 0) <= maxSize);
      assert.ok(["f1", "f2", "f3"].every((name) => kept.has(name)));
    }
    // The limits must allow more than the three protected items.
    assert.ok(most > 10);
  });
});
