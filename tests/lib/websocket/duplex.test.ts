// Tests createWebSocketStream() for clients and servers, combined with the streams of `ws`.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { Socket as TcpSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Duplex, getDefaultHighWaterMark } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, type TestContext, test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";

import {
  createWebSocketStream,
  WebSocket,
  type WebSocketConnection,
  type WebSocketDuplexOptions,
  WebSocketError,
} from "../../../websocket.ts";
import { byHand, SWITCH } from "../../support/by-hand.ts";
import { frame } from "../../support/frame.ts";
import { listen, TcpClient, turn, until, upgradeRequest } from "../../support/net.ts";
import { type Maker, type StreamEnd, streamPair } from "../../support/streams.ts";
import { connection, serveWebSocket } from "../../support/web-socket-server.ts";

const MAKERS: readonly (readonly [client: Maker, server: Maker])[] = [
  ["barewire", "barewire"],
  ["barewire", "ws"],
  ["ws", "barewire"],
];

const MESSAGE = 16 * 1024;
const TOTAL = 20 * 1024 * 1024;

/** Reads a stream. Resolves to the chunks, followed by "end" or the error. */
async function outcome(stream: Duplex): Promise<unknown[]> {
  const read: unknown[] = [];
  try {
    for await (const chunk of stream) read.push(typeof chunk === "string" ? chunk : `${chunk}`);
    read.push("end");
  } catch (error) {
    assert.ok(error instanceof WebSocketError, `${error}`);
    read.push(`${error.name} ${error.closeCode} ${error.reason}`);
  }
  return read;
}

async function errorOf(stream: Duplex): Promise<unknown> {
  const [error] = await once(stream, "error");
  return error;
}

/** Writes `total` bytes, waiting for "drain" while the buffer of the stream is full. */
async function writeAll(stream: Duplex, total: number): Promise<void> {
  for (let written = 0; written < total; written += MESSAGE) {
    const message = Buffer.alloc(MESSAGE, written / MESSAGE);
    if (!stream.write(message)) await once(stream, "drain");
  }
}

