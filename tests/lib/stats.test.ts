// Tests the information for operators: io.stats(), the option `logger`, and the channels of node:diagnostics_channel.

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, type TestContext, test } from "node:test";

import { Adapter, type Logger, type Server, type ServerOptions } from "../../server.ts";
import { runText } from "../support/environment.ts";
import { heard } from "../support/heard.ts";
import {
  ask,
  PollingClient,
  serve,
  until,
  upgradeStatus,
  WebSocketClient,
} from "../support/net.ts";

/** Records log lines as "<level> <message>". */
function recorder(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = [];
  const write = (level: string) => (message: string) => lines.push(`${level} ${message}`);
  const logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  return { lines, logger };
}

/** An action of a client, and how the server counts and logs it. */
interface Incident {
  readonly happens: string;
  readonly options?: ServerOptions;
  readonly provoke: (port: number, io: Server) => Promise<unknown>;
  readonly counted: (stats: ReturnType<Server["stats"]>) => unknown;
  readonly as: unknown;
  readonly logs: string;
}

const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

const INCIDENTS: readonly Incident[] = [
  {
    happens: "a request has an unknown session id",
    provoke: (port) => ask(port, `${HANDSHAKE}&sid=unknown`),
    counted: ({ refusals }) => refusals,
    as: { UNKNOWN_SID: 1 },
    logs: "warn a client was refused",
  },
  {
    happens: "allowRequest rejects a client",
    options: { allowRequest: (_request, callback) => callback("no", false) },
    provoke: (port) => ask(port, HANDSHAKE),
    counted: ({ refusals }) => refusals,
    as: { FORBIDDEN: 1 },
    logs: "warn a client was refused",
  },
  {
    happens: "a page of another origin is rejected",
    provoke: (port) => ask(port, HANDSHAKE, { headers: { origin: "https://evil.test" } }),
    options: { origins: "same" },
    counted: ({ refusals }) => Object.values(refusals),
    as: [1],
    logs: "warn a client was refused",
  },
  {
    happens: "an upgrade request is not a valid opening handshake",
    provoke: (port) => upgradeStatus(port, { "Sec-WebSocket-Version": "7" }),
    counted: ({ refusals }) => refusals,
    as: { BAD_WEBSOCKET_HANDSHAKE: 1 },
    logs: "warn a client was refused",
  },
  {
    happens: "a client violates the protocol",
    provoke: async (port) => {
      const client = new WebSocketClient(port);
      await client.join();
      client.send("x");
      await client.closed;
    },
    counted: ({ closes, breaches }) => [closes, Object.values(breaches)],
    as: [{ "parse error": 1 }, [1]],
    logs: "warn a connection has failed",
  },
  {
    happens: "a client does not read, and is disconnected",
    options: { maxBackpressure: 100_000 },
    provoke: async (port, io) => {
      const client = await PollingClient.open(port);
      await client.join();
      const ended = new Promise((resolve) => {
        for (const socket of io.sockets.sockets.values()) socket.once("disconnect", resolve);
      });
      for (let n = 0; n < 20; n++) io.emit("news", "x".repeat(10_000));
      await ended;
    },
    counted: ({ closes, bounds }) => [closes, bounds],
    as: [{ "transport error": 1 }, { maxBackpressure: 1 }],
    logs: "warn a client has reached a limit",
  },
  {
    happens: "a client does not read, and events are dropped",
    options: { maxBackpressure: 100_000, backpressurePolicy: "drop-oldest" },
    provoke: async (port, io) => {
      const client = await PollingClient.open(port);
      await client.join();
      for (let n = 0; n < 20; n++) io.emit("news", "x".repeat(10_000));
    },
    counted: ({ closes, bounds, dropped }) => [closes, bounds, dropped],
    as: [{}, { maxBackpressure: 1 }, 11],
    logs: "warn a client has reached a limit",
  },
  {
    happens: "an adapter fails",
    options: {
      adapter: class extends Adapter {
        override init(): void {
          setImmediate(() => this.dispatch("error", [new Error("the way to the others")]));
        }
      },
    },
    provoke: (_port, io) => heard(io.sockets.adapter, "error"),
    counted: ({ errors }) => errors,
    as: 1,
    logs: "error the way to the others",
  },
];

