// Tests the end of a session over polling: the client receives the close packet in the response to its next GET.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Clock } from "../../support/clock.ts";
import {
  answerTo,
  open,
  PollingClient,
  serve,
  turn,
  until,
  WebSocketClient,
} from "../../support/net.ts";

describe("A session over polling that the server closes", () => {
  test("answers a waiting GET with a close packet", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    const [socket] = io.sockets.sockets.values();
    await until(() => socket?.conn.writable === true);
    socket?.conn.close();
    assert.equal((await polled).body, "1");
    assert.equal((await client.poll()).body, '{"code":1,"message":"Session ID unknown"}');
  });

  test("answers the next GET with noop and close packets if no GET waits", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const [socket] = io.sockets.sockets.values();
    socket?.disconnect(true);
    // Earlier packets are sent in a separate response, because clients process a close packet first.
    assert.equal((await client.poll()).body, "41");
    assert.equal((await client.poll()).body, "6\x1e1");
    assert.equal((await client.poll()).status, 400);
    const other = await PollingClient.open(port);
    await other.join();
    const [next] = io.sockets.sockets.values();
    next?.conn.close();
    assert.equal((await other.poll()).body, "6\x1e1");
    assert.equal((await other.poll()).status, 400);
  });

  test("io.close() ends every session even if a library has extended Object.prototype", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = new WebSocketClient(port);
    await webSocket.join();
    const polled = client.poll();
    await until(() => [...io.sockets.sockets.values()][0]?.conn.writable === true);
    const added = { value: "added", enumerable: true, configurable: true };
    Object.defineProperty(Object.prototype, "added", added);
    try {
      await io.close();
      assert.equal((await polled).body, "1");
      await webSocket.closed;
      assert.equal(io.engine.clientsCount, 0);
    } finally {
      Reflect.deleteProperty(Object.prototype, "added");
    }
  });

  test("ends after 30 seconds if the client sends no GET", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    const client = await PollingClient.open(port);
    await client.join();
    const [socket] = io.sockets.sockets.values();
    socket?.conn.close();
    clock.tick(29_999);
    assert.deepEqual(ends, []);
    clock.tick(1);
    assert.deepEqual(ends, ["forced close"]);
    assert.equal((await client.poll()).status, 400);
  });

  test("io.close() waits a second for clients with waiting packets, then disconnects them", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context);
    const waiting = await PollingClient.open(port);
    await waiting.join();
    const polled = waiting.poll();
    const silent = await PollingClient.open(port);
    await silent.join();
    const busy = await PollingClient.open(port);
    await busy.join();
    const post = open(port, busy.path, { method: "POST", headers: { Expect: "100-continue" } });
    const posted = answerTo(post);
    posted.catch(() => {});
    const continued = new Promise<void>((resolve) => post.once("continue", resolve));
    post.flushHeaders();
    await continued;
    post.write("42");
    for (let i = 0; i < 10; i++) io.emit("to whom it may concern");
    await turn();
    const closed = io.close();
    await turn();
    assert.equal(io.engine.clientsCount, 2);
    clock.tick(1000);
    await closed;
    assert.match((await polled).body, /^42\["to whom/);
    await assert.rejects(posted);
    assert.equal(io.sockets.sockets.size, 0);
  });
});
