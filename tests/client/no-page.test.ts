// Tests the browser client without a page, as in React Native and in servers that render pages. Node has no
// `location` and no `addEventListener` either.

import assert from "node:assert/strict";
import { test } from "node:test";

import { io, Manager } from "../../client/browser.ts";
import { serve } from "../support/net.ts";

test("the browser client without a page connects to an absolute URL", async (context) => {
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
  test(`${form} without a page throws, because there is no host`, () => {
    assert.throws(create, {
      name: "TypeError",
      message: /must have a host outside of a page$/,
    });
  });
}

test("new Manager({ host }) without a page does not throw", () => {
  const manager = new Manager({ host: "chat.example", autoConnect: false });
  assert.equal(manager.socket("/").connected, false);
});
