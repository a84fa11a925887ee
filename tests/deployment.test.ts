// Tests the deployments of docs/minimal-deployment.md, and the sizes that this page states.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";

import { build } from "esbuild";
import { io as connect, type Socket } from "socket.io-client";
import { WebSocket } from "ws";

import { buildPackage } from "../build/package.ts";
import { heard } from "./support/heard.ts";

const ROOT = join(import.meta.dirname, "..");
const EXAMPLE = join(ROOT, "examples/minimal/server.ts");
/** Maximum size of the minimal server in bytes, bundled and minified with esbuild's default settings. */
const MAX_FILE = 165_000;

/** Matches each text in the documentation that states the size of the bundled file in kilobytes. */
const STATED_SIZE =
  /(?:bundled into one file of |server\.cjs {3}# |^\| \[one file\]\(#one-file\) \| )(\d+) kB/gm;

const run = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), "barewire-deployment-"));
after(() => rmSync(folder, { recursive: true }));

/** Creates an empty folder. Returns its path. */
function emptyFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

/** Starts a server in the folder of its file, with no environment variables but HOST and PORT. */
async function start(
  context: TestContext,
  command: string,
  file: string,
): Promise<{ child: ChildProcess; url: string }> {
  const args = command === file ? [] : [basename(file)];
  const child = spawn(command, args, {
    cwd: dirname(file),
    env: { HOST: "127.0.0.1", PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => child.kill("SIGKILL"));
  // A server that does not start must not block the test.
  const ended = once(child, "exit").then(([code]) =>
    assert.fail(`the server has exited with ${code}`),
  );
  ended.catch(() => {});
  const [line] = await Promise.race([once(createInterface(child.stdout), "line"), ended]);
  const port = /port: (\d+)/.exec(`${line}`)?.[1];
  assert.ok(port !== undefined, `${line}`);
  return { child, url: `http://127.0.0.1:${port}` };
}

function client(context: TestContext, url: string, transports: string[]): Socket {
  const socket = connect(url, { transports, forceNew: true, reconnection: false });
  context.after(() => socket.disconnect());
  socket.on("connect_error", (error) => assert.fail(error));
  return socket;
}

async function echoes(socket: Socket): Promise<void> {
  for (const value of ["hällo", { a: [1, null, "é"] }, "x".repeat(100_000)]) {
    assert.deepEqual(await socket.timeout(15_000).emitWithAck("echo", value), value);
  }
  const bytes: unknown = await socket.timeout(15_000).emitWithAck("echo", Buffer.from([1, 2, 255]));
  assert.ok(bytes instanceof Uint8Array);
  assert.deepEqual([...bytes], [1, 2, 255]);
}

/** Checks that a deployed server serves clients over all transports, and exits on SIGTERM. */
async function serves(context: TestContext, command: string, file: string): Promise<void> {
  const { child, url } = await start(context, command, file);
  await echoes(client(context, url, ["polling"]));
  await echoes(client(context, url, ["websocket"]));

  const both = client(context, url, ["polling", "websocket"]);
  await heard(both, "connect");
  if (both.io.engine.transport.name !== "websocket")
    await new Promise((resolve) => both.io.engine.once("upgrade", resolve));
  await echoes(both);
  assert.equal(both.io.engine.transport.name, "websocket");

  const left = heard(both, "disconnect");
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
  await left;
}

/** The package as npm installs it. The programs of these tests are in `folder` too, so they can import the package. */
const installed = join(folder, "node_modules/barewire");

before(async () => {
  await buildPackage(join(installed, "dist"));
  for (const name of ["package.json", "README.md", "LICENSE", "CHANGELOG.md"]) {
    copyFileSync(join(ROOT, name), join(installed, name));
  }
});

/** Returns the sources from which the files in dist/ are built. */
function sources(): string[] {
  const folders = ["protocol", "lib", "client"];
  const inFolders = folders.flatMap((name) =>
    readdirSync(join(ROOT, name), { recursive: true, encoding: "utf8" }).map((file) =>
      join(name, file),
    ),
  );
  return [...inFolders, "server.ts", "websocket.ts"].filter((name) => /(?<!\.d)\.ts$/.test(name));
}

describe("the npm package", () => {
  test("has no dependencies, and contains a module, declarations and a source map for each source file", async () => {
    const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"]) {
      assert.equal(manifest[kind], undefined, kind);
    }
    const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const { stdout } = await run("npm", args, { cwd: installed });
    const [{ files }]: [{ files: { path: string }[] }] = JSON.parse(stdout);
    const names = new Set(files.map((file) => file.path));
    for (const name of sources().map((file) => file.slice(0, -".ts".length))) {
      for (const ending of [".js", ".js.map", ".d.ts"]) {
        assert.ok(names.has(`dist/${name}${ending}`), `${name}${ending}`);
        assert.ok(names.has(`dist/cjs/${name}${ending}`), `cjs/${name}${ending}`);
      }
    }
    assert.ok(names.has("dist/client-files/socket.io.js.br"));
  });

  test("keeps the comments of the sources, and embeds the sources in its source maps", () => {
    for (const name of sources()) {
      const [firstLine = ""] = readFileSync(join(ROOT, name), "utf8").split("\n");
      const compiled = join(installed, "dist", name.replace(/\.ts$/, ".js"));
      assert.ok(readFileSync(compiled, "utf8").includes(firstLine), name);
      const map: unknown = JSON.parse(readFileSync(`${compiled}.map`, "utf8"));
      assert.ok(typeof map === "object" && map !== null && "sourcesContent" in map);
      assert.deepEqual(map.sourcesContent, [readFileSync(join(ROOT, name), "utf8")]);
    }
  });

  test("has the same classes with import and with require()", async () => {
    const program = `
      import { createRequire } from "node:module";
      import * as barewire from "barewire";
      import * as client from "barewire/client";
      import * as sockets from "barewire/websocket";
      const require = createRequire(import.meta.url);
      console.log(
        require("barewire").Server === barewire.Server,
        require("barewire/client").Manager === client.Manager,
        require("barewire/websocket").WebSocketServer === sockets.WebSocketServer,
        require("barewire")() instanceof barewire.Server,
      );`;
    writeFileSync(join(folder, "copies.mjs"), program);
    const { stdout } = await run(process.execPath, ["--no-warnings", join(folder, "copies.mjs")]);
    assert.equal(stdout, "true true true true\n");
  });

  for (const [entry, declarations] of [
    ["server.ts", "commonjs.d.cts"],
    ["client/index.ts", "client/commonjs.d.cts"],
  ] as const) {
    test(`${declarations} declares every name that ${entry} exports`, () => {
      const exported = [...readFileSync(join(ROOT, entry), "utf8").matchAll(EXPORTS)].flatMap(
        ([, , list, single]) =>
          single ?? (list ?? "").split(",").map((each) => each.trim().split(/\s+/).at(-1) ?? ""),
      );
      const declared = readFileSync(join(ROOT, declarations), "utf8");
      const missing = exported.filter(
        (name) => name !== "" && !new RegExp(`^ {4}(?:type )?${name},$`, "m").test(declared),
      );
      assert.deepEqual(missing, []);
      assert.ok(exported.length > 10);
    });
  }
});

/** Matches `export { a, type b as c }`, `export class a` and similar statements. */
const EXPORTS =
  /^export (type )?(?:\{([^}]*)\}|(?:abstract )?(?:class|const|function|interface|type) (\w+))/gm;

