// What npx runs. The kit is one compressed file beside it, which build/package.ts makes of cli.ts.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { compileFunction } from "node:vm";
import { brotliDecompressSync } from "node:zlib";

const read = (name: string): Buffer => readFileSync(new URL(name, import.meta.url));

const { version } = JSON.parse(read("../package.json").toString());
// Not from a data: URL, which would be the name of the file in the trace of each error.
compileFunction(brotliDecompressSync(read("conform.js.br")).toString(), ["require", "version"], {
  filename: "barewire/conform.js",
})(createRequire(import.meta.url), version);
