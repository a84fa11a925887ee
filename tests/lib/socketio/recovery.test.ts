// Tests connection state recovery: the server restores a socket, sends the missed packets, and reports the reason for a
// failure.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { type Socket as ClientSocket, io as connect } from "socket.io-client";
import type { Untyped } from "../../../lib/events/emitter.ts";
import type {
  RecoverableSession,
  RecoveryFailure,
  RestoredSession,
} from "../../../lib/socketio/adapter.ts";
import { Adapter, type Server, type Socket } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import { serve, turn, until, WebSocketClient } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const RECOVERY = { connectionStateRecovery: {} };

interface Welcome {
  readonly sid: string;
  readonly pid: string;
}

function welcome(packet: string): Welcome {
  return JSON.parse(packet.slice(packet.indexOf("{")));
}

/** Connects a client. Returns the client, and the payload of the server's CONNECT packet. */
async function join(port: number, auth: object = {}): Promise<[WebSocketClient, Welcome]> {
  const client = new WebSocketClient(port);
  const told = welcome(await client.join(`40${JSON.stringify(auth)}`));
  return [client, told];
}

/** Breaks a client's connection, and waits until the server has detected it. */
async function lose(client: WebSocketClient, socket: Socket): Promise<void> {
  const gone = new Promise((resolve) => socket.once("disconnect", resolve));
  client.socket.terminate();
  await gone;
}

describe("recovery with socket.io-client", () => {
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]] as const) {
    test(`over ${transports.join(" then ")} restores id, rooms and data, and sends missed events in order`, async (context) => {
      const { io, url } = await serve(context, RECOVERY);
      const client: ClientSocket = connect(url, {
        transports: [...transports],
        reconnectionDelay: 1,
        reconnectionDelayMax: 1,
        forceNew: true,
      });
      context.after(() => client.disconnect());
      const got: unknown[] = [];
      client.on("n", (n) => got.push(n));
      const first = await new Promise<Socket>((resolve) => io.once("connection", resolve));
      await until(() => client.connected);
      assert.equal(first.recovered, false);
      assert.equal(client.recovered, false);
      first.data = { name: "ada" };
      await first.join("room");
      const { id } = client;
      io.emit("n", 1);
      await until(() => got.length === 1);

      // The client receives none of the following events, because it reconnects only in a later turn of the event loop.
      client.io.engine.close();
      io.to("room").emit("n", 2);
      io.to("other").emit("n", "not its room");
      io.except("room").emit("n", "excepted");
      first.emit("n", 3);
      io.volatile.emit("n", "volatile");
      io.emit("n", 4);
      const again = await new Promise<Socket>((resolve) => io.once("connection", resolve));
      await until(() => got.at(-1) === 4);
      assert.equal(again.recovered, true);
      assert.equal(again.recoveryFailure, undefined);
      assert.equal(client.recovered, true);
      assert.equal(client.id, id);
      assert.equal(again.id, first.id);
      assert.notEqual(again, first);
      assert.deepEqual(again.data, { name: "ada" });
      assert.deepEqual([...again.rooms].sort(), [first.id, "room"].sort());
      assert.deepEqual(
        got.filter((n) => n !== "volatile"),
        [1, 2, 3, 4],
      );
      io.to("room").emit("n", 5);
      await until(() => got.at(-1) === 5);
    });
  }
});

