// Resolves the entries of the package to their sources, by the paths of tsconfig.json, for processes without tsx:
// node --import ./tests/support/register-paths.js. This file is JavaScript, because the types of Node 20 lack
// registerHooks().

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
