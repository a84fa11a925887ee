// Compares our frames with those of `ws`: each end receives the messages that the other sends.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";

import { type RawData, WebSocket, WebSocketServer } from "ws";

import { acceptKey } from "../../../protocol/websocket/handshake.ts";
import { Station } from "../../support/endpoint.ts";
import { listen } from "../../support/net.ts";
import { Random, seed } from "../../support/random.ts";

type Message = string | Buffer;

/** Returns messages of every length form, including the lengths at the limits of each form. */
function messages(random: Random): Message[] {
  const lengths = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537, 200_000];
  return Array.from({ length: 60 }, () => {
    const length = random.int(3) === 0 ? random.int(70_000) : (random.pick(lengths) ?? 0);
    if (random.int(2) === 0) return Buffer.from(random.bytes(length));
    // slice() may leave a lone surrogate at the end, which the conversion to UTF-8 and back
    // replaces.
    return Buffer.from("aé€𝒳".repeat(length).slice(0, length)).toString();
  });
}

function describe(message: Message): string {
  return typeof message === "string"
    ? `text ${message}`.trimEnd()
    : `binary ${message.toString("hex").replace(/..(?!$)/g, "$& ")}`.trimEnd();
}

const MAX = 1_000_000;

test(`a server's Endpoint receives messages from a client of ws, whole and in fragments (SEED=${seed})`, async (context) => {
  const random = new Random(seed);
  const sent = messages(random);
  const station = new Station({ role: "server", maxPayload: MAX, deflate: false });
  const http = createServer();
  const ended = new Promise<void>((resolve) =>
    http.on("upgrade", ({ headers }, socket) => {
      const accept = acceptKey(`${headers["sec-websocket-key"]}`);
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      socket.on("data", (chunk: Buffer) => {
        station.receive(chunk);
        const answer = station.wire.take();
        if (answer.length > 0) socket.write(answer);
        if (station.wire.ended) {
          socket.end();
          resolve();
        }
      });
    }),
  );
  const port = await listen(http);
  context.after(() => http.close());
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  await new Promise<void>((resolve) => client.once("open", resolve));
  for (const message of sent) {
    if (random.int(2) === 0) {
      client.send(message);
      continue;
    }
    const binary = typeof message !== "string";
    const whole = Buffer.from(message);
    for (let at = 0; ; ) {
      const end = at + random.int(whole.length - at + 1);
      const fin = end === whole.length;
      client.send(whole.subarray(at, end), { fin, binary });
      if (fin) break;
      at = end;
    }
  }
  client.close(1000, "done");
  await ended;
  assert.equal(station.endpoint.failure, undefined);
  assert.deepEqual(station.log, [...sent.map(describe), "close 1000 done"]);
});

test(`a client's Endpoint exchanges messages with a server of ws (SEED=${seed})`, async (context) => {
  const random = new Random(seed + 1);
  const [sent, answered] = [messages(random), messages(random)];
  const received: Message[] = [];
  const http = createServer();
  const server = new WebSocketServer({ server: http, maxPayload: MAX });
  const closed = new Promise<unknown[]>((resolve) =>
    server.on("connection", (socket) => {
      for (const message of answered) socket.send(message);
      socket.on("message", (data: RawData, isBinary: boolean) => {
        assert.ok(Buffer.isBuffer(data));
        received.push(isBinary ? data : data.toString());
      });
      socket.on("close", (code, reason) => resolve([code, `${reason}`]));
    }),
  );
  const port = await listen(http);
  context.after(() => http.close());

  const station = new Station({
    role: "client",
    maxPayload: MAX,
    deflate: false,
    randomFill: (key) => key.set(random.bytes(4)),
  });
  const socket = connect(port, "127.0.0.1");
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  let head: Buffer | undefined = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    let rest = chunk;
    if (head !== undefined) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      rest = head.subarray(end + 4);
      head = undefined;
    }
    station.receive(rest);
  });
  for (const message of sent) {
    if (typeof message === "string") station.endpoint.sendText(message);
    else station.endpoint.sendBinary(message);
  }
  station.endpoint.close(3000, "done");
  socket.write(station.wire.take());
  assert.deepEqual(await closed, [3000, "done"]);
  assert.deepEqual(received.map(describe), sent.map(describe));
  await ended;
  assert.deepEqual(station.log, [...answered.map(describe), "close 3000 done"]);
});
