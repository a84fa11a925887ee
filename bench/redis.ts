// Measures the delivery of broadcasts across two nodes over one Redis: barewire with
// barewire/redis, and socket.io with @socket.io/redis-adapter, in turn. Both libraries use the
// client of the package "redis".
//
//   asker ──"burst"──▶ node A ──PUBLISH──▶ Redis ──▶ node B ──▶ clients of the room
//                        └──▶ clients of the room
//
// A result is the processor time of both nodes for one delivery. The processor time of Redis is a separate column.

import { type Library, type RedisCluster, ROOM, withCluster } from "./redis-cluster.ts";
import type { Settings } from "./singles.ts";
import { median } from "./table.ts";

interface Delivery {
  /** The number of clients of the room on node A, and on node B. */
  readonly clients: readonly [a: number, b: number];
  /** The number of clients that request broadcasts at the same time. */
  readonly askers: number;
  /** The number of broadcasts that each of these clients requests at once. */
  readonly count: number;
}

const DELIVERIES: readonly (Delivery & { readonly title: string })[] = [
  { title: "1 client on each node, 1 broadcast under way", clients: [1, 1], askers: 1, count: 1 },
  { title: "1 client on each node, 16 under way", clients: [1, 1], askers: 16, count: 1 },
  { title: "100 clients on each node, 1 under way", clients: [100, 100], askers: 1, count: 1 },
  { title: "100 clients on each node, 16 under way", clients: [100, 100], askers: 16, count: 1 },
  { title: "100 clients on each node, 10 in a turn", clients: [100, 100], askers: 1, count: 10 },
  { title: "1 client on node A, none on B, 16 under way", clients: [1, 0], askers: 16, count: 1 },
];
/** The goal: the largest acceptable ratio to socket.io. */
const GOAL = 0.5;

/** The number of broadcasts before the measurement, because V8 compiles only code that was executed often. */
const WARM_UP = 10_000;
/** The number of measurements of each library in one round. */
const TURNS = 4;

/** For the measurement of the latency: broadcasts per second, and the number of receivers. */
const RATE = 100;
const LISTENERS: Delivery = { clients: [50, 50], askers: 1, count: 1 };

const NAMES = ["barewire", "socketio"] as const;

/** Microseconds for one delivery. */
interface Cost {
  /** The processor time of both nodes. */
  readonly both: number;
  /** The processor time of node A for the deliveries to its clients. `b` is the same for node B. */
  readonly a: number;
  readonly b: number;
  readonly redis: number;
}

/** Milliseconds from the request until a client of node B receives the broadcast. */
interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** The measurements of one library. */
export interface RedisFigures {
  /** For each item of DELIVERIES, the result of each measurement. */
  readonly costs: readonly Cost[][];
  /** The latencies in each second of the latency test. */
  readonly latencies: Latency[];
}

export type RedisResult = Readonly<Record<Library, RedisFigures>>;

async function connect(cluster: RedisCluster, { clients, askers }: Delivery): Promise<void> {
  await cluster.join(0, clients[0]);
  await cluster.join(1, clients[1]);
  await cluster.addAskers(askers);
}

async function measureCost(cluster: RedisCluster, delivery: Delivery, ms: number): Promise<Cost> {
  const { clients, count } = delivery;
  const [a, b] = clients;
  const cost = await cluster.measure(() => cluster.burst({ count, ms }));
  const [ofA = Number.NaN, ofB = Number.NaN] = cost.nodes;
  const deliveries = cost.result * (a + b);
  return {
    both: (ofA + ofB) / deliveries,
    a: ofA / (cost.result * a),
    b: ofB / (cost.result * b),
    redis: cost.redis / deliveries,
  };
}

async function measureLatency({ load }: RedisCluster, ms: number): Promise<Latency> {
  const took = await load.call("latency", { room: ROOM, rate: RATE, ms, node: 1 });
  if (!Array.isArray(took)) throw new Error("the load generator has returned no delays");
  const quantile = (part: number): number => Number(took[Math.floor(took.length * part)]);
  return { p50: quantile(0.5), p99: quantile(0.99) };
}

async function warmUp(cluster: RedisCluster): Promise<void> {
  await connect(cluster, { clients: [1, 1], askers: 16, count: 1 });
  for (let done = 0; done < WARM_UP; ) done += await cluster.burst({ count: 1, ms: 100 });
  await cluster.load.call("leave");
}

