// A server with one fault: the sources of barewire's target, with one place of one file changed.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

export interface Mutant {
  /** Stable, in words with dashes. */
  readonly name: string;
  /** What the server or client does wrong, as a verb phrase for the title of a test. */
  readonly fault: string;
  /** From the root of the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly from: string;
  readonly to: string;
  /** The id of the case that must catch it. */
  readonly caughtBy: string;
}

const ROOT = join(import.meta.dirname, "../../..");

/**
 * The code of `program` with that fault, as one module; by default that of the target, which exports
 * `createTarget`.
 *
 * @throws Error where the place is not there, or not only once: the sources have changed
 */
export async function codeOf(
  { name, file, from, to }: Mutant,
  program = "conformance/testees/servers/barewire.ts",
): Promise<string> {
  const source = readFileSync(join(ROOT, file), "utf8");
  const places = source.split(from).length - 1;
  if (places !== 1) throw new Error(`${name}: its place is ${places} times in ${file}`);
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
