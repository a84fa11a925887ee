// The server delivers a POST with very many packets over several turns of the event loop, so that one client does not
// delay the others.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";

import type { Server, Socket } from "../../../server.ts";
import { PollingClient, serve, until, WebSocketClient } from "../../support/net.ts";

const COUNT = 20_000;
const PAYLOAD = Array.from({ length: COUNT }, (_, n) => `42["n",${n}]`).join("\x1e");

interface Setting {
  readonly io: Server;
  readonly port: number;
  readonly client: PollingClient;
  readonly socket: Socket;
  /** The numbers received so far. */
  readonly received: number[];
  /** Resolves when the first number has been received. */
  readonly begun: Promise<void>;
}

async function start(context: TestContext): Promise<Setting> {
  const { io, port } = await serve(context);
  const accepted = new Promise<Socket>((resolve) => io.once("connection", resolve));
  const client = await PollingClient.open(port);
  await client.join();
  const socket = await accepted;
  const received: number[] = [];
  const begun = new Promise<void>((resolve) => {
    socket.on("n", (n: number) => {
      received.push(n);
      resolve();
    });
  });
  return { io, port, client, socket, received, begun };
}

test("delivers every packet of a large POST in order, and answers the POST after the last packet", async (context) => {
  const { client, received } = await start(context);
  const { status, body } = await client.post(PAYLOAD);
  assert.deepEqual([status, body], [200, "ok"]);
  assert.deepEqual(received, [...Array(COUNT).keys()]);
  assert.equal((await client.post('42["n",-1]')).body, "ok");
  assert.equal(received.at(-1), -1);
});

test("serves another client before the last packet of a large POST is delivered", async (context) => {
  const { io, port, client, received } = await start(context);
  const other = new WebSocketClient(port);
  await other.join();
  let behind = 0;
  for (const socket of io.sockets.sockets.values()) {
    socket.on("hello", () => {
      behind = received.length;
    });
  }
  const posted = client.post(PAYLOAD);
  await until(() => received.length > 0);
  other.send('42["hello"]');
  await posted;
  await until(() => behind > 0);
  assert.ok(behind < COUNT, `${behind} of ${COUNT} packets were delivered first`);
});

test("rejects a second POST while a large POST is delivered, and ends the session", async (context) => {
  const { client, socket, received, begun } = await start(context);
  const gone = new Promise((resolve) => socket.once("disconnect", resolve));
  const posted = client.post(PAYLOAD);
  await begun;
  assert.equal((await client.post("3")).status, 400);
  assert.equal(await gone, "transport error");
  assert.equal((await posted).body, "ok");
  assert.ok(received.length < COUNT);
});

test("a listener that ends the session stops the delivery of a large POST", async (context) => {
  const { client, socket, received } = await start(context);
  socket.on("n", (n: number) => {
    if (n === 700) socket.disconnect(true);
  });
  assert.equal((await client.post(PAYLOAD)).body, "ok");
  assert.equal(received.length, 701);
});

test("delivers the packets before an invalid packet, and then ends the session", async (context) => {
  const { client, socket, received } = await start(context);
  const gone = new Promise((resolve) => socket.once("disconnect", resolve));
  assert.equal((await client.post(`${PAYLOAD}\x1ex`)).body, "ok");
  assert.equal(await gone, "parse error");
  assert.equal(received.length, COUNT);
});
