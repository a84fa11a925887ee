// Tests the client's sockets and manager: buffering, acknowledgements, reconnection, and invalid packets.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import { io as connect, Manager, type Socket } from "../../client/index.ts";
import { Outgoing } from "../../lib/engineio/outgoing.ts";
import type { Server, Socket as ServerSocket } from "../../server.ts";
import { connectTo } from "../support/client.ts";
import { heard } from "../support/heard.ts";
import { serve, turn, until, WebSocketClient } from "../support/net.ts";
import { gatherUncaught } from "../support/uncaught.ts";

function connection(io: Server): Promise<ServerSocket> {
  return new Promise((resolve) => io.once("connection", resolve));
}

describe("the client's Socket", () => {
  test("sends events emitted before the connection in order, except volatile events", async (context) => {
    const { io, url } = await serve(context);
    const got: unknown[] = [];
    io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
    const client = connectTo(context, url);
    assert.deepEqual([client.connected, client.active, client.id], [false, true, undefined]);
    for (let n = 0; n < 5; n++) client.emit("n", n);
    client.volatile.emit("n", "volatile");
    await until(() => got.length === 5);
    assert.deepEqual(got, [0, 1, 2, 3, 4]);
    assert.equal(client.connected, true);
    assert.equal(io.sockets.sockets.has(`${client.id}`), true);
  });

  test("drops the oldest event beyond maxOfflineBuffer, and rejects its acknowledgement", async (context) => {
    const { io, url } = await serve(context);
    const got: unknown[] = [];
    io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
    const client = connectTo(context, url, { autoConnect: false, maxOfflineBuffer: 2 });
    const dropped = client.emitWithAck("n", 0);
    for (let n = 1; n < 4; n++) client.emit("n", n);
    await assert.rejects(dropped, { code: "ERR_DISCONNECTED" });
    client.connect();
    await until(() => got.length === 2);
    assert.deepEqual(got, [2, 3]);
  });

  test("emitWithAck() rejects as soon as the connection is lost", async (context) => {
    const { io, url } = await serve(context);
    const client = connectTo(context, url);
    const socket = await connection(io);
    await until(() => client.connected);
    const pending = client.emitWithAck("n");
    const timed = client.timeout(60_000).emitWithAck("n");
    client.emit("n", () => assert.fail("the callback was called"));
    socket.conn.close();
    await assert.rejects(pending, { code: "ERR_DISCONNECTED" });
    await assert.rejects(timed, { code: "ERR_DISCONNECTED" });
  });

  test("emitWithAck() rejects after timeout(), and a late acknowledgement is ignored", async (context) => {
    const { io, url } = await serve(context);
    let answer = (): void => {};
    io.on("connection", (socket) => {
      socket.on("late", (reply) => {
        answer = reply;
      });
      socket.on("now", (reply) => reply("x", "y"));
    });
    const client = connectTo(context, url);
    await assert.rejects(client.timeout(20).emitWithAck("late"), { code: "ERR_ACK_TIMEOUT" });
    answer();
    const told = await new Promise<unknown[]>((resolve) => {
      client.timeout(10_000).emit("now", (...args: unknown[]) => resolve(args));
    });
    assert.deepEqual(told, [null, "x", "y"]);
    // A buffered event is not sent after its timeout.
    const offline = connectTo(context, url, { autoConnect: false });
    await assert.rejects(offline.timeout(1).emitWithAck("n"), { code: "ERR_ACK_TIMEOUT" });
    assert.throws(() => client.timeout(-1), { code: "ERR_OUT_OF_RANGE" });
  });

  test("emit() throws for a reserved or missing event name", async (context) => {
    const { url } = await serve(context);
    const client = connectTo(context, url);
    for (const event of ["connect", "connect_error", "disconnect", "disconnecting"]) {
      assert.throws(() => client.emit(event), TypeError);
    }
    assert.throws(() => Reflect.apply(client.emit, client, []), { code: "ERR_INVALID_ARG_TYPE" });
  });

  test("calls the auth function for every connect(), and does not retry after connect_error", async (context) => {
    const { io, url } = await serve(context);
    io.use((socket, next) => {
      if (socket.handshake.auth.attempt > 1) next();
      else next(Object.assign(new Error("not yet"), { data: { wait: 1 } }));
    });
    let attempt = 0;
    const client = connectTo(context, url, { auth: (say) => say({ attempt: ++attempt }) });
    const [error] = await heard(client, "connect_error");
    assert.ok(error instanceof Error && "data" in error && "code" in error);
    assert.deepEqual(
      [error.message, error.data, error.code],
      ["not yet", { wait: 1 }, "ERR_REFUSED"],
    );
    assert.equal(client.active, false);
    client.connect();
    await heard(client, "connect");
    assert.equal(attempt, 2);
  });

  test("reconnects after a lost connection, but not after the server disconnected the socket", async (context) => {
    const { io, url } = await serve(context);
    const client = connectTo(context, url);
    const first = await connection(io);
    await until(() => client.connected);
    const attempts: number[] = [];
    client.io.on("reconnect_attempt", (n) => attempts.push(n));
    const again = connection(io);
    const lost = heard(client, "disconnect");
    first.conn.close();
    assert.equal((await lost)[0], "transport close");
    const second = await again;
    await until(() => client.connected);
    assert.deepEqual(attempts, [1]);
    second.disconnect();
    assert.equal((await heard(client, "disconnect"))[0], "io server disconnect");
    assert.equal(client.active, false);
    await until(() => io.engine.clientsCount === 0);
  });

  test("recovers missed events after a lost connection", async (context) => {
    const { io, url } = await serve(context, { connectionStateRecovery: {} });
    const client = connectTo(context, url);
    const got: unknown[] = [];
    client.on("n", (n) => got.push(n));
    await connection(io);
    await until(() => client.connected);
    assert.equal(client.recovered, false);
    const { id } = client;
    io.emit("n", 1);
    await until(() => got.length === 1);
    client.io.engine.close();
    io.emit("n", 2);
    io.emit("n", 3);
    await until(() => got.length === 3);
    assert.deepEqual(got, [1, 2, 3]);
    assert.deepEqual([client.recovered, client.id], [true, id]);
  });

  test("the retries option resends an event until it is acknowledged, one event at a time", async (context) => {
    const { io, url } = await serve(context);
    const got: unknown[] = [];
    io.on("connection", (socket) => {
      socket.on("n", (n, answer) => {
        got.push(n);
        // The connection closes before the server has acknowledged the first event.
        if (got.length === 1) socket.conn.close();
        else answer(`${n}!`);
      });
    });
    const client = connectTo(context, url, { retries: 3, ackTimeout: 5000 });
    const answers = await Promise.all([client.emitWithAck("n", 1), client.emitWithAck("n", 2)]);
    assert.deepEqual(answers, ["1!", "2!"]);
    assert.deepEqual(got, [1, 1, 2]);
  });

  test("emitWithAck() with the option retries rejects with ERR_ACK_TIMEOUT after the last attempt", async (context) => {
    const { io, url } = await serve(context);
    let tries = 0;
    io.on("connection", (socket) => socket.on("n", () => tries++));
    const client = connectTo(context, url, { retries: 2, ackTimeout: 10 });
    await assert.rejects(client.emitWithAck("n"), { code: "ERR_ACK_TIMEOUT" });
    assert.equal(tries, 3);
  });

  test("for await yields events until the server disconnects", async (context) => {
    const { io, url } = await serve(context);
    const client = connectTo(context, url);
    io.on("connection", (socket) => {
      socket.emit("a", 1);
      socket.emit("b", 2, 3);
      socket.on("enough", () => socket.disconnect());
    });
    const events: unknown[] = [];
    for await (const event of client) {
      events.push(event);
      if (events.length === 2) client.emit("enough");
    }
    assert.deepEqual(events, [
      ["a", 1],
      ["b", 2, 3],
    ]);
    assert.deepEqual(client.listenersAny(), []);
  });

  test("calls catch-all listeners for incoming and outgoing events", async (context) => {
    const { io, url } = await serve(context);
    io.on("connection", (socket) => socket.on("x", (n) => socket.emit("y", n)));
    const client = connectTo(context, url);
    const log: unknown[] = [];
    const out = (...args: unknown[]): void => void log.push(["out", ...args]);
    client.onAnyOutgoing(out).prependAnyOutgoing((event) => log.push(["first", event]));
    client.onAny((...args) => log.push(["in", ...args])).prependAny(() => log.push("before"));
    client.emit("x", 1);
    await heard(client, "y");
    assert.deepEqual(log, [["first", "x"], ["out", "x", 1], "before", ["in", "y", 1]]);
    assert.equal(client.listenersAnyOutgoing().length, 2);
    client.offAny().offAnyOutgoing(out);
    assert.deepEqual([client.listenersAny().length, client.listenersAnyOutgoing().length], [0, 1]);
  });

  test("accepts a URL without a scheme, and takes the namespace from the path", async (context) => {
    const { io, url } = await serve(context);
    io.of("/a b");
    assert.equal(connect(`${url}/50%`, { autoConnect: false }).nsp, "/50%");
    for (const [given, namespace] of [
      [url.replace("http://", ""), "/"],
      [url.replace("http:", "ws:"), "/"],
      [`${url}/`, "/"],
      [`${url}/a b?x=1`, "/a b"],
      [`${url.replace("http:", "")}/a b`, "/a b"],
      [new URL(url), "/"],
    ] as const) {
      const client = connectTo(context, `${given}`);
      assert.equal(client.nsp, namespace);
      await heard(client, "connect");
    }
    assert.throws(() => connect("http://"), TypeError);
  });

  test("applies auth, ackTimeout and retries to one socket, and not to other sockets of the same manager", async (context) => {
    const { io, url } = await serve(context);
    const seen: unknown[] = [];
    for (const name of ["/a", "/b", "/c"]) {
      io.of(name).on("connection", (socket) => {
        seen.push([name, socket.handshake.auth]);
        socket.on("n", () => {});
        socket.on("leave", () => socket.disconnect());
      });
    }
    const options = { auth: { secret: 1 }, ackTimeout: 1, retries: 1 };
    const a = connect(`${url}/a`, options);
    const b = connect(`${url}/b`);
    context.after(() => a.io.close());
    await Promise.all([heard(a, "connect"), heard(b, "connect")]);
    const c = b.io.socket("/c");
    await heard(c, "connect");
    assert.deepEqual(seen, [
      ["/a", options.auth],
      ["/b", {}],
      ["/c", {}],
    ]);
    assert.deepEqual([b.io, b.auth, c.auth], [a.io, undefined, undefined]);
    await assert.rejects(a.emitWithAck("n"), { code: "ERR_ACK_TIMEOUT" });
    for (const socket of [b, c]) {
      const pending = socket.emitWithAck("n");
      socket.emit("leave");
      await assert.rejects(pending, { code: "ERR_DISCONNECTED" });
    }
  });

  test("shares one connection between namespaces, and closes it when the last namespace disconnects", async (context) => {
    const { io, url } = await serve(context);
    io.of("/a");
    const main = connect(url, { reconnectionDelay: 1 });
    const a = connect(`${url}/a`);
    assert.equal(a.io, main.io);
    assert.equal(connect(`${url}/b?x=1`, { autoConnect: false }).nsp, "/b");
    await Promise.all([heard(main, "connect"), heard(a, "connect")]);
    assert.equal(io.engine.clientsCount, 1);
    main.disconnect();
    await turn();
    assert.equal(a.connected, true);
    a.disconnect();
    await until(() => io.engine.clientsCount === 0);
    assert.notEqual(connect(url, { autoConnect: false }).io, undefined);
  });
});

