// Tests the state machine of the engine: every state with every event. Engine.IO "Handshake", "Upgrade".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  type EngineEvent,
  type EngineState,
  mayFlush,
  maySend,
  nextEngineState,
  readyStateOf,
} from "../../client/engineio/states.ts";
import { keys, reachable, testTable } from "../support/table.ts";

const NO = undefined;

/** Record requires every state and event, so a missing entry does not compile. */
// biome-ignore format: aligned table
const EXPECTED: Record<EngineState, Record<EngineEvent, EngineState | undefined>> = {
  opening:          { open: "open", probe: NO,        pong: NO,          abandon: NO,     upgrade: NO,        close: "closed",           drained: NO,       lost: "closed" },
  open:             { open: NO,     probe: "probing", pong: NO,          abandon: NO,     upgrade: NO,        close: "closing",          drained: NO,       lost: "closed" },
  probing:          { open: NO,     probe: NO,        pong: "upgrading", abandon: "open", upgrade: NO,        close: "closing",          drained: NO,       lost: "closed" },
  upgrading:        { open: NO,     probe: NO,        pong: NO,          abandon: NO,     upgrade: "open",    close: "closingUpgrading", drained: NO,       lost: "closed" },
  closing:          { open: NO,     probe: NO,        pong: NO,          abandon: NO,     upgrade: NO,        close: NO,                 drained: "closed", lost: "closed" },
  closingUpgrading: { open: NO,     probe: NO,        pong: NO,          abandon: NO,     upgrade: "closing", close: NO,                 drained: NO,       lost: "closed" },
  closed:           { open: NO,     probe: NO,        pong: NO,          abandon: NO,     upgrade: NO,        close: NO,                 drained: NO,       lost: NO       },
};

const STATES = keys(EXPECTED);
const EVENTS = keys(EXPECTED.opening);

describe("the state table of a client's engine", () => {
  testTable(EXPECTED, nextEngineState);

  test("reaches every state from opening, and closed from every state", () => {
    assert.deepEqual(reachable("opening", EVENTS, nextEngineState), new Set(STATES));
    for (const state of STATES) {
      assert.ok(reachable(state, EVENTS, nextEngineState).has("closed"), state);
    }
    assert.deepEqual(reachable("closed", EVENTS, nextEngineState), new Set(["closed"]));
  });

  test("accepts messages until the program closes the engine", () => {
    assert.deepEqual(STATES.filter(maySend), ["opening", "open", "probing", "upgrading"]);
  });

  test("sends no packet before the open packet, nor during an upgrade", () => {
    assert.deepEqual(STATES.filter(mayFlush), ["open", "probing", "closing"]);
  });

  test("maps each state to a readyState of engine.io-client", () => {
    assert.deepEqual(STATES.map(readyStateOf), [
      "opening",
      "open",
      "open",
      "open",
      "closing",
      "closing",
      "closed",
    ]);
  });
});
