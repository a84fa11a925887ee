// barewire passes all cases of its own kit.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CASES } from "../../conformance/cases.ts";
import { runCases } from "../../conformance/kit/runner.ts";
import { createTarget } from "../../conformance/targets/barewire.ts";
import { withTarget } from "./support.ts";

test("barewire passes every case, and none is skipped", async () => {
  await withTarget(createTarget(), async (target) => {
    const together = await runCases(CASES, target, { timeout: 10_000, concurrency: 8 });
    // On a busy machine a heartbeat of 200 ms is missed now and then: who fails may try alone.
    const ids = new Set(together.filter(({ outcome }) => outcome === "failed").map(({ id }) => id));
    const failed = CASES.filter(({ id }) => ids.has(id));
    const alone = await runCases(failed, target, { timeout: 10_000, concurrency: 1 });
    const results = [...together.filter(({ id }) => !ids.has(id)), ...alone];
    const others = results.filter(({ outcome }) => outcome !== "passed");
    assert.deepEqual(
      others.map(({ id, expected, got, reason }) => ({ id, expected, got, reason })),
      [],
    );
  });
});

test("each case has an id of its own", () => {
  const ids = CASES.map(({ id }) => id);
  assert.deepEqual([...new Set(ids)], ids);
});
