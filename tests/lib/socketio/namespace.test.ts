// Tests which clients the middleware of a namespace accepts, including middleware with mistakes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Socket } from "../../../server.ts";
import { PollingClient, serve, turn, until, WebSocketClient } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

describe("Namespace", () => {
  // Socket.IO "Connection to a namespace".
  test("runs all middleware in order, and connects the client afterwards", async (context) => {
    const { io, port } = await serve(context);
    const log: unknown[] = [];
    io.use((socket, next) => {
      log.push(["first", socket.connected, io.sockets.sockets.size]);
      setImmediate(next);
    });
    io.use((socket, next) => {
      socket.data.user = "u";
      log.push("second");
      next();
    });
    io.on("connect", () => log.push("connect"));
    io.on("connection", (socket) => log.push(["connection", socket.connected, socket.data.user]));
    const client = new WebSocketClient(port);
    await client.join();
    assert.deepEqual(log, [["first", false, 0], "second", "connect", ["connection", true, "u"]]);
  });

  test("rejects the client with the message and data of the error passed to next()", async (context) => {
    const { io, port } = await serve(context);
    io.use((_socket, next) => next(Object.assign(new Error("no"), { data: { code: 7 } })));
    io.use(() => assert.fail("middleware after an error has been called"));
    io.on("connection", () => assert.fail("the rejected client has connected"));
    const client = new WebSocketClient(port);
    assert.equal(await client.join(), '44{"message":"no","data":{"code":7}}');
    io.of("/plain").use((_socket, next) => next(new Error("not even here")));
    client.send("40/plain,");
    assert.equal(await client.next(), '44/plain,{"message":"not even here"}');
    assert.equal(io.sockets.adapter.sids.size, 0);
    // The client may try again.
    client.send("40");
    assert.match(`${await client.next()}`, /^44/);
  });

  test("ignores a second call of next() in middleware", async (context) => {
    const { io, port } = await serve(context);
    let connections = 0;
    io.use((_socket, next) => {
      next();
      next();
      next(new Error("too late"));
    });
    io.on("connection", () => connections++);
    const client = new WebSocketClient(port);
    assert.match(await client.join(), /^40\{/);
    await turn();
    assert.equal(connections, 1);
  });

  test("rejects the client if middleware throws or rejects, and the error is uncaught", async (context) => {
    const uncaught = gatherUncaught(context);
    const rejected: unknown[] = [];
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.once("unhandledRejection", (error) => rejected.push(error));
    context.after(() => {
      for (const listener of listeners) process.on("unhandledRejection", listener);
    });
    const { io, port } = await serve(context);
    const mistake = new Error("the middleware's mistake");
    io.of("/throws").use(() => {
      throw mistake;
    });
    io.of("/rejects").use(async () => {
      throw mistake;
    });
    const client = new WebSocketClient(port);
    await client.next();
    client.send("40/throws,");
    assert.equal(await client.next(), '44/throws,{"message":"internal error"}');
    client.send("40/rejects,");
    assert.equal(await client.next(), '44/rejects,{"message":"internal error"}');
    await turn();
    assert.deepEqual(uncaught, [mistake]);
    assert.deepEqual(rejected, [mistake]);
  });

  test("does not connect a client that disconnects while middleware runs", async (context) => {
    const { io, port } = await serve(context);
    const waiting: { socket: Socket; next: () => void }[] = [];
    io.use((socket, next) => waiting.push({ socket, next }));
    io.on("connection", () => assert.fail("the disconnected client has connected"));
    const client = new WebSocketClient(port);
    await client.next();
    client.send("40");
    await until(() => waiting.length === 1);
    client.send("41");
    client.socket.close();
    await client.closed;
    await until(() => waiting.every(({ socket }) => socket.gone));
    for (const { next } of waiting) next();
    await turn();
    assert.equal(io.sockets.sockets.size, 0);
    assert.equal(io.sockets.adapter.sids.size, 0);
  });

  test("sends the events of middleware before the CONNECT response, and DISCONNECT alone if middleware disconnects the socket", async (context) => {
    const { io, port } = await serve(context);
    io.use((socket, next) => {
      socket.emit("session", 1);
      next();
    });
    const client = new WebSocketClient(port);
    assert.equal(await client.join(), '42["session",1]');
    assert.match(`${await client.next()}`, /^40\{/);
    io.of("/out").use((socket, next) => {
      socket.join("room");
      socket.disconnect();
      next();
    });
    io.of("/out").on("connection", () =>
      assert.fail("a client that middleware disconnected has connected"),
    );
    client.send("40/out,");
    assert.equal(await client.next(), "41/out,");
    assert.equal(io.of("/out").adapter.rooms.size, 0);
  });

  test("of() returns one namespace with and without the slash, and adds a connection listener", async (context) => {
    const { io, port } = await serve(context);
    const log: string[] = [];
    const admin = io.of("admin", (socket) => log.push(socket.nsp.name));
    assert.equal(io.of("/admin"), admin);
    assert.equal(io.of("/"), io.sockets);
    const client = await PollingClient.open(port);
    await client.join("40/admin,");
    assert.deepEqual(log, ["/admin"]);
  });

  test("the server's listeners and middleware are those of the main namespace", async (context) => {
    const { io, port } = await serve(context);
    const log: string[] = [];
    io.on("connection", () => log.push("server"));
    io.sockets.on("connection", () => log.push("namespace"));
    io.sockets.use((_socket, next) => {
      log.push("middleware");
      next();
    });
    await new WebSocketClient(port).join();
    assert.deepEqual(log, ["middleware", "server", "namespace"]);
    assert.equal(io.listenerCount("connection"), 2);
  });

  test("emits with the chained methods and properties of a broadcast operator", async (context) => {
    const { io, port } = await serve(context);
    const admin = io.of("/admin");
    const client = new WebSocketClient(port);
    await client.join("40/admin,");
    admin.compress(false).emit("1");
    admin.local.emit("2");
    admin.volatile.emit("3");
    admin.except("nobody").emit("4");
    admin.in([...admin.sockets.keys()]).emit("5");
    admin.send("6").write("7");
    for (let n = 1; n <= 5; n++) assert.equal(await client.next(), `42/admin,["${n}"]`);
    for (let n = 6; n <= 7; n++) assert.equal(await client.next(), `42/admin,["message","${n}"]`);
  });
});
