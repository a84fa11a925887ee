// The server as its embedders meet it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { describe, test } from "node:test";

import { io as connect } from "socket.io-client";

import { Server } from "../server.ts";
import { CERTIFICATE } from "./support/certificate.ts";
import { Clock } from "./support/clock.ts";
import { ask, listen, portOf, until, WebSocketClient } from "./support/net.ts";

describe("Server", () => {
  test("on a port: has an HTTP server of its own, which has nothing else to serve", async () => {
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

  test("on a server that is given later, by either name", async () => {
    for (const name of ["attach", "listen"] as const) {
      const io = new Server({ path: "/chat" });
      assert.throws(() => io.httpServer, /not attached/);
      assert.throws(() => io.engine, /not attached/);
      const http = createServer();
      assert.equal(io[name](http, { path: "/not this one" }), io);
      assert.equal(io.httpServer, http);
      const port = await listen(http);
      const client = new WebSocketClient(port, "/chat/?EIO=4&transport=websocket");
      assert.match(await client.join(), /^40/);
      assert.equal(io.engine.clientsCount, 1);
      await io.close();
      assert.equal(io.engine.clientsCount, 0);
    }
  });

  test("on HTTPS, with the stock client", async () => {
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

  test("refuses what is no server", () => {
    const io = new Server();
    const app = (): void => {};
    assert.throws(() => Reflect.apply(io.attach, io, [app]), /express request handler/);
  });

  test("close() tells its callback whether the HTTP server was listening", async () => {
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

  test("close() leaves no handle open, whoever is connected and how", async () => {
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

  test("connectTimeout 0 is the default, as everywhere", async (context) => {
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

  test("maxAttachments is an option", async (context) => {
    const http = createServer();
    const io = new Server(http, { maxAttachments: 1 });
    const port = await listen(http);
    context.after(() => io.close());
    const client = new WebSocketClient(port);
    await client.join();
    client.send('452-["x"]');
    assert.equal(await client.closed, 1005);
  });
});
