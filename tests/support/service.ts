// A server by other hands that runs as a child process: started, paused, stopped, started again.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

import { listen } from "./net.ts";

export interface Service {
  readonly port: number;
  readonly url: string;
  /** Stops the process as it is, connections open: SIGSTOP. */
  pause(): void;
  /** Has it go on after pause(). */
  resume(): void;
  /** Ends it. Resolves when it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it and starts it again, on the same port and with the same folder. */
  restart(): Promise<void>;
}

export interface Command {
  readonly program: string;
  readonly arguments: (port: number) => readonly string[];
  readonly options?: SpawnOptions;
  /** What it writes when it accepts connections, to its output or its errors. */
  readonly ready: RegExp;
}

/** A server that takes this long to start does not start. */
const STARTING = 60_000;

/** Returns a port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

/** Runs a command that serves a port. */
export class ServiceProcess {
  readonly port: number;
  readonly #command: Command;
  #child: ChildProcess | undefined;

  constructor(command: Command, port: number) {
    this.#command = command;
    this.port = port;
  }

  /** Starts it on a free port. Another process may take the port in between, so it tries again. */
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

  /** Starts it. Resolves when it accepts connections. */
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

  /** Sends a signal to the process and to those that it has started. */
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
    // A process that is stopped would answer no signal but SIGKILL.
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
