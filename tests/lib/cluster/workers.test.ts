// Tests io.run({ workers }) with real worker processes and clients with their default options.

import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";

import { type ClientOptions, io as connect, type Socket } from "../../../client/index.ts";
import { ownerOf } from "../../../lib/cluster/worker-id.ts";
import { generation, type StockClient } from "../../support/generations.ts";
import { type Answer, answerTo, ask, PollingClient } from "../../support/net.ts";
import {
  eventually,
  spawnWorkers,
  startWorkers,
  type WorkersProgram,
} from "../../support/workers.ts";

interface Place {
  readonly pid: number;
  readonly sid: string;
  readonly address: string;
  readonly secure: boolean;
  readonly rooms: readonly string[];
}

/** Connects `count` clients, and adds them to `clients`. */
async function connectAll(
  url: string,
  count: number,
  options: ClientOptions,
  clients: Socket[],
): Promise<Socket[]> {
  const all = Array.from({ length: count }, () =>
    connect(url, { forceNew: true, reconnectionDelay: 20, ...options }),
  );
  clients.push(...all);
  await eventually(() => all.every(({ connected }) => connected), "all clients connect");
  return all;
}

/** Sends a poll or a POST of a session over one of the agent's connections. */
function over(agent: Agent, port: number, path: string, body?: string): Promise<Answer> {
  const method = body === undefined ? "GET" : "POST";
  const request = httpRequest({ host: "127.0.0.1", port, path, agent, method });
  request.end(body);
  return answerTo(request);
}

/** Opens sessions until at least two workers have sessions. */
async function sessionsOfSeveralWorkers(port: number): Promise<PollingClient[]> {
  const sessions: PollingClient[] = [];
  await eventually(async () => {
    sessions.push(await PollingClient.open(port));
    return sessions.length >= 4 && new Set(sessions.map(({ sid }) => ownerOf(sid))).size > 1;
  }, "two workers have sessions");
  return sessions;
}

