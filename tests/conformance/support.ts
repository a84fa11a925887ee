// Serves targets of the conformance kit on a free loopback port.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import type { Case } from "../../conformance/harness/case.ts";
import { type Result, runCases } from "../../conformance/harness/runner.ts";
import { parseTarget, type Target } from "../../conformance/harness/target.ts";
import { portOf } from "../support/net.ts";
import { codeOf, type Mutant } from "./mutants/mutant.ts";

/** Starts the server, calls `use` with its target, and closes the server afterwards. */
export async function withTarget<T>(http: Server, use: (target: Target) => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  try {
    return await use(parseTarget(`http://127.0.0.1:${portOf(http)}`));
  } finally {
    http.closeAllConnections();
    http.close();
  }
}

/** Runs cases concurrently. Failed cases run once more, one at a time, because a busy machine may be too slow. */
export async function runPatiently(cases: readonly Case[], target: Target): Promise<Result[]> {
  const together = await runCases(cases, target, { timeout: 10_000, concurrency: 8 });
  const ids = new Set(together.filter(({ outcome }) => outcome === "failed").map(({ id }) => id));
  const failed = cases.filter(({ id }) => ids.has(id));
  const alone = await runCases(failed, target, { timeout: 10_000, concurrency: 1 });
  const second = new Map(alone.map((result) => [result.id, result]));
  return together.map((result) => second.get(result.id) ?? result);
}

/** Builds the server with this fault. */
export async function createMutant(mutant: Mutant): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-mutant-"));
  try {
    const file = join(folder, `${mutant.name}.mjs`);
    writeFileSync(file, await codeOf(mutant));
    const { createTarget }: { createTarget: () => Server } = await import(pathToFileURL(file).href);
    return createTarget();
  } finally {
    rmSync(folder, { recursive: true });
  }
}
