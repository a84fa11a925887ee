// Defines the cases of the bench, and the goal of each case: the largest acceptable ratio to
// another library.

import type { Child } from "./ipc.ts";

export type Contender =
  | "barewire"
  | "barewire-observed"
  | "socketio"
  | "ws"
  | "websocket"
  | "rawnet"
  | "rawhttp";

/** A running server and its load generator, for one measurement. */
export interface Stage {
  readonly server: Child;
  readonly load: Child;
  readonly port: number;
  /** The factor for all durations. A value below 1 makes a quick, imprecise run. */
  readonly scale: number;
}

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly unit: "µs" | "kB" | "ms" | "%";
  /** The servers that are measured. The first one is barewire. */
  readonly contenders: readonly Contender[];
  /** The goal: the largest acceptable ratio to `peer` in the same run. */
  readonly goal?: { readonly peer: Contender; readonly ratio: number };
  /** Options of the server, which receives them as JSON. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Resolves to the result of one round. */
  readonly measure: (stage: Stage) => Promise<number>;
}

const PATH = "/socket.io/?EIO=4&transport=websocket";
const SOCKETIO = ["barewire", "socketio", "ws", "rawnet"] as const;
const LAYER = ["websocket", "ws", "rawnet"] as const;

/** Returns the server's processor time for each unit that `work` counts, in microseconds. */
export async function perUnit(
  { server }: Pick<Stage, "server">,
  work: () => Promise<number>,
): Promise<number> {
  const before = await server.number("cpu");
  const count = await work();
  return ((await server.number("cpu")) - before) / count;
}

interface Echo {
  readonly clients: number;
  readonly inFlight: number;
  readonly size: number;
  readonly kind?: "binary" | "deflate";
  readonly ms?: number;
  readonly extensions?: string;
  /** How many clients send messages. The other clients only stay connected. Default: all clients send messages. */
  readonly talking?: number;
}

function echo({
  clients,
  inFlight,
  size,
  kind,
  ms = 2000,
  extensions,
  talking,
}: Echo): Case["measure"] {
  return async (stage) => {
    const { load, port, scale } = stage;
    const offers = extensions === undefined ? {} : { extensions };
    await load.call("connect", { port, count: clients, path: PATH, ...offers });
    const what = { inFlight, size, kind: kind ?? "text", clients: talking ?? clients };
    await load.call("echo", { ...what, ms: 700 * scale });
    return perUnit(stage, () => load.number("echo", { ...what, ms: ms * scale }));
  };
}

async function connect(stage: Stage): Promise<number> {
  const { server, load, port } = stage;
  // Warms up the server, because V8 compiles only code that was executed often. The loop waits until all connections
  // are closed, so closing them is not measured.
  for (let n = 0; n < 4; n++) {
    await load.call("connect", { port, count: 1000, path: PATH });
    await load.call("disconnect");
    const late = performance.now() + 10_000;
    while ((await server.number("connections")) > 0) {
      if (performance.now() > late)
        throw new Error("the server still has connections that the load generator has closed");
    }
  }
  return perUnit(stage, () => load.number("connect", { port, count: 3000, path: PATH }));
}

function burst(count: number): Case["measure"] {
  return async (stage) => {
    const { load, port, scale } = stage;
    await load.call("connect", { port, count: 1000, path: PATH });
    await load.call("burst", { count, ms: 700 * scale });
    return perUnit(stage, () => load.number("burst", { count, ms: 2000 * scale }));
  };
}

function idle(count: number, extensions?: string): Case["measure"] {
  return async (stage) => {
    const { server, load, port } = stage;
    const offers = extensions === undefined ? {} : { extensions };
    // The first clients cause one-time costs in the server, so their memory is not measured.
    await load.call("connect", { port, count: 200, path: PATH, ...offers });
    const before = await server.number("memory");
    await load.call("connect", { port, count, path: PATH, ...offers });
    return ((await server.number("memory")) - before) / count / 1024;
  };
}

const NO_TAKEOVER = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
const DEFLATE = {
  perMessageDeflate: {
    threshold: 0,
    clientNoContextTakeover: true,
    serverNoContextTakeover: true,
  },
};
const DEFLATE_TAKEOVER = { perMessageDeflate: { threshold: 0 } };

