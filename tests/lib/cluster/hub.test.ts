// Tests the primary's hub and the adapters of several workers in one process: what a recovering client receives.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import { IpcAdapter } from "../../../lib/adapters/ipc-adapter.ts";
import { Hub } from "../../../lib/cluster/hub.ts";
import { Link } from "../../../lib/cluster/link.ts";
import type { FromHub, SessionRecord, ToHub } from "../../../lib/cluster/messages.ts";
import { formatOffset, parseOffset } from "../../../lib/cluster/offset.ts";
import type { Outgoing } from "../../../lib/engineio/outgoing.ts";
import type { Untyped } from "../../../lib/events/emitter.ts";
import type { Member, RestoredSession } from "../../../lib/socketio/adapter.ts";
import { EVERYBODY } from "../../../lib/socketio/broadcast.ts";
import { includes, type RecoveryLimits } from "../../../lib/socketio/recovery-store.ts";
import { EVENT } from "../../../protocol/socketio/packet.ts";
import { Host } from "../../support/bus.ts";
import { turn, until } from "../../support/net.ts";

const LIMITS: RecoveryLimits = {
  sessionDuration: 60_000,
  packetDuration: 60_000,
  maxSessions: 100,
  maxPackets: 100,
  maxBytes: 1_000_000,
  maxReplay: 1_000_000,
};

/** A namespace whose sockets can be recovered. */
class RecoverableHost extends Host {
  readonly returned: string[] = [];

  /** Adds a socket with the private session id `pid` at an offset, by default the offset of the adapter. */
  connect(adapter: IpcAdapter, id: string, pid: string, offset = adapter.offset): Member {
    void this.add(id);
    const added = this.sockets.get(id);
    if (added === undefined) throw new Error("no socket");
    const data = { name: id };
    const member: Member = {
      ...added,
      data,
      get rooms() {
        return new Set(adapter.socketRooms(id));
      },
      get recoverableSession() {
        return { sid: id, pid, rooms: new Set(adapter.socketRooms(id)), data, offset };
      },
    };
    this.sockets.set(id, member);
    return member;
  }

  onReturned(pid: string): void {
    this.returned.push(pid);
  }
}

class Node {
  readonly number: number;
  readonly host = new RecoverableHost();
  readonly link: Link;
  readonly adapter: IpcAdapter;
  /** The messages in both directions that wait while the node is paused. `undefined` if the node is not paused. */
  held: { readonly up: ToHub[]; readonly down: FromHub[] } | undefined;

  constructor(hub: Hub, number: number, limits = LIMITS) {
    this.number = number;
    this.link = new Link(number, (items) => {
      const copy = structuredClone([...items]);
      if (this.held === undefined) hub.receive(number, copy);
      else this.held.up.push(...copy);
    });
    hub.add(number, (items) => {
      const copy = structuredClone([...items]);
      if (this.held === undefined) this.link.receive(copy);
      else this.held.down.push(...copy);
    });
    this.adapter = new IpcAdapter(this.host, this.link, limits);
    this.host.use(this.adapter);
    void this.adapter.init();
  }

  emit(...data: [string, ...unknown[]]): void {
    this.adapter.broadcast({ type: EVENT, namespace: "/", data }, EVERYBODY);
  }

  /** Sends an event to one of this node's sockets. */
  emitTo(id: string, ...data: [string, ...unknown[]]): void {
    const member = this.host.sockets.get(id);
    assert.ok(member !== undefined);
    this.adapter.emitTo(member, { type: EVENT, namespace: "/", data }, {});
  }

  /** Returns the events that a socket has received, without the offsets. */
  heard(id: string): unknown[] {
    return this.host.received.filter(([to]) => to === id).map((event) => event.slice(2, -1)[0]);
  }

  /** Returns the offset that the client of a socket has received. */
  offsetOf(id: string): string {
    return String(this.host.received.findLast(([to]) => to === id)?.at(-1));
  }

  /** Disconnects a socket, and keeps its session for recovery. */
  lose(id: string): void {
    const session = this.host.sockets.get(id)?.recoverableSession;
    if (session === undefined) throw new Error("no session");
    this.adapter.persistSession(session);
    this.adapter.delAll(id);
    this.host.sockets.delete(id);
  }

