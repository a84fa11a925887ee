// Sends commands to a process of the bench, and returns its answers.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";

export type Json =
  | number
  | string
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };
export type Arguments = Readonly<Record<string, Json>>;

interface Command {
  readonly id: number;
  readonly name: string;
  readonly args: Arguments;
}
interface Answer {
  readonly id: number;
  readonly result?: Json;
  readonly error?: string;
}

export type Commands = Readonly<Record<string, (args: Arguments) => Json | Promise<Json>>>;

/**
 * Executes commands in a process that the bench has started. The process exits when its parent
 * exits.
 */
export function obey(commands: Commands): void {
  process.on("message", async ({ id, name, args }: Command) => {
    const command = commands[name];
    let answer: Answer;
    try {
      if (command === undefined) throw new Error(`no command ${name}`);
      answer = { id, result: await command(args) };
    } catch (error) {
      answer = { id, error: error instanceof Error ? `${error.stack}` : `${error}` };
    }
    process.send?.(answer);
  });
  process.on("disconnect", () => process.exit());
}

const canPin = existsSync("/usr/bin/taskset");

export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  /** @param core the core to run on, if the system has taskset */
  constructor(script: string, core: number, flags: readonly string[] = [], args: string[] = []) {
    const node = [...flags, script, ...args];
    const [command, ...rest] = canPin
      ? ["taskset", "-c", `${core}`, process.execPath, ...node]
      : [process.execPath, ...node];
    this.#process = spawn(command ?? "", rest, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#process.on("message", (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#process.on("exit", (code) => {
      for (const tell of this.#waiting.values()) tell({ id: 0, error: `${script} ended: ${code}` });
      this.#waiting.clear();
    });
  }

  async call(name: string, args: Arguments = {}): Promise<Json> {
    const id = ++this.#lastId;
    const { result = null, error } = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#process.send({ id, name, args } satisfies Command);
    });
    if (error !== undefined) throw new Error(error);
    return result;
  }

  /** Sends a command and resolves to its answer, which must be a number. */
  async number(name: string, args: Arguments = {}): Promise<number> {
    return Number(await this.call(name, args));
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) return resolve();
      this.#process.once("exit", () => resolve());
      this.#process.kill("SIGKILL");
    });
  }
}