describe("io.run({ workers })", () => {
  const clients: Socket[] = [];
  const cleanups: (() => void | Promise<void>)[] = [];
  let program: WorkersProgram;
  before(async () => {
    const cleanup = { after: (callback: () => void | Promise<void>) => cleanups.push(callback) };
    program = await startWorkers(cleanup, { workers: 3, allowEIO3: true });
  });
  after(async () => {
    for (const client of clients) client.disconnect();
    for (const cleanup of cleanups) await cleanup();
  });

  test("serves the barewire client over polling, whichever worker receives a request", async () => {
    const all = await connectAll(program.url, 6, { transports: ["polling"] }, clients);
    const pids = new Set<number>();
    for (const client of all) {
      for (const value of [1, "text", Buffer.from("bytes")]) {
        assert.deepEqual(await client.timeout(10_000).emitWithAck("echo", value), value);
      }
      const { pid, address }: Place = await client.timeout(10_000).emitWithAck("where");
      pids.add(pid);
      assert.equal(address, "127.0.0.1");
    }
    assert.ok(pids.size > 1, "one worker serves all clients");
    assert.ok(!pids.has(program.process.pid ?? 0), "the primary serves a client");
    for (const client of all) client.disconnect();
  });

  for (const version of ["2.5.0", "4.8.4"] as const) {
    for (const transports of [["polling"], ["polling", "websocket"]] as const) {
      test(`serves socket.io-client ${version} over ${transports.join(" and ")}`, async (context) => {
        const all = Array.from({ length: 6 }, () =>
          generation(version).connect(program.url, { forceNew: true, transports }),
        );
        context.after(() => {
          for (const client of all) client.disconnect();
        });
        await eventually(() => all.every(({ connected }) => connected), "all clients connect");
        if (transports.length > 1) {
          await eventually(
            () => all.every(({ io }) => io.engine.transport.name === "websocket"),
            "all clients upgrade",
          );
        }
        const echo = (client: StockClient, value: unknown): Promise<unknown> =>
          new Promise((resolve) => client.emit("echo", value, resolve));
        for (const client of all) {
          for (const value of [1, "text", { a: [] }]) {
            assert.deepEqual(await echo(client, value), value);
          }
        }
      });
    }
  }

  test("passes the connection of an upgrade to the worker that has the session", async () => {
    const sessions = await sessionsOfSeveralWorkers(program.port);
    for (const session of sessions) {
      await session.join();
      // node:cluster passes connections to the workers in turn, so some reach a worker without the session.
      const client = session.webSocket();
      await client.opened();
      client.send("2probe");
      assert.equal(await client.next(), "3probe");
      client.send("5");
      client.send('421["where"]');
      const answer = `${await client.next()}`;
      const [{ sid, address }]: [Place] = JSON.parse(answer.replace(/^431/, ""));
      assert.deepEqual([sid, address], [session.sid, "127.0.0.1"]);
      client.socket.close();
    }
  });

  test("serves sessions of several workers over one TCP connection, like that of a proxy", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sessions = await sessionsOfSeveralWorkers(program.port);
    for (const round of [1, 2]) {
      for (const { path } of sessions) {
        if (round === 1) {
          assert.equal((await over(agent, program.port, path, "40")).body, "ok");
          assert.match((await over(agent, program.port, path)).body, /^40\{"sid"/);
        }
        const echo = `42${round}["echo",${round}]`;
        assert.equal((await over(agent, program.port, path, echo)).status, 200);
        assert.equal((await over(agent, program.port, path)).body, `43${round}[${round}]`);
      }
    }
    agent.destroy();
  });

  test("forwards the client's address, and ignores a forged Barewire-Forwarded header", async () => {
    const session = await PollingClient.open(program.port);
    const headers = {
      "X-Tell": "1",
      "X-Forwarded-For": "1.2.3.4",
      "Barewire-Forwarded": "secret 1 5.6.7.8 9 tls",
    };
    // node:cluster passes connections to the workers in turn, so at least two reach a worker without the session.
    for (const _each of [1, 2, 3]) await session.post("40", headers);
    await eventually(() => told(program).length >= 3, "the middleware has logged the requests");
    const pids = new Set(told(program).map(({ pid }) => pid));
    assert.equal(pids.size, 1, "a request was handled by a worker without the session");
    for (const { remoteAddress, headers: seen } of told(program)) {
      assert.equal(remoteAddress, "127.0.0.1");
      assert.equal(seen["x-forwarded-for"], "1.2.3.4");
    }
  });

  test("rejects session ids that no worker knows", async () => {
    const { sid } = await PollingClient.open(program.port);
    const others = [`${sid.slice(0, 2)}${"x".repeat(18)}`, "_".repeat(20), "A", "AB".repeat(10)];
    for (const other of others) {
      for (const _each of [1, 2, 3]) {
        const path = `/socket.io/?EIO=4&transport=polling&sid=${other}`;
        const { status, body } = await ask(program.port, path);
        assert.deepEqual([status, JSON.parse(body).code], [400, 1]);
      }
    }
  });

  test("broadcasts, collects acknowledgements and changes rooms across all workers", async () => {
    const all = await connectAll(program.url, 6, {}, clients);
    const [first, second, third] = all;
    assert.ok(first && second && third);
    const events = all.map((client) => {
      const received: unknown[][] = [];
      client.on("event", (...args) => received.push(args));
      client.on("question", (answer) => answer(client.id));
      return received;
    });
    const bytes = Buffer.from([0, 255]);
    first.emit("all", "text", bytes, { inner: [bytes] });
    await eventually(
      () => events.every(({ length }) => length === 1),
      "all clients receive the event",
    );
    for (const [received] of events)
      assert.deepEqual(received, ["text", bytes, { inner: [bytes] }]);

    for (const client of all) await client.emitWithAck("join", "these");
    for (const client of [second, third]) await client.emitWithAck("join", "room");
    first.emit("to", "room", 1);
    await eventually(
      () => events[1]?.length === 2 && events[2]?.length === 2,
      "the clients in the room receive the event",
    );
    assert.equal(events[0]?.length, 1);

    const ids = all.map(({ id }) => id ?? "").sort();
    const answers: string[] = await first.timeout(10_000).emitWithAck("ask", "these");
    assert.deepEqual(answers.sort(), ids);
    await first.timeout(10_000).emitWithAck("join-all", "these", "more");
    const fetched: (Place & { id: string })[] = await first
      .timeout(10_000)
      .emitWithAck("fetch", "these");
    assert.deepEqual(fetched.map(({ id }) => id).sort(), ids);
    for (const { rooms } of fetched) assert.ok(rooms.includes("more"));
    // The two other workers respond. The primary responds too, because it runs the same program.
    const pids: number[] = await first.timeout(10_000).emitWithAck("servers");
    assert.equal(new Set(pids).size, 3);
    assert.ok(pids.includes(program.process.pid ?? 0));

    first.emit("kick", "room");
    await eventually(
      () => second.disconnected && third.disconnected,
      "the clients in the room are disconnected",
    );
    assert.ok(first.connected);
    for (const client of all) client.disconnect();
  });

  test("reports the state, clients and memory of each worker", async () => {
    const [client] = await connectAll(program.url, 1, {}, clients);
    const health: { state: string; pid: number; report?: { clients: number; memory: number } }[] =
      await client?.timeout(10_000).emitWithAck("health");
    assert.deepEqual(
      health.map(({ state }) => state),
      ["ready", "ready", "ready"],
    );
    assert.ok(health.every(({ report }) => report !== undefined && report.memory > 0));
    assert.ok(health.some(({ report }) => (report?.clients ?? 0) > 0));
    client?.disconnect();
  });
});

