// Generates the load on several nodes. Connects clients to each node and adds them to a room. Other clients, which are
// not in the room, ask the first node to broadcast to the room.

import { type Arguments, type Json, obey } from "./ipc.ts";
import { LoadClient, masked } from "./load-client.ts";

const PATH = "/socket.io/?EIO=4&transport=websocket";

interface Member {
  readonly client: LoadClient;
  readonly node: number;
}

let members: Member[] = [];
let askers: LoadClient[] = [];

/** Connects `count` clients to a node, twenty at a time. */
async function open(args: Arguments, query: string, greetings: number): Promise<LoadClient[]> {
  const options = { port: Number(args.port), path: `${PATH}${query}`, join: true, greetings };
  const opened: LoadClient[] = [];
  let left = Number(args.count);
  const work = async (): Promise<void> => {
    while (left-- > 0) opened.push(await LoadClient.open(options));
  };
  await Promise.all(Array.from({ length: 20 }, work));
  return opened;
}

/** Connects `count` clients to `node`, which adds them to the room `room`. */
async function join(args: Arguments): Promise<Json> {
  // Each client receives three frames before it is connected: the Engine.IO handshake, the
  // Socket.IO handshake and the event "joined".
  const opened = await open(args, `&room=${args.room}`, 3);
  members.push(...opened.map((client) => ({ client, node: Number(args.node) })));
  return members.length;
}

async function addAskers(args: Arguments): Promise<Json> {
  askers.push(...(await open(args, "", 2)));
  return askers.length;
}

/** Disconnects all clients. */
async function leave(): Promise<Json> {
  const all = [...members.map(({ client }) => client), ...askers];
  members = [];
  askers = [];
  await Promise.all(
    all.map((client) => {
      const closed = new Promise<void>((resolve) => {
        client.onClose = resolve;
      });
      client.destroy();
      return closed;
    }),
  );
  return all.length;
}

const ask = (args: Arguments): Buffer =>
  masked(0x1, `42["burst","${args.room}",${Number(args.count ?? 1)}]`);

/**
 * For `ms` milliseconds, every requesting client requests `count` broadcasts, and requests them again when each
 * member of the room has received all of them. Resolves to the number of broadcasts.
 */
function burst(args: Arguments): Promise<Json> {
  const bytes = ask(args);
  const each = Number(args.count ?? 1) * askers.length;
  const end = performance.now() + Number(args.ms);
  let missing = 0;
  let done = 0;
  return new Promise((resolve) => {
    const next = (): void => {
      missing = each * members.length;
      for (const asker of askers) asker.write(bytes);
    };
    for (const { client } of members) {
      client.onFrames = (frames) => {
        missing -= frames;
        if (missing > 0) return;
        done += each;
        if (performance.now() < end) next();
        else resolve(done);
      };
    }
    next();
  });
}

/**
 * Requests `rate` broadcasts per second for `ms` milliseconds. Resolves to the delays from the request to the receipt
 * by the members on `node`, in milliseconds, sorted.
 */
function latency(args: Arguments): Promise<Json> {
  const bytes = ask(args);
  const sent: number[] = [];
  const total = Math.round((Number(args.rate) * Number(args.ms)) / 1000);
  const took: number[] = [];
  let missing = total * members.length;
  return new Promise((resolve) => {
    for (const { client, node } of members) {
      let received = 0;
      client.onFrames = (frames) => {
        const now = performance.now();
        for (let n = 0; n < frames; n++) {
          const at = sent[received++] ?? Number.NaN;
          if (node === Number(args.node)) took.push(now - at);
        }
        missing -= frames;
        if (missing === 0) resolve(took.sort((a, b) => a - b));
      };
    }
    const timer = setInterval(() => {
      sent.push(performance.now());
      askers[0]?.write(bytes);
      if (sent.length === total) clearInterval(timer);
    }, 1000 / Number(args.rate));
  });
}

obey({
  join,
  askers: addAskers,
  leave,
  burst,
  latency,
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
});
