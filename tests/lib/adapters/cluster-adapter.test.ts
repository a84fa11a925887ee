// Tests the base class of adapters for several processes over an in-memory bus.

import assert from "node:assert/strict";
import { after, afterEach, describe, test } from "node:test";

import { MissingNodesError } from "../../../lib/adapters/cluster-adapter.ts";
import { BroadcastOperator, EVERYBODY } from "../../../lib/socketio/broadcast.ts";
import { Bus, BusAdapter } from "../../support/bus.ts";
import { until } from "../../support/net.ts";

let open: BusAdapter[] = [];
// Heartbeat timers do not keep the process alive, so this timer does.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));
afterEach(() => {
  for (const node of open) void node.close();
  open = [];
});

/** Starts `count` nodes that know each other. Each node has one socket, whose id contains the index of the node. */
async function cluster(
  count: number,
  options: ConstructorParameters<typeof BusAdapter>[1] = {},
): Promise<{ bus: Bus; nodes: BusAdapter[] }> {
  const bus = new Bus();
  const nodes = Array.from({ length: count }, () => new BusAdapter(bus, options));
  open.push(...nodes);
  for (const [index, node] of nodes.entries()) {
    void node.host.add(`socket${index}`);
    void node.init();
  }
  await until(() => nodes.every((node) => node.stats().nodes.length === count - 1));
  return { bus, nodes };
}

const all = (node: BusAdapter): BroadcastOperator<Record<string, (...args: unknown[]) => void>> =>
  new BroadcastOperator(node, EVERYBODY);

function first(nodes: readonly BusAdapter[]): [BusAdapter, BusAdapter, BusAdapter] {
  const [a, b, c] = nodes;
  if (a === undefined || b === undefined || c === undefined) throw new Error("three nodes");
  return [a, b, c];
}

