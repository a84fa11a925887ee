// Starts a program that runs in workers (tests/programs/workers.ts), and reads its output.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { ENVIRONMENT } from "./environment.ts";

/** How long the program may take to print an awaited text, in milliseconds. */
const SAYING = 60_000;

/** Registers a cleanup function, as a TestContext does, or the function after() of node:test for a whole file. */
interface Cleanup {
  after(callback: () => Promise<void> | void): unknown;
  /** Why the test has failed. Set before the cleanup functions run. */
  readonly error?: Error | null;
}

export interface WorkersProgram {
  readonly process: ChildProcess;
  readonly port: number;
  readonly url: string;
  /** Returns the whole output of the program. */
  readonly output: () => string;
  /** Resolves when the program has printed this text. */
  readonly says: (text: string | RegExp) => Promise<void>;
  /** Resolves to the exit code and signal of the program. */
  readonly ended: Promise<unknown[]>;
}

/** Starts the program. Resolves when its workers listen. */
export async function startWorkers(
  context: Cleanup,
  options: object = {},
  environment: NodeJS.ProcessEnv = {},
): Promise<WorkersProgram> {
  const program = spawnWorkers(context, options, environment);
  await program.says(/Listening on .*\n/);
  const [, url = "", port] = /Listening on (\S+:(\d+)),/.exec(program.output()) ?? [];
  return { ...program, port: Number(port), url };
}

/** Starts the program without waiting for it, because it may fail. */
export function spawnWorkers(
  context: Cleanup,
  options: object,
  environment: NodeJS.ProcessEnv = {},
): Omit<WorkersProgram, "port" | "url"> {
  const script = join(import.meta.dirname, "../programs/workers.ts");
  const child = spawn(process.execPath, ["--no-warnings", "--import", "tsx", script], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...ENVIRONMENT, ...environment, OPTIONS: JSON.stringify(options) },
  });
  const ended = once(child, "exit");
  context.after(async () => {
    // The workers end when the primary process ends.
    child.kill("SIGKILL");
    await ended;
    if (context.error) console.log(`The program has printed:\n${output}`);
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      output += chunk;
    });
  }
  const says = async (text: string | RegExp): Promise<void> => {
    const end = performance.now() + SAYING;
    while (typeof text === "string" ? !output.includes(text) : !text.test(output)) {
      if (child.exitCode !== null) throw new Error(`the program has ended:\n${output}`);
      if (performance.now() > end)
        throw new Error(`the program has not printed ${text}:\n${output}`);
      await pause(10);
    }
  };
  return { process: child, output: () => output, says, ended };
}

/** Resolves when `condition` holds. Fails after `limit` milliseconds. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limit = 20_000,
): Promise<void> {
  const end = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not true in time: ${what}`);
    await pause(20);
  }
}
