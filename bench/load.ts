// The load generator: a separate process with many clients that executes the commands of the bench. It sends prepared
// bytes, so that its own cost stays small.

import { constants, deflateRawSync } from "node:zlib";

import { type Arguments, type Json, obey } from "./ipc.ts";
import { type ConnectOptions, LoadClient, masked } from "./load-client.ts";
import { HttpClient, httpRequest } from "./load-http.ts";

let clients: LoadClient[] = [];

const text = (args: Arguments, name: string): string => String(args[name]);
const number = (args: Arguments, name: string): number => Number(args[name]);

/** Connects `count` clients, fifty at a time. */
async function connect(args: Arguments): Promise<Json> {
  const { join = true } = args;
  const options: ConnectOptions = {
    port: number(args, "port"),
    path: text(args, "path"),
    join: join === true,
    greetings: join === true ? 2 : 0,
    ...(args.extensions === undefined ? {} : { extensions: text(args, "extensions") }),
  };
  const count = number(args, "count");
  let opened = 0;
  const work = async (): Promise<void> => {
    while (opened++ < count) clients.push(await LoadClient.open(options));
  };
  await Promise.all(Array.from({ length: Math.min(50, count) }, work));
  return clients.length;
}

async function disconnect(): Promise<Json> {
  const all = clients;
  clients = [];
  await Promise.all(
    all.map(
      (client) =>
        new Promise<void>((resolve) => {
          client.onClose = resolve;
          client.destroy();
        }),
    ),
  );
  return all.length;
}

/** Returns the bytes of an echo message, and the number of frames of its answer. */
function message(args: Arguments): { bytes: Buffer; frames: number } {
  const size = number(args, "size");
  if (args.kind === "binary") {
    const header = masked(0x1, '451-["echo",{"_placeholder":true,"num":0}]');
    return { bytes: Buffer.concat([header, masked(0x2, Buffer.alloc(size, 7))]), frames: 2 };
  }
  if (args.kind === "deflate") {
    // Repetitive JSON, which compresses well.
    const row = '{"id":12345,"name":"barewire","price":10.5,"tags":["a","b"]},';
    const json = Buffer.from(row.repeat(Math.ceil(size / row.length)).slice(0, size));
    // RFC 7692 §7.2.1: the sender removes the last four bytes of the compressed data.
    const deflated = deflateRawSync(json, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    return { bytes: masked(0x1, deflated, 4), frames: 1 };
  }
  return { bytes: masked(0x1, `42["echo","${"x".repeat(size)}"]`), frames: 1 };
}

/**
 * Sends echo messages for `ms` milliseconds. Each client always has `inFlight` messages that are not answered yet.
 * Resolves to the number of answers.
 */
function echo(args: Arguments): Promise<Json> {
  const { bytes, frames } = message(args);
  const inFlight = number(args, "inFlight");
  const senders = args.clients === undefined ? clients : clients.slice(0, number(args, "clients"));
  const batches = Array.from({ length: inFlight + 1 }, (_, count) =>
    Buffer.concat(new Array<Buffer>(count).fill(bytes)),
  );
  let done = 0;
  let underWay = 0;
  let stopping = false;
  return new Promise((resolve) => {
    const parts = new Map<LoadClient, number>();
    const onFrames = (came: number, client: LoadClient): void => {
      let count = came;
      if (frames > 1) {
        const total = came + (parts.get(client) ?? 0);
        count = Math.floor(total / frames);
        parts.set(client, total % frames);
        if (count === 0) return;
      }
      done += count;
      if (!stopping) {
        client.write(batches[count] ?? bytes);
        return;
      }
      underWay -= count;
      if (underWay === 0) resolve(done);
    };
    for (const client of senders) {
      client.onFrames = onFrames;
      underWay += inFlight;
      client.write(batches[inFlight] ?? bytes);
    }
    setTimeout(
      () => {
        stopping = true;
      },
      number(args, "ms"),
    );
  });
}

/**
 * Requests bursts of `count` broadcasts for `ms` milliseconds. Requests the next burst when all clients have received
 * the previous burst. Resolves to the number of deliveries.
 */
function burst(args: Arguments): Promise<Json> {
  const count = number(args, "count");
  const ask = masked(0x1, `42["burst",${count}]`);
  const end = performance.now() + number(args, "ms");
  let missing = 0;
  let done = 0;
  return new Promise((resolve) => {
    const next = (): void => {
      missing = count * clients.length;
      clients[0]?.write(ask);
    };
    for (const client of clients) {
      client.onFrames = (frames) => {
        done += frames;
        missing -= frames;
        if (missing > 0) return;
        if (performance.now() < end) next();
        else resolve(done);
      };
    }
    next();
  });
}

/** From now on, answers each received frame with an Engine.IO pong. */
function answerPings(): Json {
  const pong = masked(0x1, "3");
  for (const client of clients) client.onFrames = () => client.write(pong);
  return null;
}

/**
 * Runs sessions over long-polling for `ms` milliseconds. Each session sends an echo message with a POST and receives it
 * with a GET. Resolves to the number of these cycles.
 */
async function polling(args: Arguments): Promise<Json> {
  const port = number(args, "port");
  const path = "/socket.io/?EIO=4&transport=polling";
  const body = `42["echo","${"x".repeat(number(args, "size"))}"]`;
  let cycles = 0;
  const end = performance.now() + number(args, "ms");
  const session = async (): Promise<void> => {
    const [polls, posts] = [new HttpClient(port), new HttpClient(port)];
    const opened = await polls.send(httpRequest("GET", path));
    const own = `${path}&sid=${/"sid":"([^"]+)"/.exec(opened)?.[1]}`;
    const get = httpRequest("GET", own);
    const post = httpRequest("POST", own, body);
    await posts.send(httpRequest("POST", own, "40"));
    await polls.send(get);
    while (performance.now() < end) {
      const answer = polls.send(get);
      await posts.send(post);
      if ((await answer) !== body) throw new Error("no echo");
      cycles++;
    }
    await posts.send(httpRequest("POST", own, "1"));
    polls.destroy();
    posts.destroy();
  };
  await Promise.all(Array.from({ length: number(args, "clients") }, session));
  return cycles;
}

obey({
  connect,
  disconnect,
  echo,
  burst,
  polling,
  answerPings,
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
});
