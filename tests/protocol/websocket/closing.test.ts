// Tests the transition table of the closing handshake: RFC 6455 §7.1.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  type ClosingEvent,
  type ClosingState,
  mayReceive,
  maySendData,
  nextClosingState,
} from "../../../protocol/websocket/closing.ts";

const EVENTS: readonly ClosingEvent[] = ["sendClose", "receiveClose", "fail", "end"];

// The table is repeated here with every cell, so that a mistake in one copy makes a test fail.
// biome-ignore format: aligned table
const EXPECTED: Record<ClosingState, Record<ClosingEvent, ClosingState | undefined>> = {
  open:          { sendClose: "closeSent", receiveClose: "closeReceived", fail: "failed",  end: "closed"  },
  closeSent:     { sendClose: undefined,   receiveClose: "finished",      fail: "failed",  end: "closed"  },
  closeReceived: { sendClose: "finished",  receiveClose: undefined,       fail: "failed",  end: "closed"  },
  finished:      { sendClose: undefined,   receiveClose: undefined,       fail: undefined, end: "closed"  },
  failed:        { sendClose: undefined,   receiveClose: undefined,       fail: undefined, end: "closed"  },
  closed:        { sendClose: undefined,   receiveClose: undefined,       fail: undefined, end: undefined },
};

const STATES = Object.keys(EXPECTED).filter((name): name is ClosingState => name in EXPECTED);

describe("the closing handshake", () => {
  for (const state of STATES) {
    for (const event of EVENTS) {
      const next = EXPECTED[state][event];
      test(`RFC 6455 §7.1 ${event} in ${state}: ${next ?? "cannot happen"}`, () => {
        assert.equal(nextClosingState(state, event), next);
      });
    }
  }

  test("RFC 6455 §7.1 can reach every state from open", () => {
    const seen = new Set<ClosingState>(["open"]);
    for (const state of seen) {
      for (const event of EVENTS) {
        const next = nextClosingState(state, event);
        if (next !== undefined) seen.add(next);
      }
    }
    assert.deepEqual([...seen].sort(), [...STATES].sort());
  });

  test("ends after at most three events", () => {
    const longest = (state: ClosingState): number =>
      Math.max(
        0,
        ...EVENTS.map((event) => {
          const next = nextClosingState(state, event);
          return next === undefined ? 0 : 1 + longest(next);
        }),
      );
    assert.equal(longest("open"), 3);
  });

  test("RFC 6455 §5.5.1 allows data to be sent until a close frame was sent", () => {
    assert.deepEqual(STATES.filter(maySendData), ["open", "closeReceived"]);
  });

  test("RFC 6455 §1.4 allows frames to be received until a close frame was received", () => {
    assert.deepEqual(STATES.filter(mayReceive), ["open", "closeSent"]);
  });
});
