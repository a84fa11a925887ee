// Compiles each example in a docstring under `strict`. The names that an example may use depend on its file.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { assertCompiles, exampleFolder } from "./support/example-folder.ts";

const ROOT = join(import.meta.dirname, "..");

/** The names that the examples of some files may use without importing or declaring them. */
interface Scope {
  /** The start of the file names to which the scope applies. The first matching scope is used. */
  readonly files: string;
  /** The imported names, by module. */
  readonly imports: Readonly<Record<string, readonly string[]>>;
  /** The types of declared constants. */
  readonly constants: Readonly<Record<string, string>>;
}

const SERVER: Scope = {
  files: "",
  imports: {
    "server.ts": ["ConnectionRefused", "NamespaceHandler", "Server", "Socket", "acks"],
  },
  constants: { io: "Server", socket: "Socket" },
};

const SCOPES: readonly Scope[] = [
  {
    files: "client/",
    imports: { "client/index.ts": ["io", "Manager", "Socket"] },
    constants: { manager: "Manager", socket: "Socket" },
  },
  {
    files: "lib/adapters/emitter.ts",
    imports: { "lib/adapters/emitter.ts": ["Emitter"] },
    constants: { emitter: "Emitter" },
  },
  {
    files: "lib/adapters/python-emitter.ts",
    imports: { "lib/adapters/python.ts": ["createPythonEmitter"] },
    constants: { emitter: "ReturnType<typeof createPythonEmitter>", sid: "string" },
  },
  {
    files: "lib/websocket/",
    imports: {
      "websocket.ts": [
        "WebSocket",
        "WebSocketError",
        "WebSocketServer",
        "WebSocketStream",
        "createWebSocketStream",
      ],
      "node:http": ["createServer"],
    },
    constants: {},
  },
  {
    files: "protocol/websocket/",
    imports: { "protocol/websocket.ts": ["Endpoint", "NEED_DATA", "TEXT"] },
    constants: {},
  },
  {
    files: "protocol/socketio/",
    imports: { "protocol/socketio.ts": ["Decoder", "EVENT", "encode"] },
    constants: {},
  },
  SERVER,
];

/** The modules that examples import by name. */
const MODULES: Readonly<Record<string, string>> = {
  barewire: "server.ts",
  "barewire/client": "client/index.ts",
  "barewire/cluster": "lib/adapters/cluster.ts",
  "barewire/emitter": "lib/adapters/emitter.ts",
  "barewire/msgpack": "protocol/socketio/msgpack-parser.ts",
  "barewire/python": "lib/adapters/python.ts",
  "barewire/redis": "lib/adapters/redis.ts",
};

interface Example {
  /** The file of the docstring and its number in the file. */
  readonly name: string;
  readonly code: string;
  readonly scope: Scope;
}

/** Returns the examples in the docstrings of a source file. */
function examplesOf(file: string): Example[] {
  const scope = SCOPES.find(({ files }) => file.startsWith(files)) ?? SERVER;
  const comments = readFileSync(join(ROOT, file), "utf8").match(/\/\*\*[\s\S]*?\*\//g) ?? [];
  return comments
    .map((comment) => comment.replace(/\s*\*\/$/, "").replace(/^\s*\* ?/gm, ""))
    .flatMap((text) => text.split(/^@example\n/m).slice(1))
    .map((rest, index) => {
      const [code = ""] = rest.split(/^@/m);
      return { name: `${file}-${index + 1}`, code: code.replace(/^```.*$/gm, ""), scope };
    });
}

/**
 * Returns a module that contains the example in a function. The example may therefore declare a name that its scope
 * declares too.
 */
function moduleOf({ code, scope }: Example): string {
  const own = [...code.matchAll(/^import .*$/gm)].map(([line]) => line);
  const given = Object.entries(scope.imports).flatMap(([module, names]) => {
    const others = names.filter(
      (name) => !own.some((line) => new RegExp(`\\b${name}\\b`).test(line)),
    );
    return others.length === 0 ? [] : [`import { ${others.join(", ")} } from "${module}";`];
  });
  const imports = [...own, ...given].join("\n").replace(/ from "(.*)"/g, (_all, module) => {
    const file = MODULES[module] ?? module;
    return ` from ${JSON.stringify(file.endsWith(".ts") ? join(ROOT, file) : file)}`;
  });
  const constants = Object.entries(scope.constants)
    .map(([name, type]) => `declare const ${name}: ${type};`)
    .join("\n");
  const body = code.replace(/^import .*$/gm, "");
  return `${imports}\n${constants}\nexport async function example(): Promise<void> {\n${body}\n}\n`;
}

const SOURCES = ["client", "lib", "protocol"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`),
);

const examples = [...SOURCES, "server.ts", "websocket.ts"].flatMap(examplesOf);

describe("docstrings", () => {
  test("contain examples that compile", () => {
    assert.ok(examples.length >= 160, `only ${examples.length} examples`);
    const folder = exampleFolder();
    after(() => rmSync(folder, { recursive: true }));
    for (const example of examples) {
      const file = join(folder, `${example.name.replace(/\W/g, "-")}.ts`);
      writeFileSync(file, moduleOf(example), { flag: "wx" });
    }
    assertCompiles(folder);
  });
});
