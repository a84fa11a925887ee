// Every public member of socket.io's classes is one of ours, or docs/from-socket.io.md says why not.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { Server, type Socket } from "../server.ts";

const DIST = dirname(createRequire(import.meta.url).resolve("socket.io"));
const PAGE = readFileSync(new URL("../docs/from-socket.io.md", import.meta.url), "utf8");

/** The public members of a class, as its declaration has them. */
function members(file: string, name: string): string[] {
  const text = readFileSync(join(DIST, `${file}.d.ts`), "utf8");
  const [, body = ""] =
    new RegExp(`^export declare class ${name}\\b.*?\\{\\n(.*?)^\\}`, "ms").exec(text) ?? [];
  // Comments first, so that those that are private by their words are known.
  const parts = body.matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?^ {4}([^\s/*][^\n]*)$/gm);
  const names = Array.from(parts, ([, comment = "", line = ""]) => {
    if (comment.includes("@private") || /^(private|protected|#)/.test(line)) return "";
    return /^(?:static |readonly |get |set )*([a-zA-Z]\w*)[<(?:;]/.exec(line)?.[1] ?? "";
  });
  const found = new Set(names.filter((each) => each !== "" && each !== "constructor"));
  return [...found];
}

/** The names of an interface's options. */
function options(path: string, name: string): string[] {
  const text = readFileSync(path, "utf8");
  const [, body = ""] =
    new RegExp(`^(?:export )?interface ${name}\\b.*?\\{\\n(.*?)^\\}`, "ms").exec(text) ?? [];
  return Array.from(body.matchAll(/^ {4}(\w+)\??:/gm), ([, option = ""]) => option);
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

describe("the members of socket.io", () => {
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

  test("its options, and those of engine.io", () => {
    const engine = createRequire(join(DIST, "x.js")).resolve("engine.io");
    const theirs = [
      ...options(join(DIST, "index.d.ts"), "ServerOptions"),
      ...options(join(dirname(engine), "server.d.ts"), "ServerOptions"),
      ...options(join(dirname(engine), "server.d.ts"), "AttachOptions"),
    ];
    assert.ok(theirs.length > 20, "the declarations were not understood");
    const sources = ["server.ts", "lib/engineio/engine.ts", "lib/engineio/attach.ts"].map((file) =>
      readFileSync(new URL(`../${file}`, import.meta.url), "utf8"),
    );
    const isOurs = (option: string): boolean =>
      sources.some((source) => source.includes(`  readonly ${option}?: `));
    const missing = theirs.filter((each) => !isOurs(each) && !PAGE.includes(`\`${each}`));
    assert.deepEqual(missing, []);
  });

  test("nothing is named as missing that is there", () => {
    const [, section = ""] =
      /^## What is not there.*?$(.*?)(?=^## |$(?![\s\S]))/ms.exec(PAGE) ?? [];
    assert.ok(section.includes("attachApp"));
    for (const [, member = ""] of section.matchAll(/^- `(\w+)/gm)) {
      assert.ok(!(member in io) && !(member in io.engine) && !(member in socket), member);
    }
  });

  test("close", () => io.close());
});
