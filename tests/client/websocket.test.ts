// The WebSocket client of Node, against a server by another hand and against what is said by hand.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createServer as createTcpServer, type Socket as TcpSocket } from "node:net";
import { describe, type TestContext, test } from "node:test";

import { WebSocketServer } from "ws";

import { type CloseEvent, type ErrorEvent, WebSocket } from "../../client/websocket.ts";
import { acceptKey } from "../../protocol/websocket/handshake.ts";
import { CERTIFICATE } from "../support/certificate.ts";
import { frame } from "../support/frame.ts";
import { listen } from "../support/net.ts";

/** An echo by `ws`, and its URL. */
async function echo(context: TestContext, http: HttpServer = createServer()): Promise<string> {
  const server = new WebSocketServer({
    server: http,
    handleProtocols: ([first]) => first ?? false,
  });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const port = await listen(http);
  context.after(() => {
    server.close();
    for (const client of server.clients) client.terminate();
    http.close();
  });
  return `ws://127.0.0.1:${port}/`;
}

/** What becomes of a WebSocket. */
async function ended(socket: WebSocket): Promise<{ code: number; reason: string; error: string }> {
  let error = "";
  socket.addEventListener("error", (event) => {
    error = isError(event) ? event.message : "?";
  });
  const [event] = await once(socket, "close");
  assert.ok(isClose(event));
  return { code: event.code, reason: event.reason, error };
}

function isError(event: unknown): event is ErrorEvent {
  return event instanceof Event && "message" in event;
}

function isClose(event: unknown): event is CloseEvent {
  return event instanceof Event && "wasClean" in event;
}

/** A server that answers the opening handshake as `answer` says and then is the test's. */
async function byHand(
  context: TestContext,
  answer: (key: string) => string | undefined,
  then: (socket: TcpSocket) => void = () => {},
): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (request) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(request.toString())?.[1] ?? "";
      const text = answer(key);
      if (text === undefined) return;
      socket.write(text);
      then(socket);
    });
    context.after(() => socket.destroy());
  });
  const port = await listen(server);
  context.after(() => server.close());
  return `ws://127.0.0.1:${port}/`;
}

