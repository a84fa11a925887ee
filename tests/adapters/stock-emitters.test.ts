// Tests @socket.io/redis-emitter, which processes without clients use, with a barewire server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

import type { Socket as Client } from "../../client/index.ts";
import { connectTo } from "../support/client.ts";
import { heard } from "../support/heard.ts";
import { serve, until } from "../support/net.ts";
import { noRedis, startRedis } from "../support/redis.ts";

test("@socket.io/redis-emitter reaches the clients of a barewire server", {
  skip: noRedis,
}, async (context) => {
  const { url: redis } = await startRedis(context);
  const clients = [0, 1, 2].map(() => createClient({ url: redis }));
  for (const client of clients) {
    client.on("error", () => {});
    await client.connect();
    context.after(() => client.destroy());
  }
  const [publishing, subscribing, emitting] = clients;
  const adapter = createAdapter(publishing, subscribing);
  const emitter = new Emitter(emitting);
  const { io, url } = await serve(context, { adapter });
  const admin = io.of("/admin");
  for (const { adapter: own } of [io.sockets, admin]) {
    while ((await own.serverCount()) !== 1);
  }
  const [a, b, c] = [connectTo(context, url), connectTo(context, url), connectTo(context, url)];
  const other = connectTo(context, `${url}/admin`);
  await Promise.all([a, b, c, other].map((client) => client.connected || heard(client, "connect")));
  const logs = [a, b, c, other].map((client) => {
    const log: unknown[][] = [];
    client.onAny((event: string, ...args: unknown[]) => log.push([event, ...args]));
    return log;
  });
  io.sockets.sockets.get(idOf(a))?.join("room");

  emitter.emit("all", 1, Buffer.from([1, 2]));
  assert.deepEqual(await heard(c, "all"), [1, Buffer.from([1, 2])]);
  emitter.to("room").emit("one", 2);
  emitter.except("room").emit("but", 3);
  emitter.to(idOf(c)).emit("id", 4);
  emitter.of("/admin").emit("admin", 5);
  await until(() => logs.flat().length === 8);
  const names = logs.map((log) => log.map(([event]) => event));
  assert.deepEqual(names, [["all", "one"], ["all", "but"], ["all", "but", "id"], ["admin"]]);

  const joined = heard(io.sockets.adapter, "create-room");
  emitter.to(idOf(b)).socketsJoin("second");
  assert.deepEqual(await joined, ["second"]);
  const left = heard(io.sockets.adapter, "delete-room");
  emitter.to("second").socketsLeave("second");
  assert.deepEqual(await left, ["second"]);
  const told = heard(io, "told");
  emitter.serverSideEmit("told", 6);
  assert.deepEqual(await told, [6]);
  const gone = heard(b, "disconnect");
  emitter.to(idOf(b)).disconnectSockets();
  assert.equal((await gone)[0], "io server disconnect");
  assert.ok(a.connected && c.connected);
  assert.equal(admin.sockets.size, 1);
});

function idOf(client: Client): string {
  return client.id ?? "";
}
