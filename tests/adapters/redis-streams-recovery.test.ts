// Tests connection state recovery with barewire/redis over streams: which events clients receive, on which server they
// recover, and when they start a new session.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import { createClient } from "redis";

import type { RedisStreamsAdapterOptions } from "../../lib/adapters/redis.ts";
import { encodeEntry, encodeStreamsMessage } from "../../lib/adapters/redis-streams-wire.ts";
import { decode, encode } from "../../protocol/socketio/messagepack.ts";
import { EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { startNodes } from "../support/cluster.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { heard } from "../support/heard.ts";
import { WebSocketClient } from "../support/net.ts";
import { noRedis, startRedis } from "../support/redis.ts";
import { CLIENTS, eventually } from "../support/redis-nodes.ts";
import {
  acquainted,
  ReturningClient,
  type StreamsNode,
  startStreamsNode,
} from "../support/streams-nodes.ts";

const LIMIT = { timeout: 30_000, skip: noRedis };

/** A Redis client for the commands of the test itself. */
async function operatorOf(context: TestContext, url: string) {
  const operator = createClient({ url });
  operator.on("error", () => {});
  await operator.connect();
  context.after(() => operator.destroy());
  return (...command: (string | Buffer)[]): Promise<unknown> => operator.sendCommand(command);
}

async function start(
  context: TestContext,
  options: RedisStreamsAdapterOptions = {},
  recovery: object = {},
) {
  const redis = await startRedis(context);
  const a = await startStreamsNode(context, CLIENTS.redis(redis.url), options, recovery);
  const b = await startStreamsNode(context, CLIENTS.ioredis(redis.url), options, recovery);
  await acquainted([a, b]);
  return { redis, a, b, run: await operatorOf(context, redis.url) };
}

/** Adds an entry to the stream, as any program with access to Redis can. */
function forge(
  run: (...command: string[]) => Promise<unknown>,
  fields: Readonly<Record<string, string>>,
): Promise<unknown> {
  return run("XADD", "socket.io", "*", ...Object.entries(fields).flat());
}

/** Resolves when Redis has the session of a disconnected client. */
function kept(run: (...command: string[]) => Promise<unknown>, pid: string): Promise<void> {
  return eventually(async () => (await run("EXISTS", `sio:session:${pid}`)) === 1);
}

function session(node: StreamsNode, id: string) {
  const socket = node.io.sockets.sockets.get(id);
  assert.ok(socket, "this server does not have the socket");
  return socket;
}

describe("a client of barewire/redis over streams that reconnects", { skip: noRedis }, () => {
  test("recovers its rooms, data and missed events on another server", LIMIT, async (context) => {
    const { a, b, run } = await start(context);
    const client = await ReturningClient.connect(a.port);
    const socket = session(a, client.sid);
    socket.join("room");
    socket.data = { name: "Ada", since: new Date(0), bytes: Buffer.from([1, 2]) };
    a.io.emit("event", 1);
    b.io.to("room").emit("event", 2);
    const seen = [await client.next(), await client.next()];
    assert.deepEqual(seen.map(([, number]) => number).sort(), [1, 2]);
    await client.break(a);
    a.io.to("room").emit("event", 3);
    b.io.to("elsewhere").emit("event", 4);
    b.io.to(client.sid).emit("event", 5);
    a.io.except("room").emit("event", 6);
    b.io.volatile.emit("event", 7);
    // A volatile event is lost for clients that are disconnected when the server reads the event from Redis.
    await eventually(() => b.adapter.stats().waiting === 0);
    a.io.emit("end");
    const back = await client.comeBack(b.port);
    assert.deepEqual([back.sid, back.pid], [client.sid, client.pid]);
    assert.deepEqual((await back.until("end")).map(([, number]) => number).sort(), [3, 5]);
    const restored = session(b, client.sid);
    assert.equal(restored.recovered, true);
    assert.deepEqual([...restored.rooms].sort(), [client.sid, "room"].sort());
    assert.equal(restored.data.name, "Ada");
    assert.deepEqual(restored.data.since, new Date(0));
    assert.deepEqual(Buffer.from(restored.data.bytes), Buffer.from([1, 2]));
    assert.equal(b.adapter.stats().recovered, 1);
    // The recovered session continues, and can be recovered again.
    await back.break(b);
    b.io.to("room").emit("event", 8);
    const again = await back.comeBack(a.port);
    assert.deepEqual(await again.next(), ["event", 8]);
    assert.equal(await run("EXISTS", `sio:session:${client.pid}`), 1);
  });

  test("recovers on another server after its server was killed", LIMIT, async (context) => {
    const { url } = await startRedis(context);
    const settings = {
      adapter: { name: "barewire streams, redis", url },
      server: { connectionStateRecovery: {} },
    } as const;
    const [killed] = await startNodes(context, [settings]);
    assert.ok(killed);
    const b = await startStreamsNode(context, CLIENTS.redis(url));
    await acquainted([b], 1);
    const client = await ReturningClient.connect(killed.port);
    await killed.ask("callSocket", "/", client.sid, "join", "room");
    await killed.ask("setData", "/", client.sid, { name: "Ada" });
    // socket.data is saved only when the rooms change, so the socket joins another room.
    await killed.ask("callSocket", "/", client.sid, "join", "other");
    await killed.ask("emit", { rooms: ["room"] }, "event", 1);
    assert.deepEqual(await client.next(), ["event", 1]);
    await killed.kill();
    b.io.to("room").emit("event", 2);
    const back = await client.comeBack(b.port);
    assert.equal(back.sid, client.sid);
    assert.deepEqual(await back.next(), ["event", 2]);
    const restored = session(b, client.sid);
    assert.deepEqual([...restored.rooms].sort(), [client.sid, "other", "room"].sort());
    assert.deepEqual(restored.data, { name: "Ada" });
  });

  test(
    "recovers before its old server has noticed the broken connection",
    LIMIT,
    async (context) => {
      const { a, b, run } = await start(context);
      const client = await ReturningClient.connect(a.port);
      a.io.emit("event", 1);
      await client.next();
      const back = await client.comeBack(b.port);
      assert.equal(back.sid, client.sid);
      // The old server closes the connection and removes the socket. The session stays in Redis.
      await client.closed;
      await eventually(() => !a.io.sockets.sockets.has(client.sid));
      await eventually(async () => (await run("EXISTS", `sio:session:${client.pid}`)) === 1);
      a.io.emit("event", 2);
      assert.deepEqual(await back.next(), ["event", 2]);
      assert.equal((await b.io.fetchSockets()).length, 1);
    },
  );

  test(
    "keeps its connection when a message about an earlier recovery arrives late",
    LIMIT,
    async (context) => {
      const { a, b, run } = await start(context);
      const client = await ReturningClient.connect(a.port);
      a.io.emit("event", 1);
      await client.next();
      await client.break(a);
      const there = await client.comeBack(b.port);
      await there.break(b);
      const both = await Promise.all([there.comeBack(a.port), there.comeBack(a.port)]);
      const here = both.find(({ sid }) => sid === client.sid);
      assert.ok(here, "neither attempt has recovered the session");
      const tell = async (returns: number): Promise<void> => {
        const news = encodeStreamsMessage("other", "/", {
          type: "returned",
          sid: client.sid,
          pid: client.pid,
          returns,
        });
        await run("PUBLISH", "socket.io-barewire#/#", Buffer.from(news));
      };
      await tell(1);
      const told = heard(a.io, "told");
      b.io.serverSideEmit("told");
      await told;
      b.io.emit("event", 2);
      assert.deepEqual(await here.next(), ["event", 2]);
      await tell(3);
      await here.closed;
    },
  );

  test("starts a new session if an event it missed cannot be encoded", LIMIT, async (context) => {
    const { a, b, run } = await start(context);
    const client = await ReturningClient.connect(a.port);
    a.io.emit("event", 1);
    await client.next();
    await client.break(a);
    const packet: Packet = {
      type: EVENT,
      namespace: "/",
      data: ["event", Buffer.from([1]), 2n ** 60n + 1n],
    };
    const options = { rooms: new Set<string>(), except: new Set<string>(), flags: {} };
    const fields = encodeEntry("other", "/", { type: "broadcast", packet, options }, 0);
    const id = await run("XADD", "socket.io", "*", ...[...fields].flat());
    await eventually(() => b.adapter.stats().position === id);
    const back = await client.comeBack(b.port);
    assert.equal(session(b, back.sid).recoveryFailure, "packets dropped");
    assert.match(
      `${b.errors.at(-1)?.message}`,
      /the events that a client has missed cannot be encoded/,
    );
  });

  test("recovers only in the namespace of its session", LIMIT, async (context) => {
    const { a, run } = await start(context);
    a.io.of("/admin").use((_socket, next) => next(new Error("no")));
    const client = new WebSocketClient(a.port);
    const { pid } = JSON.parse((await client.join("40{}")).slice(2));
    await eventually(async () => (await run("EXISTS", `sio:session:${pid}`)) === 1);
    client.send(`40/admin,${JSON.stringify({ pid })}`);
    assert.equal(await client.next(), '44/admin,{"message":"no"}');
  });

  test(
    "passes through middleware if its stored session has no namespace, like those of socket.io's adapter",
    LIMIT,
    async (context) => {
      const { a, b, run } = await start(context);
      b.io.use((_socket, next) => next(new Error("no")));
      const client = await ReturningClient.connect(a.port);
      await client.break(a);
      const key = `sio:session:${client.pid}`;
      const kept = Object(decode(Buffer.from(`${await run("GET", key)}`, "base64")));
      await run("SET", key, Buffer.from(encode({ ...kept, nsp: undefined })).toString("base64"));
      const back = new WebSocketClient(b.port);
      const answer = await back.join(
        `40${JSON.stringify({ pid: client.pid, offset: b.adapter.offset })}`,
      );
      assert.equal(answer, '44{"message":"no"}');
    },
  );

  test("recovers only once if two connections send the same pid", LIMIT, async (context) => {
    const { a, b } = await start(context);
    const client = await ReturningClient.connect(a.port);
    a.io.emit("event", 1);
    await client.next();
    await client.break(a);
    const both = await Promise.all([client.comeBack(a.port), client.comeBack(b.port)]);
    assert.equal(both.filter(({ sid }) => sid === client.sid).length, 1);
  });

  test("recovers without an offset if it has received nothing before", LIMIT, async (context) => {
    const { a, b } = await start(context);
    const client = await ReturningClient.connect(a.port);
    await client.break(a);
    b.io.emit("event", 1);
    const back = await client.comeBack(b.port, undefined);
    assert.equal(back.sid, client.sid);
    assert.deepEqual(await back.next(), ["event", 1]);
  });

  test("misses no event that is sent while it reconnects", LIMIT, async (context) => {
    const { a, b } = await start(context);
    let client = await ReturningClient.connect(a.port);
    const { sid } = client;
    let number = 0;
    let expected = 0;
    const timer = setInterval(() => (number++ % 2 ? a : b).io.emit("n", number), 1);
    context.after(() => clearInterval(timer));
    const seen = new Set<unknown>();
    let nodes = [a, b] as const;
    for (let round = 0; round < 10; round++) {
      for (let read = 0; read < 5; read++) {
        const [, n] = await client.next();
        assert.ok(!seen.has(n), `event ${n} was received twice`);
        seen.add(n);
      }
      await client.break(nodes[0]);
      nodes = [nodes[1], nodes[0]];
      client = await client.comeBack(nodes[0].port);
      assert.equal(client.sid, sid);
      // When the other server receives this event, the first server has stored the session in Redis again.
      const known = heard(nodes[1].io, "known");
      nodes[0].io.serverSideEmit("known");
      await known;
    }
    clearInterval(timer);
    nodes[1].io.emit("end");
    expected = number;
    for (const [, n] of await client.until("end")) {
      assert.ok(!seen.has(n), `event ${n} was received twice`);
      seen.add(n);
    }
    // The client has received the events of both servers without a gap, except at the start and at the end.
    const missing = Array.from({ length: expected }, (_, index) => index + 1).filter(
      (n) => !seen.has(n),
    );
    assert.ok(
      missing.every((n) => n < 5 || n > expected - 5),
      `missing events: ${missing}`,
    );
  });

  test("starts a new session after either side disconnected on purpose", LIMIT, async (context) => {
    const { a, b, run } = await start(context);
    const one = await ReturningClient.connect(a.port);
    const other = await ReturningClient.connect(a.port);
    for (const { pid } of [one, other])
      await eventually(async () => (await run("EXISTS", `sio:session:${pid}`)) === 1);
    b.io.to(one.sid).disconnectSockets(true);
    await one.closed;
    other.send("41");
    for (const client of [one, other]) {
      await eventually(async () => (await run("EXISTS", `sio:session:${client.pid}`)) === 0);
      const back = await client.comeBack(b.port, b.adapter.offset);
      assert.notEqual(back.sid, client.sid);
      assert.equal(session(b, back.sid).recoveryFailure, "unknown session");
    }
  });

  test("starts a new session when its session has expired in Redis", LIMIT, async (context) => {
    const { a, b, run } = await start(context, {}, { maxDisconnectionDuration: 800 });
    const client = await ReturningClient.connect(a.port);
    a.io.emit("event", 1);
    await client.next();
    const key = `sio:session:${client.pid}`;
    // The server renews the session in Redis while the client is connected.
    const began = performance.now();
    while (performance.now() - began < 1_700) {
      const left = Number(await run("PTTL", key));
      assert.ok(left > 0 && left <= 1_600, `${left}`);
    }
    await client.break(a);
    const left = Number(await run("PTTL", key));
    assert.ok(left > 0 && left <= 800, `${left}`);
    await eventually(async () => (await run("EXISTS", key)) === 0);
    const back = await client.comeBack(b.port);
    assert.equal(session(b, back.sid).recoveryFailure, "unknown session");
  });

  test("starts a new session if the stream was trimmed past its offset", LIMIT, async (context) => {
    const { redis, a, run } = await start(context);
    const client = await ReturningClient.connect(a.port);
    const other = await ReturningClient.connect(a.port);
    a.io.emit("event", 1);
    await client.next();
    await other.next();
    await Promise.all([client.break(a), other.break(a)]);
    a.io.emit("event", 2);
    a.io.to("elsewhere").emit("event", 4);
    a.io.volatile.emit("event", 5);
    a.io.emit("event", 3);
    await eventually(async () => Number(await run("XLEN", "socket.io")) >= 6);
    // A server that starts after the events reads them from the stream.
    const c = await startStreamsNode(context, CLIENTS.redis(redis.url));
    const back = await client.comeBack(c.port);
    assert.deepEqual(
      [back.sid, await back.next(), await back.next()],
      [client.sid, ["event", 2], ["event", 3]],
    );
    await run("XTRIM", "socket.io", "MAXLEN", "1");
    const anew = await other.comeBack(c.port);
    assert.notEqual(anew.sid, other.sid);
    assert.equal(session(c, anew.sid).recoveryFailure, "packets dropped");
  });

  test(
    "starts a new session if it has missed more than `maxMissedEvents` or `maxMissedBytes`",
    LIMIT,
    async (context) => {
      for (const options of [{ maxMissedEvents: 5 }, { maxMissedBytes: 1_500 }]) {
        const { redis, a, b } = await start(context, options);
        const client = await ReturningClient.connect(a.port);
        const other = await ReturningClient.connect(a.port);
        for (const each of [client, other]) await each.break(a);
        for (let event = 0; event < 20; event++) b.io.emit("event", event);
        const c = await startStreamsNode(context, CLIENTS.redis(redis.url), options);
        // The first server has the newest events in memory. The second server reads the stream.
        for (const [node, each] of [
          [b, client],
          [c, other],
        ] as const) {
          await eventually(() => node.adapter.stats().waiting === 0);
          const back = await each.comeBack(node.port, undefined);
          assert.equal(session(node, back.sid).recoveryFailure, "packets dropped");
        }
      }
    },
  );

  test(
    "recovers its few events from a stream with many events for other clients",
    LIMIT,
    async (context) => {
      const options = { maxMissedBytes: 2_000 };
      const { redis, a, b } = await start(context, options);
      const clients = await Promise.all([1, 2, 3].map(() => ReturningClient.connect(a.port)));
      a.io.emit("event", 0);
      for (const client of clients) assert.deepEqual(await client.next(), ["event", 0]);
      for (const client of clients) await client.break(a);
      a.io.emit("event", 1);
      // For the recovery of one client, the server may read 16 times `maxMissedBytes` bytes of the stream, including the
      // events of other clients.
      for (let event = 0; event < 20; event++) a.io.to("others").emit("event", "x".repeat(500));
      a.io.to("others").emit("event", Buffer.alloc(10));
      a.io.emit("event", 2);
      await eventually(() => a.adapter.stats().waiting === 0);
      const c = await startStreamsNode(context, CLIENTS.redis(redis.url), options);
      for (const [index, node] of [b, c].entries()) {
        const back = await clients[index]?.comeBack(node.port);
        assert.equal(back?.sid, clients[index]?.sid);
        assert.deepEqual(
          [await back?.next(), await back?.next()],
          [
            ["event", 1],
            ["event", 2],
          ],
        );
      }
      for (let event = 0; event < 20; event++) a.io.to("others").emit("event", "x".repeat(500));
      await eventually(() => a.adapter.stats().waiting === 0);
      const back = await clients[2]?.comeBack(c.port);
      assert.equal(session(c, `${back?.sid}`).recoveryFailure, "packets dropped");
    },
  );

  test("shares one read of the stream with other reconnecting clients", LIMIT, async (context) => {
    const { redis, a, run } = await start(context, { maxMissedEvents: 2_000 });
    const clients = await Promise.all(
      Array.from({ length: 30 }, () => ReturningClient.connect(a.port)),
    );
    // Each client receives a different number of events, so that the offsets differ.
    for (const [index, client] of clients.entries()) {
      for (let event = 0; event <= index; event++) a.io.to(client.sid).emit("event", event);
      for (let event = 0; event <= index; event++) await client.next();
    }
    for (const client of clients) await client.break(a);
    for (let event = 0; event < 1_000; event++) a.io.to("nobody").emit("event", event);
    for (const { sid } of clients) a.io.to(sid).emit("mine", sid);
    a.io.emit("end");
    await eventually(() => a.adapter.stats().waiting === 0);
    const c = await startStreamsNode(context, CLIENTS.redis(redis.url));
    const calls = async (): Promise<number> =>
      Number(/cmdstat_xrange:calls=(\d+)/.exec(`${await run("INFO", "commandstats")}`)?.[1] ?? 0);
    const before = await calls();
    const back = await Promise.all(clients.map((client) => client.comeBack(c.port)));
    for (const [index, client] of back.entries()) {
      assert.equal(client.sid, clients[index]?.sid);
      assert.deepEqual(await client.until("end"), [["mine", client.sid]]);
    }
    // One read takes 17 commands: 16 for the pages and one for the first entry. The first clients
    // share one read, and all other clients share another read.
    const reads = (await calls()) - before;
    assert.ok(reads <= 3 * 20, `${reads} commands`);
  });

  for (const offset of [
    "",
    "0",
    "1-1-1",
    "$",
    "+",
    "(1-1",
    "99999999999999-0",
    `${"9".repeat(400)}-1`,
  ]) {
    test(
      `starts a new session if its offset is ${JSON.stringify(offset.slice(0, 20))}`,
      LIMIT,
      async (context) => {
        const { a, b, run } = await start(context);
        const client = await ReturningClient.connect(a.port);
        await client.break(a);
        await kept(run, client.pid);
        const back = await client.comeBack(b.port, offset);
        assert.equal(session(b, back.sid).recoveryFailure, "unknown offset");
      },
    );
  }

  test("starts a new session if its session in Redis is invalid", LIMIT, async (context) => {
    const { a, b, run } = await start(context);
    const client = await ReturningClient.connect(a.port);
    await client.break(a);
    await kept(run, client.pid);
    const key = `sio:session:${client.pid}`;
    const whole: unknown = decode(Buffer.from(`${await run("GET", key)}`, "base64"));
    const forged = [
      "",
      "no base64!",
      Buffer.from([0xc1]).toString("base64"),
      ...[
        null,
        [],
        "text",
        { ...Object(whole), sid: 1 },
        { ...Object(whole), rooms: "room" },
        { ...Object(whole), rooms: [{}] },
        { ...Object(whole), pid: "other" },
      ].map((value) => Buffer.from(encode(value)).toString("base64")),
    ];
    for (const [index, text] of forged.entries()) {
      await run("SET", key, text);
      const back = await client.comeBack(b.port, b.adapter.offset);
      assert.equal(session(b, back.sid).recoveryFailure, "unknown session", text);
      await eventually(() => b.adapter.stats().invalid === index + 1);
    }
    // The original session is valid.
    await run("SET", key, Buffer.from(encode(whole)).toString("base64"));
    assert.equal((await client.comeBack(b.port, b.adapter.offset)).sid, client.sid);
  });
});

describe("the stream of barewire/redis", { skip: noRedis }, () => {
  test(
    "gives all servers the same order of events, with increasing offsets",
    LIMIT,
    async (context) => {
      const { a, b } = await start(context);
      const clients = await Promise.all([
        ReturningClient.connect(a.port),
        ReturningClient.connect(b.port),
      ]);
      for (let event = 0; event < 300; event++) {
        (event % 2 ? a : b).io.emit("event", event);
        if (event % 50 === 0) await new Promise(setImmediate);
      }
      const seen = await Promise.all(
        clients.map(async (client) => {
          const events: unknown[] = [];
          let last = [0, 0];
          for (let event = 0; event < 300; event++) {
            events.push((await client.next())[1]);
            const id = `${client.offset}`.split("-").map(Number);
            assert.ok(
              Number(id[0]) > Number(last[0]) || Number(id[1]) > Number(last[1]),
              `${id} after ${last}`,
            );
            last = id;
          }
          return events;
        }),
      );
      assert.deepEqual(seen[0], seen[1]);
      for (const parity of [0, 1]) {
        const own = seen[0]?.filter((event) => Number(event) % 2 === parity);
        assert.deepEqual(
          own,
          own?.toSorted((x, y) => Number(x) - Number(y)),
        );
      }
    },
  );

  test(
    "keeps the order of commands, single-socket events and events with `local`",
    LIMIT,
    async (context) => {
      const { a, b } = await start(context);
      const client = await ReturningClient.connect(a.port);
      const socket = session(a, client.sid);
      a.io.emit("n", 1);
      a.io.local.emit("n", 2);
      socket.emit("n", 3);
      a.io.socketsJoin("room");
      a.io.to("room").emit("n", 4);
      a.io.socketsLeave("room");
      a.io.to("room").emit("n", 5);
      const list = ["text"];
      a.io.local.emit("n", 6, list);
      list.push("later");
      a.io.emit("n", 7);
      a.io.disconnectSockets(true);
      const numbers: unknown[] = [];
      for (let event = 0; event < 6; event++) numbers.push((await client.next()).slice(1));
      assert.deepEqual(numbers, [[1], [2], [3], [4], [6, ["text"]], [7]]);
      await client.closed;
      assert.equal((await b.io.fetchSockets()).length, 0);
    },
  );

  test(
    "is read to its end although it has invalid entries, each of which is reported as an error",
    LIMIT,
    async (context) => {
      const { a, b, run } = await start(context);
      const client = await ReturningClient.connect(a.port);
      const opts = { rooms: [], except: [], flags: {} };
      const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
      const base64 = (value: unknown): string => Buffer.from(encode(value)).toString("base64");
      const data = [
        "",
        "{",
        "{}",
        "[]",
        "null",
        "!!!",
        deep,
        "é",
        base64(null),
        base64([]),
        base64("text"),
        Buffer.from([0xdf, 255, 255, 255, 255]).toString("base64"),
        JSON.stringify({ opts, packet: null }),
        JSON.stringify({ opts, packet: { type: 0, nsp: "/", data: ["event"] } }),
        JSON.stringify({ opts, packet: { type: 2, nsp: "/other", data: ["event"] } }),
        JSON.stringify({ opts, packet: { type: 2, nsp: "/", data: [] } }),
        JSON.stringify({ opts, packet: { type: 2, nsp: "/", data: [{}] } }),
        JSON.stringify({ opts, packet: { type: 2, nsp: "/", data: ["connect"] } }),
        JSON.stringify({
          opts: { rooms: "all", except: [] },
          packet: { type: 2, nsp: "/", data: ["event"] },
        }),
        JSON.stringify({
          opts: { rooms: [{}], except: [] },
          packet: { type: 2, nsp: "/", data: ["event"] },
        }),
        JSON.stringify({ packet: { type: 2, nsp: "/", data: ["event"] } }),
        `{"opts":${JSON.stringify(opts)},"packet":{"type":2,"nsp":"/","data":["event",${deep}]}}`,
      ];
      for (const each of data) await forge(run, { uid: "x", nsp: "/", type: "3", data: each });
      for (const type of ["4", "5", "6", "7", "8", "9", "10", "11", "12"])
        await forge(run, { uid: "x", nsp: "/", type, data: "{}" });
      await forge(run, { nsp: "/", type: "3", data: data[0] ?? "" });
      const expected = data.length + 9 + 1;
      // Unknown types, and entries for other namespaces, are not errors.
      await forge(run, { uid: "x", nsp: "/", type: "77", data: "{}" });
      await forge(run, { uid: "x", nsp: "/none", type: "3", data: "{" });
      await forge(run, { what: "ever" });
      await forge(run, { uid: a.adapter.id, nsp: "/", type: "1" });
      b.io.emit("end");
      assert.deepEqual(await client.until("end"), []);
      assert.equal(a.adapter.stats().invalid, expected);
      assert.ok(a.errors.length >= expected);
      assert.match(
        a.errors[0]?.message ?? "",
        /the entry \d+-\d+ of the stream socket\.io is invalid/,
      );
      await run("PUBLISH", "socket.io#/#", "{");
      await eventually(() => a.adapter.stats().invalid === expected + 1);
    },
  );

  test("is trimmed to about `maxLen` entries", LIMIT, async (context) => {
    const { a, run } = await start(context, { maxLen: 200, streamName: "other" });
    const client = await ReturningClient.connect(a.port);
    for (let event = 0; event < 2_000; event++) a.io.emit("event", event);
    a.io.emit("end");
    assert.equal((await client.until("end")).length, 2_000);
    assert.ok(Number(await run("XLEN", "other")) < 500);
  });

  test(
    "stays readable after emit() throws for arguments that cannot be encoded",
    LIMIT,
    async (context) => {
      const { a } = await start(context);
      const client = await ReturningClient.connect(a.port);
      const cycle: unknown[] = [];
      cycle.push(cycle);
      assert.throws(() => a.io.emit("event", cycle));
      assert.throws(() => a.io.emit("event", 1n));
      assert.throws(() => a.io.emit("event", Buffer.alloc(1), cycle));
      let deep: unknown = [];
      for (let depth = 0; depth < 2_000; depth++) deep = [deep];
      assert.throws(() => a.io.emit("event", deep), RangeError);
      // `deepest` is nested as deeply as possible: the server cannot send more deeply nested data to clients.
      let deepest: unknown = [];
      for (let depth = 2; depth < 1_000; depth++) deepest = [deepest];
      a.io.emit("event", deepest);
      a.io.emit("end");
      assert.equal((await client.until("end")).length, 1);
      assert.equal(a.adapter.stats().invalid, 0);
    },
  );
});

describe("barewire/redis over streams while Redis is broken", { skip: noRedis }, () => {
  test(
    "sends events to its own clients while Redis is paused, and does not send them again later",
    LIMIT,
    async (context) => {
      const { redis, a, b, run } = await start(context);
      const client = await ReturningClient.connect(a.port);
      const other = await ReturningClient.connect(b.port);
      a.io.emit("event", 0);
      await client.next();
      await other.next();
      redis.pause();
      a.io.emit("event", 1);
      a.io.emit("event", 2);
      const began = performance.now();
      assert.deepEqual(
        [await client.next(), await client.next()],
        [
          ["event", 1],
          ["event", 2],
        ],
      );
      const waited = performance.now() - began;
      // The server has waited for Redis once in vain. It sends later events to its clients without waiting.
      const again = performance.now();
      a.io.emit("event", 3);
      assert.deepEqual(await client.next(), ["event", 3]);
      assert.ok(performance.now() - again < waited);
      redis.resume();
      for (const event of [1, 2, 3]) assert.deepEqual(await other.next(), ["event", event]);
      // The server also adds the events to the stream, for disconnected clients.
      assert.equal(Number(await run("XLEN", "socket.io")), 5);
      await client.break(a);
      await other.break(b);
      a.io.emit("end");
      const back = await client.comeBack(b.port);
      assert.equal(back.sid, client.sid);
      assert.deepEqual(await back.until("end"), []);
      const otherBack = await other.comeBack(a.port);
      assert.equal(otherBack.sid, other.sid);
      assert.deepEqual(await otherBack.until("end"), []);
    },
  );

  test(
    "keeps events that are emitted while Redis is paused, for clients that recover later",
    LIMIT,
    async (context) => {
      const { redis, a, b } = await start(context);
      const [first, second, there, left, other] = await Promise.all([
        ...[a, a, a, a].map(({ port }) => ReturningClient.connect(port)),
        ReturningClient.connect(b.port),
      ]);
      assert.ok(first && second && there && left && other);
      const all = [first, second, there, left, other];
      a.io.emit("event", 0);
      for (const client of all) assert.deepEqual(await client.next(), ["event", 0]);
      await first.break(a);
      await second.break(a);
      redis.pause();
      for (const event of [1, 2]) a.io.emit("event", event);
      // This client disconnects after an event whose position in the stream the server does not know yet.
      assert.deepEqual(await left.next(), ["event", 1]);
      await left.break(a);
      for (const event of [1, 2]) assert.deepEqual(await there.next(), ["event", event]);
      redis.resume();
      const coming = [first.comeBack(a.port), second.comeBack(b.port), left.comeBack(a.port)];
      for (const event of [1, 2]) assert.deepEqual(await other.next(), ["event", event]);
      const back = await Promise.all(coming);
      assert.deepEqual(
        back.map(({ sid }) => sid),
        [first, second, left].map(({ sid }) => sid),
      );
      b.io.emit("end");
      const heard = await Promise.all(back.map((client) => client.until("end")));
      const numbers = heard.map((events) => events.map(([, number]) => number));
      assert.deepEqual(numbers, [[1, 2], [1, 2], [2]]);
      assert.deepEqual(await there.until("end"), []);
      // After Redis has replied, offsets are stream ids again.
      assert.match(`${there.offset}`, /^\d+-\d+$/);
    },
  );

  test("queues at most `maxPending` bytes while Redis is paused", LIMIT, async (context) => {
    const { redis, a } = await start(context, { maxPending: 100_000 });
    const client = await ReturningClient.connect(a.port);
    redis.pause();
    for (let event = 0; event < 100; event++) {
      a.io.emit("large", event, "x".repeat(10_000));
      assert.ok(a.adapter.stats().waiting < 12);
    }
    for (let event = 0; event < 100; event++) assert.equal((await client.next())[1], event);
    redis.resume();
    a.io.emit("end");
    await client.until("end");
  });

  test("recovers when Redis is restarted without its data", LIMIT, async (context) => {
    const { redis, a, b } = await start(context);
    const client = await ReturningClient.connect(a.port);
    const other = await ReturningClient.connect(b.port);
    a.io.emit("event", 0);
    assert.deepEqual(
      [await client.next(), await other.next()],
      [
        ["event", 0],
        ["event", 0],
      ],
    );
    await redis.stop();
    await eventually(() => !a.adapter.stats().ready && !b.adapter.stats().ready);
    a.io.emit("event", 1);
    a.io.socketsJoin("room");
    a.io.to("room").emit("event", 2);
    assert.deepEqual(
      [await client.next(), await client.next()],
      [
        ["event", 1],
        ["event", 2],
      ],
    );
    const away = await ReturningClient.connect(b.port, { pid: "unknown" });
    assert.equal(session(b, away.sid).recoveryFailure, "unknown session");
    await redis.restart();
    await eventually(() => a.adapter.stats().ready && b.adapter.stats().ready);
    await acquainted([a, b]);
    const heard = other.until("back");
    let done = false;
    void heard.then(() => {
      done = true;
    });
    await eventually(() => {
      a.io.emit("back");
      return done;
    });
    assert.deepEqual(await heard, []);
    // The join makes the server save the session again, in the new Redis.
    session(a, client.sid).join("another");
    await client.until("back");
    await client.break(a);
    b.io.emit("event", 3);
    const back = await client.comeBack(b.port);
    assert.equal(back.sid, client.sid);
    await eventually(async () => (await back.next())[1] === 3);
  });

  test(
    "receives events that other servers emitted while its connections were broken",
    LIMIT,
    async (context) => {
      const { redis, a } = await start(context);
      const proxy = new FaultProxy(redis.port);
      context.after(() => proxy.close());
      const c = await startStreamsNode(
        context,
        CLIENTS.redis(`redis://127.0.0.1:${await proxy.start()}`),
      );
      const client = await ReturningClient.connect(c.port);
      a.io.emit("event", 0);
      assert.deepEqual(await client.next(), ["event", 0]);
      proxy.cut();
      for (let event = 1; event <= 50; event++) a.io.emit("event", event);
      for (let event = 1; event <= 50; event++)
        assert.deepEqual(await client.next(), ["event", event]);
    },
  );

  for (const command of ["XREAD\r", "XREVRANGE\r"]) {
    test(
      `continues reading if its open connection never answers ${command.trim()}`,
      LIMIT,
      async (context) => {
        const { redis, a } = await start(context);
        const nodes = await Promise.all(
          ([CLIENTS.redis, CLIENTS.ioredis] as const).map(async (connect) => {
            const proxy = new FaultProxy(redis.port);
            context.after(() => proxy.close());
            const url = `redis://127.0.0.1:${await proxy.start()}`;
            const node = await startStreamsNode(context, connect(url), { blockTimeInMs: 100 });
            const client = await ReturningClient.connect(node.port);
            return { proxy, node, client };
          }),
        );
        a.io.emit("event", 0);
        for (const { client } of nodes) assert.deepEqual(await client.next(), ["event", 0]);
        for (const { proxy } of nodes) proxy.silencedBy = (chunk) => chunk.includes(command);
        // The server looks up the end of the stream (XREVRANGE) only on a new connection.
        if (command === "XREVRANGE\r") for (const { proxy } of nodes) proxy.cut();
        await eventually(() => nodes.every(({ proxy }) => proxy.faults === 1));
        for (const { proxy } of nodes) proxy.silencedBy = () => false;
        a.io.emit("event", 1);
        for (const { client, node } of nodes) {
          assert.deepEqual(await client.next(), ["event", 1]);
          const silences = node.errors.filter(({ message }) =>
            /cannot be read: Redis has not replied/.test(message),
          );
          // `errors` has the same error object twice, because the adapter calls `onError` and also emits the error.
          assert.equal(new Set(silences).size, 1);
          assert.equal(node.adapter.stats().position, a.adapter.stats().position);
        }
      },
    );
  }

  test(
    "does not resend events that a client received from a server that had read more of the stream",
    LIMIT,
    async (context) => {
      const { redis, a } = await start(context);
      const proxy = new FaultProxy(redis.port);
      context.after(() => proxy.close());
      const url = `redis://127.0.0.1:${await proxy.start()}`;
      const options = { blockTimeInMs: 100, requestTimeout: 20_000 };
      const c = await startStreamsNode(context, CLIENTS.redis(url), options);
      const client = await ReturningClient.connect(a.port);
      // The proxy stops forwarding when server c sends XREAD. Therefore c reads no entries until it opens another
      // connection.
      proxy.silencedBy = (chunk) => chunk.includes("XREAD\r");
      await eventually(() => proxy.faults === 1);
      proxy.silencedBy = () => false;
      a.io.emit("event", 0);
      assert.deepEqual(await client.next(), ["event", 0]);
      await client.break(a);
      const coming = client.comeBack(c.port);
      a.io.emit("event", 1);
      const back = await coming;
      assert.equal(back.sid, client.sid);
      a.io.emit("end");
      assert.deepEqual(await back.until("end"), [["event", 1]]);
    },
  );

  test(
    "serves its own clients and reports an error while Redis is out of memory",
    LIMIT,
    async (context) => {
      const { a, b, run } = await start(context);
      const client = await ReturningClient.connect(a.port);
      await run("CONFIG", "SET", "maxmemory", "1");
      a.io.emit("event", 1);
      assert.deepEqual(await client.next(), ["event", 1]);
      assert.ok(a.errors.some((error) => Reflect.get(error, "code") === "ERR_REDIS_COMMAND"));
      assert.ok(a.adapter.stats().dropped > 0);
      await run("CONFIG", "SET", "maxmemory", "0");
      b.io.emit("event", 2);
      assert.deepEqual(await client.next(), ["event", 2]);
    },
  );

  test(
    "reports a stream key that is not a stream, and starts once the key is deleted",
    LIMIT,
    async (context) => {
      const { url } = await startRedis(context);
      const run = await operatorOf(context, url);
      await run("SET", "socket.io", "text");
      let onRefused = (): void => {};
      const refused = new Promise<void>((resolve) => {
        onRefused = resolve;
      });
      const starting = startStreamsNode(context, CLIENTS.redis(url), { onError: onRefused });
      let started = false;
      void starting.then(() => {
        started = true;
      });
      await refused;
      assert.equal(started, false);
      await run("DEL", "socket.io");
      const a = await starting;
      assert.match(
        a.errors.map(({ message }) => message).join(),
        /the stream cannot be read: WRONGTYPE/,
      );
      const client = await ReturningClient.connect(a.port);
      a.io.emit("event", 1);
      assert.deepEqual(await client.next(), ["event", 1]);
    },
  );

  test("leaves no Redis connection open after close()", LIMIT, async (context) => {
    const { redis, a, b, run } = await start(context);
    await ReturningClient.connect(a.port);
    await a.io.close();
    await b.io.close();
    // Redis notices that a connection was closed only when it reads from the connection.
    await eventually(async () => `${await run("CLIENT", "LIST")}`.trim().split("\n").length === 1);
    assert.ok(redis.port > 0);
  });
});

for (const early of ["join", "leaveAll"] as const) {
  test(
    `a recovering client misses no event while middleware waits, even if the middleware calls ${early}()`,
    LIMIT,
    async (context) => {
      const redis = await startRedis(context);
      const recovery = { skipMiddlewares: false };
      const node = await startStreamsNode(context, CLIENTS.redis(redis.url), {}, recovery);
      const client = await ReturningClient.connect(node.port);
      session(node, client.sid).join("room");
      node.io.to("room").emit("event", 1);
      await client.next();
      await client.break(node);
      node.io.to("room").emit("event", 2);
      const waits = new Promise<() => void>((resolve) =>
        node.io.use((socket, next) => {
          if (early === "join") socket.join("early");
          else socket.leaveAll();
          resolve(next);
        }),
      );
      const back = client.comeBack(node.port);
      const pass = await waits;
      const { position } = node.adapter.stats();
      node.io.to("room").emit("event", 3);
      await eventually(() => node.adapter.stats().position !== position);
      pass();
      const returned = await back;
      assert.equal(returned.sid, client.sid);
      node.io.emit("end");
      assert.deepEqual(await returned.until("end"), [
        ["event", 2],
        ["event", 3],
      ]);
    },
  );
}

test(
  "a recovering client is disconnected if too much is sent while middleware waits",
  LIMIT,
  async (context) => {
    const redis = await startRedis(context);
    const recovery = { skipMiddlewares: false };
    const options = { maxMissedBytes: 2_000 };
    const node = await startStreamsNode(context, CLIENTS.redis(redis.url), options, recovery);
    const client = await ReturningClient.connect(node.port);
    node.io.emit("event", 1);
    await client.next();
    await client.break(node);
    const waits = new Promise<() => void>((resolve) =>
      node.io.use((_socket, next) => resolve(next)),
    );
    const back = new WebSocketClient(node.port);
    void back
      .join(`40${JSON.stringify({ pid: client.pid, offset: client.offset })}`)
      .catch(() => {});
    const pass = await waits;
    for (let count = 0; count < 10; count++) node.io.emit("event", "x".repeat(1_000));
    await eventually(() => node.adapter.stats().waiting === 0);
    pass();
    await back.closed;
    assert.equal(node.io.sockets.sockets.size, 0);
  },
);

describe("a client that disconnects again while recovering", { skip: noRedis }, () => {
  /** Without heartbeats, the server sends commands to Redis only when a client connects or disconnects. */
  const QUIET = { heartbeatInterval: 60_000 };

  /** Opens a connection and sends the CONNECT packet of a recovering client, without waiting for the response. */
  async function comesBack(port: number, { pid, offset }: ReturningClient) {
    const back = new WebSocketClient(port);
    await back.next();
    back.send(`40${JSON.stringify({ pid, offset })}`);
    return back;
  }

  /** Makes the middleware block the first client. Resolves when the middleware is called for this client. */
  function keepWaiting({ io }: StreamsNode): Promise<void> {
    return new Promise((resolve) => {
      let isFirst = true;
      io.use((_socket, next) => {
        if (isFirst) resolve();
        else next();
        isFirst = false;
      });
    });
  }

  /** Starts a server, and a client that has received event 0, has disconnected and has missed event 1. */
  async function away(context: TestContext) {
    const redis = await startRedis(context);
    const run = await operatorOf(context, redis.url);
    const recovery = { skipMiddlewares: false };
    const node = await startStreamsNode(context, CLIENTS.redis(redis.url), QUIET, recovery);
    const client = await ReturningClient.connect(node.port);
    session(node, client.sid).join("room");
    session(node, client.sid).data = { name: "Ada" };
    node.io.to("room").emit("event", 0);
    assert.deepEqual(await client.next(), ["event", 0]);
    await client.break(node);
    node.io.to("room").emit("event", 1);
    await eventually(() => node.adapter.stats().waiting === 0);
    const sessionInRedis = async (): Promise<object | undefined> => {
      const text = await run("GET", `sio:session:${client.pid}`);
      return typeof text === "string" ? Object(decode(Buffer.from(text, "base64"))) : undefined;
    };
    const before = await sessionInRedis();
    /** Resolves when the unchanged session is in Redis again. The missed events are in the stream. */
    const keptAgain = async (): Promise<void> => {
      let kept: object | undefined;
      await eventually(async () => {
        kept = await sessionInRedis();
        return Reflect.get(kept ?? {}, "returns") === 1;
      });
      assert.deepEqual(kept, { ...before, returns: 1 });
    };
    /** Reconnects the client, and checks that it receives all missed events. */
    const recovers = async (): Promise<void> => {
      node.io.to("room").emit("event", 2);
      node.io.emit("end");
      const back = await client.comeBack(node.port);
      assert.equal(back.sid, client.sid);
      assert.deepEqual(await back.until("end"), [
        ["event", 1],
        ["event", 2],
      ]);
      assert.deepEqual(session(node, client.sid).data, { name: "Ada" });
    };
    return { redis, node, client, sessionInRedis, keptAgain, recovers };
  }

  test(
    "recovers on its next connection after disconnecting while middleware waited",
    LIMIT,
    async (context) => {
      const { node, client, sessionInRedis, keptAgain, recovers } = await away(context);
      const waits = keepWaiting(node);
      const back = await comesBack(node.port, client);
      await waits;
      assert.equal(await sessionInRedis(), undefined);
      back.socket.terminate();
      await keptAgain();
      await recovers();
    },
  );

  test(
    "recovers on its next connection after disconnecting while Redis was being queried",
    LIMIT,
    async (context) => {
      const { redis, node, client, keptAgain, recovers } = await away(context);
      await eventually(() => node.adapter.stats().pendingBytes === 0);
      redis.pause();
      const back = await comesBack(node.port, client);
      await eventually(() => node.adapter.stats().pendingBytes > 0);
      back.socket.terminate();
      await eventually(() => node.io.engine.clientsCount === 0);
      redis.resume();
      await keptAgain();
      await recovers();
    },
  );

  test("is sent all missed events again if it received none of them", LIMIT, async (context) => {
    const { a, b } = await start(context);
    const client = await ReturningClient.connect(a.port);
    await client.break(a);
    a.io.emit("event", 1);
    const back = await client.comeBack(b.port);
    assert.equal(back.sid, client.sid);
    await back.break(b);
    a.io.emit("event", 2);
    a.io.emit("end");
    const again = await back.comeBack(a.port);
    assert.equal(again.sid, client.sid);
    assert.deepEqual(await again.until("end"), [
      ["event", 1],
      ["event", 2],
    ]);
  });

  test(
    "recovers with a second attempt that starts before the first has failed",
    LIMIT,
    async (context) => {
      const { redis, node, client } = await away(context);
      const other = await ReturningClient.connect(node.port);
      node.io.to(other.sid).emit("event", 0);
      await other.next();
      await other.break(node);
      node.io.emit("event", 2);
      await eventually(() => node.adapter.stats().waiting === 0);
      // This server starts later, so it has to read the stream for each of the two clients.
      const later = await startStreamsNode(context, CLIENTS.redis(redis.url), QUIET, {
        skipMiddlewares: false,
      });
      const fence = later.io.of("/fence");
      const waits = keepWaiting(later);
      const first = await comesBack(later.port, client);
      await waits;
      const pending = (): number => later.adapter.stats().pendingBytes;
      await eventually(() => pending() === 0);
      // The server reads the stream for the other client, and Redis does not reply.
      redis.pause();
      const otherBack = other.comeBack(later.port);
      await eventually(() => pending() > 0);
      // The second connection of the first client waits for this read.
      const joined = heard(fence, "connection");
      const second = await comesBack(later.port, client);
      second.send("40/fence,");
      await joined;
      assert.match(`${await second.next()}`, /^40\/fence,/);
      // The first connection breaks before the client has joined, so the server writes the session back to Redis.
      const before = pending();
      first.socket.terminate();
      await eventually(() => pending() > before);
      redis.resume();
      const { sid } = JSON.parse(`${await second.next()}`.slice(2));
      assert.equal(sid, client.sid);
      assert.equal((await otherBack).sid, other.sid);
      const events = [await second.next(), await second.next()].map((text) =>
        JSON.parse(`${text}`.slice(2)),
      );
      assert.deepEqual(
        events.map(([name, number]) => [name, number]),
        [
          ["event", 1],
          ["event", 2],
        ],
      );
    },
  );
});
