// Tests the response to every kind of HTTP request.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import { Server, type ServerOptions } from "../../../server.ts";
import {
  answerTo,
  ask,
  listen,
  open,
  PollingClient,
  type Question,
  serve,
  TcpClient,
  turn,
  until,
} from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const OPEN = "/socket.io/?EIO=4&transport=polling";

// The Server of socket.io has the members that this file uses, so our type applies.
const { Server: Stock }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

interface Row {
  readonly does: string;
  readonly path: string;
  readonly question?: Question;
  readonly options?: ServerOptions;
  readonly status: number;
  readonly body: string;
}

function refusal(code: number, message: string): string {
  return JSON.stringify({ code, message });
}

const UNSUPPORTED = (theirs: string): string =>
  `Unsupported protocol version: the client speaks ${theirs}, the server 4`;

// biome-ignore format: aligned table
const REFUSED: readonly Row[] = [
  { does: "no transport",                               path: "/socket.io/?EIO=4",                              status: 400, body: refusal(0, "Transport unknown") },
  { does: "an unknown transport",                       path: "/socket.io/?EIO=4&transport=carrier-pigeon",     status: 400, body: refusal(0, "Transport unknown") },
  { does: "CVE-2023-31125: constructor as transport",   path: "/socket.io/?EIO=4&transport=constructor",        status: 400, body: refusal(0, "Transport unknown") },
  { does: "__proto__ as transport",                     path: "/socket.io/?EIO=4&transport=__proto__",          status: 400, body: refusal(0, "Transport unknown") },
  { does: "webtransport as transport",                  path: "/socket.io/?EIO=4&transport=webtransport",       status: 400, body: refusal(0, "Transport unknown") },
  { does: "a disabled transport",                       path: OPEN, options: { transports: ["websocket"] },     status: 400, body: refusal(0, "Transport unknown") },
  { does: "an unknown sid",                             path: `${OPEN}&sid=unknown`,                            status: 400, body: refusal(1, "Session ID unknown") },
  { does: "__proto__ as sid",                           path: `${OPEN}&sid=__proto__`,                          status: 400, body: refusal(1, "Session ID unknown") },
  { does: "an empty sid",                               path: `${OPEN}&sid=`,                                   status: 400, body: refusal(1, "Session ID unknown") },
  { does: "the method POST",                            path: OPEN, question: { method: "POST", body: "40" },   status: 400, body: refusal(2, "Bad handshake method") },
  { does: "the method PUT",                             path: OPEN, question: { method: "PUT", body: "" },      status: 400, body: refusal(2, "Bad handshake method") },
  { does: "the method HEAD",                            path: OPEN, question: { method: "HEAD" },               status: 400, body: "" },
  { does: "a preflight request without cors",           path: OPEN, question: { method: "OPTIONS" },            status: 400, body: refusal(2, "Bad handshake method") },
  { does: "transport websocket without an upgrade",     path: "/socket.io/?EIO=4&transport=websocket",          status: 400, body: refusal(3, "Bad request") },
  { does: "no EIO",                                     path: "/socket.io/?transport=polling",                  status: 400, body: refusal(5, UNSUPPORTED("an unknown revision of Engine.IO")) },
  { does: "EIO=3",                                      path: "/socket.io/?EIO=3&transport=polling",            status: 400, body: refusal(5, UNSUPPORTED("Engine.IO 3")) },
  { does: "an EIO that is not a number",                path: "/socket.io/?EIO=abc&transport=polling",          status: 400, body: refusal(5, UNSUPPORTED("an unknown revision of Engine.IO")) },
  { does: "a rejection by allowRequest with a message", path: OPEN, options: { allowRequest: (_request, callback) => callback("not today", false) }, status: 403, body: refusal(4, "not today") },
  { does: "a rejection by allowRequest without a message",    path: OPEN, options: { allowRequest: (_request, callback) => callback(null, false) },        status: 403, body: refusal(4, "Forbidden") },
];

describe("A handshake request is rejected:", () => {
  for (const { does, path, question, options, status, body } of REFUSED) {
    test(`${does}`, async (context) => {
      const { port, io } = await serve(context, options);
      io.on("connection", () => assert.fail("the rejected client has connected"));
      const answer = await ask(port, path, question);
      assert.deepEqual([answer.status, answer.body], [status, body]);
      assert.equal(answer.headers["content-type"], "application/json");
    });
  }

  test("an Origin with control characters, by Node's HTTP parser", async (context) => {
    const { port } = await serve(context);
    const client = new TcpClient(port).write(
      `GET ${OPEN} HTTP/1.1\r\nHost: a\r\nOrigin: a\x01\r\n\r\n`,
    );
    assert.match((await client.closed).toString(), /^HTTP\/1\.1 400 /);
  });
});

