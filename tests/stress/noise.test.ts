// Clients send invalid and random input over real sockets, through all layers. The server closes or keeps the
// connection of such a client, keeps the connection of another client, throws no uncaught error, and keeps no state
// afterwards.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, type Socket as TcpSocket } from "node:net";
import { after, before, describe, test } from "node:test";

import { type Socket as ClientSocket, io as connectClient } from "socket.io-client";

import { encodeFrame, encodeTextFrame } from "../../protocol/websocket/frame.ts";
import { Server } from "../../server.ts";
import { reset } from "../support/net.ts";
import { Random, seed } from "../support/random.ts";

const CONVERSATIONS = 3000;
const AT_ONCE = 50;

const UPGRADE = [
  "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "\r\n",
].join("\r\n");

const MESSAGES = [
  "40",
  '40{"token":1}',
  "40/admin,",
  '42["echo",1,"two",{"three":[3]}]',
  '420["echo"]',
  '451-["echo",{"_placeholder":true,"num":0}]',
  "41",
  '430["ack"]',
  "3",
  "2",
  "2probe",
  "5",
  "6",
];

let http: HttpServer;
let io: Server;
let port: number;
let witness: ClientSocket;
const uncaught: unknown[] = [];
const onUncaught = (error: unknown): void => void uncaught.push(error);

before(async () => {
  process.on("uncaughtException", onUncaught).on("unhandledRejection", onUncaught);
  http = createServer();
  io = new Server(http, { maxHttpBufferSize: 10_000 });
  io.on("connection", (socket) => {
    socket.on("echo", (...args) =>
      socket.emit("echo", ...args.filter((arg) => typeof arg !== "function")),
    );
  });
  io.of("/admin");
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  ({ port } = http.address() as AddressInfo);
  witness = connectClient(`http://127.0.0.1:${port}`, {
    transports: ["websocket"],
    reconnection: false,
  });
  await new Promise<void>((resolve) => witness.once("connect", resolve));
});

after(async () => {
  witness.disconnect();
  await io.close();
  process.off("uncaughtException", onUncaught).off("unhandledRejection", onUncaught);
});

/** Returns the frames of one client. Most frames are valid, and some frames have random changes. */
function conversation(random: Random): Uint8Array {
  const frames: Uint8Array[] = [];
  const fill = (key: Uint8Array): void => key.set(random.bytes(4));
  for (let i = 0; i <= random.int(8); i++) {
    const frame =
      random.int(5) === 0
        ? encodeFrame(random.int(256), random.bytes(random.int(140)), fill)
        : encodeTextFrame(mutateText(random.pick(MESSAGES) ?? "", random), fill);
    frames.push(new Uint8Array(frame));
  }
  const bytes = new Uint8Array(Buffer.concat(frames));
  for (let i = random.int(3); i > 0; i--) bytes[random.int(bytes.length)] = random.int(256);
  return bytes.subarray(0, random.int(4) === 0 ? random.int(bytes.length) : bytes.length);
}

function mutateText(text: string, random: Random): string {
  if (random.int(2) === 0) return text;
  const at = random.int(text.length + 1);
  return text.slice(0, at) + String.fromCharCode(random.int(128)) + text.slice(at + random.int(3));
}

/** Sends `bytes` as one client, in chunks, and ends the connection with a FIN or an RST. */
async function talk(bytes: Uint8Array, random: Random): Promise<void> {
  const socket: TcpSocket = connect(port, "127.0.0.1");
  const closed = once(socket, "close");
  socket.on("error", () => {});
  socket.resume();
  socket.write(UPGRADE);
  const cut = random.int(bytes.length + 1);
  socket.write(bytes.subarray(0, cut));
  if (random.int(2) === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  socket.write(bytes.subarray(cut));
  if (random.int(3) === 0) reset(socket);
  else socket.end();
  await closed;
}

/** Sends an HTTP request that may be invalid. */
async function ask(random: Random): Promise<void> {
  const sid = random.pick(["", "&sid=x", "&sid=__proto__"]);
  const target = `/socket.io/?EIO=${random.int(5)}&transport=${random.pick(["polling", "websocket", "x"])}${sid}`;
  const method = random.pick(["GET", "POST", "PUT", "OPTIONS"]) ?? "GET";
  const body = `4${mutateText(random.pick(MESSAGES) ?? "", random)}`;
  const init = method === "POST" ? { method, body } : { method };
  const response = await fetch(`http://127.0.0.1:${port}${target}`, init);
  await response.arrayBuffer();
}

describe("a server that receives random input", () => {
  test(`keeps serving another client, without uncaught errors (SEED=${seed})`, async () => {
    const random = new Random(seed);
    for (let done = 0; done < CONVERSATIONS; done += AT_ONCE) {
      const all = Array.from({ length: AT_ONCE }, (_, i) =>
        i % 10 === 0 ? ask(random) : talk(conversation(random), random),
      );
      await Promise.all(all);
      const echoed = new Promise((resolve) => witness.once("echo", resolve));
      witness.emit("echo", done);
      assert.equal(await echoed, done);
    }
    assert.deepEqual(uncaught, []);
    assert.ok(witness.connected);
  });

  test("has only the other client and its room afterwards", async () => {
    // The server may detect the end of the last connections a little later than the clients.
    while (io.sockets.sockets.size > 1) await new Promise<void>((resolve) => setImmediate(resolve));
    // Sessions that were opened by a polling GET have not timed out yet, but have no socket. All other sessions have
    // ended.
    assert.equal(io.sockets.sockets.size, 1);
    assert.deepEqual([...io.sockets.adapter.rooms.keys()], [witness.id]);
    assert.equal(io.of("/admin").sockets.size, 0);
  });
});
