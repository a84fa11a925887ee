// Tests the server with socket.io-client, over each transport.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, type TestContext, test } from "node:test";

import { Server, type ServerOptions, type Socket } from "../../server.ts";
import type { Generation, StockClient } from "../support/generations.ts";
import { heard } from "../support/heard.ts";
import { listen, portOf, until } from "../support/net.ts";

export interface Way {
  readonly name: string;
  readonly generation: Generation;
  readonly options: object;
  /** The transport of the client after any upgrade. */
  readonly settled: "polling" | "websocket";
  readonly server?: ServerOptions;
  /** The class of the server under test. Default: the Server of barewire. */
  readonly library?: typeof Server;
  /** The maximum size of a message that the client can send, in bytes. Default: no limit. */
  readonly largest?: number;
  /** Texts that arrive changed if they are the first text that the client sends. */
  readonly damaged?: Damages;
}

/** The reason why a text cannot arrive unchanged, and the text that arrives instead. */
interface Damage {
  readonly arrives: string;
  readonly because: string;
}

/** Texts that an encoding could damage. */
export const TEXTS = {
  Chinese: "你好",
  "the letters of Latin-1": "é ÿ ß",
  emoji: "😀👩\u200d👧",
  "U+2028 and U+2029": "a\u2028b\u2029c",
  "lone surrogates": "a\ud800b\udfffc",
  "the record separator": "a\u001eb",
  "control characters": "\0\u0007\u007f\u0085\u009f",
  "line ends and backslashes": "a\nb\r\nc\\nd\\\\n",
  "text that looks like a payload of Engine.IO 3": '2:4é1:2"',
  "letters that look like UTF-8": "CAFÉ®",
} as const;
export type TextName = keyof typeof TEXTS;

type Damages = Readonly<Partial<Record<TextName, Damage>>>;

const AMBIGUOUS: Damages = {
  "letters that look like UTF-8": {
    arrives: "CAFɮ",
    because: "client 1.x would send the same bytes for CAFɮ, and no earlier text shows the version",
  },
};

/** Returns the texts that a client version damages, or that the server cannot distinguish from other texts. */
export function damagedIn(version: string, way: string): Damages {
  // Over polling, version 2.5.0 encodes texts as UTF-8 once, and versions 1.x twice, so some texts are ambiguous.
  return version === "2.5.0" && !way.startsWith("websocket") ? AMBIGUOUS : {};
}

/** The names of all events for which clients have listeners in these tests. */
export const EVENTS: readonly string[] = [
  ...["connect", "disconnect", "connect_error", "error", "message"],
  ...["event", "end", "ask", "binary", "news", "x", "kept", "n", "echo"],
  ...Object.values(TEXTS),
];

function isTextName(name: string): name is TextName {
  return Object.hasOwn(TEXTS, name);
}

interface Ends {
  readonly io: Server;
  readonly port: number;
  /** Returns a client that is disconnected when the test ends. */
  client(path?: string, options?: object): StockClient;
}

/** Starts a server. Returns the server, and a function that creates clients for this transport. */
async function start(context: TestContext, way: Way, options: ServerOptions = {}): Promise<Ends> {
  const { listener } = way.generation;
  const http = listener === undefined ? createServer() : createServer(listener);
  const allowEIO3 = way.generation.revision === 3;
  const { library: Library = Server } = way;
  const io = new Library(http, { allowEIO3, ...way.server, ...options });
  const port = await listen(http);
  const clients: StockClient[] = [];
  context.after(async () => {
    for (const client of clients) client.disconnect();
    await io.close();
  });
  const client: Ends["client"] = (path = "/", more = {}) => {
    const socket = way.generation.connect(`http://127.0.0.1:${port}${path}`, {
      forceNew: true,
      reconnection: false,
      ...way.options,
      ...more,
    });
    clients.push(socket);
    return socket;
  };
  return { io, port, client };
}

/** Returns the server's socket of a client, when both ends use the final transport. */
async function join(ends: Ends, way: Way, client: StockClient): Promise<Socket> {
  const accepted = new Promise<Socket>((resolve) => ends.io.once("connection", resolve));
  const [socket] = await Promise.all([accepted, heard(client, "connect")]);
  await until(() => client.io.engine.transport.name === way.settled);
  await until(() => socket.conn.transport.name === way.settled);
  return socket;
}