const SWITCH = (key: string, more = ""): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n${more}\r\n`;

describe("WebSocket", () => {
  test("texts and bytes of all sizes, both ways", async (context) => {
    const socket = new WebSocket(await echo(context));
    assert.equal(socket.readyState, WebSocket.CONNECTING);
    await once(socket, "open");
    assert.equal(socket.readyState, WebSocket.OPEN);
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 300_000]) {
      const text = "é".repeat(length);
      const answered = once(socket, "message");
      socket.send(text);
      assert.equal((await answered)[0].data, text);
      for (const type of ["arraybuffer", "nodebuffer"] as const) {
        socket.binaryType = type;
        const bytes = Buffer.alloc(length, 7);
        const back = once(socket, "message");
        socket.send(bytes);
        const [{ data }] = await back;
        assert.equal(data instanceof ArrayBuffer, type === "arraybuffer");
        assert.ok(Buffer.from(data).equals(bytes));
      }
    }
    const end = ended(socket);
    socket.close(3000, "bye");
    assert.equal(socket.readyState, WebSocket.CLOSING);
    assert.deepEqual(await end, { code: 3000, reason: "bye", error: "" });
    assert.equal(socket.readyState, WebSocket.CLOSED);
  });

  test("handlers as properties, in the browser's manner", async (context) => {
    const socket = new WebSocket(await echo(context));
    const log: string[] = [];
    await new Promise<void>((resolve) => {
      socket.onopen = function (this: unknown) {
        log.push(this === socket ? "open" : "?");
        socket.send("x");
      };
      socket.onmessage = ({ data }) => {
        log.push(data);
        socket.close();
      };
      socket.onclose = () => resolve();
    });
    assert.deepEqual(log, ["open", "x"]);
  });

  test("over TLS, with a subprotocol and header fields", async (context) => {
    const https = createSecureServer(CERTIFICATE);
    const seen: unknown[] = [];
    https.on("upgrade", ({ headers }) => seen.push(headers["x-name"]));
    const url = (await echo(context, https)).replace("ws:", "wss:");
    const options = { rejectUnauthorized: false, headers: { "X-Name": "ada" } };
    const socket = new WebSocket(url, ["chat", "other"], options);
    await once(socket, "open");
    assert.equal(socket.protocol, "chat");
    assert.deepEqual(seen, ["ada"]);
    socket.close();
    await once(socket, "close");
    const refused = await ended(new WebSocket(url));
    assert.match(refused.error, /certificate/);
  });

  for (const [does, answer, error] of [
    ["another status", () => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", /status 403/],
    ["a redirect", () => "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", /status 302/],
    [
      "another key's answer",
      () => SWITCH("dGhlIHNhbXBsZSBub25jZQ=="),
      /Sec-WebSocket-Accept does not fit/,
    ],
    [
      "a subprotocol that was not offered",
      (key: string) => SWITCH(key, "Sec-WebSocket-Protocol: x\r\n"),
      /subprotocol/,
    ],
    [
      "an extension that was not offered",
      (key: string) => SWITCH(key, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
      /extension/,
    ],
    ["no HTTP", () => "SSH-2.0-OpenSSH\r\n", /Parse Error|HPE/i],
  ] as const) {
    test(`a server that answers with ${does} is not one`, async (context) => {
      const { code, error: message } = await ended(new WebSocket(await byHand(context, answer)));
      assert.equal(code, 1006);
      assert.match(message, error);
    });
  }

  test("a server that does not answer is given up", async (context) => {
    const url = await byHand(context, () => undefined);
    const { error } = await ended(new WebSocket(url, [], { handshakeTimeout: 50 }));
    assert.match(error, /timed out/);
  });

  test("nobody is there", async () => {
    const http = createServer();
    const port = await listen(http);
    http.close();
    await once(http, "close");
    const { code, error } = await ended(new WebSocket(`ws://127.0.0.1:${port}`));
    assert.equal(code, 1006);
    assert.match(error, /ECONNREFUSED/);
  });

  for (const [does, bytes, error] of [
    ["a masked frame", frame(1, "x", { key: Uint8Array.of(1, 2, 3, 4) }), /mask/i],
    ["text that is not UTF-8", frame(1, Uint8Array.of(0xff)), /UTF-8/],
    ["a message that is too long", frame(2, new Uint8Array(200)), /./],
  ] as const) {
    test(`${does} fails the connection`, async (context) => {
      const url = await byHand(context, SWITCH, (socket) => socket.write(bytes));
      const outcome = await ended(new WebSocket(url, [], { maxPayload: 100 }));
      assert.match(outcome.error, error);
    });
  }

  test("a frame in the same packet as the answer is heard; pings are answered, masked", async (context) => {
    const heard: Buffer[] = [];
    const url = await byHand(context, SWITCH, (socket) => {
      socket.write(Buffer.concat([frame(1, "at once"), frame(9, "p")]));
      socket.on("data", (chunk) => {
        heard.push(chunk);
        socket.end(frame(8, ""));
      });
    });
    const socket = new WebSocket(url);
    const [{ data }] = await once(socket, "message");
    assert.equal(data, "at once");
    await ended(socket);
    const [pong] = heard;
    assert.deepEqual([...(pong?.subarray(0, 2) ?? [])], [0x8a, 0x81]);
  });

  test("the caller's mistakes throw where they are made", async (context) => {
    for (const url of ["nothing", "ftp://x/"]) {
      assert.throws(() => new WebSocket(url), SyntaxError);
    }
    assert.throws(() => new WebSocket("ws://127.0.0.1:1", ["a", "a"]), SyntaxError);
    const socket = new WebSocket(await echo(context));
    assert.throws(() => socket.send("early"), { code: "ERR_NOT_OPEN" });
    assert.throws(() => socket.close(1001), RangeError);
    assert.throws(() => socket.close(1000, "x".repeat(124)), RangeError);
    const end = ended(socket);
    socket.close();
    assert.match((await end).error, /closed before it was open/);
    socket.send("late");
    socket.close();
  });
});
