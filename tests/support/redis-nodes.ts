// Servers over one Redis, all in the process of the test: what breaks is Redis, or the way to it.

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
  /** Resolves to the data of the next event of this name. */
  next(event: string): Promise<unknown[]>;
}

/** Starts a server with one client, which has joined. */
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

/** Resolves as soon as `condition` holds, which Redis or another process decides: no event of this one tells. */
export function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  return until(condition);
}

/** Resolves when each node knows so many others. */
export function known(nodes: readonly RedisNode[], count = nodes.length - 1): Promise<void> {
  return eventually(() => nodes.every(({ adapter }) => adapter.stats().nodes.length === count));
}

/**
 * Emits from one node until another has it: both are joined by Redis, perhaps again. A room that was joined while
 * Redis was away, or silent, is subscribed to later.
 *
 * @param room of the other node. Default: its socket alone, so that the own client of the sender does not take it for
 * the other's
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
    // Redis answers in order, so it has taken this one before the next is sent.
    await Promise.race([waiting, from.adapter.serverCount()]);
    await turn();
  }
}
