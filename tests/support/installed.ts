// Programs of Debian packages that tests start.

import { existsSync } from "node:fs";

/**
 * Returns the reason to skip tests that need a program, or `false` if the program is installed. If the environment variable
 * CI is "true", tests that need a program are never skipped: without the program, they fail.
 *
 * @param path the path of the program, or `undefined` if it was not found
 * @param debianPackage the package that contains the program
 */
export function notInstalled(path: string | undefined, debianPackage: string): string | false {
  if ((path !== undefined && existsSync(path)) || process.env.CI === "true") return false;
  return `${path ?? "the program"} is missing: apt-get install ${debianPackage}`;
}

/** Registers a cleanup function, as a TestContext does. */
export interface Cleanup {
  after(clean: () => unknown): void;
}
