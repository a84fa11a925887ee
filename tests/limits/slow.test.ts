// Tests clients that send attachments, or the body of a rejected request, slowly. Also tests that the server does not
// disconnect a client because the event loop of the server is busy.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Clock } from "../support/clock.ts";
import { PollingClient, serve, serveJoined, TcpClient, turn, until } from "../support/net.ts";

describe("The rest of the body of a refused request", () => {
  for (const [name, status, head] of [
    ["Content-Length is too large", 413, "Content-Length: 1000001\r\n\r\n4"],
    [
      "chunked body becomes too large",
      413,
      `Transfer-Encoding: chunked\r\n\r\n186a00\r\n${"4".repeat(1_000_001)}`,
    ],
    [
      "binary body in protocol revision 4",
      400,
      "Content-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\n4",
    ],
    ["unknown session", 400, "Content-Length: 5\r\n\r\n4"],
  ] as const) {
    test(`the rest of the body may take five more seconds: ${name}`, async (context) => {
      const clock = new Clock(context);
      const { port } = await serve(context);
      const { path } = await PollingClient.open(port);
      const target = name === "unknown session" ? `${path}x` : path;
      const client = new TcpClient(port);
      client.write(`POST ${target} HTTP/1.1\r\nHost: x\r\n${head}`);
      await client.until(`HTTP/1.1 ${status}`);
      clock.tick(4999);
      await turn();
      assert.equal(client.socket.destroyed, false);
      clock.tick(1);
      await client.closed;
    });
  }

  test("leaves the connection open if it arrives in time", async (context) => {
    const clock = new Clock(context);
    const { port } = await serve(context);
    const { path } = await PollingClient.open(port);
    const client = new TcpClient(port);
    client.write(`POST ${path}x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n4`);
    await client.until("HTTP/1.1 400");
    client.write("1234");
    client.write("GET /other HTTP/1.1\r\nHost: x\r\n\r\n");
    await client.until("other");
    clock.tick(100_000);
    await turn();
    assert.equal(client.socket.destroyed, false);
    client.socket.destroy();
  });
});

describe("A packet with missing attachments", () => {
  test("an incomplete packet ends the connection if no attachment arrives within attachmentTimeout", async (context) => {
    const clock = new Clock(context);
    const { client, socket } = await serveJoined(context, {
      attachmentTimeout: 5000,
      pingInterval: 1_000_000,
    });
    const reasons: unknown[] = [];
    const events: unknown[] = [];
    socket.on("disconnect", (reason) => reasons.push(reason));
    socket.on("x", (...args) => events.push(args.length));
    const announced = async (): Promise<void> => {
      const before = clock.timers;
      client.send('452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
      await until(() => clock.timers > before);
    };
    await announced();
    clock.tick(4999);
    client.send(Buffer.from([1]));
    client.send(Buffer.from([2]));
    await until(() => events.length === 1);
    clock.tick(5000);
    await turn();
    assert.deepEqual(reasons, []);
    await announced();
    clock.tick(5000);
    assert.deepEqual(reasons, ["forced server close"]);
    assert.equal(await client.closed, 1005);
  });
});

describe("A client of a server with a blocked event loop", () => {
  test("does not time out if its pong has arrived meanwhile", async (context) => {
    const { io, client, socket } = await serveJoined(context, {
      pingInterval: 20,
      pingTimeout: 40,
    });
    const reasons: unknown[] = [];
    socket.on("disconnect", (reason) => reasons.push(reason));
    for (let i = 0; i < 3; i++) {
      assert.equal(await client.next(), "2");
      client.send("3");
      // Block the event loop beyond the ping timeout, while the pong is in the socket's buffer.
      const end = performance.now() + 100;
      while (performance.now() < end);
      await turn();
      await turn();
      assert.deepEqual(reasons, []);
    }
    // A client that does not answer the ping still times out.
    await until(() => reasons.length > 0);
    assert.deepEqual(reasons, ["ping timeout"]);
    assert.equal(io.engine.clientsCount, 0);
  });
});

describe("The rooms of a socket", () => {
  test("the rooms of a socket end its connection if they are more than maxRoomsPerSocket", async (context) => {
    const { client, socket, io } = await serveJoined(context);
    const log: unknown[] = [];
    socket.on("error", (error) => log.push(error.message));
    socket.on("disconnect", (reason) => log.push(reason));
    const rooms = Array.from({ length: 9999 }, (_, i) => `room-${i}`);
    // The room with the socket's own id counts, too.
    socket.join(rooms);
    socket.join(rooms.slice(5000));
    assert.deepEqual(log, []);
    assert.equal(socket.rooms.size, 10_000);
    socket.join("one more");
    assert.equal(log[0], "the socket is in too many rooms");
    assert.equal(log.length, 2);
    assert.equal(io.sockets.adapter.rooms.size, 0);
    assert.equal(await client.closed, 1005);
  });

  test("end its connection also if io.socketsJoin() exceeds maxRoomsPerSocket", async (context) => {
    const { io, socket } = await serveJoined(context, { maxRoomsPerSocket: 3 });
    io.socketsJoin(["a", "b"]);
    assert.equal(socket.connected, true);
    socket.leave("a");
    io.socketsJoin(["b", "c"]);
    assert.equal(socket.connected, true);
    io.socketsJoin("d");
    assert.equal(socket.connected, false);
  });
});
