// Floods a server with clients that try to connect as fast as they can ("strangers"), while a few other clients use the
// server.

import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";

import { io as connectClient, type Socket } from "socket.io-client";

import { Server } from "../../server.ts";
import { boundsOf } from "../support/bounds.ts";
import { held } from "../support/memory.ts";
import { listen, reset, turn, until, upgradeRequest } from "../support/net.ts";
import { Random } from "../support/random.ts";

const CLIENTS = 10;
const STRANGERS_AT_ONCE = 100;
const MAX_CONNECTIONS = 50;
const MAX_HANDSHAKES_PER_SECOND = 50;

const QUERY = "/socket.io/?EIO=4&transport=";
const GET = `GET ${QUERY}polling HTTP/1.1\r\nHost: x\r\n\r\n`;
const UPGRADE = upgradeRequest(`${QUERY}websocket`);

/** Counts of the objects that connections create in the process. */
export interface Structures {
  readonly sessions: number;
  /** The number of clients that count towards the connection limits. */
  readonly places: number;
  /** The number of open TCP connections to the server. */
  readonly connections: number;
  readonly timers: number;
}

export interface FloodReport {
  readonly before: Structures;
  readonly after: Structures;
  /** The largest number of sessions at the same time. */
  readonly mostSessions: number;
  /** Attempts by the status of the response, or "none" if the stranger did not wait for a response. */
  readonly answers: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<string, number>>;
  /** The faults that clients noticed: lost events, events out of order, and disconnections. */
  readonly faults: readonly string[];
  /** The duration of each echo, in milliseconds. */
  readonly echoes: readonly number[];
  readonly seconds: number;
  /** Bytes on the heap after a garbage collection, including those of the clients and the strangers. */
  readonly heapBefore: number;
  readonly heapAfter: number;
}

/** Floods a server with this many attempts to connect. */
export async function flood(attempts: number, seed: number): Promise<FloodReport> {
  const http = createServer();
  const io = new Server(http, {
    maxConnections: MAX_CONNECTIONS,
    maxHandshakesPerSecond: MAX_HANDSHAKES_PER_SECOND,
    // With these short timeouts, the sessions of silent strangers end soon.
    pingInterval: 1000,
    pingTimeout: 4000,
  });
  let mostSessions = 0;
  io.engine.on("connection", () => {
    mostSessions = Math.max(mostSessions, io.engine.clientsCount);
  });
  io.on("connection", (socket) => {
    socket.on("echo", (number, answer) => answer(number));
  });
  const port = await listen(http);
  const clients = Array.from({ length: CLIENTS }, (_, at) => new EchoClient(port, at));
  await Promise.all(clients.map((client) => client.ready()));

  const random = new Random(seed);
  const answers: Record<string, number> = {};
  const strangers = async (count: number): Promise<void> => {
    let left = count;
    const stranger = async (): Promise<void> => {
      while (left-- > 0) {
        const answer = await attempt(port, random);
        answers[answer] = (answers[answer] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: STRANGERS_AT_ONCE }, stranger));
    await until(() => io.engine.clientsCount === CLIENTS);
    // Only the WebSockets of the clients may remain.
    while ((await structures(io)).connections > CLIENTS) await turn();
  };
  // V8 compiles code on its first use, and keeps the compiled code on the heap. This first flood makes V8 compile the code
  // before the heap is measured.
  await strangers(Math.min(1000, attempts));
  for (const name of Object.keys(answers)) delete answers[name];
  await Promise.all(clients.map((client) => client.pause()));
  const [before, heapBefore] = [await structures(io), held()];
  for (const client of clients) client.start();
  const begun = performance.now();
  await strangers(attempts);
  const seconds = (performance.now() - begun) / 1000;
  await Promise.all(clients.map((client) => client.pause()));
  const [after, heapAfter] = [await structures(io), held()];

  const { refusals } = io.stats();
  const faults = clients.flatMap((client) => client.faults);
  const echoes = clients.flatMap((client) => client.echoes);
  for (const client of clients) client.leave();
  await io.close();
  return {
    before,
    after,
    mostSessions,
    answers,
    refusals,
    faults,
    echoes,
    seconds,
    heapBefore,
    heapAfter,
  };
}

/** A client that sends one number after another, and waits for each echo. */
class EchoClient {
  readonly echoes: number[] = [];
  readonly faults: string[] = [];
  readonly #socket: Socket;
  #running: Promise<void> | undefined;
  #paused = false;
  #next = 0;
  #left = false;

  constructor(port: number, at: number) {
    const transports = at % 2 === 0 ? ["websocket"] : ["polling", "websocket"];
    this.#socket = connectClient(`http://127.0.0.1:${port}`, { transports, forceNew: true });
    this.#socket.on("disconnect", (reason) => {
      if (!this.#left) this.faults.push(`disconnected: ${reason}`);
    });
  }

  async ready(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.once("connect", () => resolve()));
    const { engine } = this.#socket.io;
    if (engine.transport.name !== "websocket") {
      await new Promise<void>((resolve) => engine.once("upgrade", () => resolve()));
    }
    this.start();
  }

  start(): void {
    this.#paused = false;
    this.#running = this.#run();
  }

  /** Resolves when the last echo has arrived. */
  async pause(): Promise<void> {
    this.#paused = true;
    await this.#running;
  }

  leave(): void {
    this.#left = true;
    this.#socket.disconnect();
  }

  async #run(): Promise<void> {
    while (!this.#paused && this.faults.length === 0) {
      const begun = performance.now();
      const sent = this.#next++;
      try {
        const echo: unknown = await this.#socket.timeout(30_000).emitWithAck("echo", sent);
        if (echo !== sent) this.faults.push(`${echo} instead of ${sent}`);
      } catch {
        this.faults.push(`${sent} is lost`);
      }
      this.echoes.push(performance.now() - begun);
      // This pause keeps the client from flooding the server itself.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

async function structures(io: Server): Promise<Structures> {
  return {
    sessions: io.engine.clientsCount,
    places: boundsOf(io).count,
    connections: await new Promise((resolve) =>
      io.httpServer.getConnections((_error, count) => resolve(count)),
    ),
    timers: process.getActiveResourcesInfo().filter((name) => name === "Timeout").length,
  };
}

/** The text that a stranger sends, and whether the stranger waits for a response. */
type Attempt = readonly [text: string, waits: boolean];

const ATTEMPTS: readonly [Attempt, ...Attempt[]] = [
  [UPGRADE, true],
  [UPGRADE, true],
  [GET, true],
  [UPGRADE, false],
  [GET, false],
  [UPGRADE.slice(0, 60), false],
  [GET.slice(0, 20), false],
];

/**
 * Tries to connect once, and closes the connection with a RST. After a FIN the operating system would reserve the port
 * for a minute, and would run out of ports.
 *
 * @returns the status of the response, or "none"
 */
async function attempt(port: number, random: Random): Promise<string> {
  const [text, waits] = random.pick(ATTEMPTS);
  const socket = connect(port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  const connected = once(socket, "connect").then(
    () => true,
    () => false,
  );
  if (!(await connected)) {
    await closed;
    return "none";
  }
  socket.write(text);
  let status = "none";
  if (waits) {
    const answered = new Promise<void>((resolve) => {
      socket.once("data", (chunk: Buffer) => {
        status = chunk.toString("latin1").split(" ", 2)[1] ?? "";
        resolve();
      });
    });
    await Promise.race([answered, closed]);
  }
  reset(socket);
  await closed;
  return status;
}
