// Tests each sentence of docs/guarantees.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";

import {
  type BackpressurePolicy,
  DisconnectedError,
  type Server,
  type ServerOptions,
  type Socket,
} from "../server.ts";
import { Clock } from "./support/clock.ts";
import { startNodes } from "./support/cluster.ts";
import { join, PollingClient, serve, turn, until, WebSocketClient } from "./support/net.ts";
import { noRedis, startRedis } from "./support/redis.ts";
import { CLIENTS, eventually, known, startRedisNode, untilHeard } from "./support/redis-nodes.ts";
import { acquainted, ReturningClient, startStreamsNode } from "./support/streams-nodes.ts";
import { gatherUncaught } from "./support/uncaught.ts";

async function goneOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => socket.once("disconnect", resolve));
}

const TEXT = "x".repeat(1000);

/** Starts a server with a maxBackpressure of 8,000 bytes, and a client that polls only when the test calls poll(). */
async function serveSlow(
  context: TestContext,
  backpressurePolicy: BackpressurePolicy,
  options: ServerOptions = {},
): Promise<{ io: Server; port: number; socket: Socket; client: PollingClient; pid: string }> {
  const { io, port } = await serve(context, {
    ...options,
    backpressurePolicy,
    maxBackpressure: 8000,
  });
  const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
  const client = await PollingClient.open(port);
  const { pid } = JSON.parse((await client.join()).slice(2));
  return { io, port, socket: await connected, client, pid };
}

/** Returns the numbers of the events "n" in the response to a poll. */
function numbersIn(body: string): number[] {
  return [...body.matchAll(/\["n",(?:\{[^}]*\},)?(\d+)/g)].map(([, n]) => Number(n));
}

type Test = (context: TestContext) => Promise<void>;

