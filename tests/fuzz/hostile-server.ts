// Connects the barewire client to servers that send random statuses, open packets, payloads or frames, or nothing.

import assert from "node:assert/strict";
import { createServer, type Socket as TcpSocket } from "node:net";

import fc from "fast-check";

import { io as connect, type Socket } from "../../client/index.ts";
import { acceptKey } from "../../protocol/websocket/handshake.ts";
import { frame } from "../support/frame.ts";
import { listen, reset } from "../support/net.ts";
import { edited } from "./engineio.ts";
import { check, type Layer, Outcomes, within } from "./layer.ts";
import { underFire } from "./server.ts";
import { packetText } from "./socketio.ts";
import { frames } from "./websocket.ts";

const OPEN =
  '0{"sid":"a","upgrades":["websocket"],"pingInterval":100,"pingTimeout":100,"maxPayload":1000}';
const CONNECTED = '40{"sid":"b"}';
const packet = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '40{"sid":"b","pid":"c"}',
      '42["echo",1]',
      '421["ask"]',
      '430["late"]',
      "2",
      "3probe",
      "6",
      "41",
      '44{"message":"no"}',
      '40/admin,{"sid":"d"}',
      "1",
      OPEN,
    ),
  },
  { weight: 2, arbitrary: packetText.map((text) => `4${text}`) },
  { weight: 1, arbitrary: edited(fc.constantFrom(OPEN, '40{"sid":"b"}')) },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ maxLength: 6 })
      .map((data) => `b${Buffer.from(data).toString("base64")}`),
  },
);
const open = fc.oneof(
  { weight: 6, arbitrary: fc.constant(OPEN) },
  edited(fc.constant(OPEN)),
  packet,
);

interface HttpAnswer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

interface Switching {
  readonly head: string;
  readonly frames: Uint8Array;
}

/**
 * The server's response to one request: `http` to a polling request, and `switching` to an upgrade request. If
 * `instead` is defined, it selects another response to both kinds of request.
 */
interface Answer {
  readonly http: HttpAnswer;
  readonly switching: Switching;
  readonly instead: "http" | "switching" | "silence" | "end" | "reset" | Uint8Array | undefined;
}

const status = fc.oneof(
  { weight: 8, arbitrary: fc.constant(200) },
  fc.constantFrom(100, 101, 204, 302, 304, 400, 401, 500, 999),
);
const headers = fc.oneof(
  { weight: 6, arbitrary: fc.constant("") },
  fc.constantFrom(
    "Set-Cookie: a=b; Max-Age=x\r\n",
    "Location: /\r\n",
    "Content-Encoding: gzip\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
    "X: \0\r\n",
  ),
);
const head = fc.oneof(
  { weight: 8, arbitrary: fc.constant("") },
  fc.constantFrom(
    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    "Sec-WebSocket-Protocol: x\r\n",
    "Sec-WebSocket-Accept: x\r\n",
  ),
);

/** Generates responses. Most responses consist of text packets, and the first of these packets are from `beginning`. */
function answers(beginning: fc.Arbitrary<readonly string[]>): fc.Arbitrary<Answer> {
  const all = fc
    .tuple(beginning, fc.array(packet, { maxLength: 3 }))
    .map(([first, rest]) => [...first, ...rest]);
  const payload = all.map((texts) => texts.join("\x1e"));
  const textFrames = all.map(
    (texts) => new Uint8Array(Buffer.concat(texts.map((each) => frame(1, each)))),
  );
  const noise = frames(fc.constant(false));
  return fc.record({
    http: fc.record({
      status,
      headers,
      body: fc.oneof({ weight: 6, arbitrary: payload }, edited(payload)),
    }),
    switching: fc.record({
      head,
      frames: fc.oneof(
        { weight: 6, arbitrary: textFrames },
        fc.tuple(textFrames, noise).map((both) => new Uint8Array(Buffer.concat(both))),
        noise,
      ),
    }),
    instead: fc.oneof(
      { weight: 16, arbitrary: fc.constant(undefined) },
      { weight: 4, arbitrary: fc.constantFrom("http", "switching", "silence", "end", "reset") },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
    ),
  });
}

const opening = answers(
  fc.oneof(
    fc.constant([OPEN, CONNECTED]),
    open.map((each) => [each]),
  ),
);
const following = answers(
  fc.constantFrom<readonly string[]>([CONNECTED], ["3probe"], [OPEN, CONNECTED], []),
);

