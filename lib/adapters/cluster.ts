/**
 * barewire/cluster: one program on all cores of a machine. io.run({ workers: "cores" }) loads it; a program that runs
 * in one process never does.
 *
 * ```text
 *                  ┌──────── primary ────────┐      no clients; the listening socket, the relay of
 *                  │  RoundRobin   Hub       │      messages, what clients may come back to
 *                  └──┬─────────────┬────────┘
 *     connections, IPC│             │
 *             ┌───────▼───┐     ┌───▼───────┐
 *             │ worker 1  │◀═══▶│ worker 2  │      requests for each other's sessions, over a
 *             └───────────┘     └───────────┘      Unix domain socket
 * ```
 *
 * Each process runs the same program. `cluster.isPrimary` of node:cluster tells where it is.
 *
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

/** The server of the program. */
export interface ClusterHost extends Omit<WorkerHost, "useLink"> {
  /** The limits of connection state recovery; `undefined` where it is off. */
  readonly recovery: RecoveryLimits | undefined;
  /** Sets the adapter, unless the program has set one of its own. */
  useAdapter(factory: AdapterFactory): void;
}

export interface ClusterRunOptions {
  readonly workers: number | "cores";
  readonly host: string;
  readonly port: number;
  readonly drainTimeout: number;
  readonly log: (line: string) => void;
  /** Ends the process. */
  readonly exit: () => void;
  /** Called in the primary when a worker has called stop(). */
  readonly onStopAsked: () => void;
}

/** What runs, in the primary and in each worker. */
export interface RunningCluster {
  readonly url: string;
  /** This process accepts the clients of no signal: the primary does it for all. */
  readonly isPrimary: boolean;
  readonly stopped: Promise<void>;
  stop(): Promise<void>;
  /** In a worker: has another one take its place, and exits. */
  leave(): void;
  restart(): Promise<void>;
  health(): Promise<readonly WorkerHealth[]>;
}

/** A server that can join a cluster: one of this package, attached to an HTTP server. */
export interface Joinable {
  readonly engine: WorkerHost["engine"];
  adapter(factory: AdapterFactory): unknown;
  /** @internal */
  readonly recoveryLimits: RecoveryLimits | undefined;
}

let exchange: Exchange | undefined;

/**
 * Passes messages and connections between the workers of node:cluster, those that are there and those to come. For a
 * program with a primary of its own; run() does it, too. To be called once, before the workers are forked.
 *
 * @throws Error in a worker, and after the first call
 */
export function setupPrimary(): void {
  if (!cluster.isPrimary) throw new Error("setupPrimary() is for the primary");
  if (exchange !== undefined) throw new Error("setupPrimary() was called before");
  const created = new Exchange(() => undefined);
  exchange = created;
  cluster.setupPrimary({ serialization: "advanced" });
  cluster.on("fork", (worker) => created.add(worker));
}

/**
 * Makes a server one with those of the other workers: broadcasts reach the clients of all, and requests for a session
 * reach the worker that has it. To be called in each worker before the HTTP server listens; the primary needs
 * setupPrimary(). For a program with a primary of its own; run() does it, too.
 *
 * @param server of this package, attached to an HTTP server. Its adapter is replaced
 * @throws Error (rejects) if the process is no worker, or if the engine's generateId() was replaced
 */
export async function joinCluster(server: Joinable): Promise<void> {
  if (process.send === undefined) throw new Error("joinCluster() is for a worker of node:cluster");
  const { engine, recoveryLimits } = server;
  await ClusterMember.join({
    engine,
    useLink: (link) => server.adapter((nsp) => new IpcAdapter(nsp, link, recoveryLimits)),
  });
  sendJoined();
}

let running = false;

/**
 * Runs a server in workers: in the primary forks them, in a worker serves.
 *
 * @throws Error if it is called twice in a process, or in a worker that another primary has forked
 * @throws WorkerFailedError (rejects) if a worker ends before all are ready
 */
export async function runCluster(
  host: ClusterHost,
  options: ClusterRunOptions,
): Promise<RunningCluster> {
  if (running) throw new Error("one server of a program can run in workers, and one does");
  running = true;
  if (cluster.isPrimary) return runPrimary(host, options);
  if (process.env[WORKER_VARIABLE] === undefined)
    throw new Error("this process is a worker already: leave out the option workers");
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
