// Runs the programs of docs/python.md unchanged, except for the ports and the address of Redis.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";

import { Redis } from "ioredis";

import { connectTo } from "./support/client.ts";
import { ENVIRONMENT } from "./support/environment.ts";
import { heard } from "./support/heard.ts";
import { noModules } from "./support/python-peers.ts";
import { noRedis, startRedis } from "./support/redis.ts";
import { freePort } from "./support/service.ts";

const ROOT = join(import.meta.dirname, "..");
const MODULES: Readonly<Record<string, string>> = {
  barewire: join(ROOT, "server.ts"),
  "barewire/python": join(ROOT, "lib/adapters/python.ts"),
};

/** Returns the programs in a language, without the indentation of the list item that contains them. */
function programs(language: string): string[] {
  const text = readFileSync(join(ROOT, "docs/python.md"), "utf8");
  return [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\n(.*?)^ *\`\`\`$`, "gms"))].map(
    ([, indentation = "", code = ""]) => code.replaceAll(new RegExp(`^${indentation}`, "gm"), ""),
  );
}

const folder = mkdtempSync(join(tmpdir(), "barewire-python-docs-"));
after(() => rmSync(folder, { recursive: true }));
symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');

/** Writes a TypeScript program into the folder where its imports can be resolved. */
function write(name: string, code: string): string {
  const file = join(folder, name);
  const imports = code.replace(/from "(barewire[^"]*)"/g, (_all, module) => {
    const path = MODULES[module];
    assert.ok(path !== undefined, module);
    return `from ${JSON.stringify(path)}`;
  });
  writeFileSync(file, `${imports}\nexport {};\n`);
  return file;
}

function start(context: TestContext, command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { env: ENVIRONMENT, stdio: ["ignore", "ignore", "inherit"] });
  const exit = once(child, "exit");
  context.after(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return child;
}

/** Rejects when a program ends. */
async function ended(child: ChildProcess): Promise<never> {
  await once(child, "exit");
  assert.fail("the program has ended");
}

const [flask = ""] = programs("python");
const [server = "", emitter = ""] = programs("ts");
const noFlask = noModules(
  "flask_socketio, redis, eventlet",
  "python3-flask-socketio python3-redis python3-eventlet",
);

describe("the programs of docs/python.md", () => {
  test("compile", () => {
    write("server.ts", server);
    write("emitter.ts", emitter);
    const compilerOptions = {
      noEmit: true,
      rootDir: "/",
      noUnusedLocals: false,
      rewriteRelativeImportExtensions: false,
      typeRoots: [join(ROOT, "node_modules/@types")],
    };
    const settings = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: ["*.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    try {
      execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      assert.fail(error instanceof Error && "stdout" in error ? `${error.stdout}` : `${error}`);
    }
  });

  test("exchange events between Flask-SocketIO and barewire", {
    skip: noRedis || noFlask,
  }, async (context) => {
    const redis = await startRedis(context);
    const [flaskPort, port] = [await freePort(), await freePort()];
    const settle = (code: string): string => code.replaceAll("redis://localhost:6379", redis.url);
    const app = join(folder, "app.py");
    writeFileSync(app, settle(flask).replace("port=5000", `port=${flaskPort}`));
    const file = write("run.ts", settle(server).replace("Server(3000", `Server(${port}`));
    const theirs = start(context, "/usr/bin/python3", [app]);
    const ours = start(context, process.execPath, ["--import", "tsx", file]);

    // The clients reconnect until the programs listen.
    const options = { reconnectionDelayMax: 50 };
    const waiter = connectTo(context, `http://127.0.0.1:${flaskPort}`, options);
    waiter.emit("wait at", "table 4");
    const kitchen = connectTo(context, `http://127.0.0.1:${port}`, options);
    const connected = Promise.all([heard(waiter, "connect"), heard(kitchen, "connect")]);
    await Promise.race([connected, ended(theirs), ended(ours)]);
    const client = new Redis(redis.url);
    context.after(() => client.disconnect());
    let hosts = 0;
    while (hosts < 2) hosts = Number((await client.pubsub("NUMSUB", "flask-socketio"))[1]);

    const order = heard(kitchen, "order");
    await fetch(`http://127.0.0.1:${flaskPort}/orders/7`, { method: "POST" });
    assert.deepEqual(await order, [{ number: 7 }]);
    const cooked = heard(waiter, "cooked");
    kitchen.emit("cooked", { number: 7, table: "table 4" });
    assert.deepEqual(await cooked, [7]);

    const closing = heard(kitchen, "closing");
    // The servers of this test read the dialect "raw", so the test adds this option to the program of the page.
    const raw = settle(emitter).replace("publisher, channel", 'publisher, dialect: "raw", channel');
    execFileSync(process.execPath, ["--import", "tsx", write("publish.ts", raw)], {
      env: ENVIRONMENT,
      timeout: 60_000,
    });
    assert.deepEqual(await closing, [{ at: "22:00" }]);
    // The programs are killed before Redis ends, so that they print no connection errors.
    for (const child of [theirs, ours]) child.kill("SIGKILL");
    client.disconnect();
  });
});
