// Emits over Redis with barewire/emitter to barewire and socket.io servers, and with @socket.io/redis-emitter to
// barewire servers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Emitter as StockEmitter } from "@socket.io/redis-emitter";
import { Redis } from "ioredis";
import { createClient } from "redis";

import { io as connect } from "../../client/index.ts";
import { Emitter, type RedisClient } from "../../lib/adapters/emitter.ts";
import { startNodes } from "../support/cluster.ts";
import type { Cleanup } from "../support/installed.ts";
import { noRedis, startRedis } from "../support/redis.ts";
import { CLIENTS, eventually, known, startRedisNode } from "../support/redis-nodes.ts";

const LIMIT = { timeout: 60_000, skip: noRedis };

/** Connects one client of the package redis and one of ioredis. Both clients disconnect after the test. */
async function connected(context: Cleanup, url: string) {
  const redis = createClient({ url });
  const ioredis = new Redis(url);
  // Redis stops before the clients disconnect, so the clients emit errors.
  for (const client of [redis, ioredis]) client.on("error", () => {});
  await redis.connect();
  context.after(() => {
    redis.destroy();
    ioredis.disconnect();
  });
  return { redis, ioredis };
}

describe("barewire/emitter", { skip: noRedis }, () => {
  test(
    "emits, awaits acknowledgements and controls sockets with the Redis clients redis and ioredis",
    LIMIT,
    async (context) => {
      const { url } = await startRedis(context);
      const { redis, ioredis } = await connected(context, url);
      const clients: RedisClient[] = [redis, ioredis];
      const a = await startRedisNode(context, CLIENTS.redis(url));
      const b = await startRedisNode(context, CLIENTS.ioredis(url));
      await known([a, b]);
      await a.socket.join("room");
      for (const client of clients) {
        const emitter = new Emitter(client);
        context.after(() => emitter.close());
        assert.equal(await emitter.emit("all", 1, Buffer.from([1]).length), 2);
        assert.deepEqual(
          [await a.next("all"), await b.next("all")],
          [
            [1, 1],
            [1, 1],
          ],
        );
        assert.equal(await emitter.to("room").compress(false).emit("room"), 1);
        assert.deepEqual(await a.next("room"), []);
        // No server is subscribed to the room or to the namespace.
        assert.equal(await emitter.to("nobody").emit("lost"), 0);
        assert.equal(await emitter.of("nowhere").emit("lost"), 0);
        await emitter.except("room").volatile.emit("others", 2);
        assert.deepEqual(await b.next("others"), [2]);

        const sockets = await emitter.in(["room", b.socket.id]).fetchSockets();
        assert.deepEqual(
          sockets.map(({ id }) => id).toSorted(),
          [a.socket.id, b.socket.id].toSorted(),
        );
        assert.deepEqual(sockets.missing, []);

        // An event emitted right after a join arrives, although the server has to subscribe to the room first.
        assert.equal(await emitter.in(b.socket.id).socketsJoin("new"), 2);
        await emitter.to("new").emit("joined", 3);
        assert.deepEqual(await b.next("joined"), [3]);
        await emitter.in(b.socket.id).socketsLeave(["new"]);
        await eventually(() => !b.socket.rooms.has("new"));

        for (const [index, { io }] of [a, b].entries()) {
          io.removeAllListeners("question");
          io.on("question", (value: unknown, answer: unknown) => {
            if (typeof answer === "function") answer(`${value}${index}`);
          });
        }
        assert.equal(await emitter.serverSideEmit("question", "x"), 2);
        const answers = await emitter.serverSideEmitWithAck("question", "x");
        assert.deepEqual([...answers].sort(), ["x0", "x1"]);

        const asking = emitter.emitWithAck("ask");
        for (const node of [a, b]) {
          for (;;) {
            const text = `${await node.client.next()}`;
            if (!text.includes('["ask"]')) continue;
            node.client.send(`43${/^42(\d+)/.exec(text)?.[1]}["${node.socket.id}"]`);
            break;
          }
        }
        assert.deepEqual([...(await asking)].sort(), [a.socket.id, b.socket.id].sort());
        await assert.rejects(emitter.timeout(200).emitWithAck("ask"), { code: "ERR_ACK_TIMEOUT" });
      }
      const emitter = new Emitter(redis);
      await emitter.in("room").disconnectSockets(true);
      await eventually(() => a.io.sockets.sockets.size === 0);
      assert.equal(b.io.sockets.sockets.size, 1);
      assert.throws(() => emitter.emit("connect"), { code: "ERR_RESERVED_EVENT" });
      assert.throws(() => emitter.timeout(-1), RangeError);
    },
  );

  test(
    "emit() rejects if Redis is unreachable, without an unhandled rejection if the promise is ignored",
    LIMIT,
    async (context) => {
      const redis = await startRedis(context);
      const client = createClient({ url: redis.url });
      client.on("error", () => {});
      await client.connect();
      client.destroy();
      const emitter = new Emitter(client);
      context.after(() => emitter.close());
      void emitter.emit("lost");
      await assert.rejects(emitter.emit("lost"));
      await assert.rejects(emitter.emitWithAck("lost"), { code: "ERR_MISSING_NODES" });
    },
  );

  test(
    "reaches servers of socket.io, and @socket.io/redis-emitter reaches barewire servers",
    LIMIT,
    async (context) => {
      const { url } = await startRedis(context);
      const { redis: client } = await connected(context, url);
      const [stock] = await startNodes(context, [
        { adapter: { name: "classic, redis", url }, library: "socket.io" },
      ]);
      assert.ok(stock);
      const socket = connect(stock.url, { transports: ["websocket"], forceNew: true });
      context.after(() => socket.disconnect());
      const events: unknown[][] = [];
      socket.onAny((...args) => {
        const answer: unknown = args.at(-1);
        if (typeof answer === "function") answer("yes");
        else events.push(args);
      });
      await eventually(() => socket.connected);
      const emitter = new Emitter(client);
      context.after(() => emitter.close());
      assert.equal(await emitter.emit("event", 1, { a: [null] }), 1);
      await emitter.in(socket.id ?? "").socketsJoin("room");
      await emitter.to("room").emit("event", 2);
      await eventually(() => events.length === 2);
      assert.deepEqual(events, [
        ["event", 1, { a: [null] }],
        ["event", 2],
      ]);
      assert.deepEqual(await emitter.emitWithAck("ask"), ["yes"]);
      assert.deepEqual(
        (await emitter.fetchSockets()).map(({ id }) => id),
        [socket.id],
      );
      assert.deepEqual(await emitter.serverSideEmitWithAck("ask"), [stock.pid]);

      const ours = await startRedisNode(context, CLIENTS.redis(url));
      await eventually(() => ours.adapter.stats().subscribedToAll);
      const theirs = new StockEmitter(client);
      theirs.emit("from stock", 1);
      assert.deepEqual(await ours.next("from stock"), [1]);
      theirs.in(ours.socket.id).socketsJoin("new");
      theirs.to("new").emit("from stock", 2);
      assert.deepEqual(await ours.next("from stock"), [2]);
    },
  );
});
