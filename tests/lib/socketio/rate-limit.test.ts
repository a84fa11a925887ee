// Tests the option `rateLimit`: how many events a client may send, and the errors that it receives for dropped events.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import { RateLimit, TokenBucket } from "../../../lib/socketio/rate-limit.ts";
import {
  RateLimitError,
  type RateLimitOptions,
  type Server,
  type Socket,
} from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import {
  join,
  PollingClient,
  serve,
  serveJoined,
  until,
  type WebSocketClient,
} from "../../support/net.ts";
import { Random, seed } from "../../support/random.ts";

const THREE_A_SECOND: RateLimitOptions = { events: 3, interval: 1000 };
/** The sessions must not time out while a test advances the clock by hours. */
const NO_HEARTBEAT = { pingInterval: 1_000_000_000 };

/** Records the numbers of a socket's events "n", and its errors in the form "event retryAfter". */
function heardBy(socket: Socket): unknown[] {
  const log: unknown[] = [];
  socket.on("n", (n, ...others) => {
    log.push(n);
    const answer = others.at(-1);
    if (typeof answer === "function") answer("ok");
  });
  socket.on("error", (error) => {
    assert.ok(error instanceof RateLimitError, `${error}`);
    assert.equal(error.code, "ERR_RATE_LIMIT");
    log.push(`${error.event} ${error.retryAfter}`);
  });
  return log;
}

/** Waits until the log of a socket has `count` entries, and asserts that it has no more. */
async function told(log: readonly unknown[], count: number): Promise<void> {
  await until(() => log.length >= count);
  assert.equal(log.length, count);
}

/** Starts a server with a fake clock, and a client that sends events "n" with numbers. */
async function limited(context: TestContext, rateLimit: RateLimitOptions) {
  const clock = new Clock(context);
  const server = await serveJoined(context, { rateLimit, ...NO_HEARTBEAT });
  const log = heardBy(server.socket);
  const send = async (...numbers: number[]): Promise<void> => {
    const count = log.length + numbers.length;
    for (const n of numbers) server.client.send(`42["n",${n}]`);
    await told(log, count);
  };
  return { clock, log, send, ...server };
}

