// A folder in which examples compile like the programs of a user.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Creates a temporary folder for example programs. The caller removes it. */
export function exampleFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "barewire-examples-"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const settings = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      noEmit: true,
      rootDir: "/",
      // Examples may declare parameters and constants that they do not use.
      noUnusedParameters: false,
      noUnusedLocals: false,
      rewriteRelativeImportExtensions: false,
      typeRoots: [join(ROOT, "node_modules/@types")],
    },
    include: [join(folder, "*.ts")],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
  return folder;
}

/** Fails unless all programs in the folder compile. */
export function assertCompiles(folder: string): void {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    assert.fail(error instanceof Error && "stdout" in error ? `${error.stdout}` : `${error}`);
  }
}
