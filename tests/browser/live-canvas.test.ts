// Runs the canvas of examples/live-canvas with several people in Chromium.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, describe, type TestContext, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import { io } from "../../client/index.ts";
import {
  type ClientEvents,
  type ServerEvents,
  startLiveCanvas,
} from "../../examples/live-canvas/server.ts";
import { launchChromium, noChromium, useOurClient } from "../support/chromium.ts";
import { until } from "../support/net.ts";

const WAIT = 15_000;
const SCALE = 2;

/** One person's page. The methods of this class wait until an element appears. */
class Painter {
  readonly page: Page;
  readonly exceptions: string[] = [];
  readonly complaints: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(WAIT);
    page.on("pageerror", (error) => this.exceptions.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
  }

  get errors(): string[] {
    return [...this.exceptions, ...this.complaints];
  }

  /** Opens the page in its own browser context, like another person's browser. */
  static async open(context: TestContext, browser: Browser, url: string): Promise<Painter> {
    const viewport = { width: 800, height: 600 };
    const visit = await browser.newContext({ viewport, deviceScaleFactor: SCALE });
    await useOurClient(visit);
    context.after(() => visit.close());
    const painter = new Painter(await visit.newPage());
    await painter.page.goto(url);
    await painter.page.locator("#people li", { hasText: "you" }).waitFor();
    return painter;
  }

  /** Draws a line across the sheet in one of ten rows. Lines in different rows do not touch. */
  async draw(row: number, colour = "Ink"): Promise<void> {
    await this.page.getByRole("radio", { name: colour }).check();
    const { x, y, width, height } = await this.sheet();
    const level = y + ((row + 0.5) / 10) * height;
    await this.page.mouse.move(x + width * 0.2, level);
    await this.page.mouse.down();
    await this.page.mouse.move(x + width * 0.5, level + 8, { steps: 5 });
    await this.page.mouse.move(x + width * 0.8, level, { steps: 5 });
    await this.page.mouse.up();
  }

  /** Draws and switches the network off at once, so that the acknowledgement cannot arrive. */
  async drawAndSwitchOff(row: number): Promise<void> {
    const { x, y, width, height } = await this.sheet();
    const level = y + ((row + 0.5) / 10) * height;
    await this.page.mouse.move(x + width * 0.2, level);
    await this.page.mouse.down();
    await this.page.mouse.move(x + width * 0.8, level, { steps: 5 });
    await this.page.evaluate(`
      document.querySelector("#surface").addEventListener(
        "pointerup",
        () => document.querySelector("#network").click(),
        { once: true },
      )`);
    await this.page.mouse.up();
  }

  async switchNetwork(): Promise<void> {
    await this.page.getByRole("switch", { name: "Network" }).click();
  }

  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByRole("status").filter({ hasText: text }).waitFor();
  }

  async has(strokes: number): Promise<void> {
    const text = new RegExp(`^${strokes} strokes?$`);
    await this.page.locator("#count").filter({ hasText: text }).waitFor();
  }

  /** Returns the pixels as a data URL. The pixels show if a line was drawn twice, because its edges are then different. */
  picture(): Promise<string> {
    return this.page
      .locator("#drawing")
      .evaluate((canvas: { toDataURL(): string }) => canvas.toDataURL());
  }

  async sheet(): Promise<{ x: number; y: number; width: number; height: number }> {
    const box = await this.page.locator("#surface").boundingBox();
    assert.ok(box);
    return box;
  }
}

/** Connects a client without a page. `ids` are the ids of the strokes that the client received, in order. */
async function connectRaw(context: TestContext, url: string) {
  const socket = io<ServerEvents, ClientEvents>(url, { forceNew: true });
  context.after(() => socket.disconnect());
  const ids: string[] = [];
  socket.on("stroke", (stroke) => ids.push(Buffer.from(stroke).toString("hex", 6, 22)));
  const drawing = await new Promise<Uint8Array | null>((resolve) => {
    socket.once("welcome", (whole, received) => {
      received();
      resolve(whole);
    });
  });
  return { socket, ids, drawing };
}

/** A stroke of one point. */
function dot(id: number): Buffer {
  const stroke = Buffer.alloc(26);
  stroke.set([1, 0, 1, 0, 0, 1]);
  stroke.writeUInt32BE(id, 18);
  return stroke;
}

function changed(at: number, value: number): Buffer {
  const stroke = dot(1);
  stroke[at] = value;
  return stroke;
}

