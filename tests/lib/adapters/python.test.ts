// Tests the adapter for python-socketio with an in-memory Redis: published messages, and messages from other servers.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";

import {
  createPythonAdapter,
  type PythonAdapterFactory,
  type PythonAdapterOptions,
} from "../../../lib/adapters/python.ts";
import { Server, type TestClient } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import { MemoryRedis } from "../../support/memory-redis.ts";
import { turn, until } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const CHANNEL = "flask-socketio";
const PYTHON_HOST = "48a60123456789abcdef0123456789ab";

interface Host {
  readonly io: Server;
  readonly adapter: PythonAdapterFactory;
  /** The errors passed to onError. */
  readonly errors: Error[];
}

/** Starts a server as a host of the cluster. */
async function host(
  context: TestContext,
  redis: MemoryRedis,
  options: Partial<PythonAdapterOptions> = {},
): Promise<Host> {
  const errors: Error[] = [];
  const adapter = createPythonAdapter({
    ...redis.nodeRedis(),
    channel: CHANNEL,
    onError: (error) => errors.push(error),
    ...options,
  });
  const io = new Server({ adapter });
  context.after(() => io.close());
  await adapter.ready;
  return { io, adapter, errors };
}

/** The messages that hosts have published, as Python parses them. */
function published(redis: MemoryRedis): Record<string, unknown>[] {
  return redis.published.map(({ message }) => JSON.parse(message));
}

/** Publishes a message as a Python host does. */
function publish(redis: MemoryRedis, message: object, channel = CHANNEL): void {
  void redis.publish(channel, JSON.stringify({ namespace: "/", host_id: PYTHON_HOST, ...message }));
}

function publishEmit(redis: MemoryRedis, event: string, data: unknown[], rest: object = {}): void {
  publish(redis, { method: "emit", event, data, binary: false, ...rest });
}

/** Returns the id of a connected client. */
function idOf(client: TestClient): string {
  assert.ok(client.id !== undefined);
  return client.id;
}

/** Returns the events that a client has received until the next event "fence". */
async function receivedBefore(client: TestClient, fence = "fence"): Promise<unknown[]> {
  await client.waitFor(fence);
  return client.received().map(({ event, args }) => [event, ...args]);
}