describe("an event emitted to a disconnected socket", () => {
  /** Disconnects a client, calls `emit`, and returns the events that the client receives when it recovers. */
  async function receivedAfter(
    context: TestContext,
    emit: (io: Server, gone: Socket) => void,
  ): Promise<readonly string[]> {
    const { io, port } = await serve(context, RECOVERY);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { pid }] = await join(port);
    const gone = await connected;
    await lose(client, gone);
    emit(io, gone);
    const [again] = await join(port, { pid });
    io.emit("end");
    const received: string[] = [];
    for (;;) {
      const packet = `${await again.next()}`;
      if (packet.includes("end")) return received;
      received.push(packet.replace(/,"[^"]*"\]$/, "]"));
    }
  }

  test("is sent when its client recovers, in order with broadcasts", async (context) => {
    const outgoing: unknown[] = [];
    const received = await receivedAfter(context, (io, gone) => {
      gone.onAnyOutgoing((event, ...args) => outgoing.push([event, args[0]]));
      gone.emit("n", 1);
      io.to(gone.id).emit("n", 2);
      gone.send(3);
      gone.compress(false).emit("n", 4);
    });
    assert.deepEqual(received, ['42["n",1]', '42["n",2]', '42["message",3]', '42["n",4]']);
    assert.deepEqual(outgoing, [
      ["n", 1],
      ["message", 3],
      ["n", 4],
    ]);
  });

  test("is dropped if it is volatile or requests an acknowledgement, which fails at once", async (context) => {
    const errors: unknown[] = [];
    const received = await receivedAfter(context, (_io, gone) => {
      gone.volatile.emit("n", 1);
      gone.timeout(1000).emit("n", 2, (error: unknown) => errors.push(error));
    });
    assert.deepEqual(received, []);
    assert.match(`${errors}`, /disconnected/);
  });

  test("is sent to a client that has already recovered", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { pid }] = await join(port);
    const gone = await connected;
    await lose(client, gone);
    const [again] = await join(port, { pid });
    gone.emit("n", 1);
    assert.match(`${await again.next()}`, /^42\["n",1,/);
  });

  test("is not kept for a socket that the server has disconnected", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    await join(port);
    const gone = await connected;
    gone.disconnect();
    gone.emit("n", 1);
    const { adapter } = io.sockets;
    assert.equal(Reflect.get(adapter, "packetCount"), 0);
  });
});

