// Tests the end of TCP: RFC 6455 §7.1, also if the peer violates the protocol or does not respond.

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer } from "node:http";
import { Socket as TcpSocket } from "node:net";
import { Duplex } from "node:stream";
import { describe, type TestContext, test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { EMPTY } from "../../../protocol/bytes.ts";
import {
  createWebSocketStream,
  WebSocket,
  type WebSocketConnection,
  WebSocketError,
  WebSocketServer,
  WebSocketStream,
} from "../../../websocket.ts";
import { byHand, SWITCH } from "../../support/by-hand.ts";
import { Clock } from "../../support/clock.ts";
import { describeFrames, frame } from "../../support/frame.ts";
import { listen, reset, TcpClient, turn, until, upgradeRequest } from "../../support/net.ts";
import { bytes } from "../../support/split.ts";
import { acceptOver, connection, serveWebSocket } from "../../support/web-socket-server.ts";

const KEY = bytes("0a 0b 0c 0d");

interface Ends {
  readonly client: TcpClient;
  readonly ours: WebSocketConnection;
  /** Resolves to the frames that the client has received. */
  frames(): Promise<string[]>;
}

/** Connects a raw client. Returns the client, and the server's end of the connection. */
async function connect(context: TestContext): Promise<Ends> {
  const { server, port } = await serveWebSocket(context);
  const accepted = connection(server);
  const client = new TcpClient(port).write(upgradeRequest("/"));
  const ours = await accepted;
  await client.until("\r\n\r\n");
  const frames = async (): Promise<string[]> => {
    const received = await client.closed;
    return describeFrames(received.subarray(received.indexOf("\r\n\r\n") + 4));
  };
  return { client, ours, frames };
}

function closeOf(connection: WebSocketConnection): Promise<unknown[]> {
  return new Promise((resolve) => connection.once("close", (...args) => resolve(args)));
}

describe("Connection", () => {
  test("RFC 6455 §7.1.1 after both close frames the server ends TCP", async (context) => {
    const { client, ours, frames } = await connect(context);
    const closed = closeOf(ours);
    client.write(frame(8, bytes("03 e8"), { key: KEY }));
    assert.deepEqual(await frames(), ["close 1000"]);
    assert.deepEqual(await closed, [1000, "", undefined]);
  });

  test("RFC 6455 §7.1.7 emits close at once when a connection fails, even if the peer never ends TCP", async (context) => {
    const { client, ours } = await connect(context);
    const closed = closeOf(ours);
    client.write(frame(1, "unmasked"));
    const [code, , failure] = await closed;
    assert.equal(code, 1006);
    assert.ok(failure instanceof Error);
    assert.equal(client.socket.readableEnded, false);
    assert.equal(ours.open, false);
  });

  test("RFC 6455 §7.1.5 closes with 1006 when TCP ends without a close frame", async (context) => {
    const { client, ours, frames } = await connect(context);
    const closed = closeOf(ours);
    client.write(frame(1, "hello", { key: KEY }));
    client.socket.end();
    assert.deepEqual(await closed, [1006, "", undefined]);
    assert.deepEqual(await frames(), []);
  });

  test("RFC 6455 §7.2.1 closes with 1006 when TCP is reset", async (context) => {
    const { client, ours } = await connect(context);
    const closed = closeOf(ours);
    reset(client.socket);
    assert.deepEqual(await closed, [1006, "", undefined]);
  });

  test("delivers the messages received before the end, and then emits close", async (context) => {
    const { client, ours } = await connect(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data));
    const closed = closeOf(ours);
    const messages = ["a", "b", "c"].map((text) => frame(1, text, { key: KEY }));
    client.write(Buffer.concat(messages));
    client.socket.end();
    await closed;
    assert.deepEqual(log, ["a", "b", "c"]);
  });

  test("ends TCP after 30 seconds if the peer does not answer the close frame", async (context) => {
    const clock = new Clock(context);
    const { client, ours } = await connect(context);
    const closed = closeOf(ours);
    ours.close(1000);
    await client.until("\x88\x02\x03\xe8");
    clock.tick(29_999);
    await turn();
    assert.equal(client.socket.closed, false);
    clock.tick(1);
    assert.deepEqual(await closed, [1006, "", undefined]);
    await client.closed;
  });

  test("ends TCP after 30 seconds if the peer answers the close frame, but does not end TCP", async (context) => {
    const clock = new Clock(context);
    const { client, ours } = await connect(context);
    // After the server has ended its side of TCP, the client keeps the other side open.
    client.socket.allowHalfOpen = true;
    const closed = closeOf(ours);
    client.write(frame(8, bytes("03 e8"), { key: KEY }));
    await new Promise<void>((resolve) => client.socket.once("end", resolve));
    assert.equal(client.socket.writable, true);
    clock.tick(30_000);
    assert.deepEqual(await closed, [1000, "", undefined]);
    client.socket.destroy();
  });

  test("RFC 6455 §7.1.7 ignores data after a protocol error", async (context) => {
    const { client, ours, frames } = await connect(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data));
    const closed = closeOf(ours);
    client.write(
      Buffer.concat([
        frame(1, "before", { key: KEY }),
        frame(3, "?", { key: KEY }),
        frame(1, "behind", { key: KEY }),
      ]),
    );
    const [close = "", ...others] = await frames();
    assert.match(close, /^close 1002 /);
    assert.deepEqual(others, []);
    await closed;
    assert.deepEqual(log, ["before"]);
  });

  test("RFC 6455 §5.5.1 ignores data after a close frame", async (context) => {
    const { client, ours, frames } = await connect(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data)).on("ping", () => log.push("ping"));
    const close = frame(8, bytes("03 e8"), { key: KEY });
    client.write(Buffer.concat([close, frame(9, "", { key: KEY }), frame(1, "x", { key: KEY })]));
    assert.deepEqual(await frames(), ["close 1000"]);
    assert.deepEqual(log, []);
  });

  test("send() in a listener causes no error after the peer has reset TCP", async (context) => {
    const { client, ours } = await connect(context);
    const sent: unknown[] = [];
    ours.on("message", () => sent.push(ours.send("answer".repeat(1000))));
    const closed = closeOf(ours);
    client.write(frame(1, "x", { key: KEY }));
    reset(client.socket);
    await closed;
    assert.ok(sent.length <= 1);
  });

  test("close() twice ends TCP 30 seconds after the first call", async (context) => {
    const clock = new Clock(context);
    const { ours } = await connect(context);
    const closed = closeOf(ours);
    ours.close(1000);
    clock.tick(29_999);
    ours.close(1000);
    clock.tick(1);
    assert.deepEqual(await closed, [1006, "", undefined]);
    // A connection that has ended needs no timer.
    ours.close(1000);
    assert.equal(clock.timers, 0);
  });

  test("RFC 6455 §5.2 fails with 1002 for a compressed frame if no extension was negotiated", async (context) => {
    const { client, frames } = await connect(context);
    client.write(frame(1, "text", { rsv: 4, key: KEY }));
    assert.match((await frames()).join(), /^close 1002 /);
  });

  test("emits no pong for a close frame", async (context) => {
    const { client, ours } = await connect(context);
    ours.on("pong", () => assert.fail("a pong was emitted"));
    const closed = closeOf(ours);
    client.write(frame(8, bytes("03 e8"), { key: KEY }));
    assert.deepEqual(await closed, [1000, "", undefined]);
  });

  test('emits "drain" once after send() returned false, and otherwise not', async (context) => {
    const { server, port } = await serveWebSocket(context);
    let drains = 0;
    const accepted = new Promise<WebSocketConnection>((resolve) =>
      server.once("connection", (ours) => {
        ours.on("drain", () => drains++);
        resolve(ours);
      }),
    );
    const client = new TcpClient(port).write(upgradeRequest("/"));
    const ours = await accepted;
    assert.equal(ours.send("small"), true);
    await client.until("small");
    assert.equal(drains, 0);
    assert.equal(ours.send("x".repeat(1_000_000)), false);
    await until(() => drains > 0);
    assert.equal(ours.send("small again"), true);
    await client.until("small again");
    assert.equal(drains, 1);
  });

  test("has no TCP timeout, and sends small messages without delay (RFC 896)", async (context) => {
    const delays = context.mock.method(TcpSocket.prototype, "setNoDelay");
    const http = createServer().setTimeout(5_000);
    const server = new WebSocketServer({ server: http });
    const port = await listen(http);
    context.after(() => http.close());
    const accepted = new Promise<TcpSocket>((resolve) =>
      server.once("connection", (_ours, { socket }) => resolve(socket)),
    );
    const client = new TcpClient(port).write(upgradeRequest("/"));
    context.after(() => client.socket.destroy());
    const socket = await accepted;
    assert.equal(socket.timeout, 0);
    const ours = delays.mock.calls.filter((call) => call.this === socket);
    assert.deepEqual(ours.at(-1)?.arguments, [true]);
  });

  test("ends when the client has ended TCP before the handshake is answered", async (context) => {
    const server = new WebSocketServer({ noServer: true });
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    stream.push(null);
    await once(stream.resume(), "end");
    const closed = new Promise<unknown[]>((resolve) =>
      server.once("connection", (ours) => resolve(closeOf(ours))),
    );
    await acceptOver(context, server, stream);
    assert.deepEqual(await closed, [1006, "", undefined]);
  });

  test("pause() after resume() takes effect before the next message", async (context) => {
    const { ours, tcp, peer } = await accept(context, false);
    const log: unknown[] = [];
    ours.on("message", (data) => {
      log.push(data);
      ours.pause();
    });
    ours.pause();
    peer.write(Buffer.concat([1, 2].map((n) => frame(1, `${n}`, { key: KEY }))));
    await until(() => tcp.readableLength > 0);
    ours.resume();
    ours.pause();
    await turn();
    assert.deepEqual([log, tcp.isPaused()], [[], true]);
    ours.resume();
    await until(() => log.length > 0);
    await turn();
    // The listener of the first message has paused the connection again.
    assert.deepEqual([log, tcp.isPaused()], [["1"], true]);
    ours.resume();
    ours.pause();
    await turn();
    assert.deepEqual(log, ["1"]);
    ours.resume();
    await until(() => log.length === 2);
    await turn();
    assert.deepEqual([log, tcp.isPaused()], [["1", "2"], true]);
  });

  test("limits the pongs that wait for a client that does not read them", async (context) => {
    const { client, ours } = await connect(context);
    client.socket.pause();
    let pings = 0;
    ours.on("ping", () => pings++);
    const many = Buffer.concat(Array(1000).fill(frame(9, new Uint8Array(125), { key: KEY })));
    for (let i = 0; i < 200; i++) {
      await new Promise<void>((resolve) => client.socket.write(many, () => resolve()));
    }
    await until(() => pings === 200_000);
    // The pings of the client request 25 MB of pongs. The kernel buffers some of them, and the server drops the others.
    assert.ok(ours.bufferedAmount < 1_000_000, `${ours.bufferedAmount} bytes`);
  });
});

