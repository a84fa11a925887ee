// Tests the Redis adapter with a fake Redis client, so that the test decides when messages arrive.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { after, describe, test } from "node:test";

import { Emitter } from "../../../lib/adapters/emitter.ts";
import { createRedisAdapter, type IoRedisClient } from "../../../lib/adapters/redis.ts";
import { encodeBroadcast } from "../../../lib/adapters/redis-wire.ts";
import { BroadcastOperator, EVERYBODY } from "../../../lib/socketio/broadcast.ts";
import { Host } from "../../support/bus.ts";
import { Clock } from "../../support/clock.ts";
import { MemoryRedis } from "../../support/memory-redis.ts";
import { turn, until } from "../../support/net.ts";

// The adapter's timers do not keep the process alive, so this timer does.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

/** A fake ioredis client with the members that the adapter uses. */
class PretendedClient extends EventEmitter implements IoRedisClient {
  readonly status = "ready";
  /** The connections that duplicate() has created. */
  readonly opened: PretendedClient[] = [];
  readonly commands: (readonly unknown[])[] = [];
  /** The number of subscribers that PUBSUB NUMSUB returns for each channel. */
  counts: readonly number[] = [1, 1];
  /** The reply to PUBLISH. */
  publish: () => Promise<unknown> = async () => 1;
  psubscribed: () => void = () => {};
  subscribed: () => Promise<void> = async () => {};

  duplicate(): PretendedClient {
    const connection = new PretendedClient();
    connection.subscribed = this.subscribed;
    this.opened.push(connection);
    setImmediate(() => connection.emit("ready"));
    return connection;
  }

  async call(command: string, args: (string | Buffer | number)[]): Promise<unknown> {
    this.commands.push([command, ...args]);
    if (command === "PUBLISH") return this.publish();
    return this.counts.flatMap((count, index) => [`${args[index + 1]}`, count]);
  }

  async subscribe(...channels: string[]): Promise<void> {
    this.commands.push(["SUBSCRIBE", ...channels]);
    await this.subscribed();
  }

  async unsubscribe(...channels: string[]): Promise<void> {
    this.commands.push(["UNSUBSCRIBE", ...channels]);
  }

  psubscribe(): Promise<void> {
    return new Promise((resolve) => {
      this.psubscribed = resolve;
    });
  }

  async punsubscribe(): Promise<void> {}

  disconnect(): void {}
}

type Events = Record<string, (...args: unknown[]) => void>;

async function start(options: Parameters<typeof createRedisAdapter>[1] = {}) {
  const client = new PretendedClient();
  const factory = createRedisAdapter(client, options);
  const [publisher, subscriber] = client.opened;
  assert.ok(publisher && subscriber);
  await factory.ready;
  const host = new Host();
  const adapter = factory(host);
  host.use(adapter);
  await adapter.init();
  await host.add("a", ["room"]);
  const event = (number: number, rooms = ["room"]): Buffer =>
    Buffer.from(
      encodeBroadcast(
        "other",
        { type: 2, namespace: "/", data: ["event", number] },
        {
          ...EVERYBODY,
          rooms: new Set(rooms),
        },
      ),
    );
  return { adapter, host, publisher, subscriber, event };
}

const ROOM = Buffer.from("socket.io#/#room#");
const PATTERN = Buffer.from("socket.io#/#*");

