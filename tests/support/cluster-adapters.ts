// The adapters that a node of tests/support/cluster.ts can have, by name.

import type { PoolClient } from "pg";

import type { Untyped } from "../../lib/events/emitter.ts";

/** Which adapter a node has. It travels to the node as JSON. */
export interface AdapterSettings {
  readonly name: AdapterName;
  /** Of the Redis, PostgreSQL or MongoDB server that all nodes share. */
  readonly url?: string;
  /** The adapter's own options. */
  readonly options?: object;
}

/** Returns what the option `adapter` of a server takes; `undefined` for the default. */
type CreateFactory = (url: string, options: object) => Promise<Untyped>;

/** Milliseconds between heartbeats, and until a node without them is gone, for adapters that have them. */
const HEARTBEAT = { heartbeatInterval: 500, heartbeatTimeout: 5_000 };

const ADAPTERS = {
  memory: async () => undefined,

  // The node joins the other workers when it has its server.
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
    // A reader notices at the end of a block that its adapter is closed.
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
      // Events that clients have missed are sent as the driver reads them: bytes would be objects of its own.
      promoteBuffers: true,
      // An offset is the id of a document. Those that drivers make in the same second have no order across processes.
      pkFactory: { createPk: () => new ObjectId(growingId()) },
    });
    await client.connect();
    return createAdapter(client.db("socketio").collection("events"), { ...HEARTBEAT, ...options });
  },

  postgres: async (url, options) => {
    const { createAdapter } = await import("@socket.io/postgres-adapter");
    const pool = await postgresPool(url);
    // The connection that listens is taken out of the pool, whose own listener does not count for it. If it breaks,
    // the adapter takes another and does not give it back, so the pool would get smaller each time.
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

/** Returns what the option `adapter` of a server takes. */
export function createFactory({ name, url = "", options = {} }: AdapterSettings): Promise<Untyped> {
  const create: CreateFactory = ADAPTERS[name];
  return create(url, options);
}

async function postgresPool(connectionString: string) {
  const { default: pg } = await import("pg");
  // One connection listens. Over several others, what is published one after the other may overtake.
  const pool = new pg.Pool({ connectionString, max: 2 });
  pool.on("error", () => {});
  return pool;
}

/** Gives a broken connection back to its pool, unless that was done. */
function giveBack(client: PoolClient): void {
  try {
    client.release(true);
  } catch {}
}

/** Returns 12 bytes that grow over all processes of this machine: the time since it was started, and the process. */
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
