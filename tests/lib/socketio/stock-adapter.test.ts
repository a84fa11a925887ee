// Tests adapters for socket.io on servers of this process, which are connected without a network. tests/adapters tests
// the real adapters in separate processes.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import {
  ClusterAdapter,
  type ClusterMessage,
  type ClusterResponse,
  SessionAwareAdapter,
  Adapter as StockAdapter,
} from "socket.io-adapter";
import type { Outgoing } from "../../../lib/engineio/outgoing.ts";
import type { Untyped } from "../../../lib/events/emitter.ts";
import type { AdapterHost } from "../../../lib/socketio/adapter.ts";
import { StockNamespace } from "../../../lib/socketio/stock-adapter.ts";
import { Adapter, type AdapterFactory, Server, type ServerOptions } from "../../../server.ts";
import { type Joined, join, serve, until, WebSocketClient } from "../../support/net.ts";

/** Connects servers by a list of their adapters. Messages are passed as JSON, as over a network. */
class Bus {
  readonly members = new Set<BusAdapter>();
  sent = 0;

  readonly factory = (nsp: Untyped): BusAdapter => new BusAdapter(nsp, this);

  publish(from: BusAdapter, message: object): string {
    const text = JSON.stringify(message);
    for (const member of this.members) if (member !== from) member.receive(JSON.parse(text));
    this.sent++;
    return `offset-${this.sent}`;
  }
}

class BusAdapter extends ClusterAdapter {
  readonly #bus: Bus;

  constructor(nsp: Untyped, bus: Bus) {
    super(nsp);
    this.#bus = bus;
  }

  override init(): void {
    this.#bus.members.add(this);
  }

  override close(): void {
    this.#bus.members.delete(this);
  }

