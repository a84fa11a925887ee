// Runs one round of a case: starts a server and a load generator, both in new processes.
//
// If the system has taskset, the server runs on the first core and the load generator on the second. A result is the
// processor time of the server, not elapsed time, so it hardly changes when the machine has other work.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

import type { Case, Contender, Stage } from "./cases.ts";
import { Child } from "./ipc.ts";

export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/**
 * Compiles the servers and the load generator to JavaScript, so that Node runs them without a loader, like the programs
 * of users.
 *
 * @param project the folder of the built barewire that the servers import
 * @returns the folder with the programs
 */
export async function compile(project: string): Promise<string> {
  const folder = join(project, "bench/.built");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: ["servers/*.ts", "load.ts", "load-nodes.ts"].map((path) =>
      join(import.meta.dirname, path),
    ),
    outdir: folder,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "warning",
    plugins: [
      {
        name: "the package as it is published",
        setup: ({ onResolve }) => {
          onResolve({ filter: /\/server\.ts$/ }, () => ({ path: "barewire", external: true }));
          onResolve({ filter: /\/adapters\/redis\.ts$/ }, () => ({
            path: "barewire/redis",
            external: true,
          }));
          onResolve({ filter: /\/websocket\.ts$/ }, ({ kind }) =>
            kind === "entry-point" ? undefined : { path: "barewire/websocket", external: true },
          );
        },
      },
    ],
  });
  return folder;
}

/** Measures a case once. `scale` multiplies the duration. */
export async function round(
  folder: string,
  what: Case,
  contender: Contender,
  scale: number,
): Promise<number> {
  const options = JSON.stringify(what.options ?? {});
  const server = new Child(join(folder, "servers", `${contender}.js`), SERVER_CORE, [], [options]);
  const load = new Child(join(folder, "load.js"), LOAD_CORE);
  try {
    const port = await server.number("port");
    const stage: Stage = { server, load, port, scale };
    const before = await load.number("cpu");
    const begin = performance.now();
    const figure = await what.measure(stage);
    if (contender === "barewire-observed") await mustReport(server);
    const busy = ((await load.number("cpu")) - before) / 1000 / (performance.now() - begin);
    if (busy > 0.9 && what.unit === "µs") {
      // The server's processor time is still valid, but a faster load generator could have kept the server busier.
      console.error(
        `${what.name}, ${contender}: the load generator used ${Math.round(busy * 100)} % of its core`,
      );
    }
    return figure;
  } finally {
    await Promise.all([server.stop(), load.stop()]);
  }
}

/** Throws if the server has reported nothing to the channel of connections, the channel of messages, or the logger. */
async function mustReport(server: Child): Promise<void> {
  const reports = await server.call("reports");
  for (const name of ["connection", "message", "logger"]) {
    const count: unknown = Reflect.get(Object(reports), name);
    if (count === 0) throw new Error(`the server has reported nothing to "${name}"`);
  }
}