describe("the Python adapter on two servers with one channel", () => {
  for (const kind of ["nodeRedis", "ioredis"] as const) {
    test(`${kind}: has one subscription for all namespaces, which ends when the server closes`, async (context) => {
      const redis = new MemoryRedis();
      const { io } = await host(context, redis, redis[kind]());
      io.of("/chat");
      io.of("/news");
      assert.equal(redis.subscriptions(CHANNEL), 1);
      const { io: other } = await host(context, redis, redis[kind]());
      assert.equal(redis.subscriptions(CHANNEL), 2);
      const client = await io.testClient({ namespace: "/chat" });
      other.of("/chat").emit("hello", 1);
      assert.deepEqual(await client.waitFor("hello"), [1]);
      await io.close();
      assert.equal(redis.subscriptions(CHANNEL), 1);
      await other.close();
      assert.equal(redis.subscriptions(CHANNEL), 0);
    });
  }

  test("the subscription continues if a namespace's adapter is closed after its replacement has started", async (context) => {
    const redis = new MemoryRedis();
    const { io, adapter } = await host(context, redis);
    const chat = io.of("/chat");
    const client = await io.testClient({ namespace: "/chat" });
    const successor = adapter(chat);
    successor.init();
    await chat.adapter.close();
    publishEmit(redis, "still there", [], { namespace: "/chat" });
    assert.deepEqual(await client.waitFor("still there"), []);
    await successor.close();
    assert.equal(redis.subscriptions(CHANNEL), 1);
  });

  test("messages that the ioredis client receives on other channels are ignored", async (context) => {
    const redis = new MemoryRedis();
    const clients = redis.ioredis();
    const { io, errors } = await host(context, redis, clients);
    const client = await io.testClient();
    const message = { method: "emit", event: "other", data: [], namespace: "/" };
    const bytes = Buffer.from(JSON.stringify(message));
    clients.subscriber.emit("messageBuffer", Buffer.from("other"), bytes);
    publishEmit(redis, "fence", []);
    assert.deepEqual(await receivedBefore(client), []);
    assert.deepEqual(errors, []);
  });

  test("events with several arguments and binary data reach the clients of both servers once", async (context) => {
    const redis = new MemoryRedis();
    const [a, b] = [await host(context, redis), await host(context, redis)];
    const [here, there] = [await a.io.testClient(), await b.io.testClient()];
    a.io.emit("ev", 1, [2, 3], { deep: [Buffer.of(0, 255)] });
    a.io.emit("none");
    a.io.emit("fence");
    const expected = [["ev", 1, [2, 3], { deep: [Buffer.of(0, 255)] }], ["none"]];
    assert.deepEqual(await receivedBefore(here), expected);
    assert.deepEqual(await receivedBefore(there), expected);
    assert.deepEqual([...a.errors, ...b.errors], []);
  });

  test("to(), except() and local select the clients of the other server", async (context) => {
    const redis = new MemoryRedis();
    const [a, b] = [await host(context, redis), await host(context, redis)];
    b.io.on("connection", (socket) => void socket.join(["all", socket.handshake.auth.room]));
    const x = await b.io.testClient({ auth: { room: "x" } });
    const y = await b.io.testClient({ auth: { room: "y" } });
    a.io.to("x").emit("to x");
    a.io.to(["x", "y", "all"]).emit("to many");
    a.io.except(idOf(x)).emit("not x");
    a.io
      .to("all")
      .except([idOf(x), idOf(y)])
      .emit("neither");
    a.io.local.emit("local");
    a.io.to("nobody").emit("to nobody");
    // The message format cannot express that a room is excluded, because Python hosts exclude only sockets. The other
    // server therefore also sends this event to sockets in the room x.
    a.io.except("x").emit("not the room x");
    a.io.emit("fence");
    assert.deepEqual(await receivedBefore(x), [["to x"], ["to many"], ["not the room x"]]);
    assert.deepEqual(await receivedBefore(y), [["to many"], ["not x"], ["not the room x"]]);
    assert.deepEqual(
      published(redis).map(({ event, room, skip_sid }) => [event, room, skip_sid]),
      [
        ["to x", "x", null],
        ["to many", ["x", "y", "all"], null],
        ["not x", null, idOf(x)],
        ["neither", "all", [idOf(x), idOf(y)]],
        ["to nobody", "nobody", null],
        ["not the room x", null, "x"],
        ["fence", null, null],
      ],
    );
  });

  test("socket.broadcast reaches the other clients of both servers", async (context) => {
    const redis = new MemoryRedis();
    const [a, b] = [await host(context, redis), await host(context, redis)];
    a.io.on("connection", (socket) => {
      socket.on("say", (text) => socket.broadcast.emit("said", text));
    });
    const [speaker, near, far] = [
      await a.io.testClient(),
      await a.io.testClient(),
      await b.io.testClient(),
    ];
    void speaker.emit("say", "hello");
    assert.deepEqual(await near.waitFor("said"), ["hello"]);
    assert.deepEqual(await far.waitFor("said"), ["hello"]);
    assert.deepEqual(speaker.received(), []);
  });

  test("socketsJoin(), socketsLeave(), disconnectSockets() and closeRoom() reach sockets of the other server", async (context) => {
    const redis = new MemoryRedis();
    const [a, b] = [await host(context, redis), await host(context, redis)];
    const [there, other] = [await b.io.testClient(), await b.io.testClient()];
    const { rooms } = b.io.sockets.adapter;
    a.io.in(idOf(there)).socketsJoin(["r", "q"]);
    await until(() => rooms.get("q")?.has(idOf(there)) === true);
    assert.deepEqual(rooms.get("r"), new Set([idOf(there)]));
    a.io.in(idOf(there)).socketsLeave("r");
    await until(() => !rooms.has("r"));
    a.io.closeRoom("q");
    await until(() => !rooms.has("q"));
    const id = idOf(there);
    a.io.in(id).disconnectSockets();
    await until(() => !there.connected);
    assert.equal(other.connected, true);
    assert.deepEqual(
      published(redis).map(({ host_id: _host, namespace: _namespace, ...rest }) => rest),
      [
        { method: "enter_room", sid: id, room: "r" },
        { method: "enter_room", sid: id, room: "q" },
        { method: "leave_room", sid: id, room: "r" },
        { method: "close_room", room: "q" },
        { method: "disconnect", sid: id },
      ],
    );
  });

  test("operations on local sockets are not published", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    const client = await io.testClient();
    const [socket] = await io.fetchSockets();
    socket?.join("r");
    socket?.leave("r");
    io.local.socketsJoin("q");
    io.local.socketsLeave("q");
    io.local.disconnectSockets();
    await until(() => !client.connected);
    assert.deepEqual(redis.published, []);
    assert.deepEqual(errors, []);
  });

  test("operations that the protocol cannot express apply to local sockets only, and are reported once", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    await io.testClient();
    for (let i = 0; i < 3; i++) {
      io.socketsJoin("r");
      io.to("r").except("q").socketsLeave("r");
    }
    io.disconnectSockets();
    assert.deepEqual(redis.published, []);
    assert.equal(io.sockets.sockets.size, 0);
    assert.deepEqual(
      errors.map((error) => "code" in error && error.code),
      Array(3).fill("ERR_PYTHON_INEXPRESSIBLE"),
    );
    assert.match(errors[0]?.message ?? "", /^socketsJoin\(\) in "\/"/);
  });

  test("fetchSockets(), serverSideEmitWithAck() and serverCount() do not reach the other server", async (context) => {
    const redis = new MemoryRedis();
    const [a, b] = [await host(context, redis), await host(context, redis)];
    const here = await a.io.testClient();
    await b.io.testClient();
    assert.deepEqual(
      (await a.io.fetchSockets()).map(({ id }) => id),
      [here.id],
    );
    assert.deepEqual(await a.io.serverSideEmitWithAck("ev"), []);
    assert.equal(await a.io.sockets.adapter.serverCount(), 1);
    assert.deepEqual(redis.published, []);
  });
});

