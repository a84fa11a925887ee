// Programs of Debian that tests start where they are installed.

import { existsSync } from "node:fs";

/**
 * Returns why tests with a program are skipped, or `false` if it is installed. Where CI is "true" such
 * tests are never skipped, and fail instead.
 *
 * @param path of the program; `undefined` if it was looked for and is nowhere
 * @param debianPackage the package that holds it
 */
export function notInstalled(path: string | undefined, debianPackage: string): string | false {
  if ((path !== undefined && existsSync(path)) || process.env.CI === "true") return false;
  return `${path ?? "the program"} is missing: apt-get install ${debianPackage}`;
}

/** Registers what cleans up after a test, as a TestContext does. */
export interface Cleanup {
  after(clean: () => unknown): void;
}
