// Tests workers that exit: killed during broadcasts, restarted one by one under load, and terminated.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { type ClientOptions, io as connect, type Socket } from "../../../client/index.ts";
import { answerTo, PollingClient, TcpClient, upgradeRequest } from "../../support/net.ts";
import { eventually, startWorkers } from "../../support/workers.ts";

interface Client {
  readonly socket: Socket;
  /** The numbers that the client has received. */
  readonly numbers: number[];
  /** How often the client was disconnected. */
  disconnections: number;
  pid: number;
}

async function connectClient(
  context: TestContext,
  url: string,
  options: ClientOptions = {},
): Promise<Client> {
  const socket = connect(url, { forceNew: true, reconnectionDelay: 20, ...options });
  context.after(() => socket.disconnect());
  const client: Client = { socket, numbers: [], disconnections: 0, pid: 0 };
  socket.on("event", (number) => client.numbers.push(number));
  socket.on("disconnect", () => client.disconnections++);
  await eventually(() => socket.connected, "the client connects");
  client.pid = await pidOf(socket);
  return client;
}

async function pidOf(socket: Socket): Promise<number> {
  const { pid }: { pid: number } = await socket.timeout(10_000).emitWithAck("where");
  return pid;
}

/** Connects clients until both workers have clients. Returns the clients of each worker. */
async function clientsOfBoth(
  context: TestContext,
  url: string,
  options: ClientOptions = {},
): Promise<[Client[], Client[]]> {
  const all: Client[] = [];
  const of = (pid: number | undefined): Client[] => all.filter((each) => each.pid === pid);
  await eventually(async () => {
    all.push(await connectClient(context, url, options));
    return all.length >= 4 && new Set(all.map(({ pid }) => pid)).size === 2;
  }, "two workers have clients");
  const [first, second] = [...new Set(all.map(({ pid }) => pid))];
  return [of(first), of(second)];
}

test("when a worker is killed during broadcasts, its clients recover and other clients stay connected", async (context) => {
  const program = await startWorkers(context, { workers: 2, connectionStateRecovery: true });
  const options: ClientOptions = { transports: ["websocket"] };
  const [theirs, others] = await clientsOfBoth(context, program.url, options);
  const [victim] = theirs;
  const [sender] = others;
  assert.ok(victim && sender);
  const ids = theirs.map(({ socket }) => socket.id);
  for (const { socket } of theirs) {
    await socket.timeout(10_000).emitWithAck("data", { kept: true });
    await socket.timeout(10_000).emitWithAck("join", "room");
  }
  let sent = 0;
  const send = (): void => {
    sent++;
    sender.socket.emit(sent % 2 ? "all" : "to", ...(sent % 2 ? [sent] : ["room", sent]));
  };
  const timer = setInterval(send, 2);
  context.after(() => clearInterval(timer));
  await eventually(() => victim.numbers.length > 20, "the client has received 20 broadcasts");
  victim.socket.emit("die");
  await eventually(
    () => theirs.every(({ disconnections }) => disconnections > 0),
    "the worker's clients are disconnected",
  );
  await program.says(/Worker \d+ has ended: SIGKILL/);
  const recovered = ({ socket }: Client): boolean => socket.connected && socket.recovered;
  await eventually(() => theirs.every(recovered), "the worker's clients recover");
  clearInterval(timer);
  const all = Array.from({ length: sent }, (_, index) => index + 1);
  for (const [index, client] of theirs.entries()) {
    await eventually(
      () => client.numbers.at(-1) === sent,
      "the client receives the last broadcast",
    );
    assert.deepEqual(client.numbers, all.slice(all.indexOf(client.numbers[0] ?? 0)));
    assert.equal(client.socket.id, ids[index]);
    assert.deepEqual(await client.socket.emitWithAck("data", {}), { kept: true });
  }
  for (const { disconnections, numbers } of others) {
    assert.equal(disconnections, 0);
    assert.deepEqual(
      numbers,
      numbers.filter((number) => number % 2 === 1),
    );
  }
  // Wait until two workers run again.
  await eventually(async () => {
    const health: { state: string }[] = await sender.socket.timeout(10_000).emitWithAck("health");
    return health.length === 2 && health.every(({ state }) => state === "ready");
  }, "another worker replaces the worker");
});

