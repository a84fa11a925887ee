// Tests requests and upgrades that one worker forwards to another. Both workers run in this process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect, createServer as createNetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { InnerServer, stopReading } from "../../../lib/cluster/forwarding.ts";
import { Router, receiveConnection } from "../../../lib/cluster/router.ts";
import { generateSessionId, ownerOf } from "../../../lib/cluster/worker-id.ts";
import { Server } from "../../../server.ts";
import {
  answerTo,
  ask,
  listen,
  PollingClient,
  until,
  upgradeStatus,
  WebSocketClient,
} from "../../support/net.ts";

const SECRET = "secret";
const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

interface Worker {
  readonly number: number;
  readonly io: Server;
  readonly router: Router;
  readonly port: number;
  readonly path: string;
  leaving: boolean;
  /** The number of requests that the other workers have forwarded to this worker. */
  requests: number;
}

/** Resumes reading from a connection, as the process that receives the connection does. */
function received(socket: Socket): Socket {
  const handle: { readStart(): void } = Reflect.get(socket, "_handle");
  handle.readStart();
  return socket;
}

async function startWorker(
  context: TestContext,
  number: number,
  path: string,
  workers: Worker[],
): Promise<Worker> {
  const http = createServer();
  const io = new Server(http, { pingInterval: 1_000_000, maxHttpBufferSize: 1_000_000 });
  const router = new Router(number, SECRET, (to, head, bytes, socket) => {
    const worker = workers.find((each) => each.number === to);
    if (worker !== undefined) receiveConnection(worker.io.engine, head, bytes, received(socket));
  });
  io.engine.generateId = () => generateSessionId(number);
  io.engine.routeBy(router);
  io.on("connection", (socket) => {
    socket.on("length", (value, answer) => answer(value.length, number));
  });
  const inner = new InnerServer(SECRET, io.engine);
  inner.server.listen(path);
  await once(inner.server, "listening");
  const port = await listen(http);
  const worker: Worker = { number, io, router, port, path, leaving: false, requests: 0 };
  inner.server.on("request", () => worker.requests++);
  context.after(async () => {
    router.close();
    inner.server.close();
    inner.server.closeAllConnections();
    await io.close();
  });
  return worker;
}

/** Starts two workers, which also know a third worker that does not run. */
async function startTwo(context: TestContext): Promise<[Worker, Worker]> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-router-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const workers: Worker[] = [];
  const one = await startWorker(context, 1, join(folder, "1"), workers);
  const other = await startWorker(context, 2, join(folder, "2"), workers);
  workers.push(one, other);
  const gone = { number: 3, path: join(folder, "3"), leaving: false };
  one.router.setPeers([gone, other]);
  other.router.setPeers([gone, one]);
  return [one, other];
}

test("a session id has 20 characters and encodes the number of its worker", () => {
  for (const number of [1, 63, 64, 4095]) {
    const sid = generateSessionId(number);
    assert.match(sid, /^[\w-]{20}$/);
    assert.equal(ownerOf(sid), number);
    assert.notEqual(generateSessionId(number), sid);
  }
  for (const none of ["", "AB", `${"A".repeat(21)}`, `!B${"A".repeat(18)}`])
    assert.equal(ownerOf(none), undefined);
});

test("forwards polls and large POST requests to the worker that has the session", async (context) => {
  const [one, other] = await startTwo(context);
  const { sid } = await PollingClient.open(one.port);
  const client = new PollingClient(other.port, sid);
  assert.match(await client.join(), /^40/);
  const text = "ü".repeat(300_000);
  assert.equal((await client.post(`420["length","${text}"]`)).body, "ok");
  const { status, headers, body } = await client.poll();
  assert.deepEqual([status, body], [200, "430[300000,1]"]);
  assert.equal(headers["cache-control"], "no-store");
  assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
  assert.equal((await client.post("x".repeat(1_000_001))).status, 413);
  assert.deepEqual([one.io.engine.clientsCount, other.io.engine.clientsCount], [1, 0]);
});

