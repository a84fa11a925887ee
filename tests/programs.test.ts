// Runs third-party packages that use socket.io, once with socket.io and once with barewire. The packages must pass the
// same tests with both.

import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";

import { io as connect, type Socket } from "socket.io-client";

import { Environment, LIBRARIES } from "./support/environment.ts";
import { heard } from "./support/heard.ts";
import { until } from "./support/net.ts";

/** Connects a client, and disconnects it when the test ends. */
async function join(
  context: TestContext,
  port: number,
  options: object = {},
  namespace = "/",
): Promise<Socket> {
  const client = connect(`http://127.0.0.1:${port}${namespace}`, { forceNew: true, ...options });
  context.after(() => client.disconnect());
  await new Promise<void>((resolve, reject) => {
    client.once("connect", resolve);
    client.once("connect_error", reject);
  });
  return client;
}

/** Resolves to the arguments of the acknowledgement of a client's event. */
function ask(client: Socket, event: string, ...args: unknown[]): Promise<unknown[]> {
  return new Promise((resolve) =>
    client.emit(event, ...args, (...answer: unknown[]) => resolve(answer)),
  );
}

for (const library of LIBRARIES) {
  describe(`Packages of other authors with ${library}`, () => {
    let environment: Environment;
    before(() => {
      environment = new Environment(library);
    });
    after(() => environment.close());

    test("@feathersjs/socketio: acknowledges CRUD methods and emits their events", async (context) => {
      const port = await environment.start("crud.cjs");
      for (const transports of [["polling"], ["websocket"]]) {
        const client = await join(context, port, { transports, auth: { user: "ada" } });
        const other = await join(context, port, { transports });
        const created = heard(other, "messages created");
        const text = `via ${transports}`;
        const [none, message] = await ask(client, "create", "messages", { text });
        assert.equal(none, null);
        assert.ok(typeof message === "object" && message !== null && "id" in message);
        assert.deepEqual(await created, [message]);
        assert.deepEqual(await ask(client, "get", "messages", message.id), [null, message]);
        const patched = heard(other, "messages patched");
        const changed = { ...message, text: "changed" };
        const patch = ["patch", "messages", message.id, { text: "changed" }] as const;
        assert.deepEqual(await ask(client, ...patch), [null, changed]);
        assert.deepEqual(await patched, [changed]);
        assert.deepEqual(await ask(client, "find", "messages", {}), [null, [changed]]);
        assert.deepEqual(await ask(client, "remove", "messages", message.id), [null, changed]);
        const [error] = await ask(client, "get", "messages", message.id);
        assert.ok(typeof error === "object" && error !== null && "message" in error);
        assert.equal(error.message, `no message ${message.id}`);
        const [unknown] = await ask(client, "find", "nothing", {});
        assert.ok(typeof unknown === "object" && unknown !== null && "code" in unknown);
        assert.equal(unknown.code, 404);
      }
    });

    test("simple-signal-server: forwards signals from one client to another only", async (context) => {
      const port = await environment.start("signalling.cjs");
      const [ada, bob, eve] = [
        await join(context, port),
        await join(context, port),
        await join(context, port),
      ];
      const told: string[] = [];
      eve.onAny((event) => told.push(event));
      for (const [client, name] of [
        [ada, "ada"],
        [bob, "bob"],
      ] as const) {
        const discovered = heard(client, "simple-signal[discover]");
        client.emit("simple-signal[discover]", { name });
        const [discovery] = await discovered;
        assert.ok(typeof discovery === "object" && discovery !== null && "id" in discovery);
        assert.equal(discovery.id, client.id);
      }
      const offered = heard(bob, "simple-signal[offer]");
      const target = bob.id;
      ada.emit("simple-signal[offer]", { sessionId: 7, signal: "s", target, metadata: { a: 1 } });
      assert.deepEqual(await offered, [
        { initiator: ada.id, sessionId: 7, signal: "s", metadata: { a: 1, by: "server" } },
      ]);
      const signalled = heard(ada, "simple-signal[signal]");
      const signal = Buffer.of(1, 2);
      bob.emit("simple-signal[signal]", { target: ada.id, sessionId: 7, signal, metadata: {} });
      assert.deepEqual(await signalled, [{ sessionId: 7, signal, metadata: {} }]);
      const rejected = heard(ada, "simple-signal[reject]");
      bob.emit("simple-signal[reject]", { target: ada.id, sessionId: 7, metadata: {} });
      assert.deepEqual(await rejected, [{ sessionId: 7, metadata: {} }]);
      assert.deepEqual(told, []);
    });

    test("rtcmulticonnection-server: runs unmodified, with rooms and messages", async (context) => {
      const port = await environment.start("rtcmulticonnection-server/server.js");
      const user = (userid: string): Promise<Socket> =>
        join(context, port, { query: { userid, msgEvent: "msg", sessionid: "room", extra: "{}" } });
      const [ada, bob, eve] = [await user("ada"), await user("bob"), await user("eve")];
      const room = { sessionid: "room", session: {}, mediaConstraints: {}, extra: { name: "A" } };
      const [opened] = await ask(ada, "open-room", { ...room, identifier: "x", password: "" });
      assert.equal(opened, true);
      const [joined] = await ask(bob, "join-room", { ...room, extra: { name: "B" } });
      assert.equal(joined, true);
      const [present] = await ask(eve, "check-presence", "room");
      assert.equal(present, true);
      const [absent] = await ask(eve, "check-presence", "nowhere");
      assert.equal(absent, false);

      // A message to one user.
      const got = heard(bob, "msg");
      ada.emit("msg", { sender: "ada", remoteUserId: "bob", message: { hello: "bob" } });
      const [message] = await got;
      assert.ok(typeof message === "object" && message !== null && "message" in message);
      assert.deepEqual(message.message, { hello: "bob" });
      // A message to all other users.
      const chat = [heard(bob, "custom-message"), heard(eve, "custom-message")];
      ada.emit("custom-message", { text: "hé" });
      assert.deepEqual(await Promise.all(chat), [[{ text: "hé" }], [{ text: "hé" }]]);
      const gone = heard(ada, "user-disconnected");
      bob.disconnect();
      assert.deepEqual(await gone, ["bob"]);
    });

    test("@socket.io/admin-ui: shows sockets, rooms and events, and controls them", async (context) => {
      const port = await environment.start("monitor.cjs");
      const admin = connect(`http://127.0.0.1:${port}/admin`, { forceNew: true });
      context.after(() => admin.disconnect());
      const log: unknown[][] = [];
      admin.onAny((...event: unknown[]) => log.push(event));
      const seen = async (event: string, test: (...args: unknown[]) => boolean): Promise<void> =>
        until(() => log.some(([name, ...args]) => name === event && test(...args)));
      await seen("config", () => true);
      await seen("server_stats", () => true);
      const client = await join(context, port);
      const { id: sid } = client;
      const isClient = (socket: unknown): boolean =>
        typeof socket === "object" && socket !== null && "id" in socket && socket.id === sid;
      await seen("socket_connected", isClient);
      admin.emit("join", "/", "room", sid);
      await seen("room_joined", (nsp, room, id) => nsp === "/" && room === "room" && id === sid);
      client.emit("chat", "hello");
      await heard(client, "chat");
      await seen("event_received", (_nsp, id, args) => id === sid && `${args}` === "chat,hello");
      await seen("event_sent", (_nsp, id, args) => id === sid && `${args}` === "chat,hello");
      admin.emit("leave", "/", "room", sid);
      await seen("room_left", (_nsp, room, id) => room === "room" && id === sid);
      const emitted = heard(client, "from the admin");
      admin.emit("emit", "/", sid, "from the admin", 7);
      assert.deepEqual(await emitted, [7]);
      const gone = heard(client, "disconnect");
      admin.emit("_disconnect", "/", false, sid);
      assert.deepEqual((await gone)[0], "io server disconnect");
      await seen("socket_disconnected", (_nsp, id) => id === sid);
    });
  });
}
