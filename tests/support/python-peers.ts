// Hosts of python-socketio as child processes, with their clients: the installed Flask-SocketIO, and a small program
// for the dialect of newer versions.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { PythonDialect } from "../../lib/adapters/python.ts";
import type { Untyped } from "../../lib/events/emitter.ts";
import { isObject } from "../../lib/events/options.ts";
import { connectTo } from "./client.ts";
import { ENVIRONMENT } from "./environment.ts";
import type { Cleanup } from "./installed.ts";

const PYTHON = "/usr/bin/python3";
/** How long a program may print nothing, in milliseconds. */
const PATIENCE = 60_000;
const FOREVER = 0x7fffffff;

/**
 * Returns the reason to skip tests that need these Python modules, or `false` if the modules are installed. If CI is
 * "true", the tests are never skipped.
 */
export function noModules(modules: string, packages: string): string | false {
  if (process.env.CI === "true") return false;
  try {
    execFileSync(PYTHON, ["-c", `import ${modules}`], { stdio: "ignore" });
    return false;
  } catch {
    return `${PYTHON} has no ${modules}: apt-get install ${packages}`;
  }
}

/** The features of a version of python-socketio. */
export interface Speaks {
  readonly dialect: PythonDialect;
  readonly pickle: boolean;
  /** Whether the version handles enter_room and leave_room from other hosts. */
  readonly entersRooms: boolean;
}

/** The options of a command, with their names in Python. */
export interface CommandOptions {
  readonly event?: string;
  readonly args?: readonly unknown[];
  readonly to?: string | readonly string[];
  readonly skip_sid?: string | readonly string[];
  readonly sid?: string;
  readonly room?: string;
  readonly namespace?: string;
}

export type Command = "emit" | "call" | "close_room" | "disconnect" | "enter_room" | "leave_room";

/** A host, or a process that only publishes. */
export interface Publisher {
  readonly speaks: Speaks;
  run(command: Command, options: CommandOptions): Promise<unknown>;
}

export interface Peer extends Publisher {
  connect(namespace?: string): Promise<PeerClient>;
}

/** A client of a host. It acknowledges the event "ask" with "acked" and the first argument. */
export interface PeerClient {
  readonly sid: string;
  readonly disconnected: Promise<unknown>;
  rooms(): Promise<unknown>;
  /** Resolves to the events received since the last call, up to the next event "fence". */
  receivedBefore(): Promise<unknown[]>;
}

/** Stores received events until the next event "fence" arrives. */
export class Mailbox {
  #received: unknown[][] = [];
  #wake: () => void = () => {};

  readonly add = (event: string, args: readonly unknown[]): void => {
    this.#received.push([event, ...args]);
    this.#wake();
  };

  async receivedBefore(): Promise<unknown[]> {
    for (;;) {
      const fence = this.#received.findIndex(([event]) => event === "fence");
      if (fence !== -1) return this.#received.splice(0, fence + 1).slice(0, -1);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A program that prints lines of JSON. It is killed when the test ends. */
class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly ended: Promise<never>;
  errors = "";

  constructor(context: Cleanup, name: string, args: readonly string[]) {
    const script = join(import.meta.dirname, "../programs", name);
    const child = spawn(PYTHON, [script, ...args], { env: ENVIRONMENT });
    this.#child = child;
    child.stderr.on("data", (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-10_000);
    });
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const exit = once(child, "exit");
    this.ended = exit.then(() => {
      throw new Error(`${name} has ended: ${this.errors}`);
    });
    this.ended.catch(() => {});
    context.after(async () => {
      child.kill("SIGKILL");
      await exit;
    });
  }

  send(value: unknown): void {
    this.#child.stdin.write(`${JSON.stringify(encode(value))}\n`);
  }

  /** Resolves to the next line. @param patience the timeout in milliseconds */
  async next(patience = PATIENCE): Promise<Untyped> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`the program has printed nothing: ${this.errors}`)),
        patience,
      );
    });
    try {
      const { value } = await Promise.race([this.#lines.next(), this.ended, late]);
      return decode(JSON.parse(value));
    } finally {
      clearTimeout(timer);
    }
  }
}

