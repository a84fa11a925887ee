// Tests the built package: each entry compiles and runs in each module format, and the entries for pages can be bundled
// for a browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { build } from "esbuild";
import type { Browser } from "playwright-core";

import { buildPackage } from "../build/package.ts";
import * as parser from "../protocol/socketio/msgpack-parser.ts";
import { Server } from "../server.ts";
import { launchChromium, noChromium } from "./support/chromium.ts";
import { listen } from "./support/net.ts";

const ROOT = join(import.meta.dirname, "..");
const run = promisify(execFile);

const MANIFEST: { readonly exports: Readonly<Record<string, unknown>> } = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
);

const CLIENT = "http://127.0.0.1:1";

/** Statements for each entry that use its exports as properties of `entry`. */
const ENTRIES = {
  barewire: `
    const io = new entry.Server();
    if (!(io instanceof entry.Server) || typeof entry.Namespace !== "function") throw io;
    io.on("connection", (socket) => socket.join("room"));
    // @ts-expect-error there is no such method
    io.nothing?.();`,
  "barewire/client": `
    const socket = entry.io("${CLIENT}", { autoConnect: false });
    if (socket.nsp !== "/" || typeof entry.Manager !== "function") throw socket;
    // @ts-expect-error there is no such method
    socket.nothing?.();`,
  "barewire/websocket": `
    const server = new entry.WebSocketServer({ noServer: true });
    server.on("connection", (connection) => connection.send("hi"));
    if (entry.WebSocket.OPEN !== 1) throw server;
    // @ts-expect-error there is no such method
    server.nothing?.();`,
  "barewire/msgpack": `
    const [bytes] = new entry.Encoder().encode({ type: 2, nsp: "/", data: ["hi"] });
    if (bytes === undefined || entry.protocol !== 5) throw bytes;
    // @ts-expect-error there is no such property
    bytes.nothing;`,
  "barewire/python": `
    const { code } = new entry.PythonAdapterError("ERR_PYTHON_MESSAGE", "an example");
    if (typeof code !== "string" || typeof entry.createPythonAdapter !== "function") throw code;
    // @ts-expect-error there is no such export
    entry.nothing;`,
  "barewire/redis": `
    const error = new entry.RedisOverloadedError();
    if (!(error instanceof Error) || typeof entry.createRedisAdapter !== "function") throw error;
    if (typeof entry.createRedisStreamsAdapter !== "function") throw entry;
    // @ts-expect-error there is no such export
    entry.nothing;`,
  "barewire/emitter": `
    if (typeof entry.Emitter !== "function") throw entry;
    // @ts-expect-error there is no such export
    entry.nothing;`,
  "barewire/cluster": `
    if (typeof entry.joinCluster !== "function") throw entry;
    // @ts-expect-error there is no such export
    entry.nothing;`,
  "barewire/protocol/websocket": `
    const receiver = entry.Receiver;
    if (typeof receiver !== "function") throw receiver;
    // @ts-expect-error there is no such export
    entry.nothing;`,
  "barewire/protocol/engineio": `
    if (entry.decodePacket("4hi").type !== "4") throw entry;
    // @ts-expect-error there is no such export
    entry.nothing;`,
  "barewire/protocol/socketio": `
    const decoder = new entry.Decoder({ maxAttachments: 1 });
    if (decoder.add('2["hi"]') === undefined) throw decoder;
    // @ts-expect-error there is no such export
    entry.nothing;`,
} as const satisfies Readonly<Record<string, string>>;
type Entry = keyof typeof ENTRIES;
const NAMES = Object.keys(ENTRIES).filter((name): name is Entry => name in ENTRIES);

/** For each module format: the statement that imports an entry as `entry`, and the file extension. */
const FORMS = {
  "import * from an ES module": [".mts", (name) => `import * as entry from "${name}";`],
  "import() in an ES module": [".mts", (name) => `const entry = await import("${name}");`],
  "import = require()": [".cts", (name) => `import entry = require("${name}");`],
  "import * compiled to CommonJS": [".cts", (name) => `import * as entry from "${name}";`],
  "require() in checked JavaScript": [".cjs", (name) => `const entry = require("${name}");`],
} as const satisfies Readonly<Record<string, readonly [string, (name: Entry) => string]>>;
type Form = keyof typeof FORMS;
const FORM_NAMES = Object.keys(FORMS).filter((name): name is Form => name in FORMS);

/** Programs that call the function that require() returns, as programs for socket.io and socket.io-client do. */
const CALLS = {
  "require('barewire')(server), in TypeScript": [
    "server-typescript.cts",
    `import barewire = require("barewire");
    import { createServer } from "node:http";
    interface Events { hi: (n: number) => void }
    const io: barewire.Server<Events> = barewire<Events>(createServer());
    const options: barewire.ServerOptions = { serveClient: false };
    class Own extends barewire.Server {}
    if (!(io instanceof barewire.Server) || !new Own(options)) throw io;
    io.on("connection", (socket: barewire.Socket<Events>) => {
      socket.on("hi", (n) => n.toFixed());
    });
    // @ts-expect-error there is no such event
    if (Math.random() > 2) io.emit("nothing");`,
  ],
  "require('barewire')(server), in JavaScript": [
    "server-javascript.cjs",
    `const io = require("barewire")(require("node:http").createServer());
    const { Server } = require("barewire");
    if (!(io instanceof Server)) throw io;
    io.on("connection", (socket) => socket.join("room"));
    // @ts-expect-error there is no such method
    io.nothing?.();`,
  ],
  "require('barewire/client')(url), in TypeScript": [
    "client-typescript.cts",
    `import connect = require("barewire/client");
    interface Events { hi: (n: number) => void }
    const options: connect.ClientOptions = { autoConnect: false };
    const socket: connect.Socket<Events> = connect<Events>("${CLIENT}/a", options);
    if (socket.nsp !== "/a") throw socket;
    socket.on("hi", (n) => n.toFixed());
    // @ts-expect-error there is no such event
    if (Math.random() > 2) socket.emit("nothing");`,
  ],
  "require('barewire/client')(url), in JavaScript": [
    "client-javascript.cjs",
    `const socket = require("barewire/client")("${CLIENT}/a", { autoConnect: false });
    if (socket.nsp !== "/a") throw socket;
    // @ts-expect-error there is no such method
    socket.nothing?.();`,
  ],
} as const;

