// Tests the client's timers with a mock clock: the heartbeat, a transport that does not open, a missing
// acknowledgement, a computer that slept.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTcpServer, type Socket as TcpSocket } from "node:net";
import { describe, type TestContext, test } from "node:test";

import { type WebSocket, WebSocketServer } from "ws";

import type { Socket } from "../../client/index.ts";
import { connectTo } from "../support/client.ts";
import { Clock } from "../support/clock.ts";
import { listen, turn, until } from "../support/net.ts";

const HANDSHAKE =
  '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":9}';

/** Starts a server that sends only what the test sends, and a connected client. */
async function start(context: TestContext): Promise<{ client: Socket; there: WebSocket }> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  const port = await listen(http);
  let there: WebSocket | undefined;
  server.on("connection", (webSocket) => {
    there = webSocket;
    webSocket.send(HANDSHAKE);
    webSocket.send('40{"sid":"s"}');
  });
  const client = connectTo(context, `http://127.0.0.1:${port}`, {
    transports: ["websocket"],
    reconnectionDelay: 1000,
  });
  context.after(() => {
    for (const each of server.clients) each.terminate();
    server.close();
    http.close();
  });
  await until(() => client.connected && there !== undefined);
  if (there === undefined) throw new Error("nobody came");
  return { client, there };
}

describe("the client's heartbeat", () => {
  test("disconnects after pingInterval + pingTimeout without a ping, counted again from each ping", async (context) => {
    const clock = new Clock(context);
    const { client, there } = await start(context);
    const reasons: string[] = [];
    client.on("disconnect", (reason) => reasons.push(reason));
    assert.equal(clock.timers, 1, "an idle client has one timer");
    clock.tick(44_999);
    let pings = 0;
    client.io.on("ping", () => pings++);
    const sent: string[] = [];
    there.on("message", (data) => sent.push(`${data}`));
    there.send("2");
    await until(() => sent.includes("3"));
    assert.equal(pings, 1);
    assert.equal(clock.timers, 1);
    clock.tick(44_999);
    assert.deepEqual(reasons, []);
    clock.tick(1);
    assert.deepEqual(reasons, ["ping timeout"]);
  });

  test("emit() after a computer's sleep detects the ping timeout, and buffers the event instead of sending it", async (context) => {
    const { client, there } = await start(context);
    const sent: string[] = [];
    there.on("message", (data) => sent.push(`${data}`));
    const reasons: string[] = [];
    client.on("disconnect", (reason) => reasons.push(reason));
    // The clock has advanced and no timer has fired, as after a computer has slept.
    const now = performance.now() + 45_001;
    const mock = context.mock.method(performance, "now", () => now);
    client.emit("n", 1);
    mock.mock.restore();
    await turn();
    assert.deepEqual(reasons, ["ping timeout"]);
    await until(() => there.readyState === there.CLOSED);
    // The server may have received the client's CONNECT packet before.
    assert.deepEqual(
      sent.filter((packet) => packet !== "40"),
      [],
    );
    assert.equal(client.sendBuffer.length, 1);
  });
});

describe("the client's timers", () => {
  /** Starts a server that accepts connections, and never answers. */
  async function startSilent(
    context: TestContext,
  ): Promise<{ port: number; came: TcpSocket[]; stop: () => Promise<void> }> {
    const came: TcpSocket[] = [];
    const tcp = createTcpServer((socket) => {
      socket.on("error", () => {});
      came.push(socket);
    });
    const port = await listen(tcp);
    const stop = async (): Promise<void> => {
      for (const socket of came) socket.destroy();
      if (!tcp.listening) return;
      tcp.close();
      await once(tcp, "close");
    };
    context.after(stop);
    return { port, came, stop };
  }

  test("transportTimeout makes tryAllTransports try the next transport if a transport does not open", async (context) => {
    const clock = new Clock(context);
    const { port, came } = await startSilent(context);
    const options = { transports: ["websocket", "polling"], tryAllTransports: true } as const;
    const client = connectTo(context, `http://127.0.0.1:${port}`, {
      ...options,
      reconnection: false,
    });
    const errors: string[] = [];
    client.on("connect_error", ({ message }) => errors.push(message));
    await until(() => came.length === 1);
    clock.tick(9_999);
    assert.equal(client.io.engine.transport.name, "websocket");
    clock.tick(1);
    assert.equal(client.io.engine.transport.name, "polling");
    await until(() => came.length === 2);
    // One attempt, over all transports together, may take 20 seconds.
    clock.tick(9_999);
    assert.deepEqual(errors, []);
    clock.tick(1);
    assert.deepEqual(errors, ["timeout"]);
    assert.equal(clock.timers, 0);
  });

  test("reconnection waits for the backoff delay, and disconnect() leaves no timer", async (context) => {
    const clock = new Clock(context);
    const { port, stop } = await startSilent(context);
    await stop();
    const client = connectTo(context, `http://127.0.0.1:${port}`, {
      reconnectionDelay: 1000,
      reconnectionDelayMax: 5000,
      randomizationFactor: 0,
    });
    let errors = 0;
    client.on("connect_error", () => errors++);
    let attempts = 0;
    client.io.on("reconnect_attempt", (attempt) => {
      attempts = attempt;
    });
    await until(() => errors === 1);
    for (const [index, delay] of [1000, 2000, 4000, 5000, 5000].entries()) {
      assert.equal(clock.timers, 1);
      clock.tick(delay - 1);
      assert.equal(attempts, index);
      clock.tick(1);
      assert.equal(attempts, index + 1);
      await until(() => errors === index + 2);
    }
    client.disconnect();
    assert.equal(clock.timers, 0);
  });

  test("timeout() fails a missing acknowledgement, and leaves no timer after a received acknowledgement", async (context) => {
    const clock = new Clock(context);
    const { client, there } = await start(context);
    const errors: string[] = [];
    client.timeout(5000).emit("n", (error: Error | null) => errors.push(`${error?.message}`));
    const timely = client.timeout(5000).emitWithAck("n");
    there.send("431[7]");
    assert.equal(await timely, 7);
    clock.tick(4_999);
    assert.deepEqual(errors, []);
    clock.tick(1);
    assert.deepEqual(errors, ["operation has timed out"]);
    assert.equal(clock.timers, 1, "the heartbeat's");
  });
});
