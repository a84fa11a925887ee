// Fuzzes whole conversations with a server through real sockets. Several clients at once connect over either
// transport, upgrade, join namespaces, acknowledge events, recover their sessions, and disconnect at any point.

import assert from "node:assert/strict";

import fc from "fast-check";
import { frame } from "../support/frame.ts";
import { PollingClient, reset, TcpClient, turn, upgradeRequest } from "../support/net.ts";
import { edited } from "./engineio.ts";
import { check, type Layer, Outcomes, settled, within } from "./layer.ts";
import { underFire } from "./server.ts";
import { packetText } from "./socketio.ts";
import { frames } from "./websocket.ts";

/** Placeholders for the `pid` and the offset, which the client has received and sends to recover its session. */
const PID = "$PID";
const OFFSET = "$OFFSET";

const usual = fc.constantFrom(
  "40",
  "40",
  '40{"token":1}',
  "40/admin,",
  "41",
  "41/admin,",
  '42["echo",1]',
  '420["echo",[1]]',
  '42["room",{"a":1}]',
  '430["answer"]',
  "431[]",
  `40{"pid":"${PID}","offset":"${OFFSET}"}`,
  `40{"pid":"${PID}"}`,
  "2",
  "3",
  "6",
  "2probe",
  "5",
  "1",
);
const packet = fc.oneof(
  { weight: 5, arbitrary: usual },
  { weight: 2, arbitrary: packetText.map((text) => `4${text}`) },
  { weight: 1, arbitrary: edited(usual) },
);

type Step =
  | { readonly does: "connect"; readonly over: "polling" | "websocket"; readonly deflate: boolean }
  | { readonly does: "upgrade"; readonly finish: boolean }
  | { readonly does: "poll" }
  | { readonly does: "say"; readonly packet: string; readonly attachments: readonly Uint8Array[] }
  | { readonly does: "bytes"; readonly bytes: Uint8Array }
  | { readonly does: "turns"; readonly count: number }
  | { readonly does: "drop"; readonly how: "end" | "reset" | "close" };

const masked = fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("connect" as const),
      over: fc.constantFrom("polling" as const, "websocket" as const),
      deflate: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("upgrade" as const), finish: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("poll" as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant("say" as const),
      packet,
      attachments: fc.oneof(
        { weight: 4, arbitrary: fc.constant([]) },
        fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 3 }),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant("bytes" as const), bytes: frames(masked) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant("turns" as const),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("drop" as const),
      how: fc.constantFrom("end" as const, "reset" as const, "close" as const),
    }),
  },
);
const connecting = fc.record({
  does: fc.constant("connect" as const),
  over: fc.constantFrom("polling" as const, "websocket" as const),
  deflate: fc.boolean(),
});
// Without these steps, few conversations get past the handshake.
const JOINING: readonly Step[] = [
  { does: "say", packet: "40", attachments: [] },
  { does: "poll" },
  { does: "turns", count: 4 },
];
const joining = fc.oneof({ weight: 3, arbitrary: fc.constant(JOINING) }, fc.constant([]));
const conversation = fc
  .tuple(connecting, joining, fc.array(step, { maxLength: 14, size: "max" }))
  .map(([first, then, rest]): readonly Step[] => [first, ...then, ...rest]);

const KEY = Uint8Array.of(7, 7, 7, 7);
const WEBSOCKET = "/socket.io/?EIO=4&transport=websocket";

/** A client with its session, its connection, and all that it has received. */
class Talker {
  readonly #port: number;
  #session: PollingClient | undefined;
  #tcp: TcpClient | undefined;
  /** The pending requests. */
  readonly #waiting = new Set<Promise<void>>();
  #heard = "";

  constructor(port: number) {
    this.#port = port;
  }

  async take(step: Step): Promise<void> {
    switch (step.does) {
      case "connect":
        this.#drop("end");
        this.#session = undefined;
        if (step.over === "polling") this.#session = await PollingClient.open(this.#port);
        else this.#open(WEBSOCKET, step.deflate);
        return;
      case "upgrade":
        await this.#upgrade(step.finish);
        return;
      case "poll": {
        const session = this.#session;
        if (session !== undefined) this.#ask(session.poll());
        return;
      }
      case "say":
        this.#say(this.#filled(step.packet), step.attachments);
        return;
      case "bytes":
        this.#tcp?.write(step.bytes);
        return;
      case "turns":
        for (let i = 0; i < step.count; i++) await turn();
        return;
      default:
        this.#drop(step.how);
    }
  }

