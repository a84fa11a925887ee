// The primary of a server that runs in workers. The primary forks the workers, replaces workers that end, and restarts
// them one by one. The primary does not serve clients.
//
//   fork ──▶ starting ── joined ──▶ ready ── leave ──▶ leaving ──▶ (the process has ended)
//                └───────────────────┴── the process ends: a new worker is forked, with a delay if workers end repeatedly

import cluster from "node:cluster";

import { Exchange, type Participant } from "./exchange.ts";
import type { Link } from "./link.ts";
import { SOURCE, type ToPrimary, type WorkerHealth, type WorkerReport } from "./messages.ts";
import { FIRST_DELAY, RestartDelay } from "./restart-delay.ts";

/** The environment variable that identifies the processes that the primary has forked. */
export const WORKER_VARIABLE = "BAREWIRE_WORKER";

/** How long a new worker may take to start listening during a restart, in milliseconds. */
const START_TIMEOUT = 60_000;
/** How long a worker may take to exit after `drainTimeout`, in milliseconds. */
const EXIT_TIMEOUT = 5_000;
/** How long a worker may take to report, in milliseconds. */
const REPORT_TIMEOUT = 1_000;

/** The options of a primary. */
export interface PrimaryOptions {
  /** The number of workers. */
  readonly workers: number;
  /** How long a stopping worker waits for its clients to receive all data, in milliseconds. */
  readonly drainTimeout: number;
  /** Called with each line of the log. */
  readonly log: (line: string) => void;
  /** Called when a worker has requested that all workers stop. */
  readonly onStopAsked: () => void;
}

/** Thrown when a worker ends before it has started to listen. */
export class WorkerFailedError extends Error {
  /** The name of this class. */
  override readonly name = "WorkerFailedError";
  /** "ERR_WORKER_FAILED", or the reason why the worker could not listen, such as "EADDRINUSE". */
  readonly code: string;

  /**
   * Creates an error with a message and a code.
   *
   * @param message the message
   * @param code the code. Default: "ERR_WORKER_FAILED"
   */
  constructor(message: string, code = "ERR_WORKER_FAILED") {
    super(message);
    this.code = code;
  }
}

interface Entry {
  readonly participant: Participant;
  readonly started: number;
  /**
   * The time at which the worker started to listen, from performance.now(). `undefined` if it does
   * not listen yet.
   */
  listening: number | undefined;
  /** Resolves after the worker's process has ended. */
  readonly exited: Promise<void>;
  /** Whether the worker was already replaced, or will not be replaced. */
  replaced: boolean;
}

