// The client for browsers where there is no page: in workers without one, React Native, and servers that
// render pages. Node has neither `location` nor `addEventListener` either.

import assert from "node:assert/strict";
import { test } from "node:test";

import { io, Manager } from "../../client/browser.ts";
import { serve } from "../support/net.ts";

test("connects to an absolute URL", async (context) => {
  const { port, io: server } = await serve(context);
  server.on("connection", (socket) => socket.on("echo", (value, reply) => reply(value)));
  const socket = io(`http://127.0.0.1:${port}`, { transports: ["polling"] });
  context.after(() => socket.disconnect());
  assert.equal(await socket.emitWithAck("echo", "hällo"), "hällo");
});

for (const [form, create] of Object.entries({
  "io()": () => io(),
  "io(path)": () => io("/admin"),
  "new Manager()": () => new Manager(),
  "new Manager({})": () => new Manager({}),
})) {
  test(`${form} throws, since no server is named`, () => {
    assert.throws(create, {
      name: "TypeError",
      message: /must have a host where there is no page$/,
    });
  });
}

test("a host in the options names the server", () => {
  const manager = new Manager({ host: "chat.example", autoConnect: false });
  assert.equal(manager.socket("/").connected, false);
});