/** For each limit of Socket.IO and of messages: the options, and the packets with which a client reaches the limit. */
const BOUNDS: Readonly<
  Record<string, { readonly options: ServerOptions; readonly sends: readonly string[] }>
> = {
  maxHttpBufferSize: { options: { maxHttpBufferSize: 1000 }, sends: ["40", "x".repeat(1001)] },
  maxAttachments: {
    options: { maxAttachments: 1 },
    sends: ["40", '452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'],
  },
  attachmentTimeout: {
    options: { attachmentTimeout: 1 },
    sends: ["40", '451-["a",{"_placeholder":true,"num":0}]'],
  },
  connectTimeout: { options: { connectTimeout: 1 }, sends: [] },
  maxAuthSize: {
    options: { maxAuthSize: 100 },
    sends: [`40${JSON.stringify({ token: "x".repeat(100) })}`],
  },
  maxCreatedNamespaces: { options: { maxCreatedNamespaces: 0 }, sends: ["40/dynamic,"] },
  rateLimit: {
    options: { rateLimit: { events: 1, interval: 3_600_000 } },
    sends: ["40", '42["a"]', '42["b"]'],
  },
  maxRoomsPerSocket: {
    options: { maxRoomsPerSocket: 2 },
    sends: ["40", '42["join",["a","b","c"]]'],
  },
};

describe("io.stats().bounds counts", () => {
  for (const [bound, { options, sends }] of Object.entries(BOUNDS)) {
    test(bound, async (context) => {
      const { lines, logger } = recorder();
      const { io, port } = await serve(context, { ...options, logger });
      io.of(/^\/dynamic$/);
      io.on("connection", (socket) => {
        socket.on("error", () => {});
        socket.on("join", (rooms) => socket.join(rooms));
      });
      const client = await new WebSocketClient(port).opened();
      await client.next();
      for (const text of sends) {
        client.send(text);
        if (text === "40") await client.next();
      }
      await until(() => Object.keys(io.stats().bounds).length > 0);
      assert.deepEqual(io.stats().bounds, { [bound]: 1 });
      assert.ok(lines.some((line) => line.startsWith("warn ")));
      client.socket.terminate();
    });
  }
});

