// Runs the page and the server of README.md together, as a newcomer would paste them.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";

import { launchChromium, noChromium } from "../support/chromium.ts";
import { closeServers, lastHttpServer } from "../support/docs-entry.ts";
import { listen } from "../support/net.ts";

const ROOT = join(import.meta.dirname, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

function block(language: string): string {
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(README) ?? [];
  assert.ok(code !== undefined, `README.md has no program in ${language}`);
  return code;
}

describe("the page of README.md", { skip: noChromium }, () => {
  test("exchanges messages through the server of README.md", async (context) => {
    let html = "";
    const pages = createServer((_request, response) => {
      response.setHeader("Content-Type", "text/html; charset=utf-8").end(html);
    });
    const origin = `http://localhost:${await listen(pages)}`;
    context.after(() => pages.close());

    const folder = mkdtempSync(join(tmpdir(), "barewire-readme-"));
    context.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const entry = JSON.stringify(pathToFileURL(join(ROOT, "tests/support/docs-entry.ts")).href);
    const program = block("ts")
      .replace('"barewire"', entry)
      .replace("Server(3000", "Server(0")
      .replace("http://localhost:8080", origin);
    writeFileSync(join(folder, "server.ts"), program);
    await import(pathToFileURL(join(folder, "server.ts")).href);
    context.after(closeServers);
    const address = lastHttpServer()?.address();
    assert.ok(typeof address === "object" && address !== null);
    html = block("html").replaceAll("http://localhost:3000", `http://localhost:${address.port}`);

    const browser = await launchChromium();
    context.after(() => browser.close());
    const [one, other] = [await browser.newPage(), await browser.newPage()];
    const errors: string[] = [];
    for (const page of [one, other]) {
      page.setDefaultTimeout(30_000);
      page.on("pageerror", ({ message }) => errors.push(message));
      await page.goto(origin);
      await page.waitForFunction("socket.connected");
    }
    await one.getByLabel("Message").fill("hällo <b>");
    await one.getByRole("button", { name: "Send" }).click();
    await other.getByText(": hällo <b>").waitFor();
    await one.getByText("delivered at ").waitFor();
    assert.deepEqual(errors, []);
  });
});