  /** Recovers a session on this node. Returns the values that the client has missed, or the reason of the failure. */
  async restore(pid: string, offset?: string): Promise<readonly unknown[] | string> {
    const restored = await this.adapter.restoreSession(pid, offset);
    return typeof restored === "string" ? restored : this.join(restored, pid);
  }

  /** Lets a client join after the middleware has run. Returns the values that the client has missed. */
  join(session: RestoredSession, pid: string): readonly unknown[] | string {
    const missed = this.adapter.endRecovery(session);
    if (missed === undefined) return "too much";
    this.host.connect(this.adapter, session.sid, pid, session.offset);
    return valuesOf(missed);
  }
}

/** The first argument of each event. */
function valuesOf(messages: readonly Outgoing[]): unknown[] {
  return messages.map((message) => eventOf(message)[1]);
}

function eventOf({ packets }: Outgoing): unknown[] {
  return JSON.parse(`${packets[0]}`.replace(/^42/, ""));
}

let hub = new Hub();
let nodes: Node[] = [];
function start(count: number, limits = LIMITS): Node[] {
  nodes = Array.from({ length: count }, (_, index) => new Node(hub, index + 1, limits));
  return nodes;
}
afterEach(async () => {
  for (const { adapter } of nodes) void adapter.close();
  await turn();
  hub.close();
  hub = new Hub();
});

/** Starts two nodes that know each other, and connects a client "a" to the first node. */
async function two(limits = LIMITS): Promise<[Node, Node]> {
  const [one, other] = start(2, limits);
  if (one === undefined || other === undefined) throw new Error("two nodes");
  await until(() => one.adapter.stats().nodes.length === 1);
  one.host.connect(one.adapter, "a", "pid");
  await turn();
  return [one, other];
}

test("emitting an event that cannot be encoded for clients throws, and other workers emit an error event", async () => {
  const [one, other] = await two();
  const errors: Error[] = [];
  other.adapter.on("error", (error) => errors.push(error));
  other.host.connect(other.adapter, "b", "other pid");
  await turn();
  one.emit("event", 1);
  await turn();
  const offset = other.offsetOf("b");
  // MessagePack can encode this value, but JSON cannot.
  assert.throws(() => one.emit("event", 2n ** 60n + 1n), TypeError);
  await until(() => errors.length === 1);
  other.lose("b");
  await turn();
  one.emit("event", 2);
  assert.deepEqual(await other.restore("other pid", offset), [2]);
  assert.equal(errors.length, 2);
  assert.deepEqual(one.heard("a"), [1, 2]);
});

describe("offsets of a cluster", () => {
  test("are formatted and parsed, and invalid offsets are rejected", () => {
    for (const offset of [
      { worker: 0, sequence: 0, index: 0 },
      { worker: 4095, sequence: 2 ** 53 - 1, index: 35 },
    ]) {
      assert.deepEqual(parseOffset(formatOffset(offset)), offset);
    }
    for (const text of ["", "1", "1.2", "1.2.3.4", "-1.2.3", "1.2.x!", "01.2.3", "1.2.3 ", "A.1.1"])
      assert.equal(parseOffset(text), undefined, text);
  });

  test("include an event of the client's worker by its sequence number, and any other event by its index in the primary", () => {
    const offset = { worker: 1, sequence: 5, index: 10 };
    assert.ok(includes(offset, { worker: 2, sequence: 99, index: 10 }));
    assert.ok(!includes(offset, { worker: 2, sequence: 1, index: 11 }));
    assert.ok(includes(offset, { worker: 1, sequence: 5, index: 99 }));
    assert.ok(!includes(offset, { worker: 1, sequence: 6, index: 11 }));
  });
});

