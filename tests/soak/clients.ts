// The clients of the soak test, in one process per library. They connect, count the events that they receive, and
// compare their counts with the server's before they disconnect.

import { type Arguments, type Json, obey } from "../../bench/ipc.ts";
import { io as connectOurs } from "../../client/index.ts";
import type { Untyped } from "../../lib/events/emitter.ts";
import { generation } from "../support/generations.ts";
import { Random } from "../support/random.ts";
import { Latencies } from "./latencies.ts";

/** The members that the sockets of all libraries have in common. */
interface Client {
  emit(event: string, ...args: unknown[]): unknown;
  on(event: string, listener: (...args: Untyped[]) => void): unknown;
  disconnect(): unknown;
}

const LIBRARIES: Readonly<Record<string, (url: string, options: object) => Client>> = {
  barewire: (url, options) => connectOurs(url, options),
  "socket.io-client 4.8.4": (url, options) => generation("4.8.4").connect(url, options),
  "socket.io-client 2.5.0": (url, options) => generation("2.5.0").connect(url, options),
};

const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]] as const;
const SPEAKS_EVERY_MS = 200;
/**
 * Three of four clients stay connected for at most this time, in milliseconds. It is short, so that many clients connect
 * and disconnect.
 */
const BRIEF_MS = 300;
const LONG_MS = 15_000;
const ANSWER_WITHIN_MS = 20_000;

/** The server's final counts for a client that disconnects. */
interface Farewell {
  readonly sent: number;
  readonly received: number;
  readonly broadcasts: number;
  readonly rooms: Readonly<Record<string, number>>;
}

const faults: string[] = [];
const latencies: Record<string, Latencies> = {};
let connections = 0;
let received = 0;
let sent = 0;
let stopping = false;

/** One client, from connecting to disconnecting. */
class Visit {
  readonly #client: Client;
  readonly #name: string;
  readonly #latencies: Latencies;
  readonly #random: Random;
  /** The next number of each stream to this client. */
  readonly #next = new Map<string, number>([["n", 0]]);
  #up = 0;
  #left = false;