const GUARANTEES: Record<string, Test> = {
  "Events from one client reach the listeners of its socket in the order in which the client sent them, also during the upgrade from polling to WebSocket.":
    async (context) => {
      const { io, port } = await serve(context);
      const got: number[] = [];
      io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
      const client = await PollingClient.open(port);
      await client.join();
      await client.post('42["n",1]\x1e42["n",2]');
      const poll = client.poll();
      const webSocket = await client.webSocket().opened();
      webSocket.send("2probe");
      await webSocket.next();
      await client.post('42["n",3]');
      await poll;
      webSocket.send("5");
      webSocket.send('42["n",4]');
      webSocket.send('42["n",5]');
      await until(() => got.length === 5);
      assert.deepEqual(got, [1, 2, 3, 4, 5]);
    },

  "A client receives events in the order in which they were emitted, including broadcasts and acknowledgements.":
    async (context) => {
      const { io, port } = await serve(context);
      const { client, socket } = await join(io, port);
      socket.on("ask", (answer) => {
        socket.emit("n", 1);
        io.emit("n", 2);
        answer(3);
        io.to(socket.id).emit("n", 4);
        socket.emit("n", 5);
      });
      client.send('420["ask"]');
      const got = [];
      for (let i = 0; i < 5; i++) got.push(await client.next());
      assert.deepEqual(got, ['42["n",1]', '42["n",2]', "430[3]", '42["n",4]', '42["n",5]']);
    },

  "A client receives no event before the response to its CONNECT packet, unless middleware emitted the event.":
    async (context) => {
      const { io, port } = await serve(context);
      io.on("connection", (socket) => {
        socket.emit("first");
        io.emit("second");
      });
      const client = new WebSocketClient(port);
      assert.match(await client.join(), /^40/);
      assert.equal(await client.next(), '42["first"]');
      assert.equal(await client.next(), '42["second"]');
      io.of("/m").use((socket, next) => {
        socket.emit("early");
        next();
      });
      client.send("40/m,");
      assert.equal(await client.next(), '42/m,["early"]');
      assert.match(`${await client.next()}`, /^40\/m,/);
    },

  "The attachments of an event directly follow the event, with no other packet between them.":
    async (context) => {
      const { io, port } = await serve(context);
      const { client, socket } = await join(io, port);
      socket.emit("b", Buffer.of(1), Buffer.of(2));
      io.emit("c", Buffer.of(3));
      socket.emit("d");
      const got = [];
      for (let i = 0; i < 6; i++) got.push(await client.next());
      assert.match(`${got[0]}`, /^452-\["b"/);
      assert.deepEqual(got.slice(1, 3), [Buffer.of(1), Buffer.of(2)]);
      assert.match(`${got[3]}`, /^451-\["c"/);
      assert.deepEqual(got.slice(4), [Buffer.of(3), '42["d"]']);
    },

  "An asynchronous listener does not delay later events.": async (context) => {
    const { io, port } = await serve(context);
    const { client, socket } = await join(io, port);
    const log: string[] = [];
    let goOn = (): void => {};
    socket.on("slow", async () => {
      log.push("begins");
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      log.push("ends");
    });
    socket.on("fast", () => {
      log.push("fast");
      goOn();
    });
    client.send('42["slow"]');
    client.send('42["fast"]');
    await until(() => log.length === 3);
    assert.deepEqual(log, ["begins", "fast", "ends"]);
  },

  "The order of events from different clients is undefined.": async (context) => {
    // A test can show only one consequence: a client that does not read does not delay another client.
    const { io, port } = await serve(context);
    const polling = await PollingClient.open(port);
    await polling.join();
    const { client } = await join(io, port);
    io.emit("n", 1);
    assert.equal(await client.next(), '42["n",1]');
    io.emit("n", 2);
    assert.equal(await client.next(), '42["n",2]');
    assert.equal((await polling.poll()).body, '42["n",1]\x1e42["n",2]');
  },

  "An event reaches a client at most once.": async (context) => {
    const { io, port } = await serve(context);
    const { client, socket } = await join(io, port);
    void socket.join(["a", "b"]);
    io.to("a").to("b").to(socket.id).emit("n", 1);
    io.emit("end");
    assert.equal(await client.next(), '42["n",1]');
    assert.equal(await client.next(), '42["end"]');
  },

  "An event that is emitted to a disconnected client is lost, and nothing is thrown.": async (
    context,
  ) => {
    const uncaught = gatherUncaught(context);
    const { io, port } = await serve(context);
    const { client, socket } = await join(io, port);
    const gone = goneOf(socket);
    client.socket.terminate();
    await gone;
    assert.equal(socket.emit("n", 1), true);
    io.to(socket.id).emit("n", 2);
    io.emit("n", 3);
    await turn();
    assert.deepEqual(uncaught, []);
  },

  "An event that is in transit when the connection breaks is lost, unless recovery is on.": async (
    context,
  ) => {
    for (const recovers of [false, true]) {
      const options = recovers ? { connectionStateRecovery: {} } : {};
      const { io, port } = await serve(context, options);
      const { client, socket, welcome } = await join(io, port);
      const gone = goneOf(socket);
      // From here on, the client reads nothing.
      client.socket.pause();
      io.emit("n", 1);
      client.socket.terminate();
      await gone;
      const again = await join(io, port, { pid: welcome.pid });
      io.emit("end");
      const next = `${await again.client.next()}`;
      assert.match(next, recovers ? /^42\["n",1/ : /^42\["end"/);
    }
  },

  "If the acknowledgement of an event has arrived, the event was received; without an acknowledgement, the event may or may not have been received.":
    async (context) => {
      const { io, port } = await serve(context);
      const { client, socket } = await join(io, port);
      const answered = socket.emitWithAck("n", 1);
      assert.equal(await client.next(), '420["n",1]');
      client.send('430["received"]');
      assert.equal(await answered, "received");
      const unanswered = socket.emitWithAck("n", 2);
      // The client received the event, but the server has no acknowledgement of it.
      assert.equal(await client.next(), '421["n",2]');
      client.socket.terminate();
      await assert.rejects(unanswered, DisconnectedError);
    },

  "If a program emits an event again until it is acknowledged, the event is delivered at least once; an id in the event lets the receiver ignore repetitions.":
    async (context) => {
      const { io, port } = await serve(context);
      const first = await join(io, port);
      const received = new Set<number>();
      const deliver = async (id: number): Promise<void> => {
        for (;;) {
          const [socket] = io.sockets.sockets.values();
          if (socket === undefined) await turn();
          else if (await socket.emitWithAck("n", id).catch(() => false)) return;
        }
      };
      const delivered = deliver(7);
      await first.client.next();
      received.add(7);
      // The client has received the event, but the server has not received the acknowledgement.
      first.client.socket.terminate();
      const second = await join(io, port);
      assert.match(`${await second.client.next()}`, /^421\["n",7\]$/);
      assert.ok(received.has(7), "the receiver does not know the id 7");
      second.client.send("431[true]");
      await delivered;
    },

  'A volatile event is dropped if the client cannot receive it at once, and never waits, unless `backpressurePolicy` is "drop-volatile".':
    async (context) => {
      for (const [backpressurePolicy, received] of [
        ["close", '42["n",2]'],
        ["drop-oldest", '42["n",2]'],
        ["drop-volatile", '42["n",1]\x1e42["n",2]'],
      ] as const) {
        const { io, port } = await serve(context, { backpressurePolicy });
        const client = await PollingClient.open(port);
        await client.join();
        // No poll is pending, so the server cannot send the event.
        io.volatile.emit("n", 1);
        io.emit("n", 2);
        assert.equal((await client.poll()).body, received);
      }
    },

  "At most `maxBackpressure` bytes and one message wait for one client; beyond this limit the client is disconnected.":
    async (context) => {
      const { io, port } = await serve(context, { maxBackpressure: 10_000 });
      const client = await PollingClient.open(port);
      const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
      await client.join();
      const socket = await connected;
      socket.emit("large", "x".repeat(50_000));
      assert.equal(socket.connected, true);
      socket.emit("n");
      assert.equal(socket.connected, false);
    },

  'With `backpressurePolicy` "drop-volatile", the oldest waiting volatile events are dropped at `maxBackpressure`; the client is disconnected only if no volatile event is waiting.':
    async (context) => {
      const { socket, client } = await serveSlow(context, "drop-volatile");
      for (let n = 0; n < 30; n++) socket.volatile.emit("n", n, TEXT);
      assert.deepEqual(numbersIn((await client.poll()).body), [24, 25, 26, 27, 28, 29]);
      for (let n = 0; n < 6; n++) socket.volatile.emit("n", n, TEXT);
      for (let n = 6; n < 12; n++) socket.emit("n", n, TEXT);
      assert.equal(socket.connected, true);
      socket.emit("n", 12, TEXT);
      assert.equal(socket.connected, false);
    },

  'With `backpressurePolicy` "drop-oldest", the oldest waiting events are dropped at `maxBackpressure`, each with its attachments; an event that asks for an acknowledgement is never dropped.':
    async (context) => {
      const { io, socket, client } = await serveSlow(context, "drop-oldest");
      socket.emit("asks", 100, TEXT, () => {});
      for (let n = 0; n < 30; n++) io.emit("n", Buffer.alloc(1000, n), n);
      const [asks, ...packets] = (await client.poll()).body.split("\x1e");
      assert.match(`${asks}`, /^420\["asks"/);
      assert.deepEqual(numbersIn(packets.join("\x1e")), [25, 26, 27, 28, 29]);
      const bytes = [25, 26, 27, 28, 29].map((n) => `b${Buffer.alloc(1000, n).toString("base64")}`);
      assert.deepEqual(
        packets.filter((_packet, index) => index % 2 === 1),
        bytes,
      );
      for (let n = 0; n < 7; n++) socket.emit("asks", n, TEXT, () => {});
      assert.equal(socket.connected, false);
    },

  "After events were dropped, the client still receives the other events in the order in which they were emitted.":
    async (context) => {
      const { io, socket, client } = await serveSlow(context, "drop-oldest");
      for (let n = 0; n < 100; n += 2) {
        if (n < 6) socket.emit("n", n, TEXT, () => {});
        else socket.emit("n", n, TEXT);
        io.emit("n", n + 1, TEXT);
      }
      assert.deepEqual(numbersIn((await client.poll()).body), [0, 2, 4, 97, 98, 99]);
    },

  "An event that exceeds `rateLimit` reaches no listener, and its acknowledgement is an error.":
    async (context) => {
      const { io, port } = await serve(context, { rateLimit: { events: 1, interval: 60_000 } });
      const { client, socket } = await join(io, port);
      const log: unknown[] = [];
      socket.on("n", (n) => log.push(n));
      socket.on("error", (error) => log.push(Reflect.get(error, "code")));
      client.send('42["n",1]');
      client.send('420["n",2]');
      assert.match(`${await client.next()}`, /^430\[\{"error":\{"code":"ERR_RATE_LIMIT",/);
      assert.deepEqual(log, [1, "ERR_RATE_LIMIT"]);
    },

  "A pending `emitWithAck()` rejects with a DisconnectedError at once when the client disconnects.":
    async (context) => {
      const { io, port } = await serve(context);
      const { client, socket } = await join(io, port);
      const log: string[] = [];
      socket.emitWithAck("n").catch((error) => log.push(error.code));
      socket
        .timeout(60_000)
        .emitWithAck("n")
        .catch((error) => log.push(error.code));
      socket.on("disconnect", () => log.push("disconnect"));
      client.send("41");
      await until(() => log.length === 3);
      assert.deepEqual(log.sort(), ["ERR_DISCONNECTED", "ERR_DISCONNECTED", "disconnect"]);
    },

  "When the client disconnects, a pending callback with `timeout()` is called with a DisconnectedError; a callback without `timeout()` is never called.":
    async (context) => {
      const { io, port } = await serve(context);
      const { client, socket } = await join(io, port);
      const errors: unknown[] = [];
      socket.emit("n", () => assert.fail("the callback was called"));
      socket.timeout(60_000).emit("n", (error: unknown) => errors.push(error));
      const gone = goneOf(socket);
      client.send("41");
      await gone;
      await turn();
      assert.equal(errors.length, 1);
      assert.ok(errors[0] instanceof DisconnectedError);
    },

  "An acknowledgement is sent once, however often the callback is called.": async (context) => {
    const { io, port } = await serve(context);
    const { client, socket } = await join(io, port);
    socket.on("n", (answer) => {
      answer(1);
      answer(2);
      socket.emit("end");
    });
    client.send('420["n"]');
    assert.equal(await client.next(), "430[1]");
    assert.equal(await client.next(), '42["end"]');
  },

  "An acknowledgement that arrives after the timeout is ignored.": async (context) => {
    const clock = new Clock(context);
    const { io, port } = await serve(context, { pingInterval: 1_000_000 });
    const { client, socket } = await join(io, port);
    const late = socket.timeout(10).emitWithAck("n");
    await client.next();
    clock.tick(10);
    await assert.rejects(late, { code: "ERR_ACK_TIMEOUT" });
    socket.on("end", () => io.emit("end"));
    client.send('430["late"]');
    client.send('42["end"]');
    assert.equal(await client.next(), '42["end"]');
    assert.equal(socket.connected, true);
  },

  "If a client disconnects during a broadcast with an acknowledgement, the error contains the responses of the other clients.":
    async (context) => {
      const { io, port } = await serve(context);
      const first = await join(io, port);
      const second = await join(io, port);
      const answers = io.emitWithAck("n");
      await first.client.next();
      first.client.send('430["here"]');
      second.client.socket.terminate();
      await assert.rejects(answers, { code: "ERR_DISCONNECTED", responses: ["here"] });
    },

  "A socket is in the room of its own id as soon as it is connected.": async (context) => {
    const { io, port } = await serve(context);
    io.on("connection", (socket) => {
      assert.deepEqual([...socket.rooms], [socket.id]);
      io.to(socket.id).emit("n");
    });
    const { client } = await join(io, port);
    assert.equal(await client.next(), '42["n"]');
  },

  'A socket is still in its rooms when "disconnecting" listeners are called, and has left them when "disconnect" listeners are called.':
    async (context) => {
      const { io, port } = await serve(context);
      const { client, socket } = await join(io, port);
      void socket.join("room");
      const log: unknown[] = [];
      socket.on("disconnecting", () => log.push([...socket.rooms]));
      socket.on("disconnect", () => log.push([...socket.rooms]));
      client.send("41");
      await until(() => log.length === 2);
      assert.deepEqual(log, [[socket.id, "room"], []]);
    },

  "A disconnected socket cannot join a room.": async (context) => {
    const { io, port } = await serve(context);
    const { client, socket } = await join(io, port);
    const gone = goneOf(socket);
    client.send("41");
    await gone;
    void socket.join("room");
    assert.equal(io.sockets.adapter.rooms.size, 0);
    assert.equal(io.sockets.adapter.sids.size, 0);
  },

  "A room exists as long as a socket is in it.": async (context) => {
    const { io, port } = await serve(context);
    const first = await join(io, port);
    const second = await join(io, port);
    void first.socket.join("room");
    void second.socket.join("room");
    void first.socket.leave("room");
    assert.equal(io.sockets.adapter.rooms.has("room"), true);
    void second.socket.leave("room");
    assert.equal(io.sockets.adapter.rooms.has("room"), false);
  },

  'Middleware functions are called in the order in which they were added, and "connection" listeners are called after all of them.':
    async (context) => {
      const { io, port } = await serve(context);
      const log: string[] = [];
      io.use((_socket, next) => {
        log.push("first");
        setImmediate(next);
      });
      io.use((_socket, next) => {
        log.push("second");
        next();
      });
      io.on("connection", () => log.push("connection"));
      await join(io, port);
      assert.deepEqual(log, ["first", "second", "connection"]);
    },

  "A socket is disconnected once, with one reason.": async (context) => {
    const { io, port } = await serve(context);
    const { client, socket } = await join(io, port);
    const reasons: string[] = [];
    socket.on("disconnect", (reason) => {
      reasons.push(reason);
      socket.disconnect(true);
    });
    socket.on("disconnecting", () => socket.disconnect());
    client.send("41");
    client.socket.terminate();
    await until(() => io.engine.clientsCount === 0);
    assert.equal(reasons.length, 1);
  },

  "If a listener throws, the other listeners are still called.": async (context) => {
    const uncaught = gatherUncaught(context);
    const { io, port } = await serve(context);
    const { client, socket } = await join(io, port);
    const log: string[] = [];
    socket.on("n", () => {
      throw new Error("oops");
    });
    socket.on("n", () => log.push("second"));
    client.send('42["n"]');
    await until(() => log.length === 1 && uncaught.length === 1);
  },

  "If a client violates the protocol, its own connection ends, and no other connection is affected.":
    async (context) => {
      const { io, port } = await serve(context);
      const bad = await join(io, port);
      const good = await join(io, port);
      bad.client.send("4what?");
      await bad.client.closed;
      assert.equal(bad.socket.connected, false);
      io.emit("n");
      assert.equal(await good.client.next(), '42["n"]');
    },

  "A client that reconnects in time keeps its id, its rooms and its data, and receives each event that it missed once and in order.":
    async (context) => {
      const { io, port } = await serve(context, { connectionStateRecovery: {} });
      const { client, socket, welcome } = await join(io, port);
      socket.data = { name: "ada" };
      void socket.join("room");
      const gone = goneOf(socket);
      client.socket.terminate();
      await gone;
      io.to("room").emit("n", 1);
      io.to("other").emit("n", 2);
      io.emit("n", 3);
      const again = await join(io, port, { pid: welcome.pid });
      assert.equal(again.socket.id, socket.id);
      assert.deepEqual(again.socket.data, { name: "ada" });
      assert.ok(again.socket.rooms.has("room"));
      io.emit("end");
      assert.match(`${await again.client.next()}`, /^42\["n",1,/);
      assert.match(`${await again.client.next()}`, /^42\["n",3,/);
      assert.match(`${await again.client.next()}`, /^42\["end"/);
    },

  "A client that recovers loses the listeners of its socket on the server, its pending acknowledgements, and the missed events that ask for an acknowledgement.":
    async (context) => {
      const { io, port } = await serve(context, { connectionStateRecovery: {} });
      const { client, socket, welcome } = await join(io, port);
      socket.on("n", () => assert.fail("a listener of the previous socket was called"));
      const pending = socket.emitWithAck("ask");
      client.socket.terminate();
      await assert.rejects(pending, DisconnectedError);
      const again = await join(io, port, { pid: welcome.pid });
      assert.equal(again.socket.recovered, true);
      assert.notEqual(again.socket, socket);
      assert.equal(again.socket.listenerCount("n"), 0);
      io.emit("end");
      assert.match(`${await again.client.next()}`, /^42\["end"/);
    },

  "A client that recovers receives a dropped event only if it has not received a later event.":
    async (context) => {
      for (const hasReceivedLater of [false, true]) {
        const { io, port, socket, client, pid } = await serveSlow(context, "drop-oldest", {
          connectionStateRecovery: {},
        });
        socket.emit("asks", 0, TEXT.repeat(5), () => {});
        for (let n = 0; n < 6; n++) io.emit("n", n, "x".repeat(300));
        assert.ok(io.stats().dropped > 0, "no event was dropped");
        const offset = /"([^"]+)"\]$/.exec((await client.poll()).body)?.[1];
        socket.conn.discard("transport close");
        const again = await join(io, port, hasReceivedLater ? { pid, offset } : { pid });
        assert.equal(again.socket.recovered, true);
        again.socket.emit("end");
        const next = hasReceivedLater ? '42["end"' : '42["n",0,';
        assert.ok(`${await again.client.next()}`.startsWith(next));
        again.client.socket.terminate();
      }
    },

  "Only one client can recover a session.": async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: {} });
    const { client, socket, welcome } = await join(io, port);
    const gone = goneOf(socket);
    client.socket.terminate();
    await gone;
    const second = await join(io, port, { pid: welcome.pid });
    assert.equal(second.socket.id, socket.id);
    second.client.send("41");
    await goneOf(second.socket);
    const third = await join(io, port, { pid: welcome.pid });
    assert.notEqual(third.socket.id, socket.id);
  },

  "A client does not recover if the server or the client ended the connection on purpose.": async (
    context,
  ) => {
    const { io, port } = await serve(context, { connectionStateRecovery: {} });
    for (const end of [
      (client: WebSocketClient) => client.send("41"),
      (_client: WebSocketClient, socket: Socket) => void socket.disconnect(true),
    ]) {
      const { client, socket, welcome } = await join(io, port);
      const gone = goneOf(socket);
      end(client, socket);
      await gone;
      const again = await join(io, port, { pid: welcome.pid });
      assert.notEqual(again.socket.id, socket.id);
    }
  },

  "A client that does not recover receives a new id, and the server sees the reason in `recoveryFailure`.":
    async (context) => {
      const { io, port } = await serve(context, { connectionStateRecovery: {} });
      const { socket, welcome } = await join(io, port, { pid: "of another server", offset: "1" });
      assert.equal(welcome.sid, socket.id);
      assert.equal(socket.recovered, false);
      assert.equal(socket.recoveryFailure, "unknown session");
    },

  "Over Redis, the clients of one server receive the events of another server once each, in the order in which they were emitted.":
    async (context) => {
      if (noRedis !== false) return context.skip(noRedis);
      const { url } = await startRedis(context);
      const a = await startRedisNode(context, CLIENTS.redis(url));
      const b = await startRedisNode(context, CLIENTS.ioredis(url));
      await known([a, b]);
      await b.socket.join("room");
      for (let n = 0; n < 300; n++) {
        if (n % 3 === 0) a.io.emit("n", n);
        else if (n % 3 === 1) a.io.to("room").emit("n", n);
        else a.io.to(["room", b.socket.id]).emit("n", n);
      }
      for (let n = 0; n < 300; n++) assert.deepEqual(await b.next("n"), [n]);
    },

  "Over Redis, an event that is emitted while Redis is unreachable reaches only the clients of the server that emitted it.":
    async (context) => {
      if (noRedis !== false) return context.skip(noRedis);
      const redis = await startRedis(context);
      const a = await startRedisNode(context, CLIENTS.redis(redis.url));
      const b = await startRedisNode(context, CLIENTS.ioredis(redis.url));
      await known([a, b]);
      await redis.stop();
      await eventually(() => !a.adapter.stats().ready);
      a.io.emit("n", 1);
      assert.deepEqual(await a.next("n"), [1]);
      await redis.restart();
      await untilHeard(a, b);
      a.io.emit("n", 2);
      assert.deepEqual(await b.next("n"), [2]);
    },

  "Over Redis, the error of `serverSideEmitWithAck()` names each server that did not answer, and contains the answers of the other servers.":
    async (context) => {
      if (noRedis !== false) return context.skip(noRedis);
      const { url } = await startRedis(context);
      const options = { requestTimeout: 500 };
      const a = await startRedisNode(context, CLIENTS.redis(url), options);
      const b = await startRedisNode(context, CLIENTS.ioredis(url), options);
      const c = await startRedisNode(context, CLIENTS.redis(url), options);
      await known([a, b, c]);
      b.io.on("ask", (answer: unknown) => typeof answer === "function" && answer("b"));
      await assert.rejects(a.io.serverSideEmitWithAck("ask"), {
        code: "ERR_MISSING_NODES",
        missing: [c.adapter.id],
        responses: ["b"],
      });
    },

  "Over a Redis stream, the clients of all servers receive the events of all servers in the same order.":
    async (context) => {
      if (noRedis !== false) return context.skip(noRedis);
      const { url } = await startRedis(context);
      const a = await startStreamsNode(context, CLIENTS.redis(url));
      const b = await startStreamsNode(context, CLIENTS.ioredis(url));
      const clients = [a, b].map(({ port }) => ReturningClient.connect(port));
      const [one, other] = await Promise.all(clients);
      for (let n = 0; n < 100; n++) {
        a.io.emit("n", "a", n);
        b.io.emit("n", "b", n);
        if (n % 10 === 0) await turn();
      }
      for (let n = 0; n < 200; n++) assert.deepEqual(await one?.next(), await other?.next());
    },

  "Over a Redis stream, a client recovers on another server, even if its own server was killed.":
    async (context) => {
      if (noRedis !== false) return context.skip(noRedis);
      const { url } = await startRedis(context);
      const server = { connectionStateRecovery: {} };
      const adapter = { name: "barewire streams, ioredis", url } as const;
      const [killed] = await startNodes(context, [{ adapter, server }]);
      const b = await startStreamsNode(context, CLIENTS.redis(url));
      await acquainted([b], 1);
      const client = await ReturningClient.connect(killed?.port ?? 0);
      b.io.emit("n", 1);
      assert.deepEqual(await client.next(), ["n", 1]);
      await killed?.kill();
      b.io.to(client.sid).emit("n", 2);
      const back = await client.comeBack(b.port);
      assert.equal(back.sid, client.sid);
      assert.deepEqual(await back.next(), ["n", 2]);
    },

  "Over a Redis stream, a client that recovers does not receive an event again if it received the event while Redis did not answer, unless the client recovers before Redis answers.":
    async (context) => {
      if (noRedis !== false) return context.skip(noRedis);
      const redis = await startRedis(context);
      const a = await startStreamsNode(context, CLIENTS.redis(redis.url));
      const b = await startStreamsNode(context, CLIENTS.ioredis(redis.url));
      const [client, other] = await Promise.all([
        ReturningClient.connect(a.port),
        ReturningClient.connect(b.port),
      ]);
      a.io.emit("n", 1);
      assert.deepEqual(
        [await client.next(), await other.next()],
        [
          ["n", 1],
          ["n", 1],
        ],
      );
      redis.pause();
      a.io.emit("n", 2);
      assert.deepEqual(await client.next(), ["n", 2]);
      redis.resume();
      assert.deepEqual(await other.next(), ["n", 2]);
      await eventually(() => a.adapter.stats().position === b.adapter.stats().position);
      await client.break(a);
      b.io.emit("n", 3);
      assert.deepEqual(await other.next(), ["n", 3]);
      const back = await client.comeBack(b.port);
      assert.equal(back.sid, client.sid);
      assert.deepEqual(await back.next(), ["n", 3]);
    },
};

describe("docs/guarantees.md", () => {
  const page = readFileSync(new URL("../docs/guarantees.md", import.meta.url), "utf8");
  const sentences = [...page.matchAll(/^- (.*)$/gm)].map(([, sentence = ""]) => sentence);

  test("every sentence has a test, and every test has a sentence", () => {
    assert.deepEqual(Object.keys(GUARANTEES).sort(), sentences.toSorted());
  });

  for (const [sentence, run] of Object.entries(GUARANTEES)) test(sentence, run);
});
