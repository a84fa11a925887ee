// The versions of socket.io-client in pages of Chromium. A test uses them as if they ran in its own process.

import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";

import { buildSync } from "esbuild";
import type { Browser, Page } from "playwright-core";

import { type Generation, generation, type StockClient } from "./generations.ts";
import type { Command, Report } from "./in-page.ts";
import { AsBlob, type Making, read, write } from "./page-values.ts";

const PACKAGES = join(import.meta.dirname, "../../node_modules");

/** The file that a page loads for each version of the client. */
const FILES: Readonly<Record<string, string>> = {
  "1.3.6": "socket.io-client-1.3/socket.io.js",
  "1.7.4": "socket.io-client-1.7/dist/socket.io.js",
  "2.5.0": "socket.io-client-2/dist/socket.io.js",
  "3.1.3": "socket.io-client-3/dist/socket.io.js",
  "4.8.4": "socket.io-client/dist/socket.io.js",
};

const HTML = '<!doctype html><script src="/client.js"></script><script src="/in-page.js"></script>';

/** A page with one version of the client. */
class ClientPage {
  readonly #browser: () => Browser;
  readonly #events: readonly string[];
  readonly #clients: PageClient[] = [];
  readonly #callbacks: ((...args: unknown[]) => unknown)[] = [];
  readonly #commands: Command[] = [];
  #page: Promise<Page> | undefined;
  #work: Promise<unknown> = Promise.resolve();
  #origin = "";

  constructor(browser: () => Browser, events: readonly string[]) {
    this.#browser = browser;
    this.#events = events;
  }

  connect(url: string, options: object): StockClient {
    const { origin } = new URL(url);
    if (origin !== this.#origin) {
      this.#origin = origin;
      this.#flush();
      this.#do((page) => page.goto(origin));
    }
    const client = this.#create();
    this.say({ does: "connect", id: client.id, url, options, events: this.#events });
    return client;
  }

  join(of: number, namespace: string, options: object): StockClient {
    const client = this.#create();
    this.say({ does: "join", id: client.id, of, namespace, options, events: this.#events });
    return client;
  }

  /** Sends a command to the page. Commands of the same turn are sent together. */
  say(command: Command): void {
    if (this.#commands.push(command) === 1) queueMicrotask(() => this.#flush());
  }

  #create(): PageClient {
    const client = new PageClient(this, this.#clients.length);
    this.#clients.push(client);
    return client;
  }

  #flush(): void {
    if (this.#commands.length === 0) return;
    const text = write(this.#commands.splice(0), (callback) => this.#callbacks.push(callback) - 1);
    this.#do((page) => page.evaluate(`obeyAll(${JSON.stringify(text)})`));
  }

  /** Runs `work` after all earlier work. An error of `work` fails the test that is running. */
  #do(work: (page: Page) => Promise<unknown>): void {
    this.#work = this.#work
      .then(async () => work(await this.#open()))
      .catch((error: unknown) => {
        queueMicrotask(() => {
          throw error;
        });
      });
  }

  /** Resolves when the page has executed all commands. */
  async idle(): Promise<void> {
    this.#flush();
    await this.#work;
  }

  #open(): Promise<Page> {
    this.#page ??= this.#browser()
      .newPage()
      .then(async (page) => {
        await page.exposeFunction("tellTest", (text: string) => this.#onReports(text));
        return page;
      });
    return this.#page;
  }

  #onReports(text: string): void {
    const making: Making = {
      bytes: (bytes) => Buffer.from(bytes),
      blob: (bytes) => Buffer.from(bytes),
      callback:
        (callback) =>
        (...args) =>
          this.say({ does: "call", callback, args }),
    };
    const reports = read(text, making);
    if (!isReports(reports)) throw new TypeError("no reports");
    for (const report of reports) {
      if (report.of === "call") this.#callbacks[report.callback]?.(...report.args);
      else this.#clients[report.id]?.onReport(report);
    }
  }
}

function isReports(value: unknown): value is readonly Report[] {
  return Array.isArray(value);
}

/** A socket of a client that runs in a page. */
class PageClient extends EventEmitter implements StockClient {
  readonly id: number;
  readonly io: StockClient["io"];
  readonly #page: ClientPage;
  #connected = false;
  #transport = "";

  constructor(page: ClientPage, id: number) {
    super();
    this.id = id;
    this.#page = page;
    const transportName = () => this.#transport;
    this.io = {
      engine: {
        transport: {
          get name() {
            return transportName();
          },
        },
        close: () => page.say({ does: "close the engine", id }),
      },
      socket: (namespace, options = {}) => page.join(id, namespace, options),
    };
  }

  get connected(): boolean {
    return this.#connected;
  }

  override emit(event: string, ...args: unknown[]): boolean {
    this.#page.say({ does: "emit", id: this.id, event, args });
    return true;
  }

  send(...args: unknown[]): void {
    this.#page.say({ does: "send", id: this.id, args });
  }

  disconnect(): void {
    this.#page.say({ does: "disconnect", id: this.id });
  }

  onReport(report: Exclude<Report, { of: "call" }>): void {
    this.#transport = report.transport;
    if (report.of === "upgrade") return;
    this.#connected = report.connected;
    // emit() throws an "error" event that has no listener.
    if (this.listenerCount(report.event) > 0) super.emit(report.event, ...report.args);
  }
}

export interface PageGeneration {
  readonly generation: Generation;
  /** Resolves when the page has executed all commands, and the browser may be closed. */
  idle(): Promise<void>;
}

/**
 * Returns a version of socket.io-client that runs in a page.
 *
 * @param browser called when the first client connects; returns the browser
 * @param events the names of all events for which tests add listeners to clients
 */
export function pageGeneration(
  version: string,
  browser: () => Browser,
  events: readonly string[],
): PageGeneration {
  const driver = buildSync({
    entryPoints: [join(import.meta.dirname, "in-page.ts")],
    bundle: true,
    write: false,
    format: "iife",
  });
  const [{ text: inPage = "" } = {}] = driver.outputFiles;
  const client = readFileSync(join(PACKAGES, FILES[version] ?? ""));
  const listener: RequestListener = ({ url }, response) => {
    response.setHeader("Content-Type", "text/javascript; charset=utf-8");
    if (url === "/client.js") response.end(client);
    else if (url === "/in-page.js") response.end(inPage);
    else if (url === "/") response.setHeader("Content-Type", "text/html").end(HTML);
    else response.writeHead(404).end();
  };
  const page = new ClientPage(browser, events);
  const inThePage: Generation = {
    ...generation(version),
    connect: (url, options) => page.connect(url, options),
    bytes: (given) => given,
    blob: (given) => new AsBlob(given),
    listener,
  };
  return { generation: inThePage, idle: () => page.idle() };
}
