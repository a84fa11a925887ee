// Tests features that the client has only in Node: cookies, redirections, agents, TLS, limits.

import assert from "node:assert/strict";
import { Agent, createServer, type IncomingMessage } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { describe, type TestContext, test } from "node:test";

import type { ClientOptions, Socket } from "../../client/index.ts";
import type { PlatformOptions } from "../../client/platform/network.ts";
import { Server } from "../../server.ts";
import { CERTIFICATE } from "../support/certificate.ts";
import { connectTo } from "../support/client.ts";
import { heard } from "../support/heard.ts";
import { listen, serve, until } from "../support/net.ts";

function start(
  context: TestContext,
  url: string,
  options: ClientOptions & PlatformOptions,
): Socket {
  return connectTo(context, url, { reconnection: false, ...options });
}

/** Resolves when the client has upgraded to WebSocket and received an acknowledgement. */
async function settled(socket: Socket): Promise<void> {
  await heard(socket, "connect");
  await until(() => socket.io.engine.transport.name === "websocket");
  assert.equal(await socket.timeout(10_000).emitWithAck("echo", 1), 1);
}

function answer(io: Server): void {
  io.on("connection", (socket) => {
    socket.on("echo", (...args) => args.pop()(...args));
  });
}

describe("the client in Node", () => {
  for (const withCredentials of [true, false]) {
    test(`withCredentials: ${withCredentials} ${withCredentials ? "sends" : "does not send"} received cookies in later requests and connections`, async (context) => {
      const { io, url } = await serve(context, { cookie: true });
      const http = io.httpServer;
      answer(io);
      const seen: (string | undefined)[] = [];
      const note = ({ headers }: IncomingMessage): void => void seen.push(headers.cookie);
      http.on("request", note).on("upgrade", note);
      const client = start(context, url, { withCredentials });
      await settled(client);
      const id = `io=${client.io.engine.id}`;
      const expected = withCredentials ? id : undefined;
      assert.ok(seen.length > 2);
      assert.deepEqual(seen, [undefined, ...seen.slice(1).map(() => expected)]);
      client.disconnect();
      const from = seen.length;
      client.connect();
      await heard(client, "connect");
      assert.equal(seen[from], expected);
    });
  }

  test("follows redirections to another origin without the Authorization header", async (context) => {
    const { io, url } = await serve(context);
    const http = io.httpServer;
    answer(io);
    const seen: unknown[] = [];
    const note = ({ headers }: IncomingMessage): void => {
      seen.push([headers.authorization, headers["x-more"]]);
    };
    http.on("request", note).on("upgrade", note);
    const first = createServer((request, response) => {
      response.writeHead(307, { Location: `${url}${request.url}` }).end();
    });
    const port = await listen(first);
    context.after(() => first.close());
    const client = start(context, `http://127.0.0.1:${port}`, {
      extraHeaders: { Authorization: "secret", "X-More": "yes" },
    });
    await settled(client);
    assert.ok(seen.length > 2);
    for (const headers of seen) assert.deepEqual(headers, [undefined, "yes"]);
  });

  test("emits connect_error on an endless redirection", async (context) => {
    const loop = createServer((_, response) => response.writeHead(302, { Location: "/" }).end());
    const port = await listen(loop);
    context.after(() => loop.close());
    for (const transports of [["polling"], ["websocket"]] as const) {
      const [error] = await heard(
        start(context, `http://127.0.0.1:${port}`, { transports }),
        "connect_error",
      );
      assert.ok(error instanceof Error && "description" in error);
      assert.match(`${error.description}`, /too many redirections/);
    }
  });

  test("connects over TLS with options of node:tls, and rejects an unknown certificate without them", async (context) => {
    const https = createSecureServer(CERTIFICATE);
    const io = new Server(https);
    answer(io);
    const url = `https://localhost:${await listen(https)}`;
    context.after(() => io.close());
    const { cert: ca } = CERTIFICATE;
    await settled(start(context, url, { ca, checkServerIdentity: () => undefined }));
    await settled(start(context, url, { rejectUnauthorized: false }));
    for (const transports of [["polling"], ["websocket"]] as const) {
      const [error] = await heard(start(context, url, { transports }), "connect_error");
      assert.ok(error instanceof Error && "description" in error);
      assert.match(`${error.description}`, /certificate/);
    }
  });

  test("creates its connections with the agent option", async (context) => {
    const { io, url } = await serve(context);
    answer(io);
    let made = 0;
    class Counting extends Agent {
      override createConnection(
        ...args: Parameters<Agent["createConnection"]>
      ): ReturnType<Agent["createConnection"]> {
        made++;
        return super.createConnection(...args);
      }
    }
    const agent = new Counting();
    await settled(start(context, url, { agent }));
    assert.ok(made >= 2);
    agent.destroy();
  });

  test("applies transportOptions to one transport, and emits connect_error on an invalid header", async (context) => {
    const { io, url } = await serve(context);
    const http = io.httpServer;
    answer(io);
    const seen: unknown[] = [];
    http.on("request", ({ headers }) => seen.push(headers["x-by"]));
    http.on("upgrade", ({ headers }) => seen.push(headers["x-by"]));
    await settled(
      start(context, url, {
        transportOptions: {
          polling: { extraHeaders: { "X-By": "polling" } },
          websocket: { extraHeaders: { "X-By": "websocket" } },
        },
      }),
    );
    assert.deepEqual(new Set(seen), new Set(["polling", "websocket"]));
    for (const transports of [["polling"], ["websocket"]] as const) {
      const bad = start(context, url, { transports, extraHeaders: { X: "a\nb" } });
      assert.ok((await heard(bad, "connect_error"))[0] instanceof Error);
    }
  });

  test("emits connect_error when a response exceeds maxPayload", async (context) => {
    const endless = createServer((_, response) => {
      const more = (): void => {
        while (response.write("x".repeat(10_000)));
      };
      response.on("drain", more);
      more();
    });
    const port = await listen(endless);
    context.after(() => endless.close());
    const client = start(context, `http://127.0.0.1:${port}`, { maxPayload: 100_000 });
    const [error] = await heard(client, "connect_error");
    assert.ok(error instanceof Error && "description" in error);
    assert.match(`${error.description}`, /longer than maxPayload/);
  });

  test("offers permessage-deflate unless perMessageDeflate is false", async (context) => {
    const { io, url } = await serve(context, { perMessageDeflate: { threshold: 0 } });
    answer(io);
    const transports = ["websocket"] as const;
    const text = "the same words again and again, ".repeat(100);
    for (const perMessageDeflate of [undefined, { threshold: 0 }, false] as const) {
      const options = perMessageDeflate === undefined ? {} : { perMessageDeflate };
      const client = start(context, url, { transports, ...options });
      await heard(client, "connect");
      const [socket] = io.sockets.sockets.values();
      const extensions = socket?.request.headers["sec-websocket-extensions"];
      assert.equal(extensions !== undefined, perMessageDeflate !== false);
      for (let n = 0; n < 20; n++) assert.equal(await client.emitWithAck("echo", text), text);
      client.disconnect();
      await until(() => io.sockets.sockets.size === 0);
    }
  });

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]] as const) {
    test(`forceBase64 sends binary data as base64 text over ${transports.join(" and ")}`, async (context) => {
      const { io, url } = await serve(context);
      answer(io);
      const client = start(context, url, { transports, forceBase64: true });
      await heard(client, "connect");
      await until(() => client.io.engine.transport.name === transports.at(-1));
      const binary: unknown[] = [];
      client.io.engine.on("packet", ({ data }) => {
        if (typeof data !== "string") binary.push(data);
      });
      const bytes = Buffer.of(1, 2, 255);
      assert.deepEqual(await client.emitWithAck("echo", { bytes }), { bytes });
      assert.deepEqual(binary, [bytes]);
    });
  }
});
