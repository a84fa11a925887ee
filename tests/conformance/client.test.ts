// Runs the conformance cases for clients: barewire's clients pass all cases, and each client with one added fault fails a
// case.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { CLIENT_CASES } from "../../conformance/cases/client.ts";
import type { ClientCase } from "../../conformance/harness/client-case.ts";
import type { Result } from "../../conformance/harness/runner.ts";
import { serveClientCases } from "../../conformance/harness/serve-clients.ts";
import { runBarewire } from "../../conformance/testees/clients/barewire.ts";
import { CLIENT_MUTANTS } from "./mutants/client.ts";
import { codeOf, type Mutant } from "./mutants/mutant.ts";

async function runAgainst(
  run: typeof runBarewire,
  cases: readonly ClientCase[],
  timeout: number,
): Promise<Result[]> {
  let client: Promise<void> | undefined;
  const results = await serveClientCases({
    port: 0,
    cases,
    timeout,
    idleTimeout: 10_000,
    onListening: (port) => {
      client = run(`http://127.0.0.1:${port}`);
    },
  });
  await client;
  return results;
}

/** Builds and imports the program that runs barewire's clients, with this fault. */
async function createFaultyClient(mutant: Mutant): Promise<typeof runBarewire> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-mutant-"));
  try {
    const file = join(folder, `${mutant.name}.mjs`);
    writeFileSync(file, await codeOf(mutant, "conformance/testees/clients/barewire.ts"));
    const faulty: { runBarewire: typeof runBarewire } = await import(pathToFileURL(file).href);
    return faulty.runBarewire;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("conformance cases for clients", () => {
  test("barewire passes every case, and skips none", async () => {
    const results = await runAgainst(runBarewire, CLIENT_CASES, 10_000);
    const others = results.filter(({ outcome }) => outcome !== "passed");
    assert.deepEqual(
      others.map(({ id, expected, got, reason }) => ({ id, expected, got, reason })),
      [],
    );
    assert.equal(results.length, CLIENT_CASES.length);
  });

  test("each case has a unique id", () => {
    const ids = CLIENT_CASES.map(({ id }) => id);
    assert.deepEqual([...new Set(ids)], ids);
  });

  test("cases are skipped if no client connects within idleTimeout", async () => {
    const cases = CLIENT_CASES.slice(0, 2);
    const results = await serveClientCases({ port: 0, cases, idleTimeout: 50 });
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["skipped", "skipped"],
    );
  });
});

describe("a client with one deliberate fault", () => {
  for (const mutant of CLIENT_MUTANTS) {
    test(`${mutant.name} fails the case ${mutant.caughtBy}: ${mutant.fault}`, async () => {
      const catcher = CLIENT_CASES.find(({ id }) => id === mutant.caughtBy);
      assert.ok(catcher, "there is no such case");
      const [result] = await runAgainst(await createFaultyClient(mutant), [catcher], 1500);
      assert.equal(result?.outcome, "failed");
    });
  }
});
