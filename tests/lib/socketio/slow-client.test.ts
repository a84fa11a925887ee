// A program that sends much to one client, no faster than that client takes it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";

import type { Socket } from "../../../server.ts";
import { PollingClient, serve, until, WebSocketClient } from "../../support/net.ts";

const PARTS = 200;
const PART = "x".repeat(100_000);
/** More than one answer to a poll holds, and much less than all parts together. */
const MOST = 2_000_000;

/** Sends all parts. Returns how many bytes waited at most. */
async function sendAll(socket: Socket): Promise<number> {
  let most = 0;
  for (let n = 0; n < PARTS; n++) {
    socket.emit("part", n, PART);
    most = Math.max(most, socket.bufferedAmount);
    await socket.drained();
  }
  return most;
}

describe("drained()", () => {
  test("has a program wait for a client that reads slowly, over WebSocket", async (context) => {
    const { io, port } = await serve(context);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join();
    const socket = await connected;
    client.socket.pause();
    const done = sendAll(socket);
    await until(() => socket.bufferedAmount > 0);
    client.socket.resume();
    for (let n = 0; n < PARTS; n++) {
      assert.equal(`${await client.next()}`.slice(0, 20), `42["part",${n},"${PART}`.slice(0, 20));
    }
    assert.ok((await done) < MOST, "more than a few parts waited");
    assert.equal(socket.bufferedAmount, 0);
    client.socket.terminate();
  });

  test("has a program wait for a client that polls", async (context) => {
    const { io, port } = await serve(context);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = await PollingClient.open(port);
    await client.join();
    const socket = await connected;
    const done = sendAll(socket);
    for (let received = 0; received < PARTS; ) {
      const { body } = await client.poll();
      received += body.split("\u001e").length;
    }
    assert.ok((await done) < MOST, "more than a few parts waited");
  });

  test("resolves at once if nothing waits, and when the client is gone", async (context) => {
    const { io, port } = await serve(context);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join();
    const socket = await connected;
    await socket.drained();
    client.socket.pause();
    while (socket.bufferedAmount < MOST) socket.emit("part", 0, PART);
    const drained = socket.drained();
    client.socket.terminate();
    await Promise.all([drained, once(client.socket, "close")]);
    await until(() => socket.disconnected);
    await socket.drained();
  });
});
