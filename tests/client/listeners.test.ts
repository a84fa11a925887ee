// Tests listeners that connect, disconnect, emit, or add and remove listeners while an event is dispatched.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, type TestContext, test } from "node:test";

import { type ClientOptions, io as connect, Manager, type Socket } from "../../client/index.ts";
import { Outgoing } from "../../lib/engineio/outgoing.ts";
import type { Server } from "../../server.ts";
import { heard } from "../support/heard.ts";
import { serve, turn, until } from "../support/net.ts";

interface Ends {
  readonly io: Server;
  readonly manager: Manager;
  /** The CONNECT packets that the server received, by namespace. */
  readonly asked: string[];
  /** The reasons why the server's connections were closed. */
  readonly ended: string[];
}

async function start(context: TestContext, options: ClientOptions = {}): Promise<Ends> {
  const { io, url } = await serve(context);
  io.of("/other");
  const asked: string[] = [];
  const ended: string[] = [];
  io.engine.on("connection", (session) => {
    session.on("packet", ({ type, data }) => {
      if (type === "message" && `${data}`.startsWith("0")) asked.push(`${data}`);
    });
    session.on("close", (reason) => ended.push(reason));
  });
  const manager = new Manager(url, {
    autoConnect: false,
    reconnectionDelay: 1,
    reconnectionDelayMax: 1,
    transports: ["websocket"],
    ...options,
  });
  context.after(() => manager.close());
  return { io, manager, asked, ended };
}

/** Waits for an acknowledgement, so that the server has received all packets sent before. */
async function settled({ io }: Ends, socket: Socket): Promise<void> {
  for (const each of io.sockets.sockets.values()) {
    each.removeAllListeners("settled");
    each.on("settled", (answer) => answer());
  }
  await socket.emitWithAck("settled");
}

/**
 * Actions of a listener of the manager's "open" event. After each action, the client must send one CONNECT packet per
 * namespace.
 */
const OPENERS: Readonly<Record<string, (manager: Manager) => unknown>> = {
  "connect()": (manager) => manager.socket("/").connect(),
  "connect() twice": (manager) => manager.socket("/").connect().connect(),
  "disconnect() and connect()": (manager) => manager.socket("/").disconnect().connect(),
  "manager.open()": (manager) => manager.open().socket("/").connect(),
  "connect() of two namespaces": (manager) => [
    manager.socket("/").connect(),
    manager.socket("/other").connect(),
    manager.socket("/other").connect(),
  ],
};

/** The state of the socket before the manager opens. */
const BEFORE: Readonly<Record<string, (manager: Manager) => unknown>> = {
  "without an existing socket": () => undefined,
  "while the socket waits for the connection": (manager) => manager.socket("/").connect(),
  "while the socket is inactive": (manager) => manager.socket("/"),
};

describe(`in a listener of the manager's "open" event`, () => {
  for (const [does, act] of Object.entries(OPENERS)) {
    for (const [when, prepare] of Object.entries(BEFORE)) {
      test(`${does} ${when} sends one CONNECT for each namespace`, async (context) => {
        const ends = await start(context);
        const { manager, asked, ended } = ends;
        manager.once("open", () => void act(manager));
        prepare(manager);
        manager.open();
        await until(() => manager.socket("/").connected);
        await settled(ends, manager.socket("/"));
        assert.equal(new Set(asked).size, asked.length, `${asked}`);
        // The server closes the connection with this reason if it receives a second CONNECT packet.
        assert.ok(!ended.includes("forced close"));
      });
    }
  }

  test("manager.socket() with autoConnect joins the namespace once", async (context) => {
    const { io, url } = await serve(context);
    let joined = 0;
    io.on("connection", (socket) => socket.on("n", (answer) => answer(++joined)));
    const manager = new Manager(url);
    context.after(() => manager.close());
    const socket = await new Promise<Socket>((resolve) => {
      manager.once("open", () => resolve(manager.socket("/")));
    });
    assert.equal(await socket.timeout(10_000).emitWithAck("n"), 1);
  });

  test("connect() with a socket.io server keeps the connection open", async (context) => {
    const library: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");
    const io = new library.Server(0);
    context.after(() => io.close());
    const { httpServer } = io;
    const address = httpServer.address();
    assert.ok(typeof address === "object" && address !== null);
    const socket = connect(`http://127.0.0.1:${address.port}`, { autoConnect: false });
    context.after(() => socket.disconnect());
    io.on("connection", (each) => each.on("n", (answer) => answer()));
    socket.io.on("open", () => socket.connect());
    socket.io.open();
    await socket.timeout(10_000).emitWithAck("n");
    assert.equal(io.engine.clientsCount, 1);
  });

  test("close() sends no packet, and the manager stays closed", async (context) => {
    const { io, manager, asked } = await start(context);
    manager.socket("/").connect();
    const log: string[] = [];
    manager.on("close", (reason) => log.push(reason));
    await new Promise<void>((resolve) => {
      manager.once("open", () => {
        manager.close();
        resolve();
      });
    });
    await until(() => io.engine.clientsCount === 0);
    assert.deepEqual([asked, log], [[], ["forced close"]]);
  });

  test("close() and then open() make the socket join on the second connection", async (context) => {
    const ends = await start(context);
    const { manager, asked } = ends;
    const socket = manager.socket("/");
    manager.once("open", () => {
      manager.close();
      manager.open();
    });
    socket.connect();
    await heard(socket, "connect");
    await settled(ends, socket);
    assert.deepEqual(asked, ["0"]);
  });
});

