// Tests broadcasts with acknowledgements, and methods that act on many sockets at once.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import { AckTimeoutError, DisconnectedError, type Server } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import { join, serve, turn, until, type WebSocketClient } from "../../support/net.ts";

/** Starts a server and connects `count` clients, in the order of its sockets. */
async function start(
  context: TestContext,
  count: number,
): Promise<{ io: Server; clients: WebSocketClient[] }> {
  const { io, port } = await serve(context);
  const clients: WebSocketClient[] = [];
  for (let i = 0; i < count; i++) {
    const { client } = await join(io, port);
    clients.push(client);
  }
  return { io, clients };
}

/** Asserts that each client receives an event that requests an acknowledgement, and sends the acknowledgement. */
async function answer(clients: readonly WebSocketClient[], id: number): Promise<void> {
  for (const [i, client] of clients.entries()) {
    assert.equal(await client.next(), `42${id}["ask",1]`);
    client.send(`43${id}["answer ${i}"]`);
  }
}

describe("A broadcast with acknowledgements", () => {
  test("calls back with the response of each client, and with undefined for an empty response", async (context) => {
    const { io, clients } = await start(context, 3);
    const told = new Promise<unknown[]>((resolve) =>
      io.timeout(10_000).emit("ask", 1, (...args: unknown[]) => resolve(args)),
    );
    await answer(clients.slice(0, 2), 0);
    assert.equal(await clients[2]?.next(), '420["ask",1]');
    clients[2]?.send("430[]");
    const [error, responses] = await told;
    assert.equal(error, null);
    assert.ok(Array.isArray(responses));
    assert.deepEqual(new Set(responses), new Set(["answer 0", "answer 1", undefined]));
  });

  test("waits for the responses without a time limit if there is no timeout", async (context) => {
    const clock = new Clock(context);
    const { io, clients } = await start(context, 2);
    const told = io.emitWithAck("ask", 1);
    clock.tick(10_000);
    await answer(clients, 0);
    assert.deepEqual((await told).toSorted(), ["answer 0", "answer 1"]);
  });

  test("fails after the timeout with an error that has the responses received", async (context) => {
    const clock = new Clock(context);
    const { io, clients } = await start(context, 2);
    const told = io.timeout(500).emitWithAck("ask", 1);
    const rejected = assert.rejects(told, (error) => {
      assert.ok(error instanceof AckTimeoutError && "responses" in error);
      assert.equal(error.message, "operation has timed out");
      assert.deepEqual(error.responses, ["answer 0"]);
      return true;
    });
    await answer(clients.slice(0, 1), 0);
    const [socket] = io.sockets.sockets.values();
    clients[0]?.send('42["sync"]');
    await new Promise((resolve) => socket?.once("sync", resolve));
    clock.tick(500);
    await rejected;
    // The acknowledgement arrives after the timeout, so the server must ignore it.
    await clients[1]?.next();
    clients[1]?.send('430["late"]');
    await turn();
  });

  test("fails if a client disconnects, once all other clients have responded", async (context) => {
    const { io, clients } = await start(context, 2);
    const told = io.emitWithAck("ask", 1);
    const rejected = assert.rejects(told, (error) => {
      assert.ok(error instanceof DisconnectedError && "responses" in error);
      assert.deepEqual(error.responses, ["answer 0"]);
      return true;
    });
    clients[1]?.socket.terminate();
    await until(() => io.sockets.sockets.size === 1);
    await answer(clients.slice(0, 1), 0);
    await rejected;
  });

  test("calls back without an error and with no responses if there are no receivers", async (context) => {
    const { io } = await start(context, 0);
    assert.deepEqual(await io.to("nowhere").emitWithAck("ask", 1), []);
    const told = new Promise<unknown[]>((resolve) =>
      io.to("nowhere").emit("ask", 1, (...args: unknown[]) => resolve(args)),
    );
    assert.deepEqual(await told, [null, []]);
  });

  test("socket.broadcast requests acknowledgements from all other sockets", async (context) => {
    const { io, clients } = await start(context, 3);
    const [socket] = io.sockets.sockets.values();
    const told = socket?.broadcast.timeout(10_000).emitWithAck("ask", 1);
    await answer(clients.slice(1), 0);
    assert.deepEqual((await told)?.toSorted(), ["answer 0", "answer 1"]);
  });

  test("rejects for data that cannot be encoded, and for a reserved event name", async (context) => {
    const { io } = await start(context, 1);
    await assert.rejects(io.emitWithAck("ask", 1n), TypeError);
    await assert.rejects(io.emitWithAck("disconnect"), { code: "ERR_RESERVED_EVENT" });
    assert.throws(() => io.emit("connect", () => {}), { code: "ERR_RESERVED_EVENT" });
  });
});

