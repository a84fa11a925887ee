// Checks the rules of this project: the imports that each module may have, and code that no source file may contain.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, test } from "node:test";

const ROOT = join(import.meta.dirname, "..");

/** The imports that are allowed in each folder or file. The first entry that matches a file applies. */
const MAY_IMPORT: readonly (readonly [place: string, allowed: readonly string[]])[] = [
  [
    "protocol/websocket/",
    ["protocol/websocket/", "protocol/bytes.ts", "protocol/fragments.ts", "node:crypto"],
  ],
  ["protocol/engineio/", ["protocol/engineio/", "protocol/bytes.ts"]],
  ["protocol/socketio/", ["protocol/socketio/", "protocol/bytes.ts"]],
  ["protocol/", ["protocol/", "node:buffer"]],
  // Both the server and the client use these files. Browsers load them, so they must not import node: modules. parser.ts
  // adapts user-supplied parsers, so it may import the packets.
  ["lib/events/parser.ts", ["protocol/socketio/", "protocol/bytes.ts", "lib/events/"]],
  ["lib/events/", ["lib/events/"]],
  // A broadcast is encoded without a socket, so these files may import only codecs.
  ["lib/websocket/frames", ["protocol/websocket/frame.ts", "protocol/bytes.ts"]],
  ["lib/engineio/outgoing", ["protocol/engineio/", "protocol/bytes.ts", "lib/websocket/frames.ts"]],
  [
    "lib/websocket/",
    ["protocol/websocket/", "protocol/bytes.ts", "lib/websocket/", "lib/events/", "node:"],
  ],
  [
    "lib/engineio/",
    [
      "protocol/engineio/",
      "protocol/bytes.ts",
      "protocol/fragments.ts",
      "lib/engineio/",
      "lib/websocket/",
      "lib/events/",
      "node:",
    ],
  ],
  [
    "lib/socketio/",
    [
      "protocol/socketio/",
      "protocol/bytes.ts",
      "lib/socketio/",
      "lib/engineio/",
      "lib/events/",
      "node:",
    ],
  ],
  // Files of lib/cluster/ run in the processes of a cluster. From the other folders of lib/, these files may import only the
  // modules whose values they pass between processes.
  [
    "lib/cluster/",
    [
      "lib/cluster/",
      "lib/engineio/engine-request.ts",
      "lib/engineio/engine.ts",
      "lib/socketio/fair-eviction.ts",
      "lib/socketio/recovery-store.ts",
      "node:",
    ],
  ],
  // Adapters are entry points of the package, such as barewire/redis. The server does not import adapters.
  [
    "lib/adapters/",
    [
      "protocol/socketio/",
      "protocol/bytes.ts",
      "lib/adapters/",
      "lib/cluster/",
      "lib/socketio/",
      "lib/engineio/outgoing.ts",
      "lib/events/",
      "node:",
    ],
  ],
  ["lib/", ["lib/", "protocol/websocket/deflate-negotiation.ts", "node:"]],
  [
    "client/platform/node",
    [
      "protocol/",
      "client/platform/",
      "client/engineio/",
      "client/socketio/",
      "lib/events/",
      "lib/websocket/",
      "lib/node-options.ts",
      "node:",
    ],
  ],
  [
    "client/engineio/",
    [
      "protocol/engineio/",
      "protocol/bytes.ts",
      "client/engineio/",
      "client/platform/network.ts",
      "client/platform/platform.ts",
      "lib/events/",
    ],
  ],
  [
    "client/socketio/",
    [
      "protocol/socketio/",
      "protocol/bytes.ts",
      "client/socketio/",
      "client/engineio/",
      "client/platform/network.ts",
      "client/platform/platform.ts",
      "lib/events/",
    ],
  ],
  [
    "client/platform/",
    ["protocol/", "client/platform/", "client/engineio/", "client/socketio/", "lib/events/"],
  ],
  // Only the entry points of the client, such as client/index.ts and client/browser.ts, choose a platform, so other client
  // files must not import a platform.
  ["client/", ["protocol/", "client/", "lib/events/"]],
];
/**
 * Pairs of files in which the first imports types of the second, and the second imports the first. A socket has its
 * namespace or its manager as a public member, and the namespace or the manager creates the sockets.
 */
const MUTUAL_TYPES: readonly (readonly [string, string])[] = [
  ["lib/socketio/socket.ts", "lib/socketio/namespace.ts"],
  ["client/socketio/socket.ts", "client/socketio/manager.ts"],
];
/** Files that the three layers of lib/ share. */
const SHARED = /^lib\/[^/]+\.ts$/;

