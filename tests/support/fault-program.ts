// A server in a process of its own, to which tests/limits do what they could not do to the process of the test. It sends its
// port, and then answers commands: see Command.
//
//   node --import tsx fault-program.ts [logger]     with a logger from LOGGERS

import { appendFileSync, closeSync, createWriteStream, openSync, readdirSync } from "node:fs";
import { createServer } from "node:http";

import { type Logger, Server } from "../../server.ts";
import { FULL } from "./full.ts";
import { listen } from "./net.ts";

/** Uses up all file descriptors but `free`, gives them back, or says how the process is. */
export type Command = { readonly free: number } | "release" | "report";

/** How the process is. */
export interface Report {
  /** File descriptors that are open. */
  readonly descriptors: number;
  /** Texts of lines that were logged at `warn` and `error`, without a logger of LOGGERS. */
  readonly lines: readonly string[];
  readonly refusals: number;
  readonly errors: number;
}

const lines: string[] = [];
const record = (message: string): void => void lines.push(message);

/** Has the outputs of `console` fail without an end of the process: docs/operating.md. */
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
// A connection that a test keeps is not closed under it.
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
    // EMFILE.
  }
}

function answer(command: Command): Report | number {
  if (command === "report") {
    const { refusals, errors } = io.stats();
    return {
      // That of the listing is closed again.
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