describe("the client's Manager", () => {
  test("emits error, reconnect_attempt, reconnect_error and finally reconnect_failed if no server listens", async () => {
    const manager = new Manager("http://127.0.0.1:1", {
      reconnectionAttempts: 2,
      reconnectionDelay: 1,
      reconnectionDelayMax: 2,
    });
    const log: unknown[] = [];
    manager.on("error", ({ message }) => log.push(["error", message]));
    manager.on("reconnect_attempt", (n) => log.push(["attempt", n]));
    manager.on("reconnect_error", () => log.push("reconnect_error"));
    await new Promise<void>((resolve) => manager.on("reconnect_failed", resolve));
    assert.deepEqual(log, [
      ["error", "polling poll error"],
      ["attempt", 1],
      ["error", "polling poll error"],
      "reconnect_error",
      ["attempt", 2],
      ["error", "polling poll error"],
      "reconnect_error",
    ]);
  });

  test("open(callback) calls the callback with an error if the server is unreachable", async () => {
    const manager = new Manager("http://127.0.0.1:1", { autoConnect: false });
    const error = await new Promise((resolve) => manager.open(resolve));
    assert.ok(error instanceof Error && "code" in error);
    assert.equal(error.code, "ERR_CONNECT");
  });

  test("setters return the current value if called without an argument", () => {
    const manager = new Manager("http://127.0.0.1:1", { autoConnect: false });
    assert.deepEqual(
      [
        manager.reconnection(),
        manager.reconnectionAttempts(),
        manager.reconnectionDelay(),
        manager.reconnectionDelayMax(),
        manager.randomizationFactor(),
        manager.timeout(),
      ],
      [true, Number.POSITIVE_INFINITY, 1000, 5000, 0.5, 20_000],
    );
    manager
      .reconnection(false)
      .reconnectionAttempts(1)
      .reconnectionDelay(2)
      .reconnectionDelayMax(3)
      .randomizationFactor(0)
      .timeout(false);
    assert.deepEqual(
      [manager.reconnection(), manager.reconnectionAttempts(), manager.reconnectionDelay()],
      [false, 1, 2],
    );
    assert.deepEqual(
      [manager.reconnectionDelayMax(), manager.randomizationFactor(), manager.timeout()],
      [3, 0, false],
    );
    const before: unknown = manager.engine;
    assert.equal(before, undefined);
  });

  test("tryAllTransports tries the next transport if a transport is rejected", async (context) => {
    const { url } = await serve(context, { transports: ["websocket"] });
    const client = connectTo(context, url, { tryAllTransports: true });
    await heard(client, "connect");
    assert.equal(client.io.engine.transport.name, "websocket");
    const other = await serve(context, { transports: ["polling"] });
    const polling = connectTo(context, other.url, {
      tryAllTransports: true,
      transports: ["websocket", "polling"],
    });
    await heard(polling, "connect");
    assert.equal(polling.io.engine.transport.name, "polling");
  });
});