function encode(value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(encode);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encode(each)]));
}

function decode(value: Untyped): Untyped {
  if (Array.isArray(value)) return value.map(decode);
  if (!isObject(value)) return value;
  if ("base64" in value) return Buffer.from(`${value.base64}`, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, decode(each)]));
}

function speaks(line: Untyped): Speaks {
  return {
    dialect: line.args_list ? "args-list" : "raw",
    pickle: line.pickles,
    entersRooms: line.enter_room,
  };
}

/** Starts a Flask-SocketIO server. */
export async function startFlask(context: Cleanup, url: string, channel: string): Promise<Peer> {
  const program = new Program(context, "flask_peer.py", ["serve", url, channel]);
  const first = await program.next();
  const address = `http://127.0.0.1:${first.port}`;
  const connect = async (namespace = "/") => {
    const socket = connectTo(context, address + namespace, { transports: ["websocket"] });
    const mailbox = new Mailbox();
    socket.onAny((event: string, ...args: unknown[]) =>
      mailbox.add(
        event,
        args.filter((each) => typeof each !== "function"),
      ),
    );
    socket.on("ask", (question: unknown, answer?: (...args: unknown[]) => void) =>
      answer?.("acked", question),
    );
    const disconnected = new Promise((resolve) => socket.once("disconnect", resolve));
    const sid = await Promise.race([socket.emitWithAck("who"), program.ended]);
    return { socket, sid, mailbox, disconnected };
  };
  const driver = await connect();
  return {
    speaks: speaks(first),
    run: (command, options) =>
      Promise.race([
        driver.socket.timeout(PATIENCE).emitWithAck("do", command, options),
        program.ended,
      ]),
    connect: async (namespace) => {
      const { socket, sid, mailbox, disconnected } = await connect(namespace);
      return {
        sid,
        disconnected,
        rooms: () => socket.emitWithAck("rooms"),
        receivedBefore: () => mailbox.receivedBefore(),
      };
    },
  };
}

/** Starts a process with Flask-SocketIO that only publishes. */
export async function startFlaskWriter(
  context: Cleanup,
  url: string,
  channel: string,
): Promise<Publisher> {
  const program = new Program(context, "flask_peer.py", ["write", url, channel]);
  const first = await program.next();
  return {
    speaks: speaks(first),
    run: async (command, options) => {
      program.send([command, options]);
      return (await program.next()).result;
    },
  };
}

/** Starts a host with the dialect of python-socketio 5.15.1 and later. */
export async function startPythonHost(
  context: Cleanup,
  url: string,
  channel: string,
): Promise<Peer> {
  const program = new Program(context, "python_host.py", [url, channel]);
  const first = await program.next();
  const mailboxes = new Map<string, Mailbox>();
  const gone = new Map<string, () => void>();
  const results: ((result: unknown) => void)[] = [];
  const read = async (): Promise<void> => {
    for (;;) {
      const line = await program.next(FOREVER);
      if (line.to === undefined) results.shift()?.(line.result);
      else if (line.disconnect) gone.get(line.to)?.();
      else mailboxes.get(line.to)?.add(line.event, line.args);
    }
  };
  // read() rejects when the program ends.
  read().catch(() => {});
  const run = (command: string, options: CommandOptions): Promise<Untyped> => {
    const result = new Promise((resolve) => results.push(resolve));
    program.send([command, options]);
    return Promise.race([result, program.ended]);
  };
  return {
    speaks: speaks(first),
    run,
    connect: async (namespace = "/") => {
      const sid: string = await run("connect", { namespace });
      const mailbox = new Mailbox();
      mailboxes.set(sid, mailbox);
      return {
        sid,
        disconnected: new Promise<void>((resolve) => gone.set(sid, resolve)),
        rooms: () => run("rooms", { sid, namespace }),
        receivedBefore: () => mailbox.receivedBefore(),
      };
    },
  };
}