describe("allowRequest", () => {
  test("may call back later, twice, and after the client has disconnected", async (context) => {
    const decisions: ((message: null, allowed: boolean) => void)[] = [];
    const { port } = await serve(context, {
      allowRequest: (_request, callback) => decisions.push(callback),
    });
    const leaving = open(port, OPEN);
    leaving.on("error", () => {}).end();
    await until(() => decisions.length === 1);
    leaving.destroy();
    const staying = ask(port, OPEN);
    await until(() => decisions.length === 2);
    decisions[0]?.(null, true);
    decisions[1]?.(null, true);
    decisions[1]?.(null, true);
    assert.equal((await staying).status, 200);
  });

  test("rejects the client, without an uncaught error, if it throws", async (context) => {
    const uncaught = gatherUncaught(context);
    const mistake = new Error("allowRequest's mistake");
    const { port, io } = await serve(context, {
      allowRequest: () => {
        throw mistake;
      },
    });
    const contexts: unknown[] = [];
    io.engine.on("connection_error", ({ context: why }) => contexts.push(why));
    const { status, body } = await ask(port, OPEN);
    assert.deepEqual([status, body], [403, refusal(4, "Forbidden")]);
    const client = new TcpClient(port);
    client.write(
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert.match((await client.closed).toString(), /^HTTP\/1\.1 400 .*\r\n\r\nForbidden$/s);
    const failure = { name: "ALLOW_REQUEST_FAILURE", error: mistake };
    assert.deepEqual(contexts, [failure, failure]);
    assert.deepEqual(uncaught, []);
  });
});

describe("A session over HTTP", () => {
  test("begins with the open packet and Cache-Control: no-store", async (context) => {
    const { port } = await serve(context, {
      pingInterval: 1234,
      pingTimeout: 567,
      maxHttpBufferSize: 89_000,
    });
    const { status, headers, body } = await ask(port, OPEN);
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["content-length"], `${body.length}`);
    assert.equal(headers["set-cookie"], undefined);
    const { sid, ...others } = JSON.parse(body.slice(1));
    assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
    assert.deepEqual(others, {
      upgrades: ["websocket"],
      pingInterval: 1234,
      pingTimeout: 567,
      maxPayload: 89_000,
    });
  });

  test("offers no upgrade if upgrades or WebSockets are disabled", async (context) => {
    for (const options of [{ allowUpgrades: false }, { transports: ["polling"] }] as const) {
      const { port } = await serve(context, options);
      const { body } = await ask(port, OPEN);
      assert.deepEqual(JSON.parse(body.slice(1)).upgrades, []);
    }
  });

  // Engine.IO "Sending data", "Receiving data".
  test("answers a POST with ok, and a GET with packets separated by U+001E", async (context) => {
    const { port, io } = await serve(context);
    io.on("connection", (socket) => socket.emit("one", Buffer.from([1])).valueOf());
    const client = await PollingClient.open(port);
    const posted = await client.post("40");
    assert.deepEqual([posted.status, posted.body], [200, "ok"]);
    assert.equal(posted.headers["content-type"], "text/html");
    assert.equal(posted.headers["content-length"], "2");
    assert.equal(posted.headers["cache-control"], "no-store");
    const { body, headers } = await client.poll();
    const [connect = "", event, attachment] = body.split("\x1e");
    assert.match(connect, /^40\{"sid":"[A-Za-z0-9_-]{20}"\}$/);
    assert.deepEqual([event, attachment], ['451-["one",{"_placeholder":true,"num":0}]', "bAQ=="]);
    assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
  });

  test("answers a GET as soon as there is a packet to send", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    await turn();
    io.emit("news", 1);
    assert.equal((await polled).body, '42["news",1]');
  });

  test("transmits U+2028 and characters beyond the Basic Multilingual Plane", async (context) => {
    const { port, io } = await serve(context);
    io.on("connection", (socket) => socket.on("echo", (text) => socket.emit("echo", text)));
    const client = await PollingClient.open(port);
    await client.join();
    await client.post('42["echo","\u2028€𝒳"]');
    assert.equal((await client.poll()).body, '42["echo","\u2028€𝒳"]');
  });

  test("sends X-XSS-Protection: 0 to Internet Explorer only", async (context) => {
    const { port } = await serve(context);
    const headers = { "User-Agent": "Mozilla/5.0 (Windows NT; Trident/7.0)" };
    assert.equal((await ask(port, OPEN, { headers })).headers["x-xss-protection"], "0");
    assert.equal((await ask(port, OPEN)).headers["x-xss-protection"], undefined);
  });
});

