// Tests attacks and faults over TLS: connections that break at any byte, handshakes that never finish, renegotiation,
// and a client that does not read. Meanwhile the server must echo every number that another client sends.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server as HttpsServer, type ServerOptions } from "node:https";
import { describe, type TestContext, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";

import { io as connectStock } from "socket.io-client";
import { WebSocket } from "ws";

import { type ServerOptions as Options, Server, type Socket } from "../../server.ts";
import { CERTIFICATE } from "../support/certificate.ts";
import { type FaultKind, FaultProxy } from "../support/fault-proxy.ts";
import { listen, TcpClient, turn, until } from "../support/net.ts";
import { gatherUncaught } from "../support/uncaught.ts";

const PATH = "/socket.io/?EIO=4&transport=websocket";

/** A TLS server with one client, which must not be affected by other connections. */
class Secured {
  readonly http: HttpsServer;
  readonly io: Server;
  readonly uncaught: unknown[];
  port = 0;
  readonly #witness: string[] = [];
  #client: WebSocket | undefined;
  #wake = (): void => {};
  #sent = 0;

  constructor(context: TestContext, tls: ServerOptions = {}, options: Options = {}) {
    this.uncaught = gatherUncaught(context);
    this.http = createServer({ ...CERTIFICATE, ...tls });
    this.io = new Server(this.http, { pingInterval: 1_000_000, ...options });
    this.io.on("connection", (socket) => {
      socket.on("echo", (value) => socket.emit("echo", value));
    });
    context.after(async () => {
      this.#client?.terminate();
      await this.io.close({ drain: 1 });
    });
  }

  async start(): Promise<this> {
    this.port = await listen(this.http);
    const client = connectSecure(this.port);
    this.#client = client;
    client.on("message", (data) => {
      if (`${data}` === "2") {
        client.send("3");
      } else {
        this.#witness.push(`${data}`);
        this.#wake();
      }
    });
    await once(client, "open");
    client.send("40");
    await this.#heard("40");
    return this;
  }

  /** Sends the client's next number, and waits for its echo. */
  async echo(): Promise<void> {
    const event = `42["echo",${this.#sent++}]`;
    this.#client?.send(event);
    await this.#heard(event);
  }

  /** Resolves when the client has the only connection. */
  async calm(): Promise<void> {
    let open = 0;
    while (open !== 1 || this.io.engine.clientsCount !== 1) {
      await turn();
      open = await new Promise((resolve) =>
        this.http.getConnections((_error, count) => resolve(count)),
      );
    }
    await this.echo();
    assert.deepEqual(this.uncaught, []);
  }

  async #heard(text: string): Promise<void> {
    while (!this.#witness.some((message) => message.startsWith(text))) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#witness.length = 0;
  }
}

function connectSecure(port: number): WebSocket {
  const client = new WebSocket(`wss://127.0.0.1:${port}${PATH}`, {
    rejectUnauthorized: false,
    perMessageDeflate: false,
  });
  return client.on("error", () => {});
}

/** Conversations through the proxy. Each promise resolves when the conversation ends or a fault breaks the connection. */
const CONVERSATIONS: Readonly<Record<string, (port: number) => Promise<void>>> = {
  "over WebSocket": async (port) => {
    const client = connectSecure(port);
    const answers: Readonly<Record<string, string>> = { "0": "40", "40": '42["echo","x"]' };
    client.on("message", (data) => {
      const [, type = ""] = /^(\d+)/.exec(`${data}`) ?? [];
      const answer = answers[type];
      if (answer === undefined) client.close();
      else client.send(answer);
    });
    await new Promise((resolve) => client.once("close", resolve));
  },
  "over polling, then WebSocket": async (port) => {
    const client = connectStock(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      reconnection: false,
      forceNew: true,
    });
    const ended = new Promise((resolve) => {
      client.once("disconnect", resolve).once("connect_error", resolve);
    });
    client.once("connect", () => client.emit("echo", "x"));
    // If socket.io-client has started an upgrade, disconnect() takes effect only when the upgrade is complete or has
    // failed.
    client.once("echo", () => client.disconnect());
    await ended;
    client.disconnect();
  },
};

const KINDS: readonly FaultKind[] = ["reset", "halfClose", "cut"];
const STEP = 83;
const MOST = 2500;

