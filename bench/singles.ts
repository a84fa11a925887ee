// Cases that compare barewire with itself under other conditions, or that measure elapsed time. Each case has its own
// measurement.

import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { Server } from "../server.ts";
import { Child } from "./ipc.ts";
import { median } from "./table.ts";

export interface Single {
  readonly name: string;
  readonly title: string;
  /** A description of the measured values, with their units. */
  readonly measured: string;
  readonly is: number;
  readonly limit: number;
}

export interface Settings {
  /** The folder of the compiled servers. */
  readonly folder: string;
  readonly cores: readonly [server: number, load: number];
  readonly wanted: (single: { name: string }) => boolean;
  readonly rounds: number;
}

const PATH = "/socket.io/?EIO=4&transport=websocket";
/**
 * How many connections a process may have: the system's limit of open files, minus 200 files for the process itself.
 */
export const most = Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" })) - 200;

interface Pair {
  readonly server: Child;
  readonly load: Child;
  readonly port: number;
}

export async function withServer<T>(
  { folder, cores }: Settings,
  name: string,
  options: object,
  work: (pair: Pair) => Promise<T>,
): Promise<T> {
  const script = join(folder, "servers", `${name}.js`);
  const load = new Child(join(folder, "load.js"), cores[1]);
  const server = new Child(script, cores[0], [], [JSON.stringify(options)]);
  try {
    return await work({ server, load, port: await server.number("port") });
  } finally {
    await Promise.all([server.stop(), load.stop()]);
  }
}

/**
 * Measures the elapsed time from the start of the process until the CONNECT of the first client is
 * answered.
 */
async function start(settings: Settings): Promise<Single> {
  const { folder, cores, rounds } = settings;
  const figures = { barewire: [] as number[], socketio: [] as number[] };
  // The first start (round -1) is not counted, because it loads the files into the system's cache.
  for (let round = -1; round < rounds * 3; round++) {
    for (const name of ["barewire", "socketio"] as const) {
      const load = new Child(join(folder, "load.js"), cores[1]);
      await load.call("cpu");
      const begin = performance.now();
      const server = new Child(join(folder, "servers", `${name}.js`), cores[0]);
      await load.call("connect", { port: await server.number("port"), count: 1, path: PATH });
      if (round >= 0) figures[name].push(performance.now() - begin);
      await Promise.all([server.stop(), load.stop()]);
    }
  }
  const [ours, theirs] = [median(figures.barewire), median(figures.socketio)];
  return {
    name: "start",
    title: "process start to the first client served",
    measured: `${ours.toFixed(0)} ms, socket.io ${theirs.toFixed(0)} ms`,
    is: ours / theirs,
    limit: 0.8,
  };
}

/** Measures the cost of an echo while other clients are connected and silent. */
async function crowd(settings: Settings): Promise<Single> {
  const cost = (count: number): Promise<number> =>
    withServer(settings, "barewire", {}, async ({ server, load, port }) => {
      await load.call("connect", { port, count, path: PATH });
      const what = { clients: 100, inFlight: 1, size: 32 };
      await load.call("echo", { ...what, ms: 700 });
      const before = await server.number("cpu");
      const done = await load.number("echo", { ...what, ms: 2000 });
      return ((await server.number("cpu")) - before) / done;
    });
  const [few, many]: [number[], number[]] = [[], []];
  for (let round = 0; round < settings.rounds; round++) {
    few.push(await cost(100));
    many.push(await cost(10_000));
  }
  return {
    name: "crowd",
    title: "echo of 100 clients, with 9,900 other clients connected and without them",
    measured: `${median(many).toFixed(1)} µs, ${median(few).toFixed(1)} µs`,
    is: median(many) / median(few),
    limit: 1.25,
  };
}

