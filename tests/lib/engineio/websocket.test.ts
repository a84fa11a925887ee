// Tests a session over a WebSocket, and upgrade requests that create no session.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { ServerOptions } from "../../../server.ts";
import { frame } from "../../support/frame.ts";
import {
  PollingClient,
  reset,
  serve,
  TcpClient,
  turn,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../../support/net.ts";
import { bytes } from "../../support/split.ts";

const KEY = bytes("01 02 03 04");

interface Row {
  readonly does: string;
  readonly path: string;
  readonly options?: ServerOptions;
  readonly message: string;
}

const UNSUPPORTED = (theirs: string): string =>
  `Unsupported protocol version: the client speaks ${theirs}, the server 4`;

// biome-ignore format: aligned table
const REFUSED: readonly Row[] = [
  { does: "no transport",                             path: "/socket.io/?EIO=4",                              message: "Transport unknown" },
  { does: "CVE-2023-31125: constructor as transport", path: "/socket.io/?EIO=4&transport=constructor",        message: "Transport unknown" },
  { does: "__proto__ as transport",                   path: "/socket.io/?EIO=4&transport=__proto__",          message: "Transport unknown" },
  { does: "polling as transport",                     path: "/socket.io/?EIO=4&transport=polling",            message: "Bad request" },
  { does: "an unknown sid",                           path: "/socket.io/?EIO=4&transport=websocket&sid=x",    message: "Session ID unknown" },
  { does: "__proto__ as sid",                         path: "/socket.io/?EIO=4&transport=websocket&sid=__proto__", message: "Session ID unknown" },
  { does: "no EIO",                                   path: "/socket.io/?transport=websocket",                message: UNSUPPORTED("an unknown revision of Engine.IO") },
  { does: "EIO=3",                                    path: "/socket.io/?EIO=3&transport=websocket",          message: UNSUPPORTED("Engine.IO 3") },
  { does: "a rejection by allowRequest",              path: "/socket.io/?EIO=4&transport=websocket", options: { allowRequest: (_request, callback) => callback("not today", false) }, message: "not today" },
];

describe("An upgrade request creates no session:", () => {
  for (const { does, path, options, message } of REFUSED) {
    test(`${does}`, async (context) => {
      const { port, io } = await serve(context, options);
      io.on("connection", () => assert.fail("the rejected client has connected"));
      const answer = (await new TcpClient(port).write(upgradeRequest(path)).closed).toString();
      const [head = "", body] = answer.split("\r\n\r\n");
      assert.deepEqual(head.split("\r\n"), [
        "HTTP/1.1 400 Bad Request",
        "Connection: close",
        "Content-Type: text/html",
        `Content-Length: ${message.length}`,
      ]);
      assert.equal(body, message);
    });
  }

  test("an invalid opening handshake, with a message that names the header", async (context) => {
    const { port } = await serve(context);
    const path = "/socket.io/?EIO=4&transport=websocket";
    for (const [headers, status, message] of [
      [{ Upgrade: "other" }, 400, "Invalid Upgrade header"],
      [{ "Sec-WebSocket-Key": "x" }, 400, "Missing or invalid Sec-WebSocket-Key header"],
      [{ "Sec-WebSocket-Version": "7" }, 400, "Missing or invalid Sec-WebSocket-Version header"],
      [{ "Sec-WebSocket-Protocol": "," }, 400, "Invalid Sec-WebSocket-Protocol header"],
      [
        { "Sec-WebSocket-Extensions": "constructor; __proto__=1;" },
        400,
        "Invalid or unacceptable Sec-WebSocket-Extensions header",
      ],
    ] as const) {
      const client = new TcpClient(port).write(upgradeRequest(path, headers));
      const answer = (await client.closed).toString();
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.ok(answer.endsWith(`\r\n\r\n${message}`), answer);
    }
    const post = upgradeRequest(path).replace("GET", "POST");
    const answer = (await new TcpClient(port).write(post).closed).toString();
    assert.match(answer, /^HTTP\/1\.1 400 .*Bad handshake method$/s);
  });

  test("the client disconnects while allowRequest decides", async (context) => {
    const decisions: ((message: null, allowed: boolean) => void)[] = [];
    const { port, io } = await serve(context, {
      allowRequest: (_request, callback) => decisions.push(callback),
    });
    io.on("connection", () => assert.fail("the disconnected client has connected"));
    const client = new TcpClient(port);
    client.write(upgradeRequest("/socket.io/?EIO=4&transport=websocket"));
    await until(() => decisions.length === 1);
    reset(client.socket);
    await client.closed;
    const other = new WebSocketClient(port);
    await until(() => decisions.length === 2);
    decisions[0]?.(null, true);
    decisions[1]?.(null, true);
    assert.match(`${await other.next()}`, /^0\{/);
  });
});

describe("A session over a WebSocket", () => {
  test("begins with the open packet, which offers no upgrades", async (context) => {
    const { port } = await serve(context);
    const client = new WebSocketClient(port);
    const open = `${await client.next()}`;
    assert.match(open, /^0\{"sid":"[A-Za-z0-9_-]{20}","upgrades":\[\],/);
  });

  test("selects the first subprotocol, and accepts permessage-deflate only if the option is on", async (context) => {
    for (const [perMessageDeflate, extension] of [
      [false, /^$/],
      [true, /^permessage-deflate/],
    ] as const) {
      const { port, io } = await serve(context, { perMessageDeflate });
      io.on("connection", (socket) => socket.on("echo", (...args) => socket.emit("echo", ...args)));
      const path = "/socket.io/?EIO=4&transport=websocket";
      const client = new WebSocketClient(port, path, { perMessageDeflate: true }, ["a", "b"]);
      await client.join();
      assert.equal(client.socket.protocol, "a");
      assert.match(client.socket.extensions, extension);
      const text = `42["echo","${"again ".repeat(1000)}"]`;
      client.send(text);
      assert.equal(await client.next(), text);
      client.send('451-["echo",{"_placeholder":true,"num":0}]');
      client.send(Buffer.from([1, 2]));
      assert.equal(await client.next(), '451-["echo",{"_placeholder":true,"num":0}]');
      assert.deepEqual(await client.next(), Buffer.from([1, 2]));
    }
  });

  // Engine.IO "WebSocket".
  test("receives and sends one packet in each message, and binary data without a prefix", async (context) => {
    const { port, io } = await serve(context);
    io.on("connection", (socket) => socket.on("echo", (...args) => socket.emit("echo", ...args)));
    const client = new WebSocketClient(port);
    await client.join();
    client.send('452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    client.send(Buffer.from([1]));
    client.send(Buffer.alloc(0));
    assert.match(`${await client.next()}`, /^452-/);
    assert.deepEqual(await client.next(), Buffer.from([1]));
    assert.deepEqual(await client.next(), Buffer.alloc(0));
  });

  test("ends when the client sends a close packet", async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    const client = new WebSocketClient(port);
    await client.join();
    client.send("1");
    assert.equal(await client.closed, 1005);
    assert.deepEqual(ends, ["transport close"]);
  });

  test("ignores open, upgrade and noop packets, and pongs without a ping", async (context) => {
    const { port, io } = await serve(context);
    io.on("connection", (socket) => socket.on("echo", (...args) => socket.emit("echo", ...args)));
    const client = new WebSocketClient(port);
    await client.join();
    for (const packet of ["0{}", "5", "6", "3", "3probe"]) client.send(packet);
    client.send('42["echo"]');
    assert.equal(await client.next(), '42["echo"]');
  });

  for (const [does, data, reason, detail] of [
    ["a ping", "2", "transport error", "invalid heartbeat direction"],
    ["a probe", "2probe", "transport error", "invalid heartbeat direction"],
    ["an empty message", "", "parse error", undefined],
    ["an unknown packet type", "7", "parse error", undefined],
  ] as const) {
    test(`ends with "${reason}" after ${does} from the client`, async (context) => {
      const { port, io } = await serve(context);
      const ends: unknown[] = [];
      io.on("connection", (socket) =>
        socket.on("disconnect", (...args) => ends.push(args[0], args[1]?.message)),
      );
      const client = new WebSocketClient(port);
      await client.join();
      client.send(data);
      await client.closed;
      assert.equal(ends[0], reason);
      if (detail !== undefined) assert.equal(ends[1], detail);
    });
  }

  test('ends with "transport error" after a WebSocket protocol error, and names the violated section', async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) =>
      socket.on("disconnect", (...args) => ends.push(args[0], args[1]?.message)),
    );
    const client = new TcpClient(port);
    client.write(upgradeRequest("/socket.io/?EIO=4&transport=websocket"));
    client.write(frame(1, "40", { key: KEY }));
    await client.until('40{"sid"');
    client.write(frame(1, "42"));
    await client.closed;
    await until(() => ends.length > 0);
    assert.equal(ends[0], "transport error");
    assert.match(`${ends[1]}`, /RFC 6455 §5\.1/);
  });

  test('ends with "transport close" when the connection breaks or closes', async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    for (const leave of [
      (client: WebSocketClient) => client.socket.terminate(),
      (client: WebSocketClient) => client.socket.close(),
    ]) {
      const client = new WebSocketClient(port);
      await client.join();
      leave(client);
      await client.closed;
    }
    await until(() => ends.length === 2);
    assert.deepEqual(ends, ["transport close", "transport close"]);
  });

  test("CVE-2022-21676: garbage after the handshake ends that connection only", async (context) => {
    const { port, io } = await serve(context);
    const witness = new WebSocketClient(port);
    await witness.join();
    for (const garbage of ["f1 85 00", "82 fe", "c1 81 00 00 00 00 00", "ff*50"]) {
      const client = new TcpClient(port);
      const request = Buffer.from(upgradeRequest("/socket.io/?EIO=4&transport=websocket"));
      client.write(Buffer.concat([request, bytes(garbage)]));
      client.socket.end();
      await client.closed;
    }
    // A request body also arrives before the server has sent the handshake response. Newer versions of Node parse the
    // body and discard it.
    const path = "/socket.io/?EIO=4&transport=websocket";
    const client = new TcpClient(port).write(upgradeRequest(path, { "Content-Length": "8" }));
    client.write("somebody").socket.end();
    await client.closed;
    assert.equal(io.sockets.sockets.size, 1);
    io.emit("still here");
    assert.equal(await witness.next(), '42["still here"]');
  });

  test("keeps messages in order while the socket is full, and drops volatile events", async (context) => {
    const { port, io } = await serve(context);
    const client = new WebSocketClient(port);
    await client.join();
    client.socket.pause();
    const text = "x".repeat(50_000);
    const [socket] = io.sockets.sockets.values();
    assert.ok(socket !== undefined);
    let sent = 0;
    while (socket.conn.writable) {
      io.emit("number", sent++, text);
      await turn();
    }
    for (let i = 0; i < 10; i++) io.emit("number", sent++, text);
    // The socket's buffer is full, so the server must drop volatile events instead of storing them.
    io.volatile.emit("number", -1);
    socket.volatile.emit("number", -1);
    client.socket.resume();
    for (let i = 0; i < sent; i++) assert.equal(await client.next(), `42["number",${i},"${text}"]`);
    await until(() => socket.conn.writable);
    socket.volatile.emit("number", sent);
    assert.equal(await client.next(), `42["number",${sent}]`);
  });

  test("rejects polls and a second WebSocket for its id", async (context) => {
    const { port } = await serve(context);
    const client = new WebSocketClient(port);
    const { sid } = JSON.parse(`${await client.next()}`.slice(1));
    const polling = new PollingClient(port, sid);
    assert.equal((await polling.poll()).body, '{"code":3,"message":"Bad request"}');
    const answer = await new TcpClient(port).write(
      upgradeRequest(`/socket.io/?EIO=4&transport=websocket&sid=${sid}`),
    ).closed;
    assert.match(answer.toString(), /^HTTP\/1\.1 400 .*Bad request$/s);
  });
});
