// Compiles the programs in the documentation under `strict`, and runs them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { closeServers } from "./support/docs-entry.ts";
import { ENVIRONMENT } from "./support/environment.ts";
import { assertCompiles, exampleFolder } from "./support/example-folder.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGES = [
  "README.md",
  "docs/from-socket.io.md",
  "docs/from-flask-socketio.md",
  "docs/operating.md",
  "docs/websocket.md",
  "protocol/README.md",
  ...readdirSync(join(ROOT, "docs/wire")).map((name) => `docs/wire/${name}`),
];

/** The source file of each entry point of the package that the programs import. */
const MODULES: Readonly<Record<string, string>> = {
  barewire: join(ROOT, "tests/support/docs-entry.ts"),
  "barewire/client": join(ROOT, "client/index.ts"),
  "barewire/msgpack": join(ROOT, "protocol/socketio/msgpack-parser.ts"),
  "barewire/python": join(ROOT, "lib/adapters/python.ts"),
  "barewire/redis": join(ROOT, "lib/adapters/redis.ts"),
  "barewire/emitter": join(ROOT, "lib/adapters/emitter.ts"),
  "barewire/cluster": join(ROOT, "lib/adapters/cluster.ts"),
  "barewire/websocket": join(ROOT, "websocket.ts"),
};

/** Returns the programs of a page, with their ports replaced by free ports. */
function programs(page: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) =>
    code
      .replace(/from "(barewire[^"]*)"/g, (_all, name) => {
        const path = MODULES[name];
        assert.ok(path !== undefined, `${page} imports ${name}`);
        return `from ${JSON.stringify(path)}`;
      })
      .replace(/new Server\(3000/g, "new Server(0")
      .replace(/listen\(3000/g, "listen(0")
      .replace(/port: 5000/g, "port: 0")
      .concat("\nexport {};\n"),
  );
}

const folder = exampleFolder();
after(() => rmSync(folder, { recursive: true }));

const FILES = PAGES.flatMap((page) =>
  programs(page).map((code, index) => {
    const file = join(folder, `${page.replace(/\W/g, "-")}-${index + 1}.ts`);
    writeFileSync(file, code);
    // A program with in-memory clients and without a listening server ends by itself.
    const ends = code.includes("testClient(") && !/new Server\(0|\.run\(|listen\(/.test(code);
    return { name: `${page}, program ${index + 1}`, file, ends };
  }),
);

describe("documentation", () => {
  test("every program in the documentation compiles", () => assertCompiles(folder));

  for (const { name, file } of FILES) {
    test(`${name} runs without an error`, async () => {
      await import(pathToFileURL(file).href);
      await closeServers();
    });
  }

  test("programs with only in-memory test clients exit by themselves", async () => {
    const files = FILES.filter(({ ends }) => ends).map(({ file }) => file);
    assert.ok(files.length >= 5, `only ${files.length} programs`);
    for (const file of files) {
      // execFileSync() throws if the program does not end in time.
      execFileSync(process.execPath, ["--import", "tsx", file], {
        cwd: ROOT,
        env: ENVIRONMENT,
        stdio: ["ignore", "ignore", "inherit"],
        timeout: 60_000,
      });
    }
  });
});