describe("A request for a session", () => {
  test("is rejected for another transport, revision or method", async (context) => {
    const { port } = await serve(context);
    const { sid, path } = await PollingClient.open(port);
    const bad = [400, refusal(3, "Bad request")] as const;
    for (const [question, gives] of [
      [`/socket.io/?EIO=4&transport=websocket&sid=${sid}`, bad],
      [`/socket.io/?EIO=3&transport=polling&sid=${sid}`, bad],
      [`/socket.io/?transport=polling&sid=${sid}`, bad],
    ] as const) {
      const { status, body } = await ask(port, question);
      assert.deepEqual([status, body], gives);
    }
    assert.equal((await ask(port, path, { method: "PUT" })).status, 500);
    // The session continues.
    assert.equal((await ask(port, path, { method: "POST", body: "3" })).status, 200);
  });

  test("a POST that is too large gets 413, with or without Content-Length, and the session continues", async (context) => {
    const { port, io } = await serve(context, { maxHttpBufferSize: 1000 });
    const client = await PollingClient.open(port);
    await client.join();
    const told = await client.post("4".repeat(1001));
    assert.deepEqual([told.status, told.body], [413, ""]);

    const endless = open(port, client.path, { method: "POST" });
    const answer = answerTo(endless);
    // The request body is chunked, so the server does not know its length in advance.
    let answered = false;
    void answer.then(() => {
      answered = true;
    });
    for (let sent = 0; !answered && sent < 1_000_000; sent += 500) {
      endless.write("4".repeat(500));
      await turn();
    }
    assert.equal((await answer).status, 413);
    endless.destroy();

    const heard = new Promise((resolve) =>
      io.sockets.sockets.forEach((socket) => void socket.on("ok", resolve)),
    );
    const largest = `42["ok","${"x".repeat(989)}"]`;
    assert.equal(largest.length, 1000);
    assert.equal((await client.post(largest)).body, "ok");
    await heard;
  });

  test("a POST that is too large does not affect the waiting GET, as with socket.io", async (context) => {
    for (const Library of [Server, Stock]) {
      const http = createServer();
      const io = new Library(http, { maxHttpBufferSize: 1000 });
      const port = await listen(http);
      context.after(() => io.close());
      const client = await PollingClient.open(port);
      await client.join();
      const polled = client.poll();
      const { status, body } = await client.post("4".repeat(1001));
      assert.deepEqual([status, body], [413, ""]);
      io.emit("still", "here");
      assert.equal((await polled).body, '42["still","here"]');
    }
  });

  // Engine.IO "Headers".
  test("CVE-2026-59725: a POST of application/octet-stream gets 400, and the session ends", async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) =>
      socket.on("disconnect", (reason, detail) => ends.push(reason, detail?.message)),
    );
    const client = await PollingClient.open(port);
    await client.join();
    const answer = await client.post("40", { "Content-Type": "application/octet-stream" });
    assert.deepEqual([answer.status, answer.body], [400, ""]);
    assert.deepEqual(ends, ["transport error", "invalid content"]);
    assert.equal((await client.poll()).body, refusal(1, "Session ID unknown"));
  });

  test("CVE-2026-59725: many POST requests of application/octet-stream and the waiting GET are answered", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    await until(() => [...io.sockets.sockets.values()][0]?.conn.writable === true);
    const headers = { "Content-Type": "application/octet-stream" };
    const flood = Array.from({ length: 50 }, () => client.post("4".repeat(1000), headers));
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    assert.deepEqual(statuses, Array(50).fill(400));
    assert.equal((await polled).status, 200);
    assert.equal(io.engine.clientsCount, 0);
  });

  for (const [does, body] of [
    ["an empty body", ""],
    ["an unknown packet type", "7"],
    ["an empty packet between separators", "3\x1e\x1e3"],
    ["invalid base64", "b!!!"],
    ["invalid UTF-8", Buffer.from([0x34, 0xff])],
  ] as const) {
    test(`answers a POST of ${does} with ok, and ends the session with "parse error"`, async (context) => {
      const { port, io } = await serve(context);
      const ends: unknown[] = [];
      io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
      const client = await PollingClient.open(port);
      await client.join();
      const polled = client.poll();
      await turn();
      assert.equal((await client.post(body)).body, "ok");
      await polled;
      assert.deepEqual(ends, ["parse error"]);
      assert.equal((await client.poll()).status, 400);
    });
  }

  test("a second GET gets 400, the waiting GET gets a close packet, and the session ends", async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) =>
      socket.on("disconnect", (reason, detail) => ends.push(reason, detail?.message)),
    );
    const client = await PollingClient.open(port);
    await client.join();
    const [first, second] = await Promise.all([client.poll(), turn().then(() => client.poll())]);
    const both = [first, second].map(({ status, body }) => `${status} ${body}`).sort();
    assert.deepEqual(both, ["200 1", "400 "]);
    assert.deepEqual(ends, ["transport error", "overlap from client"]);
  });

  test("a second POST gets 400, the connection of the first POST is destroyed, and the session ends", async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) =>
      socket.on("disconnect", (reason, detail) => ends.push(reason, detail?.message)),
    );
    const client = await PollingClient.open(port);
    await client.join();
    const slow = open(port, client.path, { method: "POST", headers: { "Content-Length": "10" } });
    const slowly = answerTo(slow);
    slow.write("4");
    slow.flushHeaders();
    // The server must receive the slow request first, so wait until its connection is open.
    await new Promise<void>((resolve) =>
      slow.once("socket", (socket) => socket.once("connect", resolve)),
    );
    let second = await client.post("3");
    while (second.status === 200) second = await client.post("3");
    assert.deepEqual([second.status, second.body], [400, ""]);
    await assert.rejects(slowly);
    assert.deepEqual(ends, ["transport error", "data request overlap from client"]);
  });

  test("an aborted GET ends the session", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const ended = new Promise<unknown[]>((resolve) =>
      io.sockets.sockets.forEach(
        (socket) => void socket.on("disconnect", (...args) => resolve(args)),
      ),
    );
    const request = open(port, client.path);
    request.on("error", () => {}).end();
    // The POST is sent after the GET. When it is answered, the server has received the GET.
    await once(request, "finish");
    await client.post("3");
    request.destroy();
    const [reason, detail] = await ended;
    assert.equal(reason, "transport error");
    assert.ok(detail instanceof Error);
    assert.equal(detail.message, "poll connection closed prematurely");
  });

  test("a connection that closes before the response to a GET is sent ends the session", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const ended = new Promise<unknown>((resolve) =>
      io.sockets.sockets.forEach((socket) => void socket.on("disconnect", resolve)),
    );
    // The text exceeds the socket buffers, and the client does not read it, so the response stays incomplete.
    io.emit("large", "x".repeat(20_000_000));
    const tcp = new TcpClient(port);
    tcp.socket.pause();
    tcp.write(`GET ${client.path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    // The POST is sent after the GET. When it is answered, the server has received the GET.
    await client.post("3");
    tcp.socket.destroy();
    assert.equal(await ended, "transport error");
  });

  test("an aborted POST ends the session", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const ended = new Promise<unknown[]>((resolve) =>
      io.sockets.sockets.forEach(
        (socket) => void socket.on("disconnect", (...args) => resolve(args)),
      ),
    );
    const tcp = new TcpClient(port);
    tcp.write(
      `POST ${client.path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n`,
    );
    // The server sends this line when it has received the head of the request.
    await tcp.until("100 Continue");
    tcp.write("42");
    tcp.socket.destroy();
    const [reason, detail] = await ended;
    assert.equal(reason, "transport error");
    assert.ok(detail instanceof Error);
    assert.equal(detail.message, "data request connection closed prematurely");
  });

  test("after a close packet from the client, the waiting GET gets noop, and the sid is unknown", async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    await turn();
    // The event follows the close packet, so the server must ignore it.
    assert.equal((await client.post('1\x1e42["late"]')).body, "ok");
    assert.equal((await polled).body, "6");
    assert.deepEqual(ends, ["transport close"]);
    assert.equal((await client.poll()).body, refusal(1, "Session ID unknown"));
  });
});

/** The header that browsers send for a script that a page of the same origin loads. */
const SAME_ORIGIN = { headers: { "Sec-Fetch-Site": "same-origin" } };

describe("JSONP", () => {
  test("sends packets in a script and receives packets in a form", async (context) => {
    const { port, io } = await serve(context, { jsonp: true });
    const { headers, body } = await ask(port, `${OPEN}&j=12x`, SAME_ORIGIN);
    assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
    const script = /^___eio\[12\]\("(.*)"\);$/.exec(body);
    assert.ok(script !== null);
    const { sid } = JSON.parse(JSON.parse(`"${script[1]}"`).slice(1));
    const client = new PollingClient(port, sid, "&j=13");
    const form = { ...SAME_ORIGIN.headers, "Content-Type": "application/x-www-form-urlencoded" };
    assert.equal((await client.post("d=40", form)).body, "ok");
    assert.match((await client.poll(SAME_ORIGIN)).body, /^___eio\[12\]\("40\{\\"sid\\":/);
    const heard = new Promise((resolve) =>
      io.sockets.sockets.forEach((socket) => void socket.on("text", resolve)),
    );
    // A JSONP client escapes a line feed as \n. It escapes the two characters \n as \\n.
    await client.post(`d=${encodeURIComponent('42["text","a\\\\nb"]')}`, form);
    assert.equal(await heard, "a\nb");
    assert.equal((await client.post("e=1", form)).body, "ok");
    io.emit("text", "\u2028\u2029");
    assert.equal(
      (await client.poll(SAME_ORIGIN)).body,
      '___eio[12]("42[\\"text\\",\\"\\u2028\\u2029\\"]");',
    );
  });
});