export const CASES: readonly Case[] = [
  {
    name: "echo-1",
    title: "echo event, 100 clients, 1 in flight, 32 B",
    unit: "µs",
    contenders: SOCKETIO,
    goal: { peer: "socketio", ratio: 0.8 },
    measure: echo({ clients: 100, inFlight: 1, size: 32 }),
  },
  {
    name: "echo-16",
    title: "echo event, 100 clients, 16 in flight, 32 B",
    unit: "µs",
    contenders: SOCKETIO,
    goal: { peer: "socketio", ratio: 0.62 },
    measure: echo({ clients: 100, inFlight: 16, size: 32 }),
  },
  {
    name: "broadcast-10",
    title: "broadcast to 1,000 clients, 10 broadcasts per turn, 32 B, per delivery",
    unit: "µs",
    contenders: SOCKETIO,
    goal: { peer: "socketio", ratio: 0.15 },
    measure: burst(10),
  },
  {
    name: "broadcast-1",
    title: "broadcast to 1,000 clients, 1 broadcast per turn, 32 B, per delivery",
    unit: "µs",
    contenders: SOCKETIO,
    goal: { peer: "socketio", ratio: 0.75 },
    measure: burst(1),
  },
  {
    name: "connect",
    title: "connect over WebSocket until CONNECT is answered, per client",
    unit: "µs",
    contenders: SOCKETIO,
    goal: { peer: "socketio", ratio: 0.5 },
    measure: connect,
  },
  {
    name: "connect-http",
    title: "the same with a bare node:http server without sessions (in the column rawnet)",
    unit: "µs",
    contenders: ["rawhttp"],
    measure: connect,
  },
  {
    name: "idle",
    title: "idle client, resident memory, 5,000 clients",
    unit: "kB",
    contenders: SOCKETIO,
    goal: { peer: "socketio", ratio: 0.55 },
    measure: idle(5000),
  },
  {
    name: "polling",
    title: "long-polling, GET and POST of an echo, 100 sessions, per cycle",
    unit: "µs",
    contenders: ["barewire", "socketio", "rawhttp"],
    goal: { peer: "socketio", ratio: 0.6 },
    measure: async (stage) => {
      const { load, port, scale } = stage;
      await load.call("polling", { port, clients: 100, size: 32, ms: 700 * scale });
      return perUnit(stage, () =>
        load.number("polling", { port, clients: 100, size: 32, ms: 2000 * scale }),
      );
    },
  },
  {
    name: "binary",
    title: "echo event with 64 kB of bytes, 20 clients, 1 in flight",
    unit: "µs",
    contenders: ["barewire", "socketio"],
    goal: { peer: "socketio", ratio: 0.8 },
    measure: echo({ clients: 20, inFlight: 1, size: 65_536, kind: "binary" }),
  },
  {
    name: "ws-echo-1",
    title: "WebSocket echo, 100 clients, 1 in flight, 32 B",
    unit: "µs",
    contenders: LAYER,
    goal: { peer: "ws", ratio: 0.95 },
    measure: echo({ clients: 100, inFlight: 1, size: 32 }),
  },
  {
    name: "ws-echo-16",
    title: "WebSocket echo, 100 clients, 16 in flight, 32 B",
    unit: "µs",
    contenders: LAYER,
    goal: { peer: "ws", ratio: 0.72 },
    measure: echo({ clients: 100, inFlight: 16, size: 32 }),
  },
  {
    name: "ws-broadcast-10",
    title: "WebSocket broadcast to 1,000 clients, 10 broadcasts per turn, 32 B, per delivery",
    unit: "µs",
    contenders: LAYER,
    goal: { peer: "ws", ratio: 0.15 },
    measure: burst(10),
  },
  {
    name: "deflate",
    title: "permessage-deflate, echo of 1 kB of JSON, 20 clients, 1 in flight",
    unit: "µs",
    contenders: ["websocket", "ws"],
    goal: { peer: "ws", ratio: 0.9 },
    options: DEFLATE,
    measure: echo({
      clients: 20,
      inFlight: 1,
      size: 1024,
      kind: "deflate",
      extensions: NO_TAKEOVER,
    }),
  },
  {
    name: "deflate-takeover",
    title:
      "permessage-deflate with context takeover at both ends, echo of 1 kB of JSON, 20 clients, 1 in flight",
    unit: "µs",
    contenders: ["websocket", "ws"],
    goal: { peer: "ws", ratio: 0.9 },
    options: DEFLATE_TAKEOVER,
    measure: echo({
      clients: 20,
      inFlight: 1,
      size: 1024,
      kind: "deflate",
      extensions: "permessage-deflate",
    }),
  },
];
