// Tests the server's responses to upgrade requests, on the wire: RFC 6455 §4.2.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Duplex } from "node:stream";
import { describe, test } from "node:test";

import { type WebSocketConnection, WebSocketServer } from "../../../lib/websocket/server.ts";
import { refuseUpgrade } from "../../../lib/websocket/upgrade.ts";
import type { HandshakeRuleName } from "../../../protocol/websocket/handshake.ts";
import { HANDSHAKE_RULES } from "../../../protocol/websocket/handshake.ts";
import { describeFrames, frame } from "../../support/frame.ts";
import { listen, reset, TcpClient, until, upgradeRequest } from "../../support/net.ts";
import { bytes } from "../../support/split.ts";
import { serveWebSocket } from "../../support/web-socket-server.ts";

const GOOD = upgradeRequest("/");

// Node's own parser rejects a request without Host, and treats a request without "Connection: Upgrade" as an ordinary
// request, so our code receives neither.
const REFUSED: Record<Exclude<HandshakeRuleName, "HOST" | "CONNECTION">, readonly string[]> = {
  METHOD: [GOOD.replace("GET", "POST"), GOOD.replace("GET", "HEAD")],
  HTTP_VERSION: [GOOD.replace("HTTP/1.1", "HTTP/1.0")],
  UPGRADE: [
    upgradeRequest("/", { Upgrade: "websockets" }),
    upgradeRequest("/", { Upgrade: "h2c" }),
  ],
  KEY: [
    upgradeRequest("/", { "Sec-WebSocket-Key": undefined }),
    upgradeRequest("/", { "Sec-WebSocket-Key": "short==" }),
    upgradeRequest("/", { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=" }),
  ],
  VERSION: [
    upgradeRequest("/", { "Sec-WebSocket-Version": undefined }),
    upgradeRequest("/", { "Sec-WebSocket-Version": "8" }),
    upgradeRequest("/", { "Sec-WebSocket-Version": "14" }),
  ],
  PROTOCOL: [
    upgradeRequest("/", { "Sec-WebSocket-Protocol": "," }),
    upgradeRequest("/", { "Sec-WebSocket-Protocol": "a, a" }),
    upgradeRequest("/", { "Sec-WebSocket-Protocol": `a${" ".repeat(8000)}b` }),
  ],
  EXTENSIONS: [
    upgradeRequest("/", { "Sec-WebSocket-Extensions": "permessage-deflate;" }),
    upgradeRequest("/", { "Sec-WebSocket-Extensions": 'a; b="' }),
    upgradeRequest("/", { "Sec-WebSocket-Extensions": `x${"; a".repeat(3000)};` }),
  ],
};

describe("An invalid upgrade request", () => {
  for (const [rule, requests] of Object.entries(REFUSED)) {
    for (const [index, request] of requests.entries()) {
      test(`is refused with the HTTP status of the broken rule: ${rule} ${index + 1}`, async (context) => {
        const { port, server } = await serveWebSocket(context);
        server.on("connection", () => assert.fail("the rejected client has connected"));
        const { status, text } = Object.entries(HANDSHAKE_RULES).find(
          ([name]) => name === rule,
        )?.[1] ?? { status: 0, text: "" };
        const answer = (await new TcpClient(port).write(request).closed).toString();
        const [head = "", body] = answer.split("\r\n\r\n");
        if (request.startsWith("HEAD")) assert.match(head, /^HTTP\/1\.1 405 /);
        else assert.deepEqual([Number(head.split(" ")[1]), body], [status, text]);
        const version = rule === "VERSION" ? ["Sec-WebSocket-Version: 13"] : [];
        const fields = head.split("\r\n").slice(1);
        const length = `Content-Length: ${Buffer.byteLength(text)}`;
        const ours = ["Connection: close", "Content-Type: text/html", length, ...version];
        assert.deepEqual(fields, ours);
      });
    }
  }

  test("CVE-2024-37890: is refused if its Upgrade header is beyond maxHeadersCount", async (context) => {
    const http = createServer((_request, response) => response.writeHead(400).end());
    http.maxHeadersCount = 5;
    const server = new WebSocketServer({ server: http });
    const port = await listen(http);
    context.after(async () => {
      await server.close();
      http.close();
    });
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`X-${i}`, "1"]));
    const [line = "", ...lines] = upgradeRequest("/").split("\r\n");
    const request = [line, ...Object.entries(many).map(([k, v]) => `${k}: ${v}`), ...lines];
    const answer = await new TcpClient(port).write(request.join("\r\n")).closed;
    // Newer versions of Node reject this many header fields themselves.
    assert.match(answer.toString(), /^HTTP\/1\.1 (400|431) /);
  });

  test("does not affect later clients if its client resets the connection", async (context) => {
    const { port } = await serveWebSocket(context);
    for (let i = 0; i < 20; i++) {
      const client = new TcpClient(port);
      client.write(upgradeRequest("/", { "Sec-WebSocket-Version": "8" }));
      await new Promise<void>((resolve) => client.socket.once("connect", resolve));
      reset(client.socket);
      await client.closed;
    }
    const client = new TcpClient(port).write(GOOD);
    assert.match(await client.until("\r\n\r\n"), /^HTTP\/1\.1 101 /);
  });
});

