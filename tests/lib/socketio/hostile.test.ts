// Tests clients that send invalid or unexpected packets. Their own connection ends or continues as the protocol
// requires, all other connections continue, and the server keeps no state.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import type { Server, Socket } from "../../../server.ts";
import { frame } from "../../support/frame.ts";
import {
  join,
  PollingClient,
  serve,
  TcpClient,
  turn,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

interface Setting {
  readonly io: Server;
  readonly client: WebSocketClient;
  readonly socket: Socket;
  /** The errors of the client's socket, and the reasons for its disconnection. */
  readonly log: unknown[];
  readonly witness: WebSocketClient;
}

/** Connects a client to "/", and another client that must not be affected. */
async function start(context: TestContext): Promise<Setting> {
  const { io, port } = await serve(context);
  const { client: witness } = await join(io, port);
  const { client, socket } = await join(io, port);
  const log: unknown[] = [];
  socket.on("error", (error) => log.push(error.message.replace(/ \(.*/, "")));
  socket.on("disconnect", (reason) => log.push(reason));
  return { io, client, socket, log, witness };
}

async function expectUnharmed({ io, witness }: Setting): Promise<void> {
  assert.equal(io.sockets.sockets.size, 1);
  assert.equal(io.sockets.adapter.rooms.size, 1);
  io.emit("still here");
  assert.equal(await witness.next(), '42["still here"]');
}

// Each row contains the messages of one client that violates a rule of the codec.
const BREACHES: readonly (readonly (string | Uint8Array)[])[] = [
  ["4abc"],
  ["47"],
  ["4"],
  ["42{}"],
  ['42abc["x"]'],
  ["42[]"],
  ["42[null]"],
  ["42[{}]"],
  ['42[["x"]]'],
  ['42["connect"]'],
  ['42["connect_error"]'],
  ['42["disconnect"]'],
  ['42["disconnecting"]'],
  ['42["newListener"]'],
  ['42["removeListener"]'],
  ["43{}"],
  ['43["no id"]'],
  ["42"],
  ["431"],
  ["40[]"],
  ['40"x"'],
  ['41{"a":1}'],
  ['421.5["x"]'],
  ['42 1["x"]'],
  ['4201["x"]'],
  ["40/a\nb,"],
  [`42["x"${",1".repeat(130_000)}]`],
  [`430[1${",1".repeat(130_000)}]`],
  [`42["x",${"[".repeat(20_000)}${"]".repeat(20_000)}]`],
  ['450-["x"]'],
  ["45-["],
  ["451["],
  ['45 1-["x"]'],
  ['450x1-["x"]'],
  ['451e0-["x"]'],
  ['4511-["x"]'],
  [`45${"9".repeat(1000)}-["x"]`],
  ['451-["x",{"_placeholder":true,"num":"splice"}]', Buffer.from([1])],
  ['451-["x",{"_placeholder":true,"num":1}]', Buffer.from([1])],
  ['451-["x",{"_placeholder":true,"num":-1}]', Buffer.from([1])],
  ['451-["x",{"_placeholder":true,"num":0}]', '42["x"]'],
  [Buffer.from([1, 2, 3])],
];

// Valid packets that the server does not expect.
const MISPLACED: readonly string[] = [
  "40",
  '40{"again":true}',
  "44",
  '44{"message":"I refuse"}',
  '42/elsewhere,["x"]',
  "41/elsewhere,",
  '43/elsewhere,1["x"]',
];

describe("A protocol error emits an error event and ends the connection:", () => {
  for (const messages of BREACHES) {
    const name = messages.map((each) => (typeof each === "string" ? each.slice(0, 60) : "bytes"));
    test(JSON.stringify(name), async (context) => {
      const setting = await start(context);
      for (const message of messages) setting.client.send(message);
      assert.equal(await setting.client.closed, 1005);
      const [error, ...ends] = setting.log;
      assert.equal(typeof error, "string");
      assert.match(`${ends}`, /^forced (server )?close$/);
      await expectUnharmed(setting);
    });
  }
});

describe("An unexpected packet ends the connection:", () => {
  for (const message of MISPLACED) {
    test(message, async (context) => {
      const setting = await start(context);
      setting.client.send(message);
      assert.equal(await setting.client.closed, 1005);
      assert.equal(setting.log.length, 1);
      assert.match(`${setting.log}`, /^forced (server )?close$/);
      await expectUnharmed(setting);
    });
  }

  test("an event before CONNECT", async (context) => {
    const { port, io } = await serve(context);
    io.on("connection", () => assert.fail("a client has connected without CONNECT"));
    const client = new WebSocketClient(port);
    await client.next();
    client.send('42["x"]');
    assert.equal(await client.closed, 1005);
  });

  test("an event for a namespace that the client has left", async (context) => {
    const setting = await start(context);
    setting.client.send("41");
    setting.client.send('42["x"]');
    await setting.client.closed;
    assert.deepEqual(setting.log, ["client namespace disconnect"]);
    await expectUnharmed(setting);
  });
});

describe("Packets of a client that is being disconnected are ignored", () => {
  test("after a protocol error in the same payload", async (context) => {
    const { io, port } = await serve(context);
    io.of("/other");
    io.on("connection", () => assert.fail("the client has connected after a protocol error"));
    io.of("/other").on("connection", () =>
      assert.fail("the client has connected to /other after a protocol error"),
    );
    const client = await PollingClient.open(port);
    await client.post("4garbage\x1e40\x1e40/other,");
    assert.equal((await client.poll()).body, "6\x1e1");
  });

  test("while the client does not poll, until its session ends", async (context) => {
    const { io, port } = await serve(context, { pingInterval: 200, pingTimeout: 200 });
    const client = await PollingClient.open(port);
    await client.join();
    const [socket] = io.sockets.sockets.values();
    socket?.on("x", () => assert.fail("a disconnected socket has received an event"));
    io.on("connection", () =>
      assert.fail("the client has connected again while the server disconnects it"),
    );
    socket?.disconnect(true);
    // Until the session ends, the server accepts POSTs and ignores their packets. Afterwards, the session is unknown.
    let answer = await client.post("40");
    while (answer.status === 200) answer = await client.post('3\x1e42["x"]');
    assert.equal(answer.status, 400);
    assert.equal(io.engine.clientsCount, 0);
  });

  test("after disconnect() in the same payload, without effect on other namespaces", async (context) => {
    const { io, port } = await serve(context);
    io.of("/other");
    const client = await PollingClient.open(port);
    await client.join("40\x1e40/other,");
    const [socket] = io.sockets.sockets.values();
    socket?.on("leave", () => socket.disconnect());
    await client.post('42["leave"]\x1e42["x",1]\x1e430[]\x1e41');
    assert.equal((await client.poll()).body, "41");
    assert.equal(io.of("/other").sockets.size, 1);
    // The client may join again. After its next DISCONNECT packet, an event closes the session as usual.
    await client.post("40");
    assert.match((await client.poll()).body, /^40\{/);
    await client.post("41");
    await client.post('42["x"]');
    assert.equal((await client.poll()).body, "6\x1e1");
  });
});

describe("A client that does not read the responses that it causes", () => {
  for (const name of ["polling", "websocket"] as const) {
    test(`over ${name} is disconnected at maxBackpressure`, async (context) => {
      const { io, port } = await serve(context, { maxBackpressure: 100_000 });
      const ends: unknown[] = [];
      io.on("connection", (socket) => {
        socket.on("disconnect", (reason, detail) => ends.push(reason, detail?.message));
        socket.on("ask", () => socket.emit("answer", "x".repeat(10_000)));
      });
      if (name === "polling") {
        const client = await PollingClient.open(port);
        await client.join();
        await client.post(Array(20).fill('42["ask"]').join("\x1e"));
      } else {
        const client = new WebSocketClient(port);
        await client.join();
        client.socket.pause();
        for (let i = 0; i < 3000 && ends.length === 0; i++) {
          client.send('42["ask"]');
          if (i % 100 === 0) await turn();
        }
        await until(() => ends.length > 0);
        client.socket.terminate();
      }
      assert.deepEqual(ends, ["transport error", "too many bytes wait for the client"]);
      assert.equal(io.engine.clientsCount, 0);
    });
  }

  test("one message larger than maxBackpressure may wait, but volatile events are dropped", async (context) => {
    const { io, port } = await serve(context, { maxBackpressure: 100 });
    const client = await PollingClient.open(port);
    await client.join();
    io.emit("large", "x".repeat(1000));
    for (let i = 0; i < 100; i++) io.volatile.emit("dropped", i);
    assert.equal((await client.poll()).body.length, '42["large",""]'.length + 1000);
    assert.equal(io.sockets.sockets.size, 1);
  });

  test("of several large volatile events in one turn of the event loop, all but the first are dropped", async (context) => {
    const { io, port } = await serve(context);
    const client = new WebSocketClient(port);
    await client.join();
    const text = "x".repeat(100_000);
    for (let i = 0; i < 100; i++) io.volatile.emit("frame", i, text);
    io.emit("end");
    let frames = 0;
    for (;;) {
      const message = `${await client.next()}`;
      if (message === '42["end"]') break;
      frames++;
    }
    assert.equal(frames, 1);
  });

  test("a response to a poll has a limited size, and the next response has the rest", async (context) => {
    const { io, port } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    for (let i = 0; i < 6; i++) io.emit("n", i, "x".repeat(400_000));
    const sizes: number[] = [];
    for (let packets = 0; packets < 6; ) {
      const answer = (await client.poll()).body.split("\x1e");
      sizes.push(answer.length);
      for (const packet of answer) assert.ok(packet.startsWith(`42["n",${packets++},`));
    }
    assert.deepEqual(sizes, [3, 3]);
  });
});

describe("Unusual input does not end the connection:", () => {
  test("CVE-2024-38355: an event named error reaches its listeners, and is ignored without listeners", async (context) => {
    const setting = await start(context);
    setting.socket.removeAllListeners("error");
    setting.client.send('42["error",{"x":1}]');
    const told = new Promise<unknown>((resolve) => setting.socket.on("next", resolve));
    setting.client.send('42["next",1]');
    assert.equal(await told, 1);
    const error = new Promise<unknown>((resolve) => setting.socket.on("error", resolve));
    setting.client.send('42["error",{"x":1}]');
    assert.deepEqual(await error, { x: 1 });
  });

  test("CVE-2023-32695: a number as the event's name", async (context) => {
    const { client, socket } = await start(context);
    const told = new Promise<unknown>((resolve) => socket.on("7", resolve));
    client.send('42[7,"x"]');
    assert.equal(await told, "x");
  });

  test("names of properties of Object.prototype, as event names and as keys", async (context) => {
    const setting = await start(context);
    const { client, socket } = setting;
    const told = new Promise<unknown>((resolve) => socket.on("__proto__", resolve));
    for (const name of ["constructor", "toString", "hasOwnProperty", "valueOf"]) {
      client.send(JSON.stringify([name]).replace(/^/, "42"));
    }
    client.send('42["__proto__",{"__proto__":{"polluted":true}}]');
    const value = await told;
    assert.ok(typeof value === "object" && value !== null);
    assert.ok(Object.hasOwn(value, "__proto__"));
    assert.equal("polluted" in {}, false);
  });

  test("__proto__ and constructor in auth and query become own properties", async (context) => {
    const { port, io } = await serve(context);
    const accepted = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const path = "/socket.io/?EIO=4&transport=websocket&__proto__=x&constructor=y";
    const client = new WebSocketClient(port, path);
    await client.join('40{"__proto__":{"admin":true}}');
    const { handshake } = await accepted;
    assert.equal("admin" in handshake.auth, false);
    assert.ok(Object.hasOwn(handshake.auth, "__proto__"));
    assert.ok(Object.hasOwn(handshake.query, "__proto__"));
    assert.equal(handshake.query.constructor, "y");
  });

  test("__proto__ and constructor in the query of a client 2.x become own properties of auth", async (context) => {
    const { port, io } = await serve(context, { allowEIO3: true });
    const accepted = new Promise<Socket>((resolve) => io.of("/a").once("connection", resolve));
    const client = new WebSocketClient(port, "/socket.io/?EIO=3&transport=websocket");
    await client.next();
    assert.equal(await client.next(), "40");
    client.send("40/a?__proto__=x&constructor=y&admin=,");
    assert.equal(await client.next(), "40/a,");
    const { auth } = (await accepted).handshake;
    assert.deepEqual(Object.entries(auth), [
      ["__proto__", "x"],
      ["constructor", "y"],
      ["admin", ""],
    ]);
    assert.equal(Object.getPrototypeOf(auth), Object.prototype);
  });

  test("an acknowledgement with an unknown id is ignored", async (context) => {
    const { client, socket } = await start(context);
    client.send('43999["x"]');
    const told = new Promise<unknown>((resolve) => socket.on("next", resolve));
    client.send('42["next",1]');
    assert.equal(await told, 1);
  });

  test("a second acknowledgement with the same id is ignored", async (context) => {
    const { client, socket } = await start(context);
    const acks: unknown[] = [];
    socket.emit("ask", (value: unknown) => acks.push(value));
    assert.equal(await client.next(), '420["ask"]');
    client.send('430["first"]');
    client.send('430["second"]');
    const told = new Promise<unknown>((resolve) => socket.on("next", resolve));
    client.send('42["next",1]');
    await told;
    assert.deepEqual(acks, ["first"]);
  });

  test("an unknown namespace is rejected, and the connection continues", async (context) => {
    const { client, log } = await start(context);
    client.send("40/nowhere,");
    assert.equal(await client.next(), '44/nowhere,{"message":"Invalid namespace"}');
    client.send("40/__proto__");
    assert.equal(await client.next(), '44/__proto__,{"message":"Invalid namespace"}');
    assert.deepEqual(log, []);
  });

  test("the comma after a namespace may be omitted at the end of a packet", async (context) => {
    const { client, io } = await start(context);
    io.of("/admin");
    client.send("40/admin");
    assert.match(`${await client.next()}`, /^40\/admin,\{"sid":"[\w-]{20}"\}$/);
  });
});

describe("Several CONNECT packets before the response", () => {
  for (const [does, send] of [
    [
      "in one POST",
      async (port: number): Promise<void> => {
        const client = await PollingClient.open(port);
        await client.post("40\x1e40\x1e40");
        assert.match((await client.poll()).body, /^40\{"sid":"[\w-]{20}"\}$/);
      },
    ],
    [
      "in consecutive frames",
      async (port: number): Promise<void> => {
        const client = new WebSocketClient(port);
        await client.next();
        for (let i = 0; i < 3; i++) client.send("40");
        assert.match(`${await client.next()}`, /^40\{/);
      },
    ],
  ] as const) {
    test(`${does} create one socket`, async (context) => {
      const { port, io } = await serve(context);
      let connections = 0;
      // The middleware is asynchronous, so the packets arrive before the client is connected.
      io.use((_socket, next) => setImmediate(next));
      io.on("connection", () => connections++);
      await send(port);
      assert.equal(connections, 1);
      assert.equal(io.sockets.sockets.size, 1);
    });
  }
});

describe("The memory of the server", () => {
  test("CVE-2026-69185: attachments that no packet has announced are not kept", async (context) => {
    const { io, client } = await start(context);
    client.send('450-["x"]');
    for (let i = 0; i < 100; i++) client.send(Buffer.alloc(1000));
    await client.closed;
    assert.equal(io.sockets.sockets.size, 1);
  });

  test("an attachment does not keep alive the chunk in which it was received", async (context) => {
    const { port, io } = await serve(context);
    const events: Buffer[][] = [];
    io.on("connection", (socket) => {
      socket.on("x", (...attachments) => events.push(attachments));
    });
    const client = new TcpClient(port);
    client.write(upgradeRequest("/socket.io/?EIO=4&transport=websocket"));
    const key = Uint8Array.of(1, 2, 3, 4);
    client.write(frame(1, "40", { key }));
    await client.until("40{");
    const holes = [0, 1, 2].map((num) => `{"_placeholder":true,"num":${num}}`);
    client.write(
      Buffer.concat([
        frame(1, `453-["x",${holes}]`, { key }),
        frame(2, Uint8Array.of(7), { key }),
        frame(2, Uint8Array.of(8, 9), { key }),
        frame(2, Buffer.alloc(30_000), { key }),
        frame(1, `451-["x",${holes[0]}]`, { key }),
        frame(2, Uint8Array.of(6), { key }),
      ]),
    );
    await until(() => events.length === 2);
    const [[first, second, third] = [], [alone] = []] = events;
    assert.ok(first !== undefined && second !== undefined && alone !== undefined);
    assert.equal(alone.buffer.byteLength, 1);
    assert.deepEqual(first, Buffer.from([7]));
    assert.deepEqual(second, Buffer.from([8, 9]));
    assert.equal(third?.length, 30_000);
    assert.equal(first.buffer.byteLength, 1);
    assert.equal(second.buffer.byteLength, 2);
    client.socket.destroy();
  });

  test("a room whose name is not a string works like any other room", async (context) => {
    const { client, socket, io } = await start(context);
    socket.on("join", (room) => {
      socket.join(room);
      io.to(room).emit("joined");
    });
    for (const room of ["5", "{}", "null", "[1]"]) {
      client.send(`42["join",${room}]`);
      assert.equal(await client.next(), '42["joined"]');
    }
  });

  test("a disconnected socket that joins a room is in no room", async (context) => {
    const setting = await start(context);
    const { socket, client, io } = setting;
    client.socket.terminate();
    await until(() => socket.disconnected);
    socket.join("room");
    socket.join(["a", "b"]);
    assert.equal(io.sockets.adapter.rooms.has("room"), false);
    assert.equal(io.sockets.adapter.sids.has(socket.id), false);
    await expectUnharmed(setting);
  });
});

describe("Errors of the program", () => {
  test("an error that a listener throws is uncaught, and the connection continues", async (context) => {
    const { client, socket } = await start(context);
    const uncaught = gatherUncaught(context);
    const mistake = new Error("a listener's mistake");
    socket.on("x", () => {
      throw mistake;
    });
    client.send('42["x"]');
    const told = new Promise<unknown>((resolve) => socket.on("next", resolve));
    client.send('42["next",1]');
    await told;
    assert.deepEqual(uncaught, [mistake]);
    assert.ok(socket.connected);
  });

  test("emit() throws for data that JSON cannot encode and for reserved names, and sends nothing", async (context) => {
    const { client, socket, io } = await start(context);
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    assert.throws(() => socket.emit("x", cycle));
    assert.throws(() => socket.emit("x", 1n), TypeError);
    assert.throws(() => io.emit("x", 1n), TypeError);
    await assert.rejects(socket.emitWithAck("x", 1n), TypeError);
    for (const name of ["connect", "connect_error", "disconnect", "disconnecting"]) {
      assert.throws(() => socket.emit(name), { code: "ERR_RESERVED_EVENT" });
      assert.throws(() => io.emit(name), { code: "ERR_RESERVED_EVENT" });
      assert.throws(() => io.to("room").emit(name), { code: "ERR_RESERVED_EVENT" });
    }
    socket.emit("next");
    assert.equal(await client.next(), '42["next"]');
  });
});
