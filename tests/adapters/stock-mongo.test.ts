// Runs the adapter suite over socket.io's adapter for MongoDB with MongoDB's own driver. An in-memory server replaces
// MongoDB (tests/support/mongo.ts).

import assert from "node:assert/strict";
import { test } from "node:test";

import { createAdapter } from "@socket.io/mongo-adapter";
import { Emitter } from "@socket.io/mongo-emitter";
import { MongoClient } from "mongodb";

import { adapterSuite } from "../suites/adapter.ts";
import { connectTo } from "../support/client.ts";
import { heard } from "../support/heard.ts";
import { startMongo } from "../support/mongo.ts";
import { serve } from "../support/net.ts";
import { eventually } from "../support/redis-nodes.ts";

for (const second of ["barewire", "socket.io"] as const) {
  adapterSuite({
    name: `of socket.io for MongoDB, beside a ${second} server`,
    recovers: true,
    excluded: {
      "delivers the events of one node in order":
        "the driver inserts events over several connections, for socket.io servers too",
    },
    prepare: async (context) => {
      const { url } = await startMongo(context);
      const server = { connectionStateRecovery: {} };
      const node = { adapter: { name: "mongo", url }, server } as const;
      return [node, { ...node, library: second }, node];
    },
  });
}

test("@socket.io/mongo-emitter reaches the clients of a barewire server", {
  timeout: 30_000,
}, async (context) => {
  const mongo = new MongoClient((await startMongo(context)).url, { serverApi: "1" });
  context.after(() => mongo.close());
  const collection = mongo.db("socketio").collection("events");
  const emitter = new Emitter(collection);
  const { io, url } = await serve(context, { adapter: createAdapter(collection) });
  const client = connectTo(context, url);
  if (!client.connected) await heard(client, "connect");

  // The adapter may open the change stream after the first events, so the emitter repeats the event until it arrives.
  const ready = heard(io, "ready");
  let isReady = false;
  void ready.then(() => {
    isReady = true;
  });
  await eventually(() => {
    emitter.serverSideEmit("ready");
    return isReady;
  });
  emitter.emit("all", 1, Buffer.from([1, 2]));
  assert.deepEqual(await heard(client, "all"), [1, Buffer.from([1, 2])]);
  const joined = heard(io.sockets.adapter, "create-room");
  emitter.in(client.id ?? "").socketsJoin("room");
  assert.deepEqual(await joined, ["room"]);
  emitter.to("room").emit("one", 2);
  assert.deepEqual(await heard(client, "one"), [2]);
  const disconnected = heard(client, "disconnect");
  emitter.to("room").disconnectSockets();
  assert.equal((await disconnected)[0], "io server disconnect");
});
