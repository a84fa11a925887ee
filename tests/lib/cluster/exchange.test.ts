// Tests the primary with fake worker processes.

import assert from "node:assert/strict";
import { Worker } from "node:cluster";
import { EventEmitter, once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";

import { MAX_WAITING } from "../../../lib/cluster/channel.ts";
import { Exchange } from "../../../lib/cluster/exchange.ts";
import {
  type FromPrimary,
  SOURCE,
  type ToHub,
  type ToPrimary,
} from "../../../lib/cluster/messages.ts";
import { listen, turn } from "../../support/net.ts";

/** A process that reads its messages only when the test calls `read()`. */
class Process extends EventEmitter {
  connected = true;
  readonly pid: number;
  readonly sent: FromPrimary[] = [];
  readonly signals: string[] = [];
  readonly #written: (() => void)[] = [];

  constructor(pid: number) {
    super();
    this.pid = pid;
  }

  send(message: FromPrimary, ...rest: readonly unknown[]): void {
    this.sent.push(message);
    const written = rest.at(-1);
    if (typeof written === "function") this.#written.push(() => written(null));
  }

  /** Makes the process read all its messages. */
  read(): void {
    for (const written of this.#written.splice(0)) written();
  }

  isConnected(): boolean {
    return this.connected;
  }

  kill(signal: string): void {
    this.signals.push(signal);
  }

  /** Sends a message to the primary. */
  say(message: ToPrimary, socket?: Socket): void {
    this.emit("message", message, socket);
  }

  end(): void {
    this.connected = false;
    this.emit("disconnect");
    this.emit("exit", null, "SIGKILL");
  }
}

function start(context: TestContext, count: number): Process[] {
  const exchange = new Exchange(() => undefined);
  context.after(() => exchange.close());
  return Array.from({ length: count }, (_, index) => {
    const process = new Process(index + 1);
    const worker: unknown = Reflect.construct(Worker, [{ id: index + 1, process }]);
    assert.ok(worker instanceof Worker);
    exchange.add(worker);
    process.say({ source: SOURCE, type: "hello" });
    process.say({ source: SOURCE, type: "joined", url: undefined, port: undefined });
    process.read();
    return process;
  });
}

/** Opens a connection. Returns the client's socket, and the socket in the primary. */
async function connection(context: TestContext): Promise<[client: Socket, connection: Socket]> {
  const server = createServer();
  const accepted = once(server, "connection");
  const client = connect(await listen(server), "127.0.0.1");
  const [socket]: Socket[] = await accepted;
  assert.ok(socket !== undefined);
  context.after(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  return [client, socket];
}

const HEAD = { method: "GET", url: "/", httpVersion: "1.1", headers: {}, rawHeaders: [] };

function handOver(to: number): ToPrimary {
  return { source: SOURCE, type: "connection", to, head: HEAD, bytes: new Uint8Array() };
}

function batch(item: ToHub): ToPrimary {
  return { source: SOURCE, type: "batch", items: [item] };
}

test("a connection being handed to a worker is closed when this worker exits", async (context) => {
  const [one, other] = start(context, 2);
  assert.ok(one && other);
  const [client, socket] = await connection(context);
  one.say(handOver(2), socket);
  assert.equal(other.sent.at(-1)?.type, "connection");
  const closed = once(client.resume(), "close");
  other.end();
  await closed;
});

test("a connection for a worker that has exited is closed", async (context) => {
  const [one, other] = start(context, 2);
  assert.ok(one && other);
  const [client, socket] = await connection(context);
  const closed = once(client.resume(), "close");
  other.end();
  one.say(handOver(2), socket);
  await closed;
});

test("a worker that does not read is killed with a warning when 128 MiB wait for it", async (context) => {
  const warned = once(process, "warning");
  const [one, other] = start(context, 2);
  assert.ok(one && other);
  for (const each of [one, other])
    each.say(batch({ type: "join", nsp: "/", node: `${each.pid}`, recovery: undefined }));
  const body = new Uint8Array(1024 * 1024);
  const publish = (): void =>
    one.say(batch({ type: "publish", nsp: "/", node: "1", body, kept: undefined }));
  const most = Math.floor(MAX_WAITING / (body.length + 1024));
  for (let count = 0; count < 3 * most; count++) {
    publish();
    one.read();
    if (count % most === 0) other.read();
  }
  assert.deepEqual(other.signals, []);
  for (let count = 0; count <= most + 1; count++) {
    publish();
    one.read();
  }
  assert.deepEqual([one.signals, other.signals], [[], ["SIGKILL"]]);
  const { length } = other.sent;
  publish();
  assert.equal(other.sent.length, length);
  const [warning]: Error[] = await warned;
  assert.match(`${warning}`, /Worker 2 does not read its messages: killed/);
  await turn();
});