describe("a client that reconnects to another worker", () => {
  test("receives the missed events of all workers once and in order", async () => {
    const [one, other] = await two();
    one.emit("event", 1);
    other.emit("event", 2);
    one.emitTo("a", "event", 3);
    await turn();
    assert.deepEqual(one.heard("a").sort(), [1, 2, 3]);
    const offset = one.offsetOf("a");
    one.lose("a");
    one.emit("event", 4);
    other.emit("event", 5);
    await turn();
    one.emit("event", 6);
    assert.deepEqual(await other.restore("pid", offset), [4, 5, 6]);
    one.emit("event", 7);
    other.emit("event", 8);
    await turn();
    assert.deepEqual(other.heard("a").sort(), [7, 8]);
  });

  test("receives the events that were in transit when its worker was killed, and keeps its rooms and data", async () => {
    const [one, other] = await two();
    one.emitTo("a", "event", 1);
    await turn();
    const offset = one.offsetOf("a");
    void one.adapter.addAll("a", new Set(["room"]));
    // These events reach the primary, but not the client.
    one.emitTo("a", "event", 2);
    one.emit("event", 3);
    one.emitTo("a", "event", 4);
    one.link.flush();
    await turn();
    hub.remove(1);
    const restored = await other.adapter.restoreSession("pid", offset);
    if (typeof restored === "string") throw new Error(restored);
    assert.deepEqual(valuesOf(restored.missed), [2, 3, 4]);
    assert.deepEqual([...restored.rooms].sort(), ["a", "room"]);
    assert.deepEqual(restored.data, { name: "a" });
  });

  test("misses no event that is sent while the session is being restored", async () => {
    const [one, other] = await two();
    one.emit("event", 1);
    await turn();
    const offset = one.offsetOf("a");
    one.lose("a");
    await turn();
    other.held = { up: [], down: [] };
    other.emit("event", 2);
    const restoring = other.adapter.restoreSession("pid", offset);
    other.emit("event", 3);
    await turn();
    const { up } = other.held;
    one.emit("event", 4);
    await turn();
    hub.receive(2, up);
    one.emit("event", 5);
    await turn();
    const { down } = other.held;
    other.held = undefined;
    other.link.receive(down);
    other.emit("event", 6);
    const restored = await restoring;
    if (typeof restored === "string") throw new Error(restored);
    // This event is emitted while middleware still runs.
    one.emit("event", 7);
    await turn();
    const missed = other.join(restored, "pid");
    other.emit("event", 8);
    // The events that the primary had numbered before it answered restoreSession() come first. The events that the node
    // `other` received meanwhile follow.
    assert.deepEqual(missed, [4, 2, 3, 5, 6, 7]);
    assert.deepEqual(other.heard("a"), [8]);
  });

  test("cannot join if more than maxReplay bytes are sent while middleware runs", async () => {
    const [one, other] = await two({ ...LIMITS, maxReplay: 50_000 });
    one.lose("a");
    await turn();
    const restored = await other.adapter.restoreSession("pid");
    if (typeof restored === "string") throw new Error(restored);
    for (let count = 0; count < 10; count++) one.emit("event", "x".repeat(10_000));
    await turn();
    assert.equal(other.join(restored, "pid"), "too much");
    other.adapter.persistSession(restored);
    await turn();
    assert.equal(await one.restore("pid"), "packets dropped");
  });

  test("misses no event if middleware joins a room and the worker then exits", async () => {
    const [one, other] = await two();
    one.lose("a");
    await turn();
    const restored = await other.adapter.restoreSession("pid");
    if (typeof restored === "string") throw new Error(restored);
    void other.adapter.addAll("a", new Set(["early"]));
    one.emit("event", 1);
    await turn();
    hub.remove(2);
    assert.deepEqual(await one.restore("pid"), [1]);
  });

  test("receives the remaining events if it disconnects again during the replay", async () => {
    const [one, other] = await two();
    one.emit("event", 1);
    await turn();
    const offset = one.offsetOf("a");
    one.lose("a");
    for (const value of [2, 3, 4]) {
      one.emit("event", value);
      other.emit("event", value * 10);
      await turn();
    }
    const restored = await other.adapter.restoreSession("pid", offset);
    if (typeof restored === "string") throw new Error(restored);
    const all = valuesOf(restored.missed);
    assert.deepEqual(all, [2, 20, 3, 30, 4, 40]);
    for (const [at, message] of restored.missed.entries()) {
      other.join(restored, "pid");
      other.lose("a");
      await turn();
      const last = String(eventOf(message).at(-1));
      assert.deepEqual(await one.restore("pid", last), all.slice(at + 1), `after ${all[at]}`);
      one.lose("a");
      await turn();
      await other.adapter.restoreSession("pid", last);
    }
  });

  test("does not receive again events that its previous worker sent to this client only", async () => {
    const [one, other] = await two();
    one.emitTo("a", "event", 1);
    const before = one.offsetOf("a");
    one.lose("a");
    assert.deepEqual(await other.restore("pid", before), []);
    other.emitTo("a", "event", 2);
    const offset = other.offsetOf("a");
    other.lose("a");
    assert.deepEqual(await one.restore("pid", offset), []);
  });

  test("recovers a session only once, and not after it has left the namespace", async () => {
    const [one, other] = await two();
    one.lose("a");
    await turn();
    assert.deepEqual(await other.restore("pid"), []);
    other.adapter.delAll("a");
    other.host.sockets.delete("a");
    await turn();
    assert.equal(await one.restore("pid"), "unknown session");
  });

  test("recovers again if the worker exits before the client joined, but not after middleware rejected it", async () => {
    const [one, other] = await two();
    one.emit("event", 1);
    const offset = one.offsetOf("a");
    one.lose("a");
    one.emit("event", 2);
    await turn();
    const refused = await other.adapter.restoreSession("pid", offset);
    assert.ok(typeof refused === "object");
    hub.remove(2);
    assert.deepEqual(await one.restore("pid", offset), [2]);
    one.lose("a");
    await turn();
    const restored = await one.adapter.restoreSession("pid", offset);
    assert.ok(typeof restored === "object");
    // The server makes these two calls when middleware has rejected a recovering client.
    one.adapter.endRecovery(restored);
    one.adapter.delAll("a");
    await turn();
    hub.remove(1);
    const third = new Node(hub, 3);
    nodes.push(third);
    assert.equal(await third.restore("pid", offset), "unknown session");
  });

  test("makes its previous worker end the old connection first", async () => {
    const [one, other] = await two();
    const restoring = other.restore("pid");
    await turn();
    assert.deepEqual(one.host.returned, ["pid"]);
    one.emit("event", 1);
    one.lose("a");
    assert.deepEqual(await restoring, [1]);
  });

  test("starts a new session if the offset is invalid, or if more than maxPackets events were sent", async () => {
    const [one, other] = await two({ ...LIMITS, maxPackets: 2 });
    for (const offset of ["", "x", "1.1.1000"]) {
      one.lose("a");
      await turn();
      assert.equal(await other.restore("pid", offset), "unknown offset");
      one.host.connect(one.adapter, "a", "pid");
      await turn();
    }
    one.emit("event", 1);
    await turn();
    const offset = one.offsetOf("a");
    one.lose("a");
    for (const value of [2, 3]) one.emit("event", value);
    await turn();
    assert.deepEqual(await other.restore("pid", offset), [2, 3]);
    other.lose("a");
    for (const value of [4, 5, 6]) one.emit("event", value);
    await turn();
    assert.equal(await one.restore("pid", offset), "packets dropped");
  });

  test("recovers if events beyond maxPackets were sent only before it disconnected", async () => {
    const [one, other] = await two({ ...LIMITS, maxPackets: 2 });
    for (const value of [1, 2, 3, 4, 5]) one.emit("event", value);
    await turn();
    const offset = one.offsetOf("a");
    one.lose("a");
    one.emit("event", 6);
    await turn();
    assert.deepEqual(await other.restore("pid", offset), [6]);
  });

  test("starts a new session if it has missed more than maxReplay bytes", async () => {
    const [one, other] = await two({ ...LIMITS, maxReplay: 2_300 });
    one.host.connect(one.adapter, "b", "pid of b");
    await turn();
    for (const id of ["a", "b"]) one.lose(id);
    for (const value of [1, 2, 3]) one.emit("event", value, "x".repeat(400));
    await turn();
    assert.deepEqual(await other.restore("pid"), [1, 2, 3]);
    one.emit("event", 4, "x".repeat(400));
    await turn();
    assert.equal(await other.restore("pid of b"), "packets dropped");
    assert.equal(await other.restore("pid of b"), "unknown session");
  });

  test("starts a new session if the missed events exceed maxReplay only in their JSON encoding", async () => {
    const [one, other] = await two({ ...LIMITS, maxReplay: 3_500 });
    one.lose("a");
    // JSON encodes each of these characters as six characters, so the event has more than 6,000 bytes.
    one.emit("event", "\u0001".repeat(1_000));
    await turn();
    assert.equal(await other.restore("pid"), "packets dropped");
    assert.equal(await one.restore("pid"), "unknown session");
    assert.deepEqual(other.host.returned, []);
  });

  test("receives missed events that its previous worker emitted with `local`, but not those of other workers", async () => {
    const [one, other] = await two();
    other.host.connect(other.adapter, "b", "pid of b");
    await turn();
    const local = { ...EVERYBODY, flags: { local: true } };
    one.lose("a");
    other.lose("b");
    one.adapter.broadcast({ type: EVENT, namespace: "/", data: ["event", 1] }, local);
    await turn();
    assert.deepEqual(await other.restore("pid of b"), []);
    assert.deepEqual(await other.restore("pid"), [1]);
  });

  test("keeps the parts of its data that can be cloned", async () => {
    const [one, other] = await two();
    const member = one.host.sockets.get("a");
    Object.assign(member?.data, { map: new Map([[1, 2]]), callback: () => {}, when: new Date(5) });
    one.lose("a");
    await turn();
    const restored = await other.adapter.restoreSession("pid");
    if (typeof restored === "string") throw new Error(restored);
    assert.deepEqual(restored.data, { name: "a", map: new Map([[1, 2]]), when: new Date(5) });
  });
});