const play = fc.record({
  transports: fc.constantFrom<("polling" | "websocket")[]>(
    ["polling"],
    ["websocket"],
    ["polling", "websocket"],
  ),
  reconnection: fc.boolean(),
  answers: fc
    .tuple(opening, fc.array(following, { maxLength: 6, size: "max" }))
    .map(([first, rest]) => [first, ...rest]),
});
type Play = typeof play extends fc.Arbitrary<infer T> ? T : never;

/** Answers one request of the client. */
function give(answered: Answer, request: string, socket: TcpSocket): void {
  const key = /sec-websocket-key: (.*)\r\n/i.exec(request)?.[1];
  const how = answered.instead ?? (key === undefined ? "http" : "switching");
  if (how === "http") giveHttp(answered.http, socket);
  else if (how === "switching") giveSwitch(answered.switching, key ?? "", socket);
  else if (how === "end") socket.end();
  else if (how === "reset") reset(socket);
  else if (how !== "silence") socket.end(how);
}

function giveHttp({ status, headers, body: text }: HttpAnswer, socket: TcpSocket): void {
  const length = headers === "" ? `Content-Length: ${Buffer.byteLength(text)}\r\n` : "";
  socket.write(`HTTP/1.1 ${status} X\r\n${length}${headers}\r\n${text}`);
  // `headers` may lack a valid Content-Length, so the server ends the connection to mark the end of the body.
  if (headers !== "") socket.end();
}

function giveSwitch({ head, frames: sent }: Switching, key: string, socket: TcpSocket): void {
  const accept = `Sec-WebSocket-Accept: ${acceptKey(key)}`;
  const lines = ["HTTP/1.1 101 X", "Upgrade: websocket", "Connection: Upgrade", accept];
  socket.write(`${lines.join("\r\n")}\r\n${head}\r\n`);
  socket.write(sent);
}

const REASONS = new Set([
  "io server disconnect",
  "io client disconnect",
  "ping timeout",
  "transport close",
  "transport error",
  "parse error",
]);
const TOGETHER = 16;
const LONGEST_MS = 5000;
const QUIET_MS = 400;

export const hostileServers: Layer = {
  name: "hostile servers",
  async start() {
    const honest = await underFire({});
    const outcomes = new Outcomes();
    let tried = 0;

    const perform = async ({ transports, reconnection, answers }: Play): Promise<void> => {
      const connections = new Set<TcpSocket>();
      let next = 0;
      let active = performance.now();
      const server = createServer((socket) => {
        connections.add(socket);
        socket.on("error", () => {}).on("close", () => connections.delete(socket));
        socket.on("data", (data: Buffer) => {
          active = performance.now();
          const text = data.toString("latin1");
          // After an upgrade the client sends frames. The server ignores frames and responds only to requests.
          if (!/^(?:GET|POST) /.test(text)) return;
          const given = answers[next++];
          if (given === undefined) socket.destroy();
          else give(given, text, socket);
        });
      });
      const port = await listen(server);
      const client = connect(`http://127.0.0.1:${port}`, {
        transports,
        reconnection,
        reconnectionDelay: 5,
        reconnectionDelayMax: 10,
        reconnectionAttempts: 3,
        timeout: 300,
        forceNew: true,
      });
      listenTo(client);
      client.emit("echo", 1);
      client.timeout(200).emit("ask", () => {});
      const over = (): boolean => next >= answers.length || performance.now() - active > QUIET_MS;
      await within(LONGEST_MS, over, () => `no end after ${next} of ${answers.length} requests`);
      client.disconnect();
      assert.equal(client.connected, false);
      await within(
        LONGEST_MS,
        () => connections.size === 0 || performance.now() - active > QUIET_MS,
        () => "connections are left",
      );
      for (const socket of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    };

    const listenTo = (client: Socket): void => {
      client.on("connect", () => outcomes.add("(connected)"));
      client.on("connect_error", (error) => {
        assert.ok(error instanceof Error && error.message !== "");
        outcomes.add(error.name);
      });
      client.on("disconnect", (reason) => {
        assert.ok(REASONS.has(reason), reason);
        outcomes.add(reason);
      });
      client.onAny((_event, ...args) => {
        outcomes.add("(event)");
        const reply = args.at(-1);
        if (typeof reply === "function") reply("answer");
      });
    };

    const property = fc.asyncProperty(
      fc.array(play, { minLength: 1, maxLength: TOGETHER, size: "max" }),
      async (all) => {
        tried += all.length;
        await Promise.all(all.map(perform));
        await honest.checkWitnesses();
      },
    );
    return {
      batch: 10,
      tried: () => tried,
      attempt: (seed, runs) => check(property, seed, runs),
      reached: () => outcomes.toString(),
      settle: honest.settle,
      stop: honest.stop,
    };
  },
};
