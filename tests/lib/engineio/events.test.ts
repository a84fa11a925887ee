// Tests the events of `io.engine` and `socket.conn`, and the changes that their listeners may make.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Session } from "../../../lib/engineio/session.ts";
import type { EngineMiddleware, ServerOptions } from "../../../server.ts";
import {
  ask,
  PollingClient,
  serve,
  TcpClient,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const OPEN = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET = "/socket.io/?EIO=4&transport=websocket";

const FIRST_ORIGIN = { Origin: "https://page.example" };

/** Opens a session. Resolves to its id. */
async function sid(port: number, path: string): Promise<string | undefined> {
  return /"sid":"([^"]+)"/.exec((await ask(port, path)).body)?.[1];
}

describe("io.engine", () => {
  test("emits `connection` with each session", async (context) => {
    const { io, port } = await serve(context);
    const sessions: Session[] = [];
    io.engine.on("connection", (session) => sessions.push(session));
    const polling = await PollingClient.open(port);
    await new WebSocketClient(port).next();
    await until(() => sessions.length === 2);
    const [first] = sessions;
    assert.equal(first?.id, polling.sid);
    assert.equal(first?.protocol, 4);
    assert.equal(first?.remoteAddress, "127.0.0.1");
    assert.equal(first?.request.url, OPEN);
    assert.equal(first?.readyState, "open");
    assert.equal(io.engine.clientsCount, 2);
  });

  test("emits `connection_error` for each rejected request, with more detail than the response", async (context) => {
    const { io, port } = await serve(context, {
      allowRequest: ({ url }, callback) => callback("not you", url?.includes("me") === true),
    });
    const refused: unknown[] = [];
    io.engine.on("connection_error", ({ req, code, message, context: why }) => {
      assert.ok(req.url?.startsWith("/socket.io/"));
      refused.push([code, message, why]);
    });
    await ask(port, "/socket.io/?EIO=4&transport=x");
    await ask(port, `${OPEN}&sid=unknown`);
    await ask(port, OPEN, { method: "POST" });
    await new TcpClient(port).write(upgradeRequest("/socket.io/?EIO=3&transport=websocket")).closed;
    await ask(port, OPEN);
    await new TcpClient(port).write(upgradeRequest(WEBSOCKET)).closed;
    assert.deepEqual(refused, [
      [0, "Transport unknown", { transport: "x" }],
      [1, "Session ID unknown", { sid: "unknown" }],
      [2, "Bad handshake method", { method: "POST" }],
      [5, "Unsupported protocol version", { protocol: "3" }],
      [4, "Forbidden", { message: "not you" }],
      [4, "Forbidden", { message: "not you" }],
    ]);
  });

  test("adds headers of `initial_headers` to the first response, and headers of `headers` to all responses", async (context) => {
    const { io, port } = await serve(context);
    io.engine.on("initial_headers", (headers, request) => {
      headers["x-first"] = request.url?.includes("websocket") ? "websocket" : "polling";
      headers["set-cookie"] = ["a=1", "b=2"];
    });
    io.engine.on("headers", (headers) => {
      headers["x-all"] = "yes";
    });
    const first = await ask(port, OPEN);
    assert.equal(first.headers["x-first"], "polling");
    assert.equal(first.headers["x-all"], "yes");
    assert.deepEqual(first.headers["set-cookie"], ["a=1", "b=2"]);
    const client = new PollingClient(port, JSON.parse(first.body.slice(1)).sid);
    const next = await client.post("40");
    assert.equal(next.headers["x-first"], undefined);
    assert.equal(next.headers["x-all"], "yes");
    const upgrading = new TcpClient(port).write(upgradeRequest(WEBSOCKET));
    const head = await upgrading.until("\r\n\r\n");
    assert.match(
      head,
      /\r\nx-first: websocket\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-all: yes\r\n/,
    );
    upgrading.socket.destroy();
  });

  describe("a header field set by middleware and listeners", () => {
    const FIRST = { Origin: "https://page.example" };
    const cors = { origin: "https://page.example" };
    const use: EngineMiddleware = (_request, response, next) => {
      response.setHeader("Set-Cookie", "m=1");
      response.setHeader("Vary", "Accept");
      response.setHeader("X-Last", "middleware");
      next();
    };
    for (const name of ["Set-Cookie", "set-cookie"]) {
      test(`${name}: all cookies and all Vary values are sent, and the last value of each other field`, async (context) => {
        const { io, port } = await serve(context, { cookie: true, cors });
        io.engine.use(use);
        io.engine.on("initial_headers", (headers) => {
          headers[name] = "a=1";
          headers.Vary = "Cookie, origin";
          headers["x-last"] = "listener";
        });
        io.engine.on("headers", (headers) => {
          headers["SET-COOKIE"] = ["b=1", "c=1"];
        });
        const { headers } = await ask(port, OPEN, { headers: FIRST });
        const cookies = headers["set-cookie"] ?? [];
        const ours = cookies.filter((each) => !each.startsWith("io="));
        assert.deepEqual([ours, cookies.length], [["m=1", "a=1", "b=1", "c=1"], 5]);
        // A header that middleware sets replaces the earlier value of the header, as in any HTTP
        // server of Node.
        assert.equal(headers.vary, "Accept, Cookie, origin");
        assert.equal(headers["x-last"], "listener");

        const upgrading = new TcpClient(port).write(upgradeRequest(WEBSOCKET, FIRST));
        const head = await upgrading.until("\r\n\r\n");
        upgrading.socket.destroy();
        const values = (field: string): string[] =>
          [...head.matchAll(new RegExp(`\r\n${field}: (.*)`, "gi"))].map(([, value = ""]) => value);
        assert.deepEqual(values("set-cookie"), ["m=1", "a=1", "b=1", "c=1"]);
        assert.deepEqual(values("vary"), ["Accept, Cookie, origin"]);
        assert.deepEqual(values("x-last"), ["listener"]);
      });
    }

    test("a listener's Vary is appended to the Vary of CORS", async (context) => {
      const { io, port } = await serve(context, { cors });
      io.engine.on("headers", (headers) => {
        headers.vary = "Cookie";
      });
      const { headers } = await ask(port, OPEN, { headers: FIRST });
      assert.equal(headers.vary, "Origin, Cookie");
    });

    test("a listener cannot replace the WebSocket fields of the 101 response", async (context) => {
      const { io, port } = await serve(context);
      io.engine.on("headers", (headers) => {
        headers.Connection = "close";
        headers["Sec-WebSocket-Accept"] = "x";
      });
      assert.match(await new WebSocketClient(port).join(), /^40/);
    });
  });

  describe("_query", () => {
    const query = { EIO: "4", transport: "polling", token: "a b" };
    const path = "/socket.io/?EIO=4&transport=polling&token=a+b";
    const of = (request: object): unknown => Reflect.get(request, "_query");
    // biome-ignore format: aligned table
    const SEEN: Readonly<Record<string, (see: (request: object) => void) => ServerOptions>> = {
      "allowRequest":     (see) => ({ origins: "*", allowRequest: (request, callback) => { see(request); callback(null, true); } }),
      "a cors delegate":  (see) => ({ cors: (request, callback) => { see(request); callback(null, {}); } }),
      "origins":          (see) => ({ origins: (_origin, request) => { see(request); return true; } }),
    };
    for (const [name, options] of Object.entries(SEEN)) {
      test(`is set on the request that ${name} receives`, async (context) => {
        const seen: unknown[] = [];
        const { port } = await serve(
          context,
          options((request) => seen.push(of(request))),
        );
        await ask(port, path, { headers: FIRST_ORIGIN });
        assert.deepEqual(seen, [query]);
      });
    }

    test("is set on the requests of middleware, listeners, errors, sessions and sockets", async (context) => {
      const seen: unknown[] = [];
      const { io, port } = await serve(context);
      io.engine.once("connection", (session) => seen.push(of(session.request)));
      io.once("connection", (socket) => seen.push(of(socket.request)));
      await new PollingClient(port, (await sid(port, path)) ?? "").join();
      io.engine.use((request, _response, next) => {
        seen.push(of(request));
        next();
      });
      io.engine.once("headers", (_headers, request) => seen.push(of(request)));
      io.engine.once("connection_error", ({ req }) => seen.push(of(req)));
      await ask(port, path, { method: "PUT" });
      assert.deepEqual(seen, Array(5).fill(query));
    });
  });

  test("encodes header values as UTF-8, so that no character injects a line into the 101 response", async (context) => {
    const { io, port } = await serve(context);
    // The low bytes of the first two characters are CR and LF, so an encoder that drops the high
    // bytes would end the line.
    const name = "\u010d\u010ax-injected: yes";
    io.engine.on("headers", (headers) => {
      headers["x-name"] = name;
    });
    const client = new TcpClient(port).write(upgradeRequest(WEBSOCKET));
    const head = await client.until("\r\n\r\n");
    client.socket.destroy();
    assert.ok(Buffer.from(head, "latin1").toString().includes(`\r\nx-name: ${name}\r\n`));
    assert.doesNotMatch(head, /\r\nx-injected/);
  });

  test("socket.request is the request object that `initial_headers` receives", async (context) => {
    const { io, port } = await serve(context);
    let seen: unknown;
    io.engine.once("initial_headers", (_headers, request) => {
      seen = Object.assign(request, { user: "a" });
    });
    const requests: unknown[] = [];
    io.on("connection", ({ request }) => requests.push(request));
    await new WebSocketClient(port).join();
    assert.equal(requests[0], seen);
  });

  test("session.request may be set to null, and socket.request remains", async (context) => {
    const uncaught = gatherUncaught(context);
    const { io, port } = await serve(context);
    io.engine.on("connection", (session) => {
      session.request = null;
    });
    const urls: unknown[] = [];
    io.on("connection", ({ request, handshake }) => urls.push(request.url, handshake.url));
    await new WebSocketClient(port).join();
    assert.deepEqual(uncaught, []);
    assert.deepEqual(urls, [WEBSOCKET, WEBSOCKET]);
  });

  test("uses the session id that generateId() returns or resolves to", async (context) => {
    const { io, port } = await serve(context);
    io.engine.generateId = () => "chosen";
    assert.equal((await PollingClient.open(port)).sid, "chosen");
    io.engine.generateId = async () => "later";
    const client = new WebSocketClient(port);
    assert.equal(JSON.parse(`${await client.next()}`.slice(1)).sid, "later");
  });

  test("rejects the client with 400, before any 101 response, if generateId() throws or rejects", async (context) => {
    const { io, port } = await serve(context);
    const refused: unknown[] = [];
    io.engine.on("connection_error", ({ code, context: why }) => refused.push([code, why.name]));
    const mistake = new Error("no id");
    io.engine.generateId = () => {
      throw mistake;
    };
    assert.equal((await ask(port, OPEN)).body, '{"code":3,"message":"Bad request"}');
    io.engine.generateId = () => Promise.reject(mistake);
    const answer = (await new TcpClient(port).write(upgradeRequest(WEBSOCKET)).closed).toString();
    assert.match(answer, /^HTTP\/1\.1 400 .*Bad request$/s);
    assert.deepEqual(refused, [
      [3, "ID_GENERATION_ERROR"],
      [3, "ID_GENERATION_ERROR"],
    ]);
    assert.equal(io.engine.clientsCount, 0);
  });
});

