// Runs in a page, together with a version of socket.io-client. It executes the commands of page-client.ts, and reports
// the events of the client's sockets.

import { type Making, read, write } from "./page-values.ts";

interface PageEngine {
  readonly transport: { readonly name: string };
  on(event: "upgrade", listener: () => void): unknown;
  close(): unknown;
}

interface PageSocket {
  readonly connected: boolean;
  readonly io: {
    readonly engine?: PageEngine;
    socket(namespace: string, options: object): PageSocket;
  };
  emit(event: string, ...args: unknown[]): unknown;
  send(...args: unknown[]): unknown;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  disconnect(): unknown;
}

/** A command from the test to its page. */
export type Command =
  | { does: "connect"; id: number; url: string; options: object; events: readonly string[] }
  | {
      does: "join";
      id: number;
      of: number;
      namespace: string;
      options: object;
      events: readonly string[];
    }
  | { does: "emit"; id: number; event: string; args: unknown[] }
  | { does: "send"; id: number; args: unknown[] }
  | { does: "disconnect"; id: number }
  | { does: "close the engine"; id: number }
  | { does: "call"; callback: number; args: unknown[] };

/** A report from the page to the test. */
export type Report =
  | {
      of: "event";
      id: number;
      event: string;
      args: unknown[];
      connected: boolean;
      transport: string;
    }
  | { of: "upgrade"; id: number; transport: string }
  | { of: "call"; callback: number; args: unknown[] };

declare const io: (url: string, options: object) => PageSocket;
/** Sends reports to the test. Playwright defines this function. */
declare const tellTest: (reports: string) => void;

const sockets = new Map<number, PageSocket>();
const callbacks: ((...args: unknown[]) => unknown)[] = [];
const reports: Report[] = [];

function remember(callback: (...args: unknown[]) => unknown): number {
  return callbacks.push(callback) - 1;
}

const making: Making = {
  bytes: (bytes) => bytes.buffer,
  blob: (bytes) => new Blob([bytes]),
  callback:
    (callback) =>
    (...args) =>
      report({ of: "call", callback, args }),
};

/** Sends all reports of the same turn in one message. */
function report(what: Report): void {
  if (reports.push(what) > 1) return;
  queueMicrotask(() => tellTest(write(reports.splice(0), remember)));
}

function follow(id: number, socket: PageSocket, events: readonly string[]): void {
  sockets.set(id, socket);
  const engines = new Set<PageEngine>();
  for (const event of events) {
    socket.on(event, (...args) => {
      const { engine } = socket.io;
      if (engine !== undefined && !engines.has(engine)) {
        engines.add(engine);
        engine.on("upgrade", () => report({ of: "upgrade", id, transport: engine.transport.name }));
      }
      const { connected } = socket;
      report({ of: "event", id, event, args, connected, transport: engine?.transport.name ?? "" });
    });
  }
}

function socketOf(id: number): PageSocket {
  const socket = sockets.get(id);
  if (socket === undefined) throw new RangeError(`no socket ${id}`);
  return socket;
}

function obey(command: Command): void {
  switch (command.does) {
    case "connect":
      follow(command.id, io(command.url, command.options), command.events);
      return;
    case "join": {
      const { io: manager } = socketOf(command.of);
      follow(command.id, manager.socket(command.namespace, command.options), command.events);
      return;
    }
    case "emit":
      socketOf(command.id).emit(command.event, ...command.args);
      return;
    case "send":
      socketOf(command.id).send(...command.args);
      return;
    case "disconnect":
      socketOf(command.id).disconnect();
      return;
    case "close the engine":
      socketOf(command.id).io.engine?.close();
      return;
    case "call":
      callbacks[command.callback]?.(...command.args);
  }
}

function isCommands(value: unknown): value is readonly Command[] {
  return Array.isArray(value);
}

/** Executes commands that were written by write(). */
function obeyAll(text: string): void {
  const commands = read(text, making);
  if (!isCommands(commands)) throw new TypeError("no commands");
  for (const command of commands) obey(command);
}

Object.assign(globalThis, { obeyAll });
