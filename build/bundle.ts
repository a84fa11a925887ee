// The client's files for pages: one classic script and one module, as they are and minified.
//
//   tsx build/bundle.ts dist/client-files

import { mkdir, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";

import { type BuildOptions, build, type Plugin } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

/** Puts files of client/ in the place of files of protocol/. */
function replace(name: string, modules: RegExp): Plugin {
  return {
    name,
    setup: ({ onResolve }) => {
      onResolve({ filter: modules }, ({ path, resolveDir, kind }) => {
        const target = relative(ROOT, join(resolveDir, path));
        if (kind === "entry-point" || !target.startsWith("protocol/")) return undefined;
        return { path: join(ROOT, "client", `${name}.ts`) };
      });
    },
  };
}

/** Browsers have no Buffer: what protocol/ knows of bytes is another file there. */
const BYTES = replace("bytes", /\/bytes\.ts$/);

/** The sentences about rules are a tenth of the client. */
const RULES = replace("rules", /\/rules\.ts$/);

/** Each file, what it is made of, and how. */
const FILES = {
  "socket.io.js": { entryPoints: ["client/global.ts"], format: "iife" },
  "socket.io.min.js": { minify: true, entryPoints: ["client/global.ts"], format: "iife" },
  "socket.io.esm.min.js": { minify: true, entryPoints: ["client/browser.ts"], format: "esm" },
  "socket.io.msgpack.min.js": { minify: true, entryPoints: ["client/msgpack.ts"], format: "iife" },
} as const satisfies Readonly<Record<string, BuildOptions>>;

export type ClientFile = keyof typeof FILES;

/** A file and its source map, by their names. */
export async function bundle(name: ClientFile): Promise<ReadonlyMap<string, Uint8Array>> {
  const { minify, ...options }: BuildOptions = FILES[name];
  const { outputFiles } = await build({
    ...options,
    minify: minify === true,
    absWorkingDir: ROOT,
    outfile: name,
    write: false,
    bundle: true,
    platform: "browser",
    target: "es2022",
    sourcemap: true,
    logLevel: "warning",
    plugins: minify ? [BYTES, RULES] : [BYTES],
  });
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
}

/** Writes all of them, with their source maps. */
export async function bundleClient(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names: readonly string[] = Object.keys(FILES);
  const isFile = (name: string): name is ClientFile => names.includes(name);
  for (const name of names.filter(isFile)) {
    for (const [file, contents] of await bundle(name))
      await writeFile(join(folder, file), contents);
  }
}

/** The module as the examples serve it. */
export async function clientModule(): Promise<Uint8Array> {
  const files = await bundle("socket.io.esm.min.js");
  return files.get("socket.io.esm.min.js") ?? new Uint8Array();
}

const [, script, folder] = process.argv;
if (script === import.meta.filename && folder !== undefined) await bundleClient(join(ROOT, folder));
