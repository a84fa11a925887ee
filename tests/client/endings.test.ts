// Ends a client's connection in each way and in each state, with the barewire client and with socket.io-client 4.8.
// Both clients must deliver the events that were emitted before the end, report the same disconnect reasons, reconnect
// in the same cases, and leave no timer.

import assert from "node:assert/strict";
import { connect as connectTcp, createServer, type Socket as TcpSocket } from "node:net";
import { describe, type TestContext, test } from "node:test";

import { io as connectStock, type Socket as StockSocket } from "socket.io-client";

import { io as connect, type Socket } from "../../client/index.ts";
import type { Server } from "../../server.ts";
import { heard } from "../support/heard.ts";
import { listen, serve, turn, until } from "../support/net.ts";

type Library = "ours" | "stock";
type Client = Socket | StockSocket;

type State =
  | "opening polling"
  | "opening websocket"
  /** The connection is open, and the server has not yet answered CONNECT. */
  | "joining"
  | "open polling"
  /** A POST request is pending. */
  | "posting"
  /** The client has sent the probe, and the server has not answered it. */
  | "probing"
  /** The server has answered the probe, and the polling transport pauses. */
  | "upgrading"
  /** The upgrade packet is sent. */
  | "upgraded"
  | "open websocket"
  /** engine.close() waits for a POST. */
  | "closing";

type Ending =
  | "socket.disconnect()"
  | "manager.close()"
  | "engine.close()"
  | "the server disconnects the socket"
  | "the server disconnects the client"
  | "the server closes the connection"
  | "the connection breaks";

interface Outcome {
  /** The reasons of the client's "disconnect" events, in order. */
  readonly reasons: readonly string[];
  /** How many of the events emitted before the ending arrive without a reconnection. */
  readonly arrived: number;
  readonly reconnects: boolean;
}

const COUNT = 3;

const NOTHING: Outcome = { reasons: [], arrived: 0, reconnects: false };
const LEFT: Outcome = { reasons: ["io client disconnect"], arrived: COUNT, reconnects: false };
const CLOSED: Outcome = { reasons: ["forced close"], arrived: COUNT, reconnects: false };
const DROPPED: Outcome = { reasons: ["forced close"], arrived: COUNT, reconnects: true };
const SENT_AWAY: Outcome = { reasons: ["io server disconnect"], arrived: 0, reconnects: false };
const LOST: Outcome = { reasons: ["transport close"], arrived: 0, reconnects: true };
const BROKEN: Outcome = { reasons: ["transport error"], arrived: 0, reconnects: true };

/** `undefined`: the server has no connection yet that it could end. */
const OPENING = {
  "socket.disconnect()": NOTHING,
  "manager.close()": { ...NOTHING, reasons: ["forced close"] },
  "engine.close()": { ...NOTHING, reconnects: true },
  "the server disconnects the socket": undefined,
  "the server disconnects the client": undefined,
  "the server closes the connection": undefined,
  "the connection breaks": { ...NOTHING, reconnects: true },
} as const;

const OPEN = {
  "socket.disconnect()": LEFT,
  "manager.close()": CLOSED,
  "engine.close()": DROPPED,
  "the server disconnects the socket": SENT_AWAY,
  "the server disconnects the client": SENT_AWAY,
  "the server closes the connection": LOST,
  "the connection breaks": BROKEN,
} as const;

const TABLE: Readonly<Record<State, Readonly<Record<Ending, Outcome | undefined>>>> = {
  "opening polling": OPENING,
  "opening websocket": OPENING,
  joining: {
    ...OPEN,
    "socket.disconnect()": NOTHING,
    "manager.close()": { ...CLOSED, arrived: 0 },
    "engine.close()": { ...DROPPED, arrived: 0 },
    "the connection breaks": LOST,
    "the server disconnects the socket": undefined,
    "the server disconnects the client": undefined,
  },
  "open polling": OPEN,
  posting: OPEN,
  probing: OPEN,
  upgrading: OPEN,
  upgraded: { ...OPEN, "the connection breaks": LOST },
  "open websocket": { ...OPEN, "the connection breaks": LOST },
  closing: {
    "socket.disconnect()": LEFT,
    "manager.close()": CLOSED,
    "engine.close()": DROPPED,
    "the server disconnects the socket": SENT_AWAY,
    "the server disconnects the client": SENT_AWAY,
    "the server closes the connection": LOST,
    "the connection breaks": BROKEN,
  },
};