/** A connection that the program has paused or has not begun to read. */
interface Paused {
  /** The peer's socket. */
  readonly peer: TcpSocket;
  /** The key with which the peer masks its frames, if the peer is the client. */
  readonly key?: Uint8Array;
  /** Resolves to the first character of each message that the program has received, followed by the close code. */
  outcome(): Promise<readonly unknown[]>;
}

/** Accepts a client. Returns the connection of the server, its TCP socket, and the socket of the client. */
async function accept(context: TestContext, deflate: boolean) {
  const { server, port } = await serveWebSocket(context, { perMessageDeflate: deflate });
  const accepted = new Promise<{ ours: WebSocketConnection; tcp: TcpSocket }>((resolve) =>
    server.once("connection", (ours, { socket: tcp }) => resolve({ ours, tcp })),
  );
  const offer = deflate ? { "Sec-WebSocket-Extensions": "permessage-deflate" } : {};
  const client = new TcpClient(port).write(upgradeRequest("/", offer));
  const { ours, tcp } = await accepted;
  await client.until("\r\n\r\n");
  return { ours, tcp, peer: client.socket };
}

/** Starts a handwritten server. It sends `more` in the same packet as the handshake response. */
async function acceptByHand(context: TestContext, deflate: boolean, more: Uint8Array = EMPTY) {
  let tell: (socket: TcpSocket) => void = () => {};
  const accepted = new Promise<TcpSocket>((resolve) => {
    tell = resolve;
  });
  const extension = deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "";
  const answer = (key: string) => Buffer.concat([Buffer.from(SWITCH(key, extension)), more]);
  return { url: await byHand(context, answer, (socket) => tell(socket)), accepted };
}

