// Several servers with one Redis, all in the process of the test. The tests break Redis or the connection to it.

import type { TestContext } from "node:test";

import { Redis } from "ioredis";
import { createClient } from "redis";

import {
  createRedisAdapter,
  type RedisAdapter,
  type RedisAdapterOptions,
  type RedisClient,
} from "../../lib/adapters/redis.ts";
import type { Server, Socket } from "../../server.ts";
import { join, serve, turn, until, type WebSocketClient } from "./net.ts";

export const CLIENTS = {
  redis: (url: string): RedisClient => createClient({ url }),
  ioredis: (url: string): RedisClient => new Redis(url, { lazyConnect: true }),
} as const;

export interface RedisNode {
  readonly io: Server;
  readonly adapter: RedisAdapter;
  readonly client: WebSocketClient;
  readonly socket: Socket;
  readonly errors: Error[];
  /** Resolves to the data of the next event with this name. */
  next(event: string): Promise<unknown[]>;
}

/** Starts a server with one client that has joined the main namespace. */
export async function startRedisNode(
  context: TestContext,
  client: RedisClient,
  options: RedisAdapterOptions = {},
): Promise<RedisNode> {
  const errors: Error[] = [];
  const factory = createRedisAdapter(client, {
    heartbeatInterval: 100,
    onError: (error) => errors.push(error),
    ...options,
  });
  await factory.ready.catch((error) => {
    factory.close();
    throw error;
  });
  let adapter: RedisAdapter | undefined;
  const { io, port } = await serve(context, {
    adapter: (nsp) => {
      adapter = factory(nsp);
      return adapter;
    },
  });
  const joined = await join(io, port);
  if (adapter === undefined) throw new Error("there is no adapter");
  return {
    io,
    adapter,
    errors,
    client: joined.client,
    socket: joined.socket,
    next: async (event) => {
      for (;;) {
        const text = `${await joined.client.next()}`;
        if (text === "2") joined.client.send("3");
        const data = /^42\d*(\[.*)/s.exec(text)?.[1];
        if (data === undefined) continue;
        const [name, ...args]: unknown[] = JSON.parse(data);
        if (name === event) return args;
      }
    },
  };
}

/**
 * Resolves as soon as `condition` holds. It polls, because the condition depends on another process, so that no event
 * reports it.
 */
export function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  return until(condition);
}

/** Resolves when each node has discovered this many other nodes. */
export function known(nodes: readonly RedisNode[], count = nodes.length - 1): Promise<void> {
  return eventually(() => nodes.every(({ adapter }) => adapter.stats().nodes.length === count));
}

/**
 * Emits from one node until another node receives the event. After an interruption of Redis, a node subscribes to its
 * rooms again with a delay.
 *
 * @param room a room of the other node. Default: the id of its socket, so that the sender's own client does not
 * receive the event
 */
export async function untilHeard(
  from: RedisNode,
  to: RedisNode,
  room: string = to.socket.id,
  event = "probe",
): Promise<void> {
  let heard = false;
  const waiting = to.next(event).then(() => {
    heard = true;
  });
  while (!heard) {
    from.io.to(room).emit(event);
    // Redis executes commands in order, so it has processed this event when serverCount() resolves. Only then is the
    // next event sent.
    await Promise.race([waiting, from.adapter.serverCount()]);
    await turn();
  }
}
