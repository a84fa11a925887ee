// Debian's Redis, for tests that need it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Cleanup, notInstalled } from "./installed.ts";
import { type Service, ServiceProcess } from "./service.ts";

const PROGRAM = process.env.REDIS_EXECUTABLE ?? "/usr/bin/redis-server";

/** The reason to skip tests with Redis, or `false`. */
export const noRedis: string | false = notInstalled(PROGRAM, "redis-server");

export interface RedisOptions {
  /** Further arguments, such as `["--maxmemory", "2mb"]`. */
  readonly arguments?: readonly string[];
  /** Whether the data survives restart(). Default: `false`. */
  readonly persistent?: boolean;
}

/** Runs a Redis server on loopback until the test ends. */
export async function startRedis(context: Cleanup, options: RedisOptions = {}): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-redis-"));
  const kept = options.persistent ? ["--appendonly", "yes"] : ["--save", ""];
  const redis = await ServiceProcess.start({
    program: PROGRAM,
    arguments: (port) => [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--daemonize", "no"],
      ...kept,
      ...(options.arguments ?? []),
    ],
    ready: /Ready to accept connections/i,
  });
  context.after(async () => {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    port: redis.port,
    url: `redis://127.0.0.1:${redis.port}`,
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    stop: (signal) => redis.stop(signal),
    restart: async () => {
      // On SIGTERM, Redis saves its data.
      await redis.stop("SIGTERM");
      await redis.start();
    },
  };
}
