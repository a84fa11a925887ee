// Checks the transition table of a state machine.

import assert from "node:assert/strict";
import { test } from "node:test";

/** Returns the keys of a record, with their type. */
export function keys<Key extends string>(record: Readonly<Record<Key, unknown>>): readonly Key[] {
  const isKey = (name: string): name is Key => name in record;
  return Object.keys(record).filter(isKey);
}

/** Returns the states that can be reached from `first`, including `first` itself. */
export function reachable<State, Event>(
  first: State,
  events: readonly Event[],
  next: (state: State, event: Event) => State | undefined,
): Set<State> {
  const found = new Set([first]);
  // The iteration of a set includes elements that are added during the iteration.
  for (const state of found) {
    for (const event of events) {
      const after = next(state, event);
      if (after !== undefined) found.add(after);
    }
  }
  return found;
}

/** Tests every state with every event. `undefined` means that the event cannot happen in this state. */
export function testTable<State extends string, Event extends string>(
  expected: Readonly<Record<State, Readonly<Record<Event, State | undefined>>>>,
  next: (state: State, event: Event) => State | undefined,
): void {
  for (const state of keys(expected)) {
    for (const event of keys(expected[state])) {
      const after = expected[state][event];
      test(`${event} in ${state}: ${after ?? "cannot happen"}`, () => {
        assert.equal(next(state, event), after);
      });
    }
  }
}
