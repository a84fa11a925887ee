// Tests the store of sessions and packets for disconnected clients that may recover. All namespaces share its limits.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  type Offset,
  RecoveryBounds,
  type RecoveryLimits,
  RecoveryStore,
  type StoredPacket,
  type StoredSession,
} from "../../../lib/socketio/recovery-store.ts";
import { Clock } from "../../support/clock.ts";

const LIMITS: RecoveryLimits = {
  sessionDuration: 1000,
  packetDuration: 1500,
  maxSessions: 100,
  maxPackets: 100,
  maxBytes: 100_000,
  maxReplay: 100_000,
};

function offsetOf(text: string): Offset | undefined {
  const index = Number(text);
  return Number.isNaN(index) ? undefined : { worker: 0, sequence: index, index };
}

/** The namespaces of one server. Their packets are numbers. */
class Namespaces {
  readonly #bounds: RecoveryBounds;
  readonly #stores = new Map<string, RecoveryStore<StoredSession, StoredPacket>>();
  /** The addresses of the connected sockets, by id. */
  readonly addresses = new Map<string, string>();
  #index = 0;

  constructor(limits: Partial<RecoveryLimits> = {}) {
    this.#bounds = new RecoveryBounds({ ...LIMITS, ...limits });
  }

  of(name = "/"): RecoveryStore<StoredSession, StoredPacket> {
    const store =
      this.#stores.get(name) ??
      new RecoveryStore(name, this.#bounds, offsetOf, (id) => this.addresses.get(id));
    this.#stores.set(name, store);
    return store;
  }

  /** Disconnects a client, and stores its session. `pid` is used as both its public and its private session id. */
  lose(
    pid: string,
    { name = "/", rooms = [] as readonly string[], address = "", size = 100 } = {},
  ): void {
    const session = { sid: pid, pid, rooms: [pid, ...rooms], offset: `${this.#index}`, address };
    this.of(name).keep(session, size);
  }

  emit(
    rooms: readonly string[],
    { name = "/", size = 100, except = [] as readonly string[] } = {},
  ): void {
    const index = ++this.#index;
    const place = { worker: 0, sequence: index, index };
    this.of(name).add({ ...place, rooms, except, local: false, size, length: size });
  }

  /** Recovers a client. Returns the numbers of the missed packets, or the reason for the failure. */
  recover(pid: string, name = "/"): readonly number[] | string {
    const recovered = this.of(name).recover(pid, undefined, this.#index);
    return typeof recovered === "string" ? recovered : recovered.missed.map(({ index }) => index);
  }
}

describe("sessions", () => {
  test("stored sessions are limited in number and bytes, for all namespaces together", () => {
    for (const limits of [{ maxSessions: 3 }, { maxBytes: 300 }]) {
      const all = new Namespaces(limits);
      for (const name of ["/a", "/b", "/c", "/d"]) all.lose(name, { name });
      assert.equal(all.recover("/a", "/a"), "unknown session");
      for (const name of ["/b", "/c", "/d"]) assert.deepEqual(all.recover(name, name), []);
    }
  });

  test("of one address do not displace sessions of other addresses", () => {
    const all = new Namespaces({ maxSessions: 10 });
    all.lose("honest", { address: "1.1.1.1" });
    for (let count = 0; count < 100; count++) {
      all.lose(`${count}`, { address: "2.2.2.2", name: `/${count % 5}` });
    }
    assert.deepEqual(all.recover("honest"), []);
    assert.equal(all.recover("0", "/0"), "unknown session");
    assert.deepEqual(all.recover("99", "/4"), []);
  });

  test("replace the earlier session of the same client", () => {
    const all = new Namespaces({ maxSessions: 2 });
    all.lose("a");
    all.lose("b");
    all.lose("b");
    assert.equal(all.of().sessionCount, 2);
    assert.deepEqual(all.recover("a"), []);
  });
});

describe("packets", () => {
  test("stored packets are limited in number and bytes, for all namespaces together", () => {
    for (const limits of [{ maxPackets: 3 }, { maxBytes: 300 }]) {
      const all = new Namespaces(limits);
      for (const name of ["/a", "/b"]) all.lose(name, { name });
      all.emit([], { name: "/a" });
      all.emit([], { name: "/a" });
      all.emit([], { name: "/b" });
      all.emit([], { name: "/b" });
      assert.equal(all.recover("/a", "/a"), "packets dropped");
      assert.deepEqual(all.recover("/b", "/b"), [3, 4]);
    }
  });

  test("for the many sockets of one address do not displace packets for other sockets", () => {
    const all = new Namespaces({ maxBytes: 5_000, maxPackets: 1000, maxSessions: 1000 });
    all.lose("honest", { address: "1.1.1.1", rooms: ["room"] });
    all.emit(["honest"]);
    all.emit(["room"], { size: 500 });
    all.emit([], { size: 500 });
    for (let count = 0; count < 100; count++) {
      all.addresses.set(`connected${count}`, "2.2.2.2");
      all.emit([`connected${count}`]);
      all.lose(`gone${count}`, { address: "2.2.2.2", size: 10 });
      all.emit([`gone${count}`]);
    }
    assert.deepEqual(all.recover("honest"), [1, 2, 3]);
    assert.equal(all.recover("gone0"), "packets dropped");
    assert.deepEqual(all.recover("gone99"), [203]);
  });

  test("for one room do not displace packets for other rooms", () => {
    const all = new Namespaces({ maxPackets: 10 });
    all.lose("a", { rooms: ["quiet"] });
    all.lose("b", { rooms: ["busy"] });
    all.emit(["quiet"]);
    for (let count = 0; count < 50; count++) all.emit(["busy"]);
    all.emit(["quiet"]);
    assert.deepEqual(all.recover("a"), [1, 52]);
    assert.equal(all.recover("b"), "packets dropped");
  });

  test("for several rooms or for all clients prevent every recovery after they are dropped", () => {
    for (const rooms of [[], ["b", "c"]]) {
      const all = new Namespaces({ maxPackets: 2 });
      all.lose("a");
      for (let count = 0; count < 3; count++) all.emit(rooms);
      assert.equal(all.recover("a"), "packets dropped");
    }
  });

  test("for one room are kept up to maxReplay bytes", () => {
    const all = new Namespaces({ maxReplay: 250 });
    all.lose("a");
    for (let count = 0; count < 100; count++) all.emit(["a"]);
    assert.equal(all.of().packetCount, 2);
    assert.equal(all.recover("a"), "packets dropped");
    all.lose("b");
    all.emit(["b"], { size: 251 });
    assert.equal(all.of().packetCount, 2);
    assert.equal(all.recover("b"), "packets dropped");
  });

  test("of more than maxReplay bytes prevent the recovery of a client", () => {
    const all = new Namespaces({ maxReplay: 250 });
    for (const pid of ["a", "b", "c"]) all.lose(pid, { rooms: ["room"] });
    all.emit([]);
    all.emit(["room"]);
    assert.deepEqual(all.recover("a"), [1, 2]);
    all.emit([], { except: ["c"] });
    assert.equal(all.recover("b"), "packets dropped");
    assert.equal(all.recover("b"), "unknown session");
    assert.deepEqual(all.recover("c"), [1, 2]);
  });

  test("are sent once each and in order, whatever their rooms", () => {
    const all = new Namespaces();
    all.lose("a", { rooms: ["x", "y"] });
    for (const rooms of [["y"], ["x"], [], ["a"], ["x", "y"], ["z"], ["x"], ["z", "w"]]) {
      all.emit(rooms);
    }
    assert.deepEqual(all.recover("a"), [1, 2, 3, 4, 5, 7]);
  });
});

describe("dropped packets", () => {
  test("no longer prevent a recovery after the time at which they would have expired", (context) => {
    const clock = new Clock(context);
    const all = new Namespaces({ maxPackets: 1 });
    all.emit([]);
    all.emit([]);
    const session = { sid: "a", pid: "a", rooms: ["a"], offset: "0" };
    all.of().keep(session, 100);
    assert.equal(all.recover("a"), "packets dropped");
    clock.tick(1500);
    all.of().keep(session, 100);
    assert.deepEqual(all.recover("a"), []);
    assert.equal(clock.timers, 0);
  });

  test("are tracked by room up to a limit, beyond which they prevent every recovery", () => {
    const all = new Namespaces({ maxPackets: 0, maxSessions: 10 });
    all.lose("a");
    for (let count = 0; count < 10; count++) all.emit([`${count}`]);
    assert.deepEqual(all.recover("a"), []);
    all.of().keep({ sid: "a", pid: "a", rooms: ["a"], offset: "0" }, 100);
    all.emit(["10"]);
    assert.equal(all.recover("a"), "packets dropped");
  });

  test("for the sockets of one address do not prevent the recovery of other addresses", () => {
    const all = new Namespaces({ maxPackets: 20, maxSessions: 10 });
    all.lose("same", { address: "2.2.2.2" });
    all.lose("honest", { address: "1.1.1.1", rooms: ["room"] });
    all.emit(["room"]);
    // Each socket disconnects at once and does not recover. Its packets count towards its address, and are then
    // dropped.
    for (let count = 0; count < 1000; count++) {
      const id = `${count}`;
      all.addresses.set(id, "2.2.2.2");
      all.emit([id], { name: count % 2 === 0 ? "/" : "/other" });
      all.addresses.delete(id);
    }
    assert.deepEqual(all.recover("honest"), [1]);
    assert.equal(all.recover("same"), "packets dropped");
  });

  test("for the sockets of one address prevent the recovery of sessions that may be in their rooms", () => {
    const id = (count: number): string => `${count}`.padStart(20, "x");
    // biome-ignore format: table
    const SESSIONS: readonly [room: string, address: string, isConnected: boolean, recovers: boolean][] = [
      [id(0), "1.1.1.1", false, false],
      [`/nsp#${id(0)}`, "1.1.1.1", false, false],
      [id(0), "1.1.1.1", true, false],
      ["room", "1.1.1.1", true, true],
      ["room", "2.2.2.2", true, false],
    ];
    for (const [room, address, isConnected, recovers] of SESSIONS) {
      const all = new Namespaces({ maxPackets: 0, maxSessions: 10 });
      all.lose("a", { address, rooms: [room] });
      for (let count = 0; count < 100; count++) {
        all.addresses.set(id(count), "2.2.2.2");
        all.emit([id(count)]);
        if (!isConnected) all.addresses.delete(id(count));
      }
      const result = recovers ? [] : "packets dropped";
      assert.deepEqual(all.recover("a"), result, `${room} ${address} ${isConnected}`);
    }
  });

  test("for the sockets of too many addresses prevent every recovery", () => {
    const all = new Namespaces({ maxPackets: 0, maxSessions: 10 });
    all.lose("a", { address: "1.1.1.1" });
    const loseOf = (from: number, to: number): void => {
      for (let count = from; count < to; count++) {
        all.addresses.set(`${count}`, `address ${count}`);
        all.emit([`${count}`]);
      }
    };
    loseOf(0, 20);
    assert.deepEqual(all.recover("a"), []);
    all.of().keep({ sid: "a", pid: "a", rooms: ["a"], offset: "0", address: "1.1.1.1" }, 100);
    loseOf(20, 21);
    assert.equal(all.recover("a"), "packets dropped");
  });

  test("for a session that is no longer kept prevent no recovery", () => {
    const all = new Namespaces({ maxPackets: 0, maxSessions: 10 });
    all.lose("a", { address: "1.1.1.1" });
    for (let count = 0; count < 100; count++) {
      all.lose(`${count}`, { address: "2.2.2.2" });
      all.emit([`${count}`]);
    }
    assert.deepEqual(all.recover("a"), []);
  });
});

test("close() removes all sessions, packets and timers of a store", (context) => {
  const clock = new Clock(context);
  const all = new Namespaces({ maxPackets: 1 });
  all.lose("a");
  for (const rooms of [["a"], [], ["b"]]) all.emit(rooms);
  assert.notEqual(clock.timers, 0);
  all.of().close();
  assert.deepEqual([all.of().sessionCount, all.of().packetCount, clock.timers], [0, 0, 0]);
});
