// Tests limits for clients that do not read the responses and messages that they cause: for one client, and for all.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";

import { Clock } from "../support/clock.ts";
import { PollingClient, serve, TcpClient, turn, until, WebSocketClient } from "../support/net.ts";

const LARGE = "x".repeat(900_000);

/** Sends a GET request and does not read the response. */
async function pollUnread(port: number, path: string): Promise<TcpClient> {
  const client = new TcpClient(port);
  await once(client.socket, "connect");
  client.socket.pause();
  client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return client;
}

describe("A large poll response", () => {
  test("a large poll response ends the session if the client polls again before reading it", async (context) => {
    const { io, port } = await serve(context);
    const polling = await PollingClient.open(port);
    await polling.join();
    const reasons: unknown[] = [];
    const [socket] = io.sockets.sockets.values();
    socket?.on("disconnect", (reason, detail) => reasons.push(reason, detail?.message));
    // This text is larger than what the operating system buffers for a connection.
    io.emit("large", "x".repeat(20_000_000));
    const first = await pollUnread(port, polling.path);
    await until(() => socket?.conn.transport.unreadBytes !== 0);
    assert.ok((socket?.conn.transport.unreadBytes ?? 0) > 1_000_000);
    assert.equal((await polling.poll()).status, 400);
    assert.deepEqual(reasons, ["transport error", "overlap from client"]);
    first.socket.destroy();
  });

  test("a poll response keeps its connection open for at most five seconds after its session ends", async (context) => {
    const clock = new Clock(context);
    const { io, port } = await serve(context);
    const polling = await PollingClient.open(port);
    await polling.join();
    const [socket] = io.sockets.sockets.values();
    io.emit("large", "x".repeat(20_000_000));
    const client = await pollUnread(port, polling.path);
    await until(() => socket?.conn.transport.unreadBytes !== 0);
    socket?.conn.discard("ping timeout");
    let open = 0;
    const count = async (): Promise<void> => {
      open = await new Promise((resolve) =>
        io.httpServer.getConnections((_error, connections) => resolve(connections)),
      );
    };
    clock.tick(4999);
    await turn();
    await count();
    assert.equal(open, 1);
    clock.tick(1);
    while (open > 0) await count();
    client.socket.destroy();
  });

  test("can be followed by further large responses if the client reads each response", async (context) => {
    const { io, port } = await serve(context);
    const polling = await PollingClient.open(port);
    await polling.join();
    for (let i = 0; i < 10; i++) io.emit("large", "x".repeat(1_500_000));
    for (let i = 0; i < 10; i++) assert.ok((await polling.poll()).body.length > 1_500_000);
  });
});

describe("The bytes that wait for all clients together", () => {
  test("the waiting bytes of all clients are at most maxTotalBackpressure: the client with the most bytes is disconnected", async (context) => {
    const { io, port } = await serve(context, { maxTotalBackpressure: 10_000_000 });
    const ends: unknown[] = [];
    io.on("connection", (socket) => {
      socket.on("disconnect", (reason, detail) => ends.push(reason, detail?.message));
      socket.on("ask", () => socket.emit("answer", LARGE));
    });
    // Each client stays below maxBackpressure, so only maxTotalBackpressure can end a connection.
    const readers: PollingClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await PollingClient.open(port);
      await client.join();
      readers.push(client);
    }
    const [greedy, other, small] = readers;
    await greedy?.post(Array(7).fill('42["ask"]').join("\x1e"));
    await small?.post('42["ask"]');
    await other?.post(Array(3).fill('42["ask"]').join("\x1e"));
    assert.deepEqual(ends, []);
    await small?.post('42["ask"]');
    assert.deepEqual(ends, ["transport error", "too many bytes wait for all clients"]);
    assert.equal((await greedy?.poll())?.status, 400);
    // The other clients lose no message, and messages that they have received no longer count.
    for (let i = 0; i < 20; i++) {
      await small?.post('42["ask"]');
      assert.ok(((await small?.poll())?.body.length ?? 0) > 900_000);
    }
    assert.equal(io.engine.clientsCount, 2);
  });

  test("are limited over WebSocket too, but not while they wait for only one client", async (context) => {
    const { io, port } = await serve(context, { maxTotalBackpressure: 1_000_000 });
    const ends: unknown[] = [];
    io.on("connection", (socket) => {
      socket.on("disconnect", (_reason, detail) => ends.push(detail?.message));
    });
    const clients = [];
    for (let i = 0; i < 2; i++) {
      const client = new WebSocketClient(port);
      await client.join();
      client.socket.pause();
      clients.push(client);
    }
    const [first, second] = io.sockets.sockets.values();
    for (let i = 0; i < 12; i++) first?.emit("large", LARGE);
    assert.deepEqual(ends, []);
    for (let i = 0; i < 2; i++) second?.emit("large", LARGE);
    assert.deepEqual(ends, ["too many bytes wait for all clients"]);
    assert.equal(first?.connected, false);
    assert.equal(second?.connected, true);
    for (const { socket } of clients) socket.terminate();
  });
});
