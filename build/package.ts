// What npm publishes: the declarations, with their comments; the code, minified in as few files as
// the package has ways in need, with source maps; and the client's files for pages.
//
//   tsx build/package.ts dist

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

import { build } from "esbuild";
import { minify } from "terser";

import { bundleClient } from "./bundle.ts";
import { bundleConformance } from "./conformance.ts";

const ROOT = join(import.meta.dirname, "..");

/** What package.json exports. */
const ENTRIES = [
  "server",
  "commonjs",
  "websocket",
  "client/index",
  "client/commonjs",
  "protocol/websocket",
  "protocol/engineio",
  "protocol/socketio",
  "protocol/socketio/msgpack",
];

/** Declarations of these files and of all that they name, in the folder; no others stay. */
function declare(folder: string): void {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const settings = join(ROOT, "tsconfig.build.json");
  execFileSync(process.execPath, [tsc, "-p", settings, "--outDir", folder], { stdio: "inherit" });
  const named = new Set<string>();
  const visit = (file: string): void => {
    if (named.has(file)) return;
    named.add(file);
    for (const [, path = ""] of readFileSync(file, "utf8").matchAll(/"(\.[^"]+)\.ts"/g)) {
      visit(join(dirname(file), `${path}.d.ts`));
    }
  };
  for (const entry of ENTRIES) visit(join(folder, `${entry}.d.ts`));
  for (const file of declarations(folder)) {
    if (named.has(file)) writeFileSync(file, indent(withoutImplements(readFileSync(file, "utf8"))));
    else rmSync(file);
  }
}

function declarations(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".d.ts"))
    .map((name) => join(folder, name));
}

/**
 * The interfaces of a class are between our own layers. Their members are internal, so that they are
 * not declared, and a user's compiler would miss them.
 */
function withoutImplements(text: string): string {
  return text.replace(/^(export declare (?:abstract )?class .*) implements .* \{$/gm, "$1 {");
}

/** Four spaces at the beginning of a line are a tab: a twentieth of the declarations. */
function indent(text: string): string {
  return text.replace(/^(?: {4})+/gm, (spaces) => "\t".repeat(spaces.length / 4));
}

/**
 * What the files in lib/ export only the others import, under names that are short: no minifier sees
 * both ends. The lines stay where they are, for the source map.
 */
function shorten(text: string, path: string, nicknames: Map<string, string>): string {
  const nickname = (name: string): string => {
    const known = nicknames.get(name) ?? `_${nicknames.size.toString(36)}`;
    nicknames.set(name, known);
    return known;
  };
  const imported = text.replace(
    /^import \{([^}]*)\}(?= from "[^"]*\/[A-Z0-9]{8}\.js";$)/gm,
    (_all, names: string) =>
      `import {${names.replace(/(\w+)(?: as (\w+))?/g, (_one, name, local) => `${nickname(name)} as ${local ?? name}`)}}`,
  );
  if (!/[\\/][A-Z0-9]{8}\.js$/.test(path)) return imported;
  return imported.replace(
    /^export \{([^}]*)\};$/m,
    (_all, names: string) =>
      `export {${names.replace(/(\w+)(?: as (\w+))?/g, (_one, local, name) => `${local} as ${nickname(name ?? local)}`)}};`,
  );
}

/** Writes the package's code into a folder, whose former content goes. */
export async function buildPackage(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  declare(folder);
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES.map((entry) => ({ in: `${entry}.ts`, out: entry })),
    outdir: folder,
    bundle: true,
    splitting: true,
    // What lib/client-files.ts reads it finds beside its own folder.
    chunkNames: "lib/[hash]",
    platform: "node",
    format: "esm",
    target: "node20.19",
    write: false,
    minifySyntax: true,
    sourcemap: "inline",
    logLevel: "warning",
  });
  const nicknames = new Map<string, string>();
  for (const { path, text } of outputFiles) {
    // esbuild makes `Server = class` of a class, which has its name from the variable, and
    // `Server = class _Server` of one that names itself. In its place is one as long.
    const names = (form: RegExp): string[] => [...text.matchAll(form)].map(([, name = ""]) => name);
    const source = names(/\b(\w+) = class _\1\b/g).reduce(
      (all, name) => all.replace(new RegExp(`\\b_${name}\\b`, "g"), ` ${name}`),
      shorten(text, path, nicknames),
    );
    const { code = "", map } = await minify(source, {
      module: true,
      ecma: 2020,
      // Consoles, profiles and heap snapshots name classes.
      keep_classnames: true,
      mangle: { reserved: names(/\b(\w+) = class\b/g) },
      compress: { passes: 4, hoist_funs: true },
      sourceMap: { content: "inline", filename: basename(path), url: `${basename(path)}.map` },
    });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code);
    writeFileSync(`${path}.map`, `${map}`);
  }
  await bundleClient(join(folder, "client-files"));
  await bundleConformance(folder);
}

const [, script, folder] = process.argv;
if (script === import.meta.filename && folder !== undefined) await buildPackage(resolve(folder));
