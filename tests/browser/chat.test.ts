// Runs the chat of examples/chat with two people in Chromium.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, describe, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";

import type { Browser, Locator, Page } from "playwright-core";

import { startChat } from "../../examples/chat/server.ts";
import { launchChromium, noChromium, useOurClient } from "../support/chromium.ts";

const WAIT = 15_000;

/** A PNG of one colour, `width` pixels wide and one pixel high. */
function png(width: number): Buffer {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    return Buffer.concat([uint32(data.length), body, uint32(crc32(body))]);
  };
  // The image has 8-bit greyscale pixels. Each line begins with filter type 0 (none).
  const header = Buffer.concat([uint32(width), uint32(1), Buffer.from([8, 0, 0, 0, 0])]);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(1 + width, 0x80).fill(0, 0, 1))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The bundled client, or the client that the chat server serves in this checkout. */
type Client = "ours" | "served";

/** One person's page. The methods of this class wait until an element appears. */
class Visitor {
  readonly page: Page;
  readonly errors: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(WAIT);
    page.on("pageerror", (error) => this.errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
  }

  /** Opens the page in its own browser context, like another person's browser. */
  static async open(
    browser: Browser,
    url: string,
    name: string,
    client: Client = "ours",
  ): Promise<Visitor> {
    const context = await browser.newContext();
    if (client === "ours") await useOurClient(context);
    const visitor = new Visitor(await context.newPage());
    await visitor.page.goto(url);
    await visitor.page.getByLabel("Your name").fill(name);
    await visitor.page.getByRole("button", { name: "Enter the chat" }).click();
    await visitor.sees(visitor.person(name));
    return visitor;
  }

  async sees(locator: Locator): Promise<void> {
    await locator.first().waitFor();
  }

  async seesNo(locator: Locator): Promise<void> {
    await locator.first().waitFor({ state: "hidden" });
  }

  message(text: string): Locator {
    return this.page.getByRole("article").filter({ hasText: text });
  }

  image(from: string): Locator {
    return this.page.getByRole("img", { name: `Image from ${from}` });
  }

  line(text: string): Locator {
    return this.page.getByRole("log").getByText(text, { exact: true });
  }

  person(name: string): Locator {
    return this.page.getByRole("region", { name: "Here now" }).getByText(name, { exact: true });
  }

  /** The link of a room. */
  room(name: string): Locator {
    return this.page.getByRole("link", { name });
  }

  /** The texts of the messages in the log. */
  texts(): Promise<string[]> {
    return this.page.locator("article .text").allTextContents();
  }

  get status(): Locator {
    return this.page.getByRole("status");
  }

  get composer(): Locator {
    return this.page.getByRole("textbox", { name: "Message" });
  }

