// What the world's stock client and our server do together, whatever the transport.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, type TestContext, test } from "node:test";

import {
  type Socket as ClientSocket,
  io as connect,
  type ManagerOptions,
  type SocketOptions,
} from "socket.io-client";

import { Server, type ServerOptions, type Socket } from "../../server.ts";
import { listen, portOf, until } from "../support/net.ts";

export interface Way {
  readonly name: string;
  readonly options: Partial<ManagerOptions & SocketOptions>;
  /** What carries the packets when the client has settled. */
  readonly settled: "polling" | "websocket";
  readonly server?: ServerOptions;
}

interface Ends {
  readonly io: Server;
  readonly port: number;
  /** A client that the test's end disconnects. */
  client(path?: string, options?: Partial<ManagerOptions & SocketOptions>): ClientSocket;
}

/** A server, and clients that come to it this way. */
async function start(context: TestContext, way: Way, options: ServerOptions = {}): Promise<Ends> {
  const http = createServer();
  const io = new Server(http, { ...way.server, ...options });
  const port = await listen(http);
  const clients: ClientSocket[] = [];
  context.after(async () => {
    for (const client of clients) client.disconnect();
    await io.close();
  });
  const client: Ends["client"] = (path = "/", more = {}) => {
    const socket = connect(`http://127.0.0.1:${port}${path}`, {
      forceNew: true,
      reconnection: false,
      ...way.options,
      ...more,
    });
    clients.push(socket);
    return socket;
  };
  return { io, port, client };
}

