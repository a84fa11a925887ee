// Tests the client with the cases of the Autobahn test suite: a server sends each case over TCP, and our WebSocket
// echoes each message.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket as TcpSocket } from "node:net";
import { after, before, describe, test } from "node:test";

import { WebSocket } from "../../../lib/websocket/client.ts";
import { acceptKey } from "../../../protocol/websocket/handshake.ts";
import { describeFrames, readFrames } from "../../support/frame.ts";
import { listen } from "../../support/net.ts";
import { bytes, inChunks } from "../../support/split.ts";
import { autobahnCases, CLOSED, Frames, KUHN, NOT_UTF8, STAR } from "../../vectors/autobahn.ts";

const frames = new Frames();
const BYE = frames.close(1000);
const CASES = autobahnCases(frames);

/** Returns the end of the masked frame at `at`, or a lower bound if its header is incomplete. */
function endOfFrame(bytes: Buffer, at: number): number {
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  if (short < 126) return at + 6 + short;
  const header = short === 126 ? 8 : 14;
  if (bytes.length < at + header) return at + header;
  const long = short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
  return at + header + long;
}

describe("The client passes Autobahn's cases over TCP:", () => {
  let url = "";
  const waiting: ((socket: TcpSocket) => void)[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (request) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(`${request}`)?.[1] ?? "";
      const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
      socket.write(`${head}\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`);
      waiting.shift()?.(socket);
    });
  });
  before(async () => {
    url = `ws://127.0.0.1:${await listen(server)}`;
  });
  after(() => server.close());

  /** Sends `chunks` to a client that echoes. Returns the frames of the client, all of which must be masked. */
  async function converse(chunks: readonly Uint8Array[]): Promise<string[]> {
    const accepted = new Promise<TcpSocket>((resolve) => waiting.push(resolve));
    const client = new WebSocket(url);
    client.binaryType = "nodebuffer";
    client.onmessage = ({ data }) => client.send(data);
    const closed = once(client, "close");
    const socket = await accepted;
    const received: Buffer[] = [];
    let length = 0;
    // `at` is the start of the next frame. When `needed` bytes were received in total, the end of this frame is known.
    let at = 0;
    let needed = 2;
    const end = new Promise<void>((resolve) => {
      socket.on("data", (chunk: Buffer) => {
        received.push(chunk);
        length += chunk.length;
        while (length >= needed) {
          const all = Buffer.concat(received);
          const end = endOfFrame(all, at);
          if (end > length) {
            needed = end;
            return;
          }
          // RFC 6455 §7.1.1: the server closes TCP when it has received the response to its close frame.
          if (all[at] === 0x88) socket.end();
          at = end;
          needed = end + 2;
        }
      });
      socket.on("close", () => resolve());
    });
    for (const chunk of chunks) socket.write(chunk);
    await Promise.all([end, closed]);
    const all = Buffer.concat(received);
    for (const { masked } of readFrames(all))
      assert.ok(masked, "RFC 6455 §5.1: a frame is not masked");
    assert.equal(client.readyState, WebSocket.CLOSED);
    return describeFrames(all);
  }

  for (const { cases, does, sends, gives } of CASES) {
    test(`${does} (Autobahn ${cases})`, async () => {
      const expected = gives.filter((line) => line !== "end");
      assert.deepEqual(await converse([Buffer.concat(sends)]), expected);
    });
  }

  for (const [section, title, ...strings] of KUHN) {
    test(`RFC 6455 §8.1 ${title} (Autobahn ${section})`, async () => {
      for (const string of strings) {
        const payload = bytes(string.slice(1));
        const gives = string.startsWith("+")
          ? [`text ${Buffer.from(payload)}`, ...CLOSED]
          : [...NOT_UTF8];
        const expected = gives.filter((line) => line !== "end").map((line) => line.trimEnd());
        const octets = inChunks(Buffer.from(payload), 1);
        for (const message of [[frames.text(payload)], frames.inFragments(octets)]) {
          const lines = await converse([Buffer.concat([...message, BYE])]);
          assert.deepEqual(
            lines.map((line) => line.trimEnd()),
            expected,
          );
        }
      }
    });
  }

  for (const size of [0, 125, 126, 127, 65_535, 65_536, 1024 * 1024, 16 * 1024 * 1024]) {
    test(`RFC 6455 §5.2 echoes text and binary messages of ${size} bytes (Autobahn 1 and 9)`, async () => {
      const payload = STAR.repeat(size);
      assert.deepEqual(await converse([frames.text(payload), BYE]), [
        `text ${payload}`.trimEnd(),
        "close 1000",
      ]);
      assert.deepEqual(await converse([frames.binary(payload), BYE]), [
        `binary ${"2a ".repeat(size)}`.trimEnd(),
        "close 1000",
      ]);
    });
  }

  test("RFC 6455 §5.4 echoes 64 KiB received in fragments of 1300 bytes (Autobahn 10.1.1)", async () => {
    const payload = STAR.repeat(65_536);
    const pieces = inChunks(Buffer.from(payload), 1300);
    const lines = await converse([...frames.inFragments(pieces), BYE]);
    assert.deepEqual(lines, [`text ${payload}`, "close 1000"]);
  });

  test("RFC 6455 §5.1 a masked frame fails the connection", async () => {
    const [line = ""] = await converse([new Frames(bytes("01 02 03 04")).text("x")]);
    assert.match(line, /^close 1002 .*mask/);
  });
});