/** A TCP proxy that can cut all connections, and hold back data from the server. */
class CuttingProxy {
  /** Whether to hold back the data that the server sends over WebSocket. This data is the answer to the probe. */
  holdsProbe = false;
  /** Functions that send the data that was held back. */
  readonly held: (() => void)[] = [];
  url = "";
  readonly #port: number;
  readonly #sockets = new Set<TcpSocket>();
  readonly #server = createServer((client) => this.#accept(client));

  constructor(port: number) {
    this.#port = port;
  }

  async start(): Promise<void> {
    this.url = `http://127.0.0.1:${await listen(this.#server)}`;
  }

  /** Cuts all connections, and accepts no new ones. */
  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #accept(client: TcpSocket): void {
    const upstream = connectTcp(this.#port, "127.0.0.1");
    let upgraded = false;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
    }
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk) => {
      if (upgraded && this.holdsProbe) {
        this.held.push(() => client.write(chunk));
        return;
      }
      upgraded ||= chunk.toString("latin1").startsWith("HTTP/1.1 101");
      client.write(chunk);
    });
    client.on("end", () => upstream.end()).on("close", () => upstream.destroy());
    upstream.on("end", () => client.end()).on("close", () => client.destroy());
  }
}

interface Scene {
  readonly library: Library;
  readonly io: Server;
  readonly proxy: CuttingProxy;
  readonly client: Client;
}

function emitAll(client: Client): void {
  for (let n = 0; n < COUNT; n++) client.emit("n", n);
}

/** How to reach each state. `enter` emits the events, and calls `act` when the client is in the state. */
const STATES: Readonly<
  Record<
    State,
    {
      readonly transports: ("polling" | "websocket")[];
      readonly enter: (scene: Scene, act: () => void) => Promise<void>;
    }
  >
> = {
  "opening polling": { transports: ["polling"], enter: atOnce },
  "opening websocket": { transports: ["websocket"], enter: atOnce },
  joining: {
    transports: ["websocket"],
    enter: async ({ io, client }, act) => {
      // This middleware never calls next().
      const asked = new Promise<void>((resolve) => io.use(() => resolve()));
      emitAll(client.connect());
      await asked;
      act();
    },
  },
  "open polling": { transports: ["polling"], enter: whenConnected },
  posting: {
    transports: ["polling"],
    enter: async (scene, act) => {
      await heard(scene.client.connect(), "connect");
      scene.client.emit("n", 0);
      await turn();
      for (let n = 1; n < COUNT; n++) scene.client.emit("n", n);
      act();
    },
  },
  probing: {
    transports: ["polling", "websocket"],
    enter: async ({ client, proxy }, act) => {
      proxy.holdsProbe = true;
      await heard(client.connect(), "connect");
      await until(() => proxy.held.length > 0);
      emitAll(client);
      act();
    },
  },
  upgrading: {
    transports: ["polling", "websocket"],
    enter: (scene, act) => during("upgrading", scene, act),
  },
  upgraded: {
    transports: ["polling", "websocket"],
    enter: (scene, act) => during("upgrade", scene, act),
  },
  "open websocket": { transports: ["websocket"], enter: whenConnected },
  closing: {
    transports: ["polling"],
    enter: async ({ client }, act) => {
      await heard(client.connect(), "connect");
      emitAll(client);
      client.io.engine.close();
      assert.equal(client.io.engine.readyState, "closing");
      act();
    },
  },
};

async function atOnce({ client }: Scene, act: () => void): Promise<void> {
  emitAll(client.connect());
  act();
}

async function whenConnected({ client }: Scene, act: () => void): Promise<void> {
  await heard(client.connect(), "connect");
  emitAll(client);
  act();
}

/** Calls `act` in a listener of the engine. The proxy holds back the answer to the probe until the socket is connected. */
async function during(event: string, { client, proxy }: Scene, act: () => void): Promise<void> {
  proxy.holdsProbe = true;
  await heard(client.connect(), "connect");
  await until(() => proxy.held.length > 0);
  proxy.holdsProbe = false;
  const entered = new Promise<void>((resolve) => {
    const listener = (): void => {
      emitAll(client);
      act();
      resolve();
    };
    Reflect.apply(client.io.engine.once, client.io.engine, [event, listener]);
  });
  for (const release of proxy.held) release();
  await entered;
}

