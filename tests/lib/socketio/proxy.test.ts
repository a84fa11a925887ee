// Tests the public objects of the server, wrapped in a Proxy as by Vue's reactive() and MobX. The objects must not have
// `#private` members, because accessing these through a Proxy throws.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Server, type Socket } from "../../../server.ts";

function wrap<T extends object>(object: T): T {
  return new Proxy(object, {});
}

test("a server, its namespaces, sockets and operators work behind a Proxy", async () => {
  const server = new Server({ pingInterval: 1_000_000 });
  const io = wrap(server);
  assert.equal(io.path(), "/socket.io");
  assert.equal(io.connectTimeout(1000).connectTimeout(), 1000);
  assert.equal(io.serveClient(false).serveClient(), false);
  assert.equal(io.adapter(), server.adapter());
  assert.throws(() => io.engine, /not attached/);
  const errors: unknown[] = [];
  io.onError((error) => errors.push(error));

  const namespace = wrap(io.of("/chat"));
  const parent = wrap(io.of(/^\/room-/));
  parent.use((_socket, next) => next()).onError((error) => errors.push(error));
  const passed: string[] = [];
  namespace.use((socket, next) => {
    passed.push(socket.id);
    next();
  });
  const sockets: Socket[] = [];
  namespace.on("connection", (each) => {
    const socket = wrap(each);
    sockets.push(socket);
    socket.use((_event, next) => next());
    socket.onAny(() => {});
    socket.on("sum", (a, b, answer) => answer(a + b));
  });
  const client = await io.testClient({ namespace: "/chat" });
  const [socket] = sockets;
  assert.ok(socket !== undefined);
  assert.deepEqual(passed, [socket.id]);
  assert.equal(await client.emit("sum", 1, 2), 3);
  socket.data = { name: "ada" };
  assert.deepEqual(socket.data, { name: "ada" });
  assert.equal(socket.handshake.query.transport, "websocket");
  assert.equal(socket.connected, true);
  await socket.join("room");
  assert.ok(socket.rooms.has("room"));
  socket.emit("hello", 1);
  assert.deepEqual(await client.waitFor("hello"), [1]);

  const operator = wrap(namespace.to("room"));
  wrap(operator.volatile).emit("news", 2);
  assert.deepEqual(await client.waitFor("news"), [2]);
  const [found] = await operator.fetchSockets();
  const remote = wrap(found ?? assert.fail());
  remote.emit("to one", 3);
  assert.deepEqual(await client.waitFor("to one"), [3]);
  assert.equal(namespace.sockets.size, 1);
  assert.equal(namespace.serverSideEmit("nothing"), true);
  parent.emit("nothing");

  remote.disconnect();
  assert.equal(socket.disconnected, true);
  await io.close();
  assert.deepEqual(errors, []);
});

test("an engine and its sessions work behind a Proxy", async () => {
  const io = new Server({ pingInterval: 1_000_000 });
  await io.testClient();
  const engine = wrap(io.engine);
  assert.equal(engine.clientsCount, 1);
  assert.equal(engine.opts.pingInterval, 1_000_000);
  engine.use((_request, _response, next) => next());
  const [socket] = io.sockets.sockets.values();
  const session = wrap(socket?.conn ?? assert.fail());
  assert.equal(session.state, "websocket");
  assert.equal(session.transport.name, "memory");
  assert.equal(session.readyState, "open");
  assert.equal(session.protocol, 4);
  assert.match(session.request.url ?? "", /^\/socket\.io\//);
  const reasons: string[] = [];
  session.on("close", (reason) => reasons.push(reason));
  session.close();
  assert.deepEqual(reasons, ["forced close"]);
  assert.equal(engine.clientsCount, 0);
  await engine.close();
  await io.close();
});
