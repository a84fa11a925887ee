// Compile-time tests of the Redis clients that barewire/python accepts. `npm run types` checks this file, and nothing
// here runs.

import { Redis } from "ioredis";
import { createClient } from "redis";

import type { RedisPublisher, RedisSubscriber } from "../../lib/adapters/python-redis.ts";

declare function takes(publisher: RedisPublisher, subscriber: RedisSubscriber): void;

export function clientsOfRedis(): void {
  const client = createClient({ url: "redis://localhost" });
  takes(client, client.duplicate());
}

export function clientsOfIoredis(): void {
  const client = new Redis("redis://localhost");
  takes(client, client.duplicate());
}

export function otherThings(): void {
  // @ts-expect-error these objects can neither publish nor subscribe
  takes({}, {});
}