describe("Methods for many sockets", () => {
  test("socketsJoin(), socketsLeave() and disconnectSockets() act on the selected sockets", async (context) => {
    const { io, clients } = await start(context, 3);
    const [a, b, c] = io.sockets.sockets.values();
    assert.ok(a && b && c);
    io.socketsJoin(["x", "y"]);
    io.in([a.id, b.id]).socketsLeave("x");
    a.broadcast.socketsLeave(["y"]);
    assert.deepEqual([...a.rooms], [a.id, "y"]);
    assert.deepEqual([...b.rooms], [b.id]);
    assert.deepEqual([...c.rooms], [c.id, "x"]);
    io.socketsLeave("y");
    assert.deepEqual([...a.rooms], [a.id]);
    const reasons: string[] = [];
    for (const socket of [a, b, c]) socket.on("disconnect", (reason) => reasons.push(reason));
    io.in("x").disconnectSockets();
    assert.equal(await clients[2]?.next(), "41");
    assert.deepEqual([a.connected, b.connected, c.connected], [true, true, false]);
    io.disconnectSockets(true);
    await Promise.all([clients[0]?.closed, clients[1]?.closed]);
    assert.deepEqual(reasons, Array(3).fill("server namespace disconnect"));
    assert.equal(clients[2]?.socket.readyState, clients[2]?.socket.OPEN);
    clients[2]?.socket.terminate();
  });

  test("fetchSockets() returns sockets that can be read, moved and disconnected", async (context) => {
    const { io, clients } = await start(context, 2);
    const [a, b] = io.sockets.sockets.values();
    assert.ok(a && b);
    a.data.name = "Ada";
    a.join("x");
    assert.equal((await io.fetchSockets()).length, 2);
    assert.deepEqual((await io.in("nowhere").fetchSockets()).length, 0);
    const [remote] = await io.in("x").fetchSockets();
    assert.ok(remote);
    assert.equal(remote.id, a.id);
    assert.deepEqual(remote.data, { name: "Ada" });
    assert.equal(remote.handshake, a.handshake);
    assert.deepEqual(remote.rooms, new Set([a.id, "x"]));
    remote.join("y");
    remote.leave("x");
    assert.deepEqual([...a.rooms], [a.id, "y"]);
    remote.emit("hello", 1);
    assert.equal(await clients[0]?.next(), '42["hello",1]');
    assert.equal(remote.disconnect(), remote);
    assert.equal(a.connected, false);
    assert.deepEqual(await io.allSockets(), new Set([b.id]));
    assert.deepEqual(await io.in("y").allSockets(), new Set());
  });

  test("emitWithAck() of a fetched socket resolves to a single response, not to a list", async (context) => {
    const { io, clients } = await start(context, 1);
    const [remote] = await io.fetchSockets();
    assert.ok(remote);
    const plain = new Promise((resolve) =>
      remote.emit("ask", 1, (...args: unknown[]) => resolve(args)),
    );
    await answer(clients, 0);
    assert.deepEqual(await plain, ["answer 0"]);
    const timed = new Promise((resolve) =>
      remote.timeout(10_000).emit("ask", 1, (...args: unknown[]) => resolve(args)),
    );
    await answer(clients, 1);
    assert.deepEqual(await timed, [null, "answer 0"]);
    const told = remote.timeout(10_000).emitWithAck("ask", 1);
    await answer(clients, 2);
    assert.equal(await told, "answer 0");
    await assert.rejects(remote.timeout(1).emitWithAck("ask", 1), { code: "ERR_ACK_TIMEOUT" });
    assert.throws(() => remote.emit("connect"), { code: "ERR_RESERVED_EVENT" });
    assert.throws(() => remote.timeout(-1), RangeError);
  });
});