describe("invalid and unexpected packets from a server", () => {
  /** Starts a server that sends raw packets to each socket that joins. */
  async function says(
    context: TestContext,
    ...packets: string[]
  ): Promise<{ client: Socket; uncaught: unknown[]; io: Server }> {
    const uncaught = gatherUncaught(context);
    const { io, url } = await serve(context);
    io.on("connection", ({ conn }) => {
      for (const packet of packets) {
        const { transport } = conn;
        transport.send(new Outgoing([packet], false));
      }
    });
    const client = connectTo(context, url, { transports: ["websocket"], reconnection: false });
    return { client, uncaught, io };
  }

  for (const packet of ["43", "430", "42", "42[]", "4x", "45", "452-[]", "41{}", "4", "x"]) {
    test(`${JSON.stringify(packet)} disconnects with "parse error" and a description`, async (context) => {
      const { client, uncaught } = await says(context, packet);
      const [reason, details] = await heard(client, "disconnect");
      assert.equal(reason, "parse error");
      assert.ok(typeof details === "object" && details !== null && "description" in details);
      assert.deepEqual(uncaught, []);
    });
  }

  for (const packet of [
    "431[]",
    '42/nowhere,["x"]',
    '44/nowhere,{"message":"x"}',
    "3",
    "6",
    "0{}",
  ]) {
    test(`${JSON.stringify(packet)} is ignored`, async (context) => {
      const { client, uncaught } = await says(context, packet, '42["after"]');
      await heard(client, "after");
      assert.equal(client.connected, true);
      assert.deepEqual(uncaught, []);
    });
  }

  test("an HTML page, as from a captive portal, causes connect_error", async (context) => {
    const { createServer } = await import("node:http");
    const { listen } = await import("../support/net.ts");
    const portal = createServer((_request, response) => {
      response.setHeader("Content-Type", "text/html").end("<html>Log in, please</html>");
    });
    const port = await listen(portal);
    context.after(() => portal.close());
    const client = connectTo(context, `http://127.0.0.1:${port}`, { reconnection: false });
    const [error] = await heard(client, "connect_error");
    assert.ok(error instanceof Error);
    assert.match(error.message, /packet type/);
  });

  test("a server of Socket.IO 2.x causes connect_error with a message that names the version", async (context) => {
    const { io, port } = await serve(context);
    const uncaught = gatherUncaught(context);
    io.use((socket, next) => {
      socket.conn.transport.send(new Outgoing(["40"], false));
      next();
    });
    const client = connectTo(context, `http://127.0.0.1:${port}`, { transports: ["websocket"] });
    const [error] = await heard(client, "connect_error");
    assert.ok(error instanceof Error);
    assert.match(error.message, /Socket\.IO 2\.x or older, the client 3\.x/);
    assert.deepEqual(uncaught, []);
    assert.ok(new WebSocketClient(port));
  });
});
