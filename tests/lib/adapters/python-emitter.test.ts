// Tests the emitter for processes without clients, with an in-memory Redis.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createPythonAdapter, createPythonEmitter } from "../../../lib/adapters/python.ts";
import { Server } from "../../../server.ts";
import { MemoryRedis } from "../../support/memory-redis.ts";
import { until } from "../../support/net.ts";

const CHANNEL = "socketio";

describe("createPythonEmitter()", () => {
  test("emits to rooms and sockets of a server, with except() and binary data, and controls its sockets", async (context) => {
    const redis = new MemoryRedis();
    const adapter = createPythonAdapter({ ...redis.nodeRedis(), channel: CHANNEL });
    const io = new Server({ adapter });
    context.after(() => io.close());
    await adapter.ready;
    const [x, y] = [await io.testClient(), await io.testClient()];
    const chat = await io.testClient({ namespace: "/chat" }).catch(() => undefined);
    assert.equal(chat?.connected, false);
    const { publisher } = redis.ioredis();
    const emitter = createPythonEmitter({ publisher, channel: CHANNEL });
    assert.ok(x.id !== undefined && y.id !== undefined);
    const { rooms } = io.sockets.adapter;
    await emitter.enterRoom(x.id, "r");
    await until(() => rooms.get("r")?.has(x.id ?? "") === true);
    await emitter.to("r").emit("to r", 1, [2], Buffer.of(3));
    await emitter.to(["r", y.id]).except(x.id).send("to y");
    assert.equal(await emitter.emit("fence"), 1);
    await x.waitFor("fence");
    await y.waitFor("fence");
    assert.deepEqual(x.received(), [{ event: "to r", args: [1, [2], Buffer.of(3)] }]);
    assert.deepEqual(y.received(), [{ event: "message", args: ["to y"] }]);
    await emitter.leaveRoom(x.id, "r");
    await until(() => !rooms.has("r"));
    await emitter.enterRoom(y.id, "r");
    await until(() => rooms.has("r"));
    await emitter.closeRoom("r");
    await until(() => !rooms.has("r"));
    await emitter.disconnect(x.id);
    await until(() => !x.connected);
    assert.equal(y.connected, true);
  });

  test("to(), except() and of() return a new emitter, and every message has a namespace", async () => {
    const redis = new MemoryRedis();
    const { publisher } = redis.nodeRedis();
    const emitter = createPythonEmitter({ publisher, channel: CHANNEL });
    const both = emitter.to("a").to(["b", "a"]);
    await both.except("s").emit("ev");
    await both.emit("ev");
    await emitter.of("chat").emit("ev");
    assert.deepEqual(
      redis.published
        .map(({ message }) => JSON.parse(message))
        .map(({ room, skip_sid, namespace }) => [room, skip_sid, namespace]),
      [
        [["a", "b"], "s", "/"],
        [["a", "b"], null, "/"],
        [null, null, "/chat"],
      ],
    );
  });

  test("emit() resolves to 0 without a server, and methods reject for invalid events and failed commands", async () => {
    const redis = new MemoryRedis();
    const { publisher } = redis.nodeRedis();
    const emitter = createPythonEmitter({ publisher, channel: CHANNEL, dialect: "raw" });
    assert.equal(await emitter.emit("ev"), 0);
    await assert.rejects(emitter.emit("ev", 1, 2), { code: "ERR_PYTHON_INEXPRESSIBLE" });
    await assert.rejects(emitter.emit("disconnect"), { code: "ERR_RESERVED_EVENT" });
    redis.onPublish = () => Promise.reject(new Error("ECONNREFUSED"));
    await assert.rejects(emitter.closeRoom("r"), { message: "ECONNREFUSED" });
    assert.equal(redis.published.length, 2);
  });

  test("throws for missing and unknown options", () => {
    const { publisher } = new MemoryRedis().nodeRedis();
    const bad = (options: object, message: RegExp): void => {
      assert.throws(() => Reflect.apply(createPythonEmitter, undefined, [options]), { message });
    };
    bad({ publisher }, /channel is missing/);
    bad({ channel: CHANNEL }, /publisher is missing/);
    bad({ publisher, channel: CHANNEL, subscriber: {} }, /unknown option "subscriber"/);
  });
});
