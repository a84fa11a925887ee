// Compares the messages that wait for one client with a simple implementation of the same rules.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Outgoing } from "../../../lib/engineio/outgoing.ts";
import {
  BACKPRESSURE_POLICIES,
  type BackpressurePolicy,
  WaitingMessages,
} from "../../../lib/engineio/waiting-messages.ts";
import { Random, seed } from "../../support/random.ts";

interface Item {
  readonly message: Outgoing;
  readonly mayBeDropped: boolean;
}

const MAX = 3000;

function lengthOf(items: readonly Item[]): number {
  return items.reduce((sum, { message }) => sum + message.length, 0);
}

/**
 * Implements the rules on a list. Returns the items including the new one, or `undefined` if the items that must not
 * be dropped exceed the limit.
 */
function added(items: readonly Item[], item: Item): readonly Item[] | undefined {
  const kept = items.filter(({ mayBeDropped }) => !mayBeDropped);
  if (kept.length > 0 && lengthOf([...kept, item]) > MAX) {
    return item.mayBeDropped ? items : undefined;
  }
  const all = [...items, item];
  while (lengthOf(all) > MAX) {
    const oldest = all.slice(0, -1).findIndex(({ mayBeDropped }) => mayBeDropped);
    if (oldest < 0) break;
    all.splice(oldest, 1);
  }
  return all;
}

const MAY_BE_DROPPED: Readonly<
  Record<BackpressurePolicy, (message: Outgoing, volatile: boolean) => boolean>
> = {
  close: () => false,
  "drop-volatile": (_message, volatile) => volatile,
  "drop-oldest": ({ isDroppable }) => isDroppable,
};

describe("WaitingMessages", () => {
  for (const policy of BACKPRESSURE_POLICIES) {
    test(`${policy}: keeps and drops random messages like a plain list (SEED=${seed})`, () => {
      const random = new Random(seed);
      for (let run = 0; run < 200; run++) {
        const waiting = new WaitingMessages(MAX, policy);
        let expected: readonly Item[] = [];
        let dropped = 0;
        for (let step = 0; step < 100; step++) {
          if (random.int(4) === 0) {
            assert.equal(waiting.take(), expected[0]?.message);
            expected = expected.slice(1);
          } else {
            const size = random.int(20) === 0 ? 5000 : random.int(600);
            const message = new Outgoing(["x".repeat(size)], false, random.int(2) === 0);
            const volatile = random.int(2) === 0;
            const mayBeDropped = MAY_BE_DROPPED[policy](message, volatile);
            const after = added(expected, { message, mayBeDropped });
            assert.equal(waiting.add(message, volatile), after !== undefined);
            if (after === undefined) continue;
            dropped += expected.length + 1 - after.length;
            expected = after;
          }
          assert.equal(waiting.length, lengthOf(expected));
          assert.equal(waiting.dropped, dropped);
          assert.equal(waiting.isEmpty, expected.length === 0);
          assert.ok(waiting.length <= MAX || expected.length === 1);
        }
        for (const { message } of expected) assert.equal(waiting.take(), message);
        assert.equal(waiting.take(), undefined);
      }
    });
  }

  test("finds the oldest message to drop in constant time", () => {
    const waiting = new WaitingMessages(100_000_000, "drop-oldest");
    const small = new Outgoing(["x"], false, true);
    const kept = new Outgoing(["x"], false);
    for (let n = 0; n < 200_000; n++) waiting.add(n % 2 === 0 ? kept : small, false);
    const full = new Outgoing(["x".repeat(100_000_000 - waiting.length - 200)], false);
    waiting.add(full, false);
    // A linear search for the oldest message to drop would take about 10,000,000,000 steps.
    for (let n = 0; n < 100_000; n++) waiting.add(small, false);
    assert.equal(waiting.dropped, 100_000);
  });
});
