// Tests io.run() in a program that has no other code to end the process.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, test } from "node:test";

import { Server } from "../../server.ts";
import { ENVIRONMENT } from "../support/environment.ts";
import { ask, listen, PollingClient, portOf, TcpClient, WebSocketClient } from "../support/net.ts";

interface Program {
  readonly process: ChildProcess;
  readonly port: number;
  readonly output: () => string;
}

/** Starts the program, and resolves when it listens. */
async function startProgram(): Promise<Program> {
  const script = new URL("../support/run-program.ts", import.meta.url);
  const child = spawn(process.execPath, ["--import", "tsx", script.pathname], {
    stdio: ["ignore", "pipe", "inherit"],
    env: ENVIRONMENT,
  });
  let output = "";
  child.stdout.setEncoding("utf8");
  while (!output.includes("\n")) {
    const [chunk] = await once(child.stdout, "data");
    output += chunk;
  }
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [, port] =
    /^Listening on http:\/\/127\.0\.0\.1:(\d+)\n/.exec(output) ?? assert.fail(output);
  return { process: child, port: Number(port), output: () => output };
}

describe("io.run()", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`on ${signal}, sends the waiting packets, closes the connections and exits with code 0`, async () => {
      const program = await startProgram();
      const client = new WebSocketClient(program.port);
      await client.join();
      const polling = await PollingClient.open(program.port);
      await polling.join();
      const poll = polling.poll();
      const exit = once(program.process, "exit");
      program.process.kill(signal);
      assert.match(`${await client.next()}`, /^42\["late","x{100000}"\]$/);
      assert.equal(await client.closed, 1005);
      const { body } = await poll;
      assert.match(body, /^42\["late","x+"\]/);
      // The close packet is in this response or in the next one.
      if (!body.endsWith("\x1e1")) assert.match((await polling.poll()).body, /1$/);
      assert.deepEqual(await exit, [0, null]);
      assert.match(program.output(), new RegExp(`\n${signal}: closing\n$`));
    });
  }

  test("a second signal ends the process at once, even while a client has waiting packets", async () => {
    const program = await startProgram();
    const polling = await PollingClient.open(program.port);
    await polling.join();
    const exit = once(program.process, "exit");
    program.process.kill("SIGTERM");
    while (!program.output().includes("closing"))
      await once(program.process.stdout ?? assert.fail(), "data");
    program.process.kill("SIGTERM");
    assert.deepEqual(await exit, [null, "SIGTERM"]);
  });

  test("stop() closes the server without ending the process, and may be called twice", async () => {
    const lines: string[] = [];
    const io = new Server({ pingInterval: 1_000_000 });
    const before = process.listenerCount("SIGTERM");
    const running = await io.run({ port: 0, log: (line) => lines.push(line) });
    assert.deepEqual(lines, [`Listening on ${running.url}`]);
    assert.equal(process.listenerCount("SIGTERM"), before + 1);
    const port = portOf(io.httpServer);
    assert.equal((await ask(port, "/")).status, 404);
    const client = new WebSocketClient(port);
    await client.join();
    await Promise.all([running.stop(), running.stop(), running.stopped]);
    assert.equal(await client.closed, 1005);
    assert.equal(process.listenerCount("SIGTERM"), before);
    assert.equal(io.httpServer.listening, false);
  });

  test("disconnects a client that does not receive its waiting packets within drainTimeout", async () => {
    const io = new Server({ pingInterval: 1_000_000 });
    const running = await io.run({ port: 0, log: () => {}, drainTimeout: 1 });
    const polling = await PollingClient.open(portOf(io.httpServer));
    await polling.join();
    await running.stop();
    assert.equal(io.engine.clientsCount, 0);
  });

  test("runs on an existing HTTP server, and on IPv6", async () => {
    const http = createServer((_request, response) => response.end("mine"));
    const io = new Server(http);
    const running = await io.run({ host: "::1", port: 0, log: () => {} });
    assert.match(running.url, /^http:\/\/\[::1\]:\d+$/);
    assert.equal(io.httpServer, http);
    await running.stop();
  });

  test("rejects if it cannot listen", async (context) => {
    const other = createServer();
    const port = await listen(other);
    context.after(() => other.close());
    const io = new Server();
    await assert.rejects(io.run({ port, log: () => {} }), { code: "EADDRINUSE" });
    await io.close();
    assert.ok(new TcpClient(port));
  });
});
