// Tests the opening handshake of the WebSocket client, on the wire: RFC 6455 §3, §4.1.

import assert from "node:assert/strict";
import { once } from "node:events";
import {
  Agent,
  type ClientRequestArgs,
  createServer,
  get,
  globalAgent,
  type IncomingMessage,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import { PassThrough } from "node:stream";
import { describe, type TestContext, test } from "node:test";

import { WebSocket } from "../../../lib/websocket/client.ts";
import type { WebSocketOptions } from "../../../lib/websocket/client-options.ts";
import { byHand, SWITCH } from "../../support/by-hand.ts";
import { CERTIFICATE } from "../../support/certificate.ts";
import { listen, turn } from "../../support/net.ts";

/** Resolves to the request that a client sends for `target`, as node:http parses it. */
async function requestFor(
  context: TestContext,
  target: string,
  protocols: readonly string[] = [],
  headers: Record<string, string> = {},
  options: WebSocketOptions = {},
): Promise<IncomingMessage & { readonly port: number }> {
  const http = createServer();
  const port = await listen(http);
  context.after(() => http.close());
  const upgrade = once(http, "upgrade");
  const url = `ws://127.0.0.1:${port}${target}`;
  const socket = new WebSocket(url, protocols, { ...options, headers });
  const [request, tcp] = await upgrade;
  tcp.destroy();
  await once(socket, "close");
  return Object.assign(request, { port });
}

/** An agent that opens no connections. It records the requested connections and the bytes that a client writes. */
class NoNetwork extends Agent {
  readonly asked: ClientRequestArgs[] = [];
  readonly written = new PassThrough();

  constructor(protocol: "http:" | "https:") {
    super();
    Object.assign(this, { protocol, defaultPort: protocol === "https:" ? 443 : 80 });
  }

  override createConnection(options: ClientRequestArgs): PassThrough {
    this.asked.push(options);
    return this.written;
  }
}

describe("the client's opening handshake", () => {
  // biome-ignore format: aligned table
  const URLS: readonly (readonly [url: string, host: string, port: number, field: string])[] = [
    ["ws://example.com/",         "example.com", 80,   "example.com"],
    ["wss://example.com/",        "example.com", 443,  "example.com"],
    ["ws://example.com:443/",     "example.com", 443,  "example.com:443"],
    ["wss://example.com:8443/a",  "example.com", 8443, "example.com:8443"],
    ["ws://[::1]:8080/",          "::1",         8080, "[::1]:8080"],
  ];
  for (const [url, host, port, field] of URLS) {
    test(`RFC 6455 §3, §4.1 connects to the host and port of ${url}, and sends them in Host`, async () => {
      const agent = new NoNetwork(url.startsWith("wss:") ? "https:" : "http:");
      const socket = new WebSocket(url, [], { agent });
      const closed = once(socket, "close");
      assert.deepEqual(
        agent.asked.map((asked) => [asked.host, Number(asked.port)]),
        [[host, port]],
      );
      const [request] = await once(agent.written, "data");
      assert.equal(/^Host: (.*)\r$/im.exec(`${request}`)?.[1], field);
      socket.close();
      await closed;
    });
  }

  test("RFC 6455 §4.1 is a GET request of HTTP/1.1 for the resource name", async (context) => {
    const request = await requestFor(context, "/a/b?c=d&e");
    assert.deepEqual([request.method, request.httpVersion], ["GET", "1.1"]);
    assert.equal(request.url, "/a/b?c=d&e");
    assert.equal(request.headers.host, `127.0.0.1:${request.port}`);
  });

  test("RFC 6455 §4.1 ignores the options host, hostname, method, path, port and protocol", async (context) => {
    const options = {
      host: "host.invalid",
      hostname: "hostname.invalid",
      method: "POST",
      path: "/other",
      port: 1,
      protocol: "https:",
    };
    const { method, url, headers, port } = await requestFor(context, "/path", [], {}, options);
    assert.deepEqual([method, url, headers.host], ["GET", "/path", `127.0.0.1:${port}`]);
  });

  test("RFC 6455 §4.1 is sent over the connection that createConnection() returns", async () => {
    const written = new PassThrough();
    const socket = new WebSocket("ws://example.com/path", [], { createConnection: () => written });
    const closed = once(socket, "close");
    const [request] = await once(written, "data");
    assert.match(`${request}`, /^GET \/path HTTP\/1\.1\r\n/);
    assert.match(`${request}`, /^Host: example\.com\r$/m);
    socket.close();
    await closed;
  });

  test("RFC 6455 §4.1 does not use an idle connection of an earlier request, even if the options are undefined", async (context) => {
    const ports: unknown[] = [];
    const http = createServer((request, response) => {
      ports.push(request.socket.remotePort);
      response.end();
    });
    const port = await listen(http);
    context.after(() => {
      globalAgent.destroy();
      http.close();
    });
    for (const options of [
      {},
      { agent: undefined, defaultPort: undefined, createConnection: undefined },
    ]) {
      const [answer] = await once(get({ port, host: "127.0.0.1", agent: globalAgent }), "response");
      await once(answer.resume(), "end");
      const upgrade = once(http, "upgrade");
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, [], options);
      const [{ socket: tcp }] = await upgrade;
      assert.ok(!ports.includes(tcp.remotePort));
      tcp.destroy();
      await once(socket, "close");
    }
  });

  test("RFC 6455 §3 sends an escaped # of the URL unchanged", async (context) => {
    const { url } = await requestFor(context, "/a%23b?c=%23d");
    assert.equal(url, "/a%23b?c=%23d");
  });

  test("RFC 6455 §4.1 has each WebSocket header field once", async (context) => {
    const { headersDistinct } = await requestFor(context, "/", ["a", "b"]);
    assert.deepEqual(headersDistinct.upgrade, ["websocket"]);
    assert.deepEqual(headersDistinct.connection, ["Upgrade"]);
    assert.deepEqual(headersDistinct["sec-websocket-version"], ["13"]);
    assert.deepEqual(headersDistinct["sec-websocket-protocol"], ["a, b"]);
    assert.equal(headersDistinct["sec-websocket-extensions"]?.length, 1);
    assert.equal(headersDistinct["sec-websocket-key"]?.length, 1);
    // RFC 7617 §2: the URL has no user and no password to send.
    assert.equal(headersDistinct.authorization, undefined);
  });

  test("RFC 6455 §4.1 has the caller's header fields, such as Origin and Cookie", async (context) => {
    const headers = { Origin: "http://a.example", Cookie: "a=b", Authorization: "Bearer c" };
    const request = await requestFor(context, "/", [], headers);
    const { origin, cookie, authorization } = request.headers;
    assert.deepEqual([origin, cookie, authorization], Object.values(headers));
  });

  test("RFC 6455 §4.1 has a key of 16 bytes in base64, different for each connection", async (context) => {
    const keys = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { headers } = await requestFor(context, "/");
      const key = `${headers["sec-websocket-key"]}`;
      const bytes = Buffer.from(key, "base64");
      assert.equal(bytes.length, 16);
      assert.equal(bytes.toString("base64"), key);
      keys.add(key);
    }
    assert.equal(keys.size, 20);
  });

  test("RFC 6455 §4.1 sends no further bytes before the server's response", async (context) => {
    let received = Buffer.alloc(0);
    const http = createServer();
    const port = await listen(http);
    context.after(() => http.close());
    const upgrade = once(http, "upgrade");
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    assert.throws(() => socket.send("early"), { name: "InvalidStateError" });
    const [request, tcp, head] = await upgrade;
    assert.equal(head.length, 0);
    tcp.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    // Client and server share this process, so data of the client would have arrived after these turns of the event loop.
    for (let turns = 0; turns < 20; turns++) await turn();
    assert.equal(received.length, 0);
    assert.equal(socket.readyState, WebSocket.CONNECTING);
    tcp.write(SWITCH(request.headers["sec-websocket-key"]));
    await once(socket, "open");
    tcp.destroy();
    await once(socket, "close");
  });

  test("RFC 6455 §4.1 names the server in the TLS handshake (SNI)", async (context) => {
    const names: string[] = [];
    const https = createSecureServer({
      ...CERTIFICATE,
      SNICallback: (name, done) => {
        names.push(name);
        done(null);
      },
    });
    https.on("upgrade", (_request, tcp) => tcp.destroy());
    const port = await listen(https);
    context.after(() => https.close());
    const socket = new WebSocket(`wss://localhost:${port}/`, [], { rejectUnauthorized: false });
    await once(socket, "close");
    assert.deepEqual(names, ["localhost"]);
  });

  test("RFC 6455 §4.1 fails the connection if the server ends TCP instead of responding", async (context) => {
    const url = await byHand(
      context,
      () => "",
      (tcp) => void tcp.end(),
    );
    const [{ code }] = await once(new WebSocket(url), "close");
    assert.equal(code, 1006);
  });
});
