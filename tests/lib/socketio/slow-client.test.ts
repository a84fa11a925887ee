// Tests clients that receive more slowly than the program sends. The program either waits with drained(), or
// `backpressurePolicy` determines which waiting messages are dropped.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Adapter as StockAdapter } from "socket.io-adapter";
import * as msgpack from "../../../protocol/socketio/msgpack-parser.ts";
import type { BackpressurePolicy, Server, ServerOptions, Socket } from "../../../server.ts";
import { join, PollingClient, serve, turn, until, WebSocketClient } from "../../support/net.ts";
import { keys } from "../../support/table.ts";

const PARTS = 200;
const PART = "x".repeat(100_000);
/**
 * The limit for the bytes that wait. It exceeds the size of the largest response to a poll, but is much less than the
 * size of all parts together.
 */
const MOST = 2_000_000;

/** Sends all parts. Returns the largest number of bytes that waited. */
async function sendAll(socket: Socket): Promise<number> {
  let most = 0;
  for (let n = 0; n < PARTS; n++) {
    socket.emit("part", n, PART);
    most = Math.max(most, socket.bufferedAmount);
    await socket.drained();
  }
  return most;
}

describe("drained()", () => {
  test("limits the waiting bytes of a client that reads slowly over WebSocket", async (context) => {
    const { io, port } = await serve(context);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join();
    const socket = await connected;
    client.socket.pause();
    const done = sendAll(socket);
    await until(() => socket.bufferedAmount > 0);
    client.socket.resume();
    for (let n = 0; n < PARTS; n++) {
      assert.equal(`${await client.next()}`.slice(0, 20), `42["part",${n},"${PART}`.slice(0, 20));
    }
    assert.ok((await done) < MOST, "too many bytes waited");
    assert.equal(socket.bufferedAmount, 0);
    client.socket.terminate();
  });

  test("limits the waiting bytes of a client that polls", async (context) => {
    const { io, port } = await serve(context);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = await PollingClient.open(port);
    await client.join();
    const socket = await connected;
    const done = sendAll(socket);
    for (let received = 0; received < PARTS; ) {
      const { body } = await client.poll();
      received += body.split("\u001e").length;
    }
    assert.ok((await done) < MOST, "too many bytes waited");
  });

  test("resolves at once if nothing waits, and when the client disconnects", async (context) => {
    const { io, port } = await serve(context);
    const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
    const client = new WebSocketClient(port);
    await client.join();
    const socket = await connected;
    await socket.drained();
    client.socket.pause();
    while (socket.bufferedAmount < MOST) socket.emit("part", 0, PART);
    const drained = socket.drained();
    client.socket.terminate();
    await Promise.all([drained, once(client.socket, "close")]);
    await until(() => socket.disconnected);
    await socket.drained();
  });
});

/** The kinds of messages that may wait for a client. */
type Kind =
  | "volatile event"
  | "event"
  | "event with attachments"
  | "event with an acknowledgement"
  | "acknowledgement"
  | "heartbeat";

/** The outcome for messages of one kind that exceed maxBackpressure. */
type Outcome =
  /** The oldest messages are dropped, and the client stays connected. */
  | "oldest dropped"
  /** Each message that cannot be sent at once is dropped. */
  | "never waits"
  /** The client is disconnected. */
  | "disconnected";

const OUTCOMES: Readonly<Record<BackpressurePolicy, Readonly<Record<Kind, Outcome>>>> = {
  close: {
    "volatile event": "never waits",
    event: "disconnected",
    "event with attachments": "disconnected",
    "event with an acknowledgement": "disconnected",
    acknowledgement: "disconnected",
    heartbeat: "disconnected",
  },
  "drop-volatile": {
    "volatile event": "oldest dropped",
    event: "disconnected",
    "event with attachments": "disconnected",
    "event with an acknowledgement": "disconnected",
    acknowledgement: "disconnected",
    heartbeat: "disconnected",
  },
  "drop-oldest": {
    "volatile event": "never waits",
    event: "oldest dropped",
    "event with attachments": "oldest dropped",
    "event with an acknowledgement": "disconnected",
    acknowledgement: "disconnected",
    heartbeat: "disconnected",
  },
};

