// Measures how the cost grows with the number of clients. barewire and socket.io run in turn, each in one process that
// receives more and more clients.

import { perUnit } from "./cases.ts";
import { most, type Settings, withServer } from "./singles.ts";
import { median } from "./table.ts";

/** The costs of one server with a certain number of clients. */
export interface Point {
  readonly clients: number;
  /** Resident kB for each client, after a garbage collection. */
  readonly memory: number;
  /** Microseconds of processor time for each echoed message. Only TALKERS clients send messages. */
  readonly echo: number;
  /**
   * Microseconds of processor time for each delivery of a broadcast to all clients. The server sends one broadcast at a
   * time.
   */
  readonly broadcast: number;
}

export const GROWING = { barewire: "barewire", socketio: "socket.io" } as const;

type Name = keyof typeof GROWING;

export type Growth = Readonly<Record<Name, readonly Point[]>>;

const PATH = "/socket.io/?EIO=4&transport=websocket";
const TALKERS = 100;
/** The largest number of clients: 20,000, or fewer if the system's limit of open files is lower. */
const LAST = Math.min(20_000, most);
const COUNTS = [...[100, 1000, 5000, 10_000].filter((count) => count < LAST), LAST];
/**
 * Clients that connect before the clients whose memory is measured. `most` leaves 200 open files free, which is enough
 * for these clients too.
 */
const FIRST = 100;

/** Measures the memory for each client, in kB, in a server that only accepts connections. */
function measureMemory(settings: Settings, name: Name): Promise<number[]> {
  return withServer(settings, name, {}, async ({ server, load, port }) => {
    // The first clients cause one-time costs in the server, so their memory is not measured.
    await load.call("connect", { port, count: FIRST, path: PATH });
    const before = await server.number("memory");
    const figures: number[] = [];
    let connected = FIRST;
    for (const clients of COUNTS) {
      const count = FIRST + clients - connected;
      connected = await load.number("connect", { port, count, path: PATH });
      figures.push(((await server.number("memory")) - before) / clients / 1024);
    }
    return figures;
  });
}

async function measureServer(settings: Settings, name: Name): Promise<Point[]> {
  const memory = await measureMemory(settings, name);
  return withServer(settings, name, {}, async (pair) => {
    const { load, port } = pair;
    const talk = { clients: TALKERS, inFlight: 1, size: 32 };
    const points: Point[] = [];
    let connected = 0;
    for (const [at, clients] of COUNTS.entries()) {
      connected = await load.number("connect", { port, count: clients - connected, path: PATH });
      // The warm-up before the first result is longer, so that V8 has compiled the code.
      const ms = at === 0 ? 2000 : 700;
      await load.call("echo", { ...talk, ms });
      const echo = await perUnit(pair, () => load.number("echo", { ...talk, ms: 2000 }));
      await load.call("burst", { count: 1, ms });
      const broadcast = await perUnit(pair, () => load.number("burst", { count: 1, ms: 2000 }));
      const point = { clients, memory: memory[at] ?? Number.NaN, echo, broadcast };
      points.push(point);
      console.error(`${GROWING[name]}: ${JSON.stringify(point)}`);
    }
    return points;
  });
}

/** Returns the median of each result over several rounds. */
function middle(rounds: readonly (readonly Point[])[]): Point[] {
  const of = (at: number, what: keyof Point): number =>
    median(rounds.map((points) => points[at]?.[what] ?? Number.NaN));
  return COUNTS.map((clients, at) => ({
    clients,
    memory: of(at, "memory"),
    echo: of(at, "echo"),
    broadcast: of(at, "broadcast"),
  }));
}

export async function measureGrowth(settings: Settings): Promise<Growth> {
  const [ours, theirs]: [Point[][], Point[][]] = [[], []];
  for (let round = 0; round < settings.rounds; round++) {
    ours.push(await measureServer(settings, "barewire"));
    theirs.push(await measureServer(settings, "socketio"));
  }
  return { barewire: middle(ours), socketio: middle(theirs) };
}

export function growthTable({ barewire, socketio }: Growth): string {
  const lines = [
    "| clients | kB each, barewire | socket.io | echo µs, barewire | socket.io | broadcast µs, barewire | socket.io |",
    "|---:|---:|---:|---:|---:|---:|---:|",
  ];
  for (const [at, ours] of barewire.entries()) {
    const theirs = socketio[at];
    if (theirs === undefined) continue;
    const cells = [
      ours.clients.toLocaleString("en"),
      ours.memory.toFixed(1),
      theirs.memory.toFixed(1),
      ours.echo.toFixed(1),
      theirs.echo.toFixed(1),
      ours.broadcast.toFixed(2),
      theirs.broadcast.toFixed(2),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}