/** Emits an event from one end. Resolves to the arguments of the acknowledgement. */
function ask(client: StockClient | Socket, event: string, ...args: unknown[]): Promise<unknown[]> {
  return new Promise((resolve) =>
    client.emit(event, ...args, (...answer: unknown[]) => resolve(answer)),
  );
}

const LARGE = "900 kB";
const LARGE_SIZE = 900_000;

/** Binary arguments that a client can send. */
const BINARY: readonly (readonly [string, (bytes: (given: Buffer) => unknown) => unknown[]])[] = [
  ["one", (bytes) => [bytes(Buffer.of(1, 2, 3))]],
  ["empty", (bytes) => [bytes(Buffer.alloc(0))]],
  [
    "several",
    (bytes) => [bytes(Buffer.of(1)), "between", bytes(Buffer.of(2)), bytes(Buffer.of(3))],
  ],
  [
    "nested",
    (bytes) => [{ a: [{ b: bytes(Buffer.from("deep")) }, null], c: bytes(Buffer.from("beside")) }],
  ],
  [LARGE, (bytes) => [bytes(Buffer.alloc(LARGE_SIZE, "x"))]],
];

/**
 * Sends a text in both directions. Each text has its own session, because the server may infer the encoding from the
 * first text.
 */
async function exchange(ends: Ends, way: Way, name: TextName, text: string): Promise<void> {
  const said = [text, { [text]: [text] }];
  const client = ends.client();
  client.on(text, (value: unknown, reply: (...args: unknown[]) => void) => reply(value));
  ends.io.once("connection", (socket) => {
    socket.on("echo", (...args) => socket.emit("echo", args, ...args));
    socket.on(text, (value, reply) => reply(value));
  });
  // The event is sent as soon as the client is connected, before an upgrade.
  client.emit("echo", ...said);
  const first = heard(client, "echo");
  const socket = await join(ends, way, client);
  assert.deepEqual(await first, [said, ...said], name);
  const again = heard(client, "echo");
  client.emit("echo", ...said);
  assert.deepEqual(await again, [said, ...said], name);
  assert.deepEqual(await ask(client, text, text), [text], name);
  assert.deepEqual(await ask(socket, text, text), [text], name);
  socket.join(text);
  const news = heard(client, "news");
  ends.io.to(text).emit("news", text);
  assert.deepEqual(await news, [text], name);
  const gone = heard(socket, "disconnect");
  client.disconnect();
  await gone;
}

/** Tests binary data and texts that a transport or an encoding could damage. */
export function encodingSuite(way: Way): void {
  // Polling encodes binary data in base64, so 900 kB become 1.2 MB.
  const large = { maxHttpBufferSize: 2_000_000 };

  const { generation } = way;
  describe(`Data of socket.io-client ${generation.version} over ${way.name}`, () => {
    for (const kind of ["bytes", "blob"] as const) {
      const kept = generation[kind];
      if (kept === undefined) continue;
      test(`binary data sent as ${kind} arrives unchanged in both directions`, async (context) => {
        const ends = await start(context, way, large);
        const client = ends.client();
        const socket = await join(ends, way, client);
        socket.on("binary", (...received) => socket.emit("binary", ...received));
        for (const [does, make] of BINARY) {
          if (does === LARGE && way.largest !== undefined && way.largest < LARGE_SIZE) continue;
          const back = heard(client, "binary");
          client.emit("binary", ...make(kept));
          const expected = make((bytes) => bytes);
          assert.deepEqual(await back, expected, does);
        }
      });
    }

    test("text arrives unchanged in events, keys, acknowledgements and names of rooms", async (context) => {
      const ends = await start(context, way);
      for (const [name, text] of Object.entries(TEXTS)) {
        assert.ok(isTextName(name));
        if (way.damaged?.[name] === undefined) await exchange(ends, way, name, text);
      }
    });

    for (const [name, { arrives, because }] of Object.entries(way.damaged ?? {})) {
      test(`${name} arrive as other text, because ${because}`, async (context) => {
        assert.ok(isTextName(name));
        const ends = await start(context, way);
        const received = new Promise<unknown[]>((resolve) => {
          ends.io.on("connection", (socket) => socket.on("echo", (...args) => resolve(args)));
        });
        // Only polling changes such texts. After an upgrade, the text would be sent over WebSocket, and arrive unchanged.
        ends.client("/", { transports: ["polling"] }).emit("echo", TEXTS[name]);
        assert.deepEqual(await received, [arrives]);
      });
    }

    test("a namespace can have non-ASCII characters in its name", async (context) => {
      const ends = await start(context, way);
      const name = "/é/日本/😀";
      const main = ends.client();
      await join(ends, way, main);
      const accepted = new Promise<Socket>((resolve) =>
        ends.io.of(name).once("connection", resolve),
      );
      const client = main.io.socket(name, {});
      const [socket] = await Promise.all([accepted, heard(client, "connect")]);
      socket.on("echo", (...args) => socket.emit("echo", ...args));
      const echo = heard(client, "echo");
      client.emit("echo", "é日😀");
      assert.deepEqual(await echo, ["é日😀"]);
      const gone = heard(client, "disconnect");
      socket.disconnect();
      assert.deepEqual((await gone)[0], "io server disconnect");
      assert.ok(main.connected);
    });
  });
}

