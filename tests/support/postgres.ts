// Debian's PostgreSQL, for tests that need it.

import { execFile, execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { type Cleanup, notInstalled } from "./installed.ts";
import { type Service, ServiceProcess } from "./service.ts";

const VERSIONS = "/usr/lib/postgresql";

/** The folder with the programs of the newest installed version. */
const PROGRAMS = existsSync(VERSIONS)
  ? readdirSync(VERSIONS)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(VERSIONS, version, "bin"))
      .find((folder) => existsSync(join(folder, "postgres")))
  : undefined;

/** The reason to skip tests with PostgreSQL, or `false`. */
export const noPostgres: string | false = notInstalled(
  join(PROGRAMS ?? `${VERSIONS}/*/bin`, "postgres"),
  "postgresql",
);

export interface PostgresOptions {
  /** Further settings, such as `["max_connections=20"]`. */
  readonly settings?: readonly string[];
}

/**
 * Runs a PostgreSQL server on loopback until the test ends. The user and the database are named "postgres", and no
 * password is required.
 */
export async function startPostgres(
  context: Cleanup,
  options: PostgresOptions = {},
): Promise<Service> {
  if (PROGRAMS === undefined) throw new Error(`there is no PostgreSQL in ${VERSIONS}`);
  const folder = mkdtempSync(join(tmpdir(), "barewire-postgres-"));
  let running: ServiceProcess | undefined;
  context.after(async () => {
    if (running !== undefined) await stop(running);
    rmSync(folder, { recursive: true, force: true });
  });
  const user = userForPostgres();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  await promisify(execFile)(
    join(PROGRAMS, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    { cwd: folder, ...user },
  );
  // The data need not survive a crash, so durability is disabled.
  const settings = [
    "listen_addresses=127.0.0.1",
    `unix_socket_directories=${folder}`,
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "autovacuum=off",
    ...(options.settings ?? []),
  ].flatMap((setting) => ["-c", setting]);
  const program = join(PROGRAMS, "postgres");
  const postgres = await ServiceProcess.start({
    program,
    arguments: (port) => ["-D", data, "-p", String(port), ...settings],
    options: { cwd: folder, ...user },
    ready: /ready to accept connections/,
  });
  running = postgres;
  return {
    port: postgres.port,
    url: `postgres://postgres@127.0.0.1:${postgres.port}/postgres`,
    // PostgreSQL serves each connection in its own process, so all processes must be paused.
    pause: () => postgres.signalAll("SIGSTOP"),
    resume: () => postgres.signalAll("SIGCONT"),
    stop: (signal) => stop(postgres, signal),
    restart: async () => {
      await stop(postgres, "SIGINT");
      await postgres.start();
    },
  };
}

/**
 * Stops PostgreSQL with its child processes, which SIGKILL would leave running. A paused process must be resumed
 * first.
 */
function stop(postgres: ServiceProcess, signal: NodeJS.Signals = "SIGQUIT"): Promise<void> {
  postgres.signalAll("SIGCONT");
  return postgres.stop(signal);
}

/** Returns the user for PostgreSQL if this process runs as root, because PostgreSQL refuses to run as root. */
function userForPostgres(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (option: string): number =>
    Number(execFileSync("id", [option, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