describe("socket.conn", () => {
  test("emits `message`, `data`, `heartbeat` and `upgrading`", async (context) => {
    const { io, port } = await serve(context, { pingInterval: 1_000_000 });
    const log: unknown[] = [];
    io.on("connection", ({ conn }) => {
      conn.on("message", (data) => log.push(["message", data]));
      conn.on("data", (data) => log.push(["data", data]));
      conn.on("heartbeat", () => log.push("heartbeat"));
      conn.on("upgrading", ({ name }) => log.push(["upgrading", name, conn.transport.name]));
    });
    const client = await PollingClient.open(port);
    await client.join();
    await client.post('42["x"]\x1e3\x1ebAQ==');
    assert.deepEqual(log.slice(0, 3), [["data", '2["x"]'], ["message", '2["x"]'], "heartbeat"]);
    assert.deepEqual(log.slice(3), [
      ["data", Buffer.of(1)],
      ["message", Buffer.of(1)],
    ]);
    const other = await PollingClient.open(port);
    await other.join();
    log.length = 0;
    const webSocket = await other.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    assert.deepEqual(log, [["upgrading", "websocket", "polling"]]);
  });

  test("emits `packet`, `packetCreate`, `drain`, `upgrade` and `close`", async (context) => {
    const { io, port } = await serve(context);
    const log: unknown[] = [];
    io.on("connection", ({ conn }) => {
      conn.on("packet", ({ type, data }) => log.push(["in", type, data]));
      conn.on("packetCreate", ({ type, data }) => log.push(["out", type, data]));
      conn.on("upgrade", ({ name }) => log.push(["upgrade", name]));
      conn.on("drain", () => log.push("drain"));
      conn.on("close", (reason) => log.push(["close", reason, conn.readyState]));
    });
    const client = await PollingClient.open(port);
    await client.join();
    log.length = 0;
    await client.post("3");
    io.emit("y", Buffer.from([7]));
    await client.poll();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    webSocket.send("5");
    await until(() => log.some((entry) => Array.isArray(entry) && entry[0] === "upgrade"));
    webSocket.socket.close();
    await until(() => log.some((entry) => Array.isArray(entry) && entry[0] === "close"));
    assert.deepEqual(log, [
      ["in", "pong", ""],
      ["out", "message", '51-["y",{"_placeholder":true,"num":0}]'],
      ["out", "message", Buffer.from([7])],
      "drain",
      ["upgrade", "websocket"],
      ["close", "transport close", "closed"],
    ]);
  });
});
