// The programs in the pages of docs/how-to/. The first line of each code block names its file.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";

import { closeServers, lastServer } from "./docs-entry.ts";
import { portOf } from "./net.ts";

const ROOT = join(import.meta.dirname, "../..");
const PAGES = join(ROOT, "docs/how-to");

/** The sources for the entries of this package that the programs import. */
export const MODULES: Readonly<Record<string, string>> = {
  barewire: join(ROOT, "tests/support/docs-entry.ts"),
  "barewire/client": join(ROOT, "client/index.ts"),
  "barewire/cluster": join(ROOT, "lib/adapters/cluster.ts"),
  "barewire/protocol/websocket": join(ROOT, "protocol/websocket.ts"),
};

/** The sources for the entries that programs for browsers import. */
export const BROWSER_MODULES: Readonly<Record<string, string>> = {
  "barewire/client": join(ROOT, "client/browser.ts"),
};

export interface CopyOptions {
  /** The port that replaces port 3000. Default: 0, a free port. */
  readonly port?: number;
  /** The sources for the imported entries of this package. Default: the sources for Node. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Changes the code of a file, so that a test can check that the change makes the program fail. */
  readonly edit?: (code: string) => string;
}

/** The names of the pages, such as "presence". */
export const HOW_TOS: readonly string[] = readdirSync(PAGES)
  .filter((name) => name.endsWith(".md") && name !== "README.md")
  .map((name) => name.slice(0, -".md".length));

/** Returns the files of a page by name. `// server.ts` or `<!-- Chat.vue -->` is the first line of each. */
function filesOf(page: string): Map<string, string> {
  const text = readFileSync(join(PAGES, `${page}.md`), "utf8");
  const files = new Map<string, string>();
  for (const [, code = ""] of text.matchAll(/^```(?:tsx?|vue|svelte)\n(.*?)^```$/gms)) {
    const [, name] = /^(?:\/\/|<!--) ([\w.-]+)/.exec(code) ?? [];
    assert.ok(name !== undefined, `${page}.md has a program without a name`);
    assert.ok(!files.has(name), `${page}.md has ${name} twice`);
    files.set(name, code);
  }
  return files;
}

/** The files of all pages, in one folder for each page, where the files can be compiled, imported and bundled. */
export class HowTos {
  readonly folder = mkdtempSync(join(tmpdir(), "barewire-how-to-"));

  constructor() {
    symlinkSync(join(ROOT, "node_modules"), join(this.folder, "node_modules"));
    writeFileSync(join(this.folder, "package.json"), '{ "type": "module" }');
    for (const page of HOW_TOS) {
      mkdirSync(join(this.folder, page));
      for (const [name, code] of filesOf(page)) writeFileSync(join(this.folder, page, name), code);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** Compiles all files under `strict`, unchanged. */
  compile(): void {
    const settings = {
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        noEmit: true,
        rootDir: "/",
        lib: ["ES2023", "DOM", "DOM.Iterable"],
        jsx: "react-jsx",
        // NestJS uses parameter decorators.
        experimentalDecorators: true,
        paths: Object.fromEntries(Object.entries(MODULES).map(([name, path]) => [name, [path]])),
        rewriteRelativeImportExtensions: false,
        typeRoots: [join(ROOT, "node_modules/@types")],
      },
      include: HOW_TOS.flatMap((page) => ["ts", "tsx"].map((each) => `${page}/*.${each}`)),
    };
    writeFileSync(join(this.folder, "tsconfig.json"), JSON.stringify(settings));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    try {
      execFileSync(process.execPath, [tsc, "-p", this.folder], { encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      assert.fail(error instanceof Error && "stdout" in error ? `${error.stdout}` : `${error}`);
    }
  }

  /** Writes the files of a page into a new folder, in which they can run. Returns the folder. */
  copy(
    page: string,
    { port = 0, modules = MODULES, edit = (code) => code }: CopyOptions = {},
  ): string {
    const folder = mkdtempSync(join(this.folder, `${page}-`));
    for (const [name, code] of filesOf(page)) {
      const runnable = edit(code)
        .replace(/from "(barewire[^"]*)"/g, (_all, module) => {
          const path = modules[module];
          assert.ok(path !== undefined, `${page}.md imports ${module}`);
          return `from ${JSON.stringify(path)}`;
        })
        .replace(/(listen\(|new Server(?:<[^(]*>)?\(|port: )3000/g, `$1${port}`)
        .replaceAll("http://localhost:3000", `http://127.0.0.1:${port}`);
      assert.doesNotMatch(runnable, /\b3000\b/, `${page}.md has its own port`);
      writeFileSync(join(folder, name), runnable);
    }
    return folder;
  }

  /** Imports a new copy of a file of a page. */
  import(page: string, name: string, port = 0): Promise<Readonly<Record<string, unknown>>> {
    return import(pathToFileURL(join(this.copy(page, { port }), name)).href);
  }

  /** Starts the server of a page. The server is closed when the test ends. Returns its port. */
  async serve(context: TestContext, page: string, name = "server.ts"): Promise<number> {
    context.after(closeServers);
    await this.import(page, name);
    const http = lastServer()?.httpServer;
    assert.ok(http !== undefined, `${name} of ${page}.md creates a server`);
    if (!http.listening) await once(http, "listening");
    return portOf(http);
  }
}
