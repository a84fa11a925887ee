// Lets Node find the entries of the package as the sources, by the paths of tsconfig.json, where tsx
// does not do that: node --import ./tests/support/register-paths.js. JavaScript, since the types of
// Node 20 do not have registerHooks().

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = join(import.meta.dirname, "../..");
const settings = readFileSync(join(ROOT, "tsconfig.json"), "utf8").replace(/^\s*\/\/.*$/gm, "");
const { paths } = JSON.parse(settings).compilerOptions;

registerHooks({
  resolve: (specifier, context, next) => {
    const [path] = paths[specifier] ?? [];
    return next(path === undefined ? specifier : pathToFileURL(join(ROOT, path)).href, context);
  },
});