/** Reads a stream after its connection has closed. `closed` resolves to the close code. */
async function readAll(
  stream: AsyncIterable<unknown>,
  closed: Promise<unknown>,
): Promise<readonly unknown[]> {
  // The stream must still deliver the messages after the connection has closed.
  const code = await closed;
  const read: unknown[] = [];
  try {
    for await (const message of stream) read.push(`${message}`.charAt(0));
  } catch (error) {
    assert.ok(error instanceof WebSocketError, `${error}`);
    assert.equal(error.closeCode, code);
  }
  return [...read, code];
}

const SLOW = { readableObjectMode: true, readableHighWaterMark: 2 };

type MakePaused = (context: TestContext, deflate: boolean) => Promise<Paused>;

const PAUSED: readonly (readonly [string, MakePaused])[] = [
  [
    "a listener that calls pause() for each message",
    async (context, deflate) => {
      const { ours, peer } = await accept(context, deflate);
      const log = logOf(ours, () => ours.pause());
      const outcome = closeOf(ours).then(([code]) => [...log, code]);
      return { peer, key: KEY, outcome: () => outcome };
    },
  ],
  [
    "a Duplex over a server's connection",
    async (context, deflate) => {
      const { ours, peer } = await accept(context, deflate);
      const stream = createWebSocketStream(ours, SLOW).on("error", () => {});
      const closed = closeOf(ours).then(([code]) => code);
      return { peer, key: KEY, outcome: () => readAll(stream, closed) };
    },
  ],
  [
    "a Duplex over a client",
    async (context, deflate) => {
      const { url, accepted } = await acceptByHand(context, deflate);
      const socket = new WebSocket(url);
      const stream = createWebSocketStream(socket, SLOW).on("error", () => {});
      const closed = once(socket, "close").then(([{ code }]) => code);
      await once(socket, "open");
      return { peer: await accepted, outcome: () => readAll(stream, closed) };
    },
  ],
  [
    "a web stream",
    async (context, deflate) => {
      const { url, accepted } = await acceptByHand(context, deflate);
      const webSocket = new WebSocketStream(url);
      const { readable } = await webSocket.opened;
      const closed = webSocket.closed.then(
        ({ closeCode }) => closeCode,
        ({ closeCode }) => closeCode,
      );
      return { peer: await accepted, outcome: () => readAll(readable, closed) };
    },
  ],
];

