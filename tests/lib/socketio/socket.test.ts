// Tests the behaviour of a socket that the tests with socket.io-client do not cover.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { AckTimeoutError, DisconnectedError, type Socket } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import {
  PollingClient,
  serve,
  serveJoined,
  turn,
  until,
  WebSocketClient,
} from "../../support/net.ts";

describe("Socket", () => {
  test("has an id of 20 characters that differs from the session id, and a room of that name", async (context) => {
    const { socket, io } = await serveJoined(context);
    assert.match(socket.id, /^[A-Za-z0-9_-]{20}$/);
    assert.notEqual(socket.id, socket.conn.id);
    assert.deepEqual([...socket.rooms], [socket.id]);
    assert.equal(io.sockets.sockets.get(socket.id), socket);
    assert.deepEqual(socket.data, {});
    assert.equal(socket.request.url, socket.handshake.url);
    assert.equal(socket.client.conn, socket.conn);
    assert.deepEqual([socket.connected, socket.disconnected], [true, false]);
    assert.equal(socket.nsp.name, "/");
  });

  test("write() emits a message event, like send()", async (context) => {
    const { socket, client, io } = await serveJoined(context);
    socket.write("a").volatile.write("b");
    io.write("c").volatile.send("d");
    socket.compress(false).send("e");
    io.to(socket.id).write("f");
    for (const letter of "abcdef") assert.equal(await client.next(), `42["message","${letter}"]`);
  });

  test("every broadcast from a socket excludes the socket itself", async (context) => {
    const { socket, client, port, io } = await serveJoined(context);
    const other = new WebSocketClient(port);
    await other.join();
    const [, otherSocket] = io.sockets.sockets.values();
    otherSocket?.join(["a", "b"]);
    socket.join("a");
    socket.broadcast.emit("1");
    socket.to("a").emit("2");
    socket.in("a").emit("3");
    socket.except("b").emit("never");
    socket.local.emit("4");
    socket.volatile.broadcast.emit("5");
    socket.volatile.to("a").emit("6");
    socket.volatile.in(["a"]).emit("7");
    socket.compress(true).except("c").emit("8");
    socket.compress(false).local.emit("9");
    socket.volatile.compress(false).broadcast.emit("10");
    socket.compress(true).volatile.broadcast.in("a").local.volatile.compress(false).emit("11");
    for (let n = 1; n <= 11; n++) assert.equal(await other.next(), `42["${n}"]`);
    socket.emit("alone");
    assert.equal(await client.next(), '42["alone"]');
  });

  test("a chained call does not change the object on which it is called", async (context) => {
    const { socket, client, io } = await serveJoined(context);
    socket.join("a");
    const all = io.to("a");
    const none = all.except("a");
    const volatile = socket.volatile;
    none.emit("never");
    all.emit("1");
    volatile.emit("2");
    volatile.emit("3");
    socket.emit("4");
    for (let n = 1; n <= 4; n++) assert.equal(await client.next(), `42["${n}"]`);
  });

  test("drops volatile events that cannot be sent at once", async (context) => {
    const { io, port } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const [socket] = io.sockets.sockets.values();
    assert.ok(socket);
    socket.volatile.emit("dropped");
    io.volatile.emit("dropped", Buffer.from([1]));
    socket.emit("kept");
    assert.equal((await client.poll()).body, '42["kept"]');
    const polled = client.poll();
    await until(() => socket.conn.writable);
    socket.volatile.emit("now", Buffer.from([1]));
    assert.equal((await polled).body, '451-["now",{"_placeholder":true,"num":0}]\x1ebAQ==');
  });

  test("sends an acknowledgement once, also with binary data", async (context) => {
    const { socket, client } = await serveJoined(context);
    socket.on("ask", (reply) => {
      reply(1, Buffer.from([2]));
      reply(3);
    });
    client.send('427["ask"]');
    assert.equal(await client.next(), '461-7[1,{"_placeholder":true,"num":0}]');
    assert.deepEqual(await client.next(), Buffer.from([2]));
    socket.emit("next");
    assert.equal(await client.next(), '42["next"]');
  });

  test("ignores an acknowledgement after the client has disconnected", async (context) => {
    const { socket, client } = await serveJoined(context);
    const replies: (() => void)[] = [];
    socket.on("ask", (reply) => replies.push(reply));
    client.send('427["ask"]');
    await until(() => replies.length === 1);
    client.socket.terminate();
    await until(() => socket.disconnected);
    for (const reply of replies) reply();
  });

  test("drops events after the client has disconnected, and fails acknowledgements at once", async (context) => {
    const { socket, client } = await serveJoined(context);
    client.socket.terminate();
    await until(() => socket.disconnected);
    assert.equal(socket.emit("x"), true);
    socket.emit("x", () => assert.fail("the callback has been called"));
    const error = await new Promise((resolve) => socket.timeout(10_000).emit("x", resolve));
    assert.ok(error instanceof DisconnectedError);
    await assert.rejects(socket.emitWithAck("x"), { code: "ERR_DISCONNECTED" });
    assert.equal(socket.disconnect(), socket);
  });

  test("fails pending acknowledgements at once when the client disconnects", async (context) => {
    const { socket, client } = await serveJoined(context);
    const silent: unknown[] = [];
    const told: unknown[] = [];
    socket.emit("x", () => silent.push("called"));
    socket.timeout(60_000).emit("x", (error: unknown) => told.push(error));
    const waiting = socket.emitWithAck("x");
    const rejected = assert.rejects(waiting, DisconnectedError);
    await client.next();
    client.socket.terminate();
    await rejected;
    assert.equal(told.length, 1);
    assert.ok(told[0] instanceof DisconnectedError);
    assert.deepEqual(silent, []);
  });

  test("fails an acknowledgement after its timeout, and ignores a late acknowledgement", async (context) => {
    const clock = new Clock(context);
    const { socket, client } = await serveJoined(context);
    const told: unknown[] = [];
    socket.timeout(500).emit("x", (error: unknown, value: unknown) => told.push(error, value));
    clock.tick(499);
    assert.equal(told.length, 0);
    clock.tick(1);
    assert.equal(told.length, 2);
    assert.ok(told[0] instanceof AckTimeoutError);
    assert.equal(told[0].code, "ERR_ACK_TIMEOUT");
    await client.next();
    client.send('430["late"]');
    client.send('42["sync"]');
    await new Promise((resolve) => socket.on("sync", resolve));
    assert.equal(told.length, 2);
    socket.timeout(500).emit("x", (error: unknown, value: unknown) => told.push(error, value));
    await client.next();
    client.send('431["in time"]');
    await until(() => told.length === 4);
    assert.deepEqual(told.slice(2), [null, "in time"]);
    clock.tick(1000);
    assert.equal(told.length, 4);
  });

  test("numbers acknowledgements over all sockets of the namespace", async (context) => {
    const { socket, client, port, io } = await serveJoined(context);
    const other = new WebSocketClient(port);
    await other.join();
    const [, otherSocket] = io.sockets.sockets.values();
    socket.emit("a", () => {});
    otherSocket?.emit("b", () => {});
    assert.equal(await client.next(), '420["a"]');
    assert.equal(await other.next(), '421["b"]');
  });

  // Socket.IO "Disconnection from a namespace".
  test("delivers no further event after disconnect() in a listener", async (context) => {
    const { socket, client, io } = await serveJoined(context);
    const log: unknown[] = [];
    const other = new Promise((resolve) => io.of("/other").on("connection", resolve));
    socket.on("x", (n) => {
      log.push(n);
      socket.disconnect();
    });
    socket.on("disconnect", (reason) => log.push(reason));
    client.send('42["x",1]');
    client.send('42["x",2]');
    client.send("40/other,");
    await other;
    assert.equal(await client.next(), "41");
    assert.deepEqual(log, [1, "server namespace disconnect"]);
  });

  test("disconnect(true) disconnects the sockets of all namespaces, and closes the connection", async (context) => {
    const { socket, client, io } = await serveJoined(context);
    const ends: unknown[] = [];
    io.of("/a").on("connection", (each) => {
      each.on("disconnect", (reason) => ends.push(["/a", reason]));
      socket.disconnect(true);
      assert.equal(each.connected, false);
    });
    socket.on("disconnect", (reason) => ends.push(["/", reason]));
    client.send("40/a,");
    await client.closed;
    assert.deepEqual(ends, [
      ["/", "server namespace disconnect"],
      ["/a", "server namespace disconnect"],
    ]);
    await turn();
    assert.equal(io.of("/a").sockets.size, 0);
  });

  test("leave() ignores a room that the socket is not in, and removes an empty room", async (context) => {
    const { socket, io } = await serveJoined(context);
    socket.leave("nowhere");
    socket.join(["a", "b"]);
    assert.deepEqual([...socket.rooms], [socket.id, "a", "b"]);
    socket.leave("a");
    assert.deepEqual([...io.sockets.adapter.rooms.keys()], [socket.id, "b"]);
  });
});

