// Tests that io.close() and io.run() end at their deadlines, whatever clients and the application do.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, createSecureServer } from "node:http2";
import { createServer } from "node:https";
import { describe, type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";

import { Adapter, Server, type ServerOptions } from "../../server.ts";
import { CERTIFICATE } from "../support/certificate.ts";
import { Clock } from "../support/clock.ts";
import {
  listen,
  PollingClient,
  portOf,
  serve,
  TcpClient,
  until,
  upgradeRequest,
} from "../support/net.ts";

const WEBSOCKET = upgradeRequest("/socket.io/?EIO=4&transport=websocket");

interface Obstacle {
  readonly options?: ServerOptions;
  /** Adds listeners of the application. Returns a function that returns whether the obstacle exists. */
  readonly add?: (io: Server) => () => boolean;
  /** Makes a client do something that keeps its connection open. */
  readonly connect?: (port: number, client: TcpClient) => Promise<unknown>;
}

let asked = 0;

// Each obstacle would keep a connection open indefinitely.
const OBSTACLES: Readonly<Record<string, Obstacle>> = {
  "a request head that never ends": {
    connect: async (_port, client) => client.write("GET /other HTTP/1.1\r\nHost: x"),
  },
  "a second request head that never ends, on a keep-alive connection": {
    connect: async (_port, client) => {
      await client.write("GET /other HTTP/1.1\r\nHost: x\r\n\r\n").until("other");
      client.write("GET /oth");
    },
  },
  "the body of a refused POST that never ends": {
    connect: async (port, client) => {
      const { path } = await PollingClient.open(port);
      client.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n4`);
      await client.until("413");
    },
  },
  "a POST body that never ends": {
    connect: async (port, client) => {
      const { path } = await PollingClient.open(port);
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n`;
      await client.write(head).until("100 Continue");
      client.write("4");
    },
  },
  "a request that the application does not answer": {
    add: () => () => asked === 1,
    connect: async (_port, client) => client.write("GET /waits HTTP/1.1\r\nHost: x\r\n\r\n"),
  },
  "a WebSocket that ignores the close frame": {
    connect: async (_port, client) => client.write(WEBSOCKET).until('"sid"'),
  },
  "a WebSocket that sent an invalid frame and does not end TCP": {
    connect: async (_port, client) => {
      await client.write(WEBSOCKET).until('"sid"');
      client.socket.pause();
      client.write(Buffer.from([0x81, 0x01, 0x78]));
    },
  },
  "an allowRequest that never calls back, over polling": {
    options: { allowRequest: () => asked++ },
    add: () => () => asked === 1,
    connect: async (_port, client) =>
      client.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"),
  },
  "an allowRequest that never calls back, over WebSocket": {
    options: { allowRequest: () => asked++ },
    add: () => () => asked === 1,
    connect: async (_port, client) => client.write(WEBSOCKET),
  },
  "a middleware that never calls next() for an upgrade": {
    add: (io) => {
      io.engine.use(() => asked++);
      return () => asked === 1;
    },
    connect: async (_port, client) => client.write(WEBSOCKET),
  },
  "an adapter whose close() never resolves": {
    options: {
      adapter: class extends Adapter {
        override close(): Promise<void> {
          return new Promise(() => {});
        }
      },
    },
  },
};

async function hinder(
  context: TestContext,
  { options = {}, add, connect }: Obstacle,
): Promise<{ io: Server; client: TcpClient }> {
  asked = 0;
  const { io, port } = await serve(context, options, ({ url }, response) => {
    if (url === "/waits") asked++;
    else response.end("other");
  });
  const isThere = add?.(io) ?? (() => true);
  const client = new TcpClient(port);
  context.after(() => client.socket.destroy());
  await once(client.socket, "connect");
  await connect?.(port, client);
  await until(isThere);
  return { io, client };
}

describe("io.close() ends at its deadline", () => {
  for (const [name, obstacle] of Object.entries(OBSTACLES)) {
    test(`with ${name}`, { timeout: 5000 }, async (context) => {
      const { io, client } = await hinder(context, obstacle);
      await io.close({ drain: 10 });
      assert.equal(io.httpServer.listening, false);
      client.socket.resume();
      await client.closed;
    });
  }

  test("with a TLS connection without a handshake, a TLS connection without a request, and an HTTP/2 session", {
    timeout: 5000,
  }, async (context) => {
    const http = createSecureServer(CERTIFICATE);
    const io = new Server(http);
    const port = await listen(http);
    const raw = new TcpClient(port);
    await once(raw.socket, "connect");
    const secure = connectTls({
      port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    await once(secure, "secureConnect");
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    context.after(() => session.destroy());
    await once(session, "connect");
    secure.on("error", () => {});
    session.on("error", () => {});
    await io.close({ drain: 10 });
    await raw.closed;
  });

  test("with an HTTPS connection that never finishes its TLS handshake", {
    timeout: 5000,
  }, async () => {
    const http = createServer(CERTIFICATE);
    const io = new Server(http);
    const raw = new TcpClient(await listen(http));
    await once(raw.socket, "connect");
    await until(() => http.listenerCount("connection") > 0);
    await io.close({ drain: 10 });
    await raw.closed;
  });

  test("io.close() ends after one second by default", { timeout: 5000 }, async (context) => {
    const clock = new Clock(context);
    const { io, client } = await hinder(
      context,
      OBSTACLES["a request that the application does not answer"] ?? {},
    );
    const closed = io.close();
    await until(() => clock.timers > 0 && !io.httpServer.listening);
    clock.tick(999);
    assert.equal(client.socket.destroyed, false);
    clock.tick(1);
    await closed;
  });

  test("or earlier, when the last pending response has ended", {
    timeout: 5000,
  }, async (context) => {
    const { io, port } = await serve(context, {}, (_request, response) => {
      void io.close({ drain: 10_000 }).then(() => closed());
      setImmediate(() => response.end("late"));
    });
    let closed = (): void => {};
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const client = new TcpClient(port).write(
      "GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert.match((await client.closed).toString(), /late$/);
    await isClosed;
  });

  test("or at the earlier deadline of a second call", {
    timeout: 5000,
  }, async (context) => {
    let count = 0;
    class StuckAdapter extends Adapter {
      override close(): Promise<void> | undefined {
        return count++ === 0 ? new Promise(() => {}) : undefined;
      }
    }
    const { io, port } = await serve(context, { adapter: StuckAdapter }, () => {});
    const client = new TcpClient(port).write("GET /other HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(io.httpServer, "request");
    const clock = new Clock(context);
    const patient = io.close({ drain: 1_000_000 });
    const impatient = io.close({ drain: 50 });
    await until(() => clock.timers > 0 && !io.httpServer.listening);
    clock.tick(50);
    await client.closed;
    await impatient;
    clock.tick(1_000_000);
    await patient;
  });

  test("and throws for invalid options", async (context) => {
    const { io } = await serve(context);
    assert.throws(() => Reflect.apply(io.close, io, [{ drain: -1 }]), { code: "ERR_OUT_OF_RANGE" });
    assert.throws(() => Reflect.apply(io.close, io, [{ drian: 1 }]), {
      code: "ERR_INVALID_ARG_TYPE",
    });
  });
});

describe("io.run()", () => {
  test("ends within drainTimeout, even if clients keep their connections open", {
    timeout: 5000,
  }, async (context) => {
    const io = new Server();
    const running = await io.run({ port: 0, log: () => {}, drainTimeout: 50 });
    const port = portOf(io.httpServer);
    const clients = [];
    for (const { connect } of Object.values(OBSTACLES)) {
      const client = new TcpClient(port);
      context.after(() => client.socket.destroy());
      if (
        connect ===
        OBSTACLES["a second request head that never ends, on a keep-alive connection"]?.connect
      )
        continue;
      await connect?.(port, client);
      clients.push(client);
    }
    await running.stop();
    for (const { closed, socket } of clients) {
      socket.resume();
      await closed;
    }
  });
});
