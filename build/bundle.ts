// The client's files for pages: one classic script and one module, as they are and minified.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { brotliCompressSync } from "node:zlib";

import { type BuildOptions, build, type Plugin } from "esbuild";
import { minify } from "terser";

const ROOT = join(import.meta.dirname, "..");

/** Puts files of client/ in the place of files of protocol/. */
function replace(name: string): Plugin {
  return {
    name,
    setup: ({ onResolve }) => {
      onResolve({ filter: new RegExp(`/${name}\\.ts$`) }, ({ path, resolveDir, kind }) => {
        const target = relative(ROOT, join(resolveDir, path));
        if (kind === "entry-point" || !target.startsWith("protocol/")) return undefined;
        return { path: join(ROOT, "client", `${name}.ts`) };
      });
    },
  };
}

/** Browsers have no Buffer: what protocol/ knows of bytes is another file there. */
const BYTES = replace("bytes");

/** Browsers are told little, and quickness counts less there than what has to be loaded. */
const JSON_PARSER = replace("json");

/** The sentences about rules are a tenth of the client. */
const RULES = replace("rules");

/**
 * Private members become properties: frameworks as Vue put what an application keeps behind proxies,
 * through which no private member can be reached. No class that has some extends another that has.
 */
const PROPERTIES: Plugin = {
  name: "properties",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/(client|protocol)\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const names = [...new Set(source.match(PRIVATE))];
      // By their number, so that after minifying all classes have the same.
      const contents = source.replace(PRIVATE, (name) => `_p${names.indexOf(name)}`);
      return { contents, loader: "ts" };
    });
  },
};

const PRIVATE = /#[a-z]\w*\b/gi;

/** Those properties, and members that only the client's own files know of each other. */
const INTERNAL = new RegExp(
  `^(_p\\d+|${[
    ..."append ask attachments callback createDecoder dispatch emitWith endIfOverdue expected".split(
      " ",
    ),
    ..."header insert jitter onClose onError onLeave onLost onMessage onNetwork onOpen onPacket onPing onWritable".split(
      " ",
    ),
    ..."onlyOnce overdue payload pending prepend registered registrant registrations release".split(
      " ",
    ),
    ..."removeUntyped sendAll timer toMessages tries unref want webSocket".split(" "),
  ].join("|")})$`,
);

/** Each file, what it is made of, and how. */
const FILES = {
  "socket.io.js": { entryPoints: ["client/global.ts"], format: "iife" },
  "socket.io.min.js": { minify: true, entryPoints: ["client/global.ts"], format: "iife" },
  "socket.io.esm.min.js": { minify: true, entryPoints: ["client/browser.ts"], format: "esm" },
  "socket.io.msgpack.min.js": { minify: true, entryPoints: ["client/msgpack.ts"], format: "iife" },
} as const satisfies Readonly<Record<string, BuildOptions>>;

export type ClientFile = keyof typeof FILES;

/** A file and its source map, by their names. */
export async function bundle(name: ClientFile): Promise<ReadonlyMap<string, string>> {
  const { minify: minified, ...options }: BuildOptions = FILES[name];
  const { outputFiles } = await build({
    ...options,
    absWorkingDir: ROOT,
    outfile: name,
    write: false,
    bundle: true,
    platform: "browser",
    target: "es2022",
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    minifySyntax: minified === true,
    sourcemap: minified === true ? "inline" : "linked",
    logLevel: "warning",
    plugins: [BYTES, JSON_PARSER, ...(minified === true ? [RULES] : []), PROPERTIES],
  });
  const files = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  if (minified !== true) return files;
  const { code = "", map } = await minify(files.get(name) ?? "", {
    module: true,
    ecma: 2020,
    compress: {
      passes: 4,
      hoist_funs: true,
      // Some bytes shorter so, when compressed.
      comparisons: false,
      if_return: false,
      unsafe_methods: true,
      pure_getters: true,
      unsafe: true,
      unsafe_arrows: true,
    },
    format: { wrap_func_args: false },
    mangle: { properties: { regex: INTERNAL } },
    sourceMap: { content: "inline", filename: name, url: `${name}.map` },
  });
  return new Map([
    [name, code],
    [`${name}.map`, `${map}`],
  ]);
}

/** What bundlers for pages take the package's client from, and so must be able to read. */
const MODULE = "socket.io.esm.min.js";

/**
 * Writes all of them, with their source maps. The module is there as it is: the others are for the
 * server alone, which most often sends them as Brotli has them, and can decompress in a millisecond
 * what it needs a tenth of a second to compress.
 */
export async function bundleClient(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names: readonly string[] = Object.keys(FILES);
  const isFile = (name: string): name is ClientFile => names.includes(name);
  for (const name of names.filter(isFile)) {
    for (const [file, text] of await bundle(name)) {
      // Maps are asked for rarely.
      const isPlain = file.endsWith(".map") || file === MODULE;
      if (isPlain) await writeFile(join(folder, file), text);
      else await writeFile(join(folder, `${file}.br`), brotliCompressSync(text));
    }
  }
}

/** The module as the examples serve it. */
export async function clientModule(): Promise<string> {
  const files = await bundle(MODULE);
  return files.get(MODULE) ?? "";
}
