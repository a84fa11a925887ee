// Builds the package that npm publishes.
//
//   npx tsx build/package.ts dist
//
// dist/            The sources as JavaScript modules, one file each, with their comments, declarations and source maps.
// dist/cjs/        The same modules as CommonJS, for tools that cannot require() an ES module.
// dist/conformance/cases/  The cases of the conformance kit, as transcripts.
// dist/client-files/  The client as the server sends it to pages.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { build } from "esbuild";

import { bundleClient } from "./bundle.ts";

const ROOT = join(import.meta.dirname, "..");

/**
 * The CommonJS modules of the two entry points for which require() returns a function. These modules are written by
 * hand, and copied into dist/ and into dist/cjs/.
 */
const CALLABLE = ["commonjs", "client/commonjs"];

/** Compiles the sources with TypeScript. */
function compile(folder: string): void {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const settings = join(ROOT, "tsconfig.build.json");
  execFileSync(process.execPath, [tsc, "-p", settings, "--outDir", folder], { stdio: "inherit" });
}

/** Returns the files below a folder whose names end with `ending`, relative to it. */
function filesIn(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(ending),
  );
}

/**
 * Writes each compiled module as CommonJS into dist/cjs/, with its declarations. Node itself never
 * loads these files, because the condition "module-sync" in package.json directs require() to dist/,
 * and so to the ES modules. Otherwise a process could have two copies of each class.
 */
async function convertToCommonJs(folder: string): Promise<void> {
  const isLibrary = (name: string): boolean => !name.startsWith("conformance");
  const target = join(folder, "cjs");
  const declarations = filesIn(folder, ".d.ts").filter(isLibrary);
  await build({
    absWorkingDir: folder,
    entryPoints: filesIn(folder, ".js").filter(isLibrary),
    outdir: target,
    outbase: folder,
    format: "cjs",
    platform: "node",
    target: "node18",
    sourcemap: "linked",
    define: { "import.meta.dirname": "__dirname" },
    logLevel: "warning",
  });
  for (const name of declarations) copyFileSync(join(folder, name), join(target, name));
  writeFileSync(join(target, "package.json"), '{ "type": "commonjs" }\n');
}

/** Copies the transcripts of the conformance kit, which the compiler does not copy. */
function copyTranscripts(folder: string): void {
  const cases = "conformance/cases";
  for (const name of filesIn(join(ROOT, cases), ".wire")) {
    const target = join(folder, cases, name);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(ROOT, cases, name), target);
  }
}

/** Builds the package into `folder`, and deletes the previous contents of the folder. */
export async function buildPackage(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  compile(folder);
  await convertToCommonJs(folder);
  copyTranscripts(folder);
  for (const name of CALLABLE.flatMap((each) => [`${each}.cjs`, `${each}.d.cts`])) {
    for (const target of [folder, join(folder, "cjs")]) {
      mkdirSync(dirname(join(target, name)), { recursive: true });
      copyFileSync(join(ROOT, name), join(target, name));
    }
  }
  await bundleClient(join(folder, "client-files"));
}

const [, script, folder] = process.argv;
if (script === import.meta.filename && folder !== undefined) await buildPackage(resolve(folder));
