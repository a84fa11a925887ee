// Runs barewire servers and Python servers in one cluster over a real Redis. Debian's version of Flask-SocketIO sends
// pickles. To test another version, add its sources to PYTHONPATH. tests/programs/python_host.py uses the format of
// newer versions.

import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";

import { Redis } from "ioredis";
import { createClient } from "redis";

import { createPythonAdapter, type PythonAdapterOptions } from "../../../lib/adapters/python.ts";
import type { Server } from "../../../server.ts";
import { connectTo } from "../../support/client.ts";
import type { Cleanup } from "../../support/installed.ts";
import { serve, until } from "../../support/net.ts";
import {
  Mailbox,
  noModules,
  type Peer,
  type Publisher,
  type Speaks,
  startFlask,
  startFlaskWriter,
  startPythonHost,
} from "../../support/python-peers.ts";
import { noRedis, startRedis } from "../../support/redis.ts";

const CHANNEL = "flask-socketio";

type Clients = Pick<PythonAdapterOptions, "publisher" | "subscriber">;

/** Connects the two Redis clients with which a server publishes and subscribes. */
type ConnectClients = (context: TestContext, url: string) => Promise<Clients>;

const connectNodeRedis: ConnectClients = async (context, url) => {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) {
    client.on("error", () => {});
    await client.connect();
    context.after(() => client.destroy());
  }
  return { publisher, subscriber };
};

const connectIoredis: ConnectClients = async (context, url) => {
  const clients = { publisher: new Redis(url), subscriber: new Redis(url) };
  for (const client of Object.values(clients)) {
    client.on("error", () => {});
    context.after(() => client.disconnect());
  }
  return clients;
};

/** Resolves when exactly this many servers are subscribed to the channel. */
async function subscribed(url: string, hosts: number): Promise<void> {
  const client = new Redis(url);
  try {
    for (let found = -1; found !== hosts; ) {
      const [, count] = await client.pubsub("NUMSUB", CHANNEL);
      found = Number(count);
    }
  } finally {
    client.disconnect();
  }
}

interface Ours {
  readonly io: Server;
  /** Connects a client that acknowledges "ask" with "acked" and the first argument. */
  connect(namespace?: string): Promise<OurClient>;
}

interface OurClient {
  readonly id: string;
  readonly disconnected: Promise<unknown>;
  receivedBefore(): Promise<unknown[]>;
}

/** Starts a barewire server. */
async function startOurs(
  context: TestContext,
  url: string,
  { dialect, pickle }: Speaks,
  connectClients: ConnectClients,
): Promise<Ours & { readonly errors: Error[] }> {
  const errors: Error[] = [];
  const adapter = createPythonAdapter({
    ...(await connectClients(context, url)),
    channel: CHANNEL,
    dialect,
    pickle,
    onError: (error) => errors.push(error),
  });
  const { io, url: address } = await serve(context, { adapter });
  for (const namespace of [io.sockets, io.of("/chat")]) {
    namespace.on("connection", (socket) => void socket.join("ours"));
  }
  await adapter.ready;
  return {
    io,
    errors,
    connect: async (namespace = "/") => {
      const client = connectTo(context, address + namespace, { transports: ["websocket"] });
      const mailbox = new Mailbox();
      client.onAny((event: string, ...args: unknown[]) =>
        mailbox.add(
          event,
          args.filter((each) => typeof each !== "function"),
        ),
      );
      client.on("ask", (question: unknown, answer?: (...args: unknown[]) => void) =>
        answer?.("acked", question),
      );
      const disconnected = new Promise((resolve) => client.once("disconnect", resolve));
      await new Promise((resolve) => client.once("connect", () => resolve(undefined)));
      assert.ok(client.id !== undefined);
      return { id: client.id, disconnected, receivedBefore: () => mailbox.receivedBefore() };
    },
  };
}

interface Cluster {
  readonly ours: Ours;
  readonly theirs: Peer;
  /** The processes that publish for the Python server: the server itself, or a write-only process. */
  readonly publishers: readonly Publisher[];
  readonly errors: readonly Error[];
}

type StartCluster = (context: TestContext) => Promise<Cluster>;

const NAMESPACES = ["/", "/chat"];

