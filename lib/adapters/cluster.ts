/**
 * `barewire/cluster`: runs one program on all cores of a machine. `io.run({ workers: "cores" })` loads this module. A
 * program that runs in one process never loads it.
 * ```text
 *                  ┌──────── primary ────────┐      has no clients. It has the listening socket, relays
 *                  │  RoundRobin   Hub       │      messages, and stores sessions for recovery
 *                  └──┬─────────────┬────────┘
 *     connections, IPC│             │
 *             ┌───────▼───┐     ┌───▼───────┐
 *             │ worker 1  │◀═══▶│ worker 2  │      The workers forward requests for each other's sessions over
 *             └───────────┘     └───────────┘      a Unix domain socket
 * ```
 * All processes run the same program. A process reads its role from `cluster.isPrimary` of node:cluster.
 * @module barewire/cluster
 */

import cluster from "node:cluster";
import { availableParallelism } from "node:os";

import { Exchange } from "../cluster/exchange.ts";
import type { Link } from "../cluster/link.ts";
import type { WorkerHealth } from "../cluster/messages.ts";
import { Primary, WORKER_VARIABLE } from "../cluster/primary.ts";
import { ClusterMember, ClusterWorker, sendJoined, type WorkerHost } from "../cluster/worker.ts";
import type { AdapterFactory } from "../socketio/create-adapter.ts";
import type { RecoveryLimits } from "../socketio/recovery-store.ts";
import { IpcAdapter } from "./ipc-adapter.ts";

export type { WorkerHealth, WorkerReport } from "../cluster/messages.ts";
export { WorkerFailedError } from "../cluster/primary.ts";

/** The server that runs in the workers. */
export interface ClusterHost extends Omit<WorkerHost, "useLink"> {
  /** The limits of connection state recovery. `undefined` if connection state recovery is disabled. */
  readonly recovery: RecoveryLimits | undefined;
  /**
   * Sets the adapter of the server, unless the user has set one.
   *
   * @param factory creates the adapter of each namespace
   */
  useAdapter(factory: AdapterFactory): void;
}

/** The options of `runCluster()`. */
export interface ClusterRunOptions {
  /** The number of workers, or "cores" for one worker per core. */
  readonly workers: number | "cores";
  /** The host name or IP address to listen on. */
  readonly host: string;
  /** The port to listen on, or 0 for any free port. */
  readonly port: number;
  /** How long a stopping worker waits for its clients to receive all data, in milliseconds. */
  readonly drainTimeout: number;
  /**
   * Called with each line of the log.
   *
   * @param line the line, without a line break
   */
  readonly log: (line: string) => void;
  /** Called to end the process. */
  readonly exit: () => void;
  /** Called in the primary when a worker has called stop(). */
  readonly onStopAsked: () => void;
}

/** The running program, in the primary and in each worker. */
export interface RunningCluster {
  /** The URL on which the workers listen. */
  readonly url: string;
  /** Whether this process is the primary. The primary handles the signals for all processes. */
  readonly isPrimary: boolean;
  /** Resolves after this process has stopped serving. */
  readonly stopped: Promise<void>;
  /** Stops all workers. */
  stop(): Promise<void>;
  /** In a worker: requests a replacement for this worker, and exits after the worker's clients have received all data. */
  leave(): void;
  /** Replaces the workers one by one. In the primary, resolves after all of them were replaced. */
  restart(): Promise<void>;
  /** Returns the state of each worker. */
  health(): Promise<readonly WorkerHealth[]>;
}

/** A server that can join a cluster: a Server of this package that is attached to an HTTP server. */
export interface Joinable {
  /** The engine of the server. */
  readonly engine: WorkerHost["engine"];
  /**
   * Sets the adapter of all namespaces.
   *
   * @param factory creates the adapter of each namespace
   */
  adapter(factory: AdapterFactory): unknown;
  /** @internal */
  readonly recoveryLimits: RecoveryLimits | undefined;
}

let exchange: Exchange | undefined;

