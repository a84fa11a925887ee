// Measures the cost of a broadcast with two, four and eight nodes on one Redis, for barewire only. Each node has a few
// clients in the room that receives the broadcasts. docs/scaling.md computes larger clusters from formulas, and this
// measurement checks the formulas.

import { type Cost, withCluster } from "./redis-cluster.ts";
import type { Settings } from "./singles.ts";
import { median, spread } from "./table.ts";

const COUNTS = [2, 4, 8] as const;
const CLIENTS = 10;
/**
 * The number of broadcasts in one turn of the event loop. Broadcasts of one turn are sent to Redis together, even if
 * the machine is busy.
 */
const BROADCASTS = 16;
/** The number of broadcasts before the measurement, because V8 compiles only code that was executed often. */
const WARM_UP = 10_000;
/**
 * Milliseconds between the measured heartbeats. The heartbeats are so frequent that the other costs of Redis are
 * negligible.
 */
const HEARTBEAT = 100;

/** The results of one round with a certain number of nodes. */
interface Figures {
  /** Bytes that Redis sends for one broadcast. */
  readonly sent: number;
  /** Microseconds of processor time for one broadcast: of the emitting node, of each other node, and of Redis. */
  readonly emitting: number;
  readonly receiving: number;
  readonly redis: number;
  /**
   * Bytes that Redis sends for one heartbeat of one node, and the microseconds of processor time that Redis uses for
   * it.
   */
  readonly heartbeat: number;
  readonly heartbeatCpu: number;
}

export interface NodesRow {
  readonly nodes: number;
  readonly rounds: readonly Figures[];
}

async function measureBroadcasts(settings: Settings, count: number, ms: number): Promise<Cost> {
  return withCluster(settings, "barewire", count, undefined, async (cluster) => {
    for (let node = 0; node < count; node++) await cluster.join(node, CLIENTS);
    await cluster.addAskers(1);
    for (let done = 0; done < WARM_UP; )
      done += await cluster.burst({ count: BROADCASTS, ms: 100 });
    return cluster.measure(() => cluster.burst({ count: BROADCASTS, ms }));
  });
}

/** Measures the cost that the heartbeats of all nodes cause in Redis. `result` is the number of these heartbeats. */
async function measureHeartbeats(settings: Settings, count: number, ms: number): Promise<Cost> {
  const adapter = { heartbeatInterval: HEARTBEAT };
  return withCluster(settings, "barewire", count, adapter, ({ measure, nodes }) =>
    measure(async () => {
      const published = async (): Promise<number> => {
        const each = await Promise.all(nodes.map((node) => node.number("published")));
        return each.reduce((sum, count) => sum + count);
      };
      const before = await published();
      await new Promise((resolve) => setTimeout(resolve, ms));
      return (await published()) - before;
    }),
  );
}

/** @param scale the factor for all durations. A value below 1 makes a quick, imprecise run */
export async function measureNodes(settings: Settings, scale: number): Promise<NodesRow[]> {
  const rows = COUNTS.map((nodes) => ({ nodes, rounds: [] as Figures[] }));
  for (let round = 0; round < settings.rounds; round++) {
    for (const { nodes, rounds } of rows) {
      const broadcasts = await measureBroadcasts(settings, nodes, 3000 * scale);
      const heartbeats = await measureHeartbeats(settings, nodes, 3000 * scale);
      const [emitting = Number.NaN, ...others] = broadcasts.nodes;
      const receiving = others.reduce((sum, cpu) => sum + cpu) / others.length;
      const figures = {
        sent: broadcasts.sent / broadcasts.result,
        emitting: emitting / broadcasts.result,
        receiving: receiving / broadcasts.result,
        redis: broadcasts.redis / broadcasts.result,
        heartbeat: heartbeats.sent / heartbeats.result,
        heartbeatCpu: heartbeats.redis / heartbeats.result,
      };
      rounds.push(figures);
      console.error(`${nodes} nodes: ${JSON.stringify(figures)}`);
    }
  }
  return rows;
}

export function nodesTable(rows: readonly NodesRow[]): string {
  const lines = [
    `${CLIENTS} clients on each node, ${BROADCASTS} broadcasts in a turn, 32 B`,
    "",
    "| nodes | bytes that Redis sends for a broadcast | bytes to each node | processor time of the node that emits | processor time of each other node | processor time of Redis | processor time of Redis for each node | bytes that Redis sends for a heartbeat | bytes to each node | processor time of Redis for a heartbeat |",
    "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
  ];
  for (const { nodes, rounds } of rows) {
    const all = (name: keyof Figures): number[] => rounds.map((figures) => figures[name]);
    const middle = (name: keyof Figures): number => median(all(name));
    const cells = [
      nodes,
      `${middle("sent").toFixed(0)} B`,
      `${(middle("sent") / nodes).toFixed(0)} B`,
      `${spread(all("emitting"))} µs`,
      `${spread(all("receiving"))} µs`,
      `${spread(all("redis"))} µs`,
      `${(middle("redis") / nodes).toFixed(2)} µs`,
      `${middle("heartbeat").toFixed(0)} B`,
      `${(middle("heartbeat") / nodes).toFixed(0)} B`,
      `${spread(all("heartbeatCpu"))} µs`,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}
