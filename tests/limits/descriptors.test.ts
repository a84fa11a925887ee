// Tests a server without free file descriptors while clients upgrade to WebSocket: connected clients continue, the
// operating system resets new connections at once, and the server accepts clients again when descriptors are free.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { type TestContext, test } from "node:test";

import { Faulty } from "../support/faulty.ts";
import { PollingClient, TcpClient, WebSocketClient } from "../support/net.ts";

const CLIENTS = 12;
const FREE = 3;

/** A client that polls over one persistent connection. */
class KeptClient {
  readonly #port: number;
  readonly #connection: TcpClient;
  #session: PollingClient | undefined;

  constructor(context: TestContext, port: number) {
    this.#port = port;
    this.#connection = new TcpClient(port);
    context.after(() => this.destroy());
  }

  async join(): Promise<this> {
    const open = await this.#ask("GET", "/socket.io/?EIO=4&transport=polling");
    this.#session = new PollingClient(this.#port, JSON.parse(open.slice(1)).sid);
    const { path } = this.#session;
    await this.#ask("POST", path, "40");
    assert.match(await this.#ask("GET", path), /^40/);
    return this;
  }

  /** Sends a value over polling, and receives it again. */
  async echo(value: number): Promise<void> {
    const { path } = this.session;
    await this.#ask("POST", path, `42["echo",${value}]`);
    assert.equal(await this.#ask("GET", path), `42["echo",${value}]`);
  }

  /** Upgrades to WebSocket. Returns `undefined` if the server has no file descriptor for the connection. */
  async upgrade(): Promise<WebSocketClient | undefined> {
    const client = this.session.webSocket();
    const opened = client.opened().then(
      () => true,
      () => false,
    );
    if (!(await opened)) {
      assert.equal(await client.closed, 1006);
      return undefined;
    }
    client.send("2probe");
    assert.equal(await client.next(), "3probe");
    client.send("5");
    return client;
  }

  /** Closes the connection over which the client has polled. */
  destroy(): void {
    this.#connection.socket.destroy();
  }

  get session(): PollingClient {
    if (this.#session === undefined) throw new Error("the client has not joined");
    return this.#session;
  }

  #ask(method: string, path: string, body = ""): Promise<string> {
    const head = [
      `${method} ${path} HTTP/1.1`,
      "Host: localhost",
      `Content-Length: ${body.length}`,
    ];
    this.#connection.write([...head, "", body].join("\r\n"));
    return this.#connection.takeAnswer();
  }
}

async function echo(client: WebSocketClient, value: number): Promise<void> {
  client.send(`42["echo",${value}]`);
  assert.equal(await client.next(), `42["echo",${value}]`);
}

test("while file descriptors are short, upgrades fail and connected clients continue", {
  skip: !existsSync("/proc/self/fd") && "needs /proc, which lists open file descriptors",
}, async (context) => {
  const server = await Faulty.start(context, [], { descriptors: 256 });
  const webSocket = new WebSocketClient(server.port);
  await webSocket.join();
  const clients: KeptClient[] = [];
  const before = (await server.report()).descriptors;
  for (let n = 0; n < CLIENTS; n++) {
    clients.push(await new KeptClient(context, server.port).join());
  }

  await server.leave(FREE);
  const upgraded = await Promise.all(clients.map((client) => client.upgrade()));
  assert.equal(upgraded.filter((client) => client !== undefined).length, FREE);
  for (let n = 0; n < 20; n++) {
    // A new client does not wait: its connection is closed without a response.
    const stranger = new TcpClient(server.port).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal((await stranger.closed).length, 0);
    await echo(webSocket, n);
    for (const [index, client] of clients.entries()) {
      const changed = upgraded[index];
      await (changed === undefined ? client.echo(n) : echo(changed, n));
    }
  }

  await server.release();
  for (const [index, client] of clients.entries()) upgraded[index] ??= await client.upgrade();
  for (const [index, client] of upgraded.entries()) {
    assert.ok(client !== undefined);
    await echo(client, index);
    client.send("1");
    assert.equal(await client.closed, 1005);
    clients[index]?.destroy();
  }
  await echo(webSocket, 20);
  while ((await server.report()).descriptors > before) await echo(webSocket, 21);
  const { descriptors, lines, errors } = await server.report();
  assert.ok(descriptors <= before, `${descriptors} descriptors, ${before} before`);
  assert.deepEqual({ lines, errors }, { lines: [], errors: 0 });
  webSocket.socket.terminate();
});
