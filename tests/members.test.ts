// Checks that every public member of the classes of socket.io and socket.io-client exists in barewire, or that
// docs/from-socket.io.md explains why the member does not exist.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as stock from "socket.io-client";

import * as client from "../client/index.ts";
import { Server, type Socket } from "../server.ts";

const DIST = dirname(createRequire(import.meta.url).resolve("socket.io"));
const PAGE = readFileSync(new URL("../docs/from-socket.io.md", import.meta.url), "utf8");

/** Returns the public members in the declaration of a class. */
function members(file: string, name: string, folder: string = DIST): string[] {
  const text = readFileSync(join(folder, `${file}.d.ts`), "utf8");
  const [, body = ""] =
    new RegExp(`^export (?:declare )?(?:abstract )?class ${name}\\b.*?\\{\\n(.*?)^\\}`, "ms").exec(
      text,
    ) ?? [];
  // The pattern includes the comment before each member, because some members are private only by `@private`.
  const parts = body.matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?^ {2,4}([^\s/*][^\n]*)$/gm);
  const names = Array.from(parts, ([, comment = "", line = ""]) => {
    if (comment.includes("@private") || /^(private|protected|#)/.test(line)) return "";
    return /^(?:static |readonly |get |set )*([a-zA-Z]\w*)[<(?:;]/.exec(line)?.[1] ?? "";
  });
  const found = new Set(names.filter((each) => each !== "" && each !== "constructor"));
  return [...found];
}

/** Returns the names of the options that an interface declares. */
function options(path: string, name: string): string[] {
  const text = readFileSync(path, "utf8");
  const [, body = ""] =
    new RegExp(`^(?:export )?interface ${name}\\b.*?\\{\\n(.*?)^\\}`, "ms").exec(text) ?? [];
  return Array.from(body.matchAll(/^ {4}(\w+)\??:/gm), ([, option = ""]) => option);
}

/** Returns the names that a module exports, from its source or its declaration file. */
function exportedNames(path: string | URL): string[] {
  const text = readFileSync(path, "utf8");
  const lists = Array.from(
    text.matchAll(/^export (?:type )?\{([^}]*)\}/gm),
    ([, list = ""]) => list,
  );
  const listed = lists
    .join(",")
    .split(",")
    .map(
      (each) =>
        each
          .trim()
          .replace(/^type /, "")
          .split(" as ")
          .at(-1) ?? "",
    );
  const declared = Array.from(
    text.matchAll(/^export (?:declare )?(?:class|interface|type|const|function) (\w+)/gm),
    ([, name = ""]) => name,
  );
  return [...new Set([...listed, ...declared])].filter((name) => name !== "");
}

const io = new Server({ pingInterval: 1_000_000 });
const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
await io.testClient();
const socket = await connected;
const [remote] = await io.fetchSockets();

const CLASSES: readonly (readonly [file: string, name: string, ours: object])[] = [
  ["index", "Server", io],
  ["namespace", "Namespace", io.sockets],
  ["parent-namespace", "ParentNamespace", io.of(/x/)],
  ["socket", "Socket", socket],
  ["broadcast-operator", "BroadcastOperator", io.to("room")],
  ["broadcast-operator", "RemoteSocket", remote ?? assert.fail()],
];

describe("barewire has these names of socket.io, or docs/from-socket.io.md lists them as missing:", () => {
  for (const [file, name, ours] of CLASSES) {
    const theirs = members(file, name);
    test(`${name}: ${theirs.join(" ")}`, () => {
      assert.ok(
        theirs.length > (name === "ParentNamespace" ? 0 : 5),
        "the declaration was not understood",
      );
      const missing = theirs.filter((each) => !(each in ours) && !PAGE.includes(`\`${each}`));
      assert.deepEqual(missing, []);
    });
  }

  test("exports, including types", () => {
    const theirs = exportedNames(join(DIST, "index.d.ts"));
    assert.ok(theirs.includes("Server") && theirs.includes("Event"), theirs.join(" "));
    const ours = exportedNames(new URL("../server.ts", import.meta.url));
    const missing = theirs.filter((each) => !ours.includes(each) && !PAGE.includes(`\`${each}`));
    assert.deepEqual(missing, []);
  });

  test("options, and those of engine.io", () => {
    const engine = createRequire(join(DIST, "x.js")).resolve("engine.io");
    const theirs = [
      ...options(join(DIST, "index.d.ts"), "ServerOptions"),
      ...options(join(dirname(engine), "server.d.ts"), "ServerOptions"),
      ...options(join(dirname(engine), "server.d.ts"), "AttachOptions"),
    ];
    assert.ok(theirs.length > 20, "the declarations were not understood");
    const files = [
      "socketio/options",
      "engineio/options",
      "engineio/attach",
      "engineio/origin-gate",
    ];
    const sources = files.map((file) =>
      readFileSync(new URL(`../lib/${file}.ts`, import.meta.url), "utf8"),
    );
    const isOurs = (option: string): boolean =>
      sources.some((source) => source.includes(`  readonly ${option}?: `));
    const missing = theirs.filter((each) => !isOurs(each) && !PAGE.includes(`\`${each}`));
    assert.deepEqual(missing, []);
  });

  test("a member that docs/from-socket.io.md lists as missing does not exist", () => {
    const [, section = ""] =
      /^## What is missing, and why$(.*?)(?=^##? |$(?![\s\S]))/ms.exec(PAGE) ?? [];
    assert.ok(section.includes("attachApp"));
    for (const [, member = ""] of section.matchAll(/^- `(\w+)/gm)) {
      assert.ok(!(member in io) && !(member in io.engine) && !(member in socket), member);
    }
  });

  test("close", () => io.close());
});

const CLIENT_PAGE = PAGE.slice(PAGE.indexOf("\n# From socket.io-client\n"));
const CLIENT = dirname(createRequire(import.meta.url).resolve("socket.io-client/package.json"));
const ENGINE = dirname(
  createRequire(join(CLIENT, "x.js")).resolve("engine.io-client/package.json"),
);
const EMITTER = dirname(
  createRequire(join(CLIENT, "x.js")).resolve("@socket.io/component-emitter/package.json"),
);

/** Returns the names of the values and types that a file exports. */
function exports(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const lists = Array.from(
    text.matchAll(/^export (?:type )?\{([^}]*)\}/gm),
    ([, names = ""]) => names,
  );
  const listed = lists
    .join(",")
    .split(",")
    .map(
      (name) =>
        name
          .replace(/\/\/.*/g, "")
          .trim()
          .split(/ as |^type /)
          .at(-1) ?? "",
    );
  const declared = text.matchAll(/^export (?:class|const|function|interface|type) (\w+)/gm);
  return [...listed, ...Array.from(declared, ([, name = ""]) => name)].filter(
    (name) => name !== "",
  );
}

describe("barewire/client has these names of socket.io-client, or docs/from-socket.io.md lists them as missing:", () => {
  const manager = new client.Manager("http://127.0.0.1:1", { reconnection: false });
  const socket = manager.socket("/");
  const { engine } = manager;
  manager.close();
  const classes: readonly (readonly [folder: string, file: string, name: string, ours: object])[] =
    [
      [join(CLIENT, "build/esm"), "manager", "Manager", manager],
      [join(CLIENT, "build/esm"), "socket", "Socket", socket],
      [join(ENGINE, "build/esm"), "socket", "Socket", engine],
      [join(EMITTER, "lib/esm"), "index", "Emitter", socket],
    ];
  for (const [folder, file, name, ours] of classes) {
    const theirs = members(file, name, folder);
    test(`${name} of ${file}: ${theirs.join(" ")}`, () => {
      assert.ok(theirs.length > 5, "the declaration was not understood");
      const missing = theirs.filter(
        (each) => !(each in ours) && !CLIENT_PAGE.includes(`\`${each}`),
      );
      assert.deepEqual(missing, []);
    });
  }

  test("options, and those of engine.io-client", () => {
    const theirs = [
      ...options(join(CLIENT, "build/esm/manager.d.ts"), "ManagerOptions"),
      ...options(join(CLIENT, "build/esm/socket.d.ts"), "SocketOptions"),
      ...options(join(ENGINE, "build/esm/socket.d.ts"), "SocketOptions"),
    ];
    assert.ok(theirs.length > 40, "the declarations were not understood");
    const sources = [
      "engineio/options",
      "platform/network",
      "socketio/address",
      "socketio/options",
    ].map((file) => readFileSync(new URL(`../client/${file}.ts`, import.meta.url), "utf8"));
    const isOurs = (option: string): boolean =>
      sources.some((source) => source.includes(`  readonly ${option}?: `));
    const missing = theirs.filter((each) => !isOurs(each) && !CLIENT_PAGE.includes(`\`${each}`));
    assert.deepEqual(missing, []);
  });

  test("events, and those of engine.io-client", () => {
    for (const [path, name, source] of [
      [join(CLIENT, "build/esm/manager.d.ts"), "ManagerReservedEvents", "socketio/manager"],
      [join(CLIENT, "build/esm/socket.d.ts"), "SocketReservedEvents", "socketio/socket"],
      [join(ENGINE, "build/esm/socket.d.ts"), "SocketReservedEvents", "engineio/engine"],
    ] as const) {
      const theirs = options(path, name);
      assert.ok(theirs.length > 2, "the declaration was not understood");
      const ours = readFileSync(new URL(`../client/${source}.ts`, import.meta.url), "utf8");
      const missing = theirs.filter(
        (each) => !ours.includes(`\n  ${each}: (`) && !CLIENT_PAGE.includes(`\`${each}`),
      );
      assert.deepEqual(missing, [], name);
    }
  });

  test("exports, including types", () => {
    const theirs = exports(join(CLIENT, "build/esm/index.d.ts"));
    for (const name of ["io", "WebTransport", "ManagerOptions", "DisconnectDescription"]) {
      assert.ok(theirs.includes(name), theirs.join(" "));
    }
    const ours = exports(fileURLToPath(new URL("../client/index.ts", import.meta.url)));
    const missing = theirs.filter(
      (each) => each !== "default" && !ours.includes(each) && !CLIENT_PAGE.includes(`\`${each}`),
    );
    assert.deepEqual(missing, []);
  });

  // Every form in which a program can import the client, each compared with the same form of socket.io-client.
  const forms: Readonly<Record<string, readonly [ours: object, theirs: object]>> = {
    "the ES module": [client, stock],
    "the default export": [client.default, stock.default],
    "the export io": [client.io, stock.io],
    "the export connect": [client.connect, stock.connect],
  };
  for (const [form, [ours, theirs]] of Object.entries(forms)) {
    test(`keys of ${form}`, () => {
      const keys = Object.keys(theirs);
      assert.ok(keys.includes("connect") && keys.includes("Manager"));
      const missing = keys.filter((key) => !(key in ours) && !CLIENT_PAGE.includes(`\`${key}`));
      assert.deepEqual(missing, []);
      for (const key of ["io", "connect"]) assert.equal(typeof Reflect.get(ours, key), "function");
      assert.equal(Reflect.get(ours, "Manager"), client.Manager);
      assert.equal(Reflect.get(ours, "Socket"), client.Socket);
    });
  }
});
