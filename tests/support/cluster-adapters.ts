// The adapters that a node of tests/support/cluster.ts can have, by name.

import type { PoolClient } from "pg";

import type { Untyped } from "../../lib/events/emitter.ts";

/** The adapter of a node. These settings are sent to the node as JSON. */
export interface AdapterSettings {
  readonly name: AdapterName;
  /** The URL of the Redis, PostgreSQL or MongoDB server that all nodes share. */
  readonly url?: string;
  /** Options of the adapter itself. */
  readonly options?: object;
}

/** Creates the value of the server option `adapter`. `undefined` selects the default adapter. */
type CreateFactory = (url: string, options: object) => Promise<Untyped>;

/**
 * For adapters with heartbeats: the interval between heartbeats, and the timeout after which a node is removed, in
 * milliseconds.
 */
const HEARTBEAT = { heartbeatInterval: 500, heartbeatTimeout: 5_000 };

const ADAPTERS = {
  memory: async () => undefined,

  // A worker joins the other workers when it creates its server.
  "barewire/cluster": async () => undefined,

  "barewire, redis": async (url, options) => {
    const { createRedisAdapter } = await import("../../lib/adapters/redis.ts");
    const { createClient } = await import("redis");
    const adapter = createRedisAdapter(createClient({ url }), { ...HEARTBEAT, ...options });
    await adapter.ready;
    return adapter;
  },

  "barewire, ioredis": async (url, options) => {
    const { createRedisAdapter } = await import("../../lib/adapters/redis.ts");
    const { Redis } = await import("ioredis");
    const client = new Redis(url, { lazyConnect: true });
    const adapter = createRedisAdapter(client, { ...HEARTBEAT, ...options });
    await adapter.ready;
    return adapter;
  },

  "barewire streams, redis": async (url, options) => {
    const { createRedisStreamsAdapter } = await import("../../lib/adapters/redis.ts");
    const { createClient } = await import("redis");
    const client = createClient({ url });
    const adapter = createRedisStreamsAdapter(client, { ...HEARTBEAT, ...options });
    await adapter.ready;
    return adapter;
  },

  "barewire streams, ioredis": async (url, options) => {
    const { createRedisStreamsAdapter } = await import("../../lib/adapters/redis.ts");
    const { Redis } = await import("ioredis");
    const client = new Redis(url, { lazyConnect: true });
    const adapter = createRedisStreamsAdapter(client, { ...HEARTBEAT, ...options });
    await adapter.ready;
    return adapter;
  },

  "classic, redis": async (url, options) => {
    const { createAdapter } = await import("@socket.io/redis-adapter");
    const [publishing, subscribing] = await twoRedisClients(url);
    return createAdapter(publishing, subscribing, options);
  },

  "classic, ioredis": async (url, options) => {
    const { createAdapter } = await import("@socket.io/redis-adapter");
    const { Redis } = await import("ioredis");
    return createAdapter(new Redis(url), new Redis(url), options);
  },

  "sharded, redis": async (url, options) => {
    const { createShardedAdapter } = await import("@socket.io/redis-adapter");
    const [publishing, subscribing] = await twoRedisClients(url);
    return createShardedAdapter(publishing, subscribing, options);
  },

  "streams, redis": async (url, options) => {
    const { createAdapter } = await import("@socket.io/redis-streams-adapter");
    const [client] = await twoRedisClients(url);
    // The adapter's reader detects close() only when a blocking read returns, so the block is short.
    return createAdapter(client, { blockTimeInMs: 500, ...options });
  },

  "streams, ioredis": async (url, options) => {
    const { createAdapter } = await import("@socket.io/redis-streams-adapter");
    const { Redis } = await import("ioredis");
    return createAdapter(new Redis(url), { blockTimeInMs: 500, ...options });
  },

  cluster: async (_url, options) => {
    const { createAdapter } = await import("@socket.io/cluster-adapter");
    return createAdapter({ ...HEARTBEAT, ...options });
  },

  mongo: async (url, options) => {
    const { createAdapter } = await import("@socket.io/mongo-adapter");
    const { MongoClient, ObjectId } = await import("mongodb");
    const client = new MongoClient(url, {
      serverApi: "1",
      // Missed events are sent as the driver decodes them. Without this option, binary data would be an object of the
      // driver.
      promoteBuffers: true,
      // The offset of an event is the id of its document. Default ids of the same second are not ordered across
      // processes.
      pkFactory: { createPk: () => new ObjectId(growingId()) },
    });
    await client.connect();
    return createAdapter(client.db("socketio").collection("events"), { ...HEARTBEAT, ...options });
  },

  postgres: async (url, options) => {
    const { createAdapter } = await import("@socket.io/postgres-adapter");
    const pool = await postgresPool(url);
    // The adapter takes its listening connection out of the pool, which removes the pool's error listener from it. If the
    // connection breaks, the adapter acquires another without releasing the broken one, so the pool would shrink each
    // time.
    pool.on("connect", (client) => {
      client.on("error", () => setImmediate(giveBack, client));
    });
    return createAdapter(pool, { ...HEARTBEAT, ...options });
  },

  "postgres, listener of the pool alone": async (url, options) => {
    const { createAdapter } = await import("@socket.io/postgres-adapter");
    return createAdapter(await postgresPool(url), { ...HEARTBEAT, ...options });
  },
} as const satisfies Readonly<Record<string, CreateFactory>>;

export type AdapterName = keyof typeof ADAPTERS;

/** Creates the value of the server option `adapter`. */
export function createFactory({ name, url = "", options = {} }: AdapterSettings): Promise<Untyped> {
  const create: CreateFactory = ADAPTERS[name];
  return create(url, options);
}

async function postgresPool(connectionString: string) {
  const { default: pg } = await import("pg");
  // The pool has two connections: one listens, and the other publishes. If several connections published,
  // notifications could be reordered.
  const pool = new pg.Pool({ connectionString, max: 2 });
  pool.on("error", () => {});
  return pool;
}

/** Releases a broken connection to its pool, unless the adapter already did. */
function giveBack(client: PoolClient): void {
  try {
    client.release(true);
  } catch {}
}

/** Returns 12 bytes that increase across all processes of this machine: the time since boot, and the process id. */
function growingId(): Buffer {
  const id = Buffer.alloc(12);
  id.writeBigUInt64BE(process.hrtime.bigint());
  id.writeUInt32BE(process.pid, 8);
  return id;
}

async function twoRedisClients(url: string) {
  const { createClient } = await import("redis");
  const clients = [createClient({ url }), createClient({ url })] as const;
  for (const client of clients) {
    client.on("error", () => {});
    await client.connect();
  }
  return clients;
}
