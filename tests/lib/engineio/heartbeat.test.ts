// Tests the pings of the server, and the timeout of a session. Engine.IO "Heartbeat".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Heartbeat, type Heartbeating } from "../../../lib/engineio/heartbeat.ts";
import { Clock } from "../../support/clock.ts";
import { PollingClient, serve, turn, until, WebSocketClient } from "../../support/net.ts";

describe("Heartbeat", () => {
  function start(): { heartbeat: Heartbeat; log: string[]; session: Heartbeating } {
    const log: string[] = [];
    const session = {
      onPingDue: () => log.push("ping"),
      onPingTimeout: () => log.push("timeout"),
    };
    return { heartbeat: new Heartbeat(1000, 400), log, session };
  }

  test("waits for pingInterval after the session begins and after each pong, and then sends a ping", (context) => {
    const clock = new Clock(context);
    const { heartbeat, log, session } = start();
    heartbeat.begin(session);
    clock.tick(999);
    assert.deepEqual(log, []);
    clock.tick(1);
    assert.deepEqual(log, ["ping"]);
    clock.tick(300);
    heartbeat.onPong(session);
    clock.tick(999);
    assert.deepEqual(log, ["ping"]);
    clock.tick(1);
    assert.deepEqual(log, ["ping", "ping"]);
  });

  test("a session times out if no pong arrives within pingTimeout after a ping", (context) => {
    const clock = new Clock(context);
    const { heartbeat, log, session } = start();
    heartbeat.begin(session);
    clock.tick(1000);
    clock.tick(399);
    assert.deepEqual(log, ["ping"]);
    clock.tick(1);
    assert.deepEqual(log, ["ping", "timeout"]);
    assert.equal(heartbeat.size, 0);
  });

  test("ignores a pong without a ping", (context) => {
    const clock = new Clock(context);
    const { heartbeat, log, session } = start();
    heartbeat.begin(session);
    clock.tick(600);
    heartbeat.onPong(session);
    clock.tick(400);
    assert.deepEqual(log, ["ping"]);
  });

  test("extends the timeout once if another packet arrives instead of the pong", (context) => {
    const clock = new Clock(context);
    const { heartbeat, log, session } = start();
    heartbeat.begin(session);
    heartbeat.onOtherPacket(session);
    clock.tick(1000);
    clock.tick(300);
    heartbeat.onOtherPacket(session);
    clock.tick(300);
    heartbeat.onOtherPacket(session);
    assert.deepEqual(log, ["ping"]);
    clock.tick(100);
    assert.deepEqual(log, ["ping", "timeout"]);
  });

  test("may extend the timeout once again after each pong", (context) => {
    const clock = new Clock(context);
    const { heartbeat, log, session } = start();
    heartbeat.begin(session);
    for (let i = 0; i < 3; i++) {
      clock.tick(1000);
      clock.tick(300);
      heartbeat.onOtherPacket(session);
      clock.tick(300);
      heartbeat.onPong(session);
    }
    assert.deepEqual(log, ["ping", "ping", "ping"]);
  });

  test("neither pings nor times out a session that has ended", (context) => {
    const clock = new Clock(context);
    const { heartbeat, log, session } = start();
    heartbeat.begin(session);
    heartbeat.end(session);
    clock.tick(2000);
    assert.deepEqual(log, []);
    heartbeat.begin(session);
    clock.tick(1000);
    heartbeat.end(session);
    clock.tick(2000);
    assert.deepEqual(log, ["ping"]);
    assert.equal(heartbeat.size, 0);
  });
});

describe("A session's heartbeat", () => {
  const options = { pingInterval: 1000, pingTimeout: 400 };

  // Engine.IO "Heartbeat".
  test("pings over WebSocket, and ends the session if no pong arrives", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context, options);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    const client = new WebSocketClient(port);
    await client.join();
    clock.tick(1000);
    assert.equal(await client.next(), "2");
    client.send("3");
    client.send('42["x"]');
    const [socket] = io.sockets.sockets.values();
    await new Promise((resolve) => socket?.on("x", resolve));
    clock.tick(999);
    clock.tick(1);
    assert.equal(await client.next(), "2");
    clock.tick(400);
    assert.deepEqual(ends, ["ping timeout"]);
    assert.equal(await client.closed, 1005);
  });

  test("over polling, sends the ping in response to a GET and receives the pong in a POST", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context, options);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    await until(() => [...io.sockets.sockets.values()].every(({ conn }) => conn.writable));
    clock.tick(1000);
    assert.equal((await polled).body, "2");
    await client.post("3");
    clock.tick(1000);
    // The ping waits for the next GET.
    assert.equal((await client.poll()).body, "2");
    clock.tick(400);
    assert.deepEqual(ends, ["ping timeout"]);
    assert.equal((await client.poll()).status, 400);
  });

  test("continues after an upgrade, and sends a waiting ping over the WebSocket", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context, options);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    clock.tick(1000);
    webSocket.send("5");
    assert.equal(await webSocket.next(), "2");
    clock.tick(399);
    assert.deepEqual(ends, []);
    clock.tick(1);
    assert.deepEqual(ends, ["ping timeout"]);
    await webSocket.closed;
  });

  test("disconnects a client that joins no namespace within connectTimeout", async (context) => {
    const clock = new Clock(context);
    const { port } = await serve(context, { connectTimeout: 700 });
    const client = new WebSocketClient(port);
    await client.next();
    const joined = new WebSocketClient(port);
    await joined.join();
    clock.tick(699);
    await turn();
    assert.equal(client.socket.readyState, client.socket.OPEN);
    clock.tick(1);
    assert.equal(await client.closed, 1005);
    assert.equal(joined.socket.readyState, joined.socket.OPEN);
  });
});
