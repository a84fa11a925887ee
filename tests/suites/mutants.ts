// Tests the conformance kit with servers that have one fault each. The named case must detect the fault.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CASES } from "../../conformance/cases.ts";
import { runCase } from "../../conformance/harness/runner.ts";
import type { Mutant } from "../conformance/mutants/mutant.ts";
import { createMutant, withTarget } from "../conformance/support.ts";

const LIMIT = 2000;
const ATTEMPTS = 4;

/** Declares a test for each of `mutants`. Each layer has its own test file, so that the layers run in parallel. */
export function testMutants(layer: string, mutants: readonly Mutant[]): void {
  describe(`A server with one fault in ${layer}`, { concurrency: 8 }, () => {
    for (const mutant of mutants) {
      test(`${mutant.name} is caught by ${mutant.caughtBy}: ${mutant.fault}`, async () => {
        const catcher = CASES.find(({ id }) => id === mutant.caughtBy);
        assert.ok(catcher, "the conformance kit has no case with this name");
        await withTarget(await createMutant(mutant), async (target) => {
          // On a busy machine, an unrelated packet, such as a ping that answers a GET, may arrive just in time and
          // hide the fault.
          let { outcome } = await runCase(catcher, target, LIMIT);
          for (let again = 0; outcome !== "failed" && again < ATTEMPTS; again++) {
            ({ outcome } = await runCase(catcher, target, LIMIT));
          }
          assert.equal(outcome, "failed");
        });
      });
    }
  });
}