  /** Sends a close packet, ends the connection, and waits for the pending requests. */
  async end(): Promise<void> {
    this.#say("1", []);
    this.#drop("end");
    await Promise.all(this.#waiting);
  }

  #open(path: string, deflate: boolean): void {
    this.#drop("end");
    const headers = deflate ? { "Sec-WebSocket-Extensions": "permessage-deflate" } : {};
    const tcp = new TcpClient(this.#port).write(upgradeRequest(path, headers));
    this.#tcp = tcp;
    tcp.socket.on("data", (chunk: Buffer) => this.#hear(chunk.toString("latin1")));
  }

  async #upgrade(finish: boolean): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    this.#open(`${WEBSOCKET}&sid=${session.sid}`, false);
    this.#tcp?.write(frame(1, "2probe", { key: KEY }));
    if (!finish) return;
    await settled(this.#tcp?.until("3probe"), 100);
    this.#tcp?.write(frame(1, "5", { key: KEY }));
    this.#session = undefined;
  }

  #say(text: string, attachments: readonly Uint8Array[]): void {
    const session = this.#session;
    if (session !== undefined) {
      const all = [text, ...attachments.map((each) => `b${Buffer.from(each).toString("base64")}`)];
      this.#ask(session.post(all.join("\x1e")));
      return;
    }
    this.#tcp?.write(frame(1, text, { key: KEY }));
    for (const each of attachments) this.#tcp?.write(frame(2, each, { key: KEY }));
  }

  #ask(answer: Promise<{ readonly body: string }>): void {
    const done: Promise<void> = answer
      .then(
        ({ body }) => this.#hear(body),
        () => {},
      )
      .finally(() => this.#waiting.delete(done));
    this.#waiting.add(done);
  }

  #drop(how: "end" | "reset" | "close"): void {
    const tcp = this.#tcp;
    this.#tcp = undefined;
    if (how === "close") tcp?.write(frame(8, "", { key: KEY }));
    if (how === "reset" && tcp !== undefined) reset(tcp.socket);
    else tcp?.socket.end();
  }

  #hear(text: string): void {
    this.#heard = (this.#heard + text).slice(-4000);
  }

  #filled(text: string): string {
    const pid = /.*"pid":"([^"]+)"/s.exec(this.#heard)?.[1] ?? "x";
    const offset = /.*,"([^"]+)"\]/s.exec(this.#heard)?.[1] ?? "x";
    return text.replace(PID, pid).replace(OFFSET, offset);
  }
}

const TOGETHER = 16;
/** How long to wait for the end of a conversation, in milliseconds. This is longer than every timeout of the server. */
const LONGEST_MS = 15_000;

export const conversations: Layer = {
  name: "conversations",
  async start() {
    const server = await underFire({
      pingInterval: 500,
      pingTimeout: 4000,
      connectTimeout: 400,
      upgradeTimeout: 300,
      maxHttpBufferSize: 10_000,
      maxBackpressure: 50_000,
      perMessageDeflate: { threshold: 0 },
      connectionStateRecovery: { maxDisconnectionDuration: 300 },
    });
    const { io } = server;
    const outcomes = new Outcomes();
    let tried = 0;
    io.on("connection", (socket) => {
      outcomes.add(socket.recovered ? "(recovered)" : "(connected)");
      socket.on("disconnect", (reason) => outcomes.add(reason));
      socket.conn.on("upgrade", () => outcomes.add("(upgraded)"));
      socket.on("echo", () => outcomes.add("(echo)"));
    });
    io.of("/admin").on("connection", () => outcomes.add("(/admin)"));

    const property = fc.asyncProperty(
      fc.array(conversation, { minLength: 1, maxLength: TOGETHER, size: "max" }),
      async (all) => {
        tried += all.length;
        const ended = Promise.all(
          all.map(async (steps) => {
            const talker = new Talker(server.port);
            for (const each of steps) await talker.take(each);
            await talker.end();
          }),
        );
        let over = false;
        ended.then(
          () => (over = true),
          () => (over = true),
        );
        await within(
          LONGEST_MS,
          () => over,
          () => "a conversation does not end",
        );
        await ended;
        await server.checkWitnesses();
      },
    );
    return {
      batch: 20,
      tried: () => tried,
      attempt: (seed, runs) => check(property, seed, runs),
      reached: () => `${outcomes}, breaches ${JSON.stringify(io.stats().breaches)}`,
      settle: async () => {
        await server.settle();
        assert.equal(io.stats().errors, 0);
      },
      stop: server.stop,
    };
  },
};
