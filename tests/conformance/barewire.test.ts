// Runs all cases of the conformance kit against barewire.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CASES } from "../../conformance/cases.ts";
import { createTarget } from "../../conformance/testees/servers/barewire.ts";
import { runPatiently, withTarget } from "./support.ts";

test("barewire passes every conformance case, and skips none", async () => {
  await withTarget(createTarget(), async (target) => {
    const results = await runPatiently(CASES, target);
    const others = results.filter(({ outcome }) => outcome !== "passed");
    assert.deepEqual(
      others.map(({ id, expected, got, reason }) => ({ id, expected, got, reason })),
      [],
    );
  });
});

test("each conformance case has a unique id", () => {
  const ids = CASES.map(({ id }) => id);
  assert.deepEqual([...new Set(ids)], ids);
});