describe('in a listener of "disconnect" or "close"', () => {
  for (const [how, end] of Object.entries({
    "socket.disconnect()": (socket: Socket) => void socket.disconnect(),
    "io.disconnectSockets()": (_: Socket, io: Server) => void io.disconnectSockets(),
    "engine.close()": (socket: Socket) => void socket.io.engine.close(),
    "manager.close()": (socket: Socket) => void socket.io.close(),
  })) {
    test(`connect() after ${how} sends one CONNECT`, async (context) => {
      const ends = await start(context);
      const { manager, asked } = ends;
      const socket = manager.socket("/").connect();
      await heard(socket, "connect");
      const { id } = socket;
      socket.once("disconnect", () => socket.connect());
      end(socket, ends.io);
      await until(() => socket.connected && socket.id !== id);
      await settled(ends, socket);
      assert.equal(asked.length, 2);
    });
  }

  test('creating a socket does not emit "disconnect" on this socket', async (context) => {
    const { manager } = await start(context);
    const socket = manager.socket("/").connect();
    await heard(socket, "connect");
    const log: string[] = [];
    manager.once("close", () => {
      manager.socket("/other").connect();
      manager.socket("/other").on("disconnect", (reason) => log.push(reason));
    });
    manager.engine.close();
    await heard(manager.socket("/other"), "connect");
    assert.deepEqual(log, []);
  });
});

describe("buffered events and a listener that emits or disconnects", () => {
  test("disconnect() in an onAnyOutgoing() listener keeps the remaining events for the next session", async (context) => {
    const ends = await start(context);
    const { io, manager, ended } = ends;
    const got: unknown[] = [];
    io.on("connection", (each) => each.on("n", (n) => got.push(n)));
    // Another namespace keeps the connection open. The client must not send events for the namespace that it has left.
    const other = manager.socket("/other").connect();
    await heard(other, "connect");
    const socket = manager.socket("/");
    for (let n = 0; n < 4; n++) socket.emit("n", n);
    let outgoing = 0;
    socket.onAnyOutgoing(() => {
      if (++outgoing === 2) socket.disconnect();
    });
    socket.connect();
    await until(() => outgoing === 2 && got.length === 1);
    await turn();
    assert.deepEqual([other.connected, socket.sendBuffer.length], [true, 3]);
    socket.connect();
    await until(() => got.length === 4);
    assert.deepEqual([got, ended], [[0, 1, 2, 3], []]);
  });

  test("emit() in listeners of outgoing and of incoming events loses no event", async (context) => {
    const ends = await start(context);
    const { io, manager } = ends;
    const got: unknown[] = [];
    io.on("connection", (each) => {
      each.on("n", (n) => got.push(n));
      each.emit("early");
    });
    const socket = manager.socket("/");
    socket.emit("n", 0);
    socket.emit("n", 1);
    socket.on("early", () => socket.emit("n", "in"));
    const nested = (): void => {
      socket.offAnyOutgoing(nested).emit("n", "out");
    };
    socket.onAnyOutgoing(nested);
    socket.connect();
    await until(() => got.length === 4);
    assert.deepEqual(new Set(got), new Set([0, 1, "in", "out"]));
  });

  test("an event received before CONNECT is answered is not delivered to the next session", async (context) => {
    const { io, manager } = await start(context);
    const got: unknown[] = [];
    io.use((each, next) => {
      // These two events arrive before the answer to CONNECT.
      each.conn.transport.send(new Outgoing(['42["early",1]'], false));
      each.conn.transport.send(new Outgoing(['42["early",2]'], false));
      next();
    });
    const socket = manager.socket("/");
    socket.on("early", (n) => {
      got.push(n);
      if (got.length === 1) socket.disconnect().connect();
    });
    socket.connect();
    await until(() => got.length >= 3 && socket.connected);
    assert.deepEqual(got, [1, 1, 2]);
  });
});

describe("engine.close() or manager.close() in a listener", () => {
  for (const event of ["handshake", "open", "packet", "packetCreate", "message", "data"] as const) {
    test(`closing the engine in "${event}" reconnects the manager, and leaves no timer`, async (context) => {
      const ends = await start(context, { transports: ["polling"] });
      const { io, manager } = ends;
      const socket = manager.socket("/").connect();
      const { engine } = manager;
      engine.once(event, () => void engine.close());
      await heard(socket, "connect");
      await until(() => io.engine.clientsCount === 1);
      assert.deepEqual([engine.readyState, manager.engine === engine], ["closed", false]);
      await settled(ends, socket);
      manager.close();
      await until(() => io.engine.clientsCount === 0);
      await until(() => timers() === 0);
    });
  }

  test('a packet reaches no socket if a "packet" listener closes the manager', async (context) => {
    const { manager } = await start(context);
    const socket = manager.socket("/").connect();
    await new Promise<void>((resolve) => {
      manager.once("packet", () => {
        manager.close();
        resolve();
      });
    });
    await turn();
    assert.deepEqual([socket.connected, socket.receiveBuffer], [false, []]);
  });
});

describe("the event emitter of a socket", () => {
  test("listeners added or removed while an event is dispatched take effect with the next event", async (context) => {
    const { io, manager } = await start(context);
    io.on("connection", (each) => each.on("again", () => each.emit("x")));
    const socket = manager.socket("/").connect();
    const log: string[] = [];
    const late = (): void => void log.push("late");
    const gone = (): void => void log.push("gone");
    socket.once("x", () => {
      socket.off("x", gone).on("x", late);
    });
    socket.on("x", gone);
    socket.emit("again");
    await until(() => log.length === 1);
    socket.emit("again");
    await until(() => log.length === 2);
    assert.deepEqual(log, ["gone", "late"]);
  });
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}