describe("acknowledgements through the Python adapter", () => {
  test("a client of another server acknowledges an event", async (context) => {
    const redis = new MemoryRedis();
    const [a, b] = [await host(context, redis), await host(context, redis)];
    const there = await b.io.testClient();
    there.on("sum", (x, y, done) => done(x + y));
    assert.deepEqual(await a.io.to(idOf(there)).emitWithAck("sum", 1, 2), [3]);
    assert.deepEqual(await a.io.to(idOf(there)).timeout(60_000).emitWithAck("sum", 3, 4), [7]);
    const [emit, callback] = published(redis);
    assert.ok(Array.isArray(emit?.callback));
    const [room, namespace, id] = emit.callback;
    assert.deepEqual([room, namespace], [there.id, "/"]);
    assert.deepEqual(callback, {
      method: "callback",
      host_id: emit.host_id,
      sid: there.id,
      namespace: "/",
      id,
      args: [3],
    });
  });

  test("local clients acknowledge, and no acknowledgement is requested from other servers", async (context) => {
    const redis = new MemoryRedis();
    const [a, b] = [await host(context, redis), await host(context, redis)];
    const [here, there] = [await a.io.testClient(), await b.io.testClient()];
    here.on("ask", (done) => done("here"));
    a.io.sockets.adapter.addAll(idOf(here), new Set(["r"]));
    assert.deepEqual(await a.io.to("r").emitWithAck("ask"), ["here"]);
    assert.deepEqual(await a.io.emitWithAck("ask"), ["here"]);
    assert.deepEqual(await a.io.local.to("nobody").emitWithAck("ask"), []);
    assert.deepEqual(await there.waitFor("ask"), []);
    assert.deepEqual(
      published(redis).map(({ callback }) => callback),
      [null, null],
    );
  });

  test("emitWithAck() rejects if no acknowledgement arrives within the timeout, by default one minute", async (context) => {
    const clock = new Clock(context);
    const redis = new MemoryRedis();
    const { io } = await host(context, redis);
    const soon = assert.rejects(io.to("nobody").timeout(1000).emitWithAck("ask"), {
      code: "ERR_ACK_TIMEOUT",
    });
    clock.tick(1000);
    await soon;
    const late = assert.rejects(io.to("nobody").emitWithAck("ask"), { code: "ERR_ACK_TIMEOUT" });
    await turn();
    clock.tick(60_001);
    await late;
    // The server keeps no state for either request, and ignores a late acknowledgement.
    const { host_id, callback } = published(redis).at(-1) ?? {};
    assert.ok(Array.isArray(callback));
    publish(redis, { method: "callback", host_id, sid: "nobody", id: callback[2], args: [1] });
    await turn();
    assert.equal(clock.timers, 0);
    assert.deepEqual(Reflect.get(io.sockets.adapter, "awaited"), new Map());
  });

  test("acknowledgements for another server, room, namespace or id are ignored", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    let answered: unknown[] | undefined;
    io.to("s1").emit("ask", (error: Error | null, answers: unknown[]) => {
      assert.equal(error, null);
      answered = answers;
    });
    const [{ host_id, callback } = {}] = published(redis);
    assert.ok(Array.isArray(callback));
    const [, , id] = callback;
    const answer = { method: "callback", host_id, sid: "s1", id, args: ["right"] };
    publish(redis, { ...answer, host_id: PYTHON_HOST, args: ["of another host"] });
    publish(redis, { ...answer, sid: "s2", args: ["of another room"] });
    publish(redis, { ...answer, namespace: "/other", args: ["of another namespace"] });
    publish(redis, { ...answer, id: `${id}`, args: ["of no number"] });
    publish(redis, answer);
    publish(redis, { ...answer, args: ["too late"] });
    await until(() => answered !== undefined);
    await turn();
    assert.deepEqual(answered, ["right"]);
    assert.deepEqual(errors, []);
  });

  test("a client acknowledges an event from a Python server, with the id that the server sent", async (context) => {
    const redis = new MemoryRedis();
    const { io } = await host(context, redis);
    const client = await io.testClient();
    client.on("ask", (question, done) => done("acked", { q: question }));
    const room = idOf(client);
    publishEmit(redis, "ask", [7], { room, callback: [room, "/", 12] });
    await until(() => redis.published.length === 1);
    assert.deepEqual(published(redis), [
      {
        method: "callback",
        host_id: PYTHON_HOST,
        sid: room,
        namespace: "/",
        id: 12,
        args: ["acked", { q: 7 }],
      },
    ]);
  });

  test("no acknowledgement is published when the client disconnects", async (context) => {
    const redis = new MemoryRedis();
    const { io } = await host(context, redis);
    const client = await io.testClient();
    const asked = new Promise((resolve) => client.on("ask", resolve));
    publishEmit(redis, "ask", [], { room: client.id, callback: [client.id, "/", 1] });
    await asked;
    await client.disconnect();
    assert.deepEqual(redis.published, []);
  });

  test("an acknowledgement with binary data is dropped and reported, because no server could read it", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    const client = await io.testClient();
    client.on("ask", (done) => done(Buffer.of(1)));
    publishEmit(redis, "ask", [], { room: client.id, callback: [client.id, "/", 1] });
    await until(() => errors.length === 1);
    assert.match(errors[0]?.message ?? "", /acknowledgement .* bytes/);
    assert.deepEqual(redis.published, []);
  });
});

