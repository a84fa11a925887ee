// Tests every way in which a client's connection can end, in every state of the connection. The client receives all
// earlier events, the program receives the reason, and the server keeps no state.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { io as connect } from "socket.io-client";

import { type DisconnectReason, type Running, Server, type Socket } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import {
  answerTo,
  open,
  PollingClient,
  portOf,
  turn,
  until,
  WebSocketClient,
} from "../../support/net.ts";

/** The states of a connection, from the client's view. */
type State =
  /** Over polling, with a pending GET. */
  | "getWaits"
  /** Over polling, between two GETs. */
  | "noGet"
  /** Over polling. A WebSocket for the upgrade is open, but not probed yet. */
  | "opened"
  /** Between the server's "3probe" and the client's "5". */
  | "probing"
  | "websocket"
  /** Over a WebSocket that compresses its messages. */
  | "deflated"
  /** Over a WebSocket that the client does not read. */
  | "congested"
  /** Over polling. The server has closed the session, but the client has not received the close packet yet. */
  | "closing"
  /** The server has closed the session between "3probe" and "5". */
  | "closingProbing";

type Ending =
  | "disconnect"
  | "disconnectClose"
  | "disconnectSockets"
  | "disconnectSocketsClose"
  | "connClose"
  | "ioClose"
  | "stop"
  | "clientDisconnects"
  | "clientCloses"
  | "clientVanishes"
  | "pingTimeout"
  | "parseError";

/**
 * The disconnect reason on the server, and the packets that the client receives from the ending until its connection
 * ends.
 */
type Cell = readonly [reason: DisconnectReason, received: string];

/** A client under test. */
interface Peer {
  /** Sends an Engine.IO packet. */
  send(packet: string): Promise<unknown>;
  /** Breaks all connections of the client. */
  vanish(): void;
  /**
   * Behaves like socket.io-client until the connection has ended. Returns the received packets, and how the connection
   * ended.
   */
  receiveRest(): Promise<readonly string[]>;
}

/** A client over long-polling. */
class PollingPeer implements Peer {
  readonly client: PollingClient;
  readonly #webSocket: WebSocketClient | undefined;
  #get: ReturnType<typeof open> | undefined;
  #answer: Promise<string> | undefined;

  /** @param webSocket the WebSocket of an upgrade */
  constructor(client: PollingClient, webSocket?: WebSocketClient) {
    this.client = client;
    this.#webSocket = webSocket;
  }