export function interopSuite(way: Way): void {
  encodingSuite(way);

  const { generation } = way;
  describe(`socket.io-client ${generation.version} over ${way.name}`, () => {
    // Socket.IO "Sending and receiving data".
    test("sends and receives events with any number of arguments, in order", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const socket = await join(ends, way, client);
      const ours: unknown[] = [];
      const theirs: unknown[] = [];
      const events = [[], [1], ["a", null, true, { x: [1.5, "€𝒳\u2028"] }], [[]], [0, ""]];
      socket.on("event", (...args) => ours.push(args));
      client.on("event", (...args: unknown[]) => theirs.push(args));
      for (const args of events) {
        client.emit("event", ...args);
        socket.emit("event", ...args);
      }
      client.emit("end");
      socket.emit("end");
      await Promise.all([heard(socket, "end"), heard(client, "end")]);
      assert.deepEqual(ours, events);
      assert.deepEqual(theirs, events);
    });

    // Socket.IO "Acknowledgement".
    test("sends and receives acknowledgements with text and binary data", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const socket = await join(ends, way, client);
      socket.on("ask", (value, reply) => reply(value, Buffer.of(1, 2)));
      client.on("ask", (value: unknown, reply: (...args: unknown[]) => void) =>
        reply(value, generation.bytes(Buffer.of(3, 4))),
      );
      assert.deepEqual(await ask(client, "ask", "a"), ["a", Buffer.of(1, 2)]);
      assert.deepEqual(await ask(socket, "ask", "b"), ["b", Buffer.of(3, 4)]);
      assert.deepEqual(await ask(client, "ask", { c: [1, "é日😀"] }), [
        { c: [1, "é日😀"] },
        Buffer.of(1, 2),
      ]);
      assert.equal(await socket.emitWithAck("ask", 5), 5);
      assert.equal(await socket.timeout(10_000).emitWithAck("ask", 6), 6);
    });

    test("causes a timeout error on the server if it does not acknowledge", async (context) => {
      const ends = await start(context, way);
      const socket = await join(ends, way, ends.client());
      await assert.rejects(socket.timeout(1).emitWithAck("nobody listens"), {
        message: "operation has timed out",
      });
      const error = await new Promise<unknown>((resolve) =>
        socket.timeout(1).emit("nobody listens", (error: unknown) => resolve(error)),
      );
      assert.ok(error instanceof Error);
    });

    test('sends and receives "message" events of send()', async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const socket = await join(ends, way, client);
      const ours = heard(socket, "message");
      const theirs = heard(client, "message");
      client.send("to the server", 1);
      socket.send("to the client", 2);
      assert.deepEqual(await ours, ["to the server", 1]);
      assert.deepEqual(await theirs, ["to the client", 2]);
      const everybody = heard(client, "message");
      ends.io.send("to all");
      assert.deepEqual(await everybody, ["to all"]);
    });

    test("receives a broadcast once if it is in one of the rooms", async (context) => {
      const ends = await start(context, way);
      const logs: string[][] = [];
      const sockets: Socket[] = [];
      const clients: StockClient[] = [];
      for (let i = 0; i < 4; i++) {
        const log: string[] = [];
        const client = ends.client();
        sockets.push(await join(ends, way, client));
        client.on("news", (text: string) => log.push(text));
        clients.push(client);
        logs.push(log);
      }
      const [a, b, c, d] = sockets;
      assert.ok(a && b && c && d);
      a.join("x");
      b.join(["x", "y"]);
      c.join("y");
      ends.io.to("x").emit("news", "x");
      ends.io.to("x").to("y").emit("news", "x+y");
      ends.io.in(["x", "y"]).except("x").emit("news", "x+y-x");
      ends.io.except("y").emit("news", "-y");
      a.to("x").emit("news", "a to x");
      a.broadcast.emit("news", "a to all");
      ends.io.to(d.id).emit("news", "d alone");
      b.leave("x");
      ends.io.to("x").emit("news", "x later");
      ends.io.emit("end");
      await Promise.all(clients.map((client) => heard(client, "end")));
      assert.deepEqual(logs, [
        ["x", "x+y", "-y", "x later"],
        ["x", "x+y", "a to x", "a to all"],
        ["x+y", "x+y-x", "a to all"],
        ["-y", "a to all", "d alone"],
      ]);
    });

    test("joins two namespaces on one connection", async (context) => {
      const ends = await start(context, way);
      const admin = ends.io.of("/admin");
      const main = ends.client("/", { forceNew: false });
      const mainSocket = await join(ends, way, main);
      const accepted = new Promise<Socket>((resolve) => admin.once("connection", resolve));
      const old = generation.revision === 3;
      const says = old ? { query: "token=t" } : { auth: { token: "t" } };
      const other = main.io.socket("/admin", says);
      const [socket] = await Promise.all([accepted, heard(other, "connect")]);
      assert.equal(socket.conn, mainSocket.conn);
      assert.notEqual(socket.id, mainSocket.id);
      const said = !old || generation.namespaceQueries;
      assert.deepEqual(socket.handshake.auth, said ? { token: "t" } : {});
      const log: string[] = [];
      main.on("x", () => log.push("main"));
      other.on("x", () => log.push("admin"));
      admin.emit("x");
      ends.io.emit("x");
      await heard(main, "x");
      assert.deepEqual(log, ["admin", "main"]);
      const gone = heard(socket, "disconnect");
      other.disconnect();
      assert.equal((await gone)[0], "client namespace disconnect");
      assert.ok(main.connected && mainSocket.connected);
    });

    test("receives the error of a middleware with its data, and an error for an unknown namespace", async (context) => {
      const ends = await start(context, way);
      ends.io.use((socket, next) => {
        const { auth, query } = socket.handshake;
        const token = generation.revision === 3 ? query.token : auth.token;
        if (token === "right") next();
        else next(Object.assign(new Error("not you"), { data: { token: token ?? null } }));
      });
      const refused = ends.client("/", { auth: { token: "wrong" }, query: "token=wrong" });
      const [error] = await heard(refused, generation.refused);
      if (generation.revision === 3) {
        // The server's error has data, and clients 1.x and 2.x receive only the data of an error.
        assert.deepEqual(error, { token: "wrong" });
        const unknown = refused.io.socket("/nowhere");
        assert.deepEqual(await heard(unknown, "error"), ["Invalid namespace"]);
      } else {
        assert.ok(error instanceof Error && "data" in error);
        assert.equal(error.message, "not you");
        assert.deepEqual(error.data, { token: "wrong" });
        const [other] = await heard(ends.client("/nowhere"), "connect_error");
        assert.ok(other instanceof Error);
        assert.equal(other.message, "Invalid namespace");
      }
      assert.equal(refused.connected, false);
      await join(ends, way, ends.client("/", { auth: { token: "right" }, query: "token=right" }));
    });

    test("sends its auth, query and headers, which the server's handshake object contains", async (context) => {
      const ends = await start(context, way);
      const client = ends.client("/", { auth: { a: 1 }, query: "q=%E2%82%AC%20x" });
      const { handshake, request } = await join(ends, way, client);
      assert.deepEqual(handshake.auth, generation.revision === 3 ? {} : { a: 1 });
      assert.equal(handshake.query.q, "€ x");
      assert.equal(handshake.query.EIO, `${generation.revision}`);
      assert.equal(handshake.address, "127.0.0.1");
      assert.equal(handshake.secure, false);
      // A page sends its Origin when it opens a WebSocket.
      assert.equal(handshake.xdomain, handshake.headers.origin !== undefined);
      assert.equal(handshake.url, request.url);
      assert.equal(new Date(handshake.time).getTime(), Math.floor(handshake.issued / 1000) * 1000);
      assert.equal(handshake.headers.host, `127.0.0.1:${ends.port}`);
    });

    const REASONS = [
      {
        does: "client.disconnect()",
        act: (client: StockClient) => client.disconnect(),
        server: "client namespace disconnect",
        client: "io client disconnect",
      },
      {
        does: "the client's engine closes",
        act: (client: StockClient) => client.io.engine.close(),
        server: "transport close",
        client: "forced close",
      },
      {
        does: "socket.disconnect()",
        act: (_client: StockClient, socket: Socket) => socket.disconnect(),
        server: "server namespace disconnect",
        client: "io server disconnect",
      },
      {
        does: "socket.disconnect(true)",
        act: (_client: StockClient, socket: Socket) => socket.disconnect(true),
        server: "server namespace disconnect",
        client: "io server disconnect",
      },
      {
        does: "socket.conn.close()",
        act: (_client: StockClient, socket: Socket) => socket.conn.close(),
        server: "forced close",
        client: "transport close",
      },
      {
        does: "io.close()",
        act: (_client: StockClient, _socket: Socket, io: Server) => io.close(),
        server: "server shutting down",
        client: "transport close",
      },
    ] as const;
    for (const { does, act, server, client: told } of REASONS) {
      test(`${does}: disconnects with "${server}" on the server and "${told}" on the client`, async (context) => {
        const ends = await start(context, way);
        const client = ends.client();
        const socket = await join(ends, way, client);
        socket.join("room");
        const log: unknown[] = [];
        socket.on("disconnecting", (reason) => log.push([reason, [...socket.rooms].length]));
        socket.on("disconnect", (reason) => log.push([reason, [...socket.rooms].length]));
        const gone = heard(socket, "disconnect");
        const left = heard(client, "disconnect");
        // Over polling, the server can notify a client of the end only in the response to a pending GET.
        await until(() => socket.conn.transport.writable);
        void act(client, socket, ends.io);
        const [reason] = await left;
        await gone;
        assert.deepEqual(log, [
          [server, 2],
          [server, 0],
        ]);
        assert.equal(reason, told);
        assert.equal(socket.connected, false);
        assert.equal(ends.io.sockets.sockets.size, 0);
        assert.equal(ends.io.sockets.adapter.rooms.size, 0);
      });
    }

    test("reconnects after the server has restarted, and sends the event emitted meanwhile", async (context) => {
      const ends = await start(context, way);
      const client = ends.client("/", {
        reconnection: true,
        reconnectionDelay: 1,
        reconnectionDelayMax: 5,
      });
      const first = await join(ends, way, client);
      const lost = heard(client, "disconnect");
      await ends.io.close();
      await lost;
      client.emit("kept", 1);
      const allowEIO3 = generation.revision === 3;
      const { library: Library = Server } = way;
      const again = new Library({ allowEIO3, ...way.server });
      const accepted = new Promise<Socket>((resolve) =>
        again.once("connection", (socket) => {
          socket.on("kept", (n) => socket.emit("kept", n));
          resolve(socket);
        }),
      );
      const back = heard(client, "kept");
      const http = createServer();
      again.attach(http);
      http.listen(ends.port, "127.0.0.1");
      context.after(() => again.close());
      const second = await accepted;
      assert.deepEqual(await back, [1]);
      assert.notEqual(second.id, first.id);
      assert.equal(portOf(http), ends.port);
    });

    test("sends and receives many messages, each once and in order", async (context) => {
      const ends = await start(context, way);
      const client = ends.client();
      const accepted = new Promise<Socket>((resolve) => ends.io.once("connection", resolve));
      const [socket] = await Promise.all([accepted, heard(client, "connect")]);
      const ours: number[] = [];
      const theirs: number[] = [];
      socket.on("n", (n) => ours.push(n));
      client.on("n", (n: number) => theirs.push(n));
      // Each message of a page also passes between the page and this process, so a page sends fewer messages.
      const count = generation.listener === undefined ? 2000 : 300;
      const numbers = Array.from({ length: count }, (_, n) => n);
      for (const n of numbers) {
        client.emit("n", n);
        socket.emit("n", n);
        if (n % 50 === 0) await new Promise(setImmediate);
      }
      await until(() => ours.length >= count && theirs.length >= count);
      assert.deepEqual(ours, numbers);
      assert.deepEqual(theirs, numbers);
    });
  });
}