const BOUND = 20_000;
const COUNT = 200;
const TEXT = "x".repeat(500);
/** A WebSocket cannot send this text at once, so packets after it in the same turn of the event loop must wait. */
const FILLER = "x".repeat(200_000);

/** Sends message number `n` of each kind. `answer` acknowledges the client's event with this number. */
const SEND: Readonly<
  Record<Kind, (socket: Socket, n: number, answer: (...args: unknown[]) => void) => void>
> = {
  "volatile event": (socket, n) => socket.volatile.emit("n", n, TEXT),
  event: (socket, n) => socket.emit("n", n, TEXT),
  "event with attachments": (socket, n) =>
    socket.emit("n", n, Buffer.alloc(500, n), Buffer.of(n, n)),
  "event with an acknowledgement": (socket, n) => socket.emit("n", n, TEXT, () => {}),
  acknowledgement: (_socket, n, answer) => answer(n, TEXT),
  heartbeat: ({ conn }) => conn.onPingDue(),
};

/** A client that receives nothing until received() is called. */
interface SlowClient {
  readonly socket: Socket;
  /** The callbacks that acknowledge the client's events. */
  readonly answers: ((...args: unknown[]) => void)[];
  /**
   * Blocks the client's connection: until the end of this turn of the event loop, packets to the client wait in the
   * session.
   */
  stall(): void;
  /** Returns the packets received before the event "end". */
  received(): Promise<(string | Buffer)[]>;
}

const END = '42["end"]';

/** Resolves to the acknowledgement callbacks of the next client that connects. */
function accept(io: Server): Promise<SlowClient["answers"]> {
  return new Promise((resolve) =>
    io.once("connection", (socket) => {
      const answers: SlowClient["answers"] = [];
      socket.on("ask", (answer) => answers.push(answer));
      resolve(answers);
    }),
  );
}

const ASK = Array.from({ length: COUNT }, (_, n) => `42${n}["ask"]`);

type Transport = "polling" | "websocket";

const CLIENTS: Readonly<Record<Transport, (io: Server, port: number) => Promise<SlowClient>>> = {
  polling: async (io, port) => {
    const accepted = accept(io);
    const client = await PollingClient.open(port);
    await client.join();
    const answers = await accepted;
    await client.post(ASK.join("\x1e"));
    const [socket] = io.sockets.sockets.values();
    assert.ok(socket !== undefined);
    const received = async (): Promise<(string | Buffer)[]> => {
      const packets: (string | Buffer)[] = [];
      while (packets.at(-1) !== END) {
        for (const packet of (await client.poll()).body.split("\x1e")) {
          packets.push(packet.startsWith("b") ? Buffer.from(packet.slice(1), "base64") : packet);
        }
      }
      return packets.slice(0, -1);
    };
    // No poll is pending, so all packets already wait in the session, and stall() has nothing to do.
    return { socket, answers, stall: () => {}, received };
  },
  websocket: async (io, port) => {
    const accepted = accept(io);
    const client = new WebSocketClient(port);
    await client.join();
    const answers = await accepted;
    for (const ask of ASK) client.send(ask);
    await until(() => answers.length === COUNT);
    const [socket] = io.sockets.sockets.values();
    assert.ok(socket !== undefined);
    const received = async (): Promise<(string | Buffer)[]> => {
      assert.equal(await client.next(), `42["filler","${FILLER}"]`);
      const packets: (string | Buffer)[] = [];
      while (packets.at(-1) !== END) packets.push(await client.next());
      client.socket.terminate();
      return packets.slice(0, -1);
    };
    return { socket, answers, stall: () => socket.emit("filler", FILLER), received };
  },
};

/** Starts a server with one client. `bounds` contains the names of the limits that the server has logged. */
async function serveSlow(
  context: TestContext,
  transport: Transport,
  options: ServerOptions,
): Promise<SlowClient & { io: Server; bounds: unknown[] }> {
  const bounds: unknown[] = [];
  const logger = {
    warn: (_message: string, details: object) => bounds.push(Reflect.get(details, "bound")),
  };
  const { io, port } = await serve(context, { ...options, logger });
  return { io, bounds, ...(await CLIENTS[transport](io, port)) };
}