const CASES = [
  { title: "over polling only", query: "?transports=polling", inFlight: /Offline · [01] strokes?/ },
  { title: "over WebSocket only", query: "?transports=websocket", inFlight: /Offline · 1 stroke / },
  { title: "after the upgrade to WebSocket", query: "", inFlight: /Offline · [01] strokes?/ },
];

describe("the live canvas example in Chromium", { skip: noChromium }, () => {
  let browser: Browser;

  before(async () => {
    browser = await launchChromium();
  });

  after(() => browser?.close());

  for (const { title, query, inFlight } of CASES) {
    test(`two people draw, one is offline for a while, and a third joins later, ${title}`, async (context) => {
      const canvas = await startLiveCanvas(0);
      context.after(() => canvas.close());
      const url = `${canvas.url}/${query}`;
      const observer = await connectRaw(context, canvas.url);
      const ada = await Painter.open(context, browser, url);
      const grace = await Painter.open(context, browser, url);

      await ada.draw(0, "Red");
      await grace.has(1);
      await grace.page.locator(".cursor.moving").waitFor();
      await grace.draw(1, "Blue");
      await ada.has(2);
      assert.equal(await ada.picture(), await grace.picture());
      await until(() => observer.ids.length === 2);

      await grace.drawAndSwitchOff(2);
      await grace.sees(inFlight);
      await until(() => observer.ids.length === 3);
      await ada.has(3);
      await ada.draw(3, "Green");
      await ada.draw(4, "Violet");
      await until(() => observer.ids.length === 5);
      await grace.draw(5, "Teal");
      await grace.draw(6, "Orange");
      await grace.sees(/Offline · [23] strokes waiting/);
      await grace.has(5);
      assert.equal(observer.ids.length, 5);
      assert.notEqual(await ada.picture(), await grace.picture());

      await grace.switchNetwork();
      await grace.sees("Recovered 2 strokes");
      await ada.has(7);
      await grace.has(7);
      await until(() => observer.ids.length === 7);
      assert.equal(await grace.picture(), await ada.picture());

      const third = await Painter.open(context, browser, url);
      await third.sees("Loaded the whole drawing");
      await third.has(7);
      assert.equal(await third.picture(), await ada.picture());
      const width = await third.page
        .locator("#drawing")
        .evaluate((element: { width: number }) => element.width);
      assert.equal(width, Math.round((await third.sheet()).width * SCALE));

      await third.draw(7);
      await Promise.all([ada, grace].map((painter) => painter.has(8)));
      await grace.page.getByRole("button", { name: "Clear mine" }).click();
      for (const painter of [ada, grace, third]) await painter.has(4);
      assert.equal(await ada.picture(), await grace.picture());
      assert.equal(observer.ids.length, 8);
      assert.equal(new Set(observer.ids).size, 8);
      assert.deepEqual(
        [ada, grace, third].flatMap(({ errors }) => errors),
        [],
      );
    });
  }

  test("survives quick repeated clicks on the network switch", async (context) => {
    const canvas = await startLiveCanvas(0);
    context.after(() => canvas.close());
    const ada = await Painter.open(context, browser, canvas.url);
    await ada.draw(0);
    await ada.page.evaluate(`
      for (let i = 0; i < 6; i++) document.querySelector("#network").click();`);
    await ada.page.getByText("Connected", { exact: true }).waitFor();
    await ada.draw(1);
    const grace = await Painter.open(context, browser, canvas.url);
    await grace.has(2);
    await ada.draw(2);
    await grace.has(3);
    await grace.page.getByRole("switch", { name: "Network" }).focus();
    await grace.page.keyboard.press("Space");
    await grace.sees("Offline · 0 strokes waiting");
    await grace.page.keyboard.press("Space");
    await grace.sees("Back, and nothing was missed");
    // The browser logs an error for each connection that closes before it has opened, so `ada.errors` may not be empty.
    assert.deepEqual([...ada.exceptions, ...grace.errors], []);
  });

  test("resends a stroke whose request was lost", async (context) => {
    const canvas = await startLiveCanvas(0);
    context.after(() => canvas.close());
    const ada = await Painter.open(context, browser, `${canvas.url}/?transports=polling`);
    let losses = 1;
    await ada.page.route(/transport=polling/, (route) => {
      const isStroke = route.request().postData()?.includes('"stroke"');
      return isStroke && losses-- > 0 ? route.abort() : route.continue();
    });
    await ada.draw(0);
    await ada.sees("Connecting · 1 stroke waiting");
    await ada.sees("Back, and nothing was missed");
    const grace = await Painter.open(context, browser, canvas.url);
    await grace.has(1);
    assert.equal(await ada.picture(), await grace.picture());
    assert.deepEqual([...ada.exceptions, ...grace.errors], []);
  });

  test("sends the whole drawing again to a recovered client that did not confirm receiving it", async (context) => {
    const canvas = await startLiveCanvas(0);
    context.after(() => canvas.close());
    const { socket: other } = await connectRaw(context, canvas.url);
    assert.equal(await other.emitWithAck("stroke", dot(1)), null);
    const socket = io<ServerEvents, ClientEvents>(canvas.url, { forceNew: true });
    context.after(() => socket.disconnect());
    const welcome = () =>
      new Promise<Uint8Array | null>((resolve) => {
        socket.once("welcome", (whole, received) => {
          if (socket.recovered) received();
          resolve(whole);
        });
      });
    const again = async () => {
      const gone = new Promise<void>((resolve) => socket.once("disconnect", () => resolve()));
      socket.io.reconnection(false);
      socket.io.engine.close();
      await gone;
      socket.io.connect();
      return welcome();
    };
    assert.deepEqual(await welcome(), dot(1));
    // The client has not confirmed that it received the drawing, so the server sends the drawing again.
    assert.deepEqual(await again(), dot(1));
    assert.equal(socket.recovered, true);
    assert.equal(await again(), null);
  });

  test("sends waiting strokes to a restarted server", async (context) => {
    const first = await startLiveCanvas(0);
    const ada = await Painter.open(context, browser, first.url);
    await ada.draw(0);
    await ada.has(1);
    await first.close();
    await ada.sees("Connecting");
    await ada.draw(1);
    await ada.sees("Connecting · 1 stroke waiting");

    const second = await startLiveCanvas(Number(new URL(first.url).port));
    context.after(() => second.close());
    const grace = await Painter.open(context, browser, second.url);
    await grace.has(1);
    await ada.has(1);
    assert.equal(await ada.picture(), await grace.picture());
  });

  test("rejects invalid strokes, and other people keep drawing", async (context) => {
    const canvas = await startLiveCanvas(0);
    context.after(() => canvas.close());
    const ada = await Painter.open(context, browser, canvas.url);
    const grace = await Painter.open(context, browser, canvas.url);
    await ada.draw(0);
    await grace.has(1);
    const { socket, drawing } = await connectRaw(context, canvas.url);
    assert.ok(drawing);
    const { socket: witness } = await connectRaw(context, canvas.url);
    const cursors: unknown[] = [];
    witness.on("cursor", (from) => cursors.push(from));
    const bad = [
      ...["a text", 7, null, {}, [1, 2, 3], Buffer.alloc(0), Buffer.alloc(26)],
      ...[dot(1).subarray(0, 25), Buffer.concat([dot(1), dot(2)]), Buffer.alloc(100_000, 1)],
      ...[changed(0, 2), changed(1, 8), changed(2, 255), changed(2, 0), changed(5, 0)],
      ...[changed(4, 255), changed(5, 2)],
    ];
    for (const each of bad) {
      assert.equal(await socket.emitWithAck("stroke", each), "Not a stroke.");
    }
    const whatever: { emit(event: string, ...args: unknown[]): unknown } = socket;
    whatever.emit("stroke", dot(3));
    whatever.emit("stroke");
    whatever.emit("erase", "all");
    for (const [at, value] of [2 ** 16, 2 ** 32, 8, 4000].entries()) {
      whatever.emit("cursor", ...[0, 0, 0, 0].with(at, value));
    }
    whatever.emit("cursor", "x", {}, 0.5, -1);
    whatever.emit("cursor");
    // A client cannot erase strokes of other people.
    const id = Buffer.from(drawing).toString("hex", 6, 22);
    assert.equal(await socket.emitWithAck("erase", [id, {}, null]), null);
    assert.equal(await socket.emitWithAck("stroke", dot(4)), null);
    assert.equal(await socket.emitWithAck("stroke", dot(4)), null);

    await ada.has(2);
    assert.ok(!cursors.includes(socket.id));
    await grace.draw(1);
    await ada.has(3);
    await grace.has(3);
    assert.equal(await ada.picture(), await grace.picture());
    assert.deepEqual([...ada.errors, ...grace.errors], []);
  });
});
