// Tests namespaces that are created when a client connects to them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Namespace, Socket } from "../../../server.ts";
import { serve, turn, until, WebSocketClient } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const INVALID = '{"message":"Invalid namespace"}';

/** Connects a client that has not joined a namespace. */
async function connect(port: number): Promise<WebSocketClient> {
  const client = new WebSocketClient(port);
  await client.next();
  return client;
}

/** Returns the response to a CONNECT packet for `namespace`. */
async function ask(client: WebSocketClient, namespace: string, auth = ""): Promise<string> {
  client.send(`40${namespace},${auth}`);
  return `${await client.next()}`.slice(2 + namespace.length + 1);
}

describe("of() with a pattern", () => {
  test("creates each matching namespace once, and emits new_namespace", async (context) => {
    const { io, port } = await serve(context);
    const made: string[] = [];
    const joined: string[] = [];
    io.on("new_namespace", ({ name }) => made.push(name));
    const parent = io.of(/^\/room-\d+$/, (socket) => joined.push(socket.nsp.name));
    const [one, other] = [await connect(port), await connect(port)];
    assert.match(await ask(one, "/room-1"), /^\{"sid"/);
    assert.match(await ask(other, "/room-1"), /^\{"sid"/);
    assert.match(await ask(one, "/room-2"), /^\{"sid"/);
    assert.equal(await ask(one, "/room-x"), INVALID);
    assert.deepEqual(made, ["/room-1", "/room-2"]);
    assert.deepEqual(joined, ["/room-1", "/room-1", "/room-2"]);
    assert.deepEqual(
      [...parent.children].map(({ name, sockets }) => [name, sockets.size]),
      [
        ["/room-1", 2],
        ["/room-2", 1],
      ],
    );
    assert.equal(io.of("/room-1").sockets.size, 2);
  });

  test("passes its middleware and listeners to child namespaces, also to those created by of()", async (context) => {
    const { io, port } = await serve(context);
    const log: string[] = [];
    const parent = io.of(/^\/x/);
    parent.use((_socket, next) => {
      log.push("middleware");
      next();
    });
    parent.on("connection", () => log.push("connection"));
    const child = io.of("/x1");
    assert.ok(parent.children.has(child));
    const client = await connect(port);
    await ask(client, "/x1");
    await ask(client, "/x2");
    assert.deepEqual(log, ["middleware", "connection", "middleware", "connection"]);
    parent.on("connection", () => log.push("not for those that are there"));
    const other = await connect(port);
    await ask(other, "/x1");
    assert.equal(log.length, 6);
  });

  test("throws a TypeError for a pattern with the flag g or y", async (context) => {
    const { io } = await serve(context);
    assert.throws(() => io.of(/a/g), TypeError);
    assert.throws(() => io.of(/a/y), TypeError);
  });
});

describe("of() with a function", () => {
  test("calls the functions in order until a function accepts the name, at once or later", async (context) => {
    const { io, port } = await serve(context);
    const asked: unknown[] = [];
    io.of((name, auth, next) => {
      asked.push([name, auth]);
      setImmediate(next, null, auth.token === "t");
    });
    io.of((name, _auth, next) => next(null, name === "/second"));
    const client = await connect(port);
    assert.match(await ask(client, "/first", '{"token":"t"}'), /^\{"sid"/);
    assert.match(await ask(client, "/second"), /^\{"sid"/);
    assert.equal(await ask(client, "/third"), INVALID);
    assert.deepEqual(asked, [
      ["/first", { token: "t" }],
      ["/second", {}],
      ["/third", {}],
    ]);
  });

  test("rejects the client if the function passes an error or no decision, or if it throws", async (context) => {
    const uncaught = gatherUncaught(context);
    const mistake = new Error("the function's mistake");
    const { io, port } = await serve(context);
    io.of((name, _auth, next) => {
      if (name === "/throws") throw mistake;
      if (name === "/error") next(new Error("no"), true);
      else if (name === "/nothing") next(null);
      else {
        next(null, true);
        next(null, false);
      }
    });
    const client = await connect(port);
    assert.equal(await ask(client, "/error"), INVALID);
    assert.equal(await ask(client, "/nothing"), INVALID);
    assert.equal(await ask(client, "/throws"), INVALID);
    assert.match(await ask(client, "/twice"), /^\{"sid"/);
    assert.deepEqual(uncaught, [mistake]);
  });

  test("two clients that connect at the same time join the same namespace", async (context) => {
    const { io, port } = await serve(context);
    const waiting: (() => void)[] = [];
    const parent = io.of((_name, _auth, next) => waiting.push(() => next(null, true)));
    const [one, other] = [await connect(port), await connect(port)];
    const answers = Promise.all([ask(one, "/same"), ask(other, "/same")]);
    await until(() => waiting.length === 2);
    for (const allow of waiting) allow();
    await answers;
    assert.equal(parent.children.size, 1);
    assert.equal(io.of("/same").sockets.size, 2);
  });

  test("does not connect a client that disconnects or leaves while the function decides", async (context) => {
    const { io, port } = await serve(context);
    const waiting: (() => void)[] = [];
    io.of(
      (_name, _auth, next) => waiting.push(() => next(null, true)),
      () => assert.fail("a client that has disconnected or left has connected"),
    );
    const [gone, left] = [await connect(port), await connect(port)];
    gone.send("40/x,");
    left.send("40/x,");
    left.send("40/x,");
    left.send("41/x,");
    await until(() => waiting.length === 2);
    gone.socket.terminate();
    await until(() => io.engine.clientsCount === 1);
    left.send("40/y,");
    await until(() => waiting.length === 3);
    left.send("41/y,");
    left.send("40/nowhere-else,");
    await until(() => waiting.length === 4);
    left.send("41/nowhere-else,");
    left.send("40");
    assert.match(`${await left.next()}`, /^40\{"sid"/);
    for (const allow of waiting) allow();
    await turn();
  });
});

describe("A parent namespace", () => {
  test("emits to the sockets of all its children, and fetches, moves and disconnects them", async (context) => {
    const { io, port } = await serve(context);
    const parent = io.of(/^\/p/);
    const client = await connect(port);
    await ask(client, "/p1");
    await ask(client, "/p2");
    parent.emit("x", 1);
    assert.equal(await client.next(), '42/p1,["x",1]');
    assert.equal(await client.next(), '42/p2,["x",1]');
    const [socket] = io.of("/p1").sockets.values();
    socket?.join("room");
    parent.to("room").emit("y");
    assert.equal(await client.next(), '42/p1,["y"]');
    parent.except("room").emit("z");
    assert.equal(await client.next(), '42/p2,["z"]');

    const told = parent.timeout(10_000).emitWithAck("ask");
    assert.equal(await client.next(), '42/p1,0["ask"]');
    assert.equal(await client.next(), '42/p2,0["ask"]');
    client.send('43/p1,0["one"]');
    client.send('43/p2,0["two"]');
    assert.deepEqual((await told).toSorted(), ["one", "two"]);

    assert.equal((await parent.fetchSockets()).length, 2);
    assert.equal((await parent.allSockets()).size, 2);
    parent.socketsJoin("all");
    assert.equal((await parent.in("all").allSockets()).size, 2);
    parent.in("room").socketsLeave("all");
    assert.equal((await parent.in("all").fetchSockets()).length, 1);
    parent.disconnectSockets();
    assert.equal((await parent.fetchSockets()).length, 0);
    await assert.rejects(
      io
        .of(/^\/none/)
        .timeout(1)
        .emitWithAck("connect"),
    );
    assert.deepEqual(await io.of(/^\/none/).emitWithAck("ask"), []);
  });

  test("with cleanupEmptyChildNamespaces, removes a child after its last socket has disconnected", async (context) => {
    const { io, port } = await serve(context, { cleanupEmptyChildNamespaces: true });
    const parent = io.of(/^\/c/);
    parent.use((socket, next) => next(socket.handshake.auth.no ? new Error("no") : undefined));
    const client = await connect(port);
    const accepted = new Promise<Socket>((resolve) => parent.on("connection", resolve));
    await ask(client, "/c1");
    const first: Namespace = io.of("/c1");
    await accepted;
    client.send("41/c1,");
    await until(() => parent.children.size === 0);
    await ask(client, "/c2", '{"no":true}');
    assert.equal(parent.children.size, 0);
    assert.notEqual(io.of("/c1"), first);
  });

  test("one connection creates at most maxCreatedNamespaces children", async (context) => {
    const { io, port } = await serve(context, { maxCreatedNamespaces: 2 });
    io.of(/^\/m/);
    io.of("/m0");
    const client = await connect(port);
    for (const name of ["/m0", "/m1", "/m2"]) assert.match(await ask(client, name), /^\{"sid"/);
    assert.equal(await ask(client, "/m3"), INVALID);
    client.send("41/m1,");
    assert.equal(await ask(client, "/m4"), INVALID);
    assert.match(await ask(client, "/m1"), /^\{"sid"/);
  });
});