  constructor(client: Client, name: string, random: Random) {
    this.#client = client;
    this.#name = name;
    this.#random = random;
    this.#latencies = latencies[name] ??= new Latencies();
    client.on("n", (n: unknown) => this.#expect("n", n));
    client.on("all", (n: unknown) => this.#expect("all", n));
    client.on("room", (room: unknown, n: unknown) => this.#expect(`${room}`, n));
    client.on("disconnect", (reason: unknown) => {
      if (!this.#left) this.#fault(`disconnected: ${reason}`);
      this.#left = true;
    });
    for (const event of ["connect_error", "error"]) {
      client.on(event, (error: unknown) => this.#fault(`${event}: ${error}`));
    }
  }

  /** Connects, emits events for `ms` milliseconds or until the test stops, compares the counts, and disconnects. */
  async live(ms: number): Promise<void> {
    await this.#within("connect", (done) => this.#client.on("connect", () => done(undefined)));
    connections++;
    await this.#ask(["start"], (broadcasts) => this.#next.set("all", Number(broadcasts)));
    const end = performance.now() + ms;
    while (performance.now() < end && !stopping && !this.#left) {
      await this.#speak();
      await new Promise((resolve) => setTimeout(resolve, SPEAKS_EVERY_MS));
    }
    if (!this.#left) await this.#ask(["bye"], (farewell) => this.#compare(asFarewell(farewell)));
    this.#left = true;
    this.#client.disconnect();
  }

  async #speak(): Promise<void> {
    this.#client.emit("up", this.#up++);
    sent++;
    const begun = performance.now();
    await this.#ask(["echo", this.#up], (answer) => {
      this.#latencies.add(performance.now() - begun);
      if (answer !== this.#up) this.#fault(`echo ${answer} instead of ${this.#up}`);
    });
    if (this.#random.int(5) > 0) return;
    const room = `room ${this.#random.int(10)}`;
    if (this.#next.has(room)) {
      await this.#ask(["leave", room], (at) => {
        const next = this.#next.get(room);
        if (at !== next) this.#fault(`${room}: ${next} at its end, not ${at}`);
        this.#next.delete(room);
      });
    } else {
      await this.#ask(["join", room], (at) => this.#next.set(room, Number(at)));
    }
  }

  #expect(stream: string, n: unknown): void {
    received++;
    const next = this.#next.get(stream);
    if (n !== next) this.#fault(`${stream}: ${n} instead of ${next}`);
    this.#next.set(stream, Number(n) + 1);
  }

  #compare(farewell: Farewell): void {
    const expected: readonly (readonly [string, number])[] = [
      ["n", farewell.sent],
      ["all", farewell.broadcasts],
      ...Object.entries(farewell.rooms),
    ];
    for (const [stream, count] of expected) {
      const has = this.#next.get(stream);
      if (has !== count) this.#fault(`${stream}: ${has} at the end, and ${count} were sent`);
    }
    if (farewell.received !== this.#up) {
      this.#fault(`the server has received ${farewell.received} of ${this.#up}`);
    }
  }

  /**
   * Emits an event and calls `read` with its acknowledgement, before the client receives later events. A promise would
   * continue too late, after the other events of the same payload.
   */
  async #ask(
    [event = "", ...args]: readonly unknown[],
    read: (answer: unknown) => void,
  ): Promise<void> {
    await this.#within(`${event}`, (done) =>
      this.#client.emit(`${event}`, ...args, (answer: unknown) => {
        read(answer);
        done(answer);
      }),
    );
  }

  #within(what: string, start: (done: (value: unknown) => void) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer to ${what}`)), ANSWER_WITHIN_MS);
      start((value) => {
        clearTimeout(late);
        resolve(value);
      });
    });
  }

  #fault(text: string): void {
    faults.push(`${this.#name}: ${text}`);
  }
}

function asFarewell(value: unknown): Farewell {
  const {
    sent: count,
    received: had,
    broadcasts,
    rooms,
  }: Partial<Record<keyof Farewell, unknown>> = Object(value);
  return {
    sent: Number(count),
    received: Number(had),
    broadcasts: Number(broadcasts),
    rooms: Object.fromEntries(Object.entries(Object(rooms)).map(([room, n]) => [room, Number(n)])),
  };
}

async function comeAndGo(url: string, library: string, at: number, random: Random): Promise<void> {
  const transports = TRANSPORTS[at % TRANSPORTS.length] ?? ["polling"];
  const name = transports.length === 2 ? "upgrading" : transports[0];
  const connect = LIBRARIES[library];
  if (connect === undefined) throw new RangeError(`no library ${library}`);
  while (!stopping) {
    const client = connect(url, { transports, forceNew: true, reconnection: false });
    const ms = random.int(random.int(4) > 0 ? BRIEF_MS : LONG_MS);
    try {
      await new Visit(client, `${library} ${name}`, random).live(ms);
    } catch (error) {
      faults.push(`${library} ${name}: ${error}`);
      client.disconnect();
    }
  }
}

let all: Promise<unknown> = Promise.resolve();

obey({
  start: ({ port, library, clients, seed }: Arguments): Json => {
    const random = new Random(Number(seed));
    all = Promise.all(
      Array.from({ length: Number(clients) }, (_, at) =>
        comeAndGo(`http://127.0.0.1:${port}`, String(library), at, new Random(random.int(2 ** 31))),
      ),
    );
    return null;
  },
  stop: async (): Promise<Json> => {
    stopping = true;
    await all;
    return {
      connections,
      received,
      sent,
      faults,
      latencies: Object.fromEntries(
        Object.entries(latencies).map(([name, each]) => [name, each.toJson()]),
      ),
    };
  },
});
