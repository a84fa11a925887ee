// Tests the engine on an HTTP server that has other listeners too.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { describe, test } from "node:test";
import { connect as connectSecurely } from "node:tls";

import { WebSocketServer } from "../../../lib/websocket/server.ts";
import { Server } from "../../../server.ts";
import { CERTIFICATE } from "../../support/certificate.ts";
import { Clock } from "../../support/clock.ts";
import {
  ask,
  handOver,
  listen,
  PollingClient,
  reset,
  serve,
  TcpClient,
  turn,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../../support/net.ts";

const QUERY = "?EIO=4&transport=polling";

describe("An engine on an HTTP server", () => {
  // biome-ignore format: aligned table
  const PATHS = [
    [{},                                              `/socket.io/${QUERY}`,         true],
    [{},                                              `/socket.io/deeper/${QUERY}`,  true],
    [{},                                              `/socket.io${QUERY}`,          false],
    [{},                                              `/socket.iota/${QUERY}`,       false],
    [{},                                              "/",                           false],
    [{ path: "/chat" },                               `/chat/${QUERY}`,              true],
    [{ path: "/chat/" },                              `/chat/${QUERY}`,              true],
    [{ path: "/chat" },                               `/socket.io/${QUERY}`,         false],
    [{ path: "/chat", addTrailingSlash: false },      `/chat${QUERY}`,               true],
  ] as const;
  for (const [options, path, ours] of PATHS) {
    test(`${JSON.stringify(options)}: the ${ours ? "engine" : "other listener"} receives ${path}`, async (context) => {
      const { port } = await serve(context, options);
      const { body } = await ask(port, path);
      assert.equal(body.startsWith("0{"), ours);
      assert.equal(body === "other", !ours);
    });
  }

  test("the HTTP server's other listeners receive only requests for other paths", async (context) => {
    const heard: (string | undefined)[] = [];
    const { port } = await serve(context, {}, (request, response) => {
      heard.push(request.url);
      response.end();
    });
    await ask(port, `/socket.io/${QUERY}`);
    await ask(port, "/other");
    assert.deepEqual(heard, ["/other"]);
  });

  test("close() restores the request listeners of the HTTP server and removes the upgrade listener", async (context) => {
    const http = createServer((_request, response) => response.end("theirs"));
    const io = new Server(http);
    await io.close();
    const port = await listen(http);
    context.after(() => http.close());
    assert.equal((await ask(port, `/socket.io/${QUERY}`)).body, "theirs");
    assert.equal(http.listenerCount("upgrade"), 0);
  });

  test("close() does not wait for a connection that has sent no request", async () => {
    for (const secure of [false, true]) {
      const http = secure ? createSecureServer(CERTIFICATE) : createServer();
      const io = new Server(http);
      const port = await listen(http);
      const early = connect(port, "127.0.0.1");
      await once(early, "connect");
      early.destroy();
      const accepted = once(http, secure ? "secureConnection" : "connection");
      const silent = secure
        ? connectSecurely({ port, host: "127.0.0.1", rejectUnauthorized: false })
        : connect(port, "127.0.0.1");
      silent.on("error", () => {}).resume();
      await accepted;
      const closed = once(silent, "close");
      await io.close();
      await closed;
    }
  });

  test("close() may be called twice, and restores the request listeners once", async (context) => {
    const listener = (_request: unknown, response: ServerResponse): void => {
      response.end("theirs");
    };
    const http = createServer(listener);
    const io = new Server(http);
    await Promise.all([io.close(), io.close()]);
    await io.close();
    assert.deepEqual(http.listeners("request"), [listener]);
    const port = await listen(http);
    context.after(() => http.close());
    assert.equal((await ask(port, "/")).body, "theirs");
  });

  test("two servers on one HTTP server may close in any order, and the original listeners remain", async (context) => {
    for (const reversed of [false, true]) {
      let answers = 0;
      const listener = (_request: unknown, response: ServerResponse): void => {
        answers++;
        response.end("theirs");
      };
      const http = createServer(listener);
      const servers = [new Server(http, { path: "/a" }), new Server(http, { path: "/b" })];
      for (const io of reversed ? servers.reverse() : servers) await io.close();
      const port = await listen(http);
      context.after(() => http.close());
      for (const path of ["/", `/a/${QUERY}`, `/b/${QUERY}`]) {
        assert.equal((await ask(port, path)).body, "theirs");
      }
      assert.equal(answers, 3);
    }
  });

  // Engine.IO "Request path".
  test("a WebSocketServer on the same HTTP server receives the upgrades for its own path", async (context) => {
    const http = createServer();
    const io = new Server(http);
    const echo = new WebSocketServer({ server: http, path: "/echo" });
    echo.on("connection", (connection) =>
      connection.on("message", (data) => connection.send(data)),
    );
    const port = await listen(http);
    context.after(async () => {
      await echo.close();
      await io.close();
    });
    const other = await new WebSocketClient(port, "/echo").opened();
    other.send("hello");
    assert.equal(await other.next(), "hello");
    assert.match(await new WebSocketClient(port).join(), /^40\{"sid"/);
  });

  test("answers an upgrade for another path with 404 if there is no other upgrade listener", async (context) => {
    const { port } = await serve(context);
    const nobodys = new TcpClient(port).write(upgradeRequest("/nobody"));
    assert.match((await nobodys.closed).toString(), /^HTTP\/1\.1 404 Not Found\r\n/);
  });

  test("answers with 404 after destroyUpgradeTimeout if the other upgrade listener does not answer", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context, { destroyUpgradeTimeout: 300 });
    io.httpServer.on("upgrade", () => {});
    const nobodys = new TcpClient(port).write(upgradeRequest("/nobody"));
    const both = await new WebSocketClient(port).join();
    assert.match(both, /^40/);
    clock.tick(299);
    await turn();
    assert.equal(nobodys.socket.closed, false);
    clock.tick(1);
    assert.match((await nobodys.closed).toString(), /^HTTP\/1\.1 404 Not Found\r\n/);
  });

  test("RFC 9112 §3.2.2 accepts a URL in absolute form, for requests and upgrades", async (context) => {
    const { port } = await serve(context);
    const authority = `http://127.0.0.1:${port}`;
    const { body } = await ask(port, `${authority}/socket.io/${QUERY}`);
    assert.match(body, /^0\{"sid"/);
    const upgrade = upgradeRequest(`${authority}/socket.io/?EIO=4&transport=websocket`);
    const client = new TcpClient(port).write(upgrade);
    await client.until('{"sid"');
    client.socket.destroy();
    assert.equal((await ask(port, `${authority}/other`)).body, "other");
  });

  test("leaves an upgrade alone that another listener has answered", async (context) => {
    const clock = new Clock(context);
    const http = createServer();
    const io = new Server(http);
    const echo = new WebSocketServer({ server: http, path: "/echo" });
    const port = await listen(http);
    context.after(async () => {
      await echo.close();
      await io.close();
    });
    const client = await new WebSocketClient(port, "/echo").opened();
    clock.tick(1000);
    await turn();
    const [connection] = echo.clients;
    connection?.send("still here");
    assert.equal(await client.next(), "still here");
  });

  test("leaves an upgrade alone while another server on the same HTTP server decides whether to accept it", async (context) => {
    const clock = new Clock(context);
    const http = createServer();
    const answers: (() => void)[] = [];
    const slow = new Server(http, {
      path: "/slow",
      allowRequest: (_request, callback) => answers.push(() => callback(null, true)),
    });
    new Server(http, { path: "/other" });
    new WebSocketServer({ server: http, path: "/echo" });
    const port = await listen(http);
    context.after(() => slow.close());
    const target = "/slow/?EIO=4&transport=websocket";
    const client = new TcpClient(port).write(upgradeRequest(target));
    await until(() => answers.length > 0);
    clock.tick(1000);
    for (const answer of answers) answer();
    await client.until("HTTP/1.1 101 ");
    client.socket.destroy();
  });

  test("a client that disconnects while allowRequest decides leaves no session", async (context) => {
    const answers: (() => void)[] = [];
    const { io, port } = await serve(context, {
      allowRequest: (_request, callback) => answers.push(() => callback(null, true)),
    });
    const ended: string[] = [];
    io.engine.on("connection", (session) => {
      session.on("close", (reason) => ended.push(reason));
    });
    const arrived = once(io.httpServer, "upgrade");
    const target = "/socket.io/?EIO=4&transport=websocket";
    const client = new TcpClient(port).write(upgradeRequest(target));
    const [, socket] = await arrived;
    const left = once(socket, "end");
    client.socket.end();
    await left;
    for (const answer of answers) answer();
    await until(() => ended.length > 0);
    assert.deepEqual(ended, ["transport close"]);
    assert.equal(io.engine.clientsCount, 0);
  });

  test("does not answer an upgrade of another path if a front server passes each upgrade to several HTTP servers", async (context) => {
    const [first, second] = [createServer(), createServer()];
    const io = new Server(first);
    const echo = new WebSocketServer({ server: second, path: "/echo" });
    const outer = createServer().on("upgrade", (request, socket, head) => {
      for (const inner of [first, second]) inner.emit("upgrade", request, socket, head);
    });
    const port = await listen(outer);
    context.after(async () => {
      await echo.close();
      await io.close();
      outer.close();
    });
    await new WebSocketClient(port, "/echo").opened();
  });

  test("on a stream that is not a socket, leaves an answered upgrade alone and rejects an unanswered upgrade", async (context) => {
    const clock = new Clock(context);
    const { io } = await serve(context);
    const taken = new Promise<Duplex>((resolve) =>
      io.httpServer.on(
        "upgrade",
        (request, socket) => request.url === "/theirs" && resolve(socket),
      ),
    );
    const theirs = handOver(io.httpServer, upgradeRequest("/theirs"));
    const nobodys = handOver(io.httpServer, upgradeRequest("/nobody"));
    const socket = await taken;
    socket.resume().write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    await theirs.answer;
    await turn();
    clock.tick(1000);
    assert.match(await nobodys.answer, /^HTTP\/1\.1 404 /);
    assert.equal(socket.writable, true);
    socket.destroy();
  });

  test("with destroyUpgrade: false, leaves upgrades for other paths open without a time limit", async (context) => {
    const clock = new Clock(context);
    const http = createServer();
    const io = new Server(http, { destroyUpgrade: false });
    const port = await listen(http);
    context.after(() => io.close());
    const foreign = new Promise<Duplex>((resolve) =>
      http.on("upgrade", (request, socket) => request.url === "/nobody" && resolve(socket)),
    );
    const client = new TcpClient(port).write(upgradeRequest("/nobody"));
    const socket = await foreign;
    clock.tick(100_000);
    await turn();
    assert.equal(client.socket.closed, false);
    socket.resume().end("at last");
    assert.equal((await client.closed).toString(), "at last");
  });

  test("CVE-2022-41940: a client that resets an upgrade for another path causes no uncaught error", async (context) => {
    const { port, io } = await serve(context, { destroyUpgradeTimeout: 10 });
    for (let i = 0; i < 10; i++) {
      const client = new TcpClient(port);
      const arrived = once(io.httpServer, "upgrade");
      client.write(upgradeRequest("/nobody", { Upgrade: "h2c" }));
      const [, socket] = await arrived;
      reset(client.socket);
      await client.closed;
      // Reads the stream, like a proxy that handles the upgrade.
      socket.resume();
      await until(() => socket.destroyed);
    }
    assert.match(await new WebSocketClient(port).join(), /^40/);
  });

  test("socket.request is the request object that an outer HTTP server has passed on", async (context) => {
    const inner = createServer();
    const io = new Server(inner);
    const seen = new Set<unknown>();
    const outer = createServer((request, response) => {
      seen.add(request);
      inner.emit("request", request, response);
    }).on("upgrade", (request, socket, head) => {
      seen.add(request);
      inner.emit("upgrade", request, socket, head);
    });
    const port = await listen(outer);
    context.after(() => {
      io.close();
      outer.close();
      outer.closeAllConnections();
    });
    const known: boolean[] = [];
    io.on("connection", ({ request }) => known.push(seen.has(request)));
    await new WebSocketClient(port).join();
    await (await PollingClient.open(port)).join();
    assert.deepEqual(known, [true, true]);
  });

  test("socket.request.upgrade is true for a WebSocket and false for polling", async (context) => {
    const { io, port } = await serve(context);
    const upgrades: unknown[] = [];
    io.on("connection", ({ request }) => upgrades.push(Reflect.get(request, "upgrade")));
    await new WebSocketClient(port).join();
    await (await PollingClient.open(port)).join();
    assert.deepEqual(upgrades, [true, false]);
  });
});
