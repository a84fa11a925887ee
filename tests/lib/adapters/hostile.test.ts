// Publishes forged messages on the Redis that two servers share, as an attacker with access to Redis could.

import assert from "node:assert/strict";
import { after, describe, type TestContext, test } from "node:test";

import type { MissingNodesError } from "../../../lib/adapters/redis.ts";
import { encode } from "../../../protocol/socketio/messagepack.ts";
import { MemoryRedis } from "../../support/memory-redis.ts";
import { turn, until } from "../../support/net.ts";
import { type RedisNode, startRedisNode } from "../../support/redis-nodes.ts";

// The adapter's timers do not keep the process alive, so this timer does.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

const REQUESTS = "socket.io-request#/#";

/** Starts two servers that know each other, and a Redis for forged messages. */
async function start(context: TestContext) {
  const redis = new MemoryRedis();
  const options = { heartbeatInterval: 60_000, heartbeatTimeout: 120_000, requestTimeout: 60_000 };
  const a = await startRedisNode(context, redis.client(), options);
  const b = await startRedisNode(context, redis.client(), options);
  await until(() => [a, b].every(({ adapter }) => adapter.stats().nodes.length === 1));
  return { redis, a, b };
}

/** Resolves to the id of the last request that a server has published. */
async function requestOf(redis: MemoryRedis, from: RedisNode, before = 0): Promise<string> {
  const sent = (): string[] =>
    redis.published
      .slice(before)
      .flatMap(({ channel, message }) => (channel === REQUESTS ? [message] : []));
  await until(() => sent().length > 0);
  const start = sent().at(-1)?.indexOf(`${from.adapter.id}`) ?? -1;
  const text = sent().at(-1) ?? "";
  // The message contains the server's id, and then the request's id, which begins with the server's id.
  const id = /[\w-]+/.exec(text.slice(text.indexOf(from.adapter.id, start + 1)))?.[0];
  return id ?? assert.fail(text);
}

function answer(redis: MemoryRedis, to: RedisNode, fields: object): void {
  const channel = `socket.io-response#/#${to.adapter.id}#`;
  void redis.publish(channel, JSON.stringify(fields));
}

/** Waits until all messages that were published earlier have arrived. */
async function arrive(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn();
}