/** Declares the tests that apply to every kind of Python server. */
function scenario(start: StartCluster): void {
  test("events reach the clients of the other server, in both directions", async (context) => {
    const { ours, theirs, publishers, errors } = await start(context);
    const { dialect, pickle } = theirs.speaks;
    const several = dialect === "args-list";
    for (const namespace of NAMESPACES) {
      const [mine, alsoMine] = [await ours.connect(namespace), await ours.connect(namespace)];
      const [yours, alsoYours] = [await theirs.connect(namespace), await theirs.connect(namespace)];
      const bytes = { b: Buffer.of(0, 255), x: [Buffer.from("q")] };

      for (const publisher of publishers) {
        const emit = (event: string, args: unknown[], rest: object = {}): Promise<unknown> =>
          publisher.run("emit", { event, args, namespace, ...rest });
        await emit("all", [{ a: 1, é: "日😀" }]);
        await emit("list", [[1, 2]]);
        await emit("nothing", []);
        await emit("several", ["a", 2, [3]]);
        await emit("bytes", [bytes]);
        await emit("room", [1], { to: "ours" });
        await emit("sid", [1], { to: mine.id });
        await emit("sids", [1], { to: [mine.id, yours.sid, "nobody"] });
        await emit("skipped", [1], { skip_sid: mine.id });
        await emit("both skipped", [1], { skip_sid: [mine.id, alsoMine.id] });
        await emit("fence", []);
        const everybody = [
          ["all", { a: 1, é: "日😀" }],
          ["list", [1, 2]],
          ["nothing"],
          several || pickle ? ["several", "a", 2, [3]] : ["several", ["a", 2, [3]]],
          ["bytes", bytes],
        ];
        const named = [
          ["room", 1],
          ["sid", 1],
          ["sids", 1],
        ];
        assert.deepEqual(await mine.receivedBefore(), [...everybody, ...named]);
        const skipped = [
          ["room", 1],
          ["skipped", 1],
        ];
        assert.deepEqual(await alsoMine.receivedBefore(), [...everybody, ...skipped]);
        await yours.receivedBefore();
        await alsoYours.receivedBefore();
      }

      const io = ours.io.of(namespace);
      io.emit("all", { a: 1, é: "日😀" });
      io.emit("list", [1, 2]);
      io.emit("nothing");
      if (several) io.emit("several", "a", 2, [3]);
      if (several || !pickle) io.emit("bytes", bytes);
      io.to(yours.sid).emit("sid", 1);
      io.to([mine.id, yours.sid, "nobody"]).emit("sids", 1);
      io.except(yours.sid).emit("skipped", 1);
      io.except([yours.sid, alsoYours.sid]).emit("both skipped", 1);
      io.local.emit("local", 1);
      io.emit("fence");
      const everybody = [
        ["all", { a: 1, é: "日😀" }],
        ["list", [1, 2]],
        ["nothing"],
        ...(several ? [["several", "a", 2, [3]]] : []),
        ...(several || !pickle ? [["bytes", bytes]] : []),
      ];
      assert.deepEqual(await yours.receivedBefore(), [...everybody, ["sid", 1], ["sids", 1]]);
      assert.deepEqual(await alsoYours.receivedBefore(), [...everybody, ["skipped", 1]]);
    }
    assert.deepEqual(errors, []);
  });

  test("clients of the other server acknowledge events, in both directions", async (context) => {
    const { ours, theirs, errors } = await start(context);
    for (const namespace of NAMESPACES) {
      const [mine, yours] = [await ours.connect(namespace), await theirs.connect(namespace)];
      const answer = await theirs.run("call", { event: "ask", args: [7], to: mine.id, namespace });
      assert.deepEqual(answer, ["acked", 7]);
      const io = ours.io.of(namespace);
      assert.deepEqual(await io.to(yours.sid).timeout(60_000).emitWithAck("ask", 8), ["acked"]);
    }
    assert.deepEqual(errors, []);
  });

  test("rooms are closed and clients are disconnected on the other server, in both directions", async (context) => {
    const { ours, theirs, publishers, errors } = await start(context);
    for (const namespace of NAMESPACES) {
      const io = ours.io.of(namespace);
      for (const publisher of publishers) {
        const [mine, alsoMine] = [await ours.connect(namespace), await ours.connect(namespace)];
        const { rooms } = io.adapter;
        assert.equal(rooms.get("ours")?.size, 2);
        await publisher.run("close_room", { room: "ours", namespace });
        await until(() => !rooms.has("ours"));
        await publisher.run("disconnect", { sid: mine.id, namespace });
        await mine.disconnected;
        assert.equal(io.sockets.has(alsoMine.id), true);
        await publisher.run("disconnect", { sid: alsoMine.id, namespace });
        await alsoMine.disconnected;
      }
      const [yours, alsoYours] = [await theirs.connect(namespace), await theirs.connect(namespace)];
      io.in(yours.sid).disconnectSockets();
      await yours.disconnected;
      io.emit("still there");
      io.emit("fence");
      assert.deepEqual(await alsoYours.receivedBefore(), [["still there"]]);
    }
    assert.deepEqual(errors, []);
  });

  test("clients of the other server join and leave rooms, if the other server's version supports this", async (context) => {
    const { ours, theirs, errors } = await start(context);
    const [mine, yours] = [await ours.connect(), await theirs.connect()];
    const { rooms } = ours.io.sockets.adapter;
    if (theirs.speaks.entersRooms) {
      await theirs.run("enter_room", { sid: mine.id, room: "new" });
      await until(() => rooms.get("new")?.has(mine.id) === true);
      await theirs.run("leave_room", { sid: mine.id, room: "new" });
      await until(() => !rooms.has("new"));
    }
    ours.io.in(yours.sid).socketsJoin(["one", "two"]);
    ours.io.to("one").emit("to one");
    ours.io.in(yours.sid).socketsLeave("one");
    ours.io.to("one").emit("to one again");
    ours.io.to(["one", "two"]).emit("to both");
    ours.io.closeRoom("two");
    ours.io.to("two").emit("to two");
    ours.io.emit("fence");
    const reached = theirs.speaks.entersRooms ? [["to one"], ["to both"]] : [];
    assert.deepEqual(await yours.receivedBefore(), reached);
    assert.deepEqual(errors, []);
  });
}

