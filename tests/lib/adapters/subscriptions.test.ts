// Tests subscriptions to channels: changes are collected in one command, at most one command is pending, and add()
// resolves even if Redis does not reply.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createRedisAdapter } from "../../../lib/adapters/redis.ts";
import { Subscriptions } from "../../../lib/adapters/subscriptions.ts";
import { turn, until } from "../../support/net.ts";

interface Command {
  readonly name: string;
  readonly channels: readonly string[];
  done(error?: Error): Promise<void>;
}

function start(timeout = 60_000): { subscriptions: Subscriptions<string>; sent: Command[] } {
  const sent: Command[] = [];
  const command = (name: string, channels: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = async (error?: Error): Promise<void> => {
        if (error === undefined) resolve();
        else reject(error);
        await turn();
      };
      sent.push({ name, channels, done });
    });
  const subscriptions = new Subscriptions<string>(
    {
      subscribe: (channels) => command("subscribe", channels),
      unsubscribe: (channels) => command("unsubscribe", channels),
    },
    timeout,
  );
  return { subscriptions, sent };
}

describe("subscriptions to Redis channels", () => {
  test("send the changes of one turn of the event loop together, and later changes after the pending command", async () => {
    const { subscriptions, sent } = start();
    const a = subscriptions.add("a", "A");
    void subscriptions.add("b", "B");
    void subscriptions.add("c", "C");
    subscriptions.delete("c");
    await turn();
    assert.deepEqual(sent[0]?.channels, ["a", "b"]);
    void subscriptions.add("d", "D");
    subscriptions.delete("b");
    await turn();
    assert.equal(sent.length, 1);
    assert.equal(subscriptions.size, 2);
    assert.equal(subscriptions.listenerOf("d"), "D");
    await sent[0]?.done();
    await a;
    assert.deepEqual(
      sent.slice(1).map(({ name, channels }) => [name, ...channels]),
      [
        ["subscribe", "d"],
        ["unsubscribe", "b"],
      ],
    );
    const idle = subscriptions.idle();
    for (const each of sent.slice(1)) await each.done();
    await idle;
    assert.equal(subscriptions.add("a", "A"), undefined);
    assert.equal(subscriptions.settled, undefined);
    await subscriptions.idle();
  });

  test("retry() sends failed commands again", async () => {
    const { subscriptions, sent } = start();
    const added = subscriptions.add("a", "A");
    const again = subscriptions.add("a", "A2");
    assert.equal(added, again);
    await turn();
    await sent[0]?.done(new Error("away"));
    void subscriptions.add("b", "B");
    await turn();
    assert.equal(sent.length, 1);
    await subscriptions.idle();
    subscriptions.retry();
    assert.deepEqual(sent[1]?.channels, ["a", "b"]);
    await sent[1]?.done();
    await added;
    subscriptions.delete("a");
    subscriptions.delete("a");
    await turn();
    await sent[2]?.done(new Error("away"));
    subscriptions.retry();
    assert.deepEqual(sent[3]?.channels, ["a"]);
  });

  test("add() resolves after release() or after the timeout, even without a reply of Redis", async () => {
    const { subscriptions } = start();
    const added = subscriptions.add("a", "A");
    const settled = subscriptions.settled;
    subscriptions.release();
    await added;
    await settled;

    const slow = start(20);
    const waiting = slow.subscriptions.add("a", "A");
    let ended = false;
    void waiting?.then(() => {
      ended = true;
    });
    await until(() => ended);
  });

  test("subscribe to at most a thousand channels with one command", async () => {
    const { subscriptions, sent } = start();
    for (let each = 0; each < 1_500; each++) void subscriptions.add(`${each}`, "");
    await turn();
    assert.equal(sent[0]?.channels.length, 1_000);
    await sent[0]?.done();
    assert.equal(sent[1]?.channels.length, 500);
  });
});

describe("createRedisAdapter()", () => {
  test("throws for an unsupported client and for invalid options", () => {
    const create = (client: object, options = {}): unknown =>
      Reflect.apply(createRedisAdapter, undefined, [client, options]);
    assert.throws(() => create({}), {
      code: "ERR_INVALID_ARG_TYPE",
      message: /"redis" or "ioredis"/,
    });
    assert.throws(() => create({ isCluster: true }), { message: /Redis Cluster/ });
    assert.throws(() => create({ masters: [] }), { message: /Redis Cluster/ });
    const client = { duplicate: () => assert.fail(), psubscribe: () => {} };
    assert.throws(() => create(client, { key: "x" }), { message: /unknown option "key"/ });
    assert.throws(() => create(client, { subscribe: "x" }), { code: "ERR_OUT_OF_RANGE" });
    assert.throws(() => create(client, { heartbeatTimeout: 0 }), { code: "ERR_OUT_OF_RANGE" });
  });
});
