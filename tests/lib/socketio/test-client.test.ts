// Tests testClient(), which creates clients for the tests of a program. They behave like clients over a network.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type DefaultEventsMap, Server, type Socket } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import { until } from "../../support/net.ts";

const GONE = { code: "ERR_DISCONNECTED" };

describe("io.testClient()", () => {
  test("connects without a port, with its auth, query and headers", async () => {
    const io = new Server({ pingInterval: 1_000_000 });
    const seen: Socket[] = [];
    io.of("/chat").on("connection", (socket) => seen.push(socket));
    const client = await io.testClient({
      namespace: "/chat",
      auth: { token: "t" },
      query: { room: "a b" },
      headers: { "X-Name": "ada" },
    });
    assert.equal(client.connected, true);
    const [socket] = seen;
    assert.equal(socket?.id, client.id);
    const { auth, query, headers } = socket?.handshake ?? assert.fail();
    assert.deepEqual(auth, { token: "t" });
    assert.deepEqual(query, { EIO: "4", transport: "websocket", room: "a b" });
    assert.equal(headers["x-name"], "ada");
    assert.equal(io.engine.clientsCount, 1);
    await client.disconnect();
    assert.equal(client.connected, false);
    assert.equal(socket?.connected, false);
    assert.equal(io.engine.clientsCount, 0);
    await io.close();
  });

  test("emit() resolves to the acknowledgement, and encodes its arguments", async () => {
    const io = new Server({ pingInterval: 1_000_000 });
    io.on("connection", (socket) => {
      socket.on("sum", (a, b, answer) => answer(a + b, "second"));
      socket.on("reverse", (bytes, answer) => answer(bytes.reverse()));
      socket.on("date", (date, answer) => answer(typeof date));
    });
    const client = await io.testClient();
    assert.equal(await client.emit("sum", 1, 2), 3);
    const sent = Buffer.of(1, 2, 3);
    assert.deepEqual(await client.emit("reverse", sent), Buffer.of(3, 2, 1));
    assert.deepEqual(sent, Buffer.of(1, 2, 3));
    assert.equal(await client.emit("date", new Date()), "string");
    await io.close();
  });

  test("received() and waitFor() return each received event once", async () => {
    const io = new Server({ pingInterval: 1_000_000 });
    const client = await io.testClient();
    io.emit("a", 1);
    io.emit("b", 2, "two");
    io.emit("a", 3);
    assert.deepEqual(await client.waitFor("b"), [2, "two"]);
    assert.deepEqual(await client.waitFor("a"), [1]);
    await until(() => io.engine.clientsCount === 1);
    assert.deepEqual(client.received(), [{ event: "a", args: [3] }]);
    assert.deepEqual(client.received(), []);
    const later = client.waitFor("c");
    io.emit("d", 4);
    io.emit("c", 5);
    assert.deepEqual(await later, [5]);
    assert.deepEqual(client.received("other"), []);
    assert.deepEqual(client.received("d"), [{ event: "d", args: [4] }]);
    await io.close();
  });

  test("acknowledges events of the server", async () => {
    const io = new Server({ pingInterval: 1_000_000 });
    const client = await io.testClient();
    client.on("who", (greeting, answer) => answer(`${greeting} ada`));
    const [answer] = await io.timeout(1000).emitWithAck("who", "hello");
    assert.equal(answer, "hello ada");
    assert.deepEqual(client.received(), [{ event: "who", args: ["hello"] }]);
    await io.close();
  });

  test("resolves with the error in `refusal` if a namespace rejects the client", async () => {
    const io = new Server({ pingInterval: 1_000_000 });
    io.use((_socket, next) => next(Object.assign(new Error("no"), { data: 7 })));
    const client = await io.testClient();
    assert.equal(client.connected, false);
    assert.deepEqual(client.refusal, { message: "no", data: 7 });
    await assert.rejects(client.emit("x"), GONE);
    const nowhere = await io.testClient({ namespace: "/nowhere" });
    assert.deepEqual(nowhere.refusal, { message: "Invalid namespace" });
    await io.close();
  });

  test("rejects if allowRequest rejects the client", async () => {
    const io = new Server({ allowRequest: (_request, callback) => callback("not you", false) });
    await assert.rejects(io.testClient(), /not you/);
    await io.close();
  });

  test("pending emit() and waitFor() reject when the server disconnects the client", async () => {
    const io = new Server({ pingInterval: 1_000_000 });
    io.on("connection", (socket) => socket.on("never", () => {}));
    for (const end of [
      () => io.disconnectSockets(),
      () => io.disconnectSockets(true),
      () => io.close(),
    ]) {
      const client = await io.testClient();
      const unanswered = client.emit("never");
      const unheard = client.waitFor("nothing");
      void end();
      await assert.rejects(unheard, GONE);
      await assert.rejects(unanswered, GONE);
      assert.equal(client.connected, false);
      await assert.rejects(client.waitFor("nothing"), GONE);
    }
  });

  test("answers pings", async (context) => {
    const clock = new Clock(context);
    const io = new Server({ pingInterval: 100, pingTimeout: 50 });
    io.on("connection", (socket) => socket.on("e", (answer) => answer("there")));
    const client = await io.testClient();
    for (let n = 0; n < 5; n++) {
      clock.tick(100);
      assert.equal(await client.emit("e"), "there");
    }
    await io.close();
  });

  test("has the event types of the server", async () => {
    interface Events {
      sum: (a: number, b: number, answer: (sum: number) => void) => void;
    }
    const io = new Server<Events, DefaultEventsMap>({ pingInterval: 1_000_000 });
    io.on("connection", (socket) => socket.on("sum", (a, b, answer) => answer(a + b)));
    const client = await io.testClient();
    assert.equal(await client.emit("sum", 1, 2), 3);
    // @ts-expect-error the arguments are numbers
    assert.equal(await client.emit("sum", "1", 2), "12");
    await io.close();
  });
});