describe("io.stats() and the logger", () => {
  for (const { happens, options, provoke, counted, as, logs } of INCIDENTS) {
    test(`report that ${happens}`, async (context) => {
      const { lines, logger } = recorder();
      const { io, port } = await serve(context, { ...options, logger });
      await provoke(port, io);
      await until(() => lines.includes(logs));
      assert.deepEqual(counted(io.stats()), as);
    });
  }

  test("count connections by transport and revision, packets and bytes", async (context) => {
    const { lines, logger } = recorder();
    const { io, port } = await serve(context, { allowEIO3: true, logger });
    io.on("connection", (socket) => {
      socket.on("echo", (value, answer) => answer(value));
    });
    const polling = await PollingClient.open(port);
    await polling.join();
    const client = new WebSocketClient(port);
    await client.join();
    client.send('420["echo","text"]');
    assert.equal(await client.next(), '430["text"]');
    const { connections, packets, bytes, sockets } = io.stats();
    assert.deepEqual(connections, {
      open: 2,
      addresses: 1,
      total: 2,
      byTransport: { polling: 1, websocket: 1, memory: 0 },
      byRevision: { 3: 0, 4: 2 },
    });
    assert.deepEqual(sockets, { "/": 2 });
    // Each of the two clients receives an open packet, sends CONNECT and receives a response. One of them then sends an
    // event and receives an acknowledgement.
    assert.deepEqual(packets, { received: 3, sent: 5 });
    assert.ok(bytes.received > 18 && bytes.sent > 11, "the bytes of open connections are missing");
    client.socket.terminate();
    await until(() => io.stats().connections.open === 1);
    const later = io.stats();
    assert.equal(later.connections.total, 2);
    assert.ok(
      later.bytes.received >= bytes.received,
      "the bytes of closed connections are missing",
    );
    assert.deepEqual(later.closes, { "transport close": 1 });
    const told = ["a client has connected", "a client has connected", "a client has disconnected"];
    assert.deepEqual(
      lines,
      told.map((line) => `debug ${line}`),
    );
  });

  test("show slow clients, the number of rooms, and pending acknowledgements", async (context) => {
    const { io, port } = await serve(context, { pingInterval: 1_000_000 });
    const reader = new WebSocketClient(port);
    await reader.join();
    const slow = await PollingClient.open(port);
    await slow.join();
    assert.deepEqual(io.stats().slowest, []);
    io.socketsJoin("room");
    io.emit("question", () => {});
    for (const socket of io.sockets.sockets.values()) socket.emit("question", () => {});
    io.emit("news", "x".repeat(1_000));
    // Wait until the operating system has accepted the data for the other client.
    await until(() => io.stats().slowest.length === 1);
    const { slowest, rooms, awaitedAcks, bytes } = io.stats();
    assert.deepEqual(
      slowest.map(({ id, address }) => [id, address]),
      [[slow.sid, "127.0.0.1"]],
    );
    assert.equal(slowest[0]?.waiting, bytes.waiting);
    assert.deepEqual([rooms, awaitedAcks], [{ "/": 3 }, { "/": 4 }]);
  });

  test("show the five slowest clients, the slowest first", async (context) => {
    const { io, port } = await serve(context, { pingInterval: 1_000_000 });
    for (let count = 1; count <= 7; count++) {
      const client = await PollingClient.open(port);
      await client.join();
      io.emit("news", "x".repeat(1_000));
    }
    const waiting = io.stats().slowest.map((client) => client.waiting);
    assert.equal(waiting.length, 5);
    assert.deepEqual(
      waiting,
      waiting.toSorted((one, other) => other - one),
    );
  });

  test("log the origin that was rejected, and the id of a client that timed out without reading", async (context) => {
    const logged: [message: string, details: object][] = [];
    const logger: Logger = { warn: (...entry) => logged.push(entry) };
    // Even on a busy machine, the client must join within a second, before its session times out.
    const { io, port } = await serve(context, { logger, pingInterval: 500, pingTimeout: 500 });
    await ask(port, HANDSHAKE, { headers: { origin: "https://evil.test" } });
    const client = await PollingClient.open(port);
    await client.join();
    io.emit("news");
    await until(() => logged.length === 2);
    const [[, refused] = [], [message, timedOut] = []] = logged;
    assert.equal(Reflect.get(refused ?? {}, "origin"), "https://evil.test");
    assert.equal(Reflect.get(refused ?? {}, "expected"), `http://127.0.0.1:${port}`);
    assert.equal(message, "a client did not read, and has timed out");
    assert.equal(Reflect.get(timedOut ?? {}, "id"), client.sid);
  });
});

/** Records the messages published on a channel. */
function published(context: TestContext, name: string): object[] {
  const messages: object[] = [];
  const listener = (message: unknown): void => {
    if (typeof message === "object" && message !== null) messages.push(message);
  };
  subscribe(name, listener);
  context.after(() => unsubscribe(name, listener));
  return messages;
}

test("diagnostics channels publish connections, messages, closes and refusals", async (context) => {
  const connections = published(context, "barewire:connection");
  const messages = published(context, "barewire:message");
  const closes = published(context, "barewire:close");
  const refusals = published(context, "barewire:refusal");
  const { io, port } = await serve(context);
  const client = new WebSocketClient(port);
  await client.join();
  client.send("1");
  await client.closed;
  await ask(port, `${HANDSHAKE}&sid=unknown`);
  await until(() => io.engine.clientsCount === 0);
  assert.equal(connections.length, 1);
  const directions = messages.map((message) => Reflect.get(message, "direction"));
  assert.deepEqual(directions, ["sent", "received", "sent", "received"]);
  assert.deepEqual(
    closes.map((close) => Reflect.get(close, "reason")),
    ["transport close"],
  );
  assert.deepEqual(
    refusals.map((refusal) => Reflect.get(refusal, "name")),
    ["UNKNOWN_SID"],
  );
});