  override async serverCount(): Promise<number> {
    return [...this.#bus.members].filter(({ nsp }) => nsp.name === this.nsp.name).length;
  }

  protected override async doPublish(message: ClusterMessage): Promise<string> {
    return this.#bus.publish(this, message);
  }

  protected override async doPublishResponse(
    _uid: string,
    response: ClusterResponse,
  ): Promise<void> {
    this.#bus.publish(this, response);
  }

  receive(message: ClusterMessage): void {
    this.onMessage(message);
  }

  get ownId(): string {
    return this.uid;
  }

  /** A method that other adapters do not have, like allRooms() of RedisAdapter. */
  allRooms(): string[] {
    return [...this.rooms.keys()];
  }
}

interface Pair {
  readonly bus: Bus;
  readonly here: Server;
  readonly there: Server;
  readonly near: Joined;
  readonly far: Joined;
}

/** Starts two servers with one client each. */
async function pair(context: TestContext, options: ServerOptions = {}): Promise<Pair> {
  const bus = new Bus();
  const first = await serve(context, { adapter: bus.factory, ...options });
  const second = await serve(context, { adapter: bus.factory, ...options });
  return {
    bus,
    here: first.io,
    there: second.io,
    near: await join(first.io, first.port),
    far: await join(second.io, second.port),
  };
}

describe("An adapter for socket.io", () => {
  test("broadcasts to the clients of all servers, and calls their onAnyOutgoing() listeners", async (context) => {
    const { here, near, far } = await pair(context);
    const outgoing: unknown[] = [];
    far.socket.onAnyOutgoing((...args) => outgoing.push(args));
    far.socket.join("room");
    here.to("room").emit("one", 1);
    here.emit("all", { a: [1] });
    here.compress(false).emit("plain", 2);
    assert.equal(await near.client.next(), '42["all",{"a":[1]}]');
    assert.equal(await near.client.next(), '42["plain",2]');
    assert.equal(await far.client.next(), '42["one",1]');
    assert.equal(await far.client.next(), '42["all",{"a":[1]}]');
    assert.equal(await far.client.next(), '42["plain",2]');
    assert.deepEqual(outgoing, [
      ["one", 1],
      ["all", { a: [1] }],
      ["plain", 2],
    ]);
  });

  test("sends the same encoded message to every client of one broadcast", async (context) => {
    const { io, port } = await serve(context, { adapter: StockAdapter });
    const clients = [await join(io, port), await join(io, port), await join(io, port)];
    const sent = new Set<Outgoing>();
    for (const { socket } of clients) {
      const { conn } = socket;
      const send = conn.send.bind(conn);
      Object.defineProperty(conn, "send", {
        value: (message: Outgoing) => {
          sent.add(message);
          send(message);
        },
      });
    }
    io.emit("event", Buffer.from([1]));
    for (const { client } of clients) {
      assert.equal(await client.next(), '451-["event",{"_placeholder":true,"num":0}]');
      assert.deepEqual(await client.next(), Buffer.from([1]));
    }
    assert.equal(sent.size, 1);
    io.compress(false).emit("event", 2);
    for (const { client } of clients) assert.equal(await client.next(), '42["event",2]');
    assert.deepEqual(
      [...sent].map(({ compress }) => compress),
      [true, false],
    );
  });

  test("collects the acknowledgements from the clients of all servers", async (context) => {
    const { here, near, far } = await pair(context);
    const told = here.timeout(5_000).emitWithAck("ask", 1);
    const ids = [await near.client.next(), await far.client.next()].map(
      (packet) => /^42(\d+)\["ask",1\]$/.exec(`${packet}`)?.[1],
    );
    near.client.send(`43${ids[0]}["near"]`);
    far.client.send(`43${ids[1]}["far"]`);
    assert.deepEqual((await told).toSorted(), ["far", "near"]);
    const local = here.local.timeout(5_000).emitWithAck("ask", 3);
    near.client.send(`43${/^42(\d+)/.exec(`${await near.client.next()}`)?.[1]}[4]`);
    assert.deepEqual(await local, [4]);
  });

  test("waits a minute for acknowledgements if the program sets no timeout", async (context) => {
    // Adapters for socket.io forget a request after its timeout. Without a timeout they would forget it at once,
    // so the server sets a timeout of a minute.
    const timeouts: unknown[] = [];
    class Noting extends StockAdapter {
      override broadcastWithAck(...args: Parameters<StockAdapter["broadcastWithAck"]>): void {
        timeouts.push(args[1].flags?.timeout);
        super.broadcastWithAck(...args);
      }
    }
    const { io } = await serve(context, { adapter: Noting });
    assert.deepEqual(await io.emitWithAck("ask"), []);
    assert.deepEqual(await io.timeout(5).emitWithAck("ask"), []);
    assert.deepEqual(timeouts, [60_000, 5]);
  });

  test("fails if a client of this server disconnects, and ignores late acknowledgements", async (context) => {
    const { here, near, far } = await pair(context);
    const told = here.timeout(5_000).emitWithAck("ask", 1);
    await near.client.next();
    const id = /^42(\d+)/.exec(`${await far.client.next()}`)?.[1];
    near.client.socket.terminate();
    await until(() => near.socket.disconnected);
    far.client.send(`43${id}["far"]`);
    await assert.rejects(told, { code: "ERR_DISCONNECTED", responses: ["far"] });
    const late = here.timeout(50).emitWithAck("ask", 2);
    const other = /^42(\d+)/.exec(`${await far.client.next()}`)?.[1];
    await assert.rejects(late, { code: "ERR_ACK_TIMEOUT", responses: [] });
    far.client.send(`43${other}["late"]`);
    far.client.send('42["done"]');
    await new Promise((resolve) => far.socket.once("done", resolve));
  });

  test("fetches, moves and disconnects the sockets of all servers", async (context) => {
    const { here, near, far } = await pair(context);
    far.socket.data = { name: "far" };
    here.socketsJoin(["room", "other"]);
    await until(() => far.socket.rooms.has("other") && near.socket.rooms.has("other"));
    here.in("room").except(near.socket.id).socketsLeave("other");
    await until(() => !far.socket.rooms.has("other"));
    const sockets = await here.fetchSockets();
    const fetched = sockets.find(({ id }) => id === far.socket.id);
    assert.deepEqual([fetched?.rooms, fetched?.data], [far.socket.rooms, { name: "far" }]);
    assert.equal(fetched?.handshake.url, far.socket.handshake.url);
    assert.deepEqual(await here.allSockets(), new Set([near.socket.id, far.socket.id]));
    here.in(far.socket.id).disconnectSockets();
    assert.equal(await far.client.next(), "41");
    assert.ok(near.socket.connected);
  });

  test("serverSideEmit() reaches the other servers, and serverSideEmitWithAck() collects responses", async (context) => {
    const { here, there } = await pair(context);
    const told = new Promise((resolve) => there.once("tell", (...args) => resolve(args)));
    here.serverSideEmit("tell", 1, "2");
    assert.deepEqual(await told, [1, "2"]);
    there.on("sum", (a: number, b: number, answer: (sum: number) => void) => answer(a + b));
    assert.deepEqual(await here.serverSideEmitWithAck("sum", 1, 2), [3]);
  });

  test("rejects acknowledgements if the adapter cannot reach the other servers", async (context) => {
    class Broken extends BusAdapter {
      override async serverCount(): Promise<number> {
        throw new TypeError("no connection");
      }
    }
    const bus = new Bus();
    const { io } = await serve(context, { adapter: (nsp) => new Broken(nsp, bus) });
    await assert.rejects(io.serverSideEmitWithAck("sum"), /no connection/);
    await assert.rejects(io.timeout(1000).emitWithAck("sum"), /no connection/);
  });

  test("is wrapped in an adapter that has the same rooms and events, and the additional methods of the wrapped adapter", async (context) => {
    const { here, near, bus } = await pair(context);
    const { adapter } = here.sockets;
    const log: unknown[] = [];
    adapter.on("create-room", (room) => log.push(["create", room]));
    adapter.on("join-room", (room, id) => log.push(["join", room, id]));
    adapter.once("leave-room", (room, id) => log.push(["leave", room, id]));
    adapter.on("delete-room", (room) => log.push(["delete", room]));
    const { id } = near.socket;
    await near.socket.join("room");
    assert.deepEqual(adapter.rooms.get("room"), new Set([id]));
    assert.deepEqual(adapter.sids.get(id), new Set([id, "room"]));
    assert.equal(Reflect.get(adapter, "allRooms")().length, 2);
    assert.equal(Reflect.get(adapter, "uid"), [...bus.members][0]?.ownId);
    await near.socket.leave("room");
    assert.deepEqual(log, [
      ["create", "room"],
      ["join", "room", id],
      ["leave", "room", id],
      ["delete", "room"],
    ]);
    assert.equal(await adapter.serverCount(), 2);
  });

  test("is closed with its server, and with a child namespace that is removed", async (context) => {
    const bus = new Bus();
    const { io, port } = await serve(context, {
      adapter: bus.factory,
      cleanupEmptyChildNamespaces: true,
    });
    io.of(/^\/child-\d+$/);
    const client = new WebSocketClient(port);
    await client.join("40/child-1,");
    assert.deepEqual(
      [...bus.members].map(({ nsp }) => nsp.name),
      ["/", "/child-1"],
    );
    client.send("41/child-1,");
    await until(() => bus.members.size === 1);
    await io.close();
    assert.equal(bus.members.size, 0);
  });

  test("ignores invalid packets and reserved events from other servers", async (context) => {
    const { here, near, bus } = await pair(context);
    here.on("connection", () => assert.fail("another server cannot connect a client"));
    const [adapter] = bus.members;
    assert.ok(adapter);
    const opts = { rooms: [], except: [], flags: {} };
    const packets: unknown[] = [
      undefined,
      { type: 99, data: ["event"] },
      { type: 3, data: [1], id: 1 },
      { type: 2, data: "text" },
      { type: 2, data: [] },
      { type: 2, data: [null] },
    ];
    for (const packet of packets.slice(1)) {
      adapter.receive(message({ type: 3, data: { packet, opts } }));
    }
    for (const packet of [[], ["connection", {}], [1], "text"]) {
      adapter.receive(message({ type: 9, data: { packet } }));
    }
    // Emitters for socket.io used packet type 5 for events with binary data.
    adapter.receive(message({ type: 3, data: { packet: { type: 5, data: ["last", 1] }, opts } }));
    assert.equal(await near.client.next(), '42["last",1]');

    function message(content: object): Untyped {
      return { uid: "another", nsp: "/", ...content };
    }
  });

  test("ignores fetched sockets without an id", async (context) => {
    class Odd extends StockAdapter {
      found: unknown = [{ id: "a", rooms: ["a"], data: 1 }, null, { id: 1 }, "text"];
      override async fetchSockets(): Promise<Untyped> {
        return this.found;
      }
    }
    const { io } = await serve(context, { adapter: Odd });
    assert.deepEqual(
      (await io.fetchSockets()).map(({ id }) => id),
      ["a"],
    );
    Reflect.set(io.sockets.adapter, "found", undefined);
    assert.deepEqual(await io.allSockets(), new Set(["a"]));
  });
});

describe("Connection state recovery with an adapter for socket.io", () => {
  const options = { connectionStateRecovery: {}, adapter: SessionAwareAdapter };

  test("sends a recovered client its missed events in order", async (context) => {
    const { io, port } = await serve(context, options);
    const { client, socket, welcome } = await join(io, port);
    socket.join("room");
    socket.data = { name: "Ada" };
    socket.emit("own", 1);
    const [, own, offset] = eventOf(await client.next());
    assert.equal(own, 1);
    assert.ok(typeof offset === "string");
    client.socket.terminate();
    await until(() => socket.disconnected);
    io.to("room").emit("missed", 2);
    io.to("elsewhere").emit("missed", 3);
    socket.emit("missed", 4);
    io.volatile.emit("missed", 5);

    const back = new WebSocketClient(port);
    const again = new Promise<Joined["socket"]>((resolve) => io.once("connection", resolve));
    const answer = await back.join(`40${JSON.stringify({ pid: welcome.pid, offset })}`);
    assert.deepEqual(JSON.parse(answer.slice(2)), { sid: welcome.sid, pid: welcome.pid });
    assert.deepEqual(eventOf(await back.next()).slice(0, 2), ["missed", 2]);
    assert.deepEqual(eventOf(await back.next()).slice(0, 2), ["missed", 4]);
    const recovered = await again;
    assert.equal(recovered.recovered, true);
    assert.deepEqual(recovered.rooms, new Set([welcome.sid, "room"]));
    assert.deepEqual(recovered.data, { name: "Ada" });
  });

  test("sends events that request acknowledgements in order with other events", async (context) => {
    const bus = new Bus();
    const { io, port } = await serve(context, { ...options, adapter: bus.factory });
    const { client, socket } = await join(io, port);
    socket.emit("first", 1);
    const told = socket.emitWithAck("ask", 2);
    socket.volatile.emit("third", 3);
    assert.equal(await client.next(), '42["first",1,"offset-1"]');
    assert.equal(await client.next(), '420["ask",2]');
    assert.equal(await client.next(), '42["third",3]');
    client.send("430[4]");
    assert.equal(await told, 4);
  });

  test("emits to a socket that has left its own room, and to a socket that is not connected yet", async (context) => {
    const { io, port } = await serve(context, options);
    io.use((socket, next) => {
      socket.emit("early", 1);
      next();
    });
    const client = new WebSocketClient(port);
    const connected = new Promise<Joined["socket"]>((resolve) => io.once("connection", resolve));
    assert.equal(await client.join(), '42["early",1]');
    await client.next();
    const socket = await connected;
    socket.leaveAll();
    socket.emit("late", 2);
    assert.equal(await client.next(), '42["late",2]');
    assert.throws(() => socket.emit("ask", 1n, () => {}), TypeError);
  });

  test("adds only one offset to an event that several namespaces send", async (context) => {
    const { io, port } = await serve(context, options);
    const parent = io.of(/^\/child-/);
    const clients = [new WebSocketClient(port), new WebSocketClient(port)];
    for (const [index, client] of clients.entries()) await client.join(`40/child-${index},`);
    parent.emit("event", 1);
    for (const client of clients) {
      const packet = `${await client.next()}`.replace(/^42\/child-\d,/, "42");
      const [name, number, ...offsets] = eventOf(packet);
      assert.deepEqual([name, number, offsets.length], ["event", 1, 1]);
    }
  });

  for (const [title, auth, failure] of [
    ["without an offset", {}, "unknown offset"],
    ["with an unknown offset", { offset: "unknown" }, "unknown session"],
  ] as const) {
    test(`starts a new session for a client ${title}`, async (context) => {
      const { io, port } = await serve(context, options);
      const { client, socket, welcome } = await join(io, port);
      client.socket.terminate();
      await until(() => socket.disconnected);
      const back = await join(io, port, { pid: welcome.pid, ...auth });
      assert.notEqual(back.welcome.sid, welcome.sid);
      assert.equal(back.socket.recovered, false);
      assert.equal(back.socket.recoveryFailure, failure);
    });
  }

  for (const [title, restoreSession] of [
    ["rejects", () => Promise.reject("session or offset not found")],
    ["throws", () => assert.fail()],
    ["returns an invalid session", () => ({ sid: 1 })],
  ] as const) {
    test(`starts a new session if restoreSession() ${title}`, async (context) => {
      class Forgetful extends SessionAwareAdapter {
        override restoreSession(): Untyped {
          return restoreSession();
        }
      }
      const { io, port } = await serve(context, { ...options, adapter: Forgetful });
      const { socket } = await join(io, port, { pid: "pid", offset: "1" });
      assert.equal(socket.recoveryFailure, "unknown session");
    });
  }

  test("passes maxDisconnectionDuration to the adapter", async (context) => {
    const seen: unknown[] = [];
    const adapter: AdapterFactory = (nsp) => {
      seen.push(Reflect.get(Reflect.get(nsp, "server").opts, "connectionStateRecovery"));
      return new StockAdapter(nsp);
    };
    await serve(context, { adapter });
    const connectionStateRecovery = { maxDisconnectionDuration: 5_000 };
    await serve(context, { adapter, connectionStateRecovery });
    await serve(context, { adapter, connectionStateRecovery: true });
    assert.deepEqual(seen, [
      undefined,
      { maxDisconnectionDuration: 5_000 },
      { maxDisconnectionDuration: 120_000 },
    ]);
  });
});

describe("The namespace passed to an adapter for socket.io", () => {
  test("has its sockets as a map, and the members that a barewire adapter uses", async (context) => {
    let given: AdapterHost | undefined;
    const { io, port } = await serve(context, {
      adapter: (nsp) => {
        given = nsp;
        return new Adapter(nsp);
      },
    });
    const { client, socket } = await join(io, port);
    assert.ok(given instanceof StockNamespace);
    // Adapters of this package have the namespace itself, not a StockNamespace.
    assert.equal(io.sockets.adapter.nsp, io.sockets);
    const { sockets } = given;
    assert.equal(sockets.size, 1);
    assert.ok(sockets.has(socket.id));
    assert.equal(sockets.get("nobody"), undefined);
    const shown = sockets.get(socket.id);
    assert.ok(shown);
    assert.deepEqual([...sockets.keys()], [socket.id]);
    assert.deepEqual([...sockets.values()], [shown]);
    assert.deepEqual([...sockets], [[socket.id, shown]]);
    sockets.forEach((each, id, map) => {
      assert.deepEqual([each, id, map], [shown, socket.id, sockets]);
    });
    assert.equal(shown.handshake, socket.handshake);
    assert.equal(shown.data, socket.data);
    await shown.join("room");
    await shown.leave("room");
    assert.deepEqual(shown.rooms, socket.rooms);
    assert.equal(given._ids++, 0);
    assert.equal(given.nextAckId(), 1);
    const encoded = given.encode({ type: 2, namespace: "/", data: ["event"] }, true);
    shown.deliver(encoded, false);
    assert.equal(await client.next(), '42["event"]');
    // The adapter may also write packets that it has encoded itself.
    shown.client.writeToEngine(['2["own"]', Buffer.from([1])]);
    assert.equal(await client.next(), '42["own"]');
    assert.deepEqual(await client.next(), Buffer.from([1]));
    shown.awaitAck(7, () => assert.fail("a forgotten acknowledgement has called back"));
    shown.forgetAck(7);
    const heard = new Promise((resolve) => io.once("event", resolve));
    given.onServerSideEmit(["event", 1]);
    assert.equal(await heard, 1);
    shown.disconnect();
    assert.equal(await client.next(), "41");
  });

  test("is the Namespace itself for a class that extends the adapter of barewire", () => {
    let given: AdapterHost | undefined;
    class Own extends Adapter {
      constructor(nsp: AdapterHost) {
        super(nsp);
        given = nsp;
      }
    }
    const io = new Server({ adapter: Own });
    assert.equal(given, io.sockets);
  });
});

/** Returns the data of an EVENT packet. */
function eventOf(packet: string | Buffer): unknown[] {
  return JSON.parse(`${packet}`.replace(/^42/, ""));
}