describe("recovery on the wire", () => {
  test("sends the CONNECT response first, and then the missed events with their offsets", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    io.emit("a", 1);
    const event = JSON.parse(`${await client.next()}`.slice(2));
    assert.deepEqual(event.slice(0, 2), ["a", 1]);
    const offset = event[2];
    assert.equal(typeof offset, "string");
    await lose(client, await connected);
    io.emit("b", 2);
    io.emit("c", Buffer.of(1, 2));
    const [again, told] = await join(port, { pid, offset });
    assert.deepEqual(told, { sid, pid });
    assert.match(`${await again.next()}`, /^42\["b",2,"[^"]+"\]$/);
    assert.match(`${await again.next()}`, /^451-\["c",\{"_placeholder":true,"num":0\},"[^"]+"\]$/);
    assert.deepEqual(await again.next(), Buffer.of(1, 2));
  });

  test("a client without an offset receives all events since it connected", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    io.emit("before", 0);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    await lose(client, await connected);
    io.emit("missed", 1);
    const reconnected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [again, told] = await join(port, { pid });
    assert.equal(told.sid, sid);
    // The client disconnects again before it has received anything, and recovers again.
    await lose(again, await reconnected);
    const [third] = await join(port, { pid });
    assert.match(`${await third.next()}`, /^42\["missed",1,/);
  });

  test("volatile events have an offset too, because clients use the last argument as an offset if it is a string", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    io.volatile.emit("typing", "bob");
    const [, name, offset] = JSON.parse(`${await client.next()}`.slice(2));
    assert.equal(name, "bob");
    await lose(client, await connected);
    io.emit("missed", 1);
    const [again, told] = await join(port, { pid, offset });
    assert.equal(told.sid, sid);
    assert.match(`${await again.next()}`, /^42\["missed",1,/);
  });

  test("events that request an acknowledgement are not kept, and have no offset", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    io.on("connection", (socket) => socket.emit("ask", "x", () => {}));
    const [client] = await join(port);
    assert.equal(await client.next(), '420["ask","x"]');
  });

  test("a secret recovers its session, and an unknown secret starts a new session", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    const sockets: Socket[] = [];
    io.on("connection", (socket) => sockets.push(socket));
    const [client, { sid, pid }] = await join(port);
    await until(() => sockets.length === 1);
    await lose(client, sockets[0] ?? assert.fail());
    const [, second] = await join(port, { pid });
    assert.equal(second.sid, sid);
    const [, third] = await join(port, { pid: "of nobody" });
    assert.notEqual(third.sid, sid);
    assert.equal(sockets.at(-1)?.recovered, false);
    assert.equal(sockets.at(-1)?.recoveryFailure, "unknown session");
  });

  test("the new connection of a client that recovers before the server notices its disconnection replaces the old connection", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    const reasons: string[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => reasons.push(reason)));
    const [client, { sid, pid }] = await join(port);
    io.emit("heard", 1);
    const [, , offset] = JSON.parse(`${await client.next()}`.slice(2));
    const [, again] = await join(port, { pid, offset });
    assert.equal(again.sid, sid);
    assert.deepEqual(reasons, ["transport close"]);
    await client.closed;
    assert.equal(io.sockets.sockets.size, 1);
    assert.deepEqual([...(io.sockets.adapter.rooms.get(sid) ?? [])], [sid]);
  });

  for (const [why, end] of [
    ["has left the namespace", (client: WebSocketClient) => client.send("41")],
    [
      "the server has disconnected",
      (_client: WebSocketClient, socket: Socket) => socket.disconnect(),
    ],
    ["has violated the protocol", (client: WebSocketClient) => client.send("x")],
  ] as const) {
    test(`does not recover a client that ${why}`, async (context) => {
      const { io, port } = await serve(context, RECOVERY);
      const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
      const [client, { sid, pid }] = await join(port);
      const socket = await connected;
      const gone = new Promise((resolve) => socket.once("disconnect", resolve));
      end(client, socket);
      await gone;
      const [, again] = await join(port, { pid });
      assert.notEqual(again.sid, sid);
    });
  }

  test("an unknown or too old offset starts a new session, and sets recoveryFailure", async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: { maxPackets: 3 } });
    const sockets: Socket[] = [];
    io.on("connection", (socket) => sockets.push(socket));
    for (const [offset, failure] of [
      ["zzzz", "unknown offset"],
      ["no offset!", "unknown offset"],
      ["-1", "unknown offset"],
      ["0", "packets dropped"],
    ] as const) {
      const [client, { sid, pid }] = await join(port);
      await until(() => sockets.at(-1)?.id === sid);
      await lose(client, sockets.at(-1) ?? assert.fail());
      for (let n = 0; n < 4; n++) io.emit("n", n);
      const [, again] = await join(port, { pid, offset });
      assert.notEqual(again.sid, sid);
      await until(() => sockets.at(-1)?.id === again.sid);
      assert.equal(sockets.at(-1)?.recoveryFailure, failure, offset);
    }
  });

  test("an offset of the wrong type is ignored, and a secret of the wrong type starts a new session", async (context) => {
    const { io, port } = await serve(context, RECOVERY);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    await lose(client, await connected);
    const [, other] = await join(port, { pid: { toString: "x" }, offset: 1 });
    assert.notEqual(other.sid, sid);
    const [, again] = await join(port, { pid, offset: 1 });
    assert.equal(again.sid, sid);
  });

  test("skips middleware unless skipMiddlewares is false", async (context) => {
    for (const skipMiddlewares of [true, false]) {
      const { io, port } = await serve(context, { connectionStateRecovery: { skipMiddlewares } });
      let passed = 0;
      io.use((_socket, next) => {
        passed++;
        next();
      });
      const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
      const [client, { sid, pid }] = await join(port);
      await lose(client, await connected);
      const [, again] = await join(port, { pid });
      assert.equal(again.sid, sid);
      assert.equal(passed, skipMiddlewares ? 1 : 2);
    }
  });

  test("drops the oldest session beyond maxSessions", async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: { maxSessions: 1 } });
    const told: Welcome[] = [];
    for (let n = 0; n < 2; n++) {
      const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
      const [client, welcome] = await join(port);
      await lose(client, await connected);
      told.push(welcome);
    }
    const [first, second] = told;
    assert.ok(first && second);
    assert.notEqual((await join(port, { pid: first.pid }))[1].sid, first.sid);
    assert.equal((await join(port, { pid: second.pid }))[1].sid, second.sid);
  });

  test("does not recover clients 1.x and 2.x", async (context) => {
    const { io, port } = await serve(context, { ...RECOVERY, allowEIO3: true });
    const admin = io.of("/adm");
    const connected = new Promise<Socket>((resolve) => admin.once("connection", resolve));
    const client = new WebSocketClient(port);
    const { sid, pid } = welcome(await client.join("40/adm,"));
    await lose(client, await connected);
    const old = new WebSocketClient(port, "/socket.io/?EIO=3&transport=websocket");
    await old.next();
    await old.next();
    const again = new Promise<Socket>((resolve) => admin.once("connection", resolve));
    old.send(`40/adm?pid=${pid},`);
    assert.equal(await old.next(), "40/adm,");
    assert.notEqual((await again).id, sid);
  });

  test("without the option, sends no secret and no offsets", async (context) => {
    const { io, port } = await serve(context);
    const [client, told] = await join(port, { pid: "x", offset: "1" });
    assert.deepEqual(Object.keys(told), ["sid"]);
    io.emit("a", 1);
    assert.equal(await client.next(), '42["a",1]');
  });

  test("keeps sessions for maxDisconnectionDuration, and keeps events longer, by pingInterval plus pingTimeout", async (context) => {
    const clock = new Clock(context);
    const { io, port } = await serve(context, {
      connectionStateRecovery: { maxDisconnectionDuration: 1000 },
      pingInterval: 300,
      pingTimeout: 200,
    });
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    await lose(client, await connected);
    io.emit("a");
    const { adapter } = io.sockets;
    assert.ok("sessionCount" in adapter && "packetCount" in adapter);
    assert.deepEqual([adapter.sessionCount, adapter.packetCount], [1, 1]);
    clock.tick(1000);
    assert.deepEqual([adapter.sessionCount, adapter.packetCount], [0, 1]);
    clock.tick(500);
    assert.deepEqual([adapter.sessionCount, adapter.packetCount], [0, 0]);
    const [, again] = await join(port, { pid });
    assert.notEqual(again.sid, sid);
  });

  test("a client that disconnects again while middleware runs may recover later", async (context) => {
    const { io, port } = await serve(context, {
      connectionStateRecovery: { skipMiddlewares: false },
    });
    let held: ((socket: Socket) => void) | undefined;
    io.use((socket, next) => {
      if (held === undefined) next();
      else held(socket);
    });
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    await lose(client, await connected);
    io.emit("missed", 1);
    const waits = new Promise<Socket>((resolve) => {
      held = resolve;
    });
    const waiting = new WebSocketClient(port);
    await waiting.next();
    waiting.send(`40${JSON.stringify({ pid })}`);
    const { conn } = await waits;
    held = undefined;
    const gone = new Promise<void>((resolve) => conn.on("close", () => resolve()));
    waiting.socket.terminate();
    await gone;
    const [again, told] = await join(port, { pid });
    assert.equal(told.sid, sid);
    assert.match(`${await again.next()}`, /^42\["missed",1,/);
  });
});

