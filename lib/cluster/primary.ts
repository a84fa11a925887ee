// The primary of a server that runs in workers: it forks them, replaces those that end, and restarts them one by one. It
// serves no clients.
//
//   fork ──▶ starting ── joined ──▶ ready ── leave ──▶ leaving ──▶ (its process has ended)
//                └───────────────────┴── its process ends: another one is forked, later if it ends soon again

import cluster from "node:cluster";

import { Exchange, type Participant } from "./exchange.ts";
import type { Link } from "./link.ts";
import { SOURCE, type ToPrimary, type WorkerHealth, type WorkerReport } from "./messages.ts";
import { FIRST_DELAY, RestartDelay } from "./restart-delay.ts";

/** Tells the processes that the primary has forked from those of others. */
export const WORKER_VARIABLE = "BAREWIRE_WORKER";

/** Milliseconds that a worker may take until it listens, when it replaces another in a restart. */
const START_TIMEOUT = 60_000;
/** Milliseconds beyond `drainTimeout` that a worker may take to exit. */
const EXIT_TIMEOUT = 5_000;
/** Milliseconds that a worker may take to report. */
const REPORT_TIMEOUT = 1_000;

export interface PrimaryOptions {
  /** How many workers there are. */
  readonly workers: number;
  /** Milliseconds that a worker's clients may take to get what waits for them. */
  readonly drainTimeout: number;
  /** Takes the lines that say what happens. */
  readonly log: (line: string) => void;
  /** Called when a worker asks for the end of all. */
  readonly onStopAsked: () => void;
}

/** A worker has ended before it listened. */
export class WorkerFailedError extends Error {
  override readonly name = "WorkerFailedError";
  /** "ERR_WORKER_FAILED", or why it could not listen, such as "EADDRINUSE". */
  readonly code: string;

  constructor(message: string, code = "ERR_WORKER_FAILED") {
    super(message);
    this.code = code;
  }
}

interface Entry {
  readonly participant: Participant;
  readonly started: number;
  /** When it began to listen. */
  listening: number | undefined;
  /** Resolves when its process has ended. */
  readonly exited: Promise<void>;
  /** Another worker is there in its place, or none is to be. */
  replaced: boolean;
}

export class Primary {
  readonly #options: PrimaryOptions;
  readonly #exchange: Exchange;
  readonly #entries = new Set<Entry>();
  readonly #reports = new Map<number, (report: WorkerReport) => void>();
  readonly #delayed = new Set<NodeJS.Timeout>();
  #url = "";
  #port: number | undefined;
  /** The port that workers ask for. Those that share a socket ask for the same. */
  #asked: number | undefined;
  readonly #restartDelay = new RestartDelay();
  #requests = 0;
  #restarting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.#exchange = new Exchange(() => this.#portFor(), options.log);
    // Bytes travel as bytes.
    cluster.setupPrimary({ serialization: "advanced" });
  }

  /** The way of the primary's own adapters to the workers. */
  get link(): Link {
    return this.#exchange.link;
  }

  /** Where the workers listen. */
  get url(): string {
    return this.#url;
  }

  /**
   * Forks the workers, and resolves when all of them listen.
   *
   * @throws WorkerFailedError (rejects) if one ends first
   */
  async start(): Promise<void> {
    const { workers } = this.#options;
    try {
      // The first one alone: what keeps it from listening is told once.
      await this.#fork();
      await Promise.all(Array.from({ length: workers - 1 }, () => this.#fork()));
    } catch (error) {
      this.#stopping = Promise.resolve();
      await this.#endAll(true);
      throw error;
    }
  }

  /**
   * Replaces the workers one by one: another one listens before the clients of the old one are told. Resolves when
   * all are replaced.
   *
   * @throws WorkerFailedError (rejects) if a new one does not listen in time. The old ones that are left stay
   */
  restart(): Promise<void> {
    const restarting = this.#restarting.catch(() => {}).then(() => this.#replaceAll());
    this.#restarting = restarting;
    return restarting;
  }

  /** Has every worker drain and exit. Resolves when all have. */
  stop(): Promise<void> {
    this.#stopping ??= this.#endAll(false);
    return this.#stopping;
  }

  /** Asks the workers how they are. */
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
   * Forks a worker, and resolves when it listens.
   *
   * @param timeout milliseconds after which it is killed if it does not. Default: none
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
          // The last worker that had the port has ended between.
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
        setTimeout(fail, timeout, `worker ${number} does not listen after ${timeout} ms`);
      const exited = new Promise<void>((onExited) => {
        worker.process.once("exit", (code: number | null, signal: string | null) => {
          clearTimeout(timer);
          this.#entries.delete(entry);
          onExited();
          const how = signal ?? `exit code ${code}`;
          reject(failure ?? new WorkerFailedError(`worker ${number} did not listen: ${how}`));
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

  /** Forks a worker for one that has ended: at once, or later the more often they have failed in a row. */
  #forkLater(): void {
    const { log } = this.#options;
    const { value: delay } = this.#restartDelay;
    if (delay > FIRST_DELAY) log(`The next worker is started in ${delay} ms`);
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
      // It may end of itself meanwhile, and is replaced then, too.
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

  /** Has a worker exit. One that does not is killed. */
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

  /** @param atOnce their clients are not told */
  async #endAll(atOnce: boolean): Promise<void> {
    for (const timer of this.#delayed) clearTimeout(timer);
    await Promise.all(
      [...this.#entries].map(async (entry) => {
        const { worker, state } = entry.participant;
        // One that does not listen yet has nobody to tell.
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
        // Somebody else has told it to: another one takes its place.
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

  /** A program that asks for any port keeps the one that it got, even if no worker is left that has it. */
  #portFor(): number | undefined {
    const isReady = [...this.#entries].some(({ participant: { state } }) => state === "ready");
    if (!isReady) this.#asked = this.#port;
    return this.#asked;
  }
}
