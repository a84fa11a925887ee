// The client's files for pages: one classic script and one module, as they are and minified.
//
//   tsx build/bundle.ts dist/client-files

import { join } from "node:path";

import { type BuildOptions, build, type Plugin } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

/** Browsers have no Buffer: what protocol/ knows of bytes is another file there. */
const BYTES: Plugin = {
  name: "bytes",
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/bytes\.ts$/ }, ({ resolveDir }) =>
      resolveDir.startsWith(join(ROOT, "protocol")) || resolveDir === join(ROOT, "client")
        ? { path: join(ROOT, "client/bytes.ts") }
        : undefined,
    );
  },
};

/** Each file, what it is made of, and how. */
const FILES: Readonly<Record<string, BuildOptions>> = {
  "socket.io.js": { entryPoints: ["client/global.ts"], format: "iife" },
  "socket.io.min.js": { entryPoints: ["client/global.ts"], format: "iife", minify: true },
  "socket.io.esm.min.js": { entryPoints: ["client/browser.ts"], format: "esm", minify: true },
  "socket.io.msgpack.min.js": { entryPoints: ["client/msgpack.ts"], format: "iife", minify: true },
};

/** Writes them, with their source maps. */
export async function bundleClient(folder: string): Promise<void> {
  for (const [name, options] of Object.entries(FILES)) {
    await build({
      ...options,
      absWorkingDir: ROOT,
      outfile: join(folder, name),
      bundle: true,
      platform: "browser",
      target: "es2022",
      sourcemap: true,
      logLevel: "warning",
      plugins: [BYTES],
    });
  }
}

const [, script, folder] = process.argv;
if (script === import.meta.filename && folder !== undefined) await bundleClient(join(ROOT, folder));