const ENDINGS: Readonly<Record<Ending, (scene: Scene) => void>> = {
  "socket.disconnect()": ({ client }) => void client.disconnect(),
  "manager.close()": ({ client, library }) => {
    const close: unknown = Reflect.get(client.io, library === "ours" ? "close" : "_close");
    assert.ok(typeof close === "function");
    close.call(client.io);
  },
  "engine.close()": ({ client }) => void client.io.engine.close(),
  "the server disconnects the socket": ({ io }) => void io.disconnectSockets(),
  "the server disconnects the client": ({ io }) => void io.disconnectSockets(true),
  "the server closes the connection": ({ io }) => {
    for (const session of sessions.get(io) ?? []) session.close();
  },
  "the connection breaks": ({ proxy }) => proxy.stop(),
};

const sessions = new WeakMap<Server, { close(): void }[]>();

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

async function run(
  context: TestContext,
  library: Library,
  state: State,
  ending: Ending,
): Promise<Outcome> {
  const { io, port } = await serve(context);
  const opened: { close(): void }[] = [];
  sessions.set(io, opened);
  io.engine.on("connection", (session) => opened.push(session));
  const proxy = new CuttingProxy(port);
  await proxy.start();
  const { transports, enter } = STATES[state];
  const options = {
    forceNew: true,
    autoConnect: false,
    reconnectionDelay: 50,
    reconnectionDelayMax: 50,
    transports,
  };
  const client =
    library === "ours" ? connect(proxy.url, options) : connectStock(proxy.url, options);
  const got: unknown[] = [];
  io.on("connection", (socket) => {
    // Only events over the first connection count, not buffered events that the client sends after reconnecting.
    if (attempts === 0) socket.on("n", (n) => got.push(n));
  });
  const reasons: string[] = [];
  let attempts = 0;
  client.on("disconnect", (reason) => reasons.push(reason));
  client.io.on("reconnect_attempt", () => {
    attempts++;
    client.disconnect();
  });
  await until(() => timers() === 0);
  let acted = false;
  await enter({ library, io, proxy, client }, () => {
    acted = true;
    ENDINGS[ending]({ library, io, proxy, client });
  });
  await until(() => acted && client.io.engine.readyState === "closed");
  // The server would notice a broken connection only at its ping timeout, so the test closes the server.
  if (ending === "the connection breaks") await io.close();
  await until(() => io.engine.clientsCount === 0);
  // If no timer is left, the client has either tried to reconnect already, or will never try.
  await until(() => timers() === 0);
  const reconnects = attempts > 0;
  client.disconnect();
  proxy.stop();
  return { reasons: [...reasons], arrived: got.length, reconnects };
}

/** The cases in which socket.io-client behaves differently. These cases are not compared. */
const STOCK_DIFFERS: Partial<Record<`${State} × ${Ending}`, string>> = {
  "opening polling × engine.close()": "its manager waits for its timeout of 20 seconds",
  "opening websocket × engine.close()": "its manager waits for its timeout of 20 seconds",
};

describe("the client's disconnect reasons and reconnection, by state × ending", () => {
  for (const [state, endings] of entries(TABLE)) {
    for (const [ending, expected] of entries(endings)) {
      if (expected === undefined) continue;
      const cell = `${state} × ${ending}` as const;
      test(cell, async (context) => {
        const { arrived, ...others } = await run(context, "ours", state, ending);
        const { arrived: least, ...same } = expected;
        assert.deepEqual(others, same);
        assert.ok(arrived >= least, `${arrived} of ${least} arrived`);
      });
      if (STOCK_DIFFERS[cell] !== undefined) continue;
      test(`${cell}: socket.io-client has the same disconnect reasons and reconnection`, async (context) => {
        const { reasons, reconnects } = await run(context, "stock", state, ending);
        assert.deepEqual(
          { reasons, reconnects },
          { reasons: expected.reasons, reconnects: expected.reconnects },
        );
      });
    }
  }
});

function entries<Key extends string, Value>(table: Readonly<Record<Key, Value>>): [Key, Value][] {
  const isKey = (key: string): key is Key => key in table;
  return Object.keys(table)
    .filter(isKey)
    .map((key) => [key, table[key]]);
}
