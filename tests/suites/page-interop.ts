// Tests socket.io-client in Chromium, over each transport and the upgrade, and with the encodings that clients of
// protocol revision 3 use for old browsers.

import { after, before, describe } from "node:test";

import type { Browser } from "playwright-core";
import { launchChromium, noChromium } from "../support/chromium.ts";
import { pageGeneration } from "../support/page-client.ts";
import { damagedIn, EVENTS, encodingSuite, interopSuite, type Way } from "./interop.ts";

type Kind = Omit<Way, "generation">;

// biome-ignore format: aligned table
const TRANSPORTS: readonly Kind[] = [
  { name: "polling",                 options: { transports: ["polling"] },              settled: "polling" },
  { name: "websocket",               options: { transports: ["websocket"] },            settled: "websocket" },
  { name: "polling and the upgrade", options: { transports: ["polling", "websocket"] }, settled: "websocket" },
];

/**
 * To encode binary data in base64, these clients call a function with one argument for each byte, so the size is
 * limited.
 */
const largest = 50_000;

// biome-ignore format: aligned table
const ENCODINGS: readonly Kind[] = [
  { name: "polling in base64",   options: { transports: ["polling"], forceBase64: true }, settled: "polling",   largest },
  { name: "websocket in base64", options: { transports: ["websocket"], forceBase64: true }, settled: "websocket", largest },
  { name: "JSONP",               options: { transports: ["polling"], forceJSONP: true },  settled: "polling",   largest, server: { jsonp: true } },
];

/**
 * Runs the suites with one version of the client. Each version has its own file, because the time limit is per file.
 */
export function pageInteropSuite(version: string): void {
  describe(`socket.io-client ${version} in Chromium`, { skip: noChromium }, () => {
    let browser: Browser;
    before(async () => {
      browser = await launchChromium();
    });
    after(async () => {
      await idle();
      await browser?.close();
    });

    const { generation, idle } = pageGeneration(version, () => browser, EVENTS);
    for (const kind of TRANSPORTS)
      interopSuite({ ...kind, generation, damaged: damagedIn(version, kind.name) });
    if (generation.revision === 4) return;
    for (const kind of ENCODINGS)
      encodingSuite({ ...kind, generation, damaged: damagedIn(version, kind.name) });
  });
}