/** Measures the percentage of one core that the heartbeats of many idle clients use. */
async function heartbeats(settings: Settings): Promise<Single> {
  const count = Math.min(20_000, most);
  const options = { pingInterval: 25_000, pingTimeout: 20_000 };
  const shareOf = (contender: "barewire" | "rawnet"): Promise<number> =>
    withServer(settings, contender, options, async ({ server, load, port }) => {
      await load.call("connect", { port, count, path: PATH });
      await load.call("answerPings");
      const before = await server.number("cpu");
      const begin = performance.now();
      // Waits for two heartbeat intervals.
      await new Promise((resolve) => setTimeout(resolve, 50_000));
      const used = ((await server.number("cpu")) - before) / 1000;
      const left = await server.number("connections");
      if (left !== count) throw new Error(`${count - left} of ${count} clients were lost`);
      return (used / (performance.now() - begin)) * 100;
    });
  const share = await shareOf("barewire");
  const limit = await shareOf("rawnet");
  return {
    name: "heartbeats",
    title: `heartbeats of ${count} idle clients every 25 s, % of one core`,
    measured: `${share.toFixed(2)} %, rawnet ${limit.toFixed(2)} %`,
    is: share,
    limit: 2,
  };
}

/** Measures the memory of idle clients, with permessage-deflate and without. */
async function deflateIdle(settings: Settings): Promise<Single> {
  const count = Math.min(10_000, most - 200);
  const weigh = (offers: object): Promise<number> =>
    withServer(
      settings,
      "barewire",
      { perMessageDeflate: true },
      async ({ server, load, port }) => {
        await load.call("connect", { port, count: 200, path: PATH, ...offers });
        const before = await server.number("memory");
        await load.call("connect", { port, count, path: PATH, ...offers });
        return ((await server.number("memory")) - before) / count / 1024;
      },
    );
  const plain = await weigh({});
  const deflating = await weigh({ extensions: "permessage-deflate" });
  return {
    name: "deflate-idle",
    title: `memory of ${count} idle clients, with permessage-deflate and without it`,
    measured: `${deflating.toFixed(1)} kB, ${plain.toFixed(1)} kB each`,
    is: deflating / plain,
    limit: 1.2,
  };
}

/**
 * Measures the cost of joining, leaving and disconnecting in a room of 10,000 members: once while there are many other
 * rooms, and once while there are few.
 */
function rooms(settings: Settings): Single {
  const costAmong = (others: number): (() => number) => {
    const { adapter } = new Server().of("/");
    for (let n = 0; n < others; n++) adapter.addAll(`other ${n}`, new Set([`room ${n}`]));
    for (let n = 0; n < 10_000; n++) adapter.addAll(`member ${n}`, new Set([`member ${n}`, "big"]));
    // Each socket has a new id, because a lookup in a V8 set is slower for a value that was deleted and added again.
    let last = 0;
    return () => {
      const begin = process.cpuUsage();
      for (let n = 0; n < 5000; n++) {
        const id = `socket ${last++}`;
        adapter.addAll(id, new Set([id, "big"]));
        adapter.del(id, "big");
        adapter.addAll(id, new Set(["big"]));
        adapter.delAll(id);
      }
      const { user, system } = process.cpuUsage(begin);
      return (user + system) / 5000;
    };
  };
  const among = { few: costAmong(10), many: costAmong(10_000) };
  const figures = { few: [] as number[], many: [] as number[] };
  for (let round = -10; round < settings.rounds * 20; round++) {
    for (const count of ["few", "many"] as const) {
      const cost = among[count]();
      if (round >= 0) figures[count].push(cost);
    }
  }
  const [few, many] = [median(figures.few), median(figures.many)];
  return {
    name: "rooms",
    title:
      "join, leave and disconnect in a room of 10,000 sockets, with 10,000 rooms and with 10 rooms",
    measured: `${many.toFixed(2)} µs, ${few.toFixed(2)} µs`,
    is: many / few,
    limit: 1.25,
  };
}

export async function measureOnce(settings: Settings): Promise<Single[]> {
  const all: Single[] = [];
  for (const [name, measure] of Object.entries({
    start,
    crowd,
    rooms,
    "deflate-idle": deflateIdle,
    heartbeats,
  })) {
    if (!settings.wanted({ name })) continue;
    console.error(`… ${name}`);
    all.push(await measure(settings));
  }
  return all;
}
