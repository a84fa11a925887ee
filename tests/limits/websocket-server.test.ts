// Tests the limits of the WebSocketServer of barewire/websocket: the number of clients, the time to decide whether to
// accept a client, and the bytes that wait for clients that do not read.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { describe, type TestContext, test } from "node:test";

import {
  type BoundExceededError,
  type WebSocketConnection,
  WebSocketServer,
} from "../../websocket.ts";
import { Clock } from "../support/clock.ts";
import { heard } from "../support/heard.ts";
import {
  listen,
  reset,
  TcpClient,
  turn,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../support/net.ts";
import { connection, serveWebSocket } from "../support/web-socket-server.ts";

type Options = Parameters<typeof serveWebSocket>[1];

const from = (address = "203.0.113.1"): string =>
  upgradeRequest("/", { "X-Forwarded-For": address });

/** Requests a WebSocket. Returns the status of the response. An accepted client stays connected. */
async function statusOf(
  context: TestContext,
  port: number,
  request: string = from(),
): Promise<number> {
  const client = new TcpClient(port).write(request);
  context.after(() => client.socket.destroy());
  return Number((await client.until("\r\n\r\n")).split(" ", 2)[1]);
}

/** Collects the names of the limits because of which the server rejects clients. */
function refusedBy(server: WebSocketServer): string[] {
  const bounds: string[] = [];
  server.on("refused", (error: BoundExceededError, request: IncomingMessage) => {
    assert.equal(request.url, "/");
    bounds.push(error.bound);
  });
  return bounds;
}

describe("Clients of a WebSocketServer", () => {
  const BOUNDS: Readonly<Record<string, { options: Options; retryAfter: number }>> = {
    maxConnections: { options: { maxConnections: 2 }, retryAfter: 5 },
    maxConnectionsPerAddress: { options: { maxConnectionsPerAddress: 2 }, retryAfter: 5 },
    maxHandshakesPerSecond: { options: { maxHandshakesPerSecond: 2 }, retryAfter: 1 },
  };
  for (const [bound, { options, retryAfter }] of Object.entries(BOUNDS)) {
    test(`beyond ${bound} receive 503, and the server emits "refused"`, async (context) => {
      new Clock(context);
      const { server, port } = await serveWebSocket(context, options);
      const bounds = refusedBy(server);
      assert.equal(await statusOf(context, port), 101);
      assert.equal(await statusOf(context, port), 101);
      const answer = (await new TcpClient(port).write(from()).closed).toString();
      assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
      assert.ok(answer.includes(`\r\nRetry-After: ${retryAfter}\r\n`), answer);
      assert.ok(answer.endsWith("\r\n\r\nToo many connections"), answer);
      assert.deepEqual(bounds, [bound]);
      assert.equal(server.clients.size, 2);
    });
  }

  test("clients count towards maxConnections until either end closes the connection", async (context) => {
    const { server, port } = await serveWebSocket(context, { maxConnections: 1 });
    const WAYS: ((client: WebSocketClient, ours: WebSocketConnection) => unknown)[] = [
      (client) => client.socket.close(),
      (client) => client.socket.terminate(),
      (_client, ours) => ours.close(),
      (_client, ours) => ours.terminate(),
    ];
    for (const leave of WAYS) {
      const accepted = connection(server);
      const client = new WebSocketClient(port, "/");
      const ours = await accepted;
      await client.opened();
      assert.equal(await statusOf(context, port), 503);
      const closed = heard(ours, "close");
      leave(client, ours);
      await closed;
    }
    assert.equal(await statusOf(context, port), 101);
  });

  test("no longer count if they are refused, or disconnect before verify decides", async (context) => {
    const answers: ((verdict: boolean) => void)[] = [];
    let verdict: "no" | "throw" | "later" = "no";
    const { server, port } = await serveWebSocket(context, {
      maxConnections: 1,
      verify: () => {
        if (verdict === "throw") throw new Error("a mistake");
        return verdict === "no" ? false : new Promise((resolve) => answers.push(resolve));
      },
    });
    assert.equal(await statusOf(context, port), 403);
    verdict = "throw";
    assert.equal(await statusOf(context, port), 500);
    const invalid = upgradeRequest("/", { "Sec-WebSocket-Key": undefined });
    assert.equal(await statusOf(context, port, invalid), 400);
    verdict = "later";
    const bounds = refusedBy(server);
    const leaves = new TcpClient(port).write(from());
    await until(() => answers.length === 1);
    // A client counts while the application decides whether to accept it.
    assert.equal(await statusOf(context, port), 503);
    reset(leaves.socket);
    let status = 503;
    const next = async (): Promise<void> => {
      const client = new TcpClient(port).write(from());
      context.after(() => client.socket.destroy());
      const head = client.until("\r\n\r\n");
      await Promise.race([head, until(() => answers.length === 2)]);
      answers[1]?.(true);
      status = Number((await head).split(" ", 2)[1]);
    };
    while (status === 503) await next();
    assert.equal(status, 101);
    assert.ok(bounds.every((bound) => bound === "maxConnections"));
    // The application accepts the first client too late, which has no effect.
    answers[0]?.(true);
    await turn();
    assert.equal(server.clients.size, 1);
  });

  test("clients of one address, or one IPv6 network, count towards maxConnectionsPerAddress", async (context) => {
    const { port } = await serveWebSocket(context, { maxConnectionsPerAddress: 1 });
    // biome-ignore format: table
    const CLIENTS = [
      ["203.0.113.1", 101], ["203.0.113.1", 503], ["203.0.113.2", 101],
      ["2001:db8:0:1::1", 101], ["2001:db8:0:1:ffff::2", 503], ["2001:db8:0:2::1", 101],
    ] as const;
    for (const [address, status] of CLIENTS) {
      assert.equal(await statusOf(context, port, from(address)), status, address);
    }
    const options = { maxConnectionsPerAddress: 1, trustedProxies: "none" } as const;
    const { port: other } = await serveWebSocket(context, options);
    assert.equal(await statusOf(context, other, from("203.0.113.1")), 101);
    assert.equal(await statusOf(context, other, from("203.0.113.2")), 503);
  });

  test("clients beyond maxHandshakesPerSecond are refused until half a second has passed", async (context) => {
    const clock = new Clock(context);
    const { port } = await serveWebSocket(context, { maxHandshakesPerSecond: 2 });
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push(await statusOf(context, port));
    clock.tick(500);
    for (let n = 0; n < 2; n++) statuses.push(await statusOf(context, port));
    assert.deepEqual(statuses, [101, 101, 503, 101, 503]);
  });

  const UNDECIDED = new Promise<boolean>(() => {});
  const NEVER: Readonly<Record<string, Options>> = {
    "clients receive 503 after handshakeTimeout if verify does not decide": {
      verify: () => UNDECIDED,
      origins: "*",
      maxConnections: 1,
    },
    "receive 503 after handshakeTimeout if origins does not decide": {
      origins: () => UNDECIDED,
      maxConnections: 1,
    },
    "receive 503 after handshakeTimeout even if their number has no limit": {
      verify: () => UNDECIDED,
      origins: "*",
    },
  };
  for (const [title, options] of Object.entries(NEVER)) {
    test(title, async (context) => {
      const clock = new Clock(context);
      const { server, port } = await serveWebSocket(context, {
        ...options,
        handshakeTimeout: 5000,
      });
      const bounds = refusedBy(server);
      const client = new TcpClient(port);
      client.write(upgradeRequest("/", { Origin: "https://example.com" }));
      await until(() => clock.timers > 0);
      clock.tick(4999);
      await turn();
      assert.deepEqual(bounds, []);
      clock.tick(1);
      const message = "The handshake has taken too long";
      assert.deepEqual((await client.closed).toString().split("\r\n"), [
        "HTTP/1.1 503 Service Unavailable",
        "Connection: close",
        "Content-Type: text/plain",
        `Content-Length: ${message.length}`,
        "",
        message,
      ]);
      assert.deepEqual(bounds, ["handshakeTimeout"]);
      assert.equal(clock.timers, 0);
      // The client no longer counts, so the next client waits for a decision, too.
      new TcpClient(port).write(upgradeRequest("/", { Origin: "https://example.com" }));
      await until(() => clock.timers > 0);
      assert.deepEqual(bounds, ["handshakeTimeout"]);
    });
  }

  test("that disconnect before verify decides do not reach handshakeTimeout", async (context) => {
    const clock = new Clock(context);
    const verify = (): Promise<boolean> => UNDECIDED;
    const { server, port } = await serveWebSocket(context, { verify, handshakeTimeout: 5000 });
    const bounds = refusedBy(server);
    const client = new TcpClient(port).write(from());
    await until(() => clock.timers > 0);
    reset(client.socket);
    await until(() => clock.timers === 0);
    clock.tick(5000);
    assert.deepEqual(bounds, []);
  });

  test("that disconnect before the application calls handleUpgrade() do not count", async (context) => {
    const server = new WebSocketServer({
      noServer: true,
      maxConnections: 1,
      verify: ({ url }) => url === "/" || assert.fail("verify() received a disconnected client"),
    });
    const http = createServer().on("upgrade", (request, socket, head) => {
      if (request.url === "/") server.handleUpgrade(request, socket, head);
      else socket.destroy().once("close", () => server.handleUpgrade(request, socket, head));
    });
    const port = await listen(http);
    context.after(() => http.close());
    server.on("handshakeError", (error) => assert.fail(`${error}`));
    await new TcpClient(port).write(upgradeRequest("/leaves")).closed;
    assert.equal(await statusOf(context, port), 101);
  });
});

const MESSAGE = "x".repeat(100_000);

/** Connects a client that reads nothing. `end` resolves when its connection has ended. */
async function nonReader(
  server: WebSocketServer,
  port: number,
): Promise<{ client: WebSocketClient; ours: WebSocketConnection; end: Promise<unknown[]> }> {
  const accepted = connection(server);
  const client = new WebSocketClient(port, "/");
  const ours = await accepted;
  await client.opened();
  client.socket.pause();
  const end = new Promise<unknown[]>((resolve) =>
    ours.once("close", (code, reason, failure, exceeded) =>
      resolve([code, reason, failure, exceeded?.bound, exceeded?.message]),
    ),
  );
  return { client, ours, end };
}

describe("Bytes that wait for a client of a WebSocketServer", () => {
  const NON_READERS: Readonly<Record<string, Options>> = {
    "the waiting bytes of a client are at most maxBackpressure plus one message; the next message closes its connection":
      {},
    "are at most maxBackpressure plus one message with compression too": {
      perMessageDeflate: { threshold: 0 },
    },
  };
  for (const [title, deflate] of Object.entries(NON_READERS)) {
    test(title, async (context) => {
      const options = { maxBackpressure: 1_000_000, ...deflate };
      const { server, port } = await serveWebSocket(context, options);
      const { ours, end } = await nonReader(server, port);
      let most = 0;
      // The limit also applies to a program that sends all messages in one turn of the event loop.
      for (let n = 0; n < 1000; n++) {
        ours.send(MESSAGE);
        most = Math.max(most, ours.bufferedAmount);
      }
      assert.equal(ours.send(MESSAGE), false);
      const message = "too many bytes wait for the client";
      assert.deepEqual(await end, [1006, "", undefined, "maxBackpressure", message]);
      assert.ok(most > 1_000_000 && most < 1_000_000 + 2 * MESSAGE.length, `${most}`);
      assert.equal(server.clients.size, 0);
      assert.throws(() => ours.send(MESSAGE), { code: "ERR_NOT_OPEN" });
    });
  }

  test('do not reach maxBackpressure if the application waits for "drain"', async (context) => {
    const { server, port } = await serveWebSocket(context, { maxBackpressure: 200_000 });
    const { client, ours } = await nonReader(server, port);
    client.socket.resume();
    for (let n = 0; n < 100; n++) {
      if (!ours.send(MESSAGE)) await heard(ours, "drain");
    }
    for (let n = 0; n < 100; n++) assert.equal(await client.next(), MESSAGE);
  });

  test("may equal maxBackpressure", async (context) => {
    const frameLength = MESSAGE.length + 10;
    const { server, port } = await serveWebSocket(context, { maxBackpressure: frameLength });
    const { ours, end } = await nonReader(server, port);
    const lengths = [1, 2].map(() => ours.send(MESSAGE) || ours.bufferedAmount);
    assert.deepEqual(lengths, [frameLength, 2 * frameLength]);
    ours.send(MESSAGE);
    assert.equal((await end)[3], "maxBackpressure");
  });

  test("may have several megabytes by default", async (context) => {
    const { server, port } = await serveWebSocket(context);
    const clients = [await nonReader(server, port), await nonReader(server, port)];
    for (const { ours } of clients) for (let n = 0; n < 40; n++) ours.send(MESSAGE);
    for (const { client } of clients) {
      client.socket.resume();
      for (let n = 0; n < 40; n++) assert.equal(await client.next(), MESSAGE);
    }
  });

  test("may exceed maxBackpressure while send() returns true", async (context) => {
    const { server, port } = await serveWebSocket(context, { maxBackpressure: 1000 });
    const { client, ours } = await nonReader(server, port);
    client.socket.resume();
    const text = "x".repeat(100);
    for (let n = 0; n < 100; n++) {
      if (!ours.send(text)) await heard(ours, "drain");
    }
    for (let n = 0; n < 100; n++) assert.equal(await client.next(), text);
  });

  test("no longer count after the client's disconnection, even in the same turn of the event loop", async (context) => {
    const { server, port } = await serveWebSocket(context, { maxTotalBackpressure: 3_000_000 });
    const stalled = [];
    for (let n = 0; n < 3; n++) stalled.push(await nonReader(server, port));
    const payload = new Uint8Array(500_000);
    // The messages have 9 MB in total. The messages for two clients exceed the limit, the messages for one client do not.
    for (let round = 0; round < 6; round++) {
      for (const { ours } of stalled) ours.send(payload);
    }
    const ends = stalled.map(({ ours, end }) => end.then(() => ours));
    await Promise.race(ends);
    await turn();
    assert.equal(server.clients.size, 1);
    for (const { client } of stalled) client.socket.terminate();
  });

  test("the waiting bytes of a server's clients are at most maxTotalBackpressure: the client with the most bytes is disconnected", async (context) => {
    const { server, port } = await serveWebSocket(context, { maxTotalBackpressure: 2_000_000 });
    const greedy = await nonReader(server, port);
    const other = await nonReader(server, port);
    const reads = await nonReader(server, port);
    reads.client.socket.resume();
    // While messages wait for only one client, maxTotalBackpressure does not apply to it.
    for (let n = 0; n < 50; n++) greedy.ours.send(MESSAGE);
    for (let n = 0; n < 3; n++) other.ours.send(MESSAGE);
    const message = "too many bytes wait for all clients";
    assert.deepEqual(await greedy.end, [1006, "", undefined, "maxTotalBackpressure", message]);
    // Messages that the client has received no longer count.
    for (let n = 0; n < 50; n++) {
      if (!reads.ours.send(MESSAGE)) await heard(reads.ours, "drain");
    }
    for (let n = 0; n < 50; n++) assert.equal(await reads.client.next(), MESSAGE);
    assert.equal(server.clients.size, 2);
    other.client.socket.resume();
    for (let n = 0; n < 3; n++) assert.equal(await other.client.next(), MESSAGE);
  });

  test("beyond maxBackpressure destroy its stream with an error that names the limit", async (context) => {
    const { createWebSocketStream } = await import("../../websocket.ts");
    const { server, port } = await serveWebSocket(context, { maxBackpressure: 500_000 });
    const { ours } = await nonReader(server, port);
    const stream = createWebSocketStream(ours);
    const failed = once(stream, "error");
    for (let n = 0; n < 100; n++) ours.send(MESSAGE);
    const [error] = await failed;
    assert.equal(error.cause.bound, "maxBackpressure");
  });
});

test("A message to a WebSocketServer has at most maxPayload bytes", async (context) => {
  const { port } = await serveWebSocket(context, { maxPayload: 1000 });
  const client = await new WebSocketClient(port, "/").opened();
  client.send("x".repeat(1001));
  assert.equal(await client.closed, 1009);
});
