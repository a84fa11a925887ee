// Debian's Chromium, for tests that need a browser.

import { existsSync } from "node:fs";

import { type Browser, type BrowserContext, chromium } from "playwright-core";

import { bundle } from "../../build/bundle.ts";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A host name that pages resolve to loopback. */
export const ELSEWHERE = "elsewhere.test";

// Disable all network traffic except that of the tested pages.
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Pages use this name for this machine. Chromium's emulated loss of the network applies to it, but not to loopback
  // names.
  `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1`,
];

/**
 * The reason to skip browser tests, or `false`. If CI is "true", the tests are never skipped: without Chromium, they
 * fail.
 */
export const noChromium: string | false =
  existsSync(EXECUTABLE) || process.env.CI === "true"
    ? false
    : `there is no Chromium at ${EXECUTABLE}: apt-get install chromium, or set CHROMIUM`;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

const MODULE = "socket.io.esm.min.js";

/**
 * Serves our client to pages instead of the client that the server would serve. In a checkout without a build,
 * servers serve the client of the installed socket.io-client.
 */
export async function useOurClient(context: BrowserContext): Promise<void> {
  const files = await bundle(MODULE);
  await context.route(`**/socket.io/${MODULE}`, (route) =>
    route.fulfill({ contentType: "text/javascript", body: files.get(MODULE) ?? "" }),
  );
}
