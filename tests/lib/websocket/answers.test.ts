// Tests that the WebSocketServer answers every upgrade request, however the program sets the server up.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, type TestContext, test } from "node:test";

import { WebSocketServer } from "../../../lib/websocket/server.ts";
import { Server } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import { listen, portOf, TcpClient, turn, until, upgradeRequest } from "../../support/net.ts";

/** How the program sets up the WebSocketServer, and which other listeners its HTTP server has. */
type Setup =
  | "the option port"
  | "an HTTP server"
  | "an HTTP server with two WebSocketServers"
  | "an HTTP server that also has an engine"
  | "an HTTP server where another listener answers"
  | "an HTTP server where another listener does nothing"
  | "noServer"
  | "a closed and an open WebSocketServer on one HTTP server"
  | "a closed WebSocketServer with noServer";

interface Expected {
  /** The status of the response for the path of the server. */
  readonly ours: number;
  /** The status of the response for another path. */
  readonly others: number;
  /** Whether the response for another path is delayed by a second, in which other listeners may respond. */
  readonly late?: true;
  readonly setUp: (context: TestContext) => Promise<number>;
}

const PATH = "/ours";

async function onHttp(
  context: TestContext,
  prepare: (http: HttpServer) => void | Promise<void>,
): Promise<number> {
  const http = createServer((_request, response) => response.end());
  const sockets = new Set<Socket>();
  http.on("connection", (socket) => sockets.add(socket));
  context.after(() => {
    http.close();
    for (const socket of sockets) socket.destroy();
  });
  await prepare(http);
  return listen(http);
}

const SETUPS: Record<Setup, Expected> = {
  "the option port": {
    ours: 101,
    others: 404,
    setUp: async (context) => {
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1", path: PATH });
      context.after(() => {
        for (const client of server.clients) client.terminate();
        return server.close();
      });
      return listening(server);
    },
  },
  "an HTTP server": {
    ours: 101,
    others: 404,
    setUp: (context) =>
      onHttp(context, (server) => void new WebSocketServer({ server, path: PATH })),
  },
  "an HTTP server with two WebSocketServers": {
    ours: 101,
    others: 404,
    setUp: (context) =>
      onHttp(context, (server) => {
        new WebSocketServer({ server, path: PATH });
        new WebSocketServer({ server, path: "/theirs" });
      }),
  },
  "an HTTP server that also has an engine": {
    ours: 101,
    others: 404,
    setUp: (context) =>
      onHttp(context, (server) => {
        const io = new Server(server);
        context.after(() => io.close());
        new WebSocketServer({ server, path: PATH });
      }),
  },
  "an HTTP server where another listener answers": {
    ours: 101,
    others: 418,
    setUp: (context) =>
      onHttp(context, (server) => {
        new WebSocketServer({ server, path: PATH });
        server.on("upgrade", ({ url = "" }, socket) => {
          if (new URL(url, "http://localhost").pathname !== PATH)
            socket.end("HTTP/1.1 418 I'm a teapot\r\n\r\n");
        });
      }),
  },
  "an HTTP server where another listener does nothing": {
    ours: 101,
    others: 404,
    late: true,
    setUp: (context) =>
      onHttp(context, (server) => {
        new WebSocketServer({ server, path: PATH });
        server.on("upgrade", () => {});
      }),
  },
  noServer: {
    ours: 101,
    others: 404,
    setUp: (context) =>
      onHttp(context, (http) => {
        const server = new WebSocketServer({ noServer: true, path: PATH });
        http.on("upgrade", (request, socket, head) => server.handleUpgrade(request, socket, head));
      }),
  },
  "a closed and an open WebSocketServer on one HTTP server": {
    ours: 404,
    others: 404,
    setUp: (context) =>
      onHttp(context, async (server) => {
        const closed = new WebSocketServer({ server, path: PATH });
        new WebSocketServer({ server, path: "/theirs" });
        await closed.close();
      }),
  },
  "a closed WebSocketServer with noServer": {
    ours: 503,
    others: 503,
    setUp: (context) =>
      onHttp(context, async (http) => {
        const server = new WebSocketServer({ noServer: true, path: PATH });
        http.on("upgrade", (request, socket, head) => server.handleUpgrade(request, socket, head));
        await server.close();
      }),
  },
};

