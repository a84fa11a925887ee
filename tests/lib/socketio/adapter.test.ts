// Tests which members of rooms receive a broadcast. The members are ids without sockets.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Adapter, type BroadcastOptions, type Member } from "../../../lib/socketio/adapter.ts";
import { encodePacket } from "../../../lib/socketio/codec.ts";
import type { Handshake } from "../../../lib/socketio/handshake.ts";
import { EVENT, type Packet } from "../../../protocol/socketio/packet.ts";
import { Random, seed } from "../../support/random.ts";

const PACKET: Packet = { type: EVENT, namespace: "/", data: ["x"], id: undefined };

const HANDSHAKE: Handshake = {
  headers: {},
  time: "",
  issued: 0,
  address: "",
  xdomain: false,
  secure: false,
  url: "",
  query: {},
  auth: {},
};

interface Setting {
  readonly adapter: Adapter;
  readonly encoded: () => number;
  /** Broadcasts an event. Returns the ids of the receivers in order. */
  send(options: Partial<BroadcastOptions>): string[];
}

function start(ids: readonly string[]): Setting {
  let encodings = 0;
  let log: string[] = [];
  const sockets = new Map<string, Member>(ids.map((id) => [id, member(id)]));
  function member(id: string): Member {
    return {
      id,
      handshake: HANDSHAKE,
      rooms: new Set(),
      data: {},
      deliver: (_message, volatile) => log.push(volatile ? `${id}?` : id),
      notifyOutgoingListeners: () => {},
      awaitAck: () => {},
      forgetAck: () => {},
      join: () => {},
      leave: () => {},
      disconnect: () => {},
    };
  }
  const adapter = new Adapter({
    name: "/",
    sockets,
    encode: (packet, compress) => {
      encodings++;
      return encodePacket(packet, compress);
    },
    nextAckId: () => 0,
    onServerSideEmit: () => {},
    maxDisconnectionDuration: undefined,
  });
  for (const id of ids) adapter.addAll(id, new Set([id]));
  return {
    adapter,
    encoded: () => encodings,
    send: (options) => {
      log = [];
      const empty = new Set<string>();
      adapter.broadcast(PACKET, { rooms: empty, except: empty, flags: {}, ...options });
      return log;
    },
  };
}

describe("Adapter", () => {
  test("sends a packet once to each member of the given rooms, or to all sockets, except members of excluded rooms", () => {
    const { adapter, send } = start(["a", "b", "c", "d"]);
    adapter.addAll("a", new Set(["x"]));
    adapter.addAll("b", new Set(["x", "y"]));
    adapter.addAll("c", new Set(["y"]));
    const rooms = (...names: string[]): Set<string> => new Set(names);
    assert.deepEqual(send({}), ["a", "b", "c", "d"]);
    assert.deepEqual(send({ rooms: rooms("x") }), ["a", "b"]);
    assert.deepEqual(send({ rooms: rooms("x", "y") }), ["a", "b", "c"]);
    assert.deepEqual(send({ rooms: rooms("x", "y"), except: rooms("x") }), ["c"]);
    assert.deepEqual(send({ except: rooms("x", "d") }), ["c"]);
    assert.deepEqual(send({ rooms: rooms("nowhere") }), []);
    assert.deepEqual(send({ rooms: rooms("a"), except: rooms("a") }), []);
    assert.deepEqual(send({ flags: { volatile: true } }), ["a?", "b?", "c?", "d?"]);
  });

  test("encodes a packet once for all receivers, and not at all without receivers", () => {
    const { send, encoded } = start(["a", "b", "c"]);
    send({});
    assert.equal(encoded(), 1);
    send({ rooms: new Set(["nowhere"]) });
    assert.equal(encoded(), 1);
  });

  test("tracks the rooms of each id, and removes empty rooms", () => {
    const { adapter } = start(["a"]);
    adapter.addAll("a", new Set(["x", "y"]));
    assert.deepEqual(adapter.socketRooms("a"), new Set(["a", "x", "y"]));
    adapter.del("a", "x");
    adapter.del("a", "x");
    adapter.del("nobody", "x");
    assert.equal(adapter.rooms.has("x"), false);
    adapter.delAll("a");
    adapter.delAll("a");
    assert.equal(adapter.rooms.size, 0);
    assert.equal(adapter.sids.size, 0);
    assert.equal(adapter.socketRooms("a"), undefined);
  });

  test("sends nothing to a member of a room that is not in the namespace", () => {
    const { adapter, send } = start(["a"]);
    adapter.addAll("gone", new Set(["x"]));
    assert.deepEqual(send({ rooms: new Set(["x"]) }), []);
  });

  test(`sends to exactly the members of random rooms (SEED=${seed})`, () => {
    const random = new Random(seed);
    const ids = Array.from({ length: 20 }, (_, i) => `id${i}`);
    const names = ["r", "s", "t", "u", "v"];
    const some = (): Set<string> => new Set(names.filter(() => random.int(3) === 0));
    for (let round = 0; round < 300; round++) {
      const { adapter, send } = start(ids);
      const joined = new Map(ids.map((id) => [id, new Set([id, ...some()])]));
      for (const [id, rooms] of joined) adapter.addAll(id, rooms);
      for (let i = random.int(10); i > 0; i--) {
        const id = random.pick(ids) ?? "";
        const room = random.pick(names) ?? "";
        adapter.del(id, room);
        joined.get(id)?.delete(room);
      }
      const [rooms, except] = [some(), some()];
      const isIn = (id: string, any: Set<string>): boolean =>
        [...any].some((room) => joined.get(id)?.has(room) === true);
      const expected = ids.filter(
        (id) => (rooms.size === 0 || isIn(id, rooms)) && !isIn(id, except),
      );
      assert.deepEqual(send({ rooms, except }).sort(), expected.sort());
    }
  });

  test("emits create-room, join-room, leave-room and delete-room", () => {
    const { adapter } = start([]);
    const log: string[] = [];
    for (const event of ["create-room", "join-room", "leave-room", "delete-room"] as const) {
      adapter.on(event, (room: string, id?: string) =>
        log.push([event, room, ...(id === undefined ? [] : [id])].join(" ")),
      );
    }
    adapter.addAll("a", new Set(["r", "s"]));
    adapter.addAll("b", new Set(["r"]));
    adapter.addAll("b", new Set(["r"]));
    adapter.del("a", "r");
    adapter.del("a", "r");
    adapter.del("nobody", "r");
    adapter.delAll("a");
    adapter.delAll("a");
    adapter.delAll("b");
    assert.deepEqual(log, [
      "create-room r",
      "join-room r a",
      "create-room s",
      "join-room s a",
      "join-room r b",
      "leave-room r a",
      "leave-room s a",
      "delete-room s",
      "leave-room r b",
      "delete-room r",
    ]);
  });

  test("keeps a room to which a listener of leave-room adds a member", () => {
    const { adapter } = start([]);
    adapter.addAll("a", new Set(["r"]));
    adapter.once("leave-room", (room) => adapter.addAll("b", new Set([room])));
    adapter.del("a", "r");
    assert.deepEqual([...(adapter.rooms.get("r") ?? [])], ["b"]);
  });
});
