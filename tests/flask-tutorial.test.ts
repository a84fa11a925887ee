// Runs examples/flask-tutorial with the clients that the tutorial uses, in Node and in Chromium.

import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";

import type { Browser } from "playwright-core";

import { startTutorial } from "../examples/flask-tutorial/server.ts";
import { launchChromium, noChromium } from "./support/chromium.ts";
import { GENERATIONS, generation } from "./support/generations.ts";
import { heard } from "./support/heard.ts";

const WAIT = 15_000;

async function start(context: TestContext): Promise<{ url: string; lines: string[] }> {
  const lines: string[] = [];
  const running = await startTutorial(0, (line) => lines.push(line));
  context.after(() => running.stop());
  return { url: running.url, lines };
}

describe("examples/flask-tutorial", () => {
  for (const { version, connect } of GENERATIONS) {
    for (const transport of ["polling", "websocket"]) {
      test(`serves messages, JSON, rooms, namespaces and errors to client ${version} over ${transport}`, async (context) => {
        const { url, lines } = await start(context);
        const options = { transports: [transport], forceNew: true };
        const client = connect(url, options);
        context.after(() => client.disconnect());
        await heard(client, "connect");

        const message = heard(client, "message");
        client.send("hällo");
        assert.deepEqual(await message, ["hällo"]);
        const json = heard(client, "json");
        client.emit("json", { a: [1, "é"] });
        assert.deepEqual(await json, [{ a: [1, "é"] }]);
        const response = heard(client, "my response");
        const answer = await new Promise((resolve) =>
          client.emit("my event", { data: 1 }, resolve),
        );
        assert.equal(answer, "one");
        assert.deepEqual(await response, [{ data: 1 }]);

        const other = connect(url, options);
        context.after(() => other.disconnect());
        await heard(other, "connect");
        const everybody = heard(other, "my response");
        client.emit("my broadcast event", { data: 2 });
        assert.deepEqual(await everybody, [{ data: 2 }]);
        const entered = heard(client, "message");
        client.emit("join", { username: "ada", room: "x" });
        assert.deepEqual(await entered, ["ada has entered the room."]);
        const left = heard(client, "message");
        other.emit("join", { username: "bob", room: "x" });
        assert.deepEqual(await left, ["bob has entered the room."]);
        other.emit("leave", { username: "bob", room: "x" });
        assert.deepEqual(await heard(client, "message"), ["bob has left the room."]);

        const test = client.io.socket("/test", {});
        context.after(() => test.disconnect());
        await heard(test, "connect");
        const own = heard(test, "my_response");
        test.emit("my_event", { data: 3 });
        assert.deepEqual(await own, [{ data: 3 }]);

        const failed = await new Promise((resolve) => client.emit("join", null, resolve));
        assert.equal(failed, "error");
        assert.ok(lines.some((line) => line.startsWith('error in "join":')));
        assert.ok(lines.includes("received message: hällo"));
        assert.ok(lines.includes("connected to /test"));
      });
    }
  }

  test("without allowEIO3 rejects the tutorial's client with 400 and the reason", async (context) => {
    const { Server } = await import("../server.ts");
    const io = new Server();
    const running = await io.run({ port: 0, log: () => {} });
    context.after(() => running.stop());
    const { connect } = generation("1.3.6");
    const client = connect(running.url, { transports: ["polling"], reconnection: false });
    const [error] = await heard(client, "connect_error");
    assert.match(`${error}`, /xhr poll error/);
    const answer = await fetch(`${running.url}/socket.io/?EIO=3&transport=polling`);
    assert.deepEqual(await answer.json(), {
      code: 5,
      message: "Unsupported protocol version: the client speaks Engine.IO 3, the server 4",
    });
  });
});

describe("the page of examples/flask-tutorial with client 1.3.6", { skip: noChromium }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser?.close());

  for (const transport of ["polling", "websocket"]) {
    test(`sends and receives all kinds of messages over ${transport}`, async (context) => {
      const { url, lines } = await start(context);
      const page = await browser.newPage();
      // Without a WebSocket class in the page, the client stays on polling.
      if (transport === "polling") await page.addInitScript("globalThis.WebSocket = undefined");
      context.after(() => page.close());
      page.setDefaultTimeout(WAIT);
      const errors: string[] = [];
      page.on("pageerror", ({ message }) => errors.push(message));
      await page.goto(url);
      const line = (text: string): Promise<void> =>
        page.getByRole("log").getByText(text, { exact: true }).first().waitFor();
      await page.getByRole("status").getByText("connected", { exact: true }).waitFor();
      await line('my response: {"data":"I\'m connected!"}');
      await line("acknowledged: one");
      if (transport === "websocket") {
        await page.waitForFunction("socket.io.engine.transport.name === 'websocket'");
      }
      for (const [label, text, button, expected] of [
        ["Message", "你好", "send()", "message: 你好"],
        ["Message", "grüß 日本 😀", "send()", "message: grüß 日本 😀"],
        ["JSON", '{"你好": ["é"]}', "json", 'json: {"你好":["é"]}'],
        ["Data", "你好", "my event", 'my response: {"data":"你好"}'],
        ["Data for /test", "你好", "/test my_event", '/test my_response: {"data":"你好"}'],
      ] as const) {
        await page.getByLabel(label, { exact: true }).fill(text);
        await page.getByRole("button", { name: button, exact: true }).click();
        await line(expected);
      }
      await page.getByLabel("JSON", { exact: true }).fill("{ no JSON");
      await page.getByRole("button", { name: "json", exact: true }).click();
      await page.getByRole("alert").getByText("Not sent: ").waitFor();
      await page.getByLabel("JSON", { exact: true }).fill("[2]");
      await page.getByRole("button", { name: "json", exact: true }).click();
      await line("json: [2]");
      await page.getByRole("alert").waitFor({ state: "hidden" });
      assert.ok(lines.includes("received message: 你好"));
      assert.ok(lines.includes('received json: {"你好":["é"]}'));
      assert.equal(await page.evaluate("socket.io.engine.transport.name"), transport);
      const version = await page.evaluate("io.version || io.protocol");
      assert.equal(version, 4);
      assert.deepEqual(errors, []);
    });
  }

  for (const colorScheme of ["light", "dark"] as const) {
    test(`uses the colours of the scheme "${colorScheme}"`, async (context) => {
      const { url } = await start(context);
      const page = await browser.newPage({ colorScheme });
      context.after(() => page.close());
      await page.goto(url);
      // The text colour of the system is light in dark mode, and dark in light mode.
      const colour: string = await page.evaluate("getComputedStyle(document.body).color");
      const [red = 0] = [...colour.matchAll(/\d+/g)].map(Number);
      assert.equal(red > 127 ? "dark" : "light", colorScheme, colour);
    });
  }
});
