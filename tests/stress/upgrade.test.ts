// Two hundred clients upgrade from polling to WebSocket while both ends send as fast as they can. Every number
// arrives once and in order.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { io as connect } from "socket.io-client";

import { Server, type Socket } from "../../server.ts";
import { listen, turn, until } from "../support/net.ts";

const CLIENTS = 200;
/** The number of events that each side sends after the upgrade. */
const AFTER = 50;

/** The largest number of events of one side that may be sent but not yet received. */
const MOST_ON_THE_WAY = 500;

/** The numbers that one end sends and receives, starting at 0. */
class Stream {
  sent = 0;
  received = 0;
  readonly faults: string[] = [];

  receive(n: unknown): void {
    if (n !== this.received) this.faults.push(`${n} instead of ${this.received}`);
    this.received++;
  }
}

async function converse(io: Server, url: string): Promise<{ ours: Stream; theirs: Stream }> {
  const [ours, theirs] = [new Stream(), new Stream()];
  const client = connect(url, { forceNew: true, reconnection: false });
  client.on("n", (n: unknown) => theirs.receive(n));
  await new Promise<void>((resolve, reject) => {
    client.once("connect", resolve).once("connect_error", reject);
  });
  const socket: Socket | undefined = io.sockets.sockets.get(client.id ?? "");
  assert.ok(socket !== undefined);
  socket.on("n", (n) => ours.receive(n));
  const { engine } = client.io;
  let left = AFTER;
  while (left > 0) {
    if (engine.transport.name === "websocket" && socket.conn.state === "websocket") left--;
    // On a busy machine the upgrade takes many turns, so the number of unreceived events is limited.
    if (ours.sent - theirs.received < MOST_ON_THE_WAY) socket.emit("n", ours.sent++);
    if (theirs.sent - ours.received < MOST_ON_THE_WAY) client.emit("n", theirs.sent++);
    await turn();
  }
  await until(() => ours.received === theirs.sent && theirs.received === ours.sent);
  assert.ok(socket.connected && client.connected);
  client.disconnect();
  return { ours, theirs };
}

test(`${CLIENTS} clients receive and send each number once, in order, while they upgrade`, async (context) => {
  const http = createServer();
  // If an upgrade exceeds the timeout, socket.io-client stays on polling, and does not try again.
  const io = new Server(http, { upgradeTimeout: 1_000_000 });
  const url = `http://127.0.0.1:${await listen(http)}`;
  context.after(() => io.close());
  const all = await Promise.all(Array.from({ length: CLIENTS }, () => converse(io, url)));
  for (const { ours, theirs } of all) {
    assert.deepEqual(ours.faults, []);
    assert.deepEqual(theirs.faults, []);
  }
  // On a busy machine, some clients may upgrade before they send the first number, but not all clients.
  assert.ok(all.some(({ ours, theirs }) => ours.sent > AFTER && theirs.sent > AFTER));
});
