// Runs `barewire conform` against servers that lack a behaviour that docs/conformance.md requires. The command names the
// missing behaviour, and skips the cases that need this behaviour instead of failing these cases.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createTcp } from "node:net";
import { describe, type TestContext, test } from "node:test";

import { WebSocketServer } from "ws";

import { CASES } from "../../conformance/cases.ts";
import { main } from "../../conformance/cli.ts";
import { ALL_BEHAVIOURS, BEHAVIOURS, type Behaviour } from "../../conformance/harness/behaviour.ts";
import { LAYERS } from "../../conformance/harness/case.ts";
import { runCases } from "../../conformance/harness/runner.ts";
import { parseTarget } from "../../conformance/harness/target.ts";
import { findLacking } from "../../conformance/preflight.ts";
import { probe } from "../../conformance/probe.ts";
import { Progress } from "../../conformance/progress.ts";
import type { Report } from "../../conformance/reports/report.ts";
import { createTarget } from "../../conformance/testees/servers/barewire.ts";
import { Server } from "../../server.ts";
import { listen, portOf } from "../support/net.ts";
import { codeOf, type Mutant } from "./mutants/mutant.ts";
import { createMutant, withTarget } from "./support.ts";

interface Called {
  readonly status: number;
  readonly report: Report;
  readonly stderr: string;
}

async function conform(...args: readonly string[]): Promise<Called> {
  const said = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write: (text: string) => {
      said[name] += text;
    },
  });
  const terminal = { stdout: output("stdout"), stderr: output("stderr"), environment: {} };
  const status = await main(["conform", ...args, "--json"], terminal, "1.2.3");
  const report: Report = JSON.parse(said.stdout || `{ "results": [], "notes": [] }`);
  return { status, report, stderr: said.stderr };
}

/** Starts the server from the README. */
async function readmeServer(context: TestContext): Promise<string> {
  const io = new Server(0, { cors: { origin: "https://example.com" } });
  io.on("connection", (socket) => {
    socket.join("lobby");
    socket.on("chat", (text, delivered) => {
      io.to("lobby").emit("chat", socket.id, text);
      if (typeof delivered === "function") delivered(Date.now());
    });
  });
  context.after(() => io.close());
  const http = io.httpServer;
  if (!http.listening) await once(http, "listening");
  return `http://127.0.0.1:${portOf(http)}`;
}

