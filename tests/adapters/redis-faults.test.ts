// Tests barewire/redis while Redis or the connections to it fail: each server continues to serve its own clients, only
// the events named in docs/redis.md are lost, and the servers recover by themselves.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";

import { createClient } from "redis";
import { MissingNodesError, RedisUnavailableError } from "../../lib/adapters/redis.ts";
import type { Untyped } from "../../lib/events/emitter.ts";
import { startNodes } from "../support/cluster.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { noRedis, startRedis } from "../support/redis.ts";
import { CLIENTS, eventually, known, startRedisNode, untilHeard } from "../support/redis-nodes.ts";
import { gatherUncaught } from "../support/uncaught.ts";

const LIMIT = { timeout: 60_000, skip: noRedis };

for (const [name, clientFor] of Object.entries(CLIENTS)) {
  describe(`barewire/redis during failures, with the client ${name}`, { skip: noRedis }, () => {
    test(
      "serves its own clients while Redis restarts, then reaches the other servers again",
      LIMIT,
      async (context) => {
        const redis = await startRedis(context);
        const a = await startRedisNode(context, clientFor(redis.url));
        const b = await startRedisNode(context, clientFor(redis.url));
        await known([a, b]);
        await redis.stop();
        await eventually(() => a.errors.length > 0 && b.errors.length > 0);
        assert.ok(a.errors[0] instanceof RedisUnavailableError);
        // join(), emit() and fetchSockets() do not wait for Redis.
        await a.socket.join("room");
        a.io.to("room").emit("local", 1);
        assert.deepEqual(await a.next("local"), [1]);
        const sockets = await a.io.fetchSockets();
        assert.deepEqual(
          sockets.map(({ id }) => id),
          [a.socket.id],
        );
        // serverCount() still includes the other server, because its heartbeats are not overdue yet.
        assert.equal(await a.adapter.serverCount(), 2);
        assert.ok(a.adapter.stats().dropped > 0);
        assert.equal(a.adapter.stats().ready, false);

        await redis.restart();
        await Promise.all([untilHeard(a, b), untilHeard(b, a)]);
        await known([a, b]);
        // The servers subscribe to rooms that were joined while Redis was stopped.
        await eventually(() => a.adapter.stats().ready && b.adapter.stats().ready);
        await a.socket.join("late");
        await untilHeard(b, a, "room", "back");
        await untilHeard(b, a, "late", "back late");
        assert.equal((await b.io.fetchSockets()).length, 2);
        // The adapter reports one error per failure, not one per event.
        const unavailable = a.errors.filter((error) => error instanceof RedisUnavailableError);
        assert.ok(unavailable.length <= 2, String(unavailable));
      },
    );

    test(
      "serves its own clients while Redis is paused, and queues at most maxPending bytes",
      LIMIT,
      async (context) => {
        const redis = await startRedis(context);
        const options = { heartbeatTimeout: 1_000, requestTimeout: 1_500, maxPending: 100_000 };
        const a = await startRedisNode(context, clientFor(redis.url), options);
        const b = await startRedisNode(context, clientFor(redis.url), options);
        await known([a, b]);
        redis.pause();
        for (let event = 0; event < 100; event++) a.io.emit("large", "x".repeat(10_000));
        for (let event = 0; event < 100; event++) await a.next("large");
        assert.ok(a.adapter.stats().pendingBytes <= 100_000);
        assert.ok(a.adapter.stats().dropped > 50);
        const codes = (): unknown[] => a.errors.map((error) => Reflect.get(error, "code"));
        assert.ok(codes().includes("ERR_REDIS_OVERLOADED"));
        // The server receives no heartbeats, so it removes the other server. Then it detects that Redis does not reply.
        await known([a, b], 0);
        await eventually(() => codes().includes("ERR_REDIS_UNAVAILABLE"));
        const sockets = await a.io.fetchSockets();
        assert.equal(sockets.length, 1);
        redis.resume();
        await known([a, b]);
        await untilHeard(a, b);
        await eventually(() => a.adapter.stats().pendingBytes < 10_000);
      },
    );

    test(
      "recovers when its Redis connections break while commands are unanswered",
      LIMIT,
      async (context) => {
        const redis = await startRedis(context);
        const proxy = new FaultProxy(redis.port);
        context.after(() => proxy.close());
        const url = `redis://127.0.0.1:${await proxy.start()}`;
        const a = await startRedisNode(context, clientFor(url));
        const b = await startRedisNode(context, clientFor(redis.url));
        await known([a, b]);
        await a.socket.join("before");
        for (let round = 0; round < 3; round++) {
          // The server sends SUBSCRIBE and PUBLISH, and never receives the replies.
          proxy.freeze();
          const joined = a.socket.join(`room${round}`);
          a.io.emit("lost", round);
          await eventually(() => a.adapter.stats().pendingBytes > 0);
          proxy.cut();
          await eventually(() => !a.adapter.stats().ready);
          proxy.thaw();
          await joined;
          await Promise.all([untilHeard(a, b), untilHeard(b, a)]);
          await known([a, b]);
          await a.socket.join(`after${round}`);
          for (const room of ["before", `room${round}`, `after${round}`]) {
            await untilHeard(b, a, room, `${room} in round ${round}`);
          }
          assert.equal((await a.io.fetchSockets()).length, 2);
          await eventually(() => a.adapter.stats().pendingBytes < 1_000);
        }
      },
    );

    test(
      "recovers when its Redis connections break again before the subscriptions are restored",
      LIMIT,
      async (context) => {
        const redis = await startRedis(context);
        const proxy = new FaultProxy(redis.port);
        context.after(() => proxy.close());
        const url = `redis://127.0.0.1:${await proxy.start()}`;
        const a = await startRedisNode(context, clientFor(url));
        const b = await startRedisNode(context, clientFor(redis.url));
        await known([a, b]);
        await a.socket.join("room");
        // Cut the connection during the handshake with Redis, or during the subscriptions that follow.
        for (let after = 40; after < 640; after += 60) {
          proxy.next = () => ({ kind: "cut", direction: "up", after });
          const faults = proxy.faults;
          proxy.cut();
          await eventually(() => proxy.faults > faults + 1);
          proxy.next = () => ({ kind: "none", direction: "up", after: 0 });
          await eventually(() => a.adapter.stats().ready);
        }
        await Promise.all([untilHeard(a, b), untilHeard(b, a)]);
        await known([a, b]);
        await untilHeard(b, a, "room", "event");
      },
    );

    test("reports one clear error if Redis refuses the connection", LIMIT, async (context) => {
      const redis = await startRedis(context);
      await redis.stop();
      const errors: Error[] = [];
      const { createRedisAdapter } = await import("../../lib/adapters/redis.ts");
      const factory = createRedisAdapter(clientFor(redis.url), {
        onError: (error) => errors.push(error),
      });
      await assert.rejects(factory.ready, (error: Error) => {
        assert.ok(error instanceof RedisUnavailableError);
        assert.match(error.message, /ECONNREFUSED/);
        return true;
      });
      const host = await startRedisNode(context, clientFor(redis.url)).then(
        () => assert.fail("the adapter is ready although Redis refused the connection"),
        (error: unknown) => error,
      );
      assert.ok(host instanceof RedisUnavailableError);
      assert.equal(errors.length, 1);
      factory.close();
    });

    test(
      "reports one clear error if the Redis password is missing or wrong",
      LIMIT,
      async (context) => {
        const redis = await startRedis(context, { arguments: ["--requirepass", "secret"] });
        const errors: Error[] = [];
        const { createRedisAdapter } = await import("../../lib/adapters/redis.ts");
        const { Host } = await import("../support/bus.ts");
        for (const password of ["", ":wrong@"]) {
          const url = redis.url.replace("//", `//${password}`);
          const factory = createRedisAdapter(clientFor(url), {
            onError: (error) => errors.push(error),
          });
          await assert.rejects(factory.ready, /Redis cannot be reached \((NOAUTH|WRONGPASS)/);
          await factory(new Host()).close();
        }
        assert.equal(errors.length, 2);
        const right = redis.url.replace("//", "//:secret@");
        const node = await startRedisNode(context, clientFor(right));
        assert.deepEqual(node.errors, []);
      },
    );
  });
}

describe("barewire/redis during failures", { skip: noRedis }, () => {
  test(
    "delivers events that waited for a paused Redis longer than the client's command timeout",
    LIMIT,
    async (context) => {
      const redis = await startRedis(context);
      const client = createClient({ url: redis.url, commandOptions: { timeout: 50 } });
      const a = await startRedisNode(context, client);
      const b = await startRedisNode(context, createClient({ url: redis.url }));
      await known([a, b]);
      redis.pause();
      // The events exceed what the operating system buffers for a connection, so the last commands wait in the Redis client.
      const text = "x".repeat(1_000_000);
      for (let event = 0; event < 15; event++) a.io.to(b.socket.id).emit("large", event, text);
      // The Redis client implements its command timeouts with AbortSignal.timeout() too. If a command timeout were in
      // effect, it would fire before this signal.
      await once(AbortSignal.timeout(50), "abort");
      redis.resume();
      for (let event = 0; event < 15; event++) {
        const [number] = await b.next("large");
        assert.equal(number, event);
      }
      assert.equal(a.adapter.stats().dropped, 0);
      assert.deepEqual(a.errors, []);
    },
  );

  test(
    "returns partial results while a server is partitioned, and includes the server again afterwards",
    LIMIT,
    async (context) => {
      const redis = await startRedis(context);
      const proxy = new FaultProxy(redis.port);
      context.after(() => proxy.close());
      const port = await proxy.start();
      const options = { heartbeatTimeout: 1_500, requestTimeout: 30_000 };
      const a = await startRedisNode(context, CLIENTS.redis(redis.url), options);
      const b = await startRedisNode(context, CLIENTS.ioredis(redis.url), options);
      const c = await startRedisNode(context, CLIENTS.redis(`redis://127.0.0.1:${port}`), options);
      await known([a, b, c]);
      // The proxy keeps the connections open, and forwards nothing.
      proxy.freeze();
      const fetched = await a.io.fetchSockets();
      assert.deepEqual(fetched.missing, [c.adapter.id]);
      assert.equal(fetched.length, 2);
      assert.ok(a.errors.at(-1) instanceof MissingNodesError);
      // The missing server is removed now, so later requests do not wait for it.
      assert.deepEqual((await a.io.fetchSockets()).missing, []);
      c.io.emit("own", 1);
      assert.deepEqual(await c.next("own"), [1]);
      await known([c], 0);
      proxy.thaw();
      await known([a, b, c]);
      await Promise.all([untilHeard(a, c), untilHeard(c, b)]);
      assert.equal((await a.io.fetchSockets()).length, 3);
    },
  );

  test("recovers when Redis fails over to its replica", LIMIT, async (context) => {
    const main = await startRedis(context);
    const replica = await startRedis(context, {
      arguments: ["--replicaof", "127.0.0.1", String(main.port), "--repl-diskless-sync-delay", "0"],
    });
    // After the failover the proxy forwards connections to the replica. In production, a DNS name or Sentinel directs
    // clients to the replica.
    const proxy = new FaultProxy(main.port);
    context.after(() => proxy.close());
    const url = `redis://127.0.0.1:${await proxy.start()}`;
    const a = await startRedisNode(context, CLIENTS.redis(url));
    const b = await startRedisNode(context, CLIENTS.ioredis(url));
    await known([a, b]);
    await a.socket.join("room");
    await main.stop();
    await eventually(() => !a.adapter.stats().ready && !b.adapter.stats().ready);
    a.io.emit("own", 1);
    assert.deepEqual(await a.next("own"), [1]);
    const operator = createClient({ url: replica.url });
    operator.on("error", () => {});
    await operator.connect();
    context.after(() => operator.destroy());
    await operator.sendCommand(["REPLICAOF", "NO", "ONE"]);
    proxy.target = replica.port;
    await Promise.all([untilHeard(a, b), untilHeard(b, a)]);
    await known([a, b]);
    await untilHeard(b, a, "room", "event");
    assert.equal((await b.io.fetchSockets()).length, 2);
  });

  test("recovers each time its connections to Redis break", LIMIT, async (context) => {
    const redis = await startRedis(context);
    const proxy = new FaultProxy(redis.port);
    context.after(() => proxy.close());
    const port = await proxy.start();
    const a = await startRedisNode(context, CLIENTS.redis(redis.url));
    const b = await startRedisNode(context, CLIENTS.ioredis(`redis://127.0.0.1:${port}`));
    await known([a, b]);
    for (let round = 0; round < 3; round++) {
      proxy.cut();
      await eventually(() => !b.adapter.stats().ready);
      b.io.emit("own", round);
      assert.deepEqual(await b.next("own"), [round]);
      await Promise.all([untilHeard(a, b), untilHeard(b, a)]);
      await known([a, b]);
    }
  });

  test("delivers events in order over a slow connection to Redis", LIMIT, async (context) => {
    const redis = await startRedis(context);
    const proxy = new FaultProxy(redis.port);
    context.after(() => proxy.close());
    const port = await proxy.start();
    proxy.next = () => ({ kind: "delay", direction: "up", after: 2_000 });
    const a = await startRedisNode(context, CLIENTS.redis(`redis://127.0.0.1:${port}`));
    const b = await startRedisNode(context, CLIENTS.ioredis(redis.url));
    await known([a, b]);
    for (let event = 0; event < 200; event++) a.io.emit("slow", event);
    for (let event = 0; event < 200; event++) {
      assert.deepEqual(await a.next("slow"), [event]);
      assert.deepEqual(await b.next("slow"), [event]);
    }
    assert.equal(a.adapter.stats().dropped, 0);
  });

  test("delivers events while Redis is out of memory", LIMIT, async (context) => {
    const redis = await startRedis(context, { arguments: ["--maxmemory", "1", "--save", ""] });
    const a = await startRedisNode(context, CLIENTS.redis(redis.url));
    const b = await startRedisNode(context, CLIENTS.ioredis(redis.url));
    await known([a, b]);
    // Published messages do not count towards maxmemory.
    a.io.emit("full", "x".repeat(100_000));
    assert.equal(String(await b.next("full")).length, 100_000);
    assert.deepEqual([...a.errors, ...b.errors], []);
  });

  test("recovers when another server is killed during its broadcasts", LIMIT, async (context) => {
    const { url } = await startRedis(context);
    const settings = { adapter: { name: "barewire, redis", url } } as const;
    const [killed] = await startNodes(context, [settings]);
    assert.ok(killed);
    const a = await startRedisNode(context, CLIENTS.redis(url));
    const b = await startRedisNode(context, CLIENTS.ioredis(url));
    await known([a, b], 2);
    for (let event = 0; event < 2_000; event++) {
      killed.ask("emit", {}, "flood", event).catch(() => {});
    }
    await a.next("flood");
    const asking = a.io
      .timeout(30_000)
      .emitWithAck("ask")
      .catch((error: unknown) => error);
    await killed.kill();
    for (const { client } of [a, b]) {
      for (;;) {
        const text = `${await client.next()}`;
        if (text.includes('["ask"]')) {
          client.send(`43${/^42(\d+)/.exec(text)?.[1]}[1]`);
          break;
        }
      }
    }
    // The killed server had no clients. The clients of the other servers have acknowledged the event.
    const answered = await asking;
    if (answered instanceof Error) assert.equal(Reflect.get(answered, "code"), "ERR_MISSING_NODES");
    else assert.deepEqual(answered, [1, 1]);
    const sockets = await b.io.fetchSockets();
    assert.deepEqual([sockets.length, sockets.missing], [2, []]);
    await untilHeard(a, b);
    await eventually(async () => (await a.adapter.serverCount()) === 2);
  });
});

test(
  "joining, leaving and emitting to a room whose name is not a string does not throw",
  LIMIT,
  async (context) => {
    const redis = await startRedis(context);
    const uncaught = gatherUncaught(context);
    const a = await startRedisNode(context, CLIENTS.redis(redis.url));
    const rooms: Untyped[] = [5, null, { toString: 1 }, Object.create(null), [{}]];
    for (const room of rooms) {
      await a.socket.join([room]);
      a.io.to([room]).emit("event", typeof room);
      assert.deepEqual(await a.next("event"), [typeof room]);
      await a.socket.leave(room);
      await a.socket.join([room]);
    }
    const gone = once(a.socket, "disconnect");
    a.client.socket.terminate();
    await gone;
    assert.deepEqual([uncaught, a.errors], [[], []]);
  },
);
