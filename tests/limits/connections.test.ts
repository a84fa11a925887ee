// Tests limits for the number of clients: at once, from one address, and per second. A client stops counting exactly
// once, when it disconnects or is rejected.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { Duplex } from "node:stream";
import { describe, type TestContext, test } from "node:test";

import type { ConnectionBound } from "../../lib/connection-bounds.ts";
import type { Session } from "../../lib/engineio/session.ts";
import type { CloseReason } from "../../protocol/engineio/session.ts";
import { Server, type ServerOptions } from "../../server.ts";
import { boundsOf } from "../support/bounds.ts";
import { connectTo } from "../support/client.ts";
import { Clock } from "../support/clock.ts";
import { generation } from "../support/generations.ts";
import {
  type Answer,
  ask,
  listen,
  PollingClient,
  reset,
  serve,
  TcpClient,
  turn,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../support/net.ts";

const POLLING = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET = "/socket.io/?EIO=4&transport=websocket";
const TOO_MANY = '{"code":4,"message":"Too many connections"}';

const from = (address: string): { headers: Record<string, string> } => ({
  headers: { "X-Forwarded-For": address },
});

/** Opens a session over polling. Returns the status of the response. */
async function statusOf(port: number, address = "203.0.113.1", query = ""): Promise<number> {
  return (await ask(port, `${POLLING}${query}`, from(address))).status;
}

/** Requests a WebSocket. Returns the head of the response. An accepted connection stays open until the test ends. */
async function webSocketHead(context: TestContext, port: number, path = WEBSOCKET) {
  const client = new TcpClient(port).write(upgradeRequest(path));
  context.after(() => client.socket.destroy());
  return { client, head: await client.until("\r\n\r\n") };
}

interface Bound {
  readonly options: ServerOptions;
  readonly name: string;
  readonly retryAfter: string;
}

const BOUNDS: Readonly<Record<ConnectionBound, Bound>> = {
  maxConnections: {
    options: { maxConnections: 2 },
    name: "MAX_CONNECTIONS",
    retryAfter: "5",
  },
  maxConnectionsPerAddress: {
    options: { maxConnectionsPerAddress: 2 },
    name: "MAX_CONNECTIONS_PER_ADDRESS",
    retryAfter: "5",
  },
  maxHandshakesPerSecond: {
    options: { maxHandshakesPerSecond: 2 },
    name: "MAX_HANDSHAKES_PER_SECOND",
    retryAfter: "1",
  },
};

describe("New clients", () => {
  for (const [bound, { options, name, retryAfter }] of Object.entries(BOUNDS)) {
    test(`beyond ${bound} are refused with 503, emitted as connection_error, counted and logged`, async (context) => {
      new Clock(context);
      const logged: unknown[] = [];
      const { io, port } = await serve(context, {
        ...options,
        logger: { warn: (message, details) => logged.push([message, details]) },
      });
      const errors: unknown[] = [];
      io.engine.on("connection_error", ({ req, code, message, context: details }) => {
        errors.push([req.url, code, message, details]);
      });
      assert.equal(await statusOf(port), 200);
      assert.equal(await statusOf(port), 200);
      assert.deepEqual([errors, logged], [[], []]);

      const refused = await ask(port, POLLING, from("203.0.113.1"));
      assert.deepEqual([refused.status, refused.body], [503, TOO_MANY]);
      assert.equal(refused.headers["retry-after"], retryAfter);
      const socket = new TcpClient(port).write(
        upgradeRequest(WEBSOCKET, { "X-Forwarded-For": "203.0.113.1" }),
      );
      const answer = (await socket.closed).toString();
      assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
      assert.ok(answer.includes(`\r\nRetry-After: ${retryAfter}\r\n`), answer);
      assert.ok(answer.endsWith("\r\n\r\nToo many connections"), answer);

      const address = "203.0.113.1";
      const details = { name, bound, limit: 2, address };
      assert.deepEqual(
        errors,
        [POLLING, WEBSOCKET].map((url) => [url, 4, "Too many connections", details]),
      );
      assert.deepEqual(
        logged,
        [POLLING, WEBSOCKET].map((url) => [
          "a client was refused",
          { ...details, message: "Too many connections", url },
        ]),
      );
      const { connections, refusals, bounds } = io.stats();
      assert.deepEqual([refusals, bounds], [{ [name]: 2 }, { [bound]: 2 }]);
      assert.deepEqual([connections.open, connections.addresses], [2, 1]);
    });
  }

  test("that pipeline requests and disconnect before the answer get no session", async (context) => {
    const { io, port } = await serve(context);
    const sockets: Duplex[] = [];
    io.httpServer.on("connection", (socket: Duplex) => sockets.push(socket));
    const waiting: (() => void)[] = [];
    io.engine.use((_request, _response, next) => waiting.push(next));
    const client = new TcpClient(port);
    const head = (n: number): string =>
      `GET ${POLLING} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.${n}\r\n\r\n`;
    client.write(head(1) + head(2) + head(3));
    await until(() => waiting.length === 3);
    client.socket.resetAndDestroy();
    await until(() => sockets.every(({ closed }) => closed));
    for (const next of waiting) next();
    await turn();
    assert.equal(io.engine.clientsCount, 0);
  });

  test("that send bytes before the answer and disconnect no longer count", async (context) => {
    const { io, port } = await serve(context, { maxConnections: 1, allowRequest: () => {} });
    const client = new TcpClient(port).write(upgradeRequest(WEBSOCKET));
    context.after(() => client.socket.destroy());
    await until(() => boundsOf(io).count === 1);
    client.write("early").socket.end();
    await until(() => boundsOf(io).count === 0);
  });

  test("clients of all addresses count together towards maxConnections", async (context) => {
    const { port } = await serve(context, { maxConnections: 2 });
    assert.equal(await statusOf(port, "203.0.113.1"), 200);
    assert.equal(await statusOf(port, "203.0.113.2"), 200);
    assert.equal(await statusOf(port, "203.0.113.3"), 503);
  });

  test("clients of one address count towards maxConnectionsPerAddress, while clients of other addresses can connect", async (context) => {
    const { io, port } = await serve(context, { maxConnectionsPerAddress: 1 });
    // biome-ignore format: table
    const CLIENTS = [
      ["203.0.113.1", 200], ["203.0.113.1", 503], ["203.0.113.2", 200],
      ["::ffff:203.0.113.1", 503],
      ["2001:db8:0:1::1", 200], ["2001:db8:0:1:ffff::2", 503], ["2001:db8:0:2::1", 200],
    ] as const;
    for (const [address, status] of CLIENTS) assert.equal(await statusOf(port, address), status);
    assert.equal(io.stats().connections.addresses, 4);
    const [first] = CLIENTS;
    const socket = new TcpClient(port).write(
      upgradeRequest(WEBSOCKET, { "X-Forwarded-For": first[0] }),
    );
    assert.match((await socket.closed).toString(), /^HTTP\/1\.1 503 /);
  });

  test("of an untrusted proxy count for its address, whatever X-Forwarded-For says", async (context) => {
    const options = { maxConnectionsPerAddress: 1, trustedProxies: "none" } as const;
    const { port } = await serve(context, options);
    assert.equal(await statusOf(port, "203.0.113.1"), 200);
    assert.equal(await statusOf(port, "203.0.113.2"), 503);
  });

  test("clients beyond maxHandshakesPerSecond are refused until enough time has passed", async (context) => {
    const clock = new Clock(context);
    const { port } = await serve(context, { maxHandshakesPerSecond: 4 });
    const statuses = async (count: number): Promise<number[]> => {
      const all: number[] = [];
      for (let at = 0; at < count; at++) all.push(await statusOf(port));
      return all;
    };
    assert.deepEqual(await statuses(5), [200, 200, 200, 200, 503]);
    clock.tick(249);
    assert.deepEqual(await statuses(1), [503]);
    clock.tick(1);
    assert.deepEqual(await statuses(2), [200, 503]);
    clock.tick(500);
    assert.deepEqual(await statuses(3), [200, 200, 503]);
    // After a long period without requests, the server still accepts only four clients at once.
    clock.tick(20_000);
    assert.deepEqual(await statuses(5), [200, 200, 200, 200, 503]);
  });

  test("can connect after the time in Retry-After if maxHandshakesPerSecond is less than 1", async (context) => {
    const clock = new Clock(context);
    const { port } = await serve(context, { maxHandshakesPerSecond: 0.25 });
    assert.equal(await statusOf(port), 200);
    clock.tick(1000);
    const refused = await ask(port, POLLING);
    assert.deepEqual([refused.status, refused.headers["retry-after"]], [503, "3"]);
    clock.tick(3000);
    assert.equal(await statusOf(port), 200);
  });

  test("refused for another limit do not count towards maxHandshakesPerSecond", async (context) => {
    new Clock(context);
    const { port } = await serve(context, {
      maxConnectionsPerAddress: 1,
      maxHandshakesPerSecond: 2,
    });
    assert.equal(await statusOf(port, "203.0.113.1"), 200);
    for (let at = 0; at < 10; at++) assert.equal(await statusOf(port, "203.0.113.1"), 503);
    assert.equal(await statusOf(port, "203.0.113.2"), 200);
  });

  test("do not include sessions that upgrade to WebSocket", async (context) => {
    const { io, port } = await serve(context, { maxConnections: 1, maxHandshakesPerSecond: 1 });
    const polling = await PollingClient.open(port);
    const socket = await polling.webSocket().opened();
    socket.send("2probe");
    assert.equal(await socket.next(), "3probe");
    socket.send("5");
    await until(() => io.stats().connections.byTransport.websocket === 1);
    assert.equal((await ask(port, POLLING)).status, 503);
    socket.send("1");
    await until(() => io.stats().connections.open === 0);
  });

  test("include those of io.testClient(), which count towards maxConnections", async (context) => {
    const { io, port } = await serve(context, { maxConnections: 1 });
    const first = await io.testClient();
    await assert.rejects(io.testClient(), new Error("Too many connections"));
    assert.equal(await statusOf(port), 503);
    await first.disconnect();
    assert.equal((await io.testClient()).connected, true);
  });
});

/** Asserts that a server accepts two clients again, and rejects a third. */
async function assertTwoPlaces(io: Server, port: number): Promise<void> {
  const bounds = boundsOf(io);
  await until(() => bounds.count === 0);
  await turn();
  assert.deepEqual([bounds.count, bounds.addressCount], [0, 0]);
  const statuses = [];
  for (let at = 0; at < 3; at++) statuses.push(await statusOf(port, "127.0.0.1"));
  assert.deepEqual(statuses, [200, 200, 503]);
}

const TWO: ServerOptions = {
  maxConnections: 2,
  maxConnectionsPerAddress: 2,
  allowEIO3: true,
  jsonp: true,
  origins: "*",
};

/** A client with a session. */
interface Client {
  /** Sends a text as one packet. */
  send(packet: string): Promise<unknown>;
  /** Breaks the connection of the session. */
  breakOff(): Promise<unknown>;
}

type TransportKind =
  | "polling"
  | "polling, revision 3"
  | "JSONP"
  | "JSONP, revision 3"
  | "WebSocket"
  | "WebSocket, revision 3"
  | "WebSocket after polling";

function overPolling(query = "", revision: 3 | 4 = 4) {
  return async (port: number): Promise<Client> => {
    const client = await PollingClient.open(port, query, revision);
    const body = (packet: string): string => {
      const payload = revision === 3 ? `${packet.length}:${packet}` : packet;
      return query === "" ? payload : `d=${encodeURIComponent(payload)}`;
    };
    return {
      send: (packet) => client.post(body(packet)),
      breakOff: async () => {
        const poll = new TcpClient(port);
        poll.write(`GET ${client.path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        poll.write(`GET /other HTTP/1.1\r\nHost: x\r\n\r\n`);
        // When this request is answered, the server has also received the two pipelined requests.
        await ask(port, "/other");
        reset(poll.socket);
      },
    };
  };
}

function overWebSocket(revision: 3 | 4) {
  return async (port: number): Promise<Client> => {
    const client = new WebSocketClient(port, `/socket.io/?EIO=${revision}&transport=websocket`);
    await client.next();
    return {
      send: async (packet) => client.send(packet),
      breakOff: async () => client.socket.terminate(),
    };
  };
}

const TRANSPORTS: Readonly<Record<TransportKind, (port: number, io: Server) => Promise<Client>>> = {
  polling: overPolling(),
  "polling, revision 3": overPolling("", 3),
  JSONP: overPolling("&j=0"),
  "JSONP, revision 3": overPolling("&j=0", 3),
  WebSocket: overWebSocket(4),
  "WebSocket, revision 3": overWebSocket(3),
  "WebSocket after polling": async (port, io) => {
    const client = (await PollingClient.open(port)).webSocket();
    await client.opened();
    client.send("2probe");
    await client.next();
    client.send("5");
    await until(() => io.stats().connections.byTransport.websocket === 1);
    return {
      send: async (packet) => client.send(packet),
      breakOff: async () => client.socket.terminate(),
    };
  },
};

interface Circumstances {
  readonly client: Client;
  readonly session: Session;
  readonly clock: Clock;
}

/** The ways in which a session ends, by close reason. */
const ENDINGS: Readonly<
  Record<CloseReason, Readonly<Record<string, (now: Circumstances) => unknown>>>
> = {
  "transport close": {
    "a close packet": ({ client }) => client.send("1"),
  },
  "transport error": {
    "a lost connection": ({ client }) => client.breakOff(),
  },
  "parse error": {
    "an unknown packet": ({ client }) => client.send("x"),
  },
  "ping timeout": {
    "a client that sends no pong": ({ clock }) => clock.tick(45_000 + 20_000),
  },
  "forced close": {
    "discard()": ({ session }) => session.discard("forced close"),
    "discard() twice": ({ session }) => {
      session.discard("forced close");
      session.discard("transport error");
    },
    "close() with a client that does not respond": ({ session, clock }) => {
      session.close();
      clock.tick(65_000);
    },
    connectTimeout: ({ clock }) => {
      clock.tick(45_000);
      clock.tick(45_000);
    },
  },
};

describe("The server stops counting a client, exactly once, when the client's session ends:", () => {
  for (const [transport, open] of Object.entries(TRANSPORTS)) {
    for (const [reason, ways] of Object.entries(ENDINGS)) {
      for (const [way, end] of Object.entries(ways)) {
        test(`${transport}, "${reason}" by ${way}`, { timeout: 10_000 }, async (context) => {
          const clock = new Clock(context);
          const { io, port } = await serve(context, TWO);
          const began = new Promise<Session>((resolve) => io.engine.once("connection", resolve));
          const client = await open(port, io);
          const session = await began;
          assert.equal(io.engine.clientsCount, 1);
          await end({ client, session, clock });
          await until(() => io.engine.clientsCount === 0);
          await assertTwoPlaces(io, port);
        });
      }
    }
  }

  test('discard() in the "connection" listener', async (context) => {
    const { io, port } = await serve(context, TWO);
    let ended = 0;
    io.engine.on("connection", (session) => {
      if (ended++ < 2) session.discard("forced close");
    });
    await statusOf(port);
    await webSocketHead(context, port);
    await until(() => ended === 2);
    await assertTwoPlaces(io, port);
  });

  test("two sessions to which generateId assigned the same id", async (context) => {
    const { io, port } = await serve(context, TWO);
    const sessions: Session[] = [];
    io.engine.on("connection", (session) => sessions.push(session));
    io.engine.generateId = ({ url = "" }) => (url.includes("same") ? "same" : `${Math.random()}`);
    assert.equal(await statusOf(port, "127.0.0.1", "&same"), 200);
    assert.equal(await statusOf(port, "127.0.0.1", "&same"), 200);
    for (const session of sessions) session.discard("forced close");
    await assertTwoPlaces(io, port);
  });
});

/** A pending decision of the application whether to accept a client. */
interface Decision {
  allow(): void;
  refuse(): void;
}

type Handshake =
  | "polling"
  | "polling, revision 3"
  | "JSONP"
  | "pipelined polling"
  | "WebSocket"
  | "WebSocket, revision 3";

const HANDSHAKES: Readonly<Record<Handshake, string>> = {
  polling: `GET ${POLLING}&asks HTTP/1.1\r\nHost: x\r\n\r\n`,
  "polling, revision 3": `GET /socket.io/?EIO=3&transport=polling&asks HTTP/1.1\r\nHost: x\r\n\r\n`,
  JSONP: `GET ${POLLING}&j=0&asks HTTP/1.1\r\nHost: x\r\n\r\n`,
  "pipelined polling": `GET /never HTTP/1.1\r\nHost: x\r\n\r\n${`GET ${POLLING}&asks HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(2)}`,
  WebSocket: upgradeRequest(`${WEBSOCKET}&asks`),
  "WebSocket, revision 3": upgradeRequest("/socket.io/?EIO=3&transport=websocket&asks"),
};

interface Trial {
  readonly client: TcpClient;
  /** Resolves to the pending decisions as soon as there is at least one. */
  readonly asked: () => Promise<readonly Decision[]>;
  /** Resolves when the server has noticed that the client disconnected. */
  readonly left: () => Promise<void>;
}

type Fate =
  | "allowRequest refuses the client"
  | "allowRequest refuses the client later"
  | "allowRequest throws"
  | "generateId throws"
  | "generateId rejects"
  | 'an "initial_headers" listener throws'
  | "the client disconnects, and allowRequest never calls back"
  | "the client resets the connection, and allowRequest never calls back"
  | "the client disconnects before allowRequest accepts it"
  | "the client disconnects before allowRequest refuses it"
  | "the client resets the connection before allowRequest accepts it"
  | "the client resets the connection at once"
  | "the client disconnects at once"
  | "the client disconnects while generateId runs";

const thrower = (): never => {
  throw new Error("on purpose");
};

interface FateOf {
  /**
   * The code or the options of the application. With "asks", allowRequest() lets the test decide whether to accept the
   * client.
   */
  readonly program: "asks" | ((io: Server) => void) | ServerOptions;
  readonly happens: (trial: Trial) => Promise<unknown>;
}

const answered = async ({ client }: Trial): Promise<void> => {
  await client.until("HTTP/1.1 4");
};

const asks = (url = ""): boolean => url.includes("asks");

const FATES: Readonly<Record<Fate, FateOf>> = {
  "allowRequest refuses the client": {
    program: {
      allowRequest: ({ url }, callback) => callback(null, !asks(url)),
    },
    happens: answered,
  },
  "allowRequest refuses the client later": {
    program: "asks",
    happens: async (trial) => {
      for (const { refuse } of await trial.asked()) refuse();
      await answered(trial);
    },
  },
  "allowRequest throws": {
    program: {
      allowRequest: ({ url }, callback) => (asks(url) ? thrower() : callback(null, true)),
    },
    happens: answered,
  },
  "generateId throws": {
    program: (io) => {
      io.engine.generateId = ({ url }) => (asks(url) ? thrower() : `${Math.random()}`);
    },
    happens: answered,
  },
  "generateId rejects": {
    program: (io) => {
      io.engine.generateId = async ({ url }) => (asks(url) ? thrower() : `${Math.random()}`);
    },
    happens: answered,
  },
  'an "initial_headers" listener throws': {
    program: (io) => {
      io.engine.on("initial_headers", (_headers, { url }) => {
        if (asks(url)) thrower();
      });
    },
    happens: answered,
  },
  "the client disconnects, and allowRequest never calls back": {
    program: "asks",
    happens: async ({ asked, client, left }) => {
      await asked();
      client.socket.destroy();
      await left();
    },
  },
  "the client resets the connection, and allowRequest never calls back": {
    program: "asks",
    happens: async ({ asked, client, left }) => {
      await asked();
      reset(client.socket);
      await left();
    },
  },
  "the client disconnects before allowRequest accepts it": {
    program: "asks",
    happens: async ({ asked, client, left }) => {
      const decisions = await asked();
      client.socket.destroy();
      await left();
      for (const { allow } of decisions) allow();
    },
  },
  "the client disconnects before allowRequest refuses it": {
    program: "asks",
    happens: async ({ asked, client, left }) => {
      const decisions = await asked();
      client.socket.destroy();
      await left();
      for (const { refuse } of decisions) refuse();
    },
  },
  "the client resets the connection before allowRequest accepts it": {
    program: "asks",
    happens: async ({ asked, client, left }) => {
      const decisions = await asked();
      reset(client.socket);
      await left();
      for (const { allow } of decisions) allow();
    },
  },
  "the client resets the connection at once": {
    program: {},
    happens: async ({ client, left }) => {
      await once(client.socket, "connect");
      reset(client.socket);
      await left();
    },
  },
  "the client disconnects at once": {
    program: {},
    happens: async ({ client, left }) => {
      await once(client.socket, "connect");
      client.socket.destroy();
      await left();
    },
  },
  "the client disconnects while generateId runs": {
    program: (io) => {
      io.engine.generateId = async ({ url, socket }) => {
        if (asks(url)) {
          socket.destroy();
          await once(socket, "close");
        }
        return `${Math.random()}`;
      };
    },
    happens: async ({ left }) => left(),
  },
};

describe("The server stops counting a client, exactly once, when the client gets no session:", () => {
  for (const [handshake, text] of Object.entries(HANDSHAKES)) {
    for (const [fate, { program, happens }] of Object.entries(FATES)) {
      // Pipelined requests are answered in order, so this response would have to wait for the previous one. The case is
      // left out.
      if (handshake === "pipelined polling" && happens === answered) continue;
      if (handshake === "pipelined polling" && fate === "allowRequest refuses the client later")
        continue;
      test(`${handshake}, ${fate}`, { timeout: 10_000 }, async (context) => {
        const clock = new Clock(context);
        const decisions: Decision[] = [];
        const allowRequest: ServerOptions["allowRequest"] = ({ url }, callback) => {
          if (!asks(url)) callback(null, true);
          else
            decisions.push({
              allow: () => callback(null, true),
              refuse: () => callback("no", false),
            });
        };
        const isFunction = typeof program === "function";
        const { io, port } = await serve(
          context,
          { ...TWO, ...(program === "asks" ? { allowRequest } : isFunction ? {} : program) },
          ({ url }, response) => {
            if (url !== "/never") response.end();
          },
        );
        if (isFunction) program(io);
        const open = (): Promise<number> =>
          new Promise((resolve) => io.httpServer.getConnections((_error, count) => resolve(count)));
        const client = new TcpClient(port).write(text);
        await happens({
          client,
          asked: async () => {
            await until(() => decisions.length === (handshake === "pipelined polling" ? 2 : 1));
            return decisions;
          },
          left: async () => {
            await once(client.socket, "close").catch(() => {});
            while ((await open()) > 0) await turn();
          },
        });
        client.socket.destroy();
        while ((await open()) > 0) await turn();
        // The server may have opened a session before it noticed that the client disconnected. This session times out.
        clock.tick(45_000);
        clock.tick(20_000);
        await until(() => io.engine.clientsCount === 0);
        await assertTwoPlaces(io, port);
      });
    }
  }

  test("polling, encoding the cookie throws", async (context) => {
    let fails = true;
    const encode = (): string => (fails ? thrower() : "id");
    const { io, port } = await serve(context, { ...TWO, cookie: { encode } });
    for (let at = 0; at < 5; at++) assert.equal(await statusOf(port), 400);
    fails = false;
    await assertTwoPlaces(io, port);
  });

  test("WebSocket, the opening handshake is invalid", async (context) => {
    const { io, port } = await serve(context, TWO);
    for (let at = 0; at < 5; at++) {
      const request = upgradeRequest(WEBSOCKET, { "Sec-WebSocket-Key": "short" });
      assert.match((await new TcpClient(port).write(request).closed).toString(), /^HTTP\/1\.1 400/);
    }
    await assertTwoPlaces(io, port);
  });

  test("io.testClient(), allowRequest refuses the client", async (context) => {
    let allowed = false;
    const { io, port } = await serve(context, {
      ...TWO,
      allowRequest: (_request, callback) => callback("no", allowed),
    });
    for (let at = 0; at < 5; at++) await assert.rejects(io.testClient(), new Error("no"));
    allowed = true;
    await assertTwoPlaces(io, port);
  });

  test("HTTP/2, the stream or the connection ends, and allowRequest never calls back", async (context) => {
    let asked = 0;
    const http = createHttp2Server();
    const io = new Server(http, { ...TWO, allowRequest: () => asked++ });
    context.after(() => io.close());
    const client = connectHttp2(`http://127.0.0.1:${await listen(http)}`).on("error", () => {});
    context.after(() => client.destroy());
    const request = () => client.request({ ":path": POLLING }).on("error", () => {});
    const bounds = boundsOf(io);
    const [first] = [request(), request()];
    await until(() => asked === 2);
    assert.equal(bounds.count, 2);
    first?.close(8);
    await until(() => bounds.count === 1);
    client.destroy();
    await until(() => bounds.count === 0);
    assert.equal(bounds.addressCount, 0);
  });

  test("not earlier: the client counts while allowRequest decides", async (context) => {
    const asked: (() => void)[] = [];
    const { port } = await serve(context, {
      maxConnections: 1,
      allowRequest: (_request, callback) => asked.push(() => callback(null, true)),
    });
    const first: Promise<Answer> = ask(port, POLLING);
    await until(() => asked.length === 1);
    assert.equal((await ask(port, POLLING)).status, 503);
    assert.equal(asked.length, 1);
    asked[0]?.();
    assert.equal((await first).status, 200);
    assert.equal((await ask(port, POLLING)).status, 503);
  });
});

describe("A refused client emits connect_error, retries, and connects after another client has disconnected:", () => {
  // biome-ignore format: table
  const CLIENTS = [
    { version: "4.8.4", transports: ["polling", "websocket"], says: "xhr poll error" },
    { version: "4.8.4", transports: ["polling"],              says: "xhr poll error" },
    { version: "4.8.4", transports: ["websocket"],            says: "websocket error" },
    { version: "2.5.0", transports: ["polling"],              says: "xhr poll error" },
    { version: "2.5.0", transports: ["websocket"],            says: "websocket error" },
  ];
  for (const { version, transports, says } of CLIENTS) {
    test(`socket.io-client ${version} over ${transports.join(" and ")}`, {
      timeout: 10_000,
    }, async (context) => {
      const { io, port, url } = await serve(context, { maxConnections: 1, allowEIO3: true });
      const first = await webSocketHead(context, port);
      const { connect } = generation(version);
      const options = { transports, forceNew: true, reconnectionDelay: 1, reconnectionDelayMax: 5 };
      const client = connect(url, options);
      context.after(() => client.disconnect());
      const errors: unknown[] = [];
      client.on("connect_error", (error) => errors.push(error.message));
      await until(() => errors.length >= 3);
      assert.deepEqual(new Set(errors), new Set([says]));
      const connected = new Promise<void>((resolve) => client.once("connect", () => resolve()));
      first.client.socket.destroy();
      await connected;
      await until(() => io.engine.clientsCount === 1);
    });
  }

  test("the client of barewire", { timeout: 10_000 }, async (context) => {
    const { port, url } = await serve(context, { maxConnections: 1 });
    const first = await webSocketHead(context, port);
    for (const transport of ["polling", "websocket"] as const) {
      const client = connectTo(context, url, {
        transports: [transport],
        reconnectionDelay: 1,
        reconnectionDelayMax: 5,
      });
      let errors = 0;
      client.on("connect_error", () => errors++);
      await until(() => errors >= 2);
      if (transport === "polling") client.disconnect();
      else {
        const connected = new Promise<void>((resolve) => client.once("connect", () => resolve()));
        first.client.socket.destroy();
        await connected;
      }
    }
  });
});