describe("createWebSocketStream", () => {
  for (const [client, server] of MAKERS) {
    for (const deflate of [false, true]) {
      const ends = `${client} client, ${server} server${deflate ? ", compressed" : ""}`;
      test(`buffers only a small part of a 20 MB echo while the reader is slow: ${ends}`, async (context) => {
        const pair = await streamPair(context, { client, server, deflate });
        pair.server.stream.pipe(pair.server.stream);
        const written = writeAll(pair.client.stream, TOTAL);
        // The buffers of `ws` are not under test.
        const ours = [
          ...(client === "barewire" ? [pair.client] : []),
          ...(server === "barewire" ? [pair.server] : []),
        ];
        const most = { readable: 0, writable: 0, buffered: 0 };
        let received = 0;
        for await (const chunk of pair.client.stream) {
          for (let i = 0; i < chunk.length; i += 997) {
            assert.equal(chunk[i], (((received + i) / MESSAGE) | 0) & 0xff);
          }
          received += chunk.length;
          for (const { stream, socket } of ours) {
            most.readable = Math.max(most.readable, stream.readableLength);
            most.writable = Math.max(most.writable, stream.writableLength);
            most.buffered = Math.max(most.buffered, socket.bufferedAmount);
          }
          if (received === TOTAL) break;
          await turn();
        }
        await written;
        // The limit is the high-water mark of the stream, plus one message and its frame header.
        const bound = getDefaultHighWaterMark(false) + MESSAGE + 64;
        assert.ok(most.readable <= bound + MESSAGE, JSON.stringify(most));
        assert.ok(most.writable <= bound + MESSAGE, JSON.stringify(most));
        assert.ok(most.buffered <= bound + MESSAGE, JSON.stringify(most));
      });
    }

    test(`pipeline() sends a file to the server and back unchanged: ${client} client, ${server} server`, async (context) => {
      const folder = await mkdtemp(join(tmpdir(), "barewire-streams-"));
      context.after(() => rm(folder, { recursive: true }));
      const [file, there, back] = ["file", "there", "back"].map((name) => join(folder, name));
      assert.ok(file !== undefined && there !== undefined && back !== undefined);
      const content = randomBytes(3_000_001);
      await writeFile(file, content);

      const up = await streamPair(context, { client, server });
      await Promise.all([
        pipeline(createReadStream(file), up.client.stream),
        pipeline(up.server.stream, createWriteStream(there)),
      ]);
      const down = await streamPair(context, { client, server });
      await Promise.all([
        pipeline(createReadStream(there), down.server.stream),
        pipeline(down.client.stream, createWriteStream(back)),
      ]);
      assert.ok((await readFile(back)).equals(content));
    });
  }

  describe("reads", () => {
    const sent = ["é", Uint8Array.of(0x61, 0x62), "", "c"];
    const cases: readonly (readonly [string, WebSocketDuplexOptions, unknown])[] = [
      ["bytes by default", {}, Buffer.from("éabc")],
      [
        "the UTF-8 of a text message with any defaultEncoding",
        { defaultEncoding: "latin1" },
        Buffer.from("éabc"),
      ],
      ["text with an encoding", { encoding: "utf8" }, "éabc"],
      [
        "one message per chunk with readableObjectMode",
        { readableObjectMode: true },
        ["é", Buffer.from("ab"), "", "c"],
      ],
    ];
    for (const [does, options, expected] of cases) {
      for (const role of ["client", "server"] as const) {
        test(`${does}, as the ${role}`, async (context) => {
          const pair = await streamPair(context, { [`${role}Stream`]: options });
          const [reader, writer] =
            role === "client" ? [pair.client, pair.server] : [pair.server, pair.client];
          for (const message of sent) writer.send(message);
          writer.socket.close(1000);
          const read: unknown[] = [];
          for await (const chunk of reader.stream) read.push(chunk);
          if (Array.isArray(expected)) assert.deepEqual(read, expected);
          else if (typeof expected === "string") assert.equal(read.join(""), expected);
          else
            assert.deepEqual(Buffer.concat(read.map((each) => Buffer.from(`${each}`))), expected);
        });
      }
    }
  });

  test("reads an empty message in two fragments as a Buffer with readableObjectMode", async (context) => {
    const { server, port } = await serveWebSocket(context);
    const accepted = connection(server);
    const client = new TcpClient(port).write(upgradeRequest("/"));
    const stream = createWebSocketStream(await accepted, { readableObjectMode: true });
    stream.on("error", () => {});
    const key = Uint8Array.of(1, 2, 3, 4);
    client.write(frame(2, "", { fin: false, key })).write(frame(0, "", { key }));
    assert.deepEqual(await once(stream, "data"), [Buffer.alloc(0)]);
    client.socket.destroy();
  });

  test("does not pause the WebSocket while the buffer of the stream has room", async (context) => {
    const { server, port } = await serveWebSocket(context);
    const accepted = connection(server);
    const client = new WebSocket(`ws://127.0.0.1:${port}/`);
    const ours = await accepted;
    const stream = createWebSocketStream(ours, { readableObjectMode: true, highWaterMark: 2 });
    const paused: boolean[] = [];
    stream.on("readable", () => paused.push(ours.isPaused));
    await once(client, "open");
    for (const text of ["first", "second"]) {
      client.send(text);
      await once(stream, "readable");
    }
    assert.deepEqual(paused, [false, true]);
    stream.destroy();
  });

  for (const role of ["client", "server"] as const) {
    test(`sends each write as one message, and strings as text with decodeStrings: false, as the ${role}`, async (context) => {
      const other = role === "client" ? "server" : "client";
      const pair = await streamPair(context, {
        [`${role}Stream`]: { decodeStrings: false },
        [`${other}Stream`]: { readableObjectMode: true },
      });
      const writer = pair[role].stream;
      writer.write("text");
      writer.write(Uint8Array.of(1, 2));
      writer.end("last");
      const read: unknown[] = [];
      for await (const chunk of pair[other].stream) read.push(chunk);
      assert.deepEqual(read, ["text", Buffer.from([1, 2]), "last"]);
    });
  }

  describe("delivers an unread message, and then the end or the error, after", () => {
    const cases: readonly (readonly [string, (peer: StreamEnd) => void, string])[] = [
      ["a close frame with code 1000", ({ socket }) => socket.close(1000), "end"],
      ["a close frame without a code", ({ socket }) => socket.close(), "end"],
      [
        "a close frame with code 4000",
        ({ socket }) => socket.close(4000, "over"),
        "WebSocketError 4000 over",
      ],
    ];
    for (const [does, end, expected] of cases) {
      for (const role of ["client", "server"] as const) {
        test(`${does}, for the ${role}`, async (context) => {
          const pair = await streamPair(context);
          const [ours, peer] =
            role === "client" ? [pair.client, pair.server] : [pair.server, pair.client];
          peer.send("before");
          end(peer);
          // Reading starts only after the WebSocket has closed.
          await ours.closed;
          assert.deepEqual(await outcome(ours.stream), ["before", expected]);
          assert.equal(ours.stream.destroyed, true);
        });
      }
    }

    for (const role of ["client", "server"] as const) {
      test(`a close frame with code 4000 that follows several messages, for the ${role}`, async (context) => {
        const pair = await streamPair(context, {
          [`${role}Stream`]: { readableObjectMode: true },
        });
        const [ours, peer] =
          role === "client" ? [pair.client, pair.server] : [pair.server, pair.client];
        for (const message of ["a", "b", "c"]) peer.send(message);
        peer.socket.close(4000);
        await ours.closed;
        assert.deepEqual(await outcome(ours.stream), ["a", "b", "c", "WebSocketError 4000 "]);
      });
    }

    test("a close frame with code 1001, for the client", async (context) => {
      const pair = await streamPair(context);
      pair.server.send("before");
      pair.server.socket.close(1001);
      assert.deepEqual(await outcome(pair.client.stream), ["before", "end"]);
    });

    for (const [does, bytes, expected] of [
      ["a frame with a reserved opcode", frame(3, "?"), "WebSocketError 1006 "],
      ["a close frame with code 1011", frame(8, Uint8Array.of(3, 0xf3)), "WebSocketError 1011 "],
      ["the end of TCP without a close frame", undefined, "WebSocketError 1006 "],
    ] as const) {
      test(`${does}, for the client`, async (context) => {
        const url = await byHand(context, SWITCH, (socket) => {
          socket.write(frame(1, "before"));
          if (bytes === undefined) socket.end();
          else socket.end(bytes);
        });
        const stream = createWebSocketStream(new WebSocket(url));
        assert.deepEqual(await outcome(stream), ["before", expected]);
      });
    }
  });

  for (const role of ["client", "server"] as const) {
    const other = role === "client" ? "server" : "client";

    test(`end() closes with code 1000, and messages sent before can still be read: ${role}`, async (context) => {
      const pair = await streamPair(context);
      const [ours, peer] = [pair[role], pair[other]];
      peer.send("sent before");
      ours.stream.end();
      assert.deepEqual(await outcome(ours.stream), ["sent before", "end"]);
      assert.deepEqual(await peer.closed, [1000, ""]);
      assert.deepEqual(await outcome(peer.stream), ["end"]);
    });

    test(`emits "end", "finish" and "close" after the peer has closed with code 1000: ${role}`, async (context) => {
      const pair = await streamPair(context);
      const { stream } = pair[role];
      const events: string[] = [];
      for (const event of ["end", "finish", "close"]) stream.on(event, () => events.push(event));
      stream.resume();
      pair[other].socket.close(1000);
      // The stream needs one more iteration of the event loop than the WebSocket.
      await pair[role].closed;
      await turn();
      assert.deepEqual(events, ["end", "finish", "close"]);
    });

    test(`destroy() closes the connection without a close frame: ${role}`, async (context) => {
      const pair = await streamPair(context);
      pair[role].stream.destroy();
      const ended = outcome(pair[other].stream);
      await once(pair[role].stream, "close");
      assert.deepEqual(await ended, ["WebSocketError 1006 "]);
    });

    test(`destroy(error) emits that error: ${role}`, async (context) => {
      const pair = await streamPair(context);
      const error = new Error("enough");
      const emitted = errorOf(pair[role].stream);
      pair[role].stream.destroy(error);
      assert.equal(await emitted, error);
      assert.deepEqual(await pair[other].closed, [1006, ""]);
    });

    test(`a write fails if the connection is lost before the peer reads it: ${role}`, async (context) => {
      const pair = await streamPair(context);
      const { stream } = pair[role];
      const failed = errorOf(stream);
      // The peer does not read, so the buffers of the socket become full.
      let last: Error | null | undefined;
      while (!stream.writableNeedDrain || pair[role].socket.bufferedAmount === 0) {
        stream.write(Buffer.alloc(100_000), (error) => {
          last = error;
        });
        await turn();
      }
      pair[other].terminate();
      const error = await failed;
      assert.ok(error instanceof WebSocketError);
      assert.equal(error.closeCode, 1006);
      assert.equal(last, error);
    });

    test(`a write after the peer has closed fails with the close code and reason: ${role}`, async (context) => {
      const pair = await streamPair(context);
      const { stream, closed } = pair[role];
      pair[other].socket.close(1000, "done");
      await closed;
      const failed = errorOf(stream);
      stream.write("late");
      const error = await failed;
      assert.ok(error instanceof WebSocketError);
      assert.deepEqual([error.closeCode, error.reason], [1000, "done"]);
    });

    test(`a write during the closing handshake fails with the close code: ${role}`, async (context) => {
      const pair = await streamPair(context);
      const { stream, socket } = pair[role];
      socket.close(1000);
      const error = await new Promise<unknown>((resolve) => stream.write("late", resolve));
      assert.ok(error instanceof WebSocketError, `${error}`);
      assert.equal(error.closeCode, 1000);
    });

    test(`aborting its signal destroys the stream with an AbortError: ${role}`, async (context) => {
      const controller = new AbortController();
      const pair = await streamPair(context, {
        [`${role}Stream`]: { signal: controller.signal },
      });
      const emitted = errorOf(pair[role].stream);
      controller.abort();
      const error = await emitted;
      assert.ok(error instanceof Error && error.name === "AbortError");
      assert.deepEqual(await pair[other].closed, [1006, ""]);
    });
  }

  test("end() finishes after the closing handshake, even if send() of the WebSocket was called before", async (context) => {
    const { server, port } = await serveWebSocket(context);
    const accepted = connection(server);
    const client = new TcpClient(port).write(upgradeRequest("/"));
    const ours = await accepted;
    const stream = createWebSocketStream(ours);
    const events: string[] = [];
    ours.on("drain", () => events.push("drain"));
    stream.on("finish", () => events.push("finish"));
    assert.equal(ours.send(new Uint8Array(200_000)), false);
    await until(() => events.length === 1);
    assert.equal(ours.send(new Uint8Array(200_000)), false);
    stream.end();
    await until(() => events.length === 2);
    await turn();
    assert.deepEqual(events, ["drain", "drain"]);
    client.write(frame(8, Uint8Array.of(3, 0xe8), { key: Uint8Array.of(1, 2, 3, 4) }));
    await once(stream.resume(), "close");
    assert.deepEqual(events, ["drain", "drain", "finish"]);
  });

  describe("while the WebSocket connects", () => {
    test("queues writes and end() until the WebSocket is open", async (context) => {
      const { server, port } = await serveWebSocket(context);
      const received: unknown[] = [];
      const closed = new Promise<unknown>((resolve) =>
        server.once("connection", (each) => {
          each.on("message", (data) => received.push(`${data}`));
          each.once("close", resolve);
        }),
      );
      const stream = createWebSocketStream(new WebSocket(`ws://127.0.0.1:${port}/`));
      stream.write("a");
      stream.write("b");
      stream.end("c");
      assert.equal(await closed, 1000);
      assert.deepEqual(received, ["a", "b", "c"]);
    });

    test("queues end() without writes until the WebSocket is open", async (context) => {
      const { server, port } = await serveWebSocket(context);
      const accepted = connection(server);
      const stream = createWebSocketStream(new WebSocket(`ws://127.0.0.1:${port}/`));
      stream.end();
      stream.resume();
      const closed = once(stream, "close");
      assert.equal(
        await new Promise<unknown>((resolve) =>
          accepted.then((each) => each.once("close", resolve)),
        ),
        1000,
      );
      await closed;
    });

    test("destroy() cancels the connection attempt", async (context) => {
      const url = await byHand(context, () => undefined);
      const socket = new WebSocket(url);
      const stream = createWebSocketStream(socket);
      stream.write("never sent", () => {});
      stream.destroy();
      await once(stream, "close");
      assert.equal(socket.readyState, WebSocket.CLOSED);
    });

    test("a write after close() of the WebSocket fails", async (context) => {
      const socket = new WebSocket(await byHand(context, () => undefined));
      const stream = createWebSocketStream(socket).on("error", () => {});
      socket.close();
      const error = await new Promise<unknown>((resolve) => stream.write("late", resolve));
      assert.ok(error instanceof WebSocketError, `${error}`);
      assert.equal(error.closeCode, 1006);
    });

    test("an already aborted signal cancels the connection attempt", async (context) => {
      const url = await byHand(context, () => undefined);
      const stream = createWebSocketStream(new WebSocket(url), { signal: AbortSignal.abort() });
      const error = await errorOf(stream);
      assert.ok(error instanceof Error && error.name === "AbortError");
    });

    test("emits a WebSocketError with its cause if the server is unreachable", async () => {
      const http = createServer();
      const port = await listen(http);
      http.close();
      await once(http, "close");
      const stream = createWebSocketStream(new WebSocket(`ws://127.0.0.1:${port}/`));
      const error = await errorOf(stream);
      assert.ok(error instanceof WebSocketError);
      assert.equal(error.name, "WebSocketError");
      assert.equal(error.closeCode, 1006);
      assert.match(error.message, /ECONNREFUSED/);
      assert.ok(error.cause instanceof Error);
    });
  });

  test("throws for invalid options, a second stream and a closed WebSocket", async (context) => {
    const { server, port } = await serveWebSocket(context);
    const accepted = connection(server);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const ours = await accepted;
    for (const options of [{ highWatermark: 1 }, { encoding: 8 }]) {
      assert.throws(() => createWebSocketStream(ours, Object(options)), {
        code: "ERR_INVALID_ARG_TYPE",
      });
    }
    const bytesOnly =
      'only strings and bytes can be written; to read messages as objects, use "readableObjectMode"';
    for (const [name, supported, why] of [
      ["objectMode", false, bytesOnly],
      ["writableObjectMode", false, bytesOnly],
      ["allowHalfOpen", false, "a WebSocket closes both directions at once"],
      ["autoDestroy", true, "the stream is destroyed when it has ended"],
      ["emitClose", true, '"close" is always emitted'],
    ] as const) {
      assert.throws(() => createWebSocketStream(ours, Object({ [name]: !supported })), {
        code: "ERR_INVALID_ARG_TYPE",
        message: `${name} is not supported: ${why}`,
      });
    }
    createWebSocketStream(socket).on("error", () => {});
    const supported = { allowHalfOpen: false, autoDestroy: true, emitClose: true };
    const bytes = { objectMode: false, writableObjectMode: false };
    createWebSocketStream(ours, Object({ ...supported, ...bytes })).on("error", () => {});
    for (const each of [socket, ours]) {
      const message = "the WebSocket already has a stream";
      assert.throws(() => createWebSocketStream(each), { code: "ERR_INVALID_ARG_TYPE", message });
    }
    ours.terminate();
    await once(socket, "close");
    const closed = new WebSocket(`ws://127.0.0.1:${port}/`);
    const theirs = await connection(server);
    closed.close();
    await once(closed, "close");
    const isClosed = {
      code: "ERR_NOT_OPEN",
      message: 'cannot send on a WebSocket in the state "closed"',
    };
    assert.throws(() => createWebSocketStream(closed), isClosed);
    await until(() => !theirs.open);
    assert.throws(() => createWebSocketStream(theirs), isClosed);
  });

  test('finishes a large write that a listener for "open" makes', async (context) => {
    const { server, port } = await serveWebSocket(context);
    const received: number[] = [];
    server.on("connection", (ours) => ours.on("message", (data) => received.push(data.length)));
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const written: unknown[] = [];
    socket.onopen = () =>
      stream.write(new Uint8Array(1_000_000), (error) => written.push(error ?? "written"));
    const stream = createWebSocketStream(socket);
    await until(() => written.length > 0);
    stream.resume().end("end");
    await once(stream, "close");
    assert.deepEqual([written, received], [["written"], [1_000_000, 3]]);
  });

  for (const role of ["client", "server"] as const) {
    test(`a write after close() fails even if earlier messages are sent in the meantime: ${role}`, async (context) => {
      const { server, port } = await serveWebSocket(context);
      const accepted = connection(server);
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
      const [theirs] = await Promise.all([accepted, once(socket, "open")]);
      const ours = role === "client" ? socket : theirs;
      const stream = createWebSocketStream(ours);
      stream.on("error", () => {});
      const result = new Promise((resolve) => {
        ours.send(new Uint8Array(1_000_000));
        ours.close(1000);
        stream.write("late", resolve);
      });
      const error = await result;
      assert.ok(error instanceof WebSocketError, `${error}`);
      assert.equal(error.closeCode, 1000);
    });
  }

  test("a write fails if the peer closes while the message is being compressed", async (context) => {
    const { server, port } = await serveWebSocket(context, { perMessageDeflate: true });
    const accepted = connection(server);
    const offer = { "Sec-WebSocket-Extensions": "permessage-deflate" };
    const client = new TcpClient(port).write(upgradeRequest("/", offer));
    const ours = await accepted;
    await client.until("\r\n\r\n");
    // The client keeps its side of TCP open until the message has been compressed.
    client.socket.allowHalfOpen = true;
    const stream = createWebSocketStream(ours);
    stream.on("error", () => {});
    const result = new Promise((resolve) => stream.write(randomBytes(2_000_000), resolve));
    client.write(frame(8, Uint8Array.of(3, 0xe8), { key: Uint8Array.of(1, 2, 3, 4) }));
    await until(() => ours.bufferedAmount === 0);
    client.socket.destroy();
    const error = await result;
    assert.ok(error instanceof WebSocketError, `${error}`);
    assert.equal(error.closeCode, 1000);
  });

  test("a write after terminate() fails", async (context) => {
    const { server, port } = await serveWebSocket(context);
    const accepted = connection(server);
    new TcpClient(port).write(upgradeRequest("/"));
    const ours = await accepted;
    const stream = createWebSocketStream(ours);
    stream.on("error", () => {});
    const result = new Promise((resolve) => {
      ours.terminate();
      stream.write("late", resolve);
    });
    const error = await result;
    assert.ok(error instanceof WebSocketError, `${error}`);
    assert.equal(error.closeCode, 1006);
  });

  test("in object mode, reads binary messages as strings if it has an encoding", async (context) => {
    const { server, port } = await serveWebSocket(context);
    server.on("connection", (ours) => ours.send(Buffer.from("é")));
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const options = { readableObjectMode: true, encoding: "utf8" } as const;
    const stream = createWebSocketStream(socket, options);
    assert.deepEqual(await once(stream, "data"), ["é"]);
    stream.destroy();
  });

  test("can be created for a WebSocket that is open already", async (context) => {
    const { server, port } = await serveWebSocket(context);
    server.on("connection", (ours) => ours.on("message", (data) => ours.send(data)));
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await once(socket, "open");
    const stream = createWebSocketStream(socket);
    stream.write("back");
    assert.equal(`${(await once(stream, "data"))[0]}`, "back");
    stream.end();
    await once(stream, "close");
  });

  test('delivers messages to the stream, and not to "message" listeners', async (context) => {
    const { server, port } = await serveWebSocket(context);
    const accepted = connection(server);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    socket.addEventListener("message", () => assert.fail());
    const stream = createWebSocketStream(socket, { readableObjectMode: true });
    (await accepted).send("x");
    assert.deepEqual(await once(stream, "data"), ["x"]);
    stream.destroy();
  });
});

