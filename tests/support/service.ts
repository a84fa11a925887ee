// A third-party server in a child process that a test can start, pause, stop and restart.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

import { listen } from "./net.ts";

export interface Service {
  readonly port: number;
  readonly url: string;
  /** Pauses the process with SIGSTOP. Its connections stay open. */
  pause(): void;
  /** Resumes the process after pause(). */
  resume(): void;
  /** Stops the process. Resolves when it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Stops the process and starts it again, with the same port and folder. */
  restart(): Promise<void>;
}

export interface Command {
  readonly program: string;
  readonly arguments: (port: number) => readonly string[];
  readonly options?: SpawnOptions;
  /** Matches the line on stdout or stderr that the process prints when it accepts connections. */
  readonly ready: RegExp;
}

/** How long the start of a server may take, in milliseconds. */
const STARTING = 60_000;

/** Returns a loopback port that was free at the time of the call. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

/** A process that listens on a port. */
export class ServiceProcess {
  readonly port: number;
  readonly #command: Command;
  #child: ChildProcess | undefined;

  constructor(command: Command, port: number) {
    this.#command = command;
    this.port = port;
  }

  /** Starts the process on a free port. Another process may bind the port first, so a failed start is repeated. */
  static async start(command: Command): Promise<ServiceProcess> {
    for (let attempt = 1; ; attempt++) {
      const service = new ServiceProcess(command, await freePort());
      try {
        await service.start();
        return service;
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  /** Starts the process. Resolves when it accepts connections. */
  async start(): Promise<void> {
    const { program, options, ready } = this.#command;
    const child = spawn(program, this.#command.arguments(this.port), {
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let said = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), STARTING);
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        if (said.length > 100_000) return;
        said += chunk.toString();
        if (ready.test(said)) resolve();
      };
      child.stdout?.on("data", hear);
      child.stderr?.on("data", hear);
      child.on("error", reject);
      child.on("exit", () => reject(new Error(`${program} has ended: ${said}`)));
    }).finally(() => clearTimeout(timer));
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  /** Sends a signal to the process and its child processes. */
  signalAll(signal: NodeJS.Signals): void {
    if (!this.#isRunning()) return;
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    for (const id of [pid, ...childrenOf(pid)]) process.kill(id, signal);
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.#isRunning()) return;
    const ended = once(child, "exit");
    // A paused process would react only to SIGKILL.
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  }

  #isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }
}

function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return list.split(" ").filter(Boolean).map(Number);
}