describe("memory for recovery in the primary", () => {
  const session = (pid: string, address: string, length = 0): SessionRecord => {
    return {
      sid: `id of ${pid}`,
      pid,
      rooms: [`id of ${pid}`],
      data: new Uint8Array(length),
      offset: "0.0.0",
      address,
    };
  };
  const said: FromHub[] = [];
  let requests = 0;

  /** Sends items from the worker to the hub. */
  function say(...items: ToHub[]): void {
    hub.receive(1, items);
  }

  function startWorker(limits: Partial<RecoveryLimits>, ...namespaces: string[]): void {
    said.length = 0;
    hub.add(1, (items) => said.push(...items));
    const recovery = { ...LIMITS, ...limits };
    for (const nsp of namespaces) say({ type: "join", nsp, node: "node", recovery });
  }

  function emit(nsp: string, sequence: number, rooms: string[], length: number): void {
    const kept = { sequence, rooms, except: [], local: false };
    say({ type: "keep", nsp, body: new Uint8Array(length), kept });
  }

  /** Returns how many packets a client has missed, or why the client must start a new session. */
  function claim(nsp: string, pid: string): number | string {
    const request = requests++;
    say({ type: "claim", nsp, request, pid, offset: undefined });
    const item = said.findLast((each) => each.type === "claimed" && each.request === request);
    if (item?.type !== "claimed") return "no answer";
    return typeof item.result === "string" ? item.result : item.result.missed.length;
  }

  test("is limited for all namespaces together, and a busy namespace does not displace another's packets", () => {
    startWorker({ maxBytes: 20_000 }, "/busy", "/quiet");
    for (const nsp of ["/busy", "/quiet"]) say({ type: "persist", nsp, session: session(nsp, "") });
    emit("/quiet", 1, [], 100);
    for (let sequence = 2; sequence < 100; sequence++) emit("/busy", sequence, [], 5_000);
    assert.equal(claim("/busy", "/busy"), "packets dropped");
    assert.equal(claim("/quiet", "/quiet"), 1);
  });

  test("used by one address does not displace the packets or sessions of other addresses", () => {
    startWorker({ maxBytes: 20_000, maxSessions: 10 }, "/");
    say({ type: "socket", nsp: "/", session: session("honest", "1.1.1.1") });
    say({ type: "persist", nsp: "/", session: session("honest", "1.1.1.1") });
    emit("/", 1, ["id of honest"], 1_000);
    for (let count = 0; count < 20; count++) {
      say({ type: "socket", nsp: "/", session: session(`${count}`, "2.2.2.2") });
      emit("/", 2 + count, [`id of ${count}`], 1_000);
      say({ type: "persist", nsp: "/", session: session(`${count}`, "2.2.2.2") });
    }
    assert.equal(claim("/", "0"), "unknown session");
    assert.equal(claim("/", "19"), 1);
    assert.equal(claim("/", "honest"), 1);
  });

  test("is limited for the data of connected sockets; sockets beyond the limit do not recover after a crash", () => {
    startWorker({ maxBytes: 20_000 }, "/a", "/b");
    say({ type: "socket", nsp: "/a", session: session("honest", "1.1.1.1", 1_000) });
    for (let count = 0; count < 20; count++) {
      const nsp = count % 2 === 0 ? "/a" : "/b";
      say({ type: "socket", nsp, session: session(`${count}`, "2.2.2.2", 2_000) });
    }
    hub.remove(1);
    startWorker({});
    assert.equal(claim("/a", "honest"), 0);
    assert.equal(claim("/a", "0"), "unknown session");
    assert.equal(claim("/b", "19"), 0);
  });

  test("counts packets for the address of a socket even if the socket is beyond the limit", () => {
    startWorker({ maxBytes: 20_000 }, "/");
    say({ type: "persist", nsp: "/", session: session("honest", "1.1.1.1") });
    emit("/", 1, ["id of honest"], 1_000);
    for (let count = 0; count < 40; count++)
      say({ type: "socket", nsp: "/", session: session(`${count}`, "2.2.2.2", 15_000) });
    for (let count = 0; count < 40; count++) emit("/", 2 + count, [`id of ${count}`], 1_000);
    assert.equal(claim("/", "honest"), 1);
    say({ type: "persist", nsp: "/", session: session("39", "2.2.2.2") });
    assert.equal(claim("/", "39"), 1);
  });

  test("has one record for a connected socket that joins rooms repeatedly", () => {
    startWorker({ maxBytes: 20_000 }, "/");
    say({ type: "socket", nsp: "/", session: session("other", "1.1.1.1") });
    for (let count = 0; count < 100; count++)
      say({ type: "socket", nsp: "/", session: session("a", "2.2.2.2", 10_000) });
    hub.remove(1);
    startWorker({});
    for (const pid of ["other", "a"]) assert.equal(claim("/", pid), 0);
  });
});