test("NODE_DEBUG=barewire:* logs connections, refusals, joins, leaves and closes", async () => {
  const program = `
    import { get } from "node:http";
    import { io as connect } from "./client/index.ts";
    import { Server } from "./server.ts";
    const io = new Server(0);
    io.of("/closed").use((socket, next) => next(new Error("not today")));
    io.httpServer.on("listening", () => {
      const url = "http://127.0.0.1:" + io.httpServer.address().port;
      get(url + "/socket.io/?EIO=4&transport=polling&sid=unknown", (answer) => {
        answer.resume().on("end", () => {
          const client = connect(url, { transports: ["websocket"] });
          client.on("connect", () => {
            client.io.socket("/closed").on("connect_error", () => {
              client.disconnect();
              io.close();
            });
          });
        });
      });
    });`;
  const { stderr } = await runText(program, [], { NODE_DEBUG: "barewire:*" });
  for (const line of [
    /BAREWIRE:ENGINE \d+: refuses GET \/socket\.io\/\S+: Session ID unknown/,
    /BAREWIRE:WEBSOCKET \d+: the connection with 127\.0\.0\.1:\d+ is open/,
    /BAREWIRE:ENGINE \d+: \S{20} connects over websocket, revision 4/,
    /BAREWIRE:SOCKETIO \d+: \S{20} joins \/ as \S{20}\n/,
    /BAREWIRE:SOCKETIO \d+: \S{20} is refused from \/closed: not today/,
    /BAREWIRE:SOCKETIO \d+: \S{20} leaves \/: \S/,
    /BAREWIRE:WEBSOCKET \d+: the connection with 127\.0\.0\.1:\d+ ends: 1\d{3}/,
  ]) {
    assert.match(stderr, line);
  }
});

test("NODE_DEBUG=barewire:websocket logs the connections and refusals of a WebSocketServer, and nothing is logged without it", async () => {
  const program = `
    import { once } from "node:events";
    import { request } from "node:http";
    import { createConnection } from "node:net";
    import { WebSocket, WebSocketServer } from "./websocket.ts";
    const options = { port: 0, host: "127.0.0.1", maxConnections: 1, perMessageDeflate: true };
    const server = new WebSocketServer(options);
    server.on("listening", async () => {
      const { port } = server.address();
      const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "8" };
      const invalid = request({ port, host: "127.0.0.1", path: "/invalid", headers }).end();
      const [answer] = await once(invalid, "response");
      answer.resume();
      const first = new WebSocket("ws://127.0.0.1:" + port);
      await once(first, "open");
      const second = new WebSocket("ws://127.0.0.1:" + port + "/second");
      await once(second, "close");
      first.close(1000, "bye");
      await once(first, "close");
      const lines = [
        "GET /raw HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      ];
      const raw = createConnection(port, "127.0.0.1").resume();
      raw.write(lines.join("\\r\\n") + "\\r\\n\\r\\n");
      // A text frame without a masking key.
      raw.end(Uint8Array.of(0x81, 0x00));
      await once(raw, "close");
      await server.close();
    });`;
  const log = async (debug: string): Promise<string> =>
    (await runText(program, [], { NODE_DEBUG: debug })).stderr;
  const lines = (await log("barewire:websocket")).split("\n").slice(0, -1);
  const texts = lines.map((line) => line.replace(/^BAREWIRE:WEBSOCKET \d+: /, ""));
  // The client and the server are in the same process, so the connection of the client is logged twice.
  assert.deepEqual(texts.map((text) => text.replace(/:\d+ /, ":port ")).sort(), [
    "refuses /invalid: Missing or invalid Sec-WebSocket-Key header",
    "refuses /second: Too many connections",
    // The server's close frame answers the client's, without a reason.
    "the connection with 127.0.0.1:port ends: 1000 ",
    "the connection with 127.0.0.1:port ends: 1000 bye",
    "the connection with 127.0.0.1:port ends: 1006 a client's frame is not masked (RFC 6455 §5.1)",
    "the connection with 127.0.0.1:port is open",
    ...Array(2).fill("the connection with 127.0.0.1:port is open, with permessage-deflate"),
  ]);
  assert.equal(await log(""), "");
});