describe("the Redis adapter", () => {
  test("delivers a message once if it arrives through both the old and the new subscription", async () => {
    const { adapter, host, publisher, subscriber, event } = await start({ heartbeatInterval: 10 });
    publisher.counts = [2, 1];
    await until(() => adapter.stats().subscribedToAll);
    // Redis has processed the subscription to the room and the subscription to the pattern, but its
    // reply to the latter has not arrived yet.
    subscriber.emit("messageBuffer", ROOM, event(1));
    for (const number of [2, 2, 3]) {
      subscriber.emit("messageBuffer", ROOM, event(number));
      subscriber.emit("pmessageBuffer", PATTERN, ROOM, event(number));
    }
    subscriber.psubscribed();
    await until(() => subscriber.commands.some(([name]) => name === "UNSUBSCRIBE"));
    await turn();
    subscriber.emit("pmessageBuffer", PATTERN, ROOM, event(4));
    subscriber.emit(
      "pmessageBuffer",
      PATTERN,
      Buffer.from("socket.io#/#other#"),
      event(5, ["other"]),
    );
    assert.deepEqual(
      host.received.map(([, , number]) => number),
      [1, 2, 2, 3, 4],
    );
    assert.equal(adapter.stats().skipped, 1);
    await adapter.close();
  });

  test("compares an event with one earlier event at most, however many were received", async (context) => {
    const { adapter, host, publisher, subscriber, event } = await start({ heartbeatInterval: 10 });
    publisher.counts = [2, 1];
    await until(() => adapter.stats().subscribedToAll);
    const { mock } = context.mock.method(Buffer, "compare");
    const before = 2_000;
    for (let number = 0; number < before; number++) {
      subscriber.emit("messageBuffer", ROOM, event(number));
    }
    for (let number = before; number < before + 200; number++) {
      subscriber.emit("messageBuffer", ROOM, event(number));
      subscriber.emit("pmessageBuffer", PATTERN, ROOM, event(number));
    }
    assert.deepEqual(
      host.received.map(([, , number]) => number),
      Array.from({ length: before + 200 }, (_, number) => number),
    );
    assert.equal(mock.callCount(), 200);
    await adapter.close();
  });

  test("remembers at most a thousand removed processes", async () => {
    const { adapter, subscriber } = await start({ heartbeatTimeout: 20 });
    for (let each = 0; each < 3_000; each++) {
      const hello = JSON.stringify({ uid: `stranger${each}`, type: "hello" });
      subscriber.emit("messageBuffer", Buffer.from("socket.io-barewire#/#"), Buffer.from(hello));
    }
    await until(() => adapter.stats().removedNodes === 3_000);
    const lost: unknown = Reflect.get(adapter, "lost");
    assert.ok(lost instanceof Set && lost.size === 1_000, String(lost));
    await adapter.close();
  });

  test("emitWithAck() without a timeout waits one minute on every process", async (context) => {
    const redis = new MemoryRedis();
    const join = async (name: string) => {
      const host = new Host();
      const adapter = createRedisAdapter(redis.client(), { heartbeatTimeout: 120_000 })(host);
      host.use(adapter);
      await adapter.init();
      await host.add(name);
      return { host, adapter };
    };
    const [a, b] = [await join("a"), await join("b")];
    await until(() => [a, b].every(({ adapter }) => adapter.stats().nodes.length === 1));
    const clock = new Clock(context);
    const asked = new BroadcastOperator<Events>(a.adapter, EVERYBODY).emitWithAck("ask");
    asked.catch(() => {});
    await until(() => [a, b].every(({ host }) => host.awaited.size === 1));
    for (const acknowledge of a.host.awaited.values()) acknowledge(null, [1]);
    for (let turns = 0; turns < 10; turns++) await turn();
    clock.tick(59_999);
    assert.equal(a.adapter.stats().pendingRequests, 1);
    assert.equal(b.host.awaited.size, 1);
    clock.tick(1);
    await assert.rejects(asked, { code: "ERR_ACK_TIMEOUT", responses: [1] });
    assert.equal(a.adapter.stats().pendingRequests, 0);
    assert.equal(b.host.awaited.size, 0);
    await Promise.all([a.adapter.close(), b.adapter.close()]);
  });

  test("fetchSockets() reports the known processes as missing if Redis does not answer in time", async () => {
    const { adapter, publisher, subscriber } = await start({ requestTimeout: 50 });
    const hello = JSON.stringify({ uid: "other", type: "hello" });
    subscriber.emit("messageBuffer", Buffer.from("socket.io-barewire#/#"), Buffer.from(hello));
    publisher.publish = () => new Promise(() => {});
    const sockets = await adapter.fetchSockets(EVERYBODY);
    assert.deepEqual([sockets.length, sockets.missing], [1, ["other"]]);
    await adapter.close();
  });

  test('fetchSockets() of an emitter reports "unknown" as missing if Redis does not answer in time', async () => {
    const client = new PretendedClient();
    client.subscribed = () => new Promise(() => {});
    const emitter = new Emitter(client, { requestTimeout: 50 });
    assert.deepEqual((await emitter.fetchSockets()).missing, ["unknown"]);
    emitter.close();
  });

  test("counts invalid messages, and delivers later messages", async () => {
    const { adapter, host, subscriber, event } = await start();
    const noise = Buffer.from([0xc1]);
    for (const channel of ["socket.io#/#", "socket.io-request#/#", "socket.io-barewire#/#"]) {
      subscriber.emit("messageBuffer", Buffer.from(channel), noise);
    }
    subscriber.emit("messageBuffer", Buffer.from("socket.io-response#/#"), noise);
    subscriber.emit("messageBuffer", Buffer.from("unknown"), noise);
    const valid = event(1);
    // Make the packet in this message invalid. The broadcast options in the message stay valid.
    valid[valid.indexOf("type")] = 0x78;
    subscriber.emit("messageBuffer", ROOM, valid);
    assert.equal(adapter.stats().invalid, 4);
    subscriber.emit("messageBuffer", ROOM, event(2));
    assert.deepEqual(host.received, [["a", "event", 2]]);
    await adapter.close();
  });

  test("reports rejected Redis commands once, and again after a command has succeeded", async () => {
    const errors: Error[] = [];
    const { adapter, publisher } = await start({ onError: (error) => errors.push(error) });
    const events: Error[] = [];
    adapter.on("error", (error) => events.push(error));
    publisher.publish = () => Promise.reject(new Error("NOPERM"));
    const packet = { type: 2, namespace: "/", data: ["event"] } as const;
    for (let each = 0; each < 3; each++) adapter.broadcast(packet, EVERYBODY);
    await until(() => adapter.stats().dropped === 3);
    assert.equal(Reflect.get(errors[0] ?? {}, "code"), "ERR_REDIS_COMMAND");
    publisher.publish = async () => 1;
    adapter.broadcast(packet, EVERYBODY);
    await until(() => adapter.stats().pendingBytes === 0);
    publisher.publish = () => Promise.reject("NOPERM");
    adapter.broadcast(packet, EVERYBODY);
    await until(() => errors.length === 2);
    assert.deepEqual(events, errors);
    await adapter.close();
  });

  test("answers the requests of processes with @socket.io/redis-adapter", async () => {
    const { adapter, publisher, subscriber } = await start();
    const ask = (request: object): void => {
      const text = JSON.stringify({ uid: "other", requestId: "r", ...request });
      subscriber.emit("messageBuffer", Buffer.from("socket.io-request#/#"), Buffer.from(text));
    };
    publisher.commands.length = 0;
    ask({ type: 0, rooms: ["room"] });
    ask({ type: 1 });
    const answers = publisher.commands.map(([, channel, bytes]) => [
      channel,
      JSON.parse(String(bytes)),
    ]);
    const channel = "socket.io-response#/#other#";
    const uid = adapter.id;
    assert.deepEqual(answers, [
      [channel, { requestId: "r", sockets: ["a"], uid }],
      [channel, { requestId: "r", rooms: ["a", "room"], uid }],
    ]);
    // The adapter answers neither a request without a sender nor a request of its own.
    ask({ uid: undefined, type: 0 });
    ask({ uid: undefined, type: 1 });
    ask({ uid, type: 1 });
    assert.equal(publisher.commands.length, 2);
    await adapter.close();
  });

  test("reports a response that cannot be encoded", async () => {
    const errors: Error[] = [];
    const { adapter, host, subscriber } = await start({ onError: (error) => errors.push(error) });
    host.onEvent = ([, answer]) => typeof answer === "function" && answer(1n);
    const text = JSON.stringify({ uid: "other", requestId: "r", type: 6, data: ["ask"] });
    subscriber.emit("messageBuffer", Buffer.from("socket.io-request#/#"), Buffer.from(text));
    assert.match(
      errors[0]?.message ?? "",
      /an answer of the type server-side-answer cannot be encoded/,
    );
    await adapter.close();
    await adapter.close();
  });
});
