// Targets of the conformance kit, served on a free port of loopback.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { parseTarget, type Target } from "../../conformance/kit/target.ts";
import { codeOf, type Mutant } from "../../conformance/mutants/mutant.ts";
import { portOf } from "../support/net.ts";

/** Calls `use` with a server that listens. */
export async function withTarget<T>(http: Server, use: (target: Target) => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  try {
    return await use(parseTarget(`http://127.0.0.1:${portOf(http)}`));
  } finally {
    http.closeAllConnections();
    http.close();
  }
}

/** The target with that fault. */
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