describe("A TLS connection that breaks at any byte does not affect other clients:", () => {
  for (const [way, converse] of Object.entries(CONVERSATIONS)) {
    for (const kind of KINDS) {
      test(`${kind}, ${way}`, async (context) => {
        // Between two polls, only the heartbeat can detect that a client has disconnected.
        const heartbeat = { pingInterval: 500, pingTimeout: 2000 };
        const server = await new Secured(context, {}, heartbeat).start();
        const proxy = new FaultProxy(server.port);
        const port = await proxy.start();
        context.after(() => proxy.close());
        for (let after = 0; after < MOST; after += STEP) {
          for (const direction of ["up", "down"] as const) {
            proxy.next = () => ({ kind, direction, after });
            await converse(port);
            await server.echo();
          }
        }
        // The first faults hit the TLS and WebSocket handshakes. The positions of the last faults may be beyond the end
        // of the conversation, so not every conversation has a fault.
        assert.ok(proxy.faults >= 20, `${proxy.faults}`);
        await until(() => server.io.engine.clientsCount === 1);
        // Close the connections that socket.io-client keeps open for its next requests.
        proxy.cut();
        await server.calm();
      });
    }
  }
});

describe("TLS", () => {
  test("handshakes that never finish are closed after handshakeTimeout of the HTTPS server", async (context) => {
    const server = await new Secured(context, { handshakeTimeout: 200 }).start();
    // The first bytes of a ClientHello.
    const hello = Buffer.from("1603010200010001fc0303", "hex");
    const strangers = Array.from({ length: 50 }, (_, n) =>
      new TcpClient(server.port).write(hello.subarray(0, n % (hello.length + 1))),
    );
    await server.echo();
    await Promise.all(strangers.map(({ closed }) => closed));
    await server.calm();
  });

  test("connections of TLS 1.2 are closed after at most three renegotiations", async (context) => {
    const server = await new Secured(context).start();
    const socket = await secureSocket(server.port, "TLSv1.2");
    const closed = new Promise((resolve) => socket.resume().once("close", resolve));
    let renegotiated = 0;
    const again = (): void => {
      socket.renegotiate({}, (error) => {
        if (error) return;
        renegotiated++;
        setImmediate(again);
      });
    };
    again();
    await closed;
    assert.ok(renegotiated <= 3, `${renegotiated}`);
    await server.calm();
  });

  test("connections of TLS 1.3 cannot be renegotiated", async (context) => {
    const server = await new Secured(context, { minVersion: "TLSv1.3" }).start();
    const socket = await secureSocket(server.port, "TLSv1.3");
    const refused = new Promise((resolve) => {
      const begun = socket.renegotiate({}, (error) => resolve(error !== null));
      if (!begun) resolve(true);
    });
    assert.equal(await refused, true);
    socket.destroy();
    // TLS 1.2 is the last version with renegotiation, and this server rejects it.
    await assert.rejects(secureSocket(server.port, "TLSv1.2"));
    await server.calm();
  });

  test("clients that do not read are disconnected at maxBackpressure, as without TLS", async (context) => {
    const max = 1_000_000;
    const part = "x".repeat(50_000);
    const server = await new Secured(context, {}, { maxBackpressure: max }).start();
    const connected = new Promise<Socket>((resolve) => server.io.once("connection", resolve));
    const client = connectSecure(server.port);
    client.once("message", () => {
      client.send("40");
      client.pause();
    });
    const socket = await connected;
    let most = 0;
    for (let sent = 0; socket.connected; sent += part.length) {
      socket.emit("part", part);
      most = Math.max(most, socket.bufferedAmount);
      // The operating system buffers only some megabytes for a connection. The other bytes wait in the server, and
      // exceed maxBackpressure long before 100 MB were sent.
      assert.ok(sent < 100_000_000, "the server does not end the connection");
      await turn();
    }
    assert.ok(most > max / 2 && most <= max + 2 * part.length, `${most}`);
    assert.deepEqual(server.io.stats().bounds, { maxBackpressure: 1 });
    client.terminate();
    await until(() => client.readyState === WebSocket.CLOSED);
    await server.calm();
  });
});

async function secureSocket(port: number, version: "TLSv1.2" | "TLSv1.3"): Promise<TLSSocket> {
  const socket = connectTls({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
  });
  await once(socket, "secureConnect");
  // From here on the tests wait for the end of the connection, so its errors are ignored.
  return socket.on("error", () => {});
}
