// Listeners that change what is being walked through: each change counts once, and nothing that ended
// goes on.

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
  /** The reasons of the connections that ended. */
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

/** Asks the server something, so that all that was sent before has been received. */
async function settled({ io }: Ends, socket: Socket): Promise<void> {
  for (const each of io.sockets.sockets.values()) {
    each.removeAllListeners("settled");
    each.on("settled", (answer) => answer());
  }
  await socket.emitWithAck("settled");
}

/** What a listener of a manager's "open" does to the socket of "/"; each asks to join once. */
const OPENERS: Readonly<Record<string, (manager: Manager) => unknown>> = {
  "connect()": (manager) => manager.socket("/").connect(),
  "connect() twice": (manager) => manager.socket("/").connect().connect(),
  "disconnect() and connect()": (manager) => manager.socket("/").disconnect().connect(),
  "open() of the manager": (manager) => manager.open().socket("/").connect(),
  "another socket": (manager) => [
    manager.socket("/").connect(),
    manager.socket("/other").connect(),
    manager.socket("/other").connect(),
  ],
};

/** What there is before the manager opens. */
const BEFORE: Readonly<Record<string, (manager: Manager) => unknown>> = {
  "before there is a socket": () => undefined,
  "where the socket waits": (manager) => manager.socket("/").connect(),
  "where the socket is inactive": (manager) => manager.socket("/"),
};

describe('a listener of "open"', () => {
  for (const [does, act] of Object.entries(OPENERS)) {
    for (const [when, prepare] of Object.entries(BEFORE)) {
      test(`${does} ${when}: one CONNECT for each namespace`, async (context) => {
        const ends = await start(context);
        const { manager, asked, ended } = ends;
        manager.once("open", () => void act(manager));
        prepare(manager);
        manager.open();
        await until(() => manager.socket("/").connected);
        await settled(ends, manager.socket("/"));
        assert.equal(new Set(asked).size, asked.length, `${asked}`);
        // The server's own doing, which a second CONNECT would be.
        assert.ok(!ended.includes("forced close"));
      });
    }
  }

  test("autoConnect: manager.socket() within it asks once", async (context) => {
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

  test("with the stock server: it does not end the connection", async (context) => {
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

  test("close() within it: nothing is sent, and it stays closed", async (context) => {
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

  test("close() and open() within it: the socket joins on the second connection", async (context) => {
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

describe('a listener of "disconnect"', () => {
  for (const [how, end] of Object.entries({
    "the client": (socket: Socket) => void socket.disconnect(),
    "the server": (_: Socket, io: Server) => void io.disconnectSockets(),
    "a lost connection": (socket: Socket) => void socket.io.engine.close(),
    "the manager": (socket: Socket) => void socket.io.close(),
  })) {
    test(`connect() within it, after ${how}: it joins again, once for each session`, async (context) => {
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

  test("a socket made in a listener of the manager's close is told nothing of it", async (context) => {
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

describe("what waits, and a listener that disconnects", () => {
  test("onAnyOutgoing(): the rest is kept for the next session", async (context) => {
    const ends = await start(context);
    const { io, manager, ended } = ends;
    const got: unknown[] = [];
    io.on("connection", (each) => each.on("n", (n) => got.push(n)));
    // Another namespace keeps the connection, on which no event for the namespace left may come.
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

  test("emit() within a listener of what goes out, and of what comes in: all arrives", async (context) => {
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

  test("an event that came before the session is not delivered to the next one", async (context) => {
    const { io, manager } = await start(context);
    const got: unknown[] = [];
    io.use((each, next) => {
      // These two come before the answer to CONNECT.
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

describe("a listener of the engine that closes it", () => {
  for (const event of ["handshake", "open", "packet", "packetCreate", "message", "data"] as const) {
    test(`"${event}": the manager comes back, and no timer stays behind`, async (context) => {
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

  test('a manager closed in "packet" gives the packet to no socket', async (context) => {
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

describe("the emitter", () => {
  test("listeners that are added or removed while an event is dispatched count from the next on", async (context) => {
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
