// Tests listeners that change a collection while the server iterates over it. Each iteration ends, and covers the
// elements that the collection contained when the iteration began.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import { Adapter, type Namespace, type Server, type Socket } from "../../../server.ts";
import { serve, turn, until, WebSocketClient } from "../../support/net.ts";

/** The collections that the server iterates over while it calls the program. */
type Walk =
  | "listeners of an event"
  | "catch-all listeners"
  | "members of a room"
  | "members of a namespace"
  | "namespaces of a pattern"
  | "rooms that a socket joins"
  | "rooms that a socket leaves"
  | "middleware of a namespace"
  | "middleware of a socket"
  | "middleware of the engine"
  | "patterns of namespaces"
  | "sockets of a connection"
  | "namespaces that change their adapter"
  | "clients of a server that closes"
  | "acknowledgements of a socket";

interface Setting {
  readonly context: TestContext;
  readonly io: Server;
  readonly port: number;
  /** Connects a client to a namespace. */
  readonly join: (namespace?: string) => Promise<[WebSocketClient, Socket]>;
}

/** Returns the packets that a client receives before the event "end", except responses to CONNECT. */
async function receivedBy(client: WebSocketClient, io: Namespace | Server): Promise<string[]> {
  io.emit("end");
  const received: string[] = [];
  for (;;) {
    const packet = `${await client.next()}`;
    if (packet.includes('["end"]')) return received;
    received.push(packet);
  }
}