/** Returns the numbers of the messages of a kind. Asserts that each message is complete. */
function numbersOf(kind: Kind, received: readonly (string | Buffer)[]): number[] {
  if (kind !== "event with attachments") {
    return received.map((packet) => Number(/^42\["n",(\d+),/.exec(`${packet}`)?.[1]));
  }
  assert.equal(received.length % 3, 0);
  return Array.from({ length: received.length / 3 }, (_, index) => {
    const [text, first, second] = received.slice(3 * index, 3 * index + 3);
    const n = Number(/^452-\["n",(\d+),/.exec(`${text}`)?.[1]);
    assert.deepEqual([first, second], [Buffer.alloc(500, n), Buffer.of(n, n)]);
    return n;
  });
}

/** Starts a server with a client, sends COUNT messages of one kind, and checks the outcome. */
async function overflow(
  context: TestContext,
  transport: Transport,
  policy: BackpressurePolicy,
  kind: Kind,
): Promise<void> {
  const options = { maxBackpressure: BOUND, backpressurePolicy: policy };
  const { io, socket, answers, bounds, stall, received } = await serveSlow(
    context,
    transport,
    options,
  );
  stall();
  const before = socket.conn.transport.bufferedAmount;
  const waiting = (): number => socket.bufferedAmount - before;
  let most = 0;
  for (const [n, answer] of answers.entries()) {
    SEND[kind](socket, n, answer);
    most = Math.max(most, waiting());
  }
  assert.ok(most <= BOUND, `${most} bytes waited`);
  const { dropped } = io.stats();
  const outcome = OUTCOMES[policy][kind];
  assert.equal(socket.disconnected, outcome === "disconnected");
  // The limit is logged once, however many events were dropped.
  assert.deepEqual(bounds, outcome === "never waits" ? [] : ["maxBackpressure"]);
  assert.deepEqual(io.stats().bounds, outcome === "never waits" ? {} : { maxBackpressure: 1 });
  if (outcome === "disconnected") {
    assert.equal(dropped, 0);
    assert.equal(socket.bufferedAmount, socket.conn.transport.bufferedAmount);
    return;
  }
  socket.emit("end");
  const numbers = numbersOf(kind, await received());
  if (outcome === "never waits") {
    assert.deepEqual([numbers, dropped, most], [[], 0, 0]);
    return;
  }
  // No more messages were dropped than necessary, and the other messages arrived in order.
  assert.ok(most > BOUND - 1000, `only ${most} bytes waited`);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, index) => COUNT - numbers.length + index),
  );
  assert.ok(numbers.length > 20 && numbers.length < 40, `${numbers.length}`);
  assert.equal(io.stats().dropped, COUNT - numbers.length);
  assert.equal(socket.connected, true);
}

describe("backpressurePolicy at maxBackpressure:", () => {
  for (const policy of keys(OUTCOMES)) {
    for (const kind of keys(OUTCOMES[policy])) {
      for (const transport of keys(CLIENTS)) {
        test(`${policy}, ${kind}: ${OUTCOMES[policy][kind]}, over ${transport}`, (context) =>
          overflow(context, transport, policy, kind));
      }
    }
  }
});

/** Configurations in which events reach the session in different ways. */
const VARIANTS = {
  "socket.io's adapter": { adapter: StockAdapter },
  recovery: { connectionStateRecovery: {} },
  "a custom parser": { parser: msgpack },
} satisfies Record<string, ServerOptions>;

/** The packet with which a client joins the main namespace. */
const CONNECT: Readonly<Record<keyof typeof VARIANTS, string>> = {
  "socket.io's adapter": "40",
  recovery: "40",
  "a custom parser": `b${Buffer.concat(new msgpack.Encoder().encode({ type: 0, nsp: "/" }).map((part) => Buffer.from(part))).toString("base64")}`,
};

const DROP_OLDEST = { maxBackpressure: BOUND, backpressurePolicy: "drop-oldest" } as const;
const DROP_VOLATILE = { maxBackpressure: BOUND, backpressurePolicy: "drop-volatile" } as const;

