// A folder in which the package "socket.io" is either the installed one or ours, so that the same program runs
// unchanged with both.

import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

/**
 * The environment of child processes. These two variables are emptied, so that a child does not report its tests and
 * coverage as part of this run.
 */
export const ENVIRONMENT: NodeJS.ProcessEnv = {
  ...process.env,
  NODE_TEST_CONTEXT: "",
  NODE_V8_COVERAGE: "",
};

const ROOT = join(import.meta.dirname, "../..");

/** Runs the text of a program. Its imports resolve from the root of the project. Resolves to what the program prints. */
export function runText(
  program: string,
  args: readonly string[] = [],
  { signal, ...environment }: { signal?: AbortSignal; NODE_DEBUG?: string } = {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const options = ["--no-warnings", "--import", "tsx", "--input-type=module", "--eval", program];
  return promisify(execFile)(process.execPath, [...options, ...args], {
    cwd: ROOT,
    env: { ...ENVIRONMENT, ...environment },
    signal,
  });
}

export const LIBRARIES = ["socket.io", "barewire"] as const;
export type Library = (typeof LIBRARIES)[number];

export class Environment {
  readonly #folder = mkdtempSync(join(tmpdir(), "barewire-programs-"));
  readonly #children: ChildProcess[] = [];

  constructor(library: Library) {
    const modules = join(this.#folder, "node_modules");
    mkdirSync(modules);
    for (const name of readdirSync(join(ROOT, "node_modules"))) {
      if (name.startsWith(".") || (name === "socket.io" && library === "barewire")) continue;
      symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
    }
    writeFileSync(join(this.#folder, "package.json"), "{}");
    if (library !== "barewire") return;
    const ours = join(modules, "socket.io");
    mkdirSync(ours);
    const exports = { require: "./index.cjs", default: "./index.mjs" };
    writeFileSync(join(ours, "package.json"), JSON.stringify({ name: "socket.io", exports }));
    const server = JSON.stringify(join(ROOT, "server.ts"));
    writeFileSync(join(ours, "index.mjs"), `export * from ${server};\n`);
    // This module does the same as commonjs.cjs, but with the sources instead of the built module.
    const callable = `const barewire = require(${server});
      module.exports = Object.assign((...args) => new barewire.Server(...args), barewire);\n`;
    writeFileSync(join(ours, "index.cjs"), callable);
  }

  /** Starts a program in tests/programs or in a package. Returns its port. */
  async start(program: string): Promise<number> {
    const own = join(ROOT, "tests/programs", program);
    const inside = existsSync(own)
      ? join(this.#folder, basename(program))
      : join(this.#folder, "node_modules", program);
    if (existsSync(own)) copyFileSync(own, inside);
    const child = fork(inside, [], {
      cwd: this.#folder,
      // The packages are symbolic links. Their imports must resolve from the link, not from its target.
      execArgv: [
        "--preserve-symlinks",
        "--preserve-symlinks-main",
        "--no-warnings",
        "--require",
        join(ROOT, "tests/support/tell-port.cjs"),
        "--import",
        "tsx",
      ],
      env: { ...ENVIRONMENT, PORT: "0", IP: "127.0.0.1" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#children.push(child);
    const ended = once(child, "exit").then(() => {
      throw new Error(`${program} has ended`);
    });
    const [{ port }] = await Promise.race([once(child, "message"), ended]);
    ended.catch(() => {});
    return port;
  }

  /** Ends the programs and removes the folder. */
  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(this.#folder, { recursive: true });
  }
}