test("ends the session when the client aborts a forwarded poll", async (context) => {
  const [one, other] = await startTwo(context);
  const { sid } = await PollingClient.open(one.port);
  const client = new PollingClient(other.port, sid);
  await client.join();
  const poll = httpRequest({ host: "127.0.0.1", port: other.port, path: client.path });
  poll.on("error", () => {});
  poll.end();
  await until(() => one.io.sockets.sockets.size === 1);
  const [socket] = one.io.sockets.sockets.values();
  assert.ok(socket);
  const reason = once(socket, "disconnect");
  // The transport is writable as soon as the poll has reached the session.
  await until(() => socket.conn.transport.writable);
  poll.destroy();
  assert.equal((await reason)[0], "transport error");
});

test('answers a request for a session of a stopped worker with "Session ID unknown"', async (context) => {
  const [one] = await startTwo(context);
  const path = `${HANDSHAKE}&sid=${generateSessionId(3)}`;
  const { status, body } = await ask(one.port, path);
  assert.deepEqual([status, JSON.parse(body)], [400, { code: 1, message: "Session ID unknown" }]);
});

test("a worker that shuts down forwards new clients to another worker and closes their connections", async (context) => {
  const [one, other] = await startTwo(context);
  one.router.leave();
  one.io.engine.refuseClients();
  // In three attempts the router also tries the worker that does not run.
  for (const _each of [1, 2, 3]) {
    const { status, headers, body } = await ask(one.port, HANDSHAKE);
    assert.equal(status, 200);
    assert.equal(headers.connection, "close");
    assert.equal(ownerOf(/"sid":"([^"]+)"/.exec(body)?.[1] ?? ""), 2);
  }
  assert.equal(other.io.engine.clientsCount, 3);
  const addresses: string[] = [];
  other.io.on("connection", (socket) => addresses.push(socket.handshake.address));
  const client = await PollingClient.open(one.port);
  await client.join();
  assert.deepEqual(addresses, ["127.0.0.1"]);
});

test("a worker that shuts down refuses new clients if no other worker runs", async (context) => {
  const [one, other] = await startTwo(context);
  one.router.setPeers([{ ...other, leaving: true }]);
  one.router.leave();
  one.io.engine.refuseClients();
  assert.equal((await ask(one.port, HANDSHAKE)).status, 403);
  one.router.setPeers([{ number: 3, path: `${other.path}-gone`, leaving: false }]);
  assert.equal((await ask(one.port, HANDSHAKE)).status, 403);
});

test("of two workers that shut down at once, neither forwards a client back to the other", async (context) => {
  const [one, other] = await startTwo(context);
  // Neither worker knows yet that the other worker shuts down.
  one.router.setPeers([other]);
  other.router.setPeers([one]);
  one.router.leave();
  other.router.leave();
  const { status, body } = await ask(one.port, HANDSHAKE);
  assert.equal(status, 200);
  assert.equal(ownerOf(/"sid":"([^"]+)"/.exec(body)?.[1] ?? ""), 2);
  const client = new WebSocketClient(one.port);
  await client.join();
  client.socket.close();
  assert.equal(one.io.engine.clientsCount, 0);
});

test("a worker answers a forwarded request itself, even if another worker has the session", async (context) => {
  const [one, other] = await startTwo(context);
  const path = `${HANDSHAKE}&sid=${generateSessionId(2)}`;
  // Worker 3 would send this header if it forwarded a request for a session of worker 2 to worker 1 by mistake.
  const headers = { "barewire-forwarded": `${SECRET} 3 127.0.0.1 1 tcp` };
  const request = httpRequest({ socketPath: one.path, path, headers, agent: false });
  request.end();
  assert.equal((await answerTo(request)).status, 400);
  assert.equal(other.requests, 0);
});

test("passes a WebSocket to the worker with its session, and new WebSockets to other workers during a shutdown", async (context) => {
  const [one, other] = await startTwo(context);
  const session = await PollingClient.open(one.port);
  await session.join();
  const path = `/socket.io/?EIO=4&transport=websocket&sid=${session.sid}`;
  const client = await new WebSocketClient(other.port, path).opened();
  client.send("2probe");
  assert.equal(await client.next(), "3probe");
  client.send("5");
  client.send('421["length","text"]');
  assert.equal(await client.next(), "431[4,1]");
  client.socket.close();
  one.router.setPeers([other]);
  one.router.leave();
  one.io.engine.refuseClients();
  const fresh = new WebSocketClient(one.port);
  await fresh.join();
  assert.equal(other.io.engine.clientsCount, 1);
  fresh.socket.close();
  // The other worker rejects a forwarded upgrade request in the same way as an upgrade request from its own client.
  const bad = { "Sec-WebSocket-Version": "7" };
  assert.equal(await upgradeStatus(one.port, bad), await upgradeStatus(other.port, bad));
});

