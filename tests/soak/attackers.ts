// The attackers of the soak test, in their own process. They send garbage, slow heads and bodies and truncated frames,
// leave connections half-open, and stop reading. The test does not check how their connections end.

import { once } from "node:events";
import { connect, type Socket as TcpSocket } from "node:net";

import { type Arguments, type Json, obey } from "../../bench/ipc.ts";
import { frame } from "../support/frame.ts";
import { reset, upgradeRequest } from "../support/net.ts";
import { Random } from "../support/random.ts";

const WEBSOCKET = upgradeRequest("/socket.io/?EIO=4&transport=websocket");
const POST =
  "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
const KEY = Uint8Array.of(1, 2, 3, 4);
const DRIP_MS = 300;
const MOST_MS = 20_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const text = (packet: string): Buffer => frame(1, packet, { key: KEY });

type Attack = (socket: TcpSocket, random: Random) => Promise<void>;

/** Writes one byte at a time, until the connection is closed. */
async function drip(socket: TcpSocket, bytes: string): Promise<void> {
  for (let i = 0; i < bytes.length && !socket.destroyed && i * DRIP_MS < MOST_MS; i++) {
    socket.write(bytes.charAt(i));
    await pause(DRIP_MS);
  }
}

const ATTACKS: Readonly<Record<string, Attack>> = {
  garbage: async (socket, random) => {
    socket.write(random.bytes(1 + random.int(2000)));
    await pause(random.int(1000));
  },
  "garbage frames": async (socket, random) => {
    socket.write(WEBSOCKET);
    socket.write(text("40"));
    socket.write(random.bytes(1 + random.int(200)));
    await pause(random.int(1000));
  },
  "half-open": async (socket) => {
    socket.write(WEBSOCKET);
    socket.write(text("40"));
    // This attacker sends no pong, and reads nothing.
    socket.pause();
    await pause(MOST_MS);
  },
  "without CONNECT": async (socket) => {
    socket.write(WEBSOCKET);
    await pause(MOST_MS);
  },
  "slow head": (socket) => drip(socket, WEBSOCKET),
  "slow body": async (socket) => {
    socket.write(POST);
    await drip(socket, "4".repeat(1000));
  },
  "slow reader": async (socket, random) => {
    socket.write(WEBSOCKET);
    socket.write(text("40"));
    socket.write(text('42["slow"]'));
    const end = performance.now() + MOST_MS;
    while (performance.now() < end && !socket.destroyed) {
      socket.pause();
      await pause(random.int(6000));
      socket.resume();
      socket.write(text("3"));
      await pause(random.int(500));
    }
  },
  "torn frame": async (socket, random) => {
    socket.write(WEBSOCKET);
    socket.write(text("40"));
    const bytes = text(`42["echo","${"x".repeat(500)}"]`);
    socket.write(bytes.subarray(0, random.int(bytes.length)));
    await pause(random.int(300));
  },
  "missing attachments": async (socket) => {
    socket.write(WEBSOCKET);
    socket.write(text("40"));
    socket.write(text('452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'));
    await pause(MOST_MS);
  },
};

const counts: Record<string, number> = {};
let stopping = false;
let all: Promise<unknown> = Promise.resolve();
const open = new Set<TcpSocket>();

async function attackAgain(port: number, random: Random): Promise<void> {
  while (!stopping) {
    const name = random.pick(Object.keys(ATTACKS)) ?? "";
    const socket = connect(port, "127.0.0.1");
    open.add(socket);
    const closed = once(socket, "close").catch(() => {});
    socket.on("error", () => {}).resume();
    await Promise.race([ATTACKS[name]?.(socket, random), closed, stopped]);
    if (random.int(2) === 0) reset(socket);
    else socket.destroy();
    open.delete(socket);
    counts[name] = (counts[name] ?? 0) + 1;
  }
}

let stop: () => void = () => {};
const stopped = new Promise<void>((resolve) => {
  stop = resolve;
});

obey({
  start: ({ port, attackers, seed }: Arguments): Json => {
    const random = new Random(Number(seed));
    all = Promise.all(
      Array.from({ length: Number(attackers) }, () =>
        attackAgain(Number(port), new Random(random.int(2 ** 31))),
      ),
    );
    return null;
  },
  stop: async (): Promise<Json> => {
    stopping = true;
    stop();
    for (const socket of open) socket.destroy();
    await all;
    return counts;
  },
});
