// Opens the page of `barewire conform --html` in Chromium: it is readable, usable by keyboard, and loads nothing.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";

import type { Browser, Page } from "playwright-core";

import { renderHtml } from "../../conformance/reports/html.ts";
import type { Report } from "../../conformance/reports/report.ts";
import { launchChromium, noChromium } from "../support/chromium.ts";
import { MANY, REPORT } from "./results.ts";

/**
 * Finds the texts whose contrast with their background is below 4.5 (WCAG 2.2, 1.4.3).
 * This code is a string, because its globals exist only in the page.
 */
const PALE = `(() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => part / 255).map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return [255, 255, 255];
  };
  const pale = new Set();
  let looked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === "" || !element.checkVisibility() || element.closest("script")) continue;
    looked++;
    const [light, dark] = [parse(getComputedStyle(element).color), ground(element)]
      .map((colour) => luminance(colour.slice(0, 3))).sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) pale.add(contrast.toFixed(2) + " " + element.outerHTML.slice(0, 100));
  }
  return { looked, pale: [...pale] };
})()`;

const folder = mkdtempSync(join(tmpdir(), "barewire-report-"));
after(() => rmSync(folder, { recursive: true }));

interface Looks {
  readonly width?: number;
  readonly colorScheme?: "light" | "dark";
  readonly javaScriptEnabled?: boolean;
}

describe("the HTML report in Chromium", { skip: noChromium }, () => {
  let browser: Browser;

  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  /** Calls `use` with the page. Asserts that the page has loaded no other resource, and has logged nothing. */
  async function open(
    report: Report,
    { width = 1280, ...looks }: Looks,
    use: (page: Page) => Promise<void>,
  ): Promise<void> {
    const file = join(folder, "report.html");
    writeFileSync(file, renderHtml(report));
    const context = await browser.newContext({ viewport: { width, height: 900 }, ...looks });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(error.message));
    page.on("dialog", (dialog) => said.push(dialog.message()));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(pathToFileURL(file).href) && !url.startsWith("data:")) said.push(url);
    });
    await page.goto(pathToFileURL(file).href);
    await use(page);
    assert.deepEqual(said, []);
    await context.close();
  }

  function shown(page: Page): Promise<string[]> {
    return page.locator("details.case:visible").evaluateAll((all) => all.map(({ id }) => id));
  }

  const cases = (page: Page) => page.locator("details.case");

  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 360]) {
      test(`has enough contrast and no overflow in ${colorScheme} colours at ${width} pixels`, async () => {
        await open(REPORT, { colorScheme, width }, async (page) => {
          await page.getByRole("button", { name: "Unfold all" }).click();
          assert.equal(await page.locator("details.case[open]").count(), REPORT.results.length);
          const size = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]");
          assert.deepEqual(size, [width, width]);
          const outside = await page.locator("body *:visible").evaluateAll((all, right) => {
            return all.filter((each) => each.getBoundingClientRect().right > right + 1).length;
          }, width);
          assert.equal(outside, 0);
          const looks: { looked: number; pale: string[] } = await page.evaluate(PALE);
          assert.ok(looks.looked > 80, `${looks.looked}`);
          assert.deepEqual(looks.pale, []);
        });
      });
    }
  }

  test("shows sent and received messages in different colours", async () => {
    await open(REPORT, {}, async (page) => {
      const colours = await page.evaluate(`["sent", "received"].map((direction) =>
        getComputedStyle(document.querySelector("tr." + direction + " .arrow")).color)`);
      assert.ok(Array.isArray(colours));
      assert.equal(new Set(colours).size, 2);
    });
  });

  test("has different backgrounds in the light and the dark colour scheme", async () => {
    const grounds: unknown[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      await open(REPORT, { colorScheme }, async (page) => {
        grounds.push(await page.evaluate("getComputedStyle(document.body).backgroundColor"));
      });
    }
    assert.equal(new Set(grounds).size, 2);
  });

  test("unfolds the conversation of a case by keyboard, and shows failed cases unfolded at first", async () => {
    await open(REPORT, {}, async (page) => {
      const good = page.locator('[id="websocket.framing.good"]');
      const conversation = good.getByRole("table");
      assert.equal(await conversation.isVisible(), false);
      await good.locator("summary").focus();
      await page.keyboard.press("Enter");
      await conversation.waitFor();
      assert.equal(await conversation.locator("tbody tr").count(), 3);
      const [sent = "", received = "", note = ""] = await conversation
        .locator("tbody tr")
        .allInnerTexts();
      assert.match(sent, /1 ms.*→.*GET \/websocket HTTP\/1\.1\nHost: 127\.0\.0\.1.*47 45 54 20/s);
      assert.match(received, /←.*text frame, fin.*81 81.*70000 bytes/s);
      assert.match(note, /the connection has ended/);
      // Failed cases are expanded initially.
      assert.ok(await page.locator('[id="websocket.framing.hostile"] table').isVisible());
    });
  });

  test("filters cases by outcome and by search words", async () => {
    await open(REPORT, {}, async (page) => {
      assert.equal((await shown(page)).length, 6);
      // Use the keyboard: focus the first radio button, and select with the arrow keys.
      await page.getByRole("radio", { name: "All 6" }).focus();
      await page.keyboard.press("ArrowRight");
      const failed = ["websocket.framing.hostile", "engineio4.polling.lesser"];
      assert.deepEqual(await shown(page), failed);
      assert.equal(await page.getByRole("status").innerText(), "2 of 6 cases");
      assert.equal(await page.locator("section.layer:visible").count(), 2);
      const search = page.getByRole("searchbox", { name: "Search" });
      await search.fill("LESSER should");
      assert.deepEqual(await shown(page), ["engineio4.polling.lesser"]);
      await search.fill("nothing like that");
      await page.getByText("No case matches the filter.").waitFor();
      // A link to a case that the filter hides shows the case again.
      await page.getByRole("link", { name: "websocket.framing.hostile" }).click();
      await page.locator('[id="websocket.framing.hostile"]').waitFor();
      assert.equal((await shown(page)).length, 6);
    });
  });

  test("shows all cases without JavaScript", async () => {
    await open(REPORT, { javaScriptEnabled: false }, async (page) => {
      assert.equal(await page.getByRole("search").isVisible(), false);
      assert.equal(await cases(page).count(), 6);
      await page.locator('[id="websocket.framing.good"] summary').click();
      await page.locator('[id="websocket.framing.good"] table').waitFor();
    });
  });

  test("shows and filters 500 cases", async () => {
    await open(MANY, { width: 360 }, async (page) => {
      assert.equal((await shown(page)).length, 500);
      await page.getByRole("radio", { name: "Failed 20" }).check();
      assert.equal((await shown(page)).length, 20);
      const size = await page.evaluate("document.documentElement.scrollWidth");
      assert.equal(size, 360);
    });
  });

  test("the JUnit report is well-formed for the browser's XML parser", async () => {
    const { renderJunit } = await import("../../conformance/reports/junit.ts");
    await open(REPORT, {}, async (page) => {
      const parsed: unknown = await page.evaluate(
        `(() => {
          const parsed = new DOMParser().parseFromString(${JSON.stringify(renderJunit(REPORT))}, "application/xml");
          return [parsed.querySelector("parsererror")?.textContent, parsed.querySelectorAll("testcase").length];
        })()`,
      );
      assert.deepEqual(parsed, [undefined, 6]);
    });
  });
});
