// Runs examples/cluster: Redis, three nodes and a real load balancer, with clients of every transport.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { io as connect, type Socket } from "socket.io-client";

import { ENVIRONMENT } from "./support/environment.ts";
import { heard } from "./support/heard.ts";
import { notInstalled } from "./support/installed.ts";
import { noRedis } from "./support/redis.ts";

const START = join(import.meta.dirname, "../examples/cluster/start.ts");
const NODES = ["1", "2", "3"];
const KINDS = [["polling"], ["websocket"], ["polling", "websocket"]];

/** A running example. */
class Cluster {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly ended: Promise<unknown[]>;

  constructor(context: TestContext, balancer: string) {
    const { REDIS_URL: _shared, PORT: _taken, ...env } = ENVIRONMENT;
    const args = ["--import", "tsx", START, balancer];
    this.child = spawn(process.execPath, args, { env, stdio: ["pipe", "pipe", "inherit"] });
    this.ended = once(this.child, "exit");
    if (this.child.stdout === null) throw new Error("the example has no output");
    createInterface(this.child.stdout).on("line", (line) => this.lines.push(line));
    context.after(() => this.stop());
  }

  /** Resolves to the match of the first line of output, past or future, that matches the pattern. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.lines) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      const { exitCode, signalCode } = this.child;
      assert.ok(exitCode === null && signalCode === null, "the example has ended");
      await pause(20);
    }
  }

  command(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** Ends the example as Ctrl-C does. Resolves to its exit code. */
  async stop(): Promise<unknown> {
    this.child.kill("SIGINT");
    const [code] = await this.ended;
    return code;
  }
}

/** A client, with its node and the messages that it has received. */
interface Client {
  readonly socket: Socket;
  readonly kind: string;
  readonly said: string[];
  node: string;
}

async function joinCluster(
  context: TestContext,
  url: string,
  transports: string[],
): Promise<Client> {
  const socket = connect(url, { transports, forceNew: true, reconnectionDelay: 100 });
  context.after(() => socket.disconnect());
  const client: Client = { socket, kind: `${transports}`, said: [], node: "" };
  socket.on("welcome", (node: string) => {
    client.node = node;
  });
  socket.on("said", (text: string) => client.said.push(text));
  await heard(socket, "welcome");
  const { engine } = socket.io;
  if (engine.transport.name !== transports.at(-1)) await heard(engine, "upgrade");
  assert.equal(engine.transport.name, transports.at(-1));
  return client;
}

/** Opens a session. Resolves to the session's id, which begins with the number of the node. */
async function newSession(url: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers });
  const sid = /"sid":"([^"]+)"/.exec(await answer.text())?.[1];
  assert.ok(sid !== undefined, `${answer.status}`);
  return sid;
}

/** Checks that the cookie selects the node of a new session, and that the session id overrides the cookie. */
async function keepsByCookie(url: string): Promise<void> {
  const page = await fetch(url);
  assert.match(page.headers.get("set-cookie") ?? "", /^node=[123];/);
  await page.text();
  for (const node of NODES) {
    // Without the cookie, the balancer would select a different node each time.
    for (let time = 0; time < 3; time++) {
      const sid = await newSession(url, { Cookie: `node=${node}` });
      assert.equal(sid[0], node);
      // Simulates a browser in which another tab has changed the cookie.
      const [other = ""] = NODES.filter((each) => each !== node);
      const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
        method: "POST",
        body: "40",
        headers: { Cookie: `node=${other}` },
      });
      assert.deepEqual([answer.status, await answer.text()], [200, "ok"]);
    }
  }
}

for (const [balancer, debianPackage] of [
  ["haproxy", "haproxy"],
  ["nginx", "nginx-light"],
] as const) {
  const skip = notInstalled(`/usr/sbin/${balancer}`, debianPackage) || noRedis;

  test(`examples/cluster delivers every broadcast and survives a killed node behind ${balancer}`, {
    skip,
    timeout: 60_000,
  }, async (context) => {
    const cluster = new Cluster(context, balancer);
    const [, url = ""] = await cluster.said(/The cluster is at (\S+),/);
    assert.match(await (await fetch(url)).text(), /Which node serves whom/);

    if (balancer === "haproxy") await keepsByCookie(url);

    // Connect clients until each node has at least one client, and one node has clients of all kinds.
    const clients: Client[] = [];
    const kinds = (node: string): number =>
      new Set(clients.filter((client) => client.node === node).map(({ kind }) => kind)).size;
    const victim = (): string | undefined => NODES.find((node) => kinds(node) === KINDS.length);
    for (
      let batch = 0;
      victim() === undefined || NODES.some((node) => kinds(node) === 0);
      batch++
    ) {
      assert.ok(batch < 12, "the balancer does not spread the clients");
      // Rotate the kinds in each batch. Otherwise a round-robin balancer would assign all clients of one kind to the
      // same node.
      const rotated = KINDS.map((_, index) => KINDS[(index + batch) % KINDS.length] ?? []);
      for (const transports of rotated) clients.push(await joinCluster(context, url, transports));
    }

    const says = async (from: Client | undefined, text: string): Promise<void> => {
      const all = clients.map(({ socket }) => heard(socket, "said"));
      from?.socket.emit("say", text);
      for (const answer of await Promise.all(all)) assert.equal(answer[0], text);
    };
    for (const node of NODES) {
      await says(
        clients.find((client) => client.node === node),
        `from ${node}`,
      );
    }

    const killed = victim() ?? "";
    const lost = clients.filter(({ node }) => node === killed);
    const others = clients.filter((client) => !lost.includes(client));
    const ids = others.map(({ socket }) => socket.id);
    const moved = lost.map(({ socket }) => heard(socket, "welcome"));
    cluster.command(`kill ${killed}`);
    await Promise.all(moved);
    for (const { node } of lost) assert.notEqual(node, killed);
    await says(lost[0], "after the kill");
    // Each client received each broadcast once, and no other client was disconnected.
    for (const { said } of clients)
      assert.deepEqual(said, ["from 1", "from 2", "from 3", "after the kill"]);
    assert.deepEqual(
      others.map(({ socket }) => socket.id),
      ids,
    );

    cluster.command(`start ${killed}`);
    await cluster.said(new RegExp(`node ${killed} runs`));
    // The balancer detects the restarted node at its next health check.
    while (!(await newSession(url)).startsWith(killed)) await pause(50);

    const ended = await cluster.stop();
    assert.equal(ended, 0);
    const prefix = `barewire-cluster-${cluster.child.pid}-`;
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith(prefix)),
      [],
    );
    await assert.rejects(fetch(url));
  });
}

test("examples/cluster exits with an error for an unknown load balancer", {
  timeout: 60_000,
}, async () => {
  const child = spawn(process.execPath, ["--import", "tsx", START, "apache"], {
    env: ENVIRONMENT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, "close");
  assert.deepEqual([code, errors], [1, 'haproxy or nginx, got "apache"\n']);
});