/** Records the first character of each message, and calls `then` after each message. */
function logOf(ours: WebSocketConnection, then: () => void): unknown[] {
  const log: unknown[] = [];
  ours.on("message", (message) => {
    log.push(`${message}`.charAt(0));
    then();
  });
  return log;
}

function compressed(text: string): Uint8Array {
  return deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** Returns one message of `length` bytes for each digit in `from`. The digit is the first character of the message. */
function messages(from: string, length: number, deflate: boolean, key?: Uint8Array): Uint8Array {
  const mask = key === undefined ? {} : { key };
  const frames = Array.from(from, (digit) => {
    const text = digit.padEnd(length, "x");
    return deflate ? frame(1, compressed(text), { ...mask, rsv: 4 }) : frame(1, text, mask);
  });
  return Buffer.concat(frames);
}

const DIGITS = "0123456789";

/** The length of a message that is inflated in the thread pool. */
const LARGE = 200_000;

const ENDS: readonly (readonly [string, code: number, (peer: TcpSocket) => void])[] = [
  ["RST", 1006, reset],
  ["a close frame and FIN", 1000, (peer) => peer.end()],
  ["the peer's destroy()", 1006, (peer) => peer.destroy()],
];

const KINDS: readonly (readonly [string, deflate: boolean, length: number])[] = [
  ["messages", false, 10],
  ["compressed messages", true, 10],
  ["messages that are inflated in the thread pool", true, LARGE],
];

describe("a paused connection delivers all messages that it received before its end:", () => {
  for (const [who, make] of PAUSED) {
    for (const [what, deflate, length] of KINDS) {
      for (const [how, code, end] of ENDS) {
        test(`${what}, to ${who}, before ${how}`, async (context) => {
          const { peer, key, outcome } = await make(context, deflate);
          const mask = key === undefined ? {} : { key };
          const close = code === 1000 ? frame(8, bytes("03 e8"), mask) : EMPTY;
          // The peer sends a ping and all messages in one packet. The pong shows that the other end has read this
          // packet from TCP.
          peer.write(
            Buffer.concat([frame(9, "", mask), messages(DIGITS, length, deflate, key), close]),
          );
          await once(peer, "data");
          end(peer);
          assert.deepEqual(await outcome(), [...DIGITS, code]);
        });
      }
    }
  }

  const endings: readonly (readonly [
    string,
    (ours: WebSocketConnection, tcp: TcpSocket) => void,
  ])[] = [
    ["RST", (_ours, tcp) => tcp.destroy(new Error("ECONNRESET"))],
    [
      "resume() and terminate() at once",
      (ours) => {
        ours.resume();
        ours.terminate();
      },
    ],
    [
      "RST and resume() at once",
      (ours, tcp) => {
        tcp.destroy(new Error("ECONNRESET"));
        ours.resume();
      },
    ],
  ];
  for (const [what, deflate, length] of KINDS) {
    for (const [how, end] of endings) {
      test(`${what} that are still in the socket, before ${how}`, async (context) => {
        const { ours, tcp, peer } = await accept(context, deflate);
        const log = logOf(ours, () => ours.pause());
        const closed = closeOf(ours);
        peer.write(messages("0", length, deflate, KEY));
        await until(() => ours.isPaused);
        peer.write(messages("123456789", length, deflate, KEY));
        await until(() => tcp.readableLength > 0);
        end(ours, tcp);
        await closed;
        assert.deepEqual(log, [...DIGITS]);
        assert.equal(ours.isPaused, false);
      });
    }
  }

  for (const when of [
    "while the previous message is inflated",
    "in the listener of the previous message",
  ]) {
    test(`messages that are still in the socket, before RST ${when}`, async (context) => {
      const { ours, tcp, peer } = await accept(context, true);
      const breaks = (): void => void tcp.destroy(new Error("ECONNRESET"));
      const log = logOf(ours, () => {
        if (when === "in the listener of the previous message") breaks();
      });
      const closed = closeOf(ours);
      peer.write(messages("0", LARGE, true, KEY));
      await until(() => tcp.isPaused());
      // Simulates data that arrives before the first message is inflated.
      tcp.unshift(messages("123456789", 10, true, KEY));
      if (when !== "in the listener of the previous message") breaks();
      await closed;
      assert.deepEqual(log, [...DIGITS]);
    });
  }

  test("messages in the same packet as the handshake response, before RST", async (context) => {
    const { url } = await acceptByHand(context, false, messages(DIGITS, 10, false));
    let reset = (): void => {};
    const onSocket = (message: unknown): void => {
      if (!(message instanceof Object)) return;
      const tcp: unknown = Reflect.get(message, "socket");
      if (tcp instanceof TcpSocket) reset = () => void tcp.destroy(new Error("ECONNRESET"));
    };
    const log: unknown[] = [];
    subscribe("net.client.socket", onSocket);
    const socket = new WebSocket(url);
    unsubscribe("net.client.socket", onSocket);
    // The reset occurs before the client reads the first message.
    socket.onopen = () => reset();
    socket.onmessage = ({ data }) => log.push(`${data}`.charAt(0));
    await once(socket, "close");
    assert.deepEqual(log, [...DIGITS]);
  });
});