  async write(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  async sendImage(bytes: Buffer): Promise<void> {
    const file = { name: "image.png", mimeType: "image/png", buffer: bytes };
    await this.page.getByLabel("Send an image").setInputFiles(file);
  }

  /** Resolves to the width in pixels of the image from `name`, after the image has loaded. */
  async widthOfImage(name: string): Promise<number> {
    const image = this.image(name);
    await this.sees(image);
    return image.evaluate(async (element: { decode(): Promise<void>; naturalWidth: number }) => {
      await element.decode();
      return element.naturalWidth;
    });
  }

  async leave(): Promise<void> {
    await this.page.context().close();
  }
}

interface Case {
  readonly title: string;
  readonly client?: Client;
  readonly query: string;
  /** The final connection status that the page shows. */
  readonly status: RegExp;
}

const CASES: readonly Case[] = [
  { title: "over polling only", query: "?transports=polling", status: /^polling$/ },
  { title: "over WebSocket only", query: "?transports=websocket", status: /^websocket$/ },
  {
    title: "after the upgrade to WebSocket",
    query: "",
    status: /^polling → websocket after \d+ ms$/,
  },
  {
    title: "with the client files that the server serves",
    client: "served",
    query: "",
    status: /^polling → websocket after \d+ ms$/,
  },
];

/** The properties of a link that the test compares. */
interface Anchor {
  readonly tagName: string;
  readonly href: string;
  readonly rel: string;
  readonly target: string;
}

/** Messages, and the URLs in them that must become links. */
const LINKS: readonly (readonly [text: string, links: readonly string[]])[] = [
  ["see https://example.com/a?b=1#c.", ["https://example.com/a?b=1#c"]],
  ["HTTP://EXAMPLE.com and http://x.test!", ["http://example.com/", "http://x.test/"]],
  ["(https://a.test/a_(b)) and (http://x.test).", ["https://a.test/a_(b)", "http://x.test/"]],
  ["javascript:alert(1) data:text/html,x file:///etc/passwd ftp://x.test //x.test", []],
  ["<a href=https://x.test>https://y.test</a>", ["https://x.test/", "https://y.test/"]],
  ["<img src=x onerror=alert(1)>", []],
  ["https://bank.test@evil.test/ https://", []],
];

describe("the chat example in Chromium", { skip: noChromium }, () => {
  let browser: Browser;

  before(async () => {
    browser = await launchChromium();
  });

  after(() => browser.close());

  for (const { title, client, query, status } of CASES) {
    test(`two people exchange messages and images, and one of them leaves, ${title}`, async (context) => {
      const chat = await startChat(0);
      context.after(() => chat.close());
      const [ada, grace] = await Promise.all(
        ["Ada", "Grace"].map((name) => Visitor.open(browser, `${chat.url}/${query}`, name, client)),
      );
      assert.ok(ada && grace);
      context.after(() => Promise.all([ada.leave(), grace.leave()]));
      const both = [ada, grace];

      await Promise.all(
        both.map((visitor) => visitor.sees(visitor.status.filter({ hasText: status }))),
      );
      for (const visitor of both) {
        await visitor.sees(visitor.person("Ada"));
        await visitor.sees(visitor.person("Grace"));
      }

      const typing = grace.page.getByText("Ada is typing…");
      await ada.composer.pressSequentially("Hello");
      await grace.sees(typing);
      await ada.write("Hello, Grace");
      await grace.sees(grace.message("Hello, Grace"));
      await grace.seesNo(typing);
      await ada.sees(ada.message("Hello, Grace").getByText("delivered"));
      await grace.write("Hello, Ada");
      await ada.sees(ada.message("Hello, Ada"));

      await ada.sendImage(png(3));
      assert.equal(await grace.widthOfImage("Ada"), 3);
      assert.equal(await ada.widthOfImage("Ada"), 3);
      await grace.sendImage(png(5));
      assert.equal(await ada.widthOfImage("Grace"), 5);
      await grace.sees(grace.page.getByRole("article").last().getByText("delivered"));

      await grace.page.reload();
      await ada.sees(ada.line("Grace left"));
      await grace.sees(grace.message("Hello, Grace"));
      await grace.sees(grace.message("Hello, Ada").getByText("delivered"));
      assert.equal(await grace.widthOfImage("Ada"), 3);
      assert.equal(await grace.widthOfImage("Grace"), 5);

      await grace.page.getByRole("link", { name: "kitchen" }).click();
      await grace.sees(grace.page.getByRole("heading", { name: "kitchen" }));
      await grace.seesNo(grace.message("Hello, Ada"));
      await ada.seesNo(ada.person("Grace"));
      await grace.page.goBack();
      await grace.sees(grace.message("Hello, Ada"));
      await ada.sees(ada.person("Grace"));

      await grace.leave();
      await ada.seesNo(ada.person("Grace"));
      // Grace left three times: by reloading, by changing to the kitchen, and now by closing the page.
      await ada.sees(ada.line("Grace left").nth(2));
      assert.deepEqual(
        both.flatMap(({ errors }) => errors),
        [],
      );
    });
  }

  test("a message written while disconnected is sent once after reconnecting", async (context) => {
    const first = await startChat(0);
    const ada = await Visitor.open(browser, first.url, "Ada");
    context.after(() => ada.leave());
    await first.close();
    await ada.sees(ada.status.filter({ hasText: "trying again" }));
    await ada.write("Is anybody there?");
    await ada.sees(ada.message("Is anybody there?").getByText("sending…"));

    const second = await startChat(Number(new URL(first.url).port));
    context.after(() => second.close());
    const grace = await Visitor.open(browser, second.url, "Grace");
    await grace.sees(grace.message("Is anybody there?"));
    await ada.sees(ada.message("Is anybody there?").getByText("delivered"));
    await ada.sees(ada.person("Grace"));
    assert.equal(await ada.message("Is anybody there?").count(), 1);
  });

  test("keeps the messages on the page when the server restarts, and shows no users while offline", async (context) => {
    const first = await startChat(0);
    const ada = await Visitor.open(browser, first.url, "Ada");
    context.after(() => ada.leave());
    await ada.write("before the restart");
    await ada.sees(ada.message("before the restart").getByText("delivered"));
    await ada.sees(ada.room("lobby").getByText("1 here", { exact: true }));

    await first.close();
    await ada.sees(ada.status.filter({ hasText: "trying again" }));
    await ada.sees(ada.person("Unknown while offline"));
    await ada.seesNo(ada.person("Ada"));
    await ada.seesNo(ada.room("lobby").getByText("here"));

    const second = await startChat(Number(new URL(first.url).port));
    context.after(() => second.close());
    await ada.sees(ada.person("Ada"));
    await ada.write("after the restart");
    await ada.sees(ada.message("after the restart").getByText("delivered"));
    assert.deepEqual(await ada.texts(), ["before the restart", "after the restart"]);

    // Restart again: the old server has received one of the two messages on the page, and not the other.
    await second.close();
    await ada.sees(ada.person("Unknown while offline"));
    const third = await startChat(Number(new URL(first.url).port));
    context.after(() => third.close());
    await ada.sees(ada.person("Ada"));
    await ada.write("and again");
    await ada.sees(ada.message("and again").getByText("delivered"));
    assert.deepEqual(await ada.texts(), ["before the restart", "after the restart", "and again"]);

    await ada.page.getByRole("link", { name: "kitchen" }).click();
    await ada.sees(ada.line("It is quiet in the kitchen. Say something."));
    assert.deepEqual(await ada.texts(), []);
  });

  test('marks only one of two people with the same name as "you" on each page', async (context) => {
    const chat = await startChat(0);
    context.after(() => chat.close());
    const ada = await Visitor.open(browser, chat.url, "Ada");
    const other = await Visitor.open(browser, chat.url, "Ada");
    const grace = await Visitor.open(browser, chat.url, "Grace");
    context.after(() => Promise.all([other.leave(), grace.leave()]));
    for (const visitor of [ada, other]) {
      await visitor.sees(visitor.person("Grace"));
      assert.equal(await visitor.person("Ada").count(), 2);
      assert.equal(await visitor.person("you").count(), 1);
    }
    await ada.write("from the one");
    await grace.sees(grace.message("from the one"));
    await other.write("from the other");
    await grace.sees(grace.message("from the other"));
    // Each message shows its author, because two different people wrote the messages.
    const signatures = grace.page.getByRole("article").getByText("Ada", { exact: true });
    assert.equal(await signatures.filter({ visible: true }).count(), 2);
    await ada.leave();
    await grace.sees(grace.line("Ada left"));
    await grace.sees(grace.room("lobby").getByText("2 here", { exact: true }));
    assert.equal(await grace.person("Ada").count(), 1);
  });

  test("turns only http: and https: URLs into links", async (context) => {
    const chat = await startChat(0);
    context.after(() => chat.close());
    const ada = await Visitor.open(browser, chat.url, "Ada");
    const grace = await Visitor.open(browser, chat.url, "Grace");
    context.after(() => Promise.all([ada.leave(), grace.leave()]));
    for (const [index, [text, links]] of LINKS.entries()) {
      await ada.write(text);
      for (const visitor of [ada, grace]) {
        const message = visitor.page.getByRole("article").nth(index);
        await visitor.sees(message);
        assert.equal(await message.locator(".text").textContent(), text);
        const found = await message
          .locator(".text > *")
          .evaluateAll((all: Anchor[]) =>
            all.map(({ tagName, href, rel, target }) => [tagName, href, rel, target]),
          );
        const expected = links.map((href) => ["A", href, "noopener noreferrer", "_blank"]);
        assert.deepEqual(found, expected, text);
      }
    }
    assert.deepEqual([...ada.errors, ...grace.errors], []);
  });
});