/** Returns the id of the host that published last. */
function hostIdOf(redis: MemoryRedis): unknown {
  return published(redis).at(-1)?.host_id;
}

describe("messages from Python servers", () => {
  test("emit reaches the clients selected by room, skip_sid and namespace, with binary data", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    io.on("connection", (socket) => void socket.join(["7", socket.handshake.auth.room]));
    io.of("/chat");
    const x = await io.testClient({ auth: { room: "x" } });
    const y = await io.testClient({ auth: { room: "y" } });
    const chat = await io.testClient({ namespace: "/chat" });
    publishEmit(redis, "all", [1]);
    publishEmit(redis, "x", [1], { room: "x" });
    publishEmit(redis, "both", [1], { room: ["x", "y"] });
    publishEmit(redis, "nobody", [1], { room: [] });
    publishEmit(redis, "by number", [1], { room: 7, skip_sid: idOf(y) });
    publishEmit(redis, "not y", [1], { skip_sid: [idOf(y), "unknown"] });
    // Python excludes the socket with the id x, if it exists, but not the sockets in the room x.
    publishEmit(redis, "skip is no room", [1], { skip_sid: "x" });
    publishEmit(redis, "args", ["a", 2, [3]]);
    publishEmit(redis, "bytes", [[{ _placeholder: true, num: 0 }], "AP8="], { binary: true });
    publishEmit(redis, "elsewhere", [1], { namespace: "/elsewhere" });
    publishEmit(redis, "chat", [1], { namespace: "/chat" });
    publish(redis, { method: "emit", event: "other channel", data: [] }, "socketio");
    publishEmit(redis, "fence", []);
    const common = [
      ["skip is no room", 1],
      ["args", "a", 2, [3]],
      ["bytes", Buffer.of(0, 255)],
    ];
    assert.deepEqual(await receivedBefore(x), [
      ...["all", "x", "both", "by number", "not y"].map((name) => [name, 1]),
      ...common,
    ]);
    assert.deepEqual(await receivedBefore(y), [["all", 1], ["both", 1], ...common]);
    assert.deepEqual(
      chat.received().map(({ event }) => event),
      ["chat"],
    );
    assert.deepEqual(errors, []);
  });

  test("disconnect, enter_room, leave_room and close_room apply to local sockets", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    const [x, y] = [await io.testClient(), await io.testClient()];
    const { rooms } = io.sockets.adapter;
    publish(redis, { method: "enter_room", sid: x.id, room: "r" });
    publish(redis, { method: "enter_room", sid: y.id, room: "r" });
    publish(redis, { method: "enter_room", sid: "unknown", room: "r" });
    publish(redis, { method: "leave_room", sid: y.id, room: "r" });
    publishEmit(redis, "fence", []);
    await x.waitFor("fence");
    assert.deepEqual(rooms.get("r"), new Set([x.id]));
    publish(redis, { method: "close_room", room: "r" });
    await until(() => !rooms.has("r"));
    // The `sid` of a "disconnect" message is always the id of a socket. Here it is the name of a room, so the sockets in
    // this room stay connected.
    publish(redis, { method: "enter_room", sid: y.id, room: "no sid" });
    publish(redis, { method: "disconnect", sid: "no sid" });
    publish(redis, { method: "disconnect", sid: x.id });
    await until(() => !x.connected);
    assert.equal(y.connected, true);
    assert.deepEqual(errors, []);
    // The server must not publish the operations again that it received from other servers.
    assert.deepEqual(redis.published, []);
  });

  test("messages with this server's own host_id are ignored", async (context) => {
    const redis = new MemoryRedis();
    const { io } = await host(context, redis);
    const client = await io.testClient();
    io.emit("once");
    const host_id = hostIdOf(redis);
    publishEmit(redis, "again", [], { host_id });
    void redis.publish(
      CHANNEL,
      JSON.stringify({ host_id, method: "emit", event: "again", data: [], namespace: "/" }),
    );
    publishEmit(redis, "fence", []);
    assert.deepEqual(await receivedBefore(client), [["once"]]);
  });

  test("each invalid message is reported, and later messages are received", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    const client = await io.testClient();
    for (const message of ["", "{", "1", '{"a":1}', '{"method":"emit"}', "\u0000"]) {
      void redis.publish(CHANNEL, message);
    }
    void redis.publish(CHANNEL, Buffer.of(0xff, 0xfe));
    void redis.publish(CHANNEL, '{"method":"unknown"}');
    publishEmit(redis, "fence", []);
    await client.waitFor("fence");
    assert.equal(errors.length, 7);
    for (const error of errors) assert.equal("code" in error && error.code, "ERR_PYTHON_MESSAGE");
  });

  test("pickles are reported once without the pickle option, and read with it", async (context) => {
    const redis = new MemoryRedis();
    const off = await host(context, redis);
    const on = await host(context, redis, { pickle: true });
    const [without, client] = [await off.io.testClient(), await on.io.testClient()];
    // The result of pickle.dumps({'method': 'emit', 'event': 'ev', 'data': (1, b'q'), 'namespace': '/'}) in Python.
    const pickle = Buffer.from(
      "80049541000000000000007d94288c066d6574686f64948c04656d6974948c056576656e74948c026576948c0464617461944b0143017194" +
        "86948c096e616d657370616365948c012f94752e",
      "hex",
    );
    void redis.publish(CHANNEL, pickle);
    void redis.publish(CHANNEL, pickle);
    void redis.publish(CHANNEL, pickle.subarray(0, 20));
    publishEmit(redis, "fence", []);
    assert.deepEqual(await receivedBefore(client), [
      ["ev", 1, Buffer.from("q")],
      ["ev", 1, Buffer.from("q")],
    ]);
    assert.deepEqual(await receivedBefore(without), []);
    assert.deepEqual(
      off.errors.map((error) => "code" in error && error.code),
      ["ERR_PYTHON_PICKLE_OFF"],
    );
    assert.deepEqual(
      on.errors.map(({ name }) => name),
      ["PickleError"],
    );
  });
});