test("a rolling restart rejects no connection, and clients recover on the new workers", async (context) => {
  const program = await startWorkers(context, { workers: 2, connectionStateRecovery: true });
  const { port } = program;
  const websockets = await clientsOfBoth(context, program.url, { transports: ["websocket"] });
  const polling = await clientsOfBoth(context, program.url, { transports: ["polling"] });
  const clients = [...websockets, ...polling].flat();
  const old = new Set(clients.map(({ pid }) => pid));
  const ids = clients.map(({ socket }) => socket.id);

  let running = true;
  const counts = { polling: 0, websocket: 0, kept: 0 };
  const connecting = [
    async () => {
      await PollingClient.open(port);
      counts.polling++;
    },
    async () => {
      const client = new TcpClient(port);
      client.write(upgradeRequest("/socket.io/?EIO=4&transport=websocket"));
      assert.match(await client.until("\r\n\r\n"), /^HTTP\/1\.1 101 /);
      client.socket.destroy();
      counts.websocket++;
    },
    async () => {
      const path = "/socket.io/?EIO=4&transport=polling";
      const request = httpRequest({ host: "127.0.0.1", port, path, agent: kept });
      request.end();
      const { status, body } = await answerTo(request).catch((error) => {
        // HTTP clients have to expect this error, because a server may close a connection that is not in use.
        if (!request.reusedSocket) throw error;
        return { status: 200, body: "0" };
      });
      assert.deepEqual([status, body[0]], [200, "0"]);
      counts.kept++;
    },
  ];
  const kept = new Agent({ keepAlive: true, maxSockets: 2 });
  context.after(() => kept.destroy());
  const loops = connecting.map(async (once) => {
    while (running) {
      await once();
      await pause(5);
    }
  });

  program.process.kill("SIGUSR2");
  const [[first] = []] = websockets;
  assert.ok(first);
  await eventually(
    async () => {
      if (!first.socket.connected) return false;
      const health: { pid: number }[] = await first.socket
        .timeout(5000)
        .emitWithAck("health")
        .catch(() => []);
      return health.length === 2 && health.every(({ pid }) => !old.has(pid));
    },
    "both workers are replaced",
    40_000,
  );
  running = false;
  await Promise.all(loops);
  assert.doesNotMatch(program.output(), /did not exit in time/);
  for (const count of Object.values(counts)) assert.ok(count > 20, JSON.stringify(counts));
  for (const [index, { socket }] of clients.entries()) {
    await eventually(() => socket.connected, "the client reconnects");
    assert.equal(socket.id, ids[index], "the client is not recovered");
    assert.ok(!old.has(await pidOf(socket)));
  }
});

test("SIGTERM to the primary disconnects all clients and ends all processes", async (context) => {
  const program = await startWorkers(context, { workers: 2 });
  const [one, other] = await clientsOfBoth(context, program.url, { reconnection: false });
  const clients = [...one, ...other];
  const reasons = clients.map(
    ({ socket }) => new Promise((resolve) => socket.once("disconnect", resolve)),
  );
  program.process.kill("SIGTERM");
  assert.deepEqual(await program.ended, [0, null]);
  assert.deepEqual(
    await Promise.all(reasons),
    clients.map(() => "transport close"),
  );
  for (const { pid } of clients) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  assert.match(program.output(), /\nSIGTERM: closing\n$/);
});

test("SIGTERM to a worker replaces the worker, and stop() in a worker ends all processes", async (context) => {
  const program = await startWorkers(context, { workers: 2 });
  const [[one], [other]] = await clientsOfBoth(context, program.url);
  assert.ok(one && other);
  process.kill(one.pid, "SIGTERM");
  const health = (): Promise<{ state: string; pid: number }[]> =>
    other.socket.timeout(10_000).emitWithAck("health");
  await eventually(async () => {
    const states = await health();
    return states.length === 2 && states.every(({ pid }) => pid !== one.pid);
  }, "another worker replaces the worker");
  await eventually(() => one.socket.connected, "the client reconnects");
  assert.equal(other.disconnections, 0);
  assert.doesNotMatch(program.output(), /has ended/);
  other.socket.emit("stop");
  assert.deepEqual(await program.ended, [0, null]);
});

