// Checks before the cases run, within about a second, which behaviours of the contract (docs/conformance.md) the server
// lacks. The cases that need a missing behaviour are skipped.

import { ALL_BEHAVIOURS, BEHAVIOURS, type Behaviour } from "./harness/behaviour.ts";
import { type Layer, Skip } from "./harness/case.ts";
import { Context, wait } from "./harness/context.ts";
import type { Target } from "./harness/target.ts";
import { checkIntervals, WebSocketSession } from "./peers/engineio.ts";
import { parsePacket, SocketioPeer } from "./peers/socketio.ts";

/** Time limit of each check, in milliseconds. The checks run in parallel. */
const LIMIT = 1000;
/**
 * On a busy machine, the limit is longer: TIMES the duration of a request that is sent during the checks, and at most
 * LONGEST milliseconds.
 */
const TIMES = 40;
const LONGEST = 10_000;

// In most checks, a behaviour is missing only if the expected packet does not arrive in time. The cases report wrong
// contents and closed connections.
interface Check {
  /** The layers whose cases need the behaviour. */
  readonly layers: readonly Layer[];
  /** If the server lacks the behaviour, the promise stays pending or rejects with a Skip. */
  readonly run: (context: Context) => Promise<void>;
}

/** Connects a Socket.IO client to the main namespace, whether or not the server emits "auth". */
async function join(context: Context): Promise<SocketioPeer> {
  const peer = await SocketioPeer.open(context);
  peer.sendConnect();
  await until(peer, (text) => text.startsWith("0"));
  return peer;
}

/** Waits for a matching packet. @throws Failure at the end of the connection */
async function until(peer: SocketioPeer, is: (text: string) => boolean): Promise<void> {
  while (!is((await peer.expectNext("a packet")).text));
}

function check(run: (peer: SocketioPeer) => Promise<void>): Check {
  return { layers: ["socketio"], run: async (context) => run(await join(context)) };
}

function isEvent(name: string): (text: string) => boolean {
  return (text) => {
    const { type, payload } = parsePacket(text);
    return type === 2 && Array.isArray(payload) && payload[0] === name;
  };
}

/** Checks that the server answers an event with another event. */
function answers(event: string, answer: string): Check {
  return check(async (peer) => {
    peer.sendEvent([event, "preflight"]);
    await until(peer, isEvent(answer));
  });
}

/** Opens an Engine.IO session of revision 4, or of revision 3 if the server does not speak revision 4. */
async function openEngine(context: Context): ReturnType<typeof WebSocketSession.open> {
  try {
    return await WebSocketSession.open(context);
  } catch {
    return await WebSocketSession.open(context, { revision: 3 });
  }
}

const CHECKS: Readonly<Record<Behaviour, Check>> = {
  "websocket-echo": {
    layers: ["websocket"],
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendText("preflight");
      await peer.message();
    },
  },
  "websocket-subprotocol": {
    layers: ["websocket"],
    run: async (context) => {
      const headers = { "Sec-WebSocket-Protocol": "echo" };
      const got = (await context.websocket({ headers })).header("sec-websocket-protocol");
      if (got !== "echo") throw new Skip(got);
    },
  },
  // This behaviour is not checked, because a check would take as long as the cases that need it.
  "websocket-limit": { layers: ["websocket"], run: () => Promise.resolve() },
  "engineio-echo": {
    layers: ["engineio4", "engineio3"],
    run: async (context) => {
      const { session } = await openEngine(context);
      session.send("4preflight");
      let packet = await session.next();
      while (packet === "6") packet = await session.next();
    },
  },
  "short-waits": {
    layers: ["engineio4", "engineio3"],
    run: async (context) => checkIntervals((await openEngine(context)).open),
  },
  auth: {
    layers: ["socketio"],
    run: async (context) => void (await SocketioPeer.connected(context)),
  },
  message: answers("message", "message-back"),
  "message-with-ack": check(async (peer) => {
    peer.sendEvent(["message-with-ack", "preflight"], 1);
    await until(peer, (text) => parsePacket(text).type === 3);
  }),
  "ask-me": answers("ask-me", "question"),
  join: check(async (peer) => {
    peer.sendEvent(["join", "preflight"]);
    peer.sendEvent(["to-room", "preflight"]);
    await until(peer, isEvent("news"));
  }),
  "disconnect-me": check(async (peer) => {
    peer.sendEvent(["disconnect-me"]);
    await until(peer, (text) => parsePacket(text).type === 1);
  }),
  "close-me": check(async (peer) => {
    peer.sendEvent(["close-me"]);
    while ((await peer.next()) !== undefined);
  }),
  custom: check(async (peer) => {
    peer.sendConnect("/custom");
    await until(peer, (text) => text.startsWith("0/custom,"));
  }),
  refusing: check(async (peer) => {
    peer.sendConnect("/refusing");
    await until(peer, (text) => text.startsWith("4/refusing,") && text.includes("not here"));
  }),
};

/** Returns the behaviours of these layers that the server lacks. Never rejects. */
export async function findLacking(
  target: Target,
  layers: ReadonlySet<Layer>,
): Promise<ReadonlySet<Behaviour>> {
  const checks = [...ofLayers(ALL_BEHAVIOURS, layers)].map((behaviour) => {
    const context = new Context(target);
    return { behaviour, context, running: CHECKS[behaviour].run(context) };
  });
  // patience() sends a request after all checks, so that its response shows how long the server takes for all checks.
  const limit = patience(target);
  const found = await Promise.all(
    checks.map(async ({ behaviour, context, running }) => {
      const there = running.then(
        () => true,
        (error: unknown) => !(error instanceof Skip),
      );
      const has = await Promise.race([there, limit.then(() => false)]);
      context.close();
      return has ? [] : [behaviour];
    }),
  );
  return new Set(found.flat());
}

/** Resolves when the time limit of the checks has passed. Never rejects. */
async function patience(target: Target): Promise<void> {
  const context = new Context(target);
  const begin = performance.now();
  const took = (): number => performance.now() - begin;
  const answer = context.http({ path: "/" }).then(took, took);
  await wait(LIMIT);
  const milliseconds = await Promise.race([answer, wait(LONGEST / TIMES).then(took)]);
  context.close();
  await wait(Math.min(LONGEST, TIMES * milliseconds) - took());
}

/** Returns which of the given behaviours are needed by cases of these layers. */
export function ofLayers(
  behaviours: ReadonlySet<Behaviour>,
  layers: ReadonlySet<Layer>,
): ReadonlySet<Behaviour> {
  const isOf = (each: Behaviour): boolean => CHECKS[each].layers.some((own) => layers.has(own));
  return new Set([...behaviours].filter(isOf));
}

/** Returns one sentence for each path at which the server lacks a behaviour. */
export function describeLacking(target: Target, lacking: ReadonlySet<Behaviour>): string[] {
  const paths = [
    ["websocket", target.websocketPath],
    ["engineio4", target.engineioPath],
    ["socketio", target.socketioPath],
  ] as const;
  return paths.flatMap(([layer, path]) => {
    const own = [...lacking].filter((behaviour) => CHECKS[behaviour].layers.includes(layer));
    if (own.length === 0) return [];
    const list = own.map((behaviour) => BEHAVIOURS[behaviour]).join("; ");
    return [`At ${path}, the server does not: ${list}.`];
  });
}
