// Several servers with one Redis stream, all in the process of the test, and clients that can recover.

import type { TestContext } from "node:test";

import {
  createRedisStreamsAdapter,
  type RedisClient,
  type RedisStreamsAdapter,
  type RedisStreamsAdapterOptions,
} from "../../lib/adapters/redis.ts";
import type { Server } from "../../server.ts";
import { serve, WebSocketClient } from "./net.ts";
import { eventually } from "./redis-nodes.ts";

export interface StreamsNode {
  readonly io: Server;
  readonly port: number;
  readonly adapter: RedisStreamsAdapter;
  readonly errors: Error[];
}

/**
 * Starts a server whose clients can recover, unless `recovery` is `undefined`. Resolves when the server reads the
 * stream.
 */
export async function startStreamsNode(
  context: TestContext,
  client: RedisClient,
  options: RedisStreamsAdapterOptions = {},
  recovery: object | undefined = {},
): Promise<StreamsNode> {
  const errors: Error[] = [];
  const factory = createRedisStreamsAdapter(client, {
    heartbeatInterval: 100,
    onError: (error) => errors.push(error),
    ...options,
  });
  await factory.ready;
  let adapter: RedisStreamsAdapter | undefined;
  const { io, port } = await serve(context, {
    ...(recovery === undefined ? {} : { connectionStateRecovery: recovery }),
    adapter: (nsp) => {
      adapter = factory(nsp);
      adapter.on("error", (error) => errors.push(error));
      return adapter;
    },
  });
  if (adapter === undefined) throw new Error("there is no adapter");
  const { stats } = { stats: adapter.stats.bind(adapter) };
  await eventually(() => stats().position !== undefined);
  return { io, port, adapter, errors };
}

/** Resolves when each node has discovered this many other nodes. */
export function acquainted(nodes: readonly StreamsNode[], count = nodes.length - 1): Promise<void> {
  return eventually(() => nodes.every(({ adapter }) => adapter.stats().nodes.length === count));
}

/** A client that stores the values that it needs to recover. */
export class ReturningClient {
  readonly sid: string;
  readonly pid: string;
  /** The offset of the last event that next() returned. */
  offset: string | undefined;
  readonly #client: WebSocketClient;

  private constructor(client: WebSocketClient, sid: string, pid: string) {
    this.#client = client;
    this.sid = sid;
    this.pid = pid;
  }

  static async connect(port: number, auth: object = {}): Promise<ReturningClient> {
    const client = new WebSocketClient(port);
    const { sid, pid } = JSON.parse((await client.join(`40${JSON.stringify(auth)}`)).slice(2));
    return new ReturningClient(client, sid, pid);
  }

  /** Connects again, with the session id and offset of this client. */
  async comeBack(port: number, offset = this.offset): Promise<ReturningClient> {
    const { pid } = this;
    const back = await ReturningClient.connect(
      port,
      offset === undefined ? { pid } : { pid, offset },
    );
    back.offset = offset;
    return back;
  }

  /** Resolves to the next event, without its offset. */
  async next(): Promise<unknown[]> {
    for (;;) {
      const text = `${await this.#client.next()}`;
      if (text === "2") this.#client.send("3");
      if (!text.startsWith("42[")) continue;
      const event: unknown[] = JSON.parse(text.slice(2));
      this.offset = `${event.pop()}`;
      return event;
    }
  }

  /** Resolves to the events before the next event with this name. */
  async until(name: string): Promise<unknown[][]> {
    const events: unknown[][] = [];
    for (;;) {
      const event = await this.next();
      if (event[0] === name) return events;
      events.push(event);
    }
  }

  send(text: string): void {
    this.#client.send(text);
  }

  /** Breaks the connection. Resolves when the node has detected that the connection is broken. */
  async break({ io }: StreamsNode): Promise<void> {
    this.#client.socket.terminate();
    await eventually(() => !io.sockets.sockets.has(this.sid));
  }

  /** Resolves when the connection has ended. */
  get closed(): Promise<number> {
    return this.#client.closed;
  }
}