describe("refuseUpgrade()", () => {
  for (const event of ["finish", "error"] as const) {
    test(`destroys the socket on "${event}"`, async () => {
      const socket = new Duplex({
        autoDestroy: false,
        read: () => {},
        write: (_chunk, _encoding, done) => done(event === "error" ? new Error("EPIPE") : null),
      });
      const destroyed = new Promise((resolve) => socket.once("close", resolve));
      refuseUpgrade(socket, 400, "");
      await destroyed;
      assert.ok(socket.destroyed);
    });
  }
});

describe("An opening handshake", () => {
  test("RFC 6455 §1.3, §9 is answered with the hash of its key, and without extensions if it offers none", async (context) => {
    const { port } = await serveWebSocket(context);
    const client = new TcpClient(port).write(GOOD);
    const answer = await client.until("\r\n\r\n");
    assert.deepEqual(answer.split("\r\n"), [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "",
      "",
    ]);
  });

  for (const [section, name, value] of [
    ["RFC 6455 §11.3.1", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
    ["RFC 6455 §11.3.5", "Sec-WebSocket-Version", "13"],
  ] as const) {
    test(`${section} is refused if it has ${name} twice`, async (context) => {
      const { port } = await serveWebSocket(context);
      const twice = GOOD.replace("\r\n\r\n", `\r\n${name}: ${value}\r\n\r\n`);
      const answer = await new TcpClient(port).write(twice).until("\r\n\r\n");
      assert.match(answer, /^HTTP\/1\.1 400 /);
    });
  }

  test("RFC 6455 §11.3.2, §11.3.4 may repeat the fields of its offers; RFC 6455 §11.3.3 the response has each field once", async (context) => {
    const { port } = await serveWebSocket(context, { perMessageDeflate: true, protocols: ["b"] });
    const more = [
      "Sec-WebSocket-Protocol: a",
      "Sec-WebSocket-Protocol: b, c",
      "Sec-WebSocket-Extensions: x-other",
      "Sec-WebSocket-Extensions: permessage-deflate",
    ];
    const asked = GOOD.replace("\r\n\r\n", `\r\n${more.join("\r\n")}\r\n\r\n`);
    const answer = await new TcpClient(port).write(asked).until("\r\n\r\n");
    assert.deepEqual(answer.match(/^Sec-WebSocket-[^\r]*/gm), [
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "Sec-WebSocket-Protocol: b",
      "Sec-WebSocket-Extensions: permessage-deflate",
    ]);
  });

  test("is accepted without extensions if its offers are invalid or named like members of Object.prototype", async (context) => {
    const { port } = await serveWebSocket(context, { perMessageDeflate: true });
    for (const offer of [
      "constructor; __proto__=1, __proto__; toString, hasOwnProperty",
      "permessage-deflate; constructor; __proto__",
      "permessage-deflate; server_max_window_bits=99",
      "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
      `permessage-deflate${"; a=1".repeat(2000)}`,
    ]) {
      const headers = { "Sec-WebSocket-Extensions": offer };
      const client = new TcpClient(port).write(upgradeRequest("/", headers));
      const answer = await client.until("\r\n\r\n");
      assert.match(answer, /^HTTP\/1\.1 101 /);
      assert.doesNotMatch(answer, /Sec-WebSocket-Extensions/i);
      client.socket.destroy();
    }
  });

  test("may be followed by frames in the same chunk", async (context) => {
    const { port, server } = await serveWebSocket(context);
    const told = new Promise((resolve) =>
      server.once("connection", (connection: WebSocketConnection) =>
        connection.once("message", resolve),
      ),
    );
    const hello = frame(1, "hello", { key: bytes("01 02 03 04") });
    new TcpClient(port).write(Buffer.concat([Buffer.from(GOOD), hello]));
    assert.equal(await told, "hello");
  });

  test("CVE-2022-21676: leads to a close with 1002 if an invalid frame follows in the same chunk", async (context) => {
    const { port, server } = await serveWebSocket(context);
    const ends: unknown[] = [];
    server.on("connection", (connection: WebSocketConnection) =>
      connection.on("close", (code, _reason, failure) => ends.push([code, failure?.rule])),
    );
    const client = new TcpClient(port).write(Buffer.concat([Buffer.from(GOOD), bytes("f1 85")]));
    const answer = await client.closed;
    const [close = ""] = describeFrames(answer.subarray(answer.indexOf("\r\n\r\n") + 4));
    assert.match(close, /^close 1002 /);
    await until(() => ends.length === 1);
    assert.deepEqual(ends, [[1006, "RESERVED_BITS"]]);
  });
});
