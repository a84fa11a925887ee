// Measures the cost of workers: the processor time of all server processes for an echo, with one process and with two
// workers.
//
//   npx tsx bench/cluster.ts [rounds]
//
// On a machine with two cores, the load generator shares the cores with the workers, so the elapsed time says little
// about the cost of workers. The workers share only the primary process. If an echo cost the same in a worker as in one
// process, two workers on two idle cores would therefore process twice as many echoes as one process. The printed ratio
// says how many times as many echoes two workers can process at the measured costs: 2 × (cost of an echo in one
// process) / (cost of an echo in workers, including the primary).

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Child } from "./ipc.ts";
import { median } from "./table.ts";

const PATH = "/socket.io/?EIO=4&transport=websocket";
const TSX = ["--no-warnings", "--import", "tsx"];
/** The unit of processor time in /proc/<pid>/stat (a clock tick), in microseconds. */
const TICK = 10_000;

/** Returns the processor time that a process has used, in microseconds. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "");
  const fields = stat.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

interface Figures {
  /** Processor time of all processes for one echo, in microseconds. */
  readonly cost: number;
  /** The part of `cost` that the primary used. */
  readonly primary: number;
  /** Echoes per second of elapsed time, with the load generator on the same cores. */
  readonly rate: number;
}

async function start(options: object): Promise<{ server: ChildProcess; port: number }> {
  const script = join(import.meta.dirname, "servers/workers.ts");
  const server = spawn(process.execPath, [...TSX, script, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const chunk of server.stdout) {
    output += chunk;
    const [, port] = /Listening on \S+:(\d+)\b.*\n/.exec(output) ?? [];
    if (port !== undefined) return { server, port: Number(port) };
  }
  throw new Error(`the server has ended: ${output}`);
}

async function measure(options: object, inFlight: number): Promise<Figures> {
  const { server, port } = await start(options);
  const load = new Child(join(import.meta.dirname, "load.ts"), 1, TSX);
  try {
    await load.call("connect", { port, count: 100, path: PATH });
    const what = { inFlight, size: 32, kind: "text", clients: 100 };
    await load.call("echo", { ...what, ms: 1500 });
    const main = server.pid ?? 0;
    const workers = childrenOf(main);
    const cpu = (): number => workers.reduce((sum, pid) => sum + cpuOf(pid), 0);
    const before = [cpuOf(main), cpu()] as const;
    const begin = performance.now();
    const done = await load.number("echo", { ...what, ms: 4000 });
    const seconds = (performance.now() - begin) / 1000;
    const primary = (cpuOf(main) - before[0]) / done;
    return { primary, cost: primary + (cpu() - before[1]) / done, rate: done / seconds };
  } finally {
    server.kill("SIGKILL");
    await load.stop();
  }
}

const rounds = Number(process.argv[2] ?? 3);
const recovery = { connectionStateRecovery: true };
for (const [title, options] of [
  ["echo", {}],
  ["echo with connection state recovery", recovery],
] as const) {
  for (const inFlight of [1, 16]) {
    const [one, two]: [Figures[], Figures[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      one.push(await measure(options, inFlight));
      two.push(await measure({ ...options, workers: 2 }, inFlight));
    }
    const of = (figures: readonly Figures[], name: keyof Figures): number =>
      median(figures.map((each) => each[name]));
    const ratio = (2 * of(one, "cost")) / of(two, "cost");
    console.log(
      `${title}, ${inFlight} in flight: one process ${of(one, "cost").toFixed(2)} µs, ` +
        `two workers ${of(two, "cost").toFixed(2)} µs (primary ${of(two, "primary").toFixed(2)}), ` +
        `ratio ${ratio.toFixed(2)}; ${of(one, "rate").toFixed(0)} and ${of(two, "rate").toFixed(0)} echoes per second`,
    );
  }
}
