// Polls through proxies that close persistent connections. RFC 9112 §9.3.1: a connection may be closed at any
// time, and a POST must not be sent again.

import assert from "node:assert/strict";
import { connect as connectTcp, createServer, type Socket as TcpSocket } from "node:net";
import { describe, type TestContext, test } from "node:test";

import { io as connectStock } from "socket.io-client";

import { io as connect } from "../../client/index.ts";
import { listen, reset, serve, until } from "../support/net.ts";

/** The ways in which a proxy ends a connection at its second request. */
const CLOSINGS: Readonly<Record<string, (client: TcpSocket) => void>> = {
  "destroys the connection": (client) => client.destroy(),
  "resets the connection": (client) => reset(client),
  "ends the connection": (client) => client.end(),
};

interface Proxy {
  readonly url: string;
  /** Returns how often the client has reused a connection. */
  readonly reused: () => number;
}

/** Starts a proxy that closes each connection at its second request, without announcing this to the client. */
async function proxy(
  context: TestContext,
  port: number,
  close: (client: TcpSocket) => void,
): Promise<Proxy> {
  let reused = 0;
  const sockets = new Set<TcpSocket>();
  const server = createServer((client) => {
    const upstream = connectTcp(port, "127.0.0.1");
    let requests = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.on("data", (chunk) => {
      if (/^(?:GET|POST) /.test(chunk.toString("latin1"))) requests++;
      if (requests < 2) {
        upstream.write(chunk);
        return;
      }
      reused++;
      upstream.destroy();
      close(client);
    });
    upstream.on("data", (chunk) => {
      const text = chunk.toString("latin1").replace(/\r\nKeep-Alive: [^\r]*/i, "");
      client.write(text, "latin1");
    });
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.end());
  });
  const own = await listen(server);
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${own}`, reused: () => reused };
}

const COUNT = 20;

describe("polling through a proxy that closes persistent connections", () => {
  for (const [does, close] of Object.entries(CLOSINGS)) {
    for (const library of ["ours", "stock"] as const) {
      test(`${library === "ours" ? "barewire" : "socket.io-client"} loses and repeats no event if the proxy ${does}`, async (context) => {
        const { io, port } = await serve(context);
        const { url, reused } = await proxy(context, port, close);
        const got: unknown[] = [];
        io.on("connection", (socket) => {
          socket.on("n", (n, answer) => {
            got.push(n);
            answer(n);
          });
        });
        const options = { forceNew: true, transports: ["polling"] };
        const socket =
          library === "ours"
            ? connect(url, { ...options, transports: ["polling"] })
            : connectStock(url, options);
        const reasons: string[] = [];
        socket.on("disconnect", (reason) => reasons.push(reason));
        await until(() => socket.connected);
        for (let n = 0; n < COUNT; n++) assert.equal(await socket.emitWithAck("n", n), n);
        assert.deepEqual(reasons, []);
        socket.disconnect();
        assert.deepEqual(
          got,
          Array.from({ length: COUNT }, (_, n) => n),
        );
        assert.equal(reused(), 0);
        await until(() => io.engine.clientsCount === 0);
      });
    }
  }
});

describe("polling through a proxy that loses the response to a POST", () => {
  test('disconnects with "transport error", and does not send the events again', async (context) => {
    const { io, port } = await serve(context);
    const got: unknown[] = [];
    io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
    let lose = false;
    const sockets = new Set<TcpSocket>();
    const server = createServer((client) => {
      const upstream = connectTcp(port, "127.0.0.1");
      let posts = false;
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on("error", () => {});
      }
      client.on("data", (chunk) => {
        posts ||= chunk.toString("latin1").startsWith("POST ");
        upstream.write(chunk);
      });
      upstream.on("data", (chunk) => {
        if (lose && posts) client.destroy();
        else client.write(chunk);
      });
      client.on("close", () => upstream.destroy());
    });
    const url = `http://127.0.0.1:${await listen(server)}`;
    const socket = connect(url, {
      forceNew: true,
      transports: ["polling"],
      reconnectionDelay: 1,
      reconnectionDelayMax: 1,
    });
    context.after(() => {
      socket.disconnect();
      for (const each of sockets) each.destroy();
      server.close();
    });
    await until(() => socket.connected);
    const { id } = socket;
    const reason = new Promise((resolve) => socket.once("disconnect", resolve));
    lose = true;
    socket.emit("n", 1);
    assert.equal(await reason, "transport error");
    lose = false;
    await until(() => socket.connected && socket.id !== id);
    socket.emit("n", 2);
    await until(() => got.length === 2);
    assert.deepEqual(got, [1, 2]);
  });
});
