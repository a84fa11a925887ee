// Compile-time tests of programs that use adapters for socket.io. `npm run types` checks this file, and nothing here
// runs. Each line that must not compile has a @ts-expect-error.

import { createAdapter as createClusterAdapter } from "@socket.io/cluster-adapter";
import { createAdapter as createMongoAdapter } from "@socket.io/mongo-adapter";
import { createAdapter as createPostgresAdapter } from "@socket.io/postgres-adapter";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { MongoClient } from "mongodb";
import pg from "pg";
import { createClient } from "redis";
import {
  ClusterAdapterWithHeartbeat,
  SessionAwareAdapter,
  Adapter as StockAdapter,
} from "socket.io-adapter";

import { createRedisStreamsAdapter } from "../../lib/adapters/redis.ts";
import { Adapter, type AdapterFactory, Server } from "../../server.ts";

export function adapters(io: Server): AdapterFactory[] {
  class Own extends Adapter {}
  class OwnStock extends StockAdapter {}
  abstract class OwnCluster extends ClusterAdapterWithHeartbeat {}
  const makeCluster = (make: () => OwnCluster): AdapterFactory => make;

  io.adapter(createAdapter(createClient(), createClient()));
  io.adapter(createAdapter(new Redis(), new Redis(), { key: "key" }));
  io.adapter(createShardedAdapter(createClient(), createClient()));
  io.adapter(createStreamsAdapter(createClient()));
  io.adapter(createRedisStreamsAdapter(createClient()));
  io.adapter(createRedisStreamsAdapter(new Redis(), { streamName: "stream", maxLen: 100 }));
  // @ts-expect-error there is no such option
  createRedisStreamsAdapter(new Redis(), { streamCount: 2 });
  io.adapter(createClusterAdapter());
  io.adapter(createMongoAdapter(new MongoClient("mongodb://localhost").db().collection("events")));
  io.adapter(createPostgresAdapter(new pg.Pool()));
  io.adapter(StockAdapter).adapter(SessionAwareAdapter).adapter(OwnStock);
  io.adapter((nsp) => new OwnStock(nsp));
  io.adapter(Own).adapter((nsp) => new Own(nsp));
  new Server({ adapter: createClusterAdapter() });
  // @ts-expect-error this class is not an adapter
  io.adapter(class {});
  // @ts-expect-error the function must return an adapter
  io.adapter(() => 1);
  return [makeCluster(() => Object(1))];
}
