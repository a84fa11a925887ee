// A program that is nothing but a server: it listens, says where, and goes in good order when it is
// told to.

import { once } from "node:events";
import type { Server } from "node:net";
import type { WorkerHealth } from "./cluster/messages.ts";
import type { Engine } from "./engineio/engine.ts";
import { milliseconds, number, type OptionTable, string } from "./events/options.ts";
import { callback, port as portNumber, valueOr } from "./node-options.ts";
import type { AdapterFactory } from "./socketio/create-adapter.ts";
import type { RecoveryLimits } from "./socketio/recovery-store.ts";

export interface RunOptions {
  /** Default "127.0.0.1": this machine only. */
  readonly host?: string;
  /** 0 for any that is free. Default 5000. */
  readonly port?: number;
  /** Milliseconds that clients may take to get what waits for them, when the program is told to go. Default 5,000. */
  readonly drainTimeout?: number;
  /** Takes the lines that say what happens. Default: to the standard output. */
  readonly log?: (line: string) => void;
  /**
   * Runs the program in so many processes of its own, "cores" for one on each core, which serve the clients together.
   * See docs/cluster.md. Default: in this process alone.
   */
  readonly workers?: WorkerCount;
}

/** The option `workers`. */
export type WorkerCount = number | "cores";

const MAX_WORKERS = 1024;

/** What each option must be. */
export const RUN_OPTIONS: OptionTable<RunOptions> = {
  drainTimeout: milliseconds,
  host: string,
  log: callback,
  port: portNumber,
  workers: valueOr(
    ["cores"],
    number(
      `"cores" or an integer from 1 to ${MAX_WORKERS}`,
      (value) => Number.isInteger(value) && value >= 1 && value <= MAX_WORKERS,
    ),
  ),
};

/** What runs. */
export interface Running {
  /** Where it listens, as "http://127.0.0.1:5000". */
  readonly url: string;
  /** Resolves when it has gone, told by a signal or by stop(). */
  readonly stopped: Promise<void>;
  /** Goes in good order, without ending the process. */
  stop(): Promise<void>;
}

/** What runs in workers. */
export interface RunningWorkers extends Running {
  /**
   * Replaces the workers one by one: each new one is ready before the clients of an old one are told to connect anew.
   * No connection is refused meanwhile. In the primary it resolves when all are replaced, and rejects with a
   * WorkerFailedError if a new one is not ready; the old ones that are left stay then. The signal SIGUSR2 does the same.
   */
  restart(): Promise<void>;
  /** Asks the workers how they are. One that does not answer within a second has no report. */
  health(): Promise<readonly WorkerHealth[]>;
}

/** A server that runs in workers. */
export interface WorkersHost {
  readonly engine: Engine;
  readonly httpServer: Server;
  readonly recovery: RecoveryLimits | undefined;
  useAdapter(factory: AdapterFactory): void;
  drain(timeout: number): Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const RESTART_SIGNAL = "SIGUSR2";
const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_PORT = 5000;
const DEFAULT_DRAIN_TIMEOUT = 5000;

/**
 * Listens; resolves when it does, and rejects where it cannot. From then on SIGINT and SIGTERM end
 * the process, when `close` has resolved; a second one ends it at once.
 *
 * @param close stops accepting, tells the clients, and waits for what they are still to get
 */
export async function run(
  server: Server,
  close: (drainTimeout: number) => Promise<void>,
  options: RunOptions = {},
): Promise<Running> {
  const { host = DEFAULT_HOST, port = DEFAULT_PORT, log = print } = options;
  const { drainTimeout = DEFAULT_DRAIN_TIMEOUT } = options;
  server.listen(port, host);
  await once(server, "listening");
  const url = urlOf(server, host);
  log(`Listening on ${url}`);

  let stopping: Promise<void> | undefined;
  let onStopped = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    onStopped = resolve;
  });
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      // The next signal finds nobody, and ends the process.
      for (const signal of SIGNALS) process.off(signal, onSignal);
      await close(drainTimeout);
      onStopped();
    })();
    return stopping;
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    log(`${signal}: closing`);
    void stop().then(() => process.exit(0));
  };
  for (const signal of SIGNALS) process.once(signal, onSignal);
  return { url, stopped, stop };
}

/**
 * Runs the program in workers. In the primary it resolves when all of them are ready, in a worker when that one is.
 * SIGINT and SIGTERM of the primary end all of them, SIGTERM of a worker has another one take its place.
 */
export async function runInWorkers(
  server: WorkersHost,
  options: RunOptions & { readonly workers: WorkerCount },
): Promise<RunningWorkers> {
  const { host = DEFAULT_HOST, port = DEFAULT_PORT, log = print, workers } = options;
  const { drainTimeout = DEFAULT_DRAIN_TIMEOUT } = options;
  // A program that runs in one process loads none of it. By its name, a bundler can leave it out.
  const { runCluster } = await import("barewire/cluster");
  const exit = (): void => process.exit(0);
  const { isPrimary, leave, stop, ...running } = await runCluster(
    { ...server, url: () => urlOf(server.httpServer, host) },
    { workers, host, port, drainTimeout, log, exit, onStopAsked: () => void stopAll().then(exit) },
  );
  if (!isPrimary) {
    // A terminal sends SIGINT to the workers, too. The primary tells them.
    process.on("SIGINT", () => {});
    process.once("SIGTERM", leave);
    return { ...running, stop };
  }
  log(`Listening on ${running.url}, in ${(await running.health()).length} workers`);
  const onRestart = (): void => {
    log(`${RESTART_SIGNAL}: restarting the workers`);
    running.restart().catch((error: Error) => log(error.message));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    log(`${signal}: closing`);
    void stopAll().then(exit);
  };
  function stopAll(): Promise<void> {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.off(RESTART_SIGNAL, onRestart);
    return stop();
  }
  for (const signal of SIGNALS) process.once(signal, onSignal);
  process.on(RESTART_SIGNAL, onRestart);
  return { ...running, stop: stopAll };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : address;
  const scheme = "setSecureContext" in server ? "https" : "http";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