  /** Sends a GET without waiting for the response. */
  poll(): Promise<string> {
    const get = open(this.client.port, this.client.path);
    get.end();
    this.#get = get;
    this.#answer = answerTo(get).then(
      ({ status, body }) => (status === 200 ? body : `${status}`),
      () => "refused",
    );
    return this.#answer;
  }

  send(packet: string): Promise<unknown> {
    return this.client.post(packet).catch(() => {});
  }

  vanish(): void {
    this.#get?.destroy();
    this.#webSocket?.socket.terminate();
  }

  async receiveRest(): Promise<readonly string[]> {
    const received: string[] = [];
    for (;;) {
      const packets = (await (this.#answer ?? this.poll())).split("\x1e");
      this.#answer = undefined;
      received.push(...packets);
      if (packets.some((packet) => /^(1|\d{3}|refused)$/.test(packet))) return received;
      // A client closes the connection when its only socket was disconnected.
      if (packets.includes("41")) await this.send("1");
    }
  }
}

/** A client over WebSocket. */
class WebSocketPeer implements Peer {
  readonly client: WebSocketClient;

  constructor(client: WebSocketClient) {
    this.client = client;
  }

  async send(packet: string): Promise<void> {
    if (packet === "1") this.client.socket.close();
    else this.client.send(packet);
  }

  vanish(): void {
    this.client.socket.terminate();
  }

  async receiveRest(): Promise<readonly string[]> {
    const received: string[] = [];
    this.client.socket.resume();
    for (;;) {
      try {
        const packet = `${await this.client.next()}`;
        received.push(packet);
        if (packet === "41") this.client.socket.close();
      } catch {
        return [...received, `${await this.client.closed}`];
      }
    }
  }
}

/** A client that has received "3probe". It must send "5" before other packets. */
class ProbingPeer extends WebSocketPeer {
  override async send(packet: string): Promise<void> {
    this.client.send("5");
    await super.send(packet);
  }

  override receiveRest(): Promise<readonly string[]> {
    if (this.client.socket.readyState === this.client.socket.OPEN) this.client.send("5");
    return super.receiveRest();
  }
}

function only(io: Server): Socket {
  const [socket] = io.sockets.sockets.values();
  return socket ?? assert.fail("no socket is connected");
}

async function joinPolling(port: number): Promise<PollingClient> {
  const client = await PollingClient.open(port);
  await client.join();
  return client;
}

async function joinWebSocket(port: number, perMessageDeflate = false): Promise<WebSocketPeer> {
  const path = "/socket.io/?EIO=4&transport=websocket";
  const client = new WebSocketClient(port, path, { perMessageDeflate });
  await client.join();
  return new WebSocketPeer(client);
}

async function probe(port: number): Promise<ProbingPeer> {
  const webSocket = await (await joinPolling(port)).webSocket().opened();
  webSocket.send("2probe");
  assert.equal(await webSocket.next(), "3probe");
  return new ProbingPeer(webSocket);
}

/** Connects a client and brings it into a state. */
const ENTER: Record<State, (io: Server, port: number) => Promise<Peer>> = {
  getWaits: async (io, port) => {
    const peer = new PollingPeer(await joinPolling(port));
    void peer.poll();
    await until(() => only(io).conn.writable);
    return peer;
  },
  noGet: async (_io, port) => new PollingPeer(await joinPolling(port)),
  opened: async (_io, port) => {
    const client = await joinPolling(port);
    return new PollingPeer(client, await client.webSocket().opened());
  },
  probing: (_io, port) => probe(port),
  websocket: (_io, port) => joinWebSocket(port),
  deflated: (_io, port) => joinWebSocket(port, true),
  congested: async (io, port) => {
    const peer = await joinWebSocket(port);
    peer.client.socket.pause();
    while (only(io).conn.writable) {
      only(io).emit("large", "x".repeat(10_000_000));
      // Wait until the operating system has accepted data. When its buffers are full, the session is no longer
      // writable.
      await turn();
    }
    return peer;
  },
  closing: async (_io, port) => new PollingPeer(await joinPolling(port)),
  closingProbing: (_io, port) => probe(port),
};

/** The states in which the server has closed the session, after the last event and before the ending. */
const CLOSED: ReadonlySet<State> = new Set(["closing", "closingProbing"]);

/** Lets the ping interval and the ping timeout pass without a pong. */
function passHeartbeat(clock: Clock): void {
  clock.tick(25_000);
  clock.tick(20_000);
}

interface Setting {
  readonly io: Server;
  readonly running: Running;
  // Endings that the server causes need no peer and no clock, so both properties are optional.
  readonly peer?: Peer;
  readonly clock?: Clock;
}

/** Causes an ending. */
const END: Record<Ending, (setting: Setting) => unknown> = {
  disconnect: ({ io }) => only(io).disconnect(),
  disconnectClose: ({ io }) => only(io).disconnect(true),
  disconnectSockets: ({ io }) => io.disconnectSockets(),
  disconnectSocketsClose: ({ io }) => io.disconnectSockets(true),
  connClose: ({ io }) => only(io).conn.close(),
  ioClose: ({ io }) => void io.close(),
  stop: ({ running }) => void running.stop(),
  clientDisconnects: async ({ peer }) => {
    await peer?.send("41");
    await peer?.send("1");
  },
  clientCloses: ({ peer }) => peer?.send("1"),
  clientVanishes: ({ peer }) => peer?.vanish(),
  pingTimeout: ({ clock }) => clock && passHeartbeat(clock),
  parseError: ({ peer }) => peer?.send("4x"),
};

/** Returns cells with the same reason in all states. The packets that the client receives depend on the transport. */
function everywhere(
  reason: DisconnectReason,
  overPolling: string,
  overWebSocket: string,
): Record<State, Cell> {
  return {
    getWaits: [reason, overPolling],
    noGet: [reason, overPolling],
    opened: [reason, overPolling],
    probing: [reason, overWebSocket],
    websocket: [reason, overWebSocket],
    deflated: [reason, overWebSocket],
    congested: [reason, overWebSocket],
    closing: [reason, overPolling],
    closingProbing: [reason, overWebSocket],
  };
}

// The client receives a DISCONNECT packet and closes the connection, so its next GET has an unknown session id. A
// session that is closing sends no further packets.
const DISCONNECTED: Record<State, Cell> = {
  ...everywhere("server namespace disconnect", "bye 41 400", "bye 41 1005"),
  closing: ["server namespace disconnect", "bye 1"],
  closingProbing: ["server namespace disconnect", "bye 1005"],
};

const CELLS: Record<Ending, Record<State, Cell>> = {
  disconnect: DISCONNECTED,
  disconnectClose: DISCONNECTED,
  disconnectSockets: DISCONNECTED,
  disconnectSocketsClose: DISCONNECTED,
  connClose: everywhere("forced close", "bye 1", "bye 1005"),
  ioClose: {
    ...everywhere("server shutting down", "bye 1", "bye 1005"),
    // The response to the pending GET contained the event, so the server does not wait for another GET.
    getWaits: ["server shutting down", "bye refused"],
  },
  stop: everywhere("server shutting down", "bye 1", "bye 1005"),
  clientDisconnects: {
    ...everywhere("client namespace disconnect", "", ""),
    closing: ["transport close", ""],
    closingProbing: ["forced close", ""],
  },
  clientCloses: {
    ...everywhere("transport close", "", ""),
    closingProbing: ["forced close", ""],
  },
  clientVanishes: {
    ...everywhere("ping timeout", "", ""),
    getWaits: ["transport error", ""],
    websocket: ["transport close", ""],
    deflated: ["transport close", ""],
    congested: ["transport close", ""],
    closing: ["forced close", ""],
    closingProbing: ["forced close", ""],
  },
  // The client does not answer pings, but it reads all data.
  pingTimeout: {
    ...everywhere("ping timeout", "bye 2 400", "bye 2 1005"),
    // When the session ends, it drops the packets that the client has not read.
    congested: ["ping timeout", "1005"],
    noGet: ["ping timeout", "400"],
    opened: ["ping timeout", "400"],
    closing: ["ping timeout", "400"],
    // The server closes the WebSocket after `upgradeTimeout`, and ends TCP 30 seconds later.
    probing: ["ping timeout", "1006"],
    closingProbing: ["ping timeout", "1006"],
  },
  parseError: {
    ...everywhere("forced server close", "bye 1", "bye 1005"),
    closing: ["forced close", "bye 1"],
    closingProbing: ["forced close", "bye 1005"],
  },
};

/** The endings after which the client reads nothing. */
const LEAVES: ReadonlySet<Ending> = new Set([
  "clientDisconnects",
  "clientCloses",
  "clientVanishes",
]);

/** Formats packets like the second element of a Cell. */
function shortened(packets: readonly string[]): string {
  return packets
    .filter((packet) => packet !== "6" && !packet.startsWith('42["large"'))
    .map((packet) => (packet === '42["bye"]' ? "bye" : packet))
    .join(" ");
}

/** Returns the keys of a record, with their type. */
function keys<Key extends string>(record: Readonly<Record<Key, unknown>>): readonly Key[] {
  const isKey = (name: string): name is Key => name in record;
  return Object.keys(record).filter(isKey);
}

describe("the client receives earlier events, and the server keeps no state, after", () => {
  for (const ending of keys(END)) {
    for (const state of keys(ENTER)) {
      test(`${ending} in the state ${state}`, { timeout: 60_000 }, async (context) => {
        const clock = new Clock(context);
        const io = new Server({ perMessageDeflate: { threshold: 0 } });
        const running = await io.run({ port: 0, log: () => {} });
        context.after(() => running.stop());
        const reasons: unknown[] = [];
        io.on("connection", (socket) => socket.on("disconnect", (reason) => reasons.push(reason)));
        const peer = await ENTER[state](io, portOf(io.httpServer));
        if (!LEAVES.has(ending)) only(io).emit("bye");
        if (CLOSED.has(state)) only(io).conn.close();
        const [reason, received] = CELLS[ending][state];
        await END[ending]({ io, running, peer, clock });
        if (ending === "clientVanishes") {
          // In these states, the server cannot detect the broken connection, so the heartbeat must time out.
          if (/^(ping timeout|forced close)$/.test(reason)) passHeartbeat(clock);
        } else {
          const rest = shortened(await peer.receiveRest());
          if (!LEAVES.has(ending)) assert.equal(rest, received);
        }
        await until(() => io.engine.clientsCount === 0);
        assert.deepEqual(reasons, [reason]);
        assert.equal(io.sockets.sockets.size, 0);
        assert.equal(io.sockets.adapter.rooms.size, 0);
        assert.equal(io.sockets.adapter.sids.size, 0);
        await until(() => clock.timers === 0);
      });
    }
  }
});

type ServerEnding = Exclude<
  Ending,
  "clientDisconnects" | "clientCloses" | "clientVanishes" | "pingTimeout" | "parseError"
>;

/** The reason that socket.io-client reports. The client reconnects, unless the server disconnected its socket. */
const STOCK: Record<ServerEnding, string> = {
  disconnect: "io server disconnect",
  disconnectClose: "io server disconnect",
  disconnectSockets: "io server disconnect",
  disconnectSocketsClose: "io server disconnect",
  connClose: "transport close",
  ioClose: "transport close",
  stop: "transport close",
};

describe("while it upgrades, socket.io-client receives the last event and the reason after", () => {
  for (const ending of keys(STOCK)) {
    test(ending, { timeout: 60_000 }, async (context) => {
      const io = new Server();
      const running = await io.run({ port: 0, log: () => {} });
      context.after(() => running.stop());
      io.on("connection", (socket) => {
        socket.conn.on("upgrading", () => {
          socket.emit("bye");
          void END[ending]({ io, running });
        });
      });
      const client = connect(running.url, { reconnection: false, forceNew: true });
      context.after(() => client.disconnect());
      const log: unknown[] = [];
      client.on("bye", () => log.push("bye"));
      client.on("disconnect", (reason) => log.push(reason));
      await until(() => log.length === 2);
      assert.deepEqual(log, ["bye", STOCK[ending]]);
      await until(() => io.engine.clientsCount === 0);
    });
  }
});