/** The arguments with which `event` is next told. */
function heard(
  emitter: { once(event: string, listener: (...args: unknown[]) => void): unknown },
  event: string,
): Promise<unknown[]> {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

/** Both ends of one client, settled on its transport. */
async function join(ends: Ends, way: Way, client: ClientSocket): Promise<Socket> {
  const accepted = new Promise<Socket>((resolve) => ends.io.once("connection", resolve));
  const [socket] = await Promise.all([accepted, heard(client, "connect")]);
  await until(() => client.io.engine.transport.name === way.settled);
  await until(() => socket.conn.transport.name === way.settled);
  return socket;
}

const BINARY: readonly (readonly [string, readonly unknown[]])[] = [
  ["one", [Buffer.from([1, 2, 3])]],
  ["empty", [Buffer.alloc(0)]],
  ["several", [Buffer.from([1]), "between", Buffer.from([2]), Buffer.from([3])]],
  ["nested", [{ a: [{ b: Buffer.from("deep") }, null], c: Buffer.from("beside") }]],
  ["900 kB", [Buffer.alloc(900_000, "x")]],
];

export function interopSuite(way: Way): void {
  // In base64, as polling needs it, 900 kB are 1.2 MB.
  const large = { maxHttpBufferSize: 2_000_000 };

  describe(`The stock client over ${way.name}`, () => {
    test("events with any number of arguments, both ways, in order", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const socket = await join(ends, way, client);
      const ours: unknown[] = [];
      const theirs: unknown[] = [];
      const events = [[], [1], ["a", null, true, { x: [1.5, "€𝒳\u2028"] }], [[]], [0, ""]];
      socket.on("event", (...args) => ours.push(args));
      client.on("event", (...args: unknown[]) => theirs.push(args));
      for (const args of events) {
        client.emit("event", ...args);
        socket.emit("event", ...args);
      }
      client.emit("end");
      socket.emit("end");
      await Promise.all([heard(socket, "end"), heard(client, "end")]);
      assert.deepEqual(ours, events);
      assert.deepEqual(theirs, events);
    });

    test("acknowledgements both ways, text and binary", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const socket = await join(ends, way, client);
      socket.on("ask", (value, reply) => reply(value, Buffer.from([1, 2])));
      client.on("ask", (value: unknown, reply: (...args: unknown[]) => void) =>
        reply(value, Buffer.from([3, 4])),
      );
      const fromServer = await new Promise<unknown[]>((resolve) =>
        client.emit("ask", "a", (...args: unknown[]) => resolve(args)),
      );
      assert.deepEqual(fromServer, ["a", Buffer.from([1, 2])]);
      const fromClient = await new Promise<unknown[]>((resolve) =>
        socket.emit("ask", "b", (...args: unknown[]) => resolve(args)),
      );
      assert.deepEqual(fromClient, ["b", Buffer.from([3, 4])]);
      assert.equal(await client.emitWithAck("ask", { c: 1 }).then(({ c }) => c), 1);
      assert.equal(await socket.emitWithAck("ask", 5), 5);
      assert.equal(await socket.timeout(10_000).emitWithAck("ask", 6), 6);
      assert.equal(await client.timeout(10_000).emitWithAck("ask", 7), 7);
    });

    test("an acknowledgement that does not come in time is an error, on either side", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const socket = await join(ends, way, client);
      await assert.rejects(socket.timeout(1).emitWithAck("nobody listens"), {
        code: "ERR_ACK_TIMEOUT",
        message: "operation has timed out",
      });
      await assert.rejects(client.timeout(1).emitWithAck("nobody listens"));
      const error = await new Promise<unknown>((resolve) =>
        socket.timeout(1).emit("nobody listens", (error: unknown) => resolve(error)),
      );
      assert.ok(error instanceof Error);
    });

    for (const [does, args] of BINARY) {
      test(`binary both ways: ${does}`, async (context) => {
        const ends = await start(context, way, large);
        const client = ends.client();
        const socket = await join(ends, way, client);
        socket.on("binary", (...received) => socket.emit("binary", ...received));
        const back = heard(client, "binary");
        client.emit("binary", ...args);
        assert.deepEqual(await back, args);
      });
    }

    test("send() and `message`, both ways", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const socket = await join(ends, way, client);
      const ours = heard(socket, "message");
      const theirs = heard(client, "message");
      client.send("to the server", 1);
      socket.send("to the client", 2);
      assert.deepEqual(await ours, ["to the server", 1]);
      assert.deepEqual(await theirs, ["to the client", 2]);
      const everybody = heard(client, "message");
      ends.io.send("to all");
      assert.deepEqual(await everybody, ["to all"]);
    });

    test("rooms: who is in them receives, once, and nobody else", async (context) => {
      const ends = await start(context, way);
      const logs: string[][] = [];
      const sockets: Socket[] = [];
      const clients: ClientSocket[] = [];
      for (let i = 0; i < 4; i++) {
        const log: string[] = [];
        const client = ends.client();
        sockets.push(await join(ends, way, client));
        client.on("news", (text: string) => log.push(text));
        clients.push(client);
        logs.push(log);
      }
      const [a, b, c, d] = sockets;
      assert.ok(a && b && c && d);
      a.join("x");
      b.join(["x", "y"]);
      c.join("y");
      ends.io.to("x").emit("news", "x");
      ends.io.to("x").to("y").emit("news", "x+y");
      ends.io.in(["x", "y"]).except("x").emit("news", "x+y-x");
      ends.io.except("y").emit("news", "-y");
      a.to("x").emit("news", "a to x");
      a.broadcast.emit("news", "a to all");
      ends.io.to(d.id).emit("news", "d alone");
      b.leave("x");
      ends.io.to("x").emit("news", "x later");
      ends.io.emit("end");
      await Promise.all(clients.map((client) => heard(client, "end")));
      assert.deepEqual(logs, [
        ["x", "x+y", "-y", "x later"],
        ["x", "x+y", "a to x", "a to all"],
        ["x+y", "x+y-x", "a to all"],
        ["-y", "a to all", "d alone"],
      ]);
    });

    test("namespaces on one connection", async (context) => {
      const ends = await start(context, way);
      const admin = ends.io.of("/admin");
      const main = ends.client("/", { forceNew: false });
      const mainSocket = await join(ends, way, main);
      const accepted = new Promise<Socket>((resolve) => admin.once("connection", resolve));
      const other = main.io.socket("/admin", { auth: { token: "t" } });
      const [socket] = await Promise.all([accepted, heard(other, "connect")]);
      assert.equal(socket.conn, mainSocket.conn);
      assert.notEqual(socket.id, mainSocket.id);
      assert.deepEqual(socket.handshake.auth, { token: "t" });
      const log: string[] = [];
      main.on("x", () => log.push("main"));
      other.on("x", () => log.push("admin"));
      admin.emit("x");
      ends.io.emit("x");
      await heard(main, "x");
      assert.deepEqual(log, ["admin", "main"]);
      const gone = heard(socket, "disconnect");
      other.disconnect();
      assert.deepEqual(await gone, ["client namespace disconnect"]);
      assert.ok(main.connected && mainSocket.connected);
    });

    test("refused by the middleware, with data; unknown namespaces too", async (context) => {
      const ends = await start(context, way);
      ends.io.use((socket, next) => {
        const { token } = socket.handshake.auth;
        if (token === "right") next();
        else next(Object.assign(new Error("not you"), { data: { token: token ?? null } }));
      });
      const refused = ends.client("/", { auth: { token: "wrong" } });
      const [error] = await heard(refused, "connect_error");
      assert.ok(error instanceof Error && "data" in error);
      assert.equal(error.message, "not you");
      assert.deepEqual(error.data, { token: "wrong" });
      assert.equal(refused.connected, false);
      const unknown = ends.client("/nowhere");
      const [other] = await heard(unknown, "connect_error");
      assert.ok(other instanceof Error);
      assert.equal(other.message, "Invalid namespace");
      await join(ends, way, ends.client("/", { auth: { token: "right" } }));
    });

    test("auth, and what the handshake says", async (context) => {
      const ends = await start(context, way);
      const client = ends.client("/", { auth: { a: 1 }, query: { q: "€ x" } });
      const { handshake, request } = await join(ends, way, client);
      assert.deepEqual(handshake.auth, { a: 1 });
      assert.equal(handshake.query.q, "€ x");
      assert.equal(handshake.query.EIO, "4");
      assert.equal(handshake.address, "127.0.0.1");
      assert.equal(handshake.secure, false);
      assert.equal(handshake.xdomain, false);
      assert.equal(handshake.url, request.url);
      assert.equal(new Date(handshake.time).getTime(), Math.floor(handshake.issued / 1000) * 1000);
      assert.equal(handshake.headers.host, `127.0.0.1:${ends.port}`);
    });

    const REASONS = [
      {
        does: "client.disconnect()",
        act: (client: ClientSocket) => client.disconnect(),
        server: "client namespace disconnect",
        client: "io client disconnect",
      },
      {
        does: "the client's engine closes",
        act: (client: ClientSocket) => client.io.engine.close(),
        server: "transport close",
        client: "forced close",
      },
      {
        does: "socket.disconnect()",
        act: (_client: ClientSocket, socket: Socket) => socket.disconnect(),
        server: "server namespace disconnect",
        client: "io server disconnect",
      },
      {
        does: "socket.disconnect(true)",
        act: (_client: ClientSocket, socket: Socket) => socket.disconnect(true),
        server: "server namespace disconnect",
        client: "io server disconnect",
      },
      {
        does: "socket.conn.close()",
        act: (_client: ClientSocket, socket: Socket) => socket.conn.close(),
        server: "forced close",
        client: "transport close",
      },
      {
        does: "io.close()",
        act: (_client: ClientSocket, _socket: Socket, io: Server) => io.close(),
        server: "server shutting down",
        client: "transport close",
      },
    ] as const;
    for (const { does, act, server, client: told } of REASONS) {
      test(`${does}: "${server}" and "${told}"`, async (context) => {
        const ends = await start(context, way);
        const client = ends.client();
        const socket = await join(ends, way, client);
        socket.join("room");
        const log: unknown[] = [];
        socket.on("disconnecting", (reason) => log.push([reason, [...socket.rooms].length]));
        socket.on("disconnect", (reason) => log.push([reason, [...socket.rooms].length]));
        const gone = heard(socket, "disconnect");
        const left = heard(client, "disconnect");
        // A client that polls hears of the end with a request that waits.
        await until(() => socket.conn.writable);
        void act(client, socket, ends.io);
        const [reason] = await left;
        await gone;
        assert.deepEqual(log, [
          [server, 2],
          [server, 0],
        ]);
        assert.equal(reason, told);
        assert.equal(socket.connected, false);
        assert.equal(ends.io.sockets.sockets.size, 0);
        assert.equal(ends.io.sockets.adapter.rooms.size, 0);
      });
    }

    test("reconnects when the server has restarted, and says again what it could not", async (context) => {
      const ends = await start(context, way);
      const client = ends.client("/", {
        reconnection: true,
        reconnectionDelay: 1,
        reconnectionDelayMax: 5,
      });
      const first = await join(ends, way, client);
      const lost = heard(client, "disconnect");
      await ends.io.close();
      await lost;
      client.emit("kept", 1);
      const again = new Server({ ...way.server });
      const accepted = new Promise<Socket>((resolve) =>
        again.once("connection", (socket) => {
          socket.on("kept", (n) => socket.emit("kept", n));
          resolve(socket);
        }),
      );
      const back = heard(client, "kept");
      const http = createServer();
      again.attach(http);
      http.listen(ends.port, "127.0.0.1");
      context.after(() => again.close());
      const second = await accepted;
      assert.deepEqual(await back, [1]);
      assert.notEqual(second.id, first.id);
      assert.equal(portOf(http), ends.port);
    });

    test("many messages at once, both ways: each once, in order", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const accepted = new Promise<Socket>((resolve) => ends.io.once("connection", resolve));
      const [socket] = await Promise.all([accepted, heard(client, "connect")]);
      const ours: number[] = [];
      const theirs: number[] = [];
      socket.on("n", (n) => ours.push(n));
      client.on("n", (n: number) => theirs.push(n));
      const count = 2000;
      const numbers = Array.from({ length: count }, (_, n) => n);
      for (const n of numbers) {
        client.emit("n", n);
        socket.emit("n", n);
        if (n % 50 === 0) await new Promise(setImmediate);
      }
      await until(() => ours.length >= count && theirs.length >= count);
      assert.deepEqual(ours, numbers);
      assert.deepEqual(theirs, numbers);
    });
  });
}
