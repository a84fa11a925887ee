// Tests the state machine of a manager: every state with every event.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  type ConnectionEvent,
  type ConnectionState,
  isConnecting,
  isReconnecting,
  nextConnectionState,
} from "../../client/socketio/reconnection.ts";
import { keys, reachable, testTable } from "../support/table.ts";

const NO = undefined;

/** Record requires every state and event, so a missing entry does not compile. */
// biome-ignore format: aligned table
const EXPECTED: Record<ConnectionState, Record<ConnectionEvent, ConnectionState | undefined>> = {
  closed:       { attempt: "opening",   open: NO,     fail: NO,             lost: NO,             wait: NO,        stop: NO,        close: NO       },
  opening:      { attempt: NO,          open: "open", fail: "disconnected", lost: NO,             wait: NO,        stop: NO,        close: "closed" },
  open:         { attempt: NO,          open: NO,     fail: NO,             lost: "disconnected", wait: NO,        stop: NO,        close: "closed" },
  disconnected: { attempt: "opening",   open: NO,     fail: NO,             lost: NO,             wait: "waiting", stop: "closed",  close: "closed" },
  waiting:      { attempt: "reopening", open: NO,     fail: NO,             lost: NO,             wait: "waiting", stop: "closed",  close: "closed" },
  reopening:    { attempt: NO,          open: "open", fail: "waiting",      lost: NO,             wait: NO,        stop: "opening", close: "closed" },
};

const STATES = keys(EXPECTED);
const EVENTS = keys(EXPECTED.closed);

describe("the state table of a manager's connection", () => {
  testTable(EXPECTED, nextConnectionState);

  test("reaches every state from every state, so a manager can always close and open again", () => {
    for (const state of STATES) {
      assert.deepEqual(reachable(state, EVENTS, nextConnectionState), new Set(STATES), state);
    }
  });

  test("goes from every state to closed on close", () => {
    for (const state of STATES.filter((each) => each !== "closed")) {
      assert.equal(nextConnectionState(state, "close"), "closed", state);
    }
  });

  test("counts only waiting and reopening as reconnecting, and only opening and reopening as connecting", () => {
    assert.deepEqual(STATES.filter(isReconnecting), ["waiting", "reopening"]);
    assert.deepEqual(STATES.filter(isConnecting), ["opening", "reopening"]);
  });
});
