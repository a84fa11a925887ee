// The work that barewire/redis does not do, and that it loses and doubles nothing by it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createClient } from "redis";

import { noRedis, startRedis } from "../support/redis.ts";
import { CLIENTS, eventually, known, startRedisNode } from "../support/redis-nodes.ts";

const LIMIT = { timeout: 60_000, skip: noRedis };

describe("barewire/redis", { skip: noRedis }, () => {
  test("receives only what its sockets do, and decodes no other packet", LIMIT, async (context) => {
    const { url } = await startRedis(context);
    const a = await startRedisNode(context, CLIENTS.redis(url));
    const b = await startRedisNode(context, CLIENTS.ioredis(url));
    await known([a, b]);
    await a.socket.join("room");
    b.io.to("elsewhere").emit("event", 1);
    b.io.to(["elsewhere", "nowhere"]).emit("event", 2);
    b.io.to("room").except(a.socket.id).emit("event", 3);
    b.io.to("room").emit("event", 4);
    assert.deepEqual(await a.next("event"), [4]);
    const { delivered, skipped, subscribedToAll } = a.adapter.stats();
    // That to one room did not arrive at all.
    assert.deepEqual([delivered, skipped, subscribedToAll], [1, 2, false]);
    await a.socket.leave("room");
    await eventually(() => a.adapter.stats().channels === 6);
  });

  test(
    "delivers to a room that sockets of another server have just joined",
    LIMIT,
    async (context) => {
      const { url } = await startRedis(context);
      const a = await startRedisNode(context, CLIENTS.redis(url), { subscribe: "rooms" });
      const b = await startRedisNode(context, CLIENTS.ioredis(url), { subscribe: "rooms" });
      await known([a, b]);
      for (let round = 1; round <= 50; round++) {
        const joined = a.io.in(b.socket.id).socketsJoin(`room${round}`);
        a.io.to(`room${round}`).emit("event", round);
        assert.deepEqual(await b.next("event"), [round]);
        await joined;
        a.io.to(`room${round}`).emit("event", -round);
        assert.deepEqual(await b.next("event"), [-round]);
      }
      assert.equal(b.adapter.stats().subscribedToAll, false);
    },
  );

  for (const [name, client] of Object.entries(CLIENTS)) {
    test(
      `loses and doubles nothing when it subscribes to all rooms: ${name}`,
      LIMIT,
      async (context) => {
        const { url } = await startRedis(context);
        const a = await startRedisNode(context, CLIENTS.redis(url), { subscribe: "rooms" });
        const b = await startRedisNode(context, client(url), { heartbeatInterval: 20 });
        await known([a, b]);
        await b.socket.join("room");
        // A process that does not know the channel of ours counts as one with another adapter.
        const other = createClient({ url });
        other.on("error", () => {});
        await other.connect();
        context.after(() => other.destroy());
        let sent = 0;
        const flood = setInterval(() => {
          for (let each = 0; each < 20; each++) a.io.to("room").emit("event", sent++);
        }, 1);
        context.after(() => clearInterval(flood));
        await other.subscribe("socket.io-request#/#", () => {});
        await eventually(() => b.adapter.stats().subscribedToAll);
        const after = sent + 500;
        await eventually(() => sent > after);
        clearInterval(flood);
        for (let event = 0; event < sent; event++) {
          assert.deepEqual(await b.next("event"), [event]);
        }
        await eventually(() => b.adapter.stats().channels === 4);
      },
    );
  }

  test("is subscribed to all rooms from the start where it is told to", LIMIT, async (context) => {
    const { url } = await startRedis(context);
    const options = { subscribe: "namespace" } as const;
    const a = await startRedisNode(context, CLIENTS.redis(url), options);
    const b = await startRedisNode(context, CLIENTS.ioredis(url), options);
    await known([a, b]);
    await a.socket.join("room");
    b.io.to("elsewhere").emit("event", 1);
    b.io.to("room").emit("event", 2);
    assert.deepEqual(await a.next("event"), [2]);
    const { skipped, subscribedToAll } = a.adapter.stats();
    assert.deepEqual([skipped, subscribedToAll], [1, true]);
  });

  test("closes its connections with the server", LIMIT, async (context) => {
    const { url } = await startRedis(context);
    const watching = createClient({ url });
    watching.on("error", () => {});
    await watching.connect();
    context.after(() => watching.destroy());
    const a = await startRedisNode(context, CLIENTS.redis(url));
    const b = await startRedisNode(context, CLIENTS.ioredis(url));
    await known([a, b]);
    await a.io.close();
    await known([b], 0);
    assert.equal(b.adapter.stats().removedNodes, 0);
    await b.io.close();
    const connections = async (): Promise<number> =>
      String(await watching.sendCommand(["CLIENT", "LIST"]))
        .trim()
        .split("\n").length;
    await eventually(async () => (await connections()) === 1);
    assert.deepEqual([...a.errors, ...b.errors], []);
  });
});