describe("a recovering client whose middleware is running", () => {
  interface RecoveringClient {
    readonly io: Server;
    readonly sid: string;
    readonly client: WebSocketClient;
    readonly port: number;
    readonly pid: string;
    /** The socket that waits in the middleware. pass() completes the middleware. */
    readonly socket: Socket;
    readonly pass: (error?: Error) => void;
  }

  /**
   * Disconnects a client in "room", and connects it again. Resolves when the middleware receives the recovered
   * socket.
   */
  async function comeBack(context: TestContext, options: object = {}): Promise<RecoveringClient> {
    const { io, port } = await serve(context, {
      connectionStateRecovery: { skipMiddlewares: false },
      ...options,
    });
    const [first, { sid, pid }] = await join(port);
    const [gone] = io.sockets.sockets.values();
    assert.ok(gone !== undefined);
    gone.join("room");
    await lose(first, gone);
    io.to("room").emit("n", 1);
    const waits = new Promise<Pick<RecoveringClient, "socket" | "pass">>((resolve) =>
      io.use((socket, pass) => {
        if (socket.recovered) resolve({ socket, pass });
        else pass();
      }),
    );
    const client = new WebSocketClient(port);
    await client.next();
    client.send(`40${JSON.stringify({ pid })}`);
    return { io, port, sid, pid, client, ...(await waits) };
  }

  // biome-ignore format: table
  const MEANWHILE: Readonly<Record<string, (io: Server, socket: Socket) => void>> = {
    "no change": () => {},
    "joining another room": (_io, socket) => void socket.join("other"),
    "leaving all rooms": (_io, socket) => void socket.leaveAll(),
  };
  for (const [what, meanwhile] of Object.entries(MEANWHILE)) {
    test(`receives events emitted meanwhile once and in order, after ${what}`, async (context) => {
      const { io, sid, client, socket, pass } = await comeBack(context);
      meanwhile(io, socket);
      io.to("room").emit("n", 2);
      io.to("elsewhere").emit("n", "not its room");
      io.except("room").emit("n", "excepted");
      io.volatile.emit("n", "volatile");
      io.to(sid).emit("n", 3);
      io.emit("n", 4);
      pass();
      assert.equal(welcome(`${await client.next()}`).sid, sid);
      io.to("room").emit("n", 5);
      for (const number of [1, 2, 3, 4, 5]) {
        assert.match(`${await client.next()}`, new RegExp(`^42\\["n",${number},`));
      }
    });
  }

  test("starts a new session if more than maxBackpressure bytes are emitted meanwhile", async (context) => {
    const { io, port, sid, pid, client, socket, pass } = await comeBack(context, {
      maxBackpressure: 100_000,
    });
    const closed = once(client.socket, "close");
    for (let count = 0; count < 20; count++) io.to("room").emit("n", "x".repeat(10_000));
    assert.equal(socket.connected, false);
    pass();
    await turn();
    assert.equal(io.sockets.sockets.has(sid), false);
    await closed;
    const [, told] = await join(port, { pid });
    assert.notEqual(told.sid, sid);
    assert.equal(io.sockets.sockets.get(told.sid)?.recoveryFailure, "packets dropped");
  });

  // biome-ignore format: table
  const ENDINGS: Readonly<Record<string, (returning: RecoveringClient) => void>> = {
    "middleware rejects it": ({ pass }) => pass(new Error("no")),
    "its connection closes": ({ client }) => client.socket.terminate(),
    "it leaves the namespace": ({ client }) => client.send("41"),
    "middleware accepts it": ({ pass }) => pass(),
  };
  for (const [what, end] of Object.entries(ENDINGS)) {
    test(`has events collected for it only until ${what}`, async (context) => {
      const returning = await comeBack(context);
      const { adapter } = returning.io.sockets;
      assert.ok("returningCount" in adapter);
      assert.equal(adapter.returningCount, 1);
      end(returning);
      await until(() => Reflect.get(adapter, "returningCount") === 0);
    });
  }
});