/** Starts a server of the package ws that answers no message. */
async function bareServer(context: TestContext): Promise<string> {
  const http = createHttp((_request, response) => response.writeHead(426).end());
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket) => socket.on("error", () => {}));
  const port = await listen(http);
  context.after(() => {
    for (const socket of server.clients) socket.terminate();
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${port}`;
}

const BEHAVIOUR = "conformance/testees/servers/behaviour.ts";
const TARGET = "conformance/testees/servers/barewire.ts";

/**
 * The change that removes one behaviour from barewire's test server. `undefined`: the preflight, which runs before the
 * cases, does not check this behaviour.
 */
const WITHOUT: Readonly<Record<Behaviour, Pick<Mutant, "file" | "from" | "to"> | undefined>> = {
  "websocket-echo": { file: TARGET, from: "void connection.send(data)", to: "void data" },
  "websocket-subprotocol": { file: TARGET, from: '["echo"]', to: '["other"]' },
  "websocket-limit": undefined,
  "engineio-echo": { file: TARGET, from: "session.send(new", to: "void (new" },
  "short-waits": { file: BEHAVIOUR, from: "pingInterval: 300", to: "pingInterval: 25_000" },
  auth: { file: BEHAVIOUR, from: 'socket.emit("auth", socket.handshake.auth)', to: "" },
  message: { file: BEHAVIOUR, from: '"message-back"', to: '"other"' },
  "message-with-ack": { file: BEHAVIOUR, from: "args.pop()(...args)", to: "args.pop()" },
  "ask-me": { file: BEHAVIOUR, from: '"question"', to: '"other"' },
  join: { file: BEHAVIOUR, from: "socket.join(room)", to: "room" },
  "disconnect-me": { file: BEHAVIOUR, from: "socket.disconnect()", to: "{}" },
  "close-me": { file: BEHAVIOUR, from: "socket.disconnect(true)", to: "{}" },
  custom: { file: BEHAVIOUR, from: 'io.of("/custom")', to: 'io.of("/other")' },
  refusing: { file: BEHAVIOUR, from: 'new Error("not here")', to: 'new Error("other")' },
};

describe("the preflight", () => {
  test("finds no missing behaviour in barewire's own test server", async () => {
    await withTarget(createTarget(), async (target) => {
      assert.deepEqual([...(await findLacking(target, new Set(LAYERS)))], []);
    });
  });

  for (const behaviour of ALL_BEHAVIOURS) {
    const change = WITHOUT[behaviour];
    if (change === undefined) continue;
    test(`finds the missing behaviour of a server that does not ${BEHAVIOURS[behaviour]}`, async () => {
      const mutant = { ...change, name: behaviour, fault: "", caughtBy: "" };
      assert.ok((await codeOf(mutant)).length > 0);
      await withTarget(await createMutant(mutant), async (target) => {
        assert.deepEqual([...(await findLacking(target, new Set(LAYERS)))], [behaviour]);
      });
    });
  }
});

describe("barewire conform with the server of README.md", () => {
  test("names the missing behaviour, skips the cases that need it, and fails none", async (context) => {
    const { status, report, stderr } = await conform(await readmeServer(context));
    assert.match(stderr, /^websocket is not tested: /m);
    assert.match(stderr, /^engineio4 is not tested: \/engine\.io\/\S+ answers with status 404\.$/m);
    assert.match(stderr, /^At \/socket\.io\/, the server does not: emit "auth" to each socket/m);
    assert.match(stderr, /docs\/conformance\.md.*--protocol-only/);
    const broken = report.results.filter(({ outcome }) => outcome === "failed");
    assert.deepEqual(
      broken.map(({ id, got }) => [id, got]),
      [],
    );
    const skipped = report.results.filter(({ outcome }) => outcome === "skipped");
    assert.ok(skipped.some(({ reason = "" }) => reason.startsWith("needs a server that can ")));
    assert.ok(report.results.some(({ outcome }) => outcome === "passed"));
    assert.equal(status, 0);
  });

  test("fails no case with --protocol-only", async (context) => {
    const { status, report } = await conform(
      await readmeServer(context),
      ...["--protocol-only", "--timeout", "10000"],
    );
    assert.deepEqual(
      report.results.filter(({ outcome }) => outcome === "failed").map(({ id, got }) => [id, got]),
      [],
    );
    assert.equal(status, 0);
  });
});

describe("barewire conform with a ws server that does not echo", () => {
  test("skips the cases that need an echo, and fails a case that the server breaks", async (context) => {
    const url = await bareServer(context);
    const { status, report, stderr } = await conform(url, "--only", "websocket.framing");
    assert.match(
      stderr,
      /^At \/websocket, the server does not: echo each message at its WebSocket path\.$/m,
    );
    const outcome = (name: string) =>
      report.results.find(({ id }) => id === `websocket.framing.${name}`)?.outcome;
    assert.equal(outcome("text-of-125"), "skipped");
    assert.equal(outcome("rsv-100"), "passed");
    assert.equal(status, 0);
    const handshake = ["--only", "websocket.handshake.no-host", "--protocol-only"];
    const wrong = await conform(url, ...handshake);
    assert.equal(wrong.report.results[0]?.outcome, "failed");
    assert.equal(wrong.status, 1);
  });
});

test("the probe reports the status 404 of each path, even if the WebSocket request hangs", async (context) => {
  const http = createHttp((_request, response) => response.writeHead(404).end());
  http.on("upgrade", (_request, socket) => {
    socket.on("error", () => {});
    context.after(() => socket.destroy());
  });
  await withTarget(http, async (target) => {
    const findings = await probe(target, LAYERS, 60_000, 1000);
    const said = LAYERS.map((layer) => {
      const finding = findings.get(layer);
      return finding === undefined || finding.kind === "spoken" ? "" : finding.said;
    });
    assert.match(said[0] ?? "", /^a request for \/websocket was not answered within \d+ ms$/);
    for (const each of said.slice(1)) assert.match(each, / answers with status 404$/);
  });
});

test("an HTTP/1.0 101 response is quoted in the error", async (context) => {
  const server = createTcp((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write("HTTP/1.0 101 Switching\r\n\r\n"));
    context.after(() => socket.destroy());
  });
  const port = await listen(server);
  context.after(() => server.close());
  const { stderr } = await conform(`http://127.0.0.1:${port}`, "--layer", "websocket");
  assert.match(stderr, /answers a WebSocket handshake with "HTTP\/1\.0 101 Switching"/);
});

test("a case that has not started within the time budget is skipped with a reason", async () => {
  const [one] = CASES;
  assert.ok(one !== undefined);
  const options = { timeout: 1000, concurrency: 1, budget: 0 };
  const [result] = await runCases([one], parseTarget("http://127.0.0.1:9"), options);
  assert.equal(result?.outcome, "skipped");
  assert.equal(result?.reason, "the time limit of 0 s for all cases has passed");
});

test("a progress line is written every five seconds if the output is not a terminal", (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const said: string[] = [];
  const output = { write: (text: string) => said.push(text) };
  const progress = new Progress(output, 3, true);
  progress.update({ id: "a.b.c", outcome: "failed", severity: "MUST" });
  assert.deepEqual(said, []);
  context.mock.timers.tick(5000);
  assert.deepEqual(said, ["1/3, 1 failed (1 MUST)  a.b.c\n"]);
  progress.clear();
  context.mock.timers.tick(60_000);
  assert.equal(said.length, 1);
  const quiet = new Progress(output, 3, false);
  context.mock.timers.tick(5000);
  quiet.clear();
  assert.equal(said.length, 1);
});