/** Returns the requests that the middleware of the program has logged. */
function told(program: WorkersProgram): {
  readonly pid: number;
  readonly remoteAddress: string;
  readonly headers: Readonly<Record<string, string>>;
}[] {
  return program
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

describe("io.run({ workers }) over TLS", () => {
  test("forwards the bytes of an upgrade, and sets handshake.secure", async (context) => {
    const { url } = await startWorkers(context, { tls: true });
    const clients: Socket[] = [];
    context.after(() => {
      for (const client of clients) client.disconnect();
    });
    const all = await connectAll(url, 6, { rejectUnauthorized: false }, clients);
    const upgraded = (client: Socket): boolean => client.io.engine?.transport?.name === "websocket";
    await eventually(() => all.every(upgraded), "all clients upgrade");
    for (const client of all) {
      assert.equal(await client.timeout(10_000).emitWithAck("echo", "text"), "text");
      const { secure, address }: Place = await client.timeout(10_000).emitWithAck("where");
      assert.deepEqual([secure, address], [true, "127.0.0.1"]);
    }
  });
});

describe("io.run({ workers }) when workers fail", () => {
  test("rejects with the error of the first worker that cannot listen", async (context) => {
    const { port } = await startWorkers(context, { workers: 1 });
    const program = spawnWorkers(context, { port });
    assert.deepEqual(await program.ended, [1, null]);
    assert.match(program.output(), /WorkerFailedError: bind EADDRINUSE[\s\S]*'EADDRINUSE'/);
  });

  test("rejects if a worker exits before it listens", async (context) => {
    const program = spawnWorkers(context, { fails: "at once" });
    assert.deepEqual(await program.ended, [1, null]);
    assert.match(program.output(), /worker 1 ended before it listened: exit code 3/);
    assert.match(program.output(), /ERR_WORKER_FAILED/);
  });

  test("waits longer before each restart if workers exit soon after their start", async (context) => {
    const program = spawnWorkers(context, { workers: 1, fails: "when ready" });
    await program.says("The next worker starts in 200 ms");
    assert.match(program.output(), /Worker 1 has ended: exit code 3\n/);
    assert.match(program.output(), /Worker 2 has ended: exit code 3\n/);
  });
});