describe("methods known from Flask-SocketIO", () => {
  test("json() and send() emit an event on sockets, operators and the server", async (context) => {
    const { io, port } = await serve(context);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join();
    const socket = await connected;
    socket.json({ a: 1 }).send("a");
    socket.volatile.json({ b: 2 }).send("b");
    io.json({ c: 3 }).send("c");
    io.except("nobody").json({ d: 4 }).send("d");
    for (const [letter, n] of Object.entries({ a: 1, b: 2, c: 3, d: 4 })) {
      assert.equal(await client.next(), `42["json",{"${letter}":${n}}]`);
      assert.equal(await client.next(), `42["message","${letter}"]`);
    }
  });

  test("call() waits for a minute, or for the time set with timeout()", async (context) => {
    const clock = new Clock(context);
    const { io, port } = await serve(context, { pingInterval: 1_000_000 });
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join();
    const socket = await connected;
    const answered = socket.call("a", 1);
    assert.equal(await client.next(), '420["a",1]');
    client.send('430["yes"]');
    assert.equal(await answered, "yes");
    const late = socket.call("b");
    const sooner = socket.timeout(7).call("c");
    clock.tick(7);
    await assert.rejects(sooner, { code: "ERR_ACK_TIMEOUT" });
    clock.tick(59_992);
    const state = Promise.race([late, Promise.resolve("waiting")]);
    assert.equal(await state, "waiting");
    clock.tick(1);
    await assert.rejects(late, { code: "ERR_ACK_TIMEOUT" });
  });

  test("closeRoom() removes all sockets from a room without disconnecting them", async (context) => {
    const { io, port } = await serve(context);
    io.on("connection", (socket) => socket.join("room"));
    const clients = [new WebSocketClient(port), new WebSocketClient(port)];
    for (const client of clients) await client.join();
    assert.equal(io.sockets.adapter.rooms.get("room")?.size, 2);
    io.closeRoom("room");
    assert.equal(io.sockets.adapter.rooms.has("room"), false);
    assert.equal(io.sockets.sockets.size, 2);
  });

  test("session() lasts as long as the connection, separately for each namespace", async (context) => {
    const { io, port } = await serve(context);
    const seen: unknown[] = [];
    const onConnection = (socket: Socket): void => {
      seen.push(JSON.stringify(socket.session()));
      socket.session().visits = (socket.session().visits ?? 0) + 1;
    };
    io.on("connection", onConnection);
    io.of("/a").on("connection", (socket) => {
      seen.push(JSON.stringify(socket.session()));
      assert.equal(socket.session({ saved: true }), socket);
      assert.deepEqual(socket.session(), { saved: true });
    });
    const client = new WebSocketClient(port);
    await client.join();
    client.send("40/a,");
    await client.next();
    client.send("41");
    client.send("40");
    await client.next();
    await new WebSocketClient(port).join();
    assert.deepEqual(seen, ["{}", "{}", '{"visits":1}', "{}"]);
  });

  test("has three further members of socket.io's API: rooms of an operator, leaveAll() and engine.opts", async (context) => {
    const { io, port } = await serve(context, { pingInterval: 30_000 });
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join();
    const socket = await connected;
    assert.deepEqual([...io.to("a").in(["b", "c"]).except("d").rooms], ["a", "b", "c"]);
    assert.deepEqual([...io.volatile.rooms], []);
    await socket.join(["a", "b"]);
    socket.leaveAll();
    assert.equal(socket.rooms.size, 0);
    assert.equal(io.sockets.adapter.rooms.size, 0);
    assert.equal(io.engine.opts.pingInterval, 30_000);
    assert.equal(io.engine.opts.pingTimeout, 20_000);
    const packets: unknown[] = [];
    socket.conn.on("packetCreate", (packet) => packets.push(packet));
    io.to(socket.id).emit("nobody");
    socket.emit("n", 1);
    socket.compress(false).emit("n", 2);
    assert.deepEqual(packets, [
      { type: "message", data: '2["n",1]', options: { compress: true } },
      { type: "message", data: '2["n",2]', options: { compress: false } },
    ]);
  });
});