/**
 * Measures the clusters in turn, for at most a second each time,
 * so that other work of the machine affects both clusters equally.
 */
async function measureRound(
  clusters: Readonly<Record<Library, RedisCluster>>,
  result: RedisResult,
  scale: number,
): Promise<void> {
  const pairs = NAMES.map((name) => [clusters[name], result[name]] as const);
  for (const [at, delivery] of DELIVERIES.entries()) {
    const { count } = delivery;
    for (const [cluster] of pairs) {
      if (at === 0) await warmUp(cluster);
      await connect(cluster, delivery);
      await cluster.burst({ count, ms: 500 * scale });
    }
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [cluster, { costs }] of pairs) {
        costs[at]?.push(await measureCost(cluster, delivery, 700 * scale));
      }
    }
    for (const [cluster] of pairs) await cluster.load.call("leave");
  }
  for (const [cluster] of pairs) {
    await connect(cluster, LISTENERS);
    await measureLatency(cluster, 1000);
  }
  for (let turn = 0; turn < 2 * TURNS; turn++) {
    for (const [cluster, { latencies }] of pairs) {
      latencies.push(await measureLatency(cluster, 1000));
    }
  }
}

/** @param scale the factor for all durations. A value below 1 makes a quick, imprecise run */
export async function measureRedis(settings: Settings, scale: number): Promise<RedisResult> {
  const empty = (): RedisFigures => ({ costs: DELIVERIES.map(() => []), latencies: [] });
  const result = { barewire: empty(), socketio: empty() };
  for (let round = 0; round < settings.rounds; round++) {
    console.error(`… two nodes over Redis, round ${round + 1}`);
    await withCluster(settings, "barewire", 2, undefined, (barewire) =>
      withCluster(settings, "socketio", 2, undefined, (socketio) =>
        measureRound({ barewire, socketio }, result, scale),
      ),
    );
  }
  return result;
}

export function redisTable({ barewire, socketio }: RedisResult): string {
  const lines = [
    "| room | barewire | socket.io | ratio (goal) | nodes A and B of barewire | nodes A and B of socket.io | Redis of barewire | Redis of socket.io |",
    "|---|---:|---:|---|---:|---:|---:|---:|",
  ];
  for (const [at, { title, clients }] of DELIVERIES.entries()) {
    const figures = ({ costs }: RedisFigures, name: keyof Cost): number[] =>
      costs[at]?.map((cost) => cost[name]) ?? [];
    const parts = (of: RedisFigures): string => {
      if (clients[1] === 0) return "";
      const [a, b] = [median(figures(of, "a")), median(figures(of, "b"))];
      return `${a.toFixed(1)}, ${b.toFixed(1)} µs`;
    };
    const is = median(figures(barewire, "both")) / median(figures(socketio, "both"));
    const cells = [
      title,
      `${middles(figures(barewire, "both"), 1)} µs`,
      `${middles(figures(socketio, "both"), 1)} µs`,
      `${is.toFixed(2)} (≤ ${GOAL}) ${is <= GOAL ? "✓" : "✗"}`,
      parts(barewire),
      parts(socketio),
      `${median(figures(barewire, "redis")).toFixed(2)} µs`,
      `${median(figures(socketio, "redis")).toFixed(2)} µs`,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  lines.push(
    "",
    `| from the request to the receipt by a client of node B, ${RATE} broadcasts a second to ${LISTENERS.clients[0]} clients on each node | barewire | socket.io | ratio |`,
    "|---|---:|---:|---:|",
  );
  for (const name of ["p50", "p99"] as const) {
    const all = ({ latencies }: RedisFigures): number[] => latencies.map((each) => each[name]);
    const is = median(all(barewire)) / median(all(socketio));
    const cells = [name, `${middles(all(barewire), 2)} ms`, `${middles(all(socketio), 2)} ms`];
    lines.push(`| ${cells.join(" | ")} | ${is.toFixed(2)} |`);
  }
  return lines.join("\n");
}

/** Formats the median, and the first and the third quartile. */
function middles(figures: readonly number[], digits: number): string {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN).toFixed(digits);
  return `${median(figures).toFixed(digits)} (${at(0.25)} to ${at(0.75)})`;
}
