// barewire passes all cases of its own kit.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CASES } from "../../conformance/cases.ts";
import { createTarget } from "../../conformance/testees/servers/barewire.ts";
import { runPatiently, withTarget } from "./support.ts";

test("barewire passes every case, and none is skipped", async () => {
  await withTarget(createTarget(), async (target) => {
    const results = await runPatiently(CASES, target);
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