/** Bundles a program as this command does: esbuild --bundle --minify --platform=node --external:barewire/cluster. */
async function bundleProgram(file: string): Promise<string> {
  const { outputFiles, warnings } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    platform: "node",
    // The program starts no workers, so it does not need barewire/cluster.
    external: ["barewire/cluster"],
    write: false,
    logLevel: "silent",
  });
  assert.deepEqual(warnings, []);
  return outputFiles[0]?.text ?? "";
}

describe("the minimal server bundled into a single file", () => {
  let code = "";

  before(async () => {
    const program = join(folder, "minimal.ts");
    const source = readFileSync(EXAMPLE, "utf8");
    writeFileSync(program, source);
    code = await bundleProgram(program);
  });

  test(`has at most ${MAX_FILE} bytes`, (context) => {
    const size = Buffer.byteLength(code);
    context.diagnostic(`${size} bytes`);
    assert.ok(size <= MAX_FILE, `${size} bytes`);
  });

  test("has the size that README.md and docs/minimal-deployment.md state", () => {
    const size = Math.round(Buffer.byteLength(code) / 1000);
    const pages = ["README.md", "docs/minimal-deployment.md"].map((page) =>
      readFileSync(join(ROOT, page), "utf8"),
    );
    const stated = pages.flatMap((text) =>
      Array.from(text.matchAll(STATED_SIZE), ([, kilobytes]) => Number(kilobytes)),
    );
    assert.equal(stated.length, 3, `${stated}`);
    for (const each of stated) assert.ok(Math.abs(each - size) <= 1, `${each} kB, not ${size} kB`);
  });

  test("serves all transports from an empty folder with node alone", async (context) => {
    const file = join(emptyFolder("single"), "server.cjs");
    writeFileSync(file, code);
    await serves(context, process.execPath, file);
  });

  test("closes with 1007 on invalid UTF-8, and with 1009 on a message that is too large", async (context) => {
    const file = join(emptyFolder("rules"), "server.cjs");
    writeFileSync(file, code);
    const { url } = await start(context, process.execPath, file);
    for (const [message, status] of [
      [Buffer.from([0x34, 0xff]), 1007],
      [Buffer.alloc(1_000_001, "4"), 1009],
    ] as const) {
      const socket = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`);
      context.after(() => socket.terminate());
      await once(socket, "open");
      const closed = once(socket, "close");
      socket.send(message, { binary: false });
      assert.equal((await closed)[0], status);
    }
  });

  /** Bundles a program into a single file in its own folder. Returns the file. */
  async function bundled(name: string, source: string): Promise<string> {
    const path = emptyFolder(name);
    const program = join(path, "program.ts");
    writeFileSync(program, `import { Server } from "barewire";\n${source}`);
    const file = join(path, "server.cjs");
    writeFileSync(file, await bundleProgram(program));
    return file;
  }

  test("supports CORS, cookies, Engine.IO 3 and dynamic namespaces like the package", async (context) => {
    const file = await bundled(
      "named",
      `import { createServer } from "node:http";
      const io = new Server({
        serveClient: false, perMessageDeflate: { threshold: 0 }, cors: { origin: "https://page.example" }, cookie: true,
        connectionStateRecovery: {}, allowEIO3: true,
      });
      const http = createServer();
      io.attach(http.listen(0, "127.0.0.1"));
      io.of(/^\\/room-/).on("connection", async (socket) => {
        await socket.join("all");
        const there = await io.of(socket.nsp.name).in("all").fetchSockets();
        socket.emit("there", there.map(({ id }) => id), socket.conn.protocol);
      });
      http.on("listening", () => console.log("listening on", http.address()));`,
    );
    const { url } = await start(context, process.execPath, file);
    const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, {
      headers: { Origin: "https://page.example" },
    });
    assert.equal(answer.headers.get("access-control-allow-origin"), "https://page.example");
    assert.match(answer.headers.get("set-cookie") ?? "", /^io=/);
    const old = await fetch(`${url}/socket.io/?EIO=3&transport=polling&b64=1`);
    assert.match(await old.text(), /^\d+:0\{"sid":/);
    const socket = client(context, `${url}/room-1`, ["websocket"]);
    const [there, revision] = await heard(socket, "there");
    assert.deepEqual([there, revision], [[socket.id], 4]);
  });

  test("answers 404 for the client files, which the bundle does not contain", async (context) => {
    const file = await bundled(
      "files",
      `const io = new Server(0);
      io.httpServer.on("listening", () => console.log("listening on", io.httpServer.address()));`,
    );
    const { url } = await start(context, process.execPath, file);
    const answer = await fetch(`${url}/socket.io/socket.io.js`);
    assert.equal(answer.status, 404);
    await answer.text();
  });

  test("serves all transports as a single executable", async (context) => {
    if (process.platform !== "linux")
      return context.skip(
        "Node's instructions for macOS and Windows include signing, which this test does not do",
      );
    const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
    if (!readFileSync(process.execPath).includes(fuse)) {
      return context.skip(
        "the code of this Node is in a shared library, into which no program can be injected",
      );
    }
    const path = emptyFolder("executable");
    writeFileSync(join(path, "server.cjs"), code);
    const settings = {
      main: "server.cjs",
      output: "sea.blob",
      disableExperimentalSEAWarning: true,
    };
    writeFileSync(join(path, "sea.json"), JSON.stringify(settings));
    await run(process.execPath, ["--experimental-sea-config", "sea.json"], { cwd: path });
    const alone = emptyFolder("alone");
    const executable = join(alone, "server");
    copyFileSync(process.execPath, executable);
    const postject = join(ROOT, "node_modules/postject/dist/cli.js");
    const blob = join(path, "sea.blob");
    await run(process.execPath, [
      postject,
      executable,
      "NODE_SEA_BLOB",
      blob,
      "--sentinel-fuse",
      fuse,
    ]);
    await serves(context, executable, executable);
  });
});
