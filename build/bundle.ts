// Bundles the client into the files that pages load: a classic script and a module.

import { mkdir, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { brotliCompressSync } from "node:zlib";

import { type BuildOptions, build, type Plugin } from "esbuild";
import { minify } from "terser";

const ROOT = join(import.meta.dirname, "..");

/**
 * Replaces bytes.ts by a module that works without Buffer, which browsers do not have. For other bundlers, the field
 * "browser" of package.json does the same.
 */
export const BROWSER_BYTES: Plugin = {
  name: "browser-bytes",
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/bytes\.ts$/ }, ({ path, resolveDir }) => {
      const target = relative(ROOT, join(resolveDir, path));
      return target === "protocol/bytes.ts"
        ? { path: join(ROOT, "client/platform/bytes.ts") }
        : undefined;
    });
  },
};

/** Each file, its entry point, and whether it is minified. */
const FILES = {
  "socket.io.js": { entryPoints: ["client/global.ts"], format: "iife" },
  "socket.io.min.js": { minify: true, entryPoints: ["client/global.ts"], format: "iife" },
  "socket.io.esm.min.js": { minify: true, entryPoints: ["client/browser.ts"], format: "esm" },
  "socket.io.msgpack.min.js": {
    minify: true,
    entryPoints: ["client/global-msgpack.ts"],
    format: "iife",
  },
} as const satisfies Readonly<Record<string, BuildOptions>>;

export type ClientFile = keyof typeof FILES;

/** Bundles a file. Returns the contents of the file and of its source map, by file name. */
export async function bundle(name: ClientFile): Promise<ReadonlyMap<string, string>> {
  const options: BuildOptions = FILES[name];
  const { outputFiles } = await build({
    ...options,
    minify: false,
    absWorkingDir: ROOT,
    outfile: name,
    write: false,
    bundle: true,
    platform: "browser",
    target: "es2022",
    sourcemap: options.minify === true ? "inline" : "linked",
    logLevel: "warning",
    plugins: [BROWSER_BYTES],
  });
  const files = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  if (options.minify !== true) return files;
  const { code = "", map } = await minify(files.get(name) ?? "", {
    module: true,
    sourceMap: { content: "inline", filename: name, url: `${name}.map` },
  });
  return new Map([
    [name, code],
    [`${name}.map`, `${map}`],
  ]);
}

/**
 * Writes every file and its source map into `folder`. The scripts are compressed with Brotli, because
 * almost all browsers accept Brotli. For other clients, the server decompresses the scripts.
 */
export async function bundleClient(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names: readonly string[] = Object.keys(FILES);
  const isFile = (name: string): name is ClientFile => names.includes(name);
  for (const name of names.filter(isFile)) {
    for (const [file, text] of await bundle(name)) {
      // Source maps are not compressed: only developer tools request them, so their size hardly matters.
      if (file.endsWith(".map")) await writeFile(join(folder, file), text);
      else await writeFile(join(folder, `${file}.br`), brotliCompressSync(text));
    }
  }
}

/** Returns the client as a module, for the examples that serve it. */
export async function clientModule(): Promise<string> {
  const files = await bundle("socket.io.esm.min.js");
  return files.get("socket.io.esm.min.js") ?? "";
}
