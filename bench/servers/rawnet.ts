// Shows the lowest cost that a server on node:net can reach. This server answers the handshakes, and then sends the same
// bytes as the other servers, but parses almost nothing of what it receives.

import { createServer, type Socket } from "node:net";

import { frame } from "../../tests/support/frame.ts";
import { NEWS, serveBench } from "./control.ts";
import { BURST_PREFIX, CONNECT_PACKET, OPEN_PACKET, switching } from "./session.ts";

const OPEN = frame(0x1, OPEN_PACKET);
const CONNECT = frame(0x1, CONNECT_PACKET);
const PING = frame(0x1, "2");
const PONG = "3";
const NEWS_FRAME = frame(0x1, `42["news","${NEWS}"]`);
/** The length of a masked frame's header, in bytes. All messages of the bench are short enough for this header. */
const MASKED_HEADER = 6;

const clients = new Set<Socket>();

/** The frames that answer echo messages, by the length of the message. */
const echoes = new Map<number, Buffer>();

function unmask(chunk: Buffer): string {
  const text = Buffer.allocUnsafe(chunk.length - MASKED_HEADER);
  for (let at = 0; at < text.length; at++) {
    text[at] = (chunk[at + MASKED_HEADER] ?? 0) ^ (chunk[2 + (at & 3)] ?? 0);
  }
  return text.toString();
}

const server = createServer((socket) => {
  socket.setNoDelay(true);
  clients.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => clients.delete(socket));
  let received = 0;
  let length = 0;
  let echo = OPEN;
  socket.once("data", (request) => {
    const key = /sec-websocket-key: (\S+)/i.exec(request.toString("latin1"))?.[1];
    socket.write(switching(key));
    socket.write(OPEN);
    socket.on("data", (chunk: Buffer) => {
      if (length > 0) {
        received += chunk.length;
        const count = Math.floor(received / length);
        received -= count * length;
        if (count === 1) socket.write(echo);
        else if (count > 1) socket.write(Buffer.concat(new Array<Buffer>(count).fill(echo)));
        return;
      }
      const one = MASKED_HEADER + ((chunk[1] ?? 0) & 0x7f);
      const text = unmask(chunk.subarray(0, one));
      if (text === "40") {
        socket.write(CONNECT);
      } else if (text.startsWith(BURST_PREFIX)) {
        const count = Number.parseInt(text.slice(BURST_PREFIX.length), 10);
        const bytes = Buffer.concat(new Array<Buffer>(count).fill(NEWS_FRAME));
        for (const client of clients) client.write(bytes);
      } else if (text !== PONG) {
        length = one;
        echo = echoes.get(one) ?? frame(0x1, text);
        echoes.set(one, echo);
        received = chunk.length;
        const count = Math.floor(received / length);
        received -= count * length;
        socket.write(Buffer.concat(new Array<Buffer>(count).fill(echo)));
      }
    });
  });
});

// Sends pings to all clients at once, which is the lowest possible cost.
const { pingInterval }: { pingInterval?: number } = JSON.parse(process.argv[2] ?? "{}");
if (pingInterval !== undefined) {
  setInterval(() => {
    for (const client of clients) client.write(PING);
  }, pingInterval);
}
serveBench(server);