describe("the memory for recovery is limited:", () => {
  const OTHER = { localAddress: "127.0.0.2" };

  /** Connects a client from an address. Returns the client, the payload of the server's CONNECT packet, and the socket. */
  async function joinFrom(
    io: Server,
    port: number,
    options: { localAddress?: string; headers?: Record<string, string> } = {},
  ): Promise<[client: WebSocketClient, told: Welcome, socket: Socket]> {
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port, undefined, options);
    const told = welcome(await client.join());
    return [client, told, await connected];
  }

  test("large responses to small requests are kept up to maxBytes, and other clients still recover", async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: { maxBytes: 4_000_000 } });
    io.on("connection", (socket) => {
      socket.on("ask", () => socket.emit("answer", "x".repeat(1_000_000)));
    });
    const [honest, { sid, pid }, gone] = await joinFrom(io, port);
    await lose(honest, gone);
    gone.emit("n", 1);
    io.emit("n", 2);
    const [attacker] = await joinFrom(io, port, OTHER);
    for (let count = 0; count < 50; count++) {
      attacker.send('42["ask"]');
      assert.match(`${await attacker.next()}`, /^42\["answer"/);
    }
    assert.ok("packetCount" in io.sockets.adapter);
    assert.equal(io.sockets.adapter.packetCount, 5);
    const [again, told] = await join(port, { pid });
    assert.equal(told.sid, sid);
    assert.match(`${await again.next()}`, /^42\["n",1,/);
    assert.match(`${await again.next()}`, /^42\["n",2,/);
  });

  test("sessions of one address do not displace sessions of another address", async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: { maxSessions: 3 } });
    const [honest, { sid, pid }, gone] = await joinFrom(io, port);
    await lose(honest, gone);
    const left: Welcome[] = [];
    for (let count = 0; count < 10; count++) {
      const [client, told, socket] = await joinFrom(io, port, OTHER);
      await lose(client, socket);
      left.push(told);
    }
    assert.equal((await join(port, { pid }))[1].sid, sid);
    const [first, last] = [left[0], left.at(-1)];
    assert.ok(first && last);
    assert.notEqual((await join(port, { pid: first.pid }))[1].sid, first.sid);
    assert.equal((await join(port, { pid: last.pid }))[1].sid, last.sid);
  });

  // biome-ignore format: table
  const PROXIED: Readonly<Record<string, (count: number) => string>> = {
    "one address behind a proxy": () => "203.0.113.1",
    "one network of IPv6 behind a proxy": (count) => `2001:db8::${count}`,
  };
  for (const [place, addressOf] of Object.entries(PROXIED)) {
    test(`sessions of ${place} do not displace sessions of another address`, async (context) => {
      const { io, port } = await serve(context, { connectionStateRecovery: { maxSessions: 3 } });
      const [honest, { sid, pid }, gone] = await joinFrom(io, port);
      await lose(honest, gone);
      for (let count = 0; count < 10; count++) {
        const headers = { "X-Forwarded-For": addressOf(count) };
        const [client, , socket] = await joinFrom(io, port, { headers });
        assert.equal(socket.conn.clientAddress, addressOf(count));
        assert.equal(socket.handshake.address, "127.0.0.1");
        await lose(client, socket);
      }
      assert.equal((await join(port, { pid }))[1].sid, sid);
    });
  }

  test("the size of a session includes its data, and large sessions do not displace sessions of another address", async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: { maxBytes: 1_000_000 } });
    const [honest, { sid, pid }, gone] = await joinFrom(io, port);
    gone.data = { name: "ada" };
    await lose(honest, gone);
    for (let count = 0; count < 20; count++) {
      const [client, , socket] = await joinFrom(io, port, OTHER);
      socket.data = { messages: [{ text: "x".repeat(100_000) }] };
      await lose(client, socket);
    }
    const { adapter } = io.sockets;
    assert.ok("sessionCount" in adapter);
    assert.equal(adapter.sessionCount, 5);
    assert.equal((await join(port, { pid }))[1].sid, sid);
  });

  test("the size of a session excludes the contents of class instances in its data, which may be shared", async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: { maxBytes: 100_000 } });
    class Shared {
      readonly text = "x".repeat(1_000_000);
    }
    const shared = new Shared();
    for (let count = 0; count < 10; count++) {
      const [client, , socket] = await joinFrom(io, port);
      socket.data = { shared };
      await lose(client, socket);
    }
    assert.equal(Reflect.get(io.sockets.adapter, "sessionCount"), 10);
  });

  test("a connection that joins and leaves repeatedly does not prevent the recovery of another client", async (context) => {
    const { io, port } = await serve(context, {
      connectionStateRecovery: { maxSessions: 20, maxPackets: 10 },
    });
    const [honest, { sid, pid }, gone] = await joinFrom(io, port);
    await lose(honest, gone);
    gone.emit("n", 1);
    io.emit("n", 2);
    io.on("connection", (socket) => socket.emit("welcome"));
    const attacker = new WebSocketClient(port, undefined, OTHER);
    await attacker.join("40{}");
    for (let count = 0; count < 100; count++) {
      assert.match(`${await attacker.next()}`, /^42\["welcome"/);
      attacker.send("41");
      attacker.send("40{}");
      await attacker.next();
    }
    const [again, told] = await join(port, { pid });
    assert.equal(told.sid, sid);
    for (const number of [1, 2])
      assert.match(`${await again.next()}`, new RegExp(`^42\\["n",${number},`));
  });

  test("events and sessions of all namespaces count towards the same limits", async (context) => {
    const { io, port } = await serve(context, {
      connectionStateRecovery: { maxSessions: 2, maxPackets: 2 },
    });
    const counts = (name: string): unknown[] => {
      const { adapter } = io.of(name);
      return [Reflect.get(adapter, "sessionCount"), Reflect.get(adapter, "packetCount")];
    };
    io.of("/a");
    io.of("/b");
    for (const name of ["/a", "/a", "/b"]) {
      const connected = new Promise<Socket>((resolve) => io.of(name).once("connection", resolve));
      const client = new WebSocketClient(port);
      await client.join(`40${name},`);
      await lose(client, await connected);
      io.of(name).emit("n");
    }
    assert.deepEqual(
      [counts("/a"), counts("/b")],
      [
        [1, 1],
        [1, 1],
      ],
    );
  });

  test("a polling client that has missed more than maxBackpressure bytes starts only one new session", async (context) => {
    const { io, url } = await serve(context, { ...RECOVERY, maxBackpressure: 1_000_000 });
    const failures: unknown[] = [];
    io.on("connection", (socket) => failures.push(socket.recoveryFailure));
    const client: ClientSocket = connect(url, {
      transports: ["polling"],
      reconnectionDelay: 1,
      reconnectionDelayMax: 1,
      forceNew: true,
    });
    context.after(() => client.disconnect());
    const received: unknown[] = [];
    client.on("n", (n) => received.push(n));
    await until(() => client.connected);
    client.io.engine.close();
    for (let n = 0; n < 20; n++) io.emit("n", n, "x".repeat(100_000));
    await until(() => failures.length === 2 && client.connected);
    io.emit("n", "after");
    await until(() => received.length > 0);
    assert.deepEqual(received, ["after"]);
    assert.equal(client.recovered, false);
    assert.deepEqual(failures, [undefined, "packets dropped"]);
  });

  test("one copy of each event is kept, as text, and the frames of the event are released", async (context) => {
    setFlagsFromString("--expose-gc");
    const collect: unknown = runInNewContext("gc");
    assert.ok(typeof collect === "function");
    const { io, port } = await serve(context, RECOVERY);
    const [client, { pid }, socket] = await joinFrom(io, port);
    const inBuffers = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    const before = inBuffers();
    for (let n = 0; n < 30; n++) {
      io.emit("n", n, "x".repeat(1_000_000));
      await client.next();
    }
    // Several garbage collections are needed to free the last frames of the client and the socket.
    for (let n = 0; n < 50 && inBuffers() - before >= 10_000_000; n++) await turn();
    assert.ok(inBuffers() - before < 10_000_000, "the frames are still in memory");
    await lose(client, socket);
    // The store still has the texts of the packets.
    const [again] = await join(port, { pid, offset: "q" });
    assert.match(`${await again.next()}`, /^42\["n",26,"x+","r"\]$/);
  });
});

