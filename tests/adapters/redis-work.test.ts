// Tests that barewire/redis subscribes only to the rooms of its sockets, and that no event is lost or duplicated.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createClient } from "redis";

import { noRedis, startRedis } from "../support/redis.ts";
import { CLIENTS, eventually, known, startRedisNode } from "../support/redis-nodes.ts";

const LIMIT = { timeout: 60_000, skip: noRedis };

describe("subscriptions of barewire/redis", { skip: noRedis }, () => {
  test(
    "include only the rooms of the server's sockets, and only packets for these sockets are decoded",
    LIMIT,
    async (context) => {
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
      // The event to "elsewhere" did not arrive, because the server is not subscribed to this room.
      assert.deepEqual([delivered, skipped, subscribedToAll], [1, 2, false]);
      await a.socket.leave("room");
      await eventually(() => a.adapter.stats().channels === 6);
    },
  );

  test(
    "deliver events to a room that a socket of another server has just joined",
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
      `lose and duplicate no event while switching to one subscription for all rooms: ${name}`,
      LIMIT,
      async (context) => {
        const { url } = await startRedis(context);
        const a = await startRedisNode(context, CLIENTS.redis(url), { subscribe: "rooms" });
        const b = await startRedisNode(context, client(url), { heartbeatInterval: 20 });
        await known([a, b]);
        await b.socket.join("room");
        // A process that does not subscribe to barewire's own channel counts as a server with another adapter.
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

  test('include all rooms from the start with `subscribe: "namespace"`', LIMIT, async (context) => {
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

  test("end when the server closes, and its connections to Redis close", LIMIT, async (context) => {
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
