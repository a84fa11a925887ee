// The conformance kit in the package: one compressed file, and the command that runs it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

import { type BuildOptions, build } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

const OPTIONS = {
  absWorkingDir: ROOT,
  platform: "node",
  target: "node20.19",
  minify: true,
  write: false,
  logLevel: "warning",
} as const satisfies BuildOptions;

/** Writes cli.js and conform.js.br into a folder. */
export async function bundleConformance(folder: string): Promise<void> {
  const kit = await build({
    ...OPTIONS,
    // bin.ts gives `version` and `require`.
    stdin: {
      contents: 'import { run } from "./conformance/cli.ts"; run(version);',
      resolveDir: ROOT,
      loader: "ts",
    },
    bundle: true,
    format: "cjs",
    define: { "import.meta.filename": "undefined", "import.meta.dirname": "undefined" },
  });
  const command = await build({
    ...OPTIONS,
    entryPoints: ["conformance/bin.ts"],
    format: "esm",
    banner: { js: "#!/usr/bin/env node" },
  });
  const [code, script] = [kit, command].map(({ outputFiles: [file] }) => file?.contents);
  if (code === undefined || script === undefined) throw new Error("nothing was built");
  const params = {
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: code.length,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "conform.js.br"), brotliCompressSync(code, { params }));
  writeFileSync(join(folder, "cli.js"), script);
}