describe("a cluster adapter", () => {
  test("delivers a broadcast to the sockets of every process, and publishes one message", async () => {
    const { bus, nodes } = await cluster(3);
    const [a, b, c] = first(nodes);
    bus.log.length = 0;
    all(a).to(["socket0", "socket1", "socket2"]).except("socket2").emit("event", 1);
    assert.deepEqual(bus.log, ["broadcast"]);
    assert.deepEqual(a.host.received, [["socket0", "event", 1]]);
    await until(() => b.host.received.length === 1);
    assert.deepEqual(c.host.received, []);
    assert.equal(c.host.encodings, 0);
  });

  test("publishes nothing with the local flag", async () => {
    const { bus, nodes } = await cluster(3);
    const [a] = first(nodes);
    bus.log.length = 0;
    all(a).local.emit("event");
    void all(a).local.socketsJoin("room");
    void all(a).local.socketsLeave("room");
    assert.equal((await all(a).local.fetchSockets()).length, 1);
    const acknowledged = all(a).local.timeout(10_000).emitWithAck("event");
    for (const callback of a.host.awaited.values()) callback(null, [1]);
    assert.deepEqual(await acknowledged, [1]);
    void all(a).local.disconnectSockets();
    assert.deepEqual(bus.log, []);
  });

  test("socketsJoin(), socketsLeave() and disconnectSockets() resolve when every process has applied them", async () => {
    const { nodes } = await cluster(3);
    const [a, b, c] = first(nodes);
    await all(a).socketsJoin("room");
    assert.deepEqual(
      [a, b, c].map((node) => node.rooms.get("room")?.size),
      [1, 1, 1],
    );
    await all(b).in("socket0").socketsLeave("room");
    assert.deepEqual(
      [a, b, c].map((node) => node.rooms.get("room")?.size),
      [undefined, 1, 1],
    );
    await all(c).in("room").disconnectSockets();
    assert.deepEqual(
      [a, b, c].map((node) => node.host.sockets.size),
      [1, 0, 0],
    );
  });

  test("fetches the sockets of every process", async () => {
    const { nodes } = await cluster(3);
    const [a] = first(nodes);
    const sockets = await all(a).fetchSockets();
    assert.deepEqual(sockets.map(({ id }) => id).toSorted(), ["socket0", "socket1", "socket2"]);
    assert.deepEqual(sockets.missing, []);
    assert.equal((await all(a).allSockets()).size, 3);
    assert.equal(await a.serverCount(), 3);
  });

  test("serverSideEmit() reaches the other servers, and collects one response from each", async () => {
    const { nodes } = await cluster(3);
    const [a, b, c] = first(nodes);
    for (const [index, node] of [b, c].entries()) {
      node.host.onEvent = ([, value, answer]) => {
        if (typeof answer !== "function") return;
        answer(`${String(value)}${index}`);
        answer("ignored");
      };
    }
    const responses = await new Promise<unknown[]>((resolve, reject) =>
      a.serverSideEmit(["event", "x"], (error, got) => (error ? reject(error) : resolve(got))),
    );
    assert.deepEqual(responses.toSorted(), ["x0", "x1"]);
    a.serverSideEmit(["plain"]);
    await until(() => b.host.serverSide.length === 2 && c.host.serverSide.length === 2);
    assert.deepEqual(b.host.serverSide.at(-1), ["plain"]);
    assert.deepEqual(a.host.serverSide, []);
  });

  test("emitWithAck() collects the acknowledgements of the clients of all processes", async () => {
    const { nodes } = await cluster(3);
    const [a] = first(nodes);
    const answered = all(a).timeout(10_000).emitWithAck("ask");
    await until(() => nodes.every((node) => node.host.awaited.size === 1));
    for (const [index, { host }] of nodes.entries()) {
      for (const callback of host.awaited.values()) callback(null, [index]);
    }
    assert.deepEqual((await answered).toSorted(), [0, 1, 2]);
    assert.equal(a.stats().pendingRequests, 0);
  });

  test("emitWithAck() rejects if a client of another process disconnects before acknowledging", async () => {
    const { nodes } = await cluster(2);
    const [a, b] = nodes;
    assert.ok(a && b);
    const answered = all(a).emitWithAck("ask");
    await until(() => nodes.every((node) => node.host.awaited.size === 1));
    for (const callback of a.host.awaited.values()) callback(null, ["a"]);
    for (const callback of b.host.awaited.values()) callback(new Error("gone"), []);
    await assert.rejects(answered, { code: "ERR_DISCONNECTED", responses: ["a"] });
  });

  test("emitWithAck() rejects at its timeout, and other processes stop waiting", async () => {
    const { nodes } = await cluster(2);
    const [a, b] = nodes;
    assert.ok(a && b);
    await assert.rejects(all(a).timeout(50).emitWithAck("ask"), { code: "ERR_ACK_TIMEOUT" });
    await until(() => b.host.awaited.size === 0);
  });
});