/** Forks the workers of a server, and replaces workers that end. */
export class Primary {
  readonly #options: PrimaryOptions;
  readonly #exchange: Exchange;
  readonly #entries = new Set<Entry>();
  readonly #reports = new Map<number, (report: WorkerReport) => void>();
  readonly #delayed = new Set<NodeJS.Timeout>();
  #url = "";
  #port: number | undefined;
  /** The port on which new workers must listen. Workers that share a listening socket must use the same port. */
  #asked: number | undefined;
  readonly #restartDelay = new RestartDelay();
  #requests = 0;
  #restarting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.#exchange = new Exchange(() => this.#portFor(), options.log);
    // With "advanced" serialization, byte arrays are sent as bytes.
    cluster.setupPrimary({ serialization: "advanced" });
  }

  /** The link between the adapters in the primary and the workers. */
  get link(): Link {
    return this.#exchange.link;
  }

  /** The URL on which the workers listen. */
  get url(): string {
    return this.#url;
  }

  /**
   * Forks the workers. Resolves after all of them have started to listen.
   *
   * @throws WorkerFailedError (rejects) if a worker ends before it listens
   */
  async start(): Promise<void> {
    const { workers } = this.#options;
    try {
      // The first worker starts alone, so that an error which keeps all workers from listening is reported only once.
      await this.#fork();
      await Promise.all(Array.from({ length: workers - 1 }, () => this.#fork()));
    } catch (error) {
      this.#stopping = Promise.resolve();
      await this.#endAll(true);
      throw error;
    }
  }

  /**
   * Replaces the workers one by one. Each new worker listens before the clients of the old worker are asked to
   * reconnect. Resolves after all workers were replaced.
   *
   * @throws WorkerFailedError (rejects) if a new worker does not listen in time. The remaining old workers keep running
   */
  restart(): Promise<void> {
    const restarting = this.#restarting.catch(() => {}).then(() => this.#replaceAll());
    this.#restarting = restarting;
    return restarting;
  }

  /** Stops all workers: each of them drains its clients and exits. Resolves after all of them have exited. */
  stop(): Promise<void> {
    this.#stopping ??= this.#endAll(false);
    return this.#stopping;
  }

  /** Returns the state of each worker. */
  async health(): Promise<WorkerHealth[]> {
    return Promise.all(
      [...this.#entries].map(async ({ participant, started }) => ({
        number: participant.number,
        pid: participant.worker.process.pid,
        state: participant.state,
        uptime: Math.round(performance.now() - started),
        report: await this.#report(participant),
      })),
    );
  }

  /**
   * Forks a worker. Resolves after the worker has started to listen.
   *
   * @param timeout how many milliseconds the worker may take to listen before it is killed. Default: no limit
   */
  #fork(timeout?: number): Promise<Entry> {
    const worker = cluster.fork({ [WORKER_VARIABLE]: "1" });
    return new Promise((resolve, reject) => {
      let failure: WorkerFailedError | undefined;
      const fail = (message: string, code?: string): void => {
        failure = new WorkerFailedError(message, code);
        worker.process.kill("SIGKILL");
      };
      const participant = this.#exchange.add(worker, (message) => {
        if (message.type === "joined" && message.port !== (this.#port ?? message.port)) {
          // The last worker that listened on the port has ended in the meantime, so the new worker was assigned another
          // port.
          fail(`worker ${participant.number} listens on another port`);
        } else if (message.type === "joined") {
          clearTimeout(timer);
          entry.listening = performance.now();
          this.#url = message.url ?? "";
          this.#port = message.port;
          resolve(entry);
        } else if (message.type === "failed") {
          fail(message.message, message.code);
        } else {
          this.#onMessage(entry, message);
        }
      });
      const { number } = participant;
      const timer =
        timeout &&
        setTimeout(fail, timeout, `worker ${number} did not listen within ${timeout} ms`);
      const exited = new Promise<void>((onExited) => {
        worker.process.once("exit", (code: number | null, signal: string | null) => {
          clearTimeout(timer);
          this.#entries.delete(entry);
          onExited();
          const how = signal ?? `exit code ${code}`;
          reject(
            failure ?? new WorkerFailedError(`worker ${number} ended before it listened: ${how}`),
          );
          this.#onExit(entry, how);
        });
      });
      const entry: Entry = {
        participant,
        started: performance.now(),
        listening: undefined,
        exited,
        replaced: false,
      };
      this.#entries.add(entry);
    });
  }

  #onExit({ participant: { number }, listening, replaced }: Entry, how: string): void {
    if (listening === undefined || replaced || this.#stopping !== undefined) return;
    this.#options.log(`Worker ${number} has ended: ${how}`);
    this.#restartDelay.onEnd(performance.now() - listening);
    this.#forkLater();
  }

  /**
   * Forks a worker to replace one that has ended. There is no delay if the worker has listened for some seconds. Otherwise
   * the worker has failed, and the delay grows with each consecutive failure (restart-delay.ts).
   */
  #forkLater(): void {
    const { log } = this.#options;
    const { value: delay } = this.#restartDelay;
    if (delay > FIRST_DELAY) log(`The next worker starts in ${delay} ms`);
    const timer = setTimeout(() => {
      this.#delayed.delete(timer);
      this.#fork().catch((error: Error) => {
        if (this.#stopping !== undefined) return;
        log(error.message);
        this.#restartDelay.onEnd(0);
        this.#forkLater();
      });
    }, delay);
    this.#delayed.add(timer);
  }

  async #replaceAll(): Promise<void> {
    for (const entry of [...this.#entries]) {
      if (entry.participant.state !== "ready" || this.#stopping !== undefined) continue;
      // The old worker may end on its own in the meantime. Then no second replacement is forked for it.
      entry.replaced = true;
      try {
        await this.#fork(START_TIMEOUT);
      } catch (error) {
        entry.replaced = false;
        if (!this.#entries.has(entry)) this.#forkLater();
        throw error;
      }
      await this.#end(entry, true);
    }
  }

  /** Requests that a worker exits, and kills the worker if it does not exit in time. */
  async #end(entry: Entry, restart: boolean): Promise<void> {
    const { participant, exited } = entry;
    entry.replaced = true;
    this.#exchange.leave(participant);
    this.#exchange.send(participant, { source: SOURCE, type: "leave", restart });
    const { process } = participant.worker;
    const timer = setTimeout(() => {
      this.#options.log(`Worker ${participant.number} did not exit in time: killed`);
      process.kill("SIGKILL");
    }, this.#options.drainTimeout + EXIT_TIMEOUT);
    await exited;
    clearTimeout(timer);
  }

  /** @param atOnce whether to kill the workers at once, instead of waiting until they have disconnected their clients */
  async #endAll(atOnce: boolean): Promise<void> {
    for (const timer of this.#delayed) clearTimeout(timer);
    await Promise.all(
      [...this.#entries].map(async (entry) => {
        const { worker, state } = entry.participant;
        // A worker that does not listen yet has no clients, so it can be killed.
        if (!atOnce && state !== "starting") {
          await this.#end(entry, false);
          return;
        }
        entry.replaced = true;
        worker.process.kill("SIGKILL");
        await entry.exited;
      }),
    );
    this.#exchange.close();
  }

  #onMessage(entry: Entry, message: ToPrimary): void {
    const { participant } = entry;
    switch (message.type) {
      case "leaving":
        if (entry.replaced || this.#stopping !== undefined) break;
        entry.replaced = true;
        this.#forkLater();
        break;
      case "stop":
        this.#options.onStopAsked();
        break;
      case "restart":
        this.restart().catch((error: Error) => this.#options.log(error.message));
        break;
      case "health":
        void this.health().then((workers) => {
          const { request } = message;
          this.#exchange.send(participant, { source: SOURCE, type: "health", request, workers });
        });
        break;
      case "report":
        this.#reports.get(message.request)?.(message.report);
        break;
      default:
    }
  }

  #report(participant: Participant): Promise<WorkerReport | undefined> {
    const request = this.#requests++;
    return new Promise((resolve) => {
      const end = (report: WorkerReport | undefined): void => {
        clearTimeout(timer);
        this.#reports.delete(request);
        resolve(report);
      };
      const timer = setTimeout(end, REPORT_TIMEOUT, undefined);
      this.#reports.set(request, end);
      this.#exchange.send(participant, { source: SOURCE, type: "report", request });
    });
  }

  /**
   * Returns the port for a new worker. If the program listens on port 0, all workers use the port that the first worker
   * was assigned, even if that worker has ended.
   */
  #portFor(): number | undefined {
    const isReady = [...this.#entries].some(({ participant: { state } }) => state === "ready");
    if (!isReady) this.#asked = this.#port;
    return this.#asked;
  }
}
