// The ways to deploy of docs/minimal-deployment.md, and the sizes that are promised.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";

import { io as connect, type Socket } from "socket.io-client";
import { WebSocket } from "ws";

import { buildPackage } from "../build/package.ts";
import { singleFile } from "../build/single-file.ts";

const ROOT = join(import.meta.dirname, "..");
const EXAMPLE = join(ROOT, "examples/minimal/server.ts");
const MAX_PACKAGE = 400_000;
/** The conformance kit, which is there for who tests other servers. */
const MAX_KIT = 80_000;
const KIT = "dist/conform.js.br";
const MAX_FILE = 60_000;

const run = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), "barewire-deployment-"));
after(() => rmSync(folder, { recursive: true }));

/** An empty folder. */
function emptyFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

/** Starts a server that has nothing around it, in the folder of its file. */
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
  // What does not start must not keep the test.
  const ended = once(child, "exit").then(([code]) => assert.fail(`it has ended with ${code}`));
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

/** The next `event` of what has no types of Node's. */
function heard(
  emitter: { once(event: string, listener: (...args: unknown[]) => void): unknown },
  event: string,
): Promise<unknown[]> {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

async function echoes(socket: Socket): Promise<void> {
  for (const value of ["hällo", { a: [1, null, "é"] }, "x".repeat(100_000)]) {
    assert.deepEqual(await socket.timeout(15_000).emitWithAck("echo", value), value);
  }
  const bytes: unknown = await socket.timeout(15_000).emitWithAck("echo", Buffer.from([1, 2, 255]));
  assert.ok(bytes instanceof Uint8Array);
  assert.deepEqual([...bytes], [1, 2, 255]);
}

/** What every way to deploy must do: serve the stock client over all transports, and go when told. */
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

describe("the package", () => {
  test(`has no dependency, and at most ${MAX_PACKAGE} bytes without source maps and the kit`, async (context) => {
    const path = emptyFolder("package");
    for (const name of ["package.json", "README.md", "LICENSE", "CHANGELOG.md"]) {
      copyFileSync(join(ROOT, name), join(path, name));
    }
    const manifest = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"]) {
      assert.equal(manifest[kind], undefined, kind);
    }
    await buildPackage(join(path, "dist"));
    const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const { stdout } = await run("npm", args, { cwd: path });
    const [{ files }]: [{ files: { path: string; size: number }[] }] = JSON.parse(stdout);
    const names = files.map((file) => file.path);
    for (const name of [
      "dist/server.js",
      "dist/server.d.ts",
      "dist/client-files/socket.io.js.br",
    ]) {
      assert.ok(names.includes(name), name);
    }
    const kit = files.find(({ path: name }) => name === KIT)?.size ?? 0;
    const size = files
      .filter((file) => !file.path.endsWith(".map") && file.path !== KIT)
      .reduce((sum, file) => sum + file.size, 0);
    context.diagnostic(`${size} bytes in ${files.length} files, and ${kit} of the conformance kit`);
    assert.ok(size <= MAX_PACKAGE, `${size} bytes`);
    assert.ok(kit > 0 && kit <= MAX_KIT, `${kit} bytes of the kit`);
  });

  test("classes have the names that they have in the sources", async () => {
    const path = emptyFolder("names");
    await buildPackage(path);
    writeFileSync(join(path, "package.json"), '{ "type": "module" }');
    const program = `
      import { Server } from "./server.js";
      import { io as connect, Manager } from "./client/index.js";
      const io = new Server();
      io.on("connection", (socket) => {
        const ours = [io, io.sockets, socket, socket.conn, io.to("room"), io.of(/x/), socket.nsp.adapter];
        const client = connect("http://127.0.0.1:1", { autoConnect: false });
        const theirs = [client, client.io, new Manager("http://127.0.0.1:1", { autoConnect: false })];
        console.log([...ours, ...theirs].map((each) => each.constructor.name).join(" "));
        console.log(client.io instanceof Manager);
        process.exit();
      });
      io.testClient();`;
    writeFileSync(join(path, "names.js"), program);
    const { stdout } = await run(process.execPath, [join(path, "names.js")]);
    assert.deepEqual(stdout.split("\n"), [
      "Server Namespace Socket Session BroadcastOperator ParentNamespace Adapter Socket Manager Manager",
      "true",
      "",
    ]);
  });
});

describe("a single file", () => {
  let code = "";

  before(async () => {
    code = await singleFile(EXAMPLE);
  });

  test(`has at most ${MAX_FILE} bytes`, (context) => {
    const size = Buffer.byteLength(code);
    context.diagnostic(`${size} bytes`);
    assert.ok(size <= MAX_FILE, `${size} bytes`);
  });

  test("in an empty folder, with only node", async (context) => {
    const file = join(emptyFolder("single"), "server.cjs");
    writeFileSync(file, code);
    await serves(context, process.execPath, file);
  });

  test("who breaks a rule is told by the same status codes", async (context) => {
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

  /** A program in a folder of its own, as a single file. */
  async function bundled(name: string, source: string): Promise<string> {
    const path = emptyFolder(name);
    const library = JSON.stringify(join(ROOT, "server.ts"));
    writeFileSync(join(path, "program.ts"), `import { Server } from ${library};\n${source}`);
    const file = join(path, "server.cjs");
    writeFileSync(file, await singleFile(join(path, "program.ts")));
    return file;
  }

  test("what the program names is in it", async (context) => {
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

  test("what is left out says so", async () => {
    // The client's files are no part of a single file that does not ask for them.
    const file = await bundled("unnamed", "new Server(0);");
    await assert.rejects(run(process.execPath, [file]), /^Error: left out: the client's files$/m);
  });

  test("as a single executable", async (context) => {
    if (process.platform !== "linux") return context.skip("how it is signed is another matter");
    const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
    if (!readFileSync(process.execPath).includes(fuse)) {
      return context.skip("this Node has its code in a shared library, which takes no program");
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
