// Helpers for servers on Node: the port, and packages that are not dependencies of this project.

import type { Server } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";

/** Listens on the port of the command line, or on a free port, and prints the URL. */
export function listen(http: Server): void {
  http.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
    const address = http.address();
    if (typeof address === "object" && address !== null) {
      console.log(`http://127.0.0.1:${address.port}`);
    }
  });
}

/** Returns the `require` of a folder with a node_modules. Default: the current folder. */
export function requireFrom(folder = "."): NodeJS.Require {
  return createRequire(resolve(folder, "package.json"));
}
