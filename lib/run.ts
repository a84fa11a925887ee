// Runs a server as a program: the server listens, logs its URL, and closes gracefully on a signal.

import { once } from "node:events";
import type { Server } from "node:net";
import type { WorkerHealth } from "./cluster/messages.ts";
import type { Engine } from "./engineio/engine.ts";
import { milliseconds, number, type OptionTable, string } from "./events/options.ts";
import { callback, port as portNumber, valueOr } from "./node-options.ts";
import type { AdapterFactory } from "./socketio/create-adapter.ts";
import type { RecoveryLimits } from "./socketio/recovery-store.ts";

/** The options of `run()`. */
export interface RunOptions {
  /** The host name or IP address to listen on. Default: "127.0.0.1", which only this machine can reach. */
  readonly host?: string;
  /** The port to listen on, or 0 for any free port. Default: 5000. */
  readonly port?: number;
  /** When the server stops, how long it waits for clients to receive all data, in milliseconds. Default: 5000. */
  readonly drainTimeout?: number;
  /**
   * Called with each line of the log. Default: writes to the standard output.
   *
   * @param line the line, without a line break
   */
  readonly log?: (line: string) => void;
  /**
   * The number of processes in which the program runs, or "cores" for one process per core. The processes serve the
   * clients together. See docs/cluster.md. Default: this process only.
   */
  readonly workers?: WorkerCount;
}

/** The value of the option `workers`: a number from 1 to 1024, or "cores". */
export type WorkerCount = number | "cores";

const MAX_WORKERS = 1024;

/** The checks of the options. */
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

/** A running server. */
export interface Running {
  /** The URL of the server, for example "http://127.0.0.1:5000". */
  readonly url: string;
  /** Resolves after the server has stopped, because of a signal or of stop(). */
  readonly stopped: Promise<void>;
  /** Stops the server gracefully, without ending the process. Resolves after the server has stopped. */
  stop(): Promise<void>;
}

/** A server that runs in several worker processes. */
export interface RunningWorkers extends Running {
  /**
   * Replaces the workers one by one. Each new worker listens before the clients of an old worker are asked to
   * reconnect. No connection is refused during a restart. The signal SIGUSR2 has the same effect.
   *
   * @returns a promise. In the primary, the promise resolves after all workers were replaced. In a worker, the promise
   * resolves at once
   * @throws WorkerFailedError (rejects) if a new worker does not start to listen. The remaining old workers keep
   * running
   */
  restart(): Promise<void>;
  /** Returns the state of each worker. A worker that does not answer within one second has no `report`. */
  health(): Promise<readonly WorkerHealth[]>;
}

/** The part of a server that a worker process uses. */
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
 * Starts to listen. Resolves when the server listens, and rejects if the server cannot listen. While the server runs,
 * SIGINT and SIGTERM call `close` and then end the process. A second signal ends the process immediately.
 *
 * @param close stops accepting clients, disconnects the clients, and waits until they have received all data, at most
 * for the given number of milliseconds
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
      // Without these listeners, Node ends the process immediately at the next signal.
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
 * Runs the program in workers. In the primary, resolves after all workers have started to listen. In a worker, resolves
 * after this worker has started to listen. SIGINT and SIGTERM stop the primary and all workers. A worker that receives
 * SIGTERM is replaced.
 */
export async function runInWorkers(
  server: WorkersHost,
  options: RunOptions & { readonly workers: WorkerCount },
): Promise<RunningWorkers> {
  const { host = DEFAULT_HOST, port = DEFAULT_PORT, log = print, workers } = options;
  const { drainTimeout = DEFAULT_DRAIN_TIMEOUT } = options;
  // A program that runs in one process does not load this module. A bundler can exclude the module by its name.
  const { runCluster } = await import("barewire/cluster");
  const exit = (): void => process.exit(0);
  const { isPrimary, leave, stop, ...running } = await runCluster(
    { ...server, url: () => urlOf(server.httpServer, host) },
    { workers, host, port, drainTimeout, log, exit, onStopAsked: () => void stopAll().then(exit) },
  );
  if (!isPrimary) {
    // A terminal also sends SIGINT to the workers. The workers ignore the signal, because the primary stops the
    // workers.
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
