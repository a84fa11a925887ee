// A server in its own process, for faults of tests/limits that would break the process of the test. The program sends
// its port, and then executes commands: see Command.
//
//   node --import tsx fault-program.ts [logger]     with a logger from LOGGERS

import { appendFileSync, closeSync, createWriteStream, openSync, readdirSync } from "node:fs";
import { createServer } from "node:http";

import { type Logger, Server } from "../../server.ts";
import { FULL } from "./full.ts";
import { listen } from "./net.ts";

/** Opens files until only `free` descriptors are left, closes these files, or returns a report. */
export type Command = { readonly free: number } | "release" | "report";

/** The state of the process. */
export interface Report {
  /** The number of open file descriptors. */
  readonly descriptors: number;
  /** The messages logged at `warn` and `error`, if the program runs without a logger from LOGGERS. */
  readonly lines: readonly string[];
  readonly refusals: number;
  readonly errors: number;
}

const lines: string[] = [];
const record = (message: string): void => void lines.push(message);

/** Ignores write errors of `console`, which would otherwise end the process: docs/operating.md. */
function toConsole(): Logger {
  for (const output of [process.stdout, process.stderr]) output.on("error", () => {});
  return console;
}

function toStream(): Logger {
  const stream = createWriteStream(FULL);
  stream.on("error", () => {});
  const write = (message: string): void => void stream.write(`${message}\n`);
  return { debug: write, warn: write, error: write };
}

function toFile(): Logger {
  const write = (message: string): void => appendFileSync(FULL, `${message}\n`);
  return { debug: write, warn: write, error: write };
}

const LOGGERS: Readonly<Record<string, () => Logger>> = {
  console: toConsole,
  stream: toStream,
  file: toFile,
};

const [, , name = ""] = process.argv;
const logger = LOGGERS[name]?.() ?? { warn: record, error: record };
// The server must not close idle connections of a test.
const http = createServer({ keepAliveTimeout: 1_000_000 });
const io = new Server(http, { logger, pingInterval: 1_000_000 });
io.on("connection", (socket) => {
  socket.on("echo", (value) => socket.emit("echo", value));
});

const taken: number[] = [];
function take(): void {
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    // The process has no descriptors left: EMFILE.
  }
}

function answer(command: Command): Report | number {
  if (command === "report") {
    const { refusals, errors } = io.stats();
    return {
      // The list includes the descriptor that readdirSync() itself opened and has closed again. It does not count.
      descriptors: readdirSync("/proc/self/fd").length - 1,
      lines,
      refusals: Object.values(refusals).reduce((sum, count) => sum + count, 0),
      errors,
    };
  }
  if (command === "release") {
    for (const descriptor of taken.splice(0)) closeSync(descriptor);
  } else {
    take();
    for (const descriptor of taken.splice(0, command.free)) closeSync(descriptor);
  }
  return taken.length;
}

process.on("message", (command: Command) => process.send?.(answer(command)));
process.send?.(await listen(http));