/** Resolves to the port of a server that was constructed with the option `port`. */
async function listening(server: WebSocketServer): Promise<number> {
  await new Promise<void>((resolve) => server.once("listening", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

async function statusOf(client: TcpClient): Promise<number> {
  const answer = await client.until("\r\n\r\n");
  return Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);
}

describe("WebSocketServer answers every upgrade request", () => {
  for (const [setup, { ours, others, late, setUp }] of Object.entries(SETUPS)) {
    test(`with ${setup}: ${ours} for its path, ${others} for other paths`, async (context) => {
      const clock = late ? new Clock(context) : undefined;
      const port = await setUp(context);
      // The request target is in origin-form (RFC 9112 §3.2.1) or in absolute-form (RFC 9112 §3.2.2).
      for (const origin of ["", `http://127.0.0.1:${port}`, `HTTP://user@localhost`]) {
        for (const target of [`${origin}${PATH}`, `${origin}${PATH}?a=/b`]) {
          const client = new TcpClient(port).write(upgradeRequest(target));
          assert.equal(await statusOf(client), ours, target);
          client.socket.destroy();
        }
        for (const path of ["/", "/our", "/ours/", "/other?/ours"]) {
          const client = new TcpClient(port).write(upgradeRequest(`${origin}${path}`));
          while (clock !== undefined && client.socket.bytesRead === 0) {
            clock.tick(1000);
            await turn();
          }
          assert.equal(await statusOf(client), others, path);
          client.socket.destroy();
        }
      }
    });
  }

  test("even if another request precedes it on the same connection", async (context) => {
    const clock = new Clock(context);
    const port = await onHttp(context, (http) => {
      new WebSocketServer({ server: http, path: PATH });
      http.on("upgrade", () => {});
    });
    const client = new TcpClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(await statusOf(client), 200);
    const before = client.socket.bytesRead;
    client.write(upgradeRequest("/other"));
    await until(() => clock.timers > 0);
    clock.tick(1000);
    await until(() => client.socket.bytesRead > before);
    client.socket.destroy();
  });

  test("except on a stream other than a TCP socket, which another listener reads", async (context) => {
    const clock = new Clock(context);
    const http = createServer();
    new WebSocketServer({ server: http, path: PATH });
    http.on("upgrade", (_request, socket) => void socket.resume());
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    http.emit("connection", stream);
    stream.push(upgradeRequest("/other"));
    await until(() => clock.timers > 0);
    clock.tick(1000);
    await turn();
    assert.equal(stream.writable, true);
    stream.destroy();
  });
});

describe("close() resolves", () => {
  test("after upgrade requests for other paths", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", path: PATH });
    const client = new TcpClient(await listening(server)).write(upgradeRequest("/"));
    assert.equal(await statusOf(client), 404);
    await server.close();
  });

  test("while verify() is pending, and rejects its client with 503", async () => {
    const ask = new EventEmitter();
    const verify = (): Promise<boolean> => {
      ask.emit("asked");
      return new Promise(() => {});
    };
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", verify });
    const client = new TcpClient(await listening(server)).write(upgradeRequest("/"));
    await once(ask, "asked");
    await server.close();
    assert.equal(await statusOf(client), 503);
  });

  test("while a client has sent nothing yet", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    const silent = connect(await listening(server), "127.0.0.1");
    await once(silent, "connect");
    await turn();
    await server.close();
    silent.destroy();
  });

  test("only when all connections are closed, even if it is called twice", async (context) => {
    const http = createServer();
    const server = new WebSocketServer({ server: http });
    const port = await listen(http);
    context.after(() => http.close());
    assert.equal(portOf(http), port);
    const client = new TcpClient(port).write(upgradeRequest("/"));
    await client.until("\r\n\r\n");
    let resolved = false;
    void server.close();
    const again = server.close().then(() => {
      resolved = true;
    });
    await turn();
    assert.equal(resolved, false);
    client.socket.destroy();
    await again;
    await until(() => server.clients.size === 0);
  });
});

describe("verify()", () => {
  test("may return a thenable, which is awaited", async (context) => {
    const http = createServer();
    const thenable: PromiseLike<boolean> = {
      // biome-ignore lint/suspicious/noThenProperty: the test needs a thenable
      then: (...listeners) => Promise.resolve(true).then(...listeners),
    };
    new WebSocketServer({ server: http, verify: () => thenable });
    const port = await listen(http);
    context.after(() => http.close());
    const client = new TcpClient(port).write(upgradeRequest("/"));
    assert.equal(await statusOf(client), 101);
    client.socket.destroy();
  });
});