describe("another process that does not answer", () => {
  test("is removed after heartbeatTimeout, and pending requests end with partial results", async () => {
    const errors: Error[] = [];
    const { bus, nodes } = await cluster(3, {
      heartbeatInterval: 20,
      heartbeatTimeout: 300,
      requestTimeout: 60_000,
      onError: (error) => errors.push(error),
    });
    const [a, b, c] = first(nodes);
    const events: Error[] = [];
    a.on("error", (error) => events.push(error));
    bus.silenced.add(c.id);
    b.host.onEvent = ([, answer]) => typeof answer === "function" && answer("b");
    const fetched = all(a).fetchSockets();
    const joined = all(a).socketsJoin("room");
    const emitted = new Promise<readonly [Error | null, unknown[]]>((resolve) =>
      a.serverSideEmit(["event"], (error, responses) => resolve([error, responses])),
    );
    const acknowledged = all(a).emitWithAck("ask");
    await until(() => a.host.awaited.size === 1 && b.host.awaited.size === 1);
    for (const { host } of [a, b]) {
      for (const callback of host.awaited.values()) callback(null, [1]);
    }
    const sockets = await fetched;
    assert.deepEqual(sockets.map(({ id }) => id).toSorted(), ["socket0", "socket1"]);
    assert.deepEqual(sockets.missing, [c.id]);
    await joined;
    const [error, responses] = await emitted;
    assert.ok(error instanceof MissingNodesError);
    assert.deepEqual([error.missing, responses], [[c.id], ["b"]]);
    await assert.rejects(acknowledged, {
      code: "ERR_MISSING_NODES",
      missing: [c.id],
      responses: [1, 1],
    });
    assert.equal(await a.serverCount(), 2);
    assert.equal(events.length, 4);
    assert.ok(errors.length >= 4);
    const { partialResults, removedNodes, pendingRequests } = a.stats();
    assert.deepEqual([partialResults, removedNodes, pendingRequests], [4, 1, 0]);

    bus.silenced.delete(c.id);
    await until(() => a.stats().nodes.length === 2);
    assert.equal((await all(a).fetchSockets()).length, 3);
  });

  test("makes emitWithAck() reject even if it had confirmed sending the event", async () => {
    const { bus, nodes } = await cluster(2, { heartbeatInterval: 20, heartbeatTimeout: 300 });
    const [a, b] = nodes;
    assert.ok(a && b);
    const acknowledged = all(a).emitWithAck("ask");
    await until(() => a.host.awaited.size === 1 && b.host.awaited.size === 1);
    await until(() => bus.log.includes("asked"));
    for (const callback of a.host.awaited.values()) callback(null, ["a"]);
    setImmediate(() => bus.silenced.add(b.id));
    await assert.rejects(acknowledged, { code: "ERR_MISSING_NODES", responses: ["a"] });
  });

  test("is not reported as missing if it has announced that it leaves the cluster", async () => {
    const { bus, nodes } = await cluster(3);
    const [a, b, c] = first(nodes);
    // Node c no longer receives requests, but the other nodes still receive its message that it leaves the cluster.
    bus.nodes.delete(c);
    const fetched = all(a).fetchSockets();
    const acknowledged = all(a).emitWithAck("ask");
    await until(() => a.host.awaited.size === 1 && b.host.awaited.size === 1);
    void c.close();
    for (const { host } of [a, b]) {
      for (const callback of host.awaited.values()) callback(null, [1]);
    }
    assert.deepEqual((await fetched).missing, []);
    assert.deepEqual(await acknowledged, [1, 1]);
    assert.equal(await b.serverCount(), 2);
  });

  test("is reported as missing after requestTimeout if it still sends heartbeats", async () => {
    const { nodes } = await cluster(2, { requestTimeout: 50 });
    const [a, b] = nodes;
    assert.ok(a && b);
    a.serverSideEmit(["nobody answers"], () => {});
    const error = await new Promise<Error | null>((resolve) =>
      a.serverSideEmit(["nobody answers"], (reason) => resolve(reason)),
    );
    assert.ok(error instanceof MissingNodesError);
    assert.deepEqual(error.missing, [b.id]);
    assert.match(error.message, /server-side-emit: timeout reached, no answer of /);
  });

  test("makes pending requests end with partial results when the requesting process leaves", async () => {
    const { bus, nodes } = await cluster(2);
    const [a, b] = nodes;
    assert.ok(a && b);
    bus.nodes.delete(b);
    const fetched = all(a).fetchSockets();
    const acknowledged = all(a).emitWithAck("ask");
    acknowledged.catch(() => {});
    await until(() => a.stats().pendingRequests === 2);
    await new Promise(setImmediate);
    void a.close();
    void a.close();
    assert.deepEqual((await fetched).missing, [b.id]);
    for (const callback of a.host.awaited.values()) callback(null, [1]);
    await assert.rejects(acknowledged, { code: "ERR_MISSING_NODES", responses: [1] });
  });
});