describe("rateLimit", () => {
  test("delivers at most `events` events in each `interval`", async (context) => {
    const { clock, log, send } = await limited(context, THREE_A_SECOND);
    await send(1, 2, 3, 4, 5);
    assert.deepEqual(log.splice(0), [1, 2, 3, "n 334", "n 334"]);
    clock.tick(333);
    await send(6);
    clock.tick(1);
    await send(7, 8);
    assert.deepEqual(log.splice(0), ["n 1", 7, "n 333"]);
    clock.tick(3_600_000);
    await send(9, 10, 11, 12);
    assert.deepEqual(log, [9, 10, 11, "n 334"]);
  });

  test("delivers `burst` events at once, and then `events` events in each `interval`", async (context) => {
    const { clock, log, send } = await limited(context, { events: 1, interval: 100, burst: 4 });
    await send(1, 2, 3, 4, 5);
    clock.tick(200);
    await send(6, 7, 8);
    assert.deepEqual(log, [1, 2, 3, 4, "n 100", 6, 7, "n 100"]);
  });

  test("supports a `burst` smaller than `events`", async (context) => {
    const { clock, log, send } = await limited(context, { events: 10, interval: 1000, burst: 1 });
    await send(1, 2);
    clock.tick(100);
    await send(3);
    assert.deepEqual(log, [1, "n 100", 3]);
  });

  test("acknowledges a dropped event with an error if the client requests an acknowledgement", async (context) => {
    const { client, socket } = await serveJoined(context, {
      rateLimit: { events: 1, interval: 5000, burst: 1 },
    });
    heardBy(socket);
    client.send('420["n",1]');
    client.send('421["n",2]');
    assert.equal(await client.next(), '430["ok"]');
    const [answer, ...others] = JSON.parse(`${await client.next()}`.slice(3));
    assert.deepEqual(others, []);
    const { retryAfter, ...error } = answer.error;
    assert.deepEqual(error, { code: "ERR_RATE_LIMIT", message: "too many events" });
    assert.ok(retryAfter > 4000 && retryAfter <= 5000, `${retryAfter}`);
  });

  test("drops an event before onAny() listeners, middleware and listeners receive it", async (context) => {
    const clock = new Clock(context);
    const options = {
      rateLimit: { events: 1, interval: 1000 },
      ackReturnValues: true,
      ...NO_HEARTBEAT,
    };
    const { client, socket } = await serveJoined(context, options);
    const log: unknown[] = [];
    socket.onAny((_name, n) => log.push(`any ${n}`));
    socket.use(([, n], next) => {
      log.push(`middleware ${n}`);
      next();
    });
    socket.on("n", (n) => `returned ${n}`);
    client.send('420["n",1]');
    client.send('421["n",2]');
    assert.equal(await client.next(), '430["returned 1"]');
    assert.match(`${await client.next()}`, /^431\[\{"error"/);
    assert.deepEqual(log, ["any 1", "middleware 1"]);
    clock.tick(1000);
    client.send('422["n",3]');
    assert.equal(await client.next(), '432["returned 3"]');
  });

  test("keeps the client connected if there is no error listener", async (context) => {
    const { client, socket } = await serveJoined(context, {
      rateLimit: { events: 1, interval: 1000 },
    });
    client.send('42["n",1]');
    client.send('421["n",2]');
    assert.match(`${await client.next()}`, /^431\[\{"error"/);
    assert.equal(socket.connected, true);
  });

  test("reports an error thrown by an error listener, which may also disconnect the client", async (context) => {
    const { io, client, socket } = await serveJoined(context, {
      rateLimit: { events: 1, interval: 1000 },
    });
    const mistake = new Error("mistake");
    const errors: unknown[] = [];
    io.onError((error) => errors.push(error));
    socket.on("error", () => {
      socket.disconnect();
      throw mistake;
    });
    client.send('42["n",1]');
    client.send('421["n",2]');
    assert.match(`${await client.next()}`, /^431\[\{"error"/);
    assert.equal(await client.next(), "41");
    await until(() => errors.length === 1);
    assert.deepEqual(errors, [mistake]);
  });

  test("counts an event with attachments as one event, and drops it with its attachments", async (context) => {
    const { client, socket } = await serveJoined(context, {
      rateLimit: { events: 2, interval: 3_600_000 },
    });
    const log = heardBy(socket);
    for (const n of [1, 2, 3]) {
      client.send(`452-["n",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},${n}]`);
      client.send(Buffer.of(n));
      client.send(Buffer.of(n, n));
    }
    await until(() => log.length === 3);
    assert.deepEqual(log.slice(0, 2), [Buffer.of(1), Buffer.of(2)]);
    assert.match(`${log[2]}`, /^n \d+$/);
    // Later packets are received as usual.
    client.send('420["n",4]');
    assert.match(`${await client.next()}`, /^430\[\{"error"/);
  });

  test("does not count acknowledgements, CONNECT and DISCONNECT", async (context) => {
    const { client, io, socket } = await serveJoined(context, {
      rateLimit: { events: 1, interval: 3_600_000 },
    });
    const log = heardBy(socket);
    const gone = new Promise((resolve) => socket.once("disconnect", resolve));
    client.send('42["n",1]');
    client.send('42["n",2]');
    await until(() => log.length === 2);
    for (let n = 0; n < 20; n++) {
      const answer = socket.emitWithAck("question");
      const id = /^42(\d+)/.exec(`${await client.next()}`)?.[1];
      client.send(`43${id}[${n}]`);
      assert.equal(await answer, n);
    }
    // Acknowledgements with attachments are not limited either.
    const answer = socket.emitWithAck("question");
    const id = /^42(\d+)/.exec(`${await client.next()}`)?.[1];
    client.send(`461-${id}[{"_placeholder":true,"num":0}]`);
    client.send(Buffer.of(7));
    assert.deepEqual(await answer, Buffer.of(7));
    io.of("/other");
    client.send("40/other,");
    assert.match(`${await client.next()}`, /^40\/other,/);
    client.send("41");
    assert.equal(await gone, "client namespace disconnect");
    assert.equal(log.length, 2);
  });

  test("counts each dropped event in stats(), and logs only the first event", async (context) => {
    const clock = new Clock(context);
    const lines: unknown[] = [];
    const logger = { warn: (_message: string, details: object) => lines.push(details) };
    const options = { rateLimit: { events: 2, interval: 1000 }, logger, ...NO_HEARTBEAT };
    const { io, client, socket } = await serveJoined(context, options);
    const log = heardBy(socket);
    for (let n = 0; n < 100; n++) client.send('42["n",0]');
    await told(log, 100);
    assert.deepEqual(io.stats().bounds, { rateLimit: 98 });
    // The client continues to send. Some tokens are refilled, but the bucket is never full.
    for (let n = 0; n < 10; n++) {
      clock.tick(500);
      client.send('42["n",0]');
      client.send('42["n",0]');
      await told(log, 102 + 2 * n);
    }
    assert.deepEqual(io.stats().bounds, { rateLimit: 108 });
    assert.equal(lines.length, 1);
    const { conn } = socket;
    const bound = { bound: "rateLimit", message: "too many events" };
    assert.deepEqual(lines[0], { id: conn.id, address: conn.remoteAddress, ...bound });
    clock.tick(1000);
    for (let n = 0; n < 10; n++) client.send('42["n",0]');
    await told(log, 130);
    assert.equal(lines.length, 2);
  });

  test("does not limit events if the option is missing", async (context) => {
    const { client, socket, io } = await serveJoined(context);
    const log = heardBy(socket);
    for (let n = 0; n < 5000; n++) client.send(`42["n",${n}]`);
    await told(log, 5000);
    assert.deepEqual(io.stats().bounds, {});
  });

  test("limits events over polling, and those of clients 2.x", async (context) => {
    const { io, port } = await serve(context, {
      rateLimit: { events: 2, interval: 3_600_000 },
      allowEIO3: true,
    });
    for (const [revision, body] of [
      [4, '42["n",1]\x1e42["n",2]\x1e42["n",3]'],
      [3, '9:42["n",1]9:42["n",2]9:42["n",3]'],
    ] as const) {
      const accepted = new Promise<unknown[]>((resolve) =>
        io.once("connection", (socket) => resolve(heardBy(socket))),
      );
      const client = await PollingClient.open(port, "", revision);
      if (revision === 4) await client.join();
      const log = await accepted;
      await client.post(body);
      assert.deepEqual(log.slice(0, 2), [1, 2]);
      assert.match(`${log[2]}`, /^n \d+$/);
    }
  });
});

/** Sends `count` events to a socket. Returns how many were delivered. */
async function exhaust(socket: Socket, client: WebSocketClient, count = 5): Promise<number> {
  const { name } = socket.nsp;
  const log = heardBy(socket);
  for (let n = 0; n < count; n++) client.send(`42${name === "/" ? "" : `${name},`}["n",${n}]`);
  await until(() => log.length === count);
  return log.filter((each) => typeof each === "number").length;
}

/** Joins a namespace. Resolves to the socket of the client. */
async function joinNamespace(io: Server, client: WebSocketClient, name: string): Promise<Socket> {
  const accepted = new Promise<Socket>((resolve) => io.of(name).once("connection", resolve));
  client.send(name === "/" ? "40" : `40${name},`);
  await client.next();
  return accepted;
}

describe("rateLimit of sockets and namespaces", () => {
  const rateLimit = { events: 2, interval: 3_600_000 };

  test("each socket of each connection has its own tokens", async (context) => {
    const { io, port, client, socket } = await serveJoined(context, { rateLimit });
    io.of("/other");
    const other = await joinNamespace(io, client, "/other");
    assert.equal(await exhaust(socket, client), 2);
    assert.equal(await exhaust(other, client), 2);
    const second = await join(io, port);
    assert.equal(await exhaust(second.socket, second.client), 2);
  });

  test("a client that leaves a namespace and joins it again receives no new tokens", async (context) => {
    const { io, client, socket } = await serveJoined(context, { rateLimit });
    io.of("/full");
    assert.equal(await exhaust(socket, client), 2);
    for (let n = 0; n < 2; n++) {
      const again = await leaveAndJoin(io, client, "/");
      assert.equal(await exhaust(again, client), 0);
    }
    // Leaving another namespace with a full bucket must not refill the tokens of the client.
    await joinNamespace(io, client, "/full");
    await leaveAndJoin(io, client, "/full");
    assert.equal(await exhaust(await leaveAndJoin(io, client, "/"), client), 0);
  });

  test("tokens are refilled while a client is in no namespace", async (context) => {
    const clock = new Clock(context);
    const { io, client, socket } = await serveJoined(context, {
      rateLimit: { events: 4, interval: 1000 },
      ...NO_HEARTBEAT,
    });
    assert.equal(await exhaust(socket, client), 4);
    const gone = new Promise((resolve) => socket.once("disconnect", resolve));
    client.send("41");
    await gone;
    clock.tick(500);
    assert.equal(await exhaust(await joinNamespace(io, client, "/"), client), 2);
  });

  test("a recovered socket begins with all tokens, and has the same limit", async (context) => {
    const options = { rateLimit, connectionStateRecovery: {} };
    const { io, port, client, socket, welcome } = await serveJoined(context, options);
    assert.equal(await exhaust(socket, client), 2);
    const gone = new Promise((resolve) => socket.once("disconnect", resolve));
    client.socket.terminate();
    await gone;
    const again = await join(io, port, { pid: welcome.pid });
    assert.equal(again.socket.recovered, true);
    assert.equal(await exhaust(again.socket, again.client), 2);
  });

  test("a namespace may change its limit at any time, or disable it with false", async (context) => {
    const { io, client, socket } = await serveJoined(context, { rateLimit });
    const other = await joinNamespace(
      io,
      client,
      io.of("/other").rateLimit({ ...rateLimit, burst: 4 }).name,
    );
    assert.equal(await exhaust(other, client), 4);
    assert.equal(await exhaust(socket, client), 2);
    io.of("/other").rateLimit(false);
    assert.equal(await exhaust(other, client), 5);
    io.of("/other").rateLimit({ events: 1, interval: 3_600_000 });
    assert.equal(await exhaust(other, client), 0);
  });

  test("a namespace may have a limit if the server has none", async (context) => {
    const { io, client, socket } = await serveJoined(context);
    io.of("/other").rateLimit(rateLimit);
    assert.equal(await exhaust(await joinNamespace(io, client, "/other"), client), 2);
    assert.equal(await exhaust(socket, client), 5);
  });

  test("a bucket refills at the new rate after a change from a slow to a fast limit", () => {
    const bucket = new TokenBucket();
    const slow = new RateLimit({ events: 5, interval: 60_000 });
    for (let count = 0; count < 5; count++) assert.equal(bucket.take(slow, 1_000), 0);
    const fast = new RateLimit({ events: 100, interval: 1_000 });
    assert.equal(bucket.take(fast, 1_000), 10);
    assert.equal(bucket.take(fast, 1_010), 0);
  });

  test("child namespaces have the limit of their parent", async (context) => {
    const { io, client } = await serveJoined(context, { rateLimit });
    io.of(/^\/room-\d$/);
    const children = io.of(/^\/game-\d$/).rateLimit({ events: 3, interval: 3_600_000 });
    const free = io.of(/^\/free-\d$/).rateLimit(false);
    for (const [name, passed] of [
      ["/room-1", 2],
      ["/game-1", 3],
      ["/free-1", 5],
    ] as const) {
      const parent = name.startsWith("/game") ? children : free;
      const accepted = new Promise<Socket>((resolve) =>
        (name === "/room-1" ? io.of(name) : parent).once("connection", resolve),
      );
      client.send(`40${name},`);
      await client.next();
      assert.equal(await exhaust(await accepted, client), passed, name);
    }
  });
});

/** Leaves a namespace with a client and joins the namespace again. */
async function leaveAndJoin(io: Server, client: WebSocketClient, name: string): Promise<Socket> {
  const [socket] = io.of(name).sockets.values();
  const gone = new Promise((resolve) => socket?.once("disconnect", resolve));
  client.send(name === "/" ? "41" : `41${name},`);
  await gone;
  return joinNamespace(io, client, name);
}

describe("TokenBucket", () => {
  test(`never exceeds burst and rate, and allows an event after retryAfter (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (let run = 0; run < 300; run++) {
      const events = 1 + random.int(20);
      const interval = 1 + random.int(5000);
      const burst = 1 + random.int(30);
      const limit = new RateLimit({ events, interval, burst });
      const bucket = new TokenBucket();
      // `now` is the time since the start of the process, in milliseconds: up to a year.
      let now = random.int(31_536_000) * 1000 + random.int(1000) / 1000;
      const passed: number[] = [];
      for (let step = 0; step < 200; step++) {
        if (random.int(3) === 0) now += random.int(Math.ceil((3 * interval) / events));
        const retryAfter = bucket.take(limit, now);
        if (retryAfter === 0) {
          passed.push(now);
          continue;
        }
        assert.ok(Number.isInteger(retryAfter) && retryAfter > 0, `${retryAfter}`);
        if (random.int(2) === 0) continue;
        // A slightly shorter wait than retryAfter must not suffice.
        if (retryAfter > 1) assert.notEqual(bucket.take(limit, now + retryAfter - 1.01), 0);
        now += retryAfter;
        assert.equal(bucket.take(limit, now), 0);
        passed.push(now);
      }
      for (const [first, from] of passed.entries()) {
        for (const [count, at] of passed.slice(first).entries()) {
          const most = burst + ((at - from) * events) / interval;
          assert.ok(count + 1 <= most + 0.01, `${count + 1} in ${at - from} ms`);
        }
      }
    }
  });
});
