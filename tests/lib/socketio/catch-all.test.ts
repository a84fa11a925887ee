// Tests catch-all listeners and per-packet middleware, which run before the listeners of an event.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { serveJoined, until } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

describe("onAny()", () => {
  test("receives every event before middleware and listeners, with the callback as last argument", async (context) => {
    const { client, socket } = await serveJoined(context);
    const log: unknown[] = [];
    socket.on("a", () => log.push("listener"));
    socket.use((_event, next) => {
      log.push("middleware");
      next();
    });
    socket.onAny((event, ...args) => log.push([event, ...args]));
    socket.prependAny((event) => log.push(`first ${event}`));
    client.send('42["a",1]');
    client.send('427["b"]');
    await until(() => log.filter((entry) => entry === "middleware").length === 2);
    const [, , , , , last] = log;
    assert.deepEqual(log.slice(0, 5), ["first a", ["a", 1], "middleware", "listener", "first b"]);
    assert.ok(Array.isArray(last) && last[0] === "b" && typeof last[1] === "function");
  });

  test("listenersAny() returns the listeners, and offAny() removes one listener or all listeners", async (context) => {
    const { socket } = await serveJoined(context);
    const [one, other] = [() => {}, () => {}];
    assert.deepEqual(socket.listenersAny(), []);
    socket.offAny().offAny(one);
    socket.onAny(one).onAny(other).prependAny(other);
    assert.deepEqual(socket.listenersAny(), [other, one, other]);
    socket.offAny(other).offAny(() => {});
    assert.deepEqual(socket.listenersAny(), [other, one]);
    socket.offAny();
    assert.deepEqual(socket.listenersAny(), []);
    assert.throws(() => socket.onAny(JSON.parse("1")), TypeError);
    assert.throws(() => socket.prependAnyOutgoing(JSON.parse("null")), TypeError);
  });
});

describe("onAnyOutgoing()", () => {
  test("receives emitted and broadcast events without callbacks, and no acknowledgements", async (context) => {
    const { io, client, socket } = await serveJoined(context);
    const log: unknown[] = [];
    const listener = (...event: unknown[]): void => void log.push(event);
    socket.onAnyOutgoing(listener).prependAnyOutgoing((event) => log.push(`first ${event}`));
    socket.on("ask", (reply) => reply("answer"));
    socket.emit("a", 1, () => {});
    socket.send("b");
    io.emit("c", Buffer.from([1]));
    io.except(socket.id).emit("not to it");
    client.send('420["ask"]');
    await until(() => log.length === 6);
    assert.deepEqual(log, [
      "first a",
      ["a", 1],
      "first message",
      ["message", "b"],
      "first c",
      ["c", Buffer.from([1])],
    ]);
    assert.equal(socket.listenersAnyOutgoing().length, 2);
    socket.offAnyOutgoing(listener);
    assert.equal(socket.listenersAnyOutgoing().length, 1);
    socket.offAnyOutgoing();
    assert.deepEqual(socket.listenersAnyOutgoing(), []);
  });
});

describe("socket.use()", () => {
  test("runs in order, may change an event, and stops an event with an error", async (context) => {
    const { client, socket } = await serveJoined(context);
    const log: unknown[] = [];
    socket.use((event, next) => {
      event.push("added");
      next();
      next();
    });
    socket.use(([event], next) => {
      if (event === "stop") next(new Error("stopped"));
      else setImmediate(next);
    });
    socket.on("error", (error) => log.push(error.message));
    socket.on("stop", () => log.push("never"));
    socket.on("go", (...args) => log.push(args));
    client.send('42["stop"]');
    client.send('42["go",1]');
    await until(() => log.length === 2);
    assert.deepEqual(log, ["stopped", [1, "added"]]);
  });

  test("drops an event if the socket is disconnected when next() is called", async (context) => {
    const { client, socket } = await serveJoined(context);
    const waiting: (() => void)[] = [];
    socket.use((_event, next) => waiting.push(next));
    socket.on("late", () => assert.fail("a disconnected socket has received the event"));
    client.send('42["late"]');
    await until(() => waiting.length === 1);
    socket.disconnect();
    for (const next of waiting) next();
  });

  test("stops the event if it throws, and the error is uncaught", async (context) => {
    const { client, socket } = await serveJoined(context);
    const uncaught = gatherUncaught(context);
    const mistake = new Error("the middleware's mistake");
    socket.use(([event], next) => {
      if (event === "bad") throw mistake;
      next();
    });
    const told = new Promise((resolve) => socket.on("good", resolve));
    socket.on("bad", () => assert.fail("the listener has received a stopped event"));
    client.send('42["bad"]');
    client.send('42["good",1]');
    assert.equal(await told, 1);
    assert.deepEqual(uncaught, [mistake]);
  });
});