/** Reads the messages to a client until the event "ask", and acknowledges this event with `value`. */
async function acknowledge({ client }: RedisNode, value: unknown): Promise<void> {
  for (;;) {
    const id = /^42(\d+)\["ask"/.exec(`${await client.next()}`)?.[1];
    if (id === undefined) continue;
    client.send(`43${id}${JSON.stringify([value])}`);
    return;
  }
}

describe("a forged response", () => {
  for (const clientCount of [2 ** 24, Number.MAX_SAFE_INTEGER, -1, 0.5, "9", null]) {
    test(`with a client count of ${clientCount} does not delay closing the server`, async (context) => {
      const { redis, a, b } = await start(context);
      const asked = a.io.emitWithAck("ask");
      const requestId = await requestOf(redis, a);
      // The forged message arrives before the server's own message.
      answer(redis, a, { type: 8, requestId, clientCount, uid: b.adapter.id });
      await acknowledge(a, 1);
      await arrive();
      const closed = b.io.close();
      await assert.rejects(asked, { code: "ERR_DISCONNECTED", responses: [1] });
      await closed;
    });
  }

  test("of an unknown server, or without a server id, is ignored, and no server is removed", async (context) => {
    const { redis, a, b } = await start(context);
    const fetched = a.io.fetchSockets();
    const requestId = await requestOf(redis, a);
    const handshake = { headers: {} };
    for (const uid of ["nobody", "nobody", "another", undefined, undefined]) {
      const sockets = [{ id: `forged ${uid}`, handshake, rooms: [], data: {} }];
      answer(redis, a, { requestId, sockets, uid });
    }
    const sockets = await fetched;
    assert.deepEqual(sockets.map(({ id }) => id).toSorted(), [a.socket.id, b.socket.id].toSorted());
    assert.deepEqual(sockets.missing, []);
    assert.deepEqual(a.adapter.stats().nodes, [b.adapter.id]);
    assert.equal(a.adapter.stats().removedNodes, 0);
  });

  test("in the name of one server, even if repeated, does not replace the response of another server", async (context) => {
    const { redis, a, b } = await start(context);
    const c = await startRedisNode(context, redis.client(), { requestTimeout: 60_000 });
    await until(() => [a, b, c].every(({ adapter }) => adapter.stats().nodes.length === 2));
    let answerOfC: ((value: string) => void) | undefined;
    b.io.on("ask", (reply: (value: string) => void) => reply("b"));
    c.io.on("ask", (reply: (value: string) => void) => {
      answerOfC = reply;
    });
    const before = redis.published.length;
    const asked = a.io.serverSideEmitWithAck("ask");
    const requestId = await requestOf(redis, a, before);
    const uid = b.adapter.id;
    for (let each = 0; each < 3; each++)
      answer(redis, a, { type: 6, requestId, data: "again", uid });
    await until(() => answerOfC !== undefined);
    await arrive();
    assert.equal(a.adapter.stats().removedNodes, 0);
    answerOfC?.("c");
    const answers = await asked;
    assert.equal(answers.length, 2);
    assert.ok(answers.includes("c"));
    assert.equal(a.adapter.stats().nodes.length, 2);
  });

  test("does not count as an acknowledgement of a client", async (context) => {
    const { redis, a, b } = await start(context);
    const asked = a.io.timeout(60_000).emitWithAck("ask");
    const requestId = await requestOf(redis, a);
    const channel = `socket.io-response#/#${a.adapter.id}#`;
    for (const uid of ["nobody", undefined, b.adapter.id, b.adapter.id]) {
      void redis.publish(
        channel,
        Buffer.from(encode({ type: 9, requestId, packet: "forged", uid })),
      );
    }
    answer(redis, a, { type: 8, requestId, clientCount: 5, uid: "nobody" });
    await arrive();
    await Promise.all([acknowledge(a, "a"), acknowledge(b, "b")]);
    const answers = await asked;
    assert.equal(answers.length, 2);
  });

  test("does not complete a request that the other server never answers", async (context) => {
    const redis = new MemoryRedis();
    const a = await startRedisNode(context, redis.client(), { requestTimeout: 100 });
    const b = await startRedisNode(context, redis.client());
    await until(() => a.adapter.stats().nodes.length === 1);
    const before = redis.published.length;
    const asked = a.io.serverSideEmitWithAck("nobody listens");
    const requestId = await requestOf(redis, a, before);
    answer(redis, a, { type: 6, requestId, data: 1, uid: "nobody" });
    await assert.rejects(asked, (error: MissingNodesError) => {
      assert.deepEqual(error.missing, [b.adapter.id]);
      return true;
    });
    assert.deepEqual(a.adapter.stats().nodes, [b.adapter.id]);
  });
});

const BROADCASTS = "socket.io#/#";
const MEMBERSHIP = "socket.io-barewire#/#";
const EVERYBODY = { rooms: [], except: [], flags: {} };

/** Returns nested arrays as JSON. */
const deep = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const many = (length: number): number[] => Array.from({ length }, () => 1);

describe("a forged message", () => {
  for (const [what, channel, message] of [
    ["a request that is nested too deeply", REQUESTS, request(`["event",${deep(100_000)}]`)],
    ["a request that is nested one level too deeply", REQUESTS, request(`["event",${deep(999)}]`)],
    ["a request with too many arguments", REQUESTS, request(`["event"${",1".repeat(200_000)}]`)],
    ["invalid JSON", REQUESTS, '{"uid":"stranger",'],
    ["a heartbeat that is nested too deeply", MEMBERSHIP, `{"uid":${deep(100_000)}}`],
    ["a broadcast that is nested too deeply", BROADCASTS, Buffer.alloc(100_000, 0x91)],
    ["an event that is nested too deeply", BROADCASTS, broadcastOf(nested(1000))],
    ["an event with too many arguments", BROADCASTS, broadcast(["event", ...many(20_001)])],
    ["a reserved event", BROADCASTS, broadcast(["connect_error", 1])],
    ["a reserved event with acknowledgements", REQUESTS, withAck(["disconnect"])],
  ] as const) {
    test(`is counted as invalid and not delivered: ${what}`, async (context) => {
      const { redis, a } = await start(context);
      const events: unknown[] = [];
      a.io.on("event", (...args: unknown[]) => events.push(args));
      void redis.publish(channel, message);
      await arrive();
      assert.equal(a.adapter.stats().invalid, 1);
      assert.deepEqual(events, []);
      assert.deepEqual(a.errors, []);
      a.io.local.emit("own", 1);
      assert.deepEqual(await a.next("own"), [1]);
    });
  }

  test("is delivered if its depth or its number of arguments is exactly at the limit", async (context) => {
    const { redis, a } = await start(context);
    const heard = new Promise<unknown[]>((resolve) =>
      a.io.on("event", (...args: unknown[]) => resolve(args)),
    );
    void redis.publish(REQUESTS, request(`["event",${deep(998)}]`));
    // The last argument is the acknowledgement callback, which JSON turns into null.
    assert.equal(JSON.stringify(await heard), `[${deep(998)},null]`);
    void redis.publish(BROADCASTS, broadcastOf(nested(999)));
    assert.equal(JSON.stringify(await a.next("deep")), `[${deep(999)}]`);
    void redis.publish(BROADCASTS, broadcast(["many", ...many(19_999)]));
    assert.equal((await a.next("many")).length, 19_999);
    assert.equal(a.adapter.stats().invalid, 0);
  });

  test("that cannot be encoded for clients is reported as an error, and nothing is thrown", async (context) => {
    const { redis, a, b } = await start(context);
    const number = 2n ** 60n + 1n;
    void redis.publish(BROADCASTS, broadcast(["event", number]));
    void redis.publish(REQUESTS, withAck(["event", number]));
    await until(() => a.errors.length === 2);
    for (const error of a.errors) assert.match(String(error), /BigInt/);
    a.io.emit("event", 1);
    assert.deepEqual(await b.next("event"), [1]);
  });

  test("is ignored if it is a response that is nested too deeply", async (context) => {
    const { redis, a, b } = await start(context);
    b.io.on("ask", (reply: (value: string) => void) => reply("b"));
    const before = redis.published.length;
    const asked = a.io.serverSideEmitWithAck("ask");
    const requestId = await requestOf(redis, a, before);
    const channel = `socket.io-response#/#${a.adapter.id}#`;
    const fields = `"requestId":"${requestId}","uid":"${b.adapter.id}"`;
    void redis.publish(channel, `{"type":6,${fields},"data":${deep(100_000)}}`);
    assert.deepEqual(await asked, ["b"]);
  });
});

function request(data: string): string {
  return `{"uid":"stranger","requestId":"r","type":6,"data":${data}}`;
}

function broadcast(data: unknown[]): Buffer {
  return broadcastOf(Buffer.from(encode(data)));
}

/** Builds a broadcast with encoded data, which may be data that encode() rejects. */
function broadcastOf(data: Buffer): Buffer {
  const packet = [0x83, ...encode("type"), 2, ...encode("nsp"), ...encode("/"), ...encode("data")];
  const before = Buffer.from([0x93, ...encode("stranger"), ...packet]);
  return Buffer.concat([before, data, encode(EVERYBODY)]);
}

/** Returns an event with nested arrays as MessagePack. */
function nested(depth: number): Buffer {
  return Buffer.concat([
    Buffer.from([0x92, ...encode("deep")]),
    Buffer.alloc(depth - 1, 0x91),
    Buffer.from([0x90]),
  ]);
}

function withAck(data: unknown[]): Buffer {
  const packet = { type: 2, nsp: "/", data };
  return Buffer.from(encode({ uid: "stranger", requestId: "r", type: 7, packet, opts: EVERYBODY }));
}
