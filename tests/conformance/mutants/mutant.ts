// A mutant is a program that runs barewire's server or clients with one fault: one place in one source file is changed.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

export interface Mutant {
  /** A stable name of words with dashes. */
  readonly name: string;
  /** The wrong behaviour of the server or client, as a verb phrase for the title of a test. */
  readonly fault: string;
  /** The path relative to the project root. */
  readonly file: string;
  /** The original code, which occurs in the file exactly once. */
  readonly from: string;
  readonly to: string;
  /** The id of the case that must fail. */
  readonly caughtBy: string;
}

const ROOT = join(import.meta.dirname, "../../..");

/**
 * Bundles `program` with this fault into one module. The default program is the server, which exports `createTarget`.
 *
 * @throws Error if `from` does not occur exactly once in the file, because the sources have changed
 */
export async function codeOf(
  { name, file, from, to }: Mutant,
  program = "conformance/testees/servers/barewire.ts",
): Promise<string> {
  const source = readFileSync(join(ROOT, file), "utf8");
  const places = source.split(from).length - 1;
  if (places !== 1)
    throw new Error(`${name}: the original code occurs ${places} times in ${file}, not once`);
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, program)],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20.19",
    write: false,
    logLevel: "error",
    plugins: [
      {
        name: "fault",
        setup: ({ onLoad }) => {
          onLoad({ filter: /\.ts$/ }, ({ path }) =>
            path === join(ROOT, file)
              ? { contents: source.replace(from, () => to), loader: "ts" }
              : undefined,
          );
        },
      },
    ],
  });
  return outputFiles[0]?.text ?? "";
}
