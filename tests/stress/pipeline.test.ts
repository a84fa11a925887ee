// Sessions with several connections each: requests and frames in any order, upgrades during polls, and connections
// that break at any byte. The server throws no uncaught error, and keeps no state afterwards.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";

import { Server } from "../../server.ts";
import { frame } from "../support/frame.ts";
import { listen, PollingClient, reset, turn, until, upgradeRequest } from "../support/net.ts";
import { Random, seed } from "../support/random.ts";

const CLIENTS = 1500;
const AT_ONCE = 30;

const KEY = Uint8Array.of(1, 2, 3, 4);
const BODIES = [
  "40",
  '42["echo",1]',
  '420["echo",1]',
  "3",
  "1",
  "41",
  "2",
  "b!!",
  '40\x1e42["echo"]',
  "",
  "\x1e",
  '451-["echo",{"_placeholder":true,"num":0}]\x1ebAQ==',
] as const;

/** Returns a random request or frame for the session of `client` or for the server. */
function utterance({ path, sid }: PollingClient, random: Random): string | Uint8Array {
  const packet = random.pick(BODIES);
  // Half of the bodies are encoded as in protocol revision 3, whatever the revision of the session.
  const body = random.int(2) === 0 ? packet : `${packet.length}:${packet}`;
  const webSocket = `/socket.io/?EIO=${random.pick([3, 4])}&transport=websocket`;
  const deflate = { "Sec-WebSocket-Extensions": "permessage-deflate" };
  switch (random.int(12)) {
    case 0:
    case 1:
      return `GET ${path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n`;
    case 2:
    case 3:
      return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    case 4:
      return `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n40\r\n0\r\n\r\n`;
    case 5:
      return upgradeRequest(`${webSocket}&sid=${sid}`, random.int(2) === 0 ? deflate : {});
    case 6:
      return upgradeRequest(webSocket);
    case 7:
      return frame(1, "2probe", { key: KEY });
    case 8:
      return frame(1, "5", { key: KEY });
    case 9:
      return frame(1, `4${random.pick(["0", '2["echo",1]', "1"])}`, { key: KEY });
    case 10:
      return frame(random.pick([8, 9]), "", { key: KEY });
    default:
      return frame(2, random.bytes(20), { key: KEY, rsv: random.int(2) * 4 });
  }
}

/** Opens a connection, sends random requests and frames, and ends the connection in a random way. */
async function talk(client: PollingClient, random: Random): Promise<void> {
  const socket = connect(client.port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  if (random.int(3) > 0) socket.resume();
  for (let i = random.int(8); i >= 0; i--) {
    socket.write(utterance(client, random));
    if (random.int(2) === 0) await turn();
  }
  for (let i = random.int(6); i > 0; i--) await turn();
  if (random.int(2) === 0) socket.destroy();
  else reset(socket);
  await closed;
}

test(`${CLIENTS} sessions with random requests on several connections leave nothing behind (SEED=${seed})`, async (context) => {
  const random = new Random(seed);
  const http = createServer();
  const io = new Server(http, {
    pingInterval: 300,
    pingTimeout: 200,
    connectTimeout: 400,
    upgradeTimeout: 200,
    perMessageDeflate: { threshold: 0 },
    maxBackpressure: 50_000,
    allowEIO3: true,
    connectionStateRecovery: { maxDisconnectionDuration: 100 },
  });
  io.engine.use((_request, _response, next) => {
    if (random.int(2) === 0) next();
    else setImmediate(next);
  });
  const port = await listen(http);
  context.after(() => io.close());
  let echoes = 0;
  io.on("connection", (socket) => {
    socket.join("room");
    socket.on("echo", (...args) => {
      echoes++;
      const reply = args.at(-1);
      if (typeof reply === "function") reply(...args.slice(0, -1));
      else socket.emit("echo", ...args);
      io.to("room").volatile.emit("noise", "x".repeat(1000));
    });
  });
  for (let done = 0; done < CLIENTS; done += AT_ONCE) {
    const all = Array.from({ length: AT_ONCE }, async () => {
      const client = await PollingClient.open(port, "", random.pick([3, 4]));
      if (random.int(2) === 0) await client.post("40");
      await Promise.all(Array.from({ length: 1 + random.int(3) }, () => talk(client, random)));
    });
    await Promise.all(all);
  }
  // The runner fails the test on any uncaught error.
  assert.ok(echoes > 0);
  await until(() => io.engine.clientsCount === 0);
  assert.equal(io.sockets.sockets.size, 0);
  assert.equal(io.sockets.adapter.rooms.size, 0);
});
