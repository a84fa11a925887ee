// The rules of the house, checked: who may import whom, and what sources may not hold.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, test } from "node:test";

const ROOT = join(import.meta.dirname, "..");

/** What each folder may import; the first that fits a file counts. */
const MAY_IMPORT: readonly (readonly [folder: string, allowed: readonly string[]])[] = [
  [
    "protocol/websocket",
    [
      "protocol/websocket/",
      "protocol/bytes.ts",
      "protocol/fragments.ts",
      "protocol/zlib.ts",
      "node:crypto",
      "node:zlib",
    ],
  ],
  ["protocol/engineio", ["protocol/engineio/", "protocol/bytes.ts"]],
  ["protocol/socketio", ["protocol/socketio/", "protocol/bytes.ts"]],
  ["protocol", ["protocol/", "node:buffer", "node:zlib"]],
  ["lib/websocket", ["protocol/websocket/", "protocol/bytes.ts", "lib/websocket/", "node:"]],
  [
    "lib/engineio",
    [
      "protocol/engineio/",
      "protocol/bytes.ts",
      "protocol/fragments.ts",
      "protocol/zlib.ts",
      "lib/engineio/",
      "lib/websocket/",
      "node:",
    ],
  ],
  [
    "lib/socketio",
    ["protocol/socketio/", "protocol/bytes.ts", "lib/socketio/", "lib/engineio/", "node:"],
  ],
  ["lib", ["lib/", "protocol/zlib.ts", "node:"]],
  ["client", ["protocol/", "client/", "node:"]],
];
/** Shared by the three layers of lib/; and by both ends, at their edge. */
const SHARED = /^lib\/[^/]+\.ts$/;
const EDGE: ReadonlySet<string> = new Set([
  "protocol/catch-all.ts",
  "protocol/errors.ts",
  "protocol/events.ts",
]);

function sources(folder: string): string[] {
  // One that holds nothing yet is not there in a fresh clone.
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** What a file imports and re-exports: paths from the root, or the names of packages. */
function imports(file: string): string[] {
  return [...read(file).matchAll(/(?:from|import) "([^"]+)"/g)].map(([, specifier = ""]) =>
    specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : specifier,
  );
}

const FILES = ["protocol", "lib", "client"].flatMap(sources);

describe("imports run one way", () => {
  for (const file of FILES) {
    const [folder, allowed] = MAY_IMPORT.find(([prefix]) => file.startsWith(`${prefix}/`)) ?? [
      "",
      [],
    ];
    test(`${file} imports what ${folder}/ may`, () => {
      for (const target of imports(file)) {
        const fits = allowed.some((prefix) => target.startsWith(prefix));
        const shared = file.startsWith("lib/") && (SHARED.test(target) || EDGE.has(target));
        assert.ok(fits || shared, `${file} imports ${target}`);
      }
    });
  }

  test("nothing imports server.ts but tests and examples", () => {
    for (const file of FILES) assert.ok(!imports(file).includes("server.ts"), file);
  });

  test("no cycles", () => {
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      assert.ok(!path.includes(file), `${[...path, file].join(" → ")}`);
      if (done.has(file) || !file.endsWith(".ts")) return;
      for (const target of valueImports(file)) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of [...FILES, "server.ts"]) visit(file, []);
  });
});

/** imports(), without those of types only, which are gone when the program runs. */
function valueImports(file: string): string[] {
  const text = read(file).replace(/import type [\s\S]*?from "[^"]+";/g, "");
  return [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, specifier = ""]) =>
    normalize(join(dirname(file), specifier)),
  );
}

describe("sources", () => {
  for (const file of [...FILES, "server.ts"]) {
    test(`${file} says in its first line what it is, and silences nobody`, () => {
      const text = read(file);
      assert.match(text, /^\/\/ \S/);
      assert.doesNotMatch(text, /\bas any\b|: any\b|<any>|@ts-|\bas unknown as\b/);
      assert.doesNotMatch(text, /console\.|debugger/);
      // Whoever calls run() has given it the process.
      if (file !== "lib/run.ts") assert.doesNotMatch(text, /process\.exit/);
    });
  }

  test("there is no runtime dependency", () => {
    const manifest: object = JSON.parse(read("package.json"));
    for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"]) {
      assert.ok(!(kind in manifest), kind);
    }
  });

  test("package-lock.json names no registry", () => {
    assert.doesNotMatch(read("package-lock.json"), /"resolved": "http/);
  });
});