describe("backpressurePolicy", () => {
  test("drop-oldest keeps acknowledgements, and the order of all packets", async (context) => {
    const { io, socket, answers, received } = await serveSlow(context, "polling", DROP_OLDEST);
    for (const [n, answer] of answers.slice(0, 10).entries()) {
      socket.emit("n", n, TEXT);
      answer(n);
      io.emit("n", n, TEXT, Buffer.of(n));
      for (let m = 0; m < 5; m++) socket.emit("lost", TEXT);
    }
    for (let n = 0; n < 15; n++) socket.emit("late", n, TEXT);
    socket.emit("end");
    const packets = await received();
    const acks = packets.filter((packet) => `${packet}`.startsWith("43"));
    assert.deepEqual(
      acks,
      Array.from({ length: 10 }, (_, n) => `43${n}[${n}]`),
    );
    const late = packets.filter((packet) => `${packet}`.startsWith('42["late"'));
    assert.equal(late.length, 15);
    // A packet that waited behind an acknowledgement still arrives after the acknowledgement.
    assert.equal(packets[0], "430[0]");
    assert.deepEqual(packets.slice(-15), late);
    assert.ok(io.stats().dropped > 0, "no event was dropped");
  });

  test("drop-oldest keeps CONNECT and CONNECT_ERROR packets", async (context) => {
    const { io, port } = await serve(context, DROP_OLDEST);
    for (const namespace of ["/", "/other"]) {
      io.of(namespace).on("connection", (socket) => {
        for (let n = 0; n < COUNT; n++) socket.emit("n", n, TEXT);
      });
    }
    const client = await PollingClient.open(port);
    await client.post("40\x1e40/other,\x1e40/unknown,");
    await until(() => io.of("/other").sockets.size === 1);
    const packets = (await client.poll()).body.split("\x1e");
    const kinds = packets.map((packet) => packet.replace(/[{[].*/, ""));
    assert.deepEqual(new Set(kinds), new Set(["44/unknown,", "40", "40/other,", "42/other,"]));
    assert.ok(kinds.indexOf("40/other,") < kinds.indexOf("42/other,"));
    assert.match(`${packets.at(-1)}`, new RegExp(`^42/other,\\["n",${COUNT - 1},`));
  });

  test("drop-oldest drops an event that cannot fit, instead of all other events", async (context) => {
    const { io, socket, answers, received } = await serveSlow(context, "polling", DROP_OLDEST);
    socket.emit("small", 1);
    answers[0]?.(TEXT);
    socket.emit("large", "x".repeat(BOUND));
    socket.emit("small", 2);
    socket.emit("end");
    const packets = await received();
    assert.deepEqual(packets, ['42["small",1]', `430["${TEXT}"]`, '42["small",2]']);
    assert.equal(io.stats().dropped, 1);
  });

  test("drop-oldest lets one event larger than maxBackpressure wait", async (context) => {
    const { io, socket, received } = await serveSlow(context, "polling", DROP_OLDEST);
    const large = "x".repeat(2 * BOUND);
    socket.emit("small", 1);
    socket.emit("large", large);
    assert.equal(io.stats().dropped, 1);
    const [poll] = await Promise.all([received(), socket.drained().then(() => socket.emit("end"))]);
    assert.deepEqual(poll, [`42["large","${large}"]`]);
  });

  test("drop-volatile drops volatile events first, and disconnects when other events exceed the limit", async (context) => {
    const { io, socket } = await serveSlow(context, "polling", DROP_VOLATILE);
    for (let n = 0; n < 20; n++) socket.volatile.emit("v", n, TEXT);
    assert.equal(io.stats().dropped, 0);
    let sent = 0;
    while (socket.connected) {
      socket.emit("n", sent++, TEXT);
      assert.ok(socket.bufferedAmount <= BOUND);
    }
    assert.equal(io.stats().dropped, 20);
    assert.ok(sent > 25, "volatile events have used a part of the limit");
    assert.deepEqual(io.stats().closes, { "transport error": 1 });
  });

  test("drop-volatile keeps volatile events in order with other events", async (context) => {
    const { socket, received } = await serveSlow(context, "polling", DROP_VOLATILE);
    for (let n = 0; n < 10; n++) {
      if (n % 2 === 0) socket.volatile.emit("n", n, TEXT);
      else socket.emit("n", n, TEXT);
    }
    socket.emit("end");
    assert.deepEqual(numbersOf("event", await received()), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("logs only the first dropped event until the client has received everything", async (context) => {
    const { socket, bounds, received } = await serveSlow(context, "polling", DROP_OLDEST);
    for (let round = 1; round <= 2; round++) {
      for (let n = 0; n < COUNT; n++) socket.emit("n", n, TEXT);
      socket.emit("end");
      assert.equal(bounds.length, round);
      await received();
    }
  });

  for (const variant of keys(VARIANTS)) {
    test(`with ${variant}, drop-oldest drops events, except those with an acknowledgement`, async (context) => {
      const { io, port } = await serve(context, { ...DROP_OLDEST, ...VARIANTS[variant] });
      const client = await PollingClient.open(port);
      await client.join(CONNECT[variant]);
      const [socket] = io.sockets.sockets.values();
      for (let n = 0; n < COUNT; n++) {
        io.emit("n", n, TEXT);
        socket?.emit("m", n, TEXT);
      }
      assert.equal(socket?.connected, true);
      assert.ok(io.stats().dropped > 300);
      for (let n = 0; n < COUNT; n++) io.timeout(60_000).emit("asks", TEXT, () => {});
      assert.equal(socket?.connected, false);
    });
  }

  test("a client that stops reading does not delay other clients, and uses a limited amount of memory", async (context) => {
    const bound = 1_000_000;
    const options = { maxBackpressure: bound, backpressurePolicy: "drop-oldest" } as const;
    const { io, port } = await serve(context, options);
    const clients = [];
    for (let n = 0; n < 3; n++) {
      const client = new WebSocketClient(port);
      await client.join();
      clients.push(client);
    }
    const [slow, ...others] = clients;
    const [socket] = io.sockets.sockets.values();
    assert.ok(slow !== undefined && socket !== undefined);
    slow.socket.pause();
    let most = 0;
    // The total size of the events exceeds the buffers of the operating system, and is many times the limit.
    for (let n = 0; n < 400; n++) {
      io.emit("n", n, PART);
      most = Math.max(most, socket.bufferedAmount);
      for (const other of others) {
        assert.match(`${await other.next()}`.slice(0, 20), new RegExp(`^42\\["n",${n},`));
      }
    }
    const { dropped } = io.stats();
    assert.ok(dropped > 0 && most > bound, `${dropped} events dropped, ${most} bytes waited`);
    // One more part may be in the buffer of the transport.
    assert.ok(most < bound + 2 * PART.length, `${most} bytes waited`);
    slow.socket.resume();
    const numbers: number[] = [];
    while (numbers.at(-1) !== 399) {
      numbers.push(Number(/^42\["n",(\d+),/.exec(`${await slow.next()}`)?.[1]));
    }
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
    assert.equal(numbers.length, 400 - dropped);
    assert.equal(socket.connected, true);
    for (const client of clients) client.socket.terminate();
  });

  test("dropped events do not count towards maxTotalBackpressure, which still disconnects a slow client", async (context) => {
    const { io, port } = await serve(context, {
      backpressurePolicy: "drop-oldest",
      maxBackpressure: 100_000,
      maxTotalBackpressure: 250_000,
    });
    const ends: unknown[] = [];
    io.on("connection", (socket) => {
      socket.on("disconnect", (_reason, detail) => ends.push(socket.data, detail?.message));
    });
    for (let n = 0; n < 3; n++) await (await PollingClient.open(port)).join();
    const [first, second, third] = io.sockets.sockets.values();
    for (const [n, socket] of [first, second, third].entries()) if (socket) socket.data = n;
    // Without dropping, each client would exceed both limits by far.
    for (let n = 0; n < 1000; n++) for (const socket of [first, second]) socket?.emit("n", TEXT);
    assert.deepEqual(ends, []);
    assert.ok(io.stats().dropped > 1000);
    for (let n = 0; n < 100; n++) third?.emit("n", TEXT);
    assert.equal(ends.length, 2);
    assert.equal(ends[1], "too many bytes wait for all clients");
    assert.notEqual(ends[0], 2);
  });

  test("a recovered client receives dropped events again if it has received no later event", async (context) => {
    const { io, client, pid, offset, answer } = await serveRecovering(context);
    // The acknowledgement uses most of the limit, so some events are dropped.
    answer("x".repeat(15_000));
    for (let n = 0; n < 40; n++) io.emit("n", n);
    assert.ok(io.stats().dropped > 0, "no event was dropped");
    const again = await comeBack(io, client, { pid, offset });
    assert.equal(again.missed, 40);
    assert.equal(again.recovered, true);
  });

  test("a recovered client does not receive dropped events again if it has received a later event", async (context) => {
    const { io, client, pid } = await serveRecovering(context);
    for (let n = 0; n < COUNT; n++) io.emit("n", n);
    assert.ok(io.stats().dropped > 0, "no event was dropped");
    const offset = offsetOf((await client.poll()).body);
    const again = await comeBack(io, client, { pid, offset });
    assert.equal(again.missed, 0);
    assert.equal(again.recovered, true);
  });

  test("a client that has missed too many events, including dropped events, starts a new session", async (context) => {
    const { io, client, pid, offset } = await serveRecovering(context);
    for (let n = 0; n < COUNT; n++) io.emit("n", n);
    const again = await comeBack(io, client, { pid, offset });
    assert.equal(again.missed, 0);
    assert.equal(again.recoveryFailure, "packets dropped");
  });

  test("missed events that are sent to a recovered client may be dropped too", async (context) => {
    setFlagsFromString("--expose-gc");
    const collect: unknown = runInNewContext("gc");
    assert.ok(typeof collect === "function");
    const { io, client, pid, offset } = await serveRecovering(context);
    for (const { conn } of io.sockets.sockets.values()) conn.discard("transport close");
    for (let n = 0; n < 30; n++) io.emit("n", n);
    // After this turn of the event loop and a garbage collection, only the texts of the events are still in memory.
    await turn();
    collect();
    const again = await PollingClient.open(client.port);
    await again.post(`40${JSON.stringify({ pid, offset })}`);
    await until(() => io.sockets.sockets.size === 1);
    for (let n = 30; n < 130; n++) io.emit("n", n);
    const [welcome, ...packets] = (await again.poll()).body.split("\x1e");
    assert.match(`${welcome}`, /^40\{/);
    const numbers = numbersOf("event", packets);
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, index) => 130 - numbers.length + index),
    );
    assert.ok(numbers.length > 50, `${numbers.length}`);
  });
});

/** Returns the offset of the last event in a response to a poll. */
function offsetOf(body: string): string {
  const [, offset = ""] = /"([^"]+)"\]$/.exec(body) ?? [];
  return offset;
}

interface Recovering {
  readonly io: Server;
  readonly client: PollingClient;
  readonly pid: string;
  /** The offset of the only event that the client has received. */
  readonly offset: string;
  /** Acknowledges an event of the client. */
  readonly answer: (value: string) => void;
}

/** Starts a server with recovery, and a client that may recover. */
async function serveRecovering(context: TestContext): Promise<Recovering> {
  const { io, port } = await serve(context, { ...DROP_OLDEST, connectionStateRecovery: {} });
  const accepted = accept(io);
  const client = await PollingClient.open(port);
  const { pid } = JSON.parse((await client.join()).slice(2));
  await client.post('420["ask"]');
  const [answer] = await accepted;
  assert.ok(answer !== undefined);
  io.emit("first");
  const offset = offsetOf((await client.poll()).body);
  return { io, client, pid, offset, answer };
}

/** Breaks the connection of a client, and connects the client again with the given `auth`. */
async function comeBack(
  io: Server,
  { port }: PollingClient,
  auth: object,
): Promise<Pick<Socket, "recovered" | "recoveryFailure"> & { readonly missed: number }> {
  for (const { conn } of io.sockets.sockets.values()) conn.discard("transport close");
  const { client, socket } = await join(io, port, auth);
  socket.emit("end");
  let missed = 0;
  while (!`${await client.next()}`.startsWith('42["end"')) missed++;
  client.socket.terminate();
  const { recovered, recoveryFailure } = socket;
  return { recovered, recoveryFailure, missed };
}