interface Paused {
  readonly ours: WebSocketConnection;
  readonly tcp: TcpSocket;
  /** The first character of each message that the program has received. */
  readonly log: string[];
}

/**
 * Returns a server's connection that was paused at the third of ten messages. All messages were sent in one packet.
 * Each message starts with its number, from 0.
 */
async function pausedByThird(
  context: TestContext,
  compressed: boolean,
  length: number,
): Promise<Paused> {
  const { server, port } = await serveWebSocket(context, { perMessageDeflate: compressed });
  const log: string[] = [];
  const accepted = new Promise<Paused>((resolve) =>
    server.once("connection", (ours, { socket: tcp }) => resolve({ ours, tcp, log })),
  );
  const offer = compressed ? { "Sec-WebSocket-Extensions": "permessage-deflate" } : {};
  const client = new TcpClient(port).write(upgradeRequest("/", offer));
  const paused = await accepted;
  await client.until("\r\n\r\n");
  paused.ours.on("message", (data) => {
    log.push(`${data}`.charAt(0));
    if (log.length === 3) paused.ours.pause();
  });
  const noise = randomBytes(length).toString("base64");
  const key = Uint8Array.of(1, 2, 3, 4);
  const frames = Array.from({ length: 10 }, (_, i) => {
    const text = `${i}${noise}`;
    if (!compressed) return frame(1, text, { key });
    const finishFlush = constants.Z_SYNC_FLUSH;
    return frame(1, deflateRawSync(text, { finishFlush }).subarray(0, -4), { key, rsv: 4 });
  });
  client.write(Buffer.concat(frames));
  await until(() => paused.ours.isPaused);
  return paused;
}

