// Tests the class Server: its constructor, attach(), bind(), close() and options.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { describe, test } from "node:test";

import { io as connect } from "socket.io-client";
import type { AdapterHost, ServerSideCallback, ServerSideEvent } from "../lib/socketio/adapter.ts";
import {
  Adapter,
  type DefaultEventsMap,
  Engine,
  Server,
  type ServerOptions,
  type Socket,
} from "../server.ts";
import { CERTIFICATE } from "./support/certificate.ts";
import { Clock } from "./support/clock.ts";
import { ask, listen, portOf, until, WebSocketClient } from "./support/net.ts";

const TYPE = "ERR_INVALID_ARG_TYPE";

describe("Server", () => {
  test("creates an HTTP server for a port, which answers 404 to other requests", async () => {
    for (const port of [0, "0"]) {
      const io = new Server(port);
      await once(io.httpServer, "listening");
      const found = portOf(io.httpServer);
      assert.equal((await ask(found, "/")).status, 404);
      assert.match(await new WebSocketClient(found).join(), /^40/);
      await io.close();
      assert.equal(io.httpServer.listening, false);
    }
  });

  test("serves clients on an HTTP server passed to attach() or listen()", async () => {
    for (const name of ["attach", "listen"] as const) {
      const io = new Server({ path: "/chat" });
      assert.throws(() => io.httpServer, /not attached/);
      assert.throws(() => io.engine, /not attached/);
      const http = createServer();
      assert.equal(io[name](http), io);
      assert.equal(io.httpServer, http);
      const port = await listen(http);
      const client = new WebSocketClient(port, "/chat/?EIO=4&transport=websocket");
      assert.match(await client.join(), /^40/);
      assert.equal(io.engine.clientsCount, 1);
      await io.close();
      assert.equal(io.engine.clientsCount, 0);
    }
  });

  describe("options of attach()", () => {
    const OPEN = "/?EIO=4&transport=polling";

    /**
     * A case: the options of the constructor, the path set before attach(), the options of attach(), and the path on
     * which the server must respond.
     */
    interface Paths {
      readonly given?: ServerOptions;
      readonly set?: string;
      /** This property has the type `object`, because programs in JavaScript may pass `undefined` as an option. */
      readonly later?: object;
      readonly path: string;
    }
    // biome-ignore format: aligned table
    const PATHS: Readonly<Record<string, Paths>> = {
      "is /socket.io by default":              { path: "/socket.io" },
      "is that of the constructor":            { given: { path: "/a/" }, path: "/a" },
      "of attach() overrides the default":     { later: { path: "/b" }, path: "/b" },
      "of attach() overrides the constructor": { given: { path: "/a" }, later: { path: "/b/" }, path: "/b" },
      "of attach() overrides path()":          { set: "/c", later: { path: "/b" }, path: "/b" },
      "of path() overrides the constructor":   { given: { path: "/a" }, set: "/c", path: "/c" },
      "undefined in attach() has no effect":   { given: { path: "/a" }, later: { path: undefined }, path: "/a" },
    };
    for (const [name, { given, set, later, path }] of Object.entries(PATHS)) {
      test(`path ${name}`, async (context) => {
        for (const method of ["attach", "listen"] as const) {
          const io = new Server(given);
          if (set !== undefined) io.path(set);
          const http = createServer((_request, response) => response.writeHead(404).end());
          Reflect.apply(io[method], io, [http, later]);
          context.after(() => io.close());
          const port = await listen(http);
          const answers = ["/socket.io", "/a", "/b", "/c"].map(async (each) => {
            const { status } = await ask(port, `${each}${OPEN}`);
            return status === 200 ? [each] : [];
          });
          assert.deepEqual((await Promise.all(answers)).flat(), [path]);
          assert.equal(io.path(), path);
          assert.equal((await ask(port, `${path}/socket.io.js`)).status, 200);
        }
      });
    }

    test("override those of the constructor, unless they are undefined", async (context) => {
      class Own extends Adapter {}
      const io = new Server({
        pingInterval: 1000,
        pingTimeout: 7,
        connectTimeout: 1,
        allowRequest: (_request, callback) => callback("no", false),
      });
      const http = createServer();
      const unset: object = { path: undefined, pingTimeout: undefined };
      io.attach(http, {
        pingInterval: 2000,
        serveClient: false,
        connectTimeout: 2,
        adapter: Own,
        ...unset,
      });
      context.after(() => io.close());
      const port = await listen(http);
      assert.deepEqual([io.connectTimeout(), io.serveClient(), io.adapter()], [2, false, Own]);
      assert.ok(io.sockets.adapter instanceof Own);
      assert.equal((await ask(port, "/socket.io/socket.io.js")).status, 400);
      assert.equal((await ask(port, `/socket.io${OPEN}`)).status, 403);
      const more = new Server();
      const other = createServer();
      more.attach(other, { pingInterval: 2000, ...unset });
      context.after(() => more.close());
      const { body } = await ask(await listen(other), `/socket.io${OPEN}`);
      const { pingInterval, pingTimeout } = JSON.parse(body.slice(1));
      assert.deepEqual([pingInterval, pingTimeout], [2000, 20_000]);
    });

    test("are rejected if only the constructor accepts them and it received other values", async () => {
      const same = { maxAttachments: 3, cleanupEmptyChildNamespaces: true };
      const io = new Server(same);
      assert.throws(() => io.attach(createServer(), { maxAttachments: 4 }), { code: TYPE });
      assert.throws(() => io.attach(createServer(), { ackReturnValues: true }), { code: TYPE });
      assert.throws(() => io.engine, /not attached/);
      assert.equal(io.attach(createServer(), same), io);
    });
  });

  test("serves stock clients on an HTTPS server", async () => {
    const https = createSecureServer(CERTIFICATE, (_request, response) => response.end("other"));
    const io = new Server(https);
    const port = await listen(https);
    io.on("connection", (socket) => {
      socket.on("secure", (reply) => reply(socket.handshake.secure));
    });
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      const client = connect(`https://127.0.0.1:${port}`, {
        transports,
        rejectUnauthorized: false,
        reconnection: false,
        forceNew: true,
      });
      assert.equal(await client.emitWithAck("secure"), true);
      client.disconnect();
    }
    await io.close();
  });

  test("attach() throws for an Express application, and names it", () => {
    const io = new Server();
    const app = (): void => {};
    assert.throws(() => Reflect.apply(io.attach, io, [app]), /express request handler/);
  });

  test("close() calls back with an error if the HTTP server was not listening", async () => {
    const errors: (Error | undefined)[] = [];
    const io = new Server(createServer());
    await io.close((error) => errors.push(error));
    assert.equal(errors.length, 1);
    const [error] = errors;
    assert.ok(error !== undefined && "code" in error);
    assert.equal(error.code, "ERR_SERVER_NOT_RUNNING");
    const never = new Server();
    await never.close((none) => errors.push(none));
    assert.deepEqual(errors.slice(1), [undefined]);
  });

  test("close() leaves no handle open with clients over any transport", async () => {
    const io = new Server(0, { pingInterval: 100_000 });
    await once(io.httpServer, "listening");
    const url = `http://127.0.0.1:${portOf(io.httpServer)}`;
    const clients = [["polling"], ["websocket"], ["polling", "websocket"]].map((transports) =>
      connect(url, { transports, reconnection: false, forceNew: true }),
    );
    await Promise.all(
      clients.map((client) => new Promise<void>((resolve) => client.once("connect", resolve))),
    );
    const busy = (): string[] =>
      process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name));
    assert.notDeepEqual(busy(), []);
    await io.close();
    for (const client of clients) client.disconnect();
    await until(() => busy().length === 0);
  });

  test("connectTimeout 0 means the default of 45 seconds", async (context) => {
    const clock = new Clock(context);
    const http = createServer();
    const io = new Server(http, { connectTimeout: 0, pingInterval: 1_000_000 });
    const port = await listen(http);
    context.after(() => io.close());
    const client = new WebSocketClient(port);
    await client.next();
    clock.tick(44_999);
    assert.equal(client.socket.readyState, client.socket.OPEN);
    clock.tick(1);
    await client.closed;
  });

  test("closes the connection on a packet with more than maxAttachments attachments", async (context) => {
    const http = createServer();
    const io = new Server(http, { maxAttachments: 1 });
    const port = await listen(http);
    context.after(() => io.close());
    const delivered: string[] = [];
    const second = new Promise<void>((resolve) =>
      io.on("connection", (socket) => {
        socket.on("one", () => delivered.push("one"));
        socket.on("two", () => {
          delivered.push("two");
          resolve();
        });
      }),
    );
    const client = new WebSocketClient(port);
    await client.join();
    client.send('451-["one",{"_placeholder":true,"num":0}]');
    client.send(Buffer.from([1]));
    client.send('452-["two",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    client.send(Buffer.from([1]));
    client.send(Buffer.from([2]));
    assert.equal(await Promise.race([client.closed, second]), 1005);
    assert.deepEqual(delivered, ["one"]);
  });

  test("path(), serveClient(), connectTimeout() and adapter() return options, and set them before attach()", async (context) => {
    const io = new Server();
    assert.deepEqual(
      [io.path(), io.serveClient(), io.connectTimeout(), io.adapter()],
      ["/socket.io", true, 45_000, Adapter],
    );
    class Own extends Adapter {}
    assert.equal(io.path("/chat/").serveClient(false).connectTimeout(7000).adapter(Own), io);
    assert.deepEqual(
      [io.path(), io.serveClient(), io.connectTimeout(), io.adapter()],
      ["/chat", false, 7000, Own],
    );
    const http = createServer();
    io.attach(http);
    const port = await listen(http);
    context.after(() => io.close());
    assert.equal((await ask(port, "/chat/socket.io.js")).status, 400);
    // A client that joins within the timeout is not disconnected.
    const client = new WebSocketClient(port, "/chat/?EIO=4&transport=websocket");
    await client.join();
    io.connectTimeout(0);
    const other = new WebSocketClient(port, "/chat/?EIO=4&transport=websocket");
    assert.equal(await other.closed, 1005);
    assert.equal(client.socket.readyState, client.socket.OPEN);
  });

  test("adapter() accepts a class or a function, and closes the previous adapters", async () => {
    const log: string[] = [];
    class Own extends Adapter {
      override init(): void {
        log.push(`init ${this.nsp.name}`);
      }
      override async close(): Promise<void> {
        log.push(`close ${this.nsp.name}`);
      }
    }
    const arrow = (nsp: AdapterHost): Own => new Own(nsp);
    for (const adapter of [Own, arrow]) {
      log.length = 0;
      const io = new Server({ adapter });
      io.of("/a");
      assert.ok(io.of("/a").adapter instanceof Own);
      assert.deepEqual(log, ["init /", "init /a"]);
      const { adapter: before } = io.sockets;
      io.adapter(arrow);
      assert.notEqual(io.sockets.adapter, before);
      await io.close();
      assert.deepEqual(log.slice(2), [
        "close /",
        "init /",
        "close /a",
        "init /a",
        "close /",
        "close /a",
      ]);
    }
  });

  test("bind() serves the clients of an Engine whose requests the caller handles", async (context) => {
    const engine = new Engine({});
    const io = new Server();
    assert.equal(io.bind(engine), io);
    assert.equal(io.engine, engine);
    const http = createServer((request, response) => engine.handleRequest(request, response));
    http.on("upgrade", (request, socket, head) => engine.handleUpgrade(request, socket, head));
    const port = await listen(http);
    context.after(() => http.close());
    const client = new WebSocketClient(port);
    assert.match(await client.join(), /^40/);
    assert.throws(() => Reflect.apply(io.bind, io, [{ on: () => {} }]), {
      code: "ERR_INVALID_ARG_TYPE",
    });
    await io.close();
    assert.equal(await client.closed, 1005);
  });

  test("a socket has its namespace, server and connection", async (context) => {
    const http = createServer();
    const io = new Server(http);
    const port = await listen(http);
    context.after(() => io.close());
    const seen = new Promise<Socket>((resolve) => io.of("/a").on("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join("40/a,");
    const socket = await seen;
    assert.equal(socket.nsp, io.of("/a"));
    assert.equal(socket.nsp.server, io);
    assert.equal(socket.server, io);
    assert.equal(socket.client.id, socket.conn.id);
    assert.notEqual(socket.id, socket.conn.id);
  });

  test("serverSideEmit() without other servers calls back with no responses", async () => {
    const io = new Server<
      DefaultEventsMap,
      DefaultEventsMap,
      { ping: (n: number, answer: (pong: string) => void) => void }
    >();
    io.on("ping", () => assert.fail("a listener of the emitting server was called"));
    const answered: unknown[] = [];
    assert.equal(
      io.serverSideEmit("ping", 1, (error, responses) => answered.push(error, responses)),
      true,
    );
    assert.deepEqual(answered, [null, []]);
    assert.deepEqual(await io.of("/a").serverSideEmitWithAck("ping", 1), []);
    for (const event of ["connection", "connect", "new_namespace"]) {
      assert.throws(() => Reflect.apply(io.serverSideEmit, io, [event]), {
        code: "ERR_RESERVED_EVENT",
      });
    }
  });

  test("serverSideEmitWithAck() resolves to the responses of other servers", async () => {
    // Two servers in one process, connected without a network.
    const adapters: Joined[] = [];
    class Joined extends Adapter {
      override init(): void {
        if (this.nsp.name === "/") adapters.push(this);
      }
      override serverSideEmit(event: ServerSideEvent, answered?: ServerSideCallback): void {
        const others = adapters.filter((other) => other !== this);
        const responses: unknown[] = [];
        const answer = (response: unknown): void => {
          responses.push(response);
          if (responses.length === others.length) answered?.(null, responses);
        };
        for (const { nsp } of others) nsp.onServerSideEmit([...event, answer]);
      }
    }
    const here = new Server({ adapter: Joined });
    const there = new Server({ adapter: Joined });
    there.on("sum", (a: number, b: number, answer: (sum: number) => void) => answer(a + b));
    assert.deepEqual(await here.serverSideEmitWithAck("sum", 1, 2), [3]);
  });

  for (const [does, call, code] of [
    ["an invalid port", () => new Server("http"), "ERR_INVALID_ARG_TYPE"],
    ["a port above 65,535", () => new Server(65_536), "ERR_OUT_OF_RANGE"],
    ["an Express application", (io) => Reflect.apply(io.attach, io, [() => {}]), TYPE],
    ["a path that is not a string", (io) => Reflect.apply(io.path, io, [1]), TYPE],
    [
      "a connectTimeout that is not a number",
      (io) => Reflect.apply(io.connectTimeout, io, ["1"]),
      TYPE,
    ],
    ["a negative connectTimeout", (io) => io.connectTimeout(-1), "ERR_OUT_OF_RANGE"],
    ["an invalid adapter", (io) => Reflect.apply(io.adapter, io, [{}]), TYPE],
    ["a middleware that is not a function", (io) => Reflect.apply(io.use, io, [{}]), TYPE],
    [
      "a listener that is not a function",
      (io) => Reflect.apply(io.on, io, ["connection", {}]),
      TYPE,
    ],
    ["a namespace name that is not a string", (io) => Reflect.apply(io.of, io, [1]), TYPE],
    [
      "an acknowledgement timeout that is not a number",
      (io) => Reflect.apply(io.timeout, io, ["x"]),
      TYPE,
    ],
    ["an event without a name", (io) => Reflect.apply(io.emit, io, []), TYPE],
  ] as const satisfies [string, (io: Server) => unknown, string][]) {
    test(`throws for ${does}`, () => {
      assert.throws(() => call(new Server()), { code });
    });
  }
});