test("a room that is a symbol, a function or an object is not restored in another worker, and events from another worker to such a room reach no client", async () => {
  const [one, other] = await two();
  const rooms: Untyped[] = [Symbol("room"), () => {}, {}, 5, null, "text"];
  const errors: Error[] = [];
  for (const { adapter } of [one, other]) adapter.on("error", (error) => errors.push(error));
  void one.adapter.addAll("a", new Set(rooms));
  await turn();
  const offset = one.adapter.offset;
  for (const room of rooms) {
    const packet = { type: EVENT, namespace: "/", data: ["event", typeof room] } as const;
    other.adapter.broadcast(packet, { ...EVERYBODY, rooms: new Set([room]) });
  }
  for (const room of rooms) {
    const packet = { type: EVENT, namespace: "/", data: ["event", "except"] } as const;
    other.adapter.broadcast(packet, { ...EVERYBODY, except: new Set([room]) });
  }
  await turn();
  one.lose("a");
  await turn();
  const restored = await other.adapter.restoreSession("pid", offset);
  assert.ok(typeof restored !== "string");
  // A symbol cannot be sent to other processes, so it causes one error in `rooms` and one error in `except`.
  const error = "TypeError: a symbol cannot be encoded";
  assert.deepEqual(errors.map(String), [error, error]);
  assert.deepEqual(restored.rooms, new Set(["a", 5, null, "text"]));
  const excepts = ["except", "except"];
  assert.deepEqual(valuesOf(restored.missed), ["number", "object", "string", ...excepts]);
});
