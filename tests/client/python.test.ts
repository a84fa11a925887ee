// Connects the barewire client to a server of python-socketio (the version in Debian).

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, type TestContext, test } from "node:test";

import type { ClientOptions, Socket } from "../../client/index.ts";
import { connectTo } from "../support/client.ts";
import { heard } from "../support/heard.ts";

const PYTHON = "/usr/bin/python3";

/** Returns why these tests are skipped, or false. With CI=true they are not skipped, and fail if Python is missing. */
function noPython(): string | false {
  if (process.env.CI === "true") return false;
  try {
    execFileSync(PYTHON, ["-c", "import aiohttp, socketio"], { stdio: "ignore" });
    return false;
  } catch {
    return "there is no python-socketio: apt-get install python3-socketio python3-aiohttp";
  }
}

describe("the barewire client with a python-socketio server", { skip: noPython() }, () => {
  let python: ChildProcess;
  let url = "";
  before(async () => {
    const script = new URL("../programs/server.py", import.meta.url).pathname;
    const child = spawn(PYTHON, [script], { stdio: ["ignore", "pipe", "inherit"] });
    python = child;
    const [line] = await once(child.stdout, "data");
    url = `http://127.0.0.1:${Number(`${line}`)}`;
  });
  after(async () => {
    python.kill();
    await once(python, "exit");
  });

  function start(context: TestContext, path: string, options: ClientOptions): Socket {
    return connectTo(context, url + path, { reconnection: false, ...options });
  }

  for (const transports of [
    ["polling"],
    ["websocket"],
    ["polling", "websocket"],
  ] as const satisfies readonly (readonly string[])[]) {
    const options: ClientOptions = { transports };
    test(`sends and receives events, acknowledgements and binary data over ${transports.join(" and ")}`, async (context) => {
      const socket = start(context, "/", options);
      const answer = await new Promise<unknown[]>((resolve) =>
        socket.emit("echo", "é日😀", { bytes: [Buffer.of(1, 2, 255)] }, (...args: unknown[]) =>
          resolve(args),
        ),
      );
      assert.deepEqual(answer, ["é日😀", { bytes: [Buffer.of(1, 2, 255)] }]);
      socket.on("question", (n: number, reply: (answer: number) => void) => reply(n + 1));
      assert.deepEqual(await socket.emitWithAck("ask me", 6), ["answered", 7]);
      const joined = heard(socket, "joined");
      socket.emit("join", "room");
      assert.deepEqual(await joined, [{ room: "room", bytes: Buffer.of(1, 2) }]);
      for (let n = 0; n < 200; n++) socket.emit("echo", n);
      assert.equal(await socket.emitWithAck("echo", "last"), "last");
      const gone = heard(socket, "disconnect");
      socket.emit("leave me");
      assert.equal((await gone)[0], "io server disconnect");
    });
  }

  test("joins a namespace, and receives connect_error with data", async (context) => {
    const admin = start(context, "/admin", {});
    assert.equal(await admin.emitWithAck("echo", 1), 1);
    const refused = start(context, "/", { auth: { token: "wrong" } });
    const [error] = await heard(refused, "connect_error");
    assert.ok(error instanceof Error && "data" in error);
    assert.deepEqual([error.message, error.data], ["not you", { code: 7 }]);
    const [unknown] = await heard(start(context, "/nowhere", {}), "connect_error");
    assert.ok(unknown instanceof Error);
    assert.match(unknown.message, /Unable to connect/);
  });
});
