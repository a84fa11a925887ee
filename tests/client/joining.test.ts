// Tests the state machine of a socket in its namespace: every state with every event.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  type JoiningEvent,
  type JoiningState,
  nextJoiningState,
} from "../../client/socketio/joining.ts";
import { keys, reachable, testTable } from "../support/table.ts";

const NO = undefined;

/** Record requires every state and event, so a missing entry does not compile. */
// biome-ignore format: aligned table
const EXPECTED: Record<JoiningState, Record<JoiningEvent, JoiningState | undefined>> = {
  inactive:       { connect: "waiting", ask: NO,               join: NO,        accept: NO,          lost: NO,        leave: NO         },
  waiting:        { connect: NO,        ask: "authenticating", join: NO,        accept: "connected", lost: NO,        leave: "inactive" },
  authenticating: { connect: NO,        ask: NO,               join: "joining", accept: "connected", lost: "waiting", leave: "inactive" },
  joining:        { connect: NO,        ask: NO,               join: NO,        accept: "connected", lost: "waiting", leave: "inactive" },
  connected:      { connect: NO,        ask: NO,               join: NO,        accept: NO,          lost: "waiting", leave: "inactive" },
};

const STATES = keys(EXPECTED);
const EVENTS = keys(EXPECTED.inactive);

describe("the state table of a client's socket", () => {
  testTable(EXPECTED, nextJoiningState);

  test("reaches every state from every state, so a socket can always leave and join again", () => {
    for (const state of STATES) {
      assert.deepEqual(reachable(state, EVENTS, nextJoiningState), new Set(STATES), state);
    }
  });

  test("allows sending CONNECT only once for each connection", () => {
    assert.deepEqual(
      STATES.filter((state) => nextJoiningState(state, "ask") !== undefined),
      ["waiting"],
    );
  });
});