const WALKS: Record<Walk, (setting: Setting) => Promise<void>> = {
  "listeners of an event": async ({ join }) => {
    const [client, socket] = await join();
    const log: string[] = [];
    const second = (): unknown => log.push("second");
    socket.on("x", () => {
      log.push("first");
      socket.off("x", second);
      socket.on("x", () => log.push("added"));
    });
    socket.on("x", second);
    client.send('42["x"]');
    await until(() => log.length === 2);
    assert.deepEqual(log, ["first", "second"]);
    client.send('42["x"]');
    await until(() => log.length === 4);
    assert.deepEqual(log.slice(2), ["first", "added"]);
  },
  "catch-all listeners": async ({ join }) => {
    const [client, socket] = await join();
    const log: string[] = [];
    const any = (): void => {
      log.push("any");
      socket.offAny(any).onAny(any).onAny(any);
    };
    socket.onAny(any);
    socket.on("x", () => log.push("x"));
    client.send('42["x"]');
    await until(() => log.includes("x"));
    assert.deepEqual(log, ["any", "x"]);
  },
  "members of a room": async ({ io, join }) => {
    const [client, socket] = await join();
    const [other, otherSocket] = await join();
    socket.join("room");
    otherSocket.join("room");
    let calls = 0;
    socket.onAnyOutgoing(() => {
      calls++;
      // The socket leaves and joins again, so that it becomes the last member of the room.
      socket.leave("room");
      socket.join("room");
      otherSocket.disconnect();
    });
    io.to("room").emit("x");
    assert.equal(calls, 1);
    assert.deepEqual(await receivedBy(client, io), ['42["x"]']);
    assert.equal(await other.next(), "41");
  },
  "members of a namespace": async ({ io, join }) => {
    const [, socket] = await join();
    const [client] = await join();
    const added: Promise<unknown>[] = [];
    socket.onAnyOutgoing(() => {
      added.push(io.testClient());
      io.disconnectSockets();
    });
    io.emit("x");
    await Promise.all(added);
    assert.equal(added.length, 1);
    assert.equal(await client.next(), "41");
  },
  "namespaces of a pattern": async ({ io, join }) => {
    const parent = io.of(/^\/room-\d+$/);
    const [client, socket] = await join("/room-1");
    let created = 0;
    socket.onAnyOutgoing(() => {
      created++;
      io.of(`/room-${created + 1}`);
    });
    parent.emit("x");
    parent.socketsJoin("a");
    parent.disconnectSockets();
    assert.equal(created, 1);
    assert.equal(await client.next(), '42/room-1,["x"]');
    assert.equal(await client.next(), "41/room-1,");
  },
  "rooms that a socket joins": async ({ io, join, port }) => {
    const [client, socket] = await join();
    io.sockets.adapter.on("join-room", (room) => {
      if (room === "a") socket.disconnect();
    });
    socket.join(["a", "b", "c"]);
    assert.equal(await client.next(), "41");
    assert.equal(io.sockets.adapter.rooms.size, 0);
    assert.equal(io.sockets.adapter.sids.size, 0);
    // Disconnects the socket while it connects.
    io.sockets.adapter.on("join-room", (_room, id) => io.sockets.sockets.get(id)?.disconnect());
    let connections = 0;
    io.on("connection", () => connections++);
    const late = new WebSocketClient(port);
    await late.next();
    late.send("40");
    assert.equal(await late.next(), "41");
    await turn();
    assert.equal(connections, 0);
    assert.equal(io.sockets.adapter.rooms.size, 0);
  },
  "rooms that a socket leaves": async ({ io, join }) => {
    const [, socket] = await join();
    socket.join(["a", "b"]);
    let left = 0;
    io.sockets.adapter.on("leave-room", () => {
      left++;
      socket.join(`another ${left}`);
    });
    socket.leaveAll();
    assert.equal(left, 3);
    socket.disconnect();
    await turn();
    assert.equal(io.sockets.adapter.sids.size, 0);
  },
  "middleware of a namespace": async ({ io, join }) => {
    let calls = 0;
    const middleware = (_socket: Socket, next: () => void): void => {
      calls++;
      io.use(middleware);
      next();
    };
    io.use(middleware);
    await join();
    assert.equal(calls, 1);
    await join();
    assert.equal(calls, 3);
  },
  "middleware of a socket": async ({ join }) => {
    const [client, socket] = await join();
    let calls = 0;
    const middleware = (_event: unknown, next: () => void): void => {
      calls++;
      socket.use(middleware);
      next();
    };
    socket.use(middleware);
    client.send('42["x"]');
    await new Promise((resolve) => socket.once("x", () => resolve(undefined)));
    assert.equal(calls, 1);
  },
  "middleware of the engine": async ({ io, join }) => {
    let calls = 0;
    const middleware = (_request: unknown, _response: unknown, next: () => void): void => {
      calls++;
      io.engine.use(middleware);
      next();
    };
    io.engine.use(middleware);
    await join();
    assert.equal(calls, 1);
  },
  "patterns of namespaces": async ({ io, port }) => {
    let calls = 0;
    const matcher = (_name: string, _auth: object, next: (error: null, allow: boolean) => void) => {
      calls++;
      io.of(matcher);
      next(null, false);
    };
    io.of(matcher);
    const client = new WebSocketClient(port);
    assert.match(await client.join("40/a,"), /^44\/a,/);
    assert.equal(calls, 1);
  },
  "sockets of a connection": async ({ io, join }) => {
    io.of("/b");
    const [client, socket] = await join();
    client.send("40/b,");
    await client.next();
    const [other] = io.of("/b").sockets.values();
    const reasons: string[] = [];
    socket.on("disconnect", (reason) => {
      reasons.push(reason);
      other?.disconnect();
    });
    other?.on("disconnect", (reason) => {
      reasons.push(reason);
      socket.disconnect(true);
    });
    client.socket.close();
    await until(() => reasons.length === 2);
    assert.deepEqual(reasons, ["transport close", "server namespace disconnect"]);
  },
  "namespaces that change their adapter": async ({ io }) => {
    let made = 0;
    io.adapter((nsp) => {
      made++;
      // A new namespace calls this function again, so create only one namespace.
      if (made === 1) io.of("/more");
      return new Adapter(nsp);
    });
    assert.equal(made, 2);
  },
  "clients of a server that closes": async ({ io, join }) => {
    const [client, socket] = await join();
    await join();
    const refused: unknown[] = [];
    socket.on("disconnect", () => {
      void io.close();
      io.disconnectSockets(true);
      io.testClient().catch((error: unknown) => refused.push(error));
    });
    await io.close();
    await client.closed;
    assert.equal(refused.length, 1);
    assert.equal(io.engine.clientsCount, 0);
  },
  "acknowledgements of a socket": async ({ join }) => {
    const [client, socket] = await join();
    let errors = 0;
    const again = (): void => {
      errors++;
      if (errors < 5) socket.timeout(10_000).emit("x", again);
    };
    socket.timeout(10_000).emit("x", again);
    socket.timeout(10_000).emit("x", () => errors++);
    client.socket.terminate();
    await until(() => errors >= 6);
    assert.equal(errors, 6);
  },
};

describe("every iteration ends although a listener changes the collection:", () => {
  for (const [walk, run] of Object.entries(WALKS)) {
    test(walk, { timeout: 60_000 }, async (context) => {
      const { io, port } = await serve(context);
      const join = async (namespace = "/"): Promise<[WebSocketClient, Socket]> => {
        const client = new WebSocketClient(port);
        const packet = await client.join(namespace === "/" ? "40" : `40${namespace},`);
        const { sid } = JSON.parse(packet.slice(packet.indexOf("{")));
        const socket = io.of(namespace).sockets.get(sid);
        return [client, socket ?? assert.fail("the client is not connected")];
      };
      await run({ context, io, port, join });
    });
  }
});
