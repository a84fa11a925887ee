// Tests every state of the session's state machine with every event: Engine.IO "Handshake", "Upgrade", "Heartbeat".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  nextSessionState,
  type SessionEvent,
  type SessionState,
} from "../../../protocol/engineio/session.ts";
import { Random, seed } from "../../support/random.ts";

const NO = undefined;

/** The next state for each state and event. A missing state or event does not compile. */
// biome-ignore format: aligned table
const EXPECTED: Record<SessionState, Record<SessionEvent, SessionState | undefined>> = {
  polling:        { probe: "probing",        upgrade: NO,          abandon: NO,        close: "closing",        drained: NO,       lost: "closed" },
  probing:        { probe: NO,               upgrade: "websocket", abandon: "polling", close: "closingProbing", drained: NO,       lost: "closed" },
  websocket:      { probe: NO,               upgrade: NO,          abandon: NO,        close: "closing",        drained: NO,       lost: "closed" },
  closing:        { probe: "closingProbing", upgrade: NO,          abandon: NO,        close: NO,               drained: "closed", lost: "closed" },
  closingProbing: { probe: NO,               upgrade: "closing",   abandon: "closing", close: NO,               drained: "closed", lost: "closed" },
  closed:         { probe: NO,               upgrade: NO,          abandon: NO,        close: NO,               drained: NO,       lost: NO       },
};

/** Returns the keys of a record, with their type. */
function keys<Key extends string>(record: Readonly<Record<Key, unknown>>): readonly Key[] {
  const isKey = (name: string): name is Key => name in record;
  return Object.keys(record).filter(isKey);
}

const STATES = keys(EXPECTED);
const EVENTS = keys(EXPECTED.polling);

describe("a session", () => {
  for (const state of STATES) {
    for (const event of EVENTS) {
      const expected = EXPECTED[state][event];
      test(`${event} in ${state}: ${expected ?? "cannot happen"}`, () => {
        assert.equal(nextSessionState(state, event), expected);
      });
    }
  }

  test("Upgrade: never goes back from WebSocket to polling, and never leaves closed", () => {
    const reachable = (from: SessionState): Set<SessionState> => {
      const found = new Set<SessionState>();
      const open: SessionState[] = [from];
      for (let state = open.pop(); state !== undefined; state = open.pop()) {
        for (const event of EVENTS) {
          const next = nextSessionState(state, event);
          if (next === undefined || found.has(next)) continue;
          found.add(next);
          open.push(next);
        }
      }
      return found;
    };
    assert.deepEqual(
      reachable("polling"),
      new Set(["probing", "closing", "closingProbing", "closed", "websocket", "polling"]),
    );
    assert.ok(!reachable("websocket").has("polling"));
    assert.ok(!reachable("websocket").has("probing"));
    assert.deepEqual(reachable("closed"), new Set());
    for (const state of STATES) {
      if (state !== "closed") assert.ok(reachable(state).has("closed"), state);
    }
  });

  test(`closes at most once, and stays closed, for random events (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let walk = 0; walk < 1000; walk++) {
      let state: SessionState = random.pick(["polling", "websocket"]);
      let ends = 0;
      for (let step = 0; step < 50; step++) {
        const event = random.pick(EVENTS);
        assert.ok(event !== undefined);
        const next = nextSessionState(state, event);
        if (next === "closed") ends++;
        state = next ?? state;
      }
      assert.equal(ends, state === "closed" ? 1 : 0);
    }
  });
});
