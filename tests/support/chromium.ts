// Debian's Chromium, for tests that want a browser.

import { existsSync } from "node:fs";

import { type Browser, type BrowserContext, chromium } from "playwright-core";

import { bundle } from "../../build/bundle.ts";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A name under which a page finds servers on loopback. */
export const ELSEWHERE = "elsewhere.test";

// Nothing but the pages of the test goes over the network.
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A host that is not this machine by its name, to be cut off from.
  `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1`,
];

/** Why browser tests are skipped, or false. Where CI is "true" they never are, and fail instead. */
export const noChromium: string | false =
  existsSync(EXECUTABLE) || process.env.CI === "true"
    ? false
    : `there is no Chromium at ${EXECUTABLE}: apt-get install chromium, or set CHROMIUM`;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

const MODULE = "socket.io.esm.min.js";

/**
 * Gives pages our client in the place of the one that servers serve. In a checkout that is not built,
 * servers serve the client of the installed socket.io-client.
 */
export async function useOurClient(context: BrowserContext): Promise<void> {
  const files = await bundle(MODULE);
  await context.route(`**/socket.io/${MODULE}`, (route) =>
    route.fulfill({ contentType: "text/javascript", body: files.get(MODULE) ?? "" }),
  );
}