describe("recovery with an asynchronous adapter", () => {
  /** An adapter that stores sessions asynchronously, like a store behind a network. */
  class Slow extends Adapter {
    static sessions = new Map<string, RecoverableSession>();
    static failing = false;
    static asked: (() => void)[] = [];
    override get offset(): string {
      return "0";
    }
    override async persistSession(session: RecoverableSession): Promise<void> {
      Slow.sessions.set(session.pid, session);
    }
    override async restoreSession(pid: string): Promise<RestoredSession | RecoveryFailure> {
      for (const asked of Slow.asked.splice(0)) asked();
      await turn();
      if (Slow.failing) throw new Error("the network");
      const session = Slow.sessions.get(pid);
      Slow.sessions.delete(pid);
      return session === undefined ? "unknown session" : { ...session, missed: [] };
    }
  }
  const SLOW = { ...RECOVERY, adapter: Slow };

  test("the client waits for the adapter, and then recovers", async (context) => {
    const { io, port } = await serve(context, SLOW);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    await lose(client, await connected);
    const [, again] = await join(port, { pid });
    assert.equal(again.sid, sid);
    const [, unknown] = await join(port, { pid: "x" });
    assert.notEqual(unknown.sid, sid);
  });

  test("a client that leaves before the adapter resolves may recover later", async (context) => {
    const { io, port } = await serve(context, SLOW);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    await lose(client, await connected);
    const asked = new Promise<void>((resolve) => Slow.asked.push(resolve));
    const hasty = new WebSocketClient(port);
    await hasty.next();
    hasty.send(`40${JSON.stringify({ pid })}`);
    hasty.send("41");
    await asked;
    await until(() => Slow.sessions.has(pid));
    const [, again] = await join(port, { pid });
    assert.equal(again.sid, sid);
  });

  test("starts a new session if the adapter rejects, and the error is uncaught", async (context) => {
    const uncaught = gatherUncaught(context);
    Slow.failing = true;
    context.after(() => {
      Slow.failing = false;
    });
    const { port } = await serve(context, SLOW);
    const [, told] = await join(port, { pid: "x" });
    assert.match(told.sid, /^[\w-]{20}$/);
    await until(() => uncaught.length === 1);
    assert.match(`${uncaught}`, /the network/);
  });
});