test("a worker that hangs is killed when too many messages wait for it, and is replaced", async (context) => {
  const program = await startWorkers(context, { workers: 2 });
  // node:cluster passes new connections to the hanging worker, too, so no client may open another connection.
  const [[one], [other]] = await clientsOfBoth(context, program.url, { transports: ["websocket"] });
  assert.ok(one && other);
  process.kill(one.pid, "SIGSTOP");
  other.socket.emit("flood", 150);
  await program.says(/Worker \d does not read its messages: killed/);
  await program.says(/Worker \d has ended: SIGKILL/);
  await eventually(() => one.socket.connected, "the client reconnects");
  assert.equal(other.disconnections, 0);
});

test("a worker exits when the primary hangs and too many messages wait for it", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "barewire-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = await startWorkers(context, { workers: 2 }, { TMPDIR: folder });
  // When the client reconnects, node:cluster may pass the connection to the exiting worker, and would not close it.
  // With this timeout, the client gives up the connection and connects again.
  const [[one], [other]] = await clientsOfBoth(context, program.url, {
    timeout: 3_000,
    transports: ["websocket"],
  });
  assert.ok(one && other);
  program.process.kill("SIGSTOP");
  one.socket.emit("flood", 150);
  await eventually(
    () => one.disconnections === 1,
    "the client of the exiting worker is disconnected",
  );
  assert.match(program.output(), /The primary does not read the messages of this worker/);
  program.process.kill("SIGCONT");
  await program.says(/Worker \d has ended: exit code 0/);
  await eventually(() => one.socket.connected, "the client reconnects");
  assert.equal(other.disconnections, 0);
  // Only the folder with the sockets of the running processes still exists.
  const left = readdirSync(folder).filter((name) => name.startsWith("barewire-"));
  assert.equal(left.length, 1);
});

test("the workers exit when the primary is killed, and leave no files", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "barewire-test-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const program = await startWorkers(context, { workers: 2 }, { TMPDIR: folder });
  const left = (): string[] => readdirSync(folder).filter((name) => name.startsWith("barewire-"));
  assert.equal(left().length, 1);
  const [[one], [other]] = await clientsOfBoth(context, program.url, { reconnection: false });
  assert.ok(one && other);
  program.process.kill("SIGKILL");
  await eventually(
    () => one.socket.disconnected && other.socket.disconnected,
    "the clients are disconnected",
  );
  await eventually(() => left().length === 0, "the directory is removed");
});

test("a client that joins rooms whose names are not strings crashes no process, and recovers", async (context) => {
  // If the client does not recover, the log contains the reason.
  const program = await startWorkers(
    context,
    { workers: 2, connectionStateRecovery: true },
    { NODE_DEBUG: "barewire:*" },
  );
  const [theirs, others] = await clientsOfBoth(context, program.url, { transports: ["websocket"] });
  const [client] = theirs;
  const [sender] = others;
  assert.ok(client && sender);
  const { id } = client.socket;
  const rooms = [null, 5, true, { length: 1e300 }, { length: "x" }, [[1]]];
  for (const room of rooms) {
    await client.socket.timeout(10_000).emitWithAck("join", room);
    sender.socket.emit("to", room, "to a room");
  }
  client.socket.emit("die");
  await eventually(() => client.disconnections > 0, "the client is disconnected");
  sender.socket.emit("to", 5, 1);
  sender.socket.emit("to", null, 2);
  sender.socket.emit("all", 3);
  await eventually(() => client.socket.connected && client.socket.recovered, "the client recovers");
  await eventually(() => client.numbers.at(-1) === 3, "the client receives the missed events");
  assert.deepEqual(client.numbers.slice(-3), [1, 2, 3]);
  assert.equal(client.socket.id, id);
  assert.equal(sender.disconnections, 0);
});