function sources(folder: string): string[] {
  // Git does not store empty folders, so a fresh clone lacks them.
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** Returns the text of a file without its docstrings, because their examples have imports too. */
function code(file: string): string {
  return read(file).replace(/^ *(?:\/\*\*| \*).*$/gm, "");
}

/** Returns the imports and re-exports of a file, as paths from the root or names of packages. */
function imports(file: string): string[] {
  return [...code(file).matchAll(/(?:from|import) "([^"]+)"/g)].map(([, specifier = ""]) =>
    specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : specifier,
  );
}

const FILES = ["protocol", "lib", "client"].flatMap(sources);

describe("imports", () => {
  for (const file of FILES) {
    const [place, allowed] = MAY_IMPORT.find(([prefix]) => file.startsWith(prefix)) ?? ["", []];
    test(`${file} imports only what ${place} may import`, () => {
      for (const target of imports(file)) {
        const fits = allowed.some((prefix) => target.startsWith(prefix));
        const shared =
          file.startsWith("lib/") && !file.startsWith("lib/events/") && SHARED.test(target);
        assert.ok(fits || shared, `${file} imports ${target}`);
      }
    });
  }

  test("only lib/run.ts uses import(), to load barewire/cluster", () => {
    for (const file of [...FILES, "server.ts"]) {
      const later = [...read(file).matchAll(/^(?!\/\/| \*).*\bimport\("([^"]+)"\)/gm)].map(
        ([, name]) => name,
      );
      assert.deepEqual(later, file === "lib/run.ts" ? ["barewire/cluster"] : [], file);
    }
  });

  test("server.ts loads no module of lib/cluster or lib/adapters at run time", () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file) || !file.endsWith(".ts")) return;
      reached.add(file);
      for (const target of valueImports(file)) visit(target);
    };
    visit("server.ts");
    const found = [...reached].filter((file) => /^lib\/(?:cluster|adapters)\//.test(file));
    assert.deepEqual(found, []);
  });

  test("only files in lib/adapters import from lib/adapters, so a program without an adapter loads none of them", () => {
    for (const file of [...FILES, "server.ts"]) {
      if (file.startsWith("lib/adapters/")) continue;
      const found = imports(file).filter((target) => target.startsWith("lib/adapters/"));
      assert.deepEqual(found, [], file);
    }
  });

  test("no file in protocol, lib or client imports server.ts", () => {
    for (const file of FILES) assert.ok(!imports(file).includes("server.ts"), file);
  });

  test("the browser client imports no node: module, directly or indirectly", () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      // Bundlers replace this file: see the field "browser" of package.json.
      if (file === "protocol/bytes.ts") file = "client/platform/bytes.ts";
      if (reached.has(file)) return;
      reached.add(file);
      for (const target of valueImports(file)) visit(target);
      const modules = imports(file).filter((name) => name.startsWith("node:"));
      assert.deepEqual(modules, [], file);
    };
    for (const entry of ["client/browser.ts", "client/global.ts", "client/global-msgpack.ts"])
      visit(entry);
    assert.ok(reached.has("client/engineio/engine.ts"));
  });

  test("there are no import cycles, including type imports", () => {
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      const from = path.at(-1) ?? "";
      if (MUTUAL_TYPES.some(([one, other]) => one === from && other === file)) return;
      assert.ok(!path.includes(file), `${[...path, file].join(" → ")}`);
      if (done.has(file) || !file.endsWith(".ts")) return;
      for (const target of imports(file)) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of [...FILES, "server.ts"]) visit(file, []);
  });
});

/** Returns the imports of a file without type imports, because these do not exist at run time. */
function valueImports(file: string): string[] {
  const text = read(file).replace(/import type [\s\S]*?from "[^"]+";/g, "");
  return [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, specifier = ""]) =>
    normalize(join(dirname(file), specifier)),
  );
}

describe("source files", () => {
  for (const file of [...FILES, "server.ts"]) {
    test(`${file} begins with a comment, and has no any, @ts-ignore, console or process.exit`, () => {
      const text = read(file);
      // A file begins with a comment. In an entry point of the package, the comment declares a module of the API reference.
      assert.match(text, /^(?:\/\/ \S|\/\*\*\n \* \S[\s\S]*?\n \* @module barewire)/);
      assert.doesNotMatch(text, /\bas any\b|: any\b|<any>|@ts-|\bas unknown as\b/);
      assert.doesNotMatch(code(file), /console\.|debugger/);
      // Only run() may end the process: a program that calls run() expects this.
      if (file !== "lib/run.ts") assert.doesNotMatch(text, /process\.exit/);
    });
  }

  test("package.json has no runtime dependencies", () => {
    const manifest: object = JSON.parse(read("package.json"));
    for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"]) {
      assert.ok(!(kind in manifest), kind);
    }
  });

  test("package-lock.json has no registry URL", () => {
    assert.doesNotMatch(read("package-lock.json"), /"resolved": "http/);
  });
});