test("rejects forwarded requests and upgrades without the workers' secret", async (context) => {
  const [one] = await startTwo(context);
  const fields = [undefined, "", "secre 2 1.2.3.4 5 tcp", "secrets 2 1.2.3.4 5 tcp"];
  for (const field of fields) {
    const headers = field === undefined ? {} : { "barewire-forwarded": field };
    const request = httpRequest({ socketPath: one.path, path: HANDSHAKE, headers, agent: false });
    request.end();
    assert.equal((await answerTo(request)).status, 403);
  }
  const upgrade = connect(one.path);
  upgrade.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  await once(upgrade.resume(), "close");
  assert.equal(one.io.engine.clientsCount, 0);
});

test("answers polls immediately with a noop packet while the worker that forwards them shuts down", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "barewire-router-"));
  const http = createServer();
  const io = new Server(http, { pingInterval: 1_000_000 });
  io.engine.generateId = () => generateSessionId(1);
  const inner = new InnerServer(SECRET, io.engine);
  inner.server.listen(join(folder, "1"));
  await once(inner.server, "listening");
  const port = await listen(http);
  context.after(async () => {
    inner.server.close();
    inner.server.closeAllConnections();
    await io.close();
    rmSync(folder, { recursive: true });
  });
  const client = await PollingClient.open(port);
  await client.join();
  const forwarded = (): Promise<{ body: string }> => {
    const headers = { "barewire-forwarded": `${SECRET} 2 127.0.0.1 1 tcp` };
    const socketPath = join(folder, "1");
    const request = httpRequest({ socketPath, path: client.path, headers, agent: false });
    request.end();
    return answerTo(request);
  };
  const [socket] = io.sockets.sockets.values();
  const first = forwarded();
  await until(() => socket?.conn.transport.writable === true);
  inner.setLeaving(new Set([2]));
  assert.equal((await first).body, "6");
  assert.equal((await forwarded()).body, "6");
  assert.equal(io.engine.clientsCount, 1);
});

test("stopReading() returns the bytes received so far and leaves later bytes to the next reader", async (context) => {
  const connections: Socket[] = [];
  const server = createNetServer((connection) => connections.push(connection));
  const port = await listen(server);
  const client = connect(port, "127.0.0.1");
  context.after(() => {
    for (const each of [client, ...connections]) each.destroy();
    server.close();
  });
  client.write("early");
  await until(() => connections[0]?.readableLength === 5);
  const [connection] = connections;
  assert.ok(connection !== undefined);
  assert.equal(Buffer.from(stopReading(connection)).toString(), "early");
  client.write("late");
  // If this connection were still reading, it would have received "late" before a later connection receives its data.
  connect(port, "127.0.0.1").end("later");
  await until(() => connections[1]?.readableLength === 5);
  assert.deepEqual([connection.bytesRead, connection.readableLength], [5, 0]);
  const [late]: Buffer[] = await once(received(connection), "data");
  assert.equal(`${late}`, "late");
});

test("does not forward header fields that the Connection header names", async (context) => {
  const [one, other] = await startTwo(context);
  const seen: IncomingHttpHeaders[] = [];
  other.io.engine.use((request, _response, next) => {
    seen.push(request.headers);
    next();
  });
  const { sid } = await PollingClient.open(other.port);
  seen.length = 0;
  const request = httpRequest({
    host: "127.0.0.1",
    port: one.port,
    path: `${HANDSHAKE}&sid=${sid}`,
    method: "POST",
    headers: {
      Connection: "close, X-Secret ,X-OTHER, host, content-length",
      "X-Secret": "1",
      "X-Other": "2",
      "X-Kept": "3",
      "Content-Length": 2,
    },
  });
  request.end("40");
  assert.equal((await answerTo(request)).status, 200);
  const [headers] = seen;
  assert.ok(headers !== undefined && other.requests > 0);
  assert.equal(headers["x-kept"], "3");
  assert.equal(headers["content-length"], "2");
  assert.equal(headers.host, `127.0.0.1:${one.port}`);
  for (const name of ["x-secret", "x-other"]) assert.equal(headers[name], undefined);
});
