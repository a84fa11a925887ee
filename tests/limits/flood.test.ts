// Tests that connected clients are not affected by other clients that try to connect as fast as they can.

import assert from "node:assert/strict";
import { test } from "node:test";

import { flood } from "../flood/flood.ts";
import { seed } from "../support/random.ts";

const ATTEMPTS = 3000;

test(`${ATTEMPTS} fast connection attempts do not affect connected clients, and leave nothing behind (SEED=${seed})`, {
  timeout: 120_000,
}, async (context) => {
  const { before, after, mostSessions, refusals, faults, echoes, ...rest } = await flood(
    ATTEMPTS,
    seed,
  );
  assert.deepEqual(faults, []);
  assert.ok(echoes.length > 100, `${echoes.length}`);
  assert.deepEqual(before, { sessions: 10, places: 10, connections: 10, timers: before.timers });
  assert.deepEqual(after, before);
  assert.ok(mostSessions > 10 && mostSessions <= 50, `${mostSessions}`);
  const { MAX_CONNECTIONS = 0, MAX_HANDSHAKES_PER_SECOND = 0 } = refusals;
  assert.ok(MAX_CONNECTIONS + MAX_HANDSHAKES_PER_SECOND > 500, JSON.stringify(refusals));
  const { heapBefore, heapAfter } = rest;
  context.diagnostic(`heap after a collection: ${heapBefore} bytes before, ${heapAfter} after`);
});