/**
 * Passes messages and connections between the workers of node:cluster, including workers that are forked later. Call
 * this function once in the primary, before the workers are forked. Only programs that fork their own workers need this
 * function. With io.run(), it is not needed.
 *
 * @throws Error if this process is a worker, or if setupPrimary() was already called
 * @example
 * ```ts
 * import cluster from "node:cluster";
 * import { createServer } from "node:http";
 * import { Server } from "barewire";
 * import { joinCluster, setupPrimary } from "barewire/cluster";
 *
 * if (cluster.isPrimary) {
 *   setupPrimary();
 *   for (let i = 0; i < 4; i++) cluster.fork();
 * } else {
 *   const httpServer = createServer();
 *   await joinCluster(new Server(httpServer));
 *   httpServer.listen(3000);
 * }
 * ```
 */
export function setupPrimary(): void {
  if (!cluster.isPrimary)
    throw new Error("setupPrimary() must be called in the primary, not in a worker");
  if (exchange !== undefined) throw new Error("setupPrimary() must be called only once");
  const created = new Exchange(() => undefined);
  exchange = created;
  cluster.setupPrimary({ serialization: "advanced" });
  cluster.on("fork", (worker) => created.add(worker));
}

/**
 * Joins a server to the servers of the other workers. Broadcasts reach the clients of all workers, and requests reach
 * the worker that has the session. Call this function in each worker, before the HTTP server listens. The primary must
 * call setupPrimary(). Only programs that fork their own workers need this function. With io.run(), it is not needed.
 *
 * @param server a Server of this package that is attached to an HTTP server. The server's adapter is replaced
 * @throws Error (rejects) if the process is not a worker, or if the user has replaced the engine's generateId()
 */
export async function joinCluster(server: Joinable): Promise<void> {
  if (process.send === undefined)
    throw new Error("joinCluster() must be called in a worker of node:cluster");
  const { engine, recoveryLimits } = server;
  await ClusterMember.join({
    engine,
    useLink: (link) => server.adapter((nsp) => new IpcAdapter(nsp, link, recoveryLimits)),
  });
  sendJoined();
}

let running = false;

/**
 * Runs a server in workers: forks them in the primary, and serves clients in a worker. `io.run()` calls this function.
 *
 * @param host the server
 * @param options the options
 * @throws Error if this function was already called in this process, or if another primary has forked this process
 * @throws WorkerFailedError (rejects) if a worker ends before all workers listen
 */
export async function runCluster(
  host: ClusterHost,
  options: ClusterRunOptions,
): Promise<RunningCluster> {
  if (running) throw new Error("only one server of a program can run in workers");
  running = true;
  if (cluster.isPrimary) return runPrimary(host, options);
  if (process.env[WORKER_VARIABLE] === undefined)
    throw new Error("this process is already a worker: omit the option workers");
  return runWorker(host, options);
}

async function runPrimary(
  { recovery, useAdapter }: ClusterHost,
  { workers, drainTimeout, log, onStopAsked }: ClusterRunOptions,
): Promise<RunningCluster> {
  const primary = new Primary({
    workers: workers === "cores" ? availableParallelism() : workers,
    drainTimeout,
    log,
    onStopAsked,
  });
  useAdapter((nsp) => new IpcAdapter(nsp, primary.link, recovery));
  await primary.start();
  let onStopped = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    onStopped = resolve;
  });
  return {
    url: primary.url,
    isPrimary: true,
    stopped,
    stop: async () => {
      await primary.stop();
      onStopped();
    },
    leave: () => {},
    restart: () => primary.restart(),
    health: () => primary.health(),
  };
}

async function runWorker(
  { recovery, useAdapter, ...host }: ClusterHost,
  { host: address, port, drainTimeout, exit }: ClusterRunOptions,
): Promise<RunningCluster> {
  const useLink = (link: Link): void => useAdapter((nsp) => new IpcAdapter(nsp, link, recovery));
  const options = { host: address, port, drainTimeout, exit };
  const worker = await ClusterWorker.start({ ...host, useLink }, options);
  return {
    url: host.url(),
    isPrimary: false,
    stopped: worker.stopped,
    stop: () => worker.stop(),
    leave: () => worker.leave(),
    restart: async () => worker.restart(),
    health: () => worker.health(),
  };
}