/** Declares the tests of scenario(). All tests share one Redis and one Python server. */
function scenarioWith(
  startPeer: typeof startFlask,
  connectClients: ConnectClients,
  hasWriter: boolean,
): void {
  const cleanups: (() => unknown)[] = [];
  const suite: Cleanup = { after: (clean) => cleanups.unshift(clean) };
  let url = "";
  let theirs: Peer;
  let writers: Publisher[] = [];
  before(async () => {
    ({ url } = await startRedis(suite));
    theirs = await startPeer(suite, url, CHANNEL);
    if (hasWriter) writers = [await startFlaskWriter(suite, url, CHANNEL)];
  });
  after(async () => {
    for (const clean of cleanups) await clean();
  });
  scenario(async (context) => {
    // Wait until the server of the previous test has unsubscribed.
    await subscribed(url, 1);
    const ours = await startOurs(context, url, theirs.speaks, connectClients);
    await subscribed(url, 2);
    return { ours, theirs, publishers: [theirs, ...writers], errors: ours.errors };
  });
}

const noFlask = noModules(
  "flask_socketio, redis, eventlet",
  "python3-flask-socketio python3-redis python3-eventlet",
);
const noPythonRedis = noModules("redis", "python3-redis");

describe("barewire and Flask-SocketIO, with the Redis client redis", {
  skip: noRedis || noFlask,
}, () => {
  scenarioWith(startFlask, connectNodeRedis, true);
});

describe("barewire and a Python server with the newest message format, with the Redis client ioredis", {
  skip: noRedis || noPythonRedis,
}, () => {
  scenarioWith(startPythonHost, connectIoredis, false);
});