describe("an adapter without recovery", () => {
  test("sends no offsets, and starts a new session for a client that reconnects", async (context) => {
    const { io, port } = await serve(context, { ...RECOVERY, adapter: Adapter });
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const [client, { sid, pid }] = await join(port);
    const socket = await connected;
    socket.emit("a", 1);
    assert.equal(await client.next(), '42["a",1]');
    await lose(client, socket);
    const [, again] = await join(port, { pid });
    assert.notEqual(again.sid, sid);
  });
});

describe("a room that is not a string", () => {
  const throwing: unknown = Object.defineProperty({}, "length", {
    enumerable: true,
    get: () => {
      throw new Error("no length");
    },
  });
  // biome-ignore format: table
  const ROOMS: Readonly<Record<string, Untyped>> = {
    "a number": 5,
    NaN: Number.NaN,
    null: null,
    undefined,
    "an object with a length": { length: 1e300 },
    "an object with a text as its length": { length: "x" },
    "an object that throws": throwing,
    "an object without a prototype": Object.create(null),
    "a symbol": Symbol("room"),
    "a function": () => {},
  };
  const WAYS: Readonly<Record<string, (io: Server, socket: Socket, room: Untyped) => void>> = {
    join: (_io, socket, room) => void socket.join([room]),
    to: (io, _socket, room) => void io.to([room]).emit("n", "to"),
    except: (io, _socket, room) => void io.except([room]).emit("n", "except"),
  };

  for (const [name, room] of Object.entries(ROOMS)) {
    for (const [way, use] of Object.entries(WAYS)) {
      test(`does not prevent recovery: ${way}() with ${name}`, async (context) => {
        const { io, port } = await serve(context, {
          connectionStateRecovery: { maxPackets: 10, maxSessions: 10 },
        });
        const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
        const [client, { sid, pid }] = await join(port);
        const socket = await connected;
        for (let count = 0; count < 20; count++) use(io, socket, room);
        await lose(client, socket);
        io.emit("n", 1);
        io.to([room]).emit("n", 2);
        const [again, told] = await join(port, { pid, offset: io.sockets.adapter.offset });
        assert.equal(told.sid, sid);
        io.emit("n", 3);
        assert.match(`${await again.next()}`, /^42\["n",3,/);
        assert.ok("packetCount" in io.sockets.adapter);
        assert.equal(io.sockets.adapter.packetCount, 10 - (way === "join" ? 7 : 0));
      });
    }
    test(`works like any other room: a recovered client in ${name} receives missed events once`, async (context) => {
      const { io, port } = await serve(context, RECOVERY);
      const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
      const [client, { sid, pid }] = await join(port);
      const socket = await connected;
      socket.join([room]);
      await lose(client, socket);
      io.to([room]).emit("n", 1);
      io.except([room]).emit("n", "excepted");
      io.emit("n", 2);
      const [again, told] = await join(port, { pid });
      assert.equal(told.sid, sid);
      assert.match(`${await again.next()}`, /^42\["n",1,/);
      assert.match(`${await again.next()}`, /^42\["n",2,/);
    });
  }

  test("adds the size of its contents to the size of a session", async (context) => {
    const { io, port } = await serve(context, { connectionStateRecovery: { maxBytes: 200_000 } });
    const adapter = io.sockets.adapter;
    for (let count = 0; count < 10; count++) {
      const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
      const [client] = await join(port);
      const socket = await connected;
      const room: Untyped = { text: "x".repeat(30_000) };
      socket.join([room]);
      await lose(client, socket);
    }
    assert.ok("sessionCount" in adapter);
    assert.equal(adapter.sessionCount, 3);
  });
});