const folder = mkdtempSync(join(tmpdir(), "barewire-package-"));
const installed = join(folder, "node_modules/barewire");
mkdirSync(installed, { recursive: true });
after(() => rmSync(folder, { recursive: true }));

const fileOf = (form: Form, name: Entry): string =>
  `${FORM_NAMES.indexOf(form)}-${NAMES.indexOf(name)}${FORMS[form][0]}`;

before(async () => {
  copyFileSync(join(ROOT, "package.json"), join(installed, "package.json"));
  await buildPackage(join(installed, "dist"));
});

describe("each entry in each module format", () => {
  let errors = "";

  before(async () => {
    symlinkSync(join(ROOT, "node_modules/@types"), join(folder, "node_modules/@types"));
    const files = new Map<string, string>(
      FORM_NAMES.flatMap((form) =>
        NAMES.map((name) => [fileOf(form, name), `${FORMS[form][1](name)}\n${ENTRIES[name]}`]),
      ),
    );
    for (const [file, code] of Object.values(CALLS)) files.set(file, code);
    for (const [file, code] of files) writeFileSync(join(folder, file), `${code}\n`);
    const compilerOptions = {
      strict: true,
      allowJs: true,
      checkJs: true,
      target: "es2022",
      module: "nodenext",
      types: ["node"],
      rootDir: ".",
      outDir: "out",
    };
    const settings = { compilerOptions, files: [...files.keys()] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    await run(process.execPath, [tsc, "-p", folder]).catch((error: { readonly stdout: string }) => {
      errors = error.stdout;
    });
  });

  test("the tested entries are those that package.json exports", () => {
    const exported = Object.keys(MANIFEST.exports).filter((name) => name !== "./package.json");
    const names = exported.map((name) => name.replace(".", "barewire"));
    assert.deepEqual(names, NAMES);
  });

  test("all programs compile with `strict` and without skipLibCheck", () => {
    assert.equal(errors, "");
  });

  const emitted = (file: string): string =>
    join(folder, "out", file.replace(/\.([cm])ts$/, ".$1js"));
  for (const form of FORM_NAMES) {
    for (const name of NAMES) {
      test(`${form}: ${name} runs`, async () => {
        await run(process.execPath, [emitted(fileOf(form, name))]);
      });
    }
  }
  for (const [title, [file]] of Object.entries(CALLS)) {
    test(`${title} runs`, async () => {
      await run(process.execPath, [emitted(file)]);
    });
  }
});

describe("in a page, bundled by esbuild", () => {
  const PROGRAMS = {
    import: `import { io } from "barewire/client";
      import * as parser from "barewire/msgpack";
      globalThis.start = () => io({ parser });`,
    require: `const { io } = require("barewire/client");
      const parser = require("barewire/msgpack");
      globalThis.start = () => io({ parser });`,
  } as const;

  async function bundle(code: string): Promise<string> {
    const { outputFiles } = await build({
      stdin: { contents: code, resolveDir: folder },
      bundle: true,
      write: false,
      platform: "browser",
      format: "iife",
    });
    return outputFiles.map(({ text }) => text).join("");
  }

  for (const [form, code] of Object.entries(PROGRAMS)) {
    test(`with ${form}, uses no module or global of Node`, async () => {
      assert.doesNotMatch(await bundle(code), /node:|\bBuffer\b/);
    });
  }

  describe("in Chromium", { skip: noChromium }, () => {
    let browser: Browser;
    before(async () => {
      browser = await launchChromium();
    });
    after(() => browser?.close());

    for (const [form, code] of Object.entries(PROGRAMS)) {
      test(`with ${form}, exchanges MessagePack with the server`, async (context) => {
        const script = await bundle(code);
        const http = createServer((_request, response) => {
          response.setHeader("Content-Type", "text/html; charset=utf-8");
          response.end(`<!doctype html><script>${script}</script>`);
        });
        const io = new Server(http, { parser });
        context.after(() => io.close());
        io.on("connection", (socket) => {
          socket.on("echo", (...args) => args.pop()(...args));
        });
        const port = await listen(http);
        const page = await browser.newPage();
        context.after(() => page.close());
        page.setDefaultTimeout(15_000);
        await page.goto(`http://127.0.0.1:${port}/`);
        const answer = await page.evaluate(`(async () => {
          const socket = start();
          const value = { text: "é日😀", bytes: Uint8Array.of(1, 255), big: 2 ** 40, none: null };
          const { text, bytes, big, none } = await socket.emitWithAck("echo", value);
          return [text, [...bytes], big, none];
        })()`);
        assert.deepEqual(answer, ["é日😀", [1, 255], 2 ** 40, null]);
      });
    }
  });
});