describe("pause() of a server's connection", () => {
  const DIGITS = Array.from("0123456789");
  const cases: readonly (readonly [string, compressed: boolean, length: number])[] = [
    ["small messages", false, 10],
    ["messages of several chunks", false, 100_000],
    ["small messages, compressed", true, 10],
    ["messages that are inflated in the thread pool", true, 100_000],
  ];
  for (const [does, compressed, length] of cases) {
    test(`delivers no message until resume(), then the rest in order: ${does}`, async (context) => {
      const { ours, tcp, log } = await pausedByThird(context, compressed, length);
      for (let i = 0; i < 50; i++) await turn();
      assert.deepEqual(log, ["0", "1", "2"]);
      assert.equal(tcp.isPaused(), true);
      ours.resume();
      assert.equal(ours.isPaused, false);
      await until(() => log.length === 10);
      assert.deepEqual(log, DIGITS);
    });
  }

  for (const [does, compressed, length] of cases.filter(([, , length]) => length === 10)) {
    test(`delivers the messages received before the connection was lost: ${does}`, async (context) => {
      const { ours, log } = await pausedByThird(context, compressed, length);
      const closed = new Promise((resolve) => ours.once("close", resolve));
      ours.terminate();
      await closed;
      assert.deepEqual(log, DIGITS);
    });
  }
});