describe("errors of the Python adapter", () => {
  test("emit() throws for arguments that the dialect cannot express, and no client receives the event", async (context) => {
    const redis = new MemoryRedis();
    const { io } = await host(context, redis, { dialect: "raw" });
    const client = await io.testClient();
    assert.throws(() => io.emit("ev", 1, 2), { code: "ERR_PYTHON_INEXPRESSIBLE" });
    assert.throws(() => io.emit("ev", { _placeholder: true, num: 0, b: Buffer.of(1) }), {
      code: "ERR_PYTHON_INEXPRESSIBLE",
    });
    io.local.emit("local", 1, 2);
    io.emit("fence", [1, 2]);
    assert.deepEqual(await receivedBefore(client), [["local", 1, 2]]);
    assert.deepEqual(
      published(redis).map(({ data }) => data),
      [[1, 2]],
    );
  });

  test("a message is published before it is sent to local clients", async (context) => {
    const redis = new MemoryRedis();
    const { io } = await host(context, redis);
    await io.testClient();
    const [socket] = io.sockets.sockets.values();
    const order: number[] = [];
    socket?.onAnyOutgoing(() => order.push(redis.published.length));
    io.emit("ev");
    io.emit("ev");
    assert.deepEqual(order, [1, 2]);
  });

  test("while publishing fails, local clients receive all events, and only the first lost message is reported", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis);
    const client = await io.testClient();
    redis.onPublish = () => Promise.reject(new Error("ECONNREFUSED"));
    io.emit("one");
    io.emit("two");
    await turn();
    redis.onPublish = () => {
      throw new Error("thrown at once");
    };
    io.emit("three");
    await turn();
    assert.deepEqual(
      client.received().map(({ event }) => event),
      ["one", "two", "three"],
    );
    assert.equal(errors.length, 1);
    assert.match(errors[0]?.message ?? "", /lost: ECONNREFUSED/);
    redis.onPublish = undefined;
    io.emit("four");
    await turn();
    redis.onPublish = () => Promise.reject(new Error("again"));
    io.emit("five");
    await turn();
    assert.equal(errors.length, 2);
  });

  test("messages that wait for Redis are limited to maxBackpressure", async (context) => {
    const redis = new MemoryRedis();
    const { io, errors } = await host(context, redis, { maxBackpressure: 1000 });
    const releases: (() => void)[] = [];
    redis.onPublish = () => new Promise((resolve) => releases.push(() => resolve(1)));
    io.emit("large", "x".repeat(5000)); // a single message is always published
    for (let i = 0; i < 50; i++) io.emit("small");
    assert.equal(redis.published.length, 1);
    assert.equal(errors.length, 1);
    assert.match(errors[0]?.message ?? "", /bytes wait for Redis/);
    for (const release of releases.splice(0)) release();
    await turn();
    for (let i = 0; i < 50; i++) io.emit("small");
    assert.ok(redis.published.length > 3 && redis.published.length < 12);
    assert.equal(errors.length, 2);
    for (const release of releases.splice(0)) release();
  });

  test("a failed subscription is reported and retried", async (context) => {
    const clock = new Clock(context);
    const redis = new MemoryRedis();
    const errors: Error[] = [];
    redis.onSubscribe = () => Promise.reject(new Error("NOAUTH Authentication required."));
    const adapter = createPythonAdapter({
      ...redis.ioredis(),
      channel: CHANNEL,
      onError: (error) => errors.push(error),
    });
    const io = new Server({ adapter });
    context.after(() => io.close());
    for (const wait of [1000, 2000, 4000]) {
      const before = errors.length;
      await until(() => errors.length > before || before === 3);
      if (errors.length < 3) clock.tick(wait);
    }
    assert.match(
      errors[0]?.message ?? "",
      /cannot subscribe to the channel "flask-socketio": NOAUTH/,
    );
    assert.equal(
      "code" in (errors[0] ?? {}) && Reflect.get(errors[0] ?? {}, "code"),
      "ERR_PYTHON_SUBSCRIBE",
    );
    redis.onSubscribe = undefined;
    clock.tick(4000);
    await adapter.ready;
    const client = await io.testClient();
    publishEmit(redis, "once", []);
    publishEmit(redis, "fence", []);
    // The failed attempts to subscribe have added no further listeners.
    assert.deepEqual(await receivedBefore(client), [["once"]]);
    assert.equal(errors.length, 3);
  });

  test("close() resolves even if Redis does not answer", async (context) => {
    const clock = new Clock(context);
    const redis = new MemoryRedis();
    const { io } = await host(context, redis);
    redis.onUnsubscribe = () => new Promise(() => {});
    const closed = io.close();
    await until(() => clock.timers > 0);
    clock.tick(1000);
    await closed;
  });

  test("an error thrown by onError is uncaught, and later messages are received", async (context) => {
    const redis = new MemoryRedis();
    const thrown = new Error("of the program");
    const { io } = await host(context, redis, {
      onError: () => {
        throw thrown;
      },
    });
    const client = await io.testClient();
    const uncaught = gatherUncaught(context);
    void redis.publish(CHANNEL, "{");
    publishEmit(redis, "fence", []);
    await client.waitFor("fence");
    assert.deepEqual(uncaught, [thrown]);
  });

  test("without onError, errors are emitted as process warnings", async (context) => {
    const redis = new MemoryRedis();
    const adapter = createPythonAdapter({ ...redis.nodeRedis(), channel: CHANNEL });
    const io = new Server({ adapter });
    context.after(() => io.close());
    await adapter.ready;
    const warned = once(process, "warning");
    void redis.publish(CHANNEL, "{");
    const [warning] = await warned;
    assert.equal(warning.code, "ERR_PYTHON_MESSAGE");
  });

  test("one adapter cannot be used by two servers, but can be set again on the same server", async (context) => {
    const redis = new MemoryRedis();
    const { io, adapter } = await host(context, redis);
    assert.throws(() => new Server({ adapter }), { code: "ERR_PYTHON_IN_USE" });
    io.adapter(adapter);
    const client = await io.testClient();
    publishEmit(redis, "fence", []);
    await client.waitFor("fence");
  });

  test("throws for missing, invalid and unknown options", () => {
    const redis = new MemoryRedis();
    const clients = redis.nodeRedis();
    const all = { ...clients, channel: "socketio" };
    const bad = (options: object, message: RegExp): void => {
      const given: unknown = options;
      assert.throws(() => Reflect.apply(createPythonAdapter, undefined, [given]), { message });
    };
    bad({ ...all, channel: undefined }, /channel is missing/);
    bad({ ...all, publisher: undefined }, /publisher is missing/);
    bad({ ...all, subscriber: undefined }, /subscriber is missing/);
    bad({ ...all, channel: "" }, /channel must be/);
    bad({ ...all, publisher: {} }, /publisher must be a client of redis or ioredis/);
    bad({ ...all, subscriber: {} }, /subscriber must be a client/);
    bad({ ...all, dialect: "list" }, /dialect must be "args-list" or "raw"/);
    bad({ ...all, pickle: "yes" }, /pickle must be a boolean/);
    bad({ ...all, maxBackpressure: -1 }, /maxBackpressure/);
    bad({ ...all, chanel: "socketio" }, /did you mean "channel"/);
    const both = { ...clients.publisher, ...clients.subscriber };
    bad({ publisher: both, subscriber: both, channel: "socketio" }, /must be different clients/);
    createPythonAdapter(all);
  });
});
