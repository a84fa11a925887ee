// Starts a Redis, the nodes that use it, and the load generator, each as a separate process.

import { join } from "node:path";

import { createClient } from "redis";

import { startRedis } from "../tests/support/redis.ts";
import { type Arguments, Child } from "./ipc.ts";
import type { NodeOptions } from "./servers/redis-node.ts";
import type { Settings } from "./singles.ts";

export type Library = "barewire" | "socketio";

/** The cost of the work that was passed to `measure`. */
export interface Cost {
  /** Microseconds of processor time of each node. */
  readonly nodes: readonly number[];
  /** Microseconds of processor time of Redis. */
  readonly redis: number;
  /** Bytes that Redis has sent. */
  readonly sent: number;
  /** The return value of the work. */
  readonly result: number;
}

export interface RedisCluster {
  readonly load: Child;
  readonly nodes: readonly Child[];
  /** Connects clients to a node. The clients join `room`. Default: the room "all". */
  join(node: number, count: number, room?: string): Promise<void>;
  /** Connects clients to the first node. These clients request broadcasts. */
  addAskers(count: number): Promise<void>;
  /**
   * Requests broadcasts. Resolves to the number of broadcasts. The default of `args.room` is the room "all".
   */
  burst(args: Arguments): Promise<number>;
  measure(work: () => Promise<number>): Promise<Cost>;
}

export const ROOM = "all";

/** How long the nodes may take to find each other, in milliseconds. */
const STARTING = 20_000;

/**
 * Starts a Redis and `count` nodes, waits until all nodes know each other, and calls `work`. Stops all processes when
 * `work` has ended.
 */
export async function withCluster<T>(
  { folder, cores: [serverCore, loadCore] }: Settings,
  library: Library,
  count: number,
  adapter: NodeOptions["adapter"],
  work: (cluster: RedisCluster) => Promise<T>,
): Promise<T> {
  const ends: (() => unknown)[] = [];
  try {
    const { url } = await startRedis({ after: (end) => ends.unshift(end) });
    const options = JSON.stringify({ url, ...(adapter && { adapter }) } satisfies NodeOptions);
    const script = join(folder, "servers", `redis-${library}.js`);
    const nodes = Array.from({ length: count }, () => {
      const node = new Child(script, serverCore, [], [options]);
      ends.unshift(() => node.stop());
      return node;
    });
    const load = new Child(join(folder, "load-nodes.js"), loadCore);
    ends.unshift(() => load.stop());
    const redis = await createClient({ url }).connect();
    ends.unshift(() => redis.destroy());

    const ports = await Promise.all(nodes.map((node) => node.number("port")));
    const late = performance.now() + STARTING;
    for (const node of nodes) {
      while ((await node.number("nodes")) < count) {
        if (performance.now() > late) throw new Error("the nodes have not found each other");
      }
    }
    const usage = async (): Promise<{ cpu: number; sent: number; size: number }> => {
      const info = `${await redis.sendCommand(["INFO", "cpu", "stats"])}`;
      const field = (name: string): number => Number(new RegExp(`${name}:(\\S+)`).exec(info)?.[1]);
      const cpu = (field("used_cpu_user") + field("used_cpu_sys")) * 1e6;
      return { cpu, sent: field("total_net_output_bytes"), size: info.length };
    };
    const cpuOfNodes = (): Promise<number[]> =>
      Promise.all(nodes.map((node) => node.number("cpu")));
    return await work({
      load,
      nodes,
      join: async (node, clients, room = ROOM) => {
        await load.call("join", { node, port: ports[node] ?? 0, count: clients, room });
      },
      addAskers: async (askers) => {
        await load.call("askers", { port: ports[0] ?? 0, count: askers });
      },
      burst: (args) => load.number("burst", { room: ROOM, ...args }),
      measure: async (task) => {
        const before = { nodes: await cpuOfNodes(), redis: await usage() };
        const result = await task();
        const after = { nodes: await cpuOfNodes(), redis: await usage() };
        return {
          nodes: after.nodes.map((cpu, node) => cpu - (before.nodes[node] ?? Number.NaN)),
          redis: after.redis.cpu - before.redis.cpu,
          // The size of the first INFO response is subtracted, because this response is not part of the cost.
          sent: after.redis.sent - before.redis.sent - before.redis.size,
          result,
        };
      },
    });
  } finally {
    for (const end of ends) await end();
  }
}