describe("the Python adapter during failures of Redis", { skip: noRedis }, () => {
  const NEWEST: Speaks = { dialect: "args-list", pickle: false, entersRooms: true };
  const CLIENTS = { redis: connectNodeRedis, ioredis: connectIoredis };

  for (const [name, connectClients] of Object.entries(CLIENTS)) {
    test(`${name}: events reach local clients while Redis is stopped, and all clients afterwards`, async (context) => {
      const redis = await startRedis(context);
      const a = await startOurs(context, redis.url, NEWEST, connectClients);
      const b = await startOurs(context, redis.url, NEWEST, connectClients);
      const [here, there] = [await a.connect(), await b.connect()];
      await redis.stop();
      a.io.emit("away");
      a.io.emit("fence");
      assert.deepEqual(await here.receivedBefore(), [["away"]]);
      await redis.restart();
      await subscribed(redis.url, 2);
      for (const [from, to, client] of [
        [a, b, there],
        [b, a, here],
      ] as const) {
        from.io.to("ours").emit("back", 1);
        to.io.local.emit("local");
        // `from` first publishes the events that it stored while Redis was stopped, including a "fence". `client` may
        // receive these events before the event `back`.
        const back = `back from ${from === a ? "a" : "b"}`;
        from.io.emit(back);
        from.io.emit("fence");
        let received: unknown[] = [];
        while (!received.some((each) => Array.isArray(each) && each[0] === back)) {
          received = received.concat(await client.receivedBefore());
        }
        assert.ok(received.some((each) => Array.isArray(each) && each[0] === "back"));
      }
    });

    test(`${name}: events reach local clients while Redis is paused, and waiting messages are limited`, async (context) => {
      const redis = await startRedis(context);
      const errors: Error[] = [];
      const adapter = createPythonAdapter({
        ...(await connectClients(context, redis.url)),
        channel: CHANNEL,
        maxBackpressure: 100_000,
        onError: (error) => errors.push(error),
      });
      const { io, url: address } = await serve(context, { adapter });
      await adapter.ready;
      const client = connectTo(context, address, { transports: ["websocket"] });
      const mailbox = new Mailbox();
      client.onAny((event: string) => mailbox.add(event, []));
      await new Promise((resolve) => client.once("connect", () => resolve(undefined)));
      redis.pause();
      for (let i = 0; i < 100; i++) io.emit("large", "x".repeat(10_000));
      io.emit("fence");
      assert.equal((await mailbox.receivedBefore()).length, 100);
      assert.equal(errors.length, 1);
      assert.match(errors[0]?.message ?? "", /lost: \d+ bytes wait for Redis/);
      redis.resume();
      const other = new Redis(redis.url);
      context.after(() => other.disconnect());
      const heard = new Promise((resolve) =>
        other.on("message", (_channel, message) => resolve(message)),
      );
      await other.subscribe(CHANNEL);
      io.emit("again");
      await heard;
      redis.pause();
      await io.close();
      redis.resume();
    });
  }

  // This test has no counterpart for node-redis, whose client reports a missing password itself and does not connect.
  test("ioredis: a missing password is reported as a clear error", async (context) => {
    const redis = await startRedis(context, { arguments: ["--requirepass", "secret"] });
    const errors: Error[] = [];
    const adapter = createPythonAdapter({
      ...(await connectIoredis(context, redis.url)),
      channel: CHANNEL,
      onError: (error) => errors.push(error),
    });
    await serve(context, { adapter });
    await until(() => errors.length > 0);
    assert.match(
      errors[0]?.message ?? "",
      /cannot subscribe to the channel "flask-socketio": .*NOAUTH/,
    );
  });

  test("redis: each unconnected client is reported as an error, and may connect later", async (context) => {
    const { url } = await startRedis(context);
    const errors: Error[] = [];
    const publisher = createClient({ url });
    const subscriber = publisher.duplicate();
    const adapter = createPythonAdapter({
      publisher,
      subscriber,
      channel: CHANNEL,
      onError: (error) => errors.push(error),
    });
    const { io } = await serve(context, { adapter });
    io.emit("ev");
    await until(() => errors.length === 2);
    assert.deepEqual(errors.map((error) => error.message).sort(), [
      'cannot subscribe to the channel "flask-socketio": the client is not connected: call connect()',
      "messages for other hosts are lost: The client is closed",
    ]);
    for (const client of [publisher, subscriber]) {
      client.on("error", () => {});
      await client.connect();
      context.after(() => client.destroy());
    }
    await adapter.ready;
    await subscribed(url, 1);
  });
});
