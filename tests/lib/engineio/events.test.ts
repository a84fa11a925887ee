// What `io.engine` and `socket.conn` tell of, and what may be changed there.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Session } from "../../../lib/engineio/session.ts";
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

describe("io.engine", () => {
  test("tells of each session", async (context) => {
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

  test("tells of each refusal, with more than the client is told", async (context) => {
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
      [
        5,
        "Unsupported protocol version: the client speaks Engine.IO 3, the server 4",
        { protocol: "3" },
      ],
      [4, "not you", { message: "not you" }],
      [4, "not you", { message: "not you" }],
    ]);
  });

  test("lets headers be added, to the first response and to all", async (context) => {
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

  test("what a header holds beyond Latin-1 becomes no line of the 101", async (context) => {
    const { io, port } = await serve(context);
    // Of each the lower byte is that of CR, and of LF.
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

  test("a request that is marked as the first header is written is the one that programs have", async (context) => {
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

  test("a session's request may be given up with null, as programs do for other servers", async (context) => {
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

  test("gives ids of another's making, at once or later", async (context) => {
    const { io, port } = await serve(context);
    io.engine.generateId = () => "chosen";
    assert.equal((await PollingClient.open(port)).sid, "chosen");
    io.engine.generateId = async () => "later";
    const client = new WebSocketClient(port);
    assert.equal(JSON.parse(`${await client.next()}`.slice(1)).sid, "later");
  });

  test("an id that cannot be made refuses the client, before any 101", async (context) => {
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
  test("tells of messages, of heartbeats, and of an upgrade that begins", async (context) => {
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

  test("tells of packets, both ways, of its upgrade and of its end", async (context) => {
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
