// Engine.IO 4: the WebSocket transport, the heartbeat over both transports, and CORS.

import { type Case, expect, Failure, Skip } from "../kit/case.ts";
import { type Context, wait } from "../kit/context.ts";
import { quote } from "../kit/conversation.ts";
import {
  checkIntervals,
  expectPackets,
  maxPayloadOf,
  type OpenPacket,
  type Packet,
  PollingSession,
  parseObject,
  pathWith,
  SEPARATOR,
  SLACK,
  WebSocketSession,
  within,
} from "../kit/engineio.ts";
import { CONTINUATION, PING, PONG, TEXT } from "../kit/websocket.ts";

const WEBSOCKET = "Engine.IO v4, Packet encoding, WebSocket";
const HEARTBEAT = "Engine.IO v4, Heartbeat";

interface Echo {
  readonly name: string;
  readonly what: string;
  readonly packets: readonly Packet[];
}

// biome-ignore format: aligned table
const MESSAGES: readonly Echo[] = [
  { name: "text",         what: "a text",                              packets: ["4hello"] },
  { name: "empty-text",   what: "a text of no characters",             packets: ["4"] },
  { name: "non-ascii",    what: "a text of characters of two, three and four bytes", packets: ["4é日本😀ÿ\u{10ffff}"] },
  { name: "separator",    what: "a text with U+001E, which is one message", packets: [`4a${SEPARATOR}4b`] },
  { name: "looks-binary", what: "a text that looks like base64 of bytes", packets: ["4bAQID"] },
  { name: "binary",       what: "bytes, as they are",                  packets: [Uint8Array.from({ length: 256 }, (_, i) => i)] },
  { name: "binary-empty", what: "a message of no bytes",               packets: [new Uint8Array(0)] },
  { name: "mixed",        what: "texts and bytes by turns",            packets: ["4a", Uint8Array.of(4, 1), "4b", Uint8Array.of(0x34), "4c"] },
  { name: "large-text",   what: "a text of 90,000 characters",         packets: [`4${"x".repeat(90_000)}`] },
  { name: "large-binary", what: "a message of 90,000 bytes",           packets: [new Uint8Array(90_000).fill(7)] },
  { name: "many",         what: "two hundred texts in order",          packets: Array.from({ length: 200 }, (_, i) => `4${i}`) },
];

const ECHOES: readonly Case[] = MESSAGES.map(({ name, what, packets }) => ({
  id: `engineio4.websocket.echo-${name}`,
  title: `carries ${what} both ways`,
  clause: WEBSOCKET,
  severity: "MUST",
  sends: what,
  expects: "the same, each packet in a message of its own",
  run: async (context) => {
    const { session, open } = await WebSocketSession.open(context);
    const largest = Math.max(...packets.map(({ length }) => length));
    if (largest > open.maxPayload) throw new Skip(`its maxPayload is ${open.maxPayload}`);
    await session.echo(...packets);
  },
}));

interface Malformed {
  readonly name: string;
  readonly what: string;
  readonly severity: Case["severity"];
  readonly text: string;
}

// biome-ignore format: aligned table
const MALFORMED: readonly Malformed[] = [
  { name: "unknown-type",   what: "a packet of a type that there is not",  severity: "SHOULD", text: "7abc" },
  { name: "unknown-letter", what: "a packet whose type is a letter",       severity: "SHOULD", text: "abc" },
  { name: "empty-packet",   what: "a packet without a type",               severity: "SHOULD", text: "" },
  { name: "base64",         what: "base64, which is of polling",           severity: "INFO",   text: "bAQIDBA==" },
];

const BREACHES: readonly Case[] = MALFORMED.map(({ name, what, severity, text }) => ({
  id: `engineio4.websocket.${name}`,
  title: `ends the session for ${what}`,
  clause: WEBSOCKET,
  severity,
  sends: `a text frame with ${what}`,
  expects: "the end of the WebSocket",
  run: async (context) => {
    const { session } = await WebSocketSession.open(context);
    session.send(text);
    await session.expectClosed();
  },
}));

/** What is said of an id whose session is over WebSocket: the code of the refusal, where there is one. */
async function codeOf(context: Context, sid: string): Promise<unknown> {
  const path = pathWith(context.target, { EIO: "4", transport: "polling", sid });
  return parseObject((await context.http({ path })).body)?.code;
}

/** The session ends within a second: its id becomes unknown. */
async function expectForgotten(context: Context, sid: string): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    const code = await codeOf(context, sid);
    if (code === undefined) throw new Skip("its refusals have no code");
    if (code === 1) return;
    await wait(50);
  }
  throw new Failure("an id that is unknown", "one that is known");
}

const SESSION: readonly Case[] = [
  {
    id: "engineio4.websocket.fragmented",
    title: "takes a packet in several frames",
    clause: "RFC 6455 §5.4",
    severity: "MUST",
    sends: "a text message of three frames",
    expects: "the message",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context);
      session.peer.send({ opcode: TEXT, fin: false, payload: "4hel" });
      session.peer.send({ opcode: CONTINUATION, fin: false, payload: "lo" });
      session.peer.send({ opcode: CONTINUATION, payload: " you" });
      await session.expect("4hello you");
    },
  },
  {
    id: "engineio4.websocket.ping-frame",
    title: "answers a ping frame, which is none of Engine.IO's",
    clause: "RFC 6455 §5.5.2",
    severity: "MUST",
    sends: "a ping frame, and a message",
    expects: "a pong frame, and the message",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context);
      session.peer.send({ opcode: PING, payload: "x" });
      let frame = await session.peer.next();
      // A packet of Engine.IO's heartbeat may come first.
      if (frame?.opcode === TEXT) frame = await session.peer.next();
      expect(frame?.opcode === PONG, "a pong frame", `opcode ${frame?.opcode}`);
      session.send("3");
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.websocket.noop",
    title: "takes no notice of a noop",
    clause: "Engine.IO v4, Packet encoding",
    severity: "INFO",
    sends: "a noop packet, and a message",
    expects: "the message",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context);
      session.send("6");
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.websocket.apart",
    title: "gives each session its own messages",
    clause: "Engine.IO v4, Session identifier",
    severity: "MUST",
    sends: "messages by two WebSockets, by turns",
    expects: "to each its own, in order",
    run: async (context) => {
      const one = (await WebSocketSession.open(context)).session;
      const other = (await WebSocketSession.open(context)).session;
      one.send("4one 1");
      other.send("4other 1");
      one.send("4one 2");
      await other.expect("4other 1");
      await one.expect("4one 1", "4one 2");
    },
  },
  {
    id: "engineio4.limits.websocket",
    title: "ends a session whose message is larger than maxPayload",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "a message of more than maxPayload bytes",
    expects: "the end of the WebSocket",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      session.send(`4${"x".repeat(maxPayloadOf(open))}`);
      await session.expectClosed();
    },
  },
  {
    id: "engineio4.limits.websocket-max-payload",
    title: "takes a message of maxPayload bytes",
    clause: "Engine.IO v4, Handshake",
    severity: "MUST",
    sends: "a message of maxPayload bytes",
    expects: "the same",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      await session.echo(`4${"x".repeat(maxPayloadOf(open) - 1)}`);
    },
  },
  {
    id: "engineio4.close.websocket",
    title: "ends the session for a close packet over WebSocket",
    clause: "Engine.IO v4, Packet encoding",
    severity: "SHOULD",
    sends: "a close packet",
    expects: "the end of the WebSocket",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context);
      session.send("1");
      await session.expectClosed();
    },
  },
  {
    id: "engineio4.close.websocket-close-frame",
    title: "ends the session with its WebSocket",
    clause: "Engine.IO v4, WebSocket",
    severity: "MUST",
    sends: "a close frame, and a GET with the session's id",
    expects: "a close frame, and an id that is unknown",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      session.peer.sendClose(1000);
      await session.expectClosed();
      await expectForgotten(context, open.sid);
    },
  },
  {
    id: "engineio4.close.websocket-tcp",
    title: "ends the session when its connection breaks",
    clause: "Engine.IO v4, WebSocket",
    severity: "MUST",
    sends: "TCP's RST, and a GET with the session's id",
    expects: "an id that is unknown",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      session.peer.tcp.reset();
      await expectForgotten(context, open.sid);
    },
  },
  {
    id: "engineio4.close.websocket-fin",
    title: "ends the session when the client ends its connection",
    clause: "Engine.IO v4, WebSocket",
    severity: "MUST",
    sends: "TCP's FIN, and a GET with the session's id",
    expects: "an id that is unknown",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      session.peer.tcp.end();
      await expectForgotten(context, open.sid);
    },
  },
];

const HALF_A_MINUTE = 30_000;

/** A session over WebSocket whose heartbeat is not too long to wait for. */
async function openWebSocket(
  context: Context,
): Promise<{ readonly session: WebSocketSession; readonly open: OpenPacket }> {
  const opened = await WebSocketSession.open(context);
  checkIntervals(opened.open);
  return opened;
}

async function openPolling(context: Context): Promise<PollingSession> {
  const session = await PollingSession.open(context);
  checkIntervals(session.open);
  return session;
}

/** @throws Failure unless a ping took so long as it should */
function expectInterval(milliseconds: number, { pingInterval }: OpenPacket): void {
  // Clocks of servers may tick coarsely, and our own side may have been late to begin.
  const fits = milliseconds > pingInterval * 0.7 - 20 && milliseconds < pingInterval + SLACK;
  expect(fits, `a ping after about ${pingInterval} ms`, `after ${Math.round(milliseconds)} ms`);
}

const HEARTBEATS: readonly Case[] = [
  {
    id: "engineio4.heartbeat.polling",
    title: "sends a ping after pingInterval over polling",
    clause: HEARTBEAT,
    severity: "MUST",
    sends: "a GET",
    expects: 'a payload "2" after about pingInterval',
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const begin = performance.now();
      const session = await openPolling(context);
      expectPackets(session.packetsOf(await session.get()), ["2"]);
      expectInterval(performance.now() - begin, session.open);
    },
  },
  {
    id: "engineio4.heartbeat.websocket",
    title: "sends a ping after pingInterval over WebSocket",
    clause: HEARTBEAT,
    severity: "MUST",
    sends: "nothing",
    expects: 'a packet "2" after about pingInterval',
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const begin = performance.now();
      const { session, open } = await openWebSocket(context);
      const packet = await session.next(true);
      expect(packet === "2", 'a packet "2"', quote(`${packet}`));
      expectInterval(performance.now() - begin, open);
    },
  },
  {
    id: "engineio4.heartbeat.pong-keeps-polling",
    title: "goes on over polling while pings are answered",
    clause: HEARTBEAT,
    severity: "MUST",
    sends: "a pong for each of four pings, and a message",
    expects: "four pings, and the message",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const session = await openPolling(context);
      for (let turn = 0; turn < 4; turn++) {
        expectPackets(session.packetsOf(await session.get()), ["2"]);
        await session.send("3");
      }
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.heartbeat.pong-keeps-websocket",
    title: "goes on over WebSocket while pings are answered",
    clause: HEARTBEAT,
    severity: "MUST",
    sends: "a pong for each of four pings, and a message",
    expects: "four pings, about pingInterval apart, and the message",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      let before = performance.now();
      const { session, open } = await openWebSocket(context);
      for (let turn = 0; turn < 4; turn++) {
        const packet = await session.next(true);
        expect(packet === "2", 'a packet "2"', quote(`${packet}`));
        expectInterval(performance.now() - before, open);
        before = performance.now();
        session.send("3");
      }
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.heartbeat.no-pong-polling",
    title: "ends a session over polling that does not answer a ping",
    clause: HEARTBEAT,
    severity: "SHOULD",
    sends: "GETs, and no pong",
    expects: "400 when pingInterval and pingTimeout have passed",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const session = await openPolling(context);
      const { pingInterval, pingTimeout } = session.open;
      expectPackets(session.packetsOf(await session.get()), ["2"]);
      await wait(pingTimeout * 0.5);
      // It waits to the end, and is answered with that.
      const waiting = await within(pingInterval + pingTimeout + SLACK, session.get());
      expect(waiting !== undefined, "an answer to the GET", "a GET that waits");
      await session.expectClosed();
    },
  },
  {
    id: "engineio4.heartbeat.no-pong-websocket",
    title: "ends a session over WebSocket that does not answer a ping",
    clause: HEARTBEAT,
    severity: "SHOULD",
    sends: "nothing",
    expects: "a ping, and the end when pingTimeout has passed",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const { session, open } = await openWebSocket(context);
      await session.next(true);
      const begin = performance.now();
      // Whatever the server says at the end.
      const end = async (): Promise<number> => {
        while ((await session.next(true)) !== undefined);
        return performance.now() - begin;
      };
      const took = await within(open.pingInterval + open.pingTimeout + SLACK, end());
      if (took === undefined) throw new Failure("the end of the WebSocket", "one that goes on");
      const early = took < open.pingTimeout * 0.7 - 20;
      expect(!early, `${open.pingTimeout} ms for the pong`, `the end after ${Math.round(took)} ms`);
    },
  },
  {
    id: "engineio4.heartbeat.no-get",
    title: "ends a session over polling that sends no requests any more",
    clause: HEARTBEAT,
    severity: "SHOULD",
    sends: "a handshake, and nothing for pingInterval and pingTimeout",
    expects: "an id that is unknown",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const session = await openPolling(context);
      const { pingInterval, pingTimeout } = session.open;
      await wait(pingInterval + pingTimeout + SLACK);
      const { status } = await session.post("4late");
      expect(status === 400, "status 400", `status ${status}`);
    },
  },
  {
    id: "engineio4.heartbeat.messages-are-no-pong",
    title: "ends a session that sends messages and no pong",
    clause: HEARTBEAT,
    severity: "SHOULD",
    sends: "a message every 50 ms, and no pong",
    expects: "the end, at the latest when pingTimeout has passed twice",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const { session, open } = await openWebSocket(context);
      let ended = false;
      const end = async (): Promise<boolean> => {
        while ((await session.next(true)) !== undefined);
        ended = true;
        return true;
      };
      const busy = async (): Promise<void> => {
        for (; !ended; await wait(50)) session.send("4busy");
      };
      const limit = open.pingInterval + 2 * open.pingTimeout + SLACK;
      const both = Promise.all([end(), busy()]);
      const closed = await within(limit, both);
      ended = true;
      expect(closed !== undefined, "the end of the WebSocket", "one that goes on");
    },
  },
  {
    id: "engineio4.heartbeat.late-pong",
    title: "takes a pong that comes within pingTimeout",
    clause: HEARTBEAT,
    severity: "MUST",
    sends: "a pong half of pingTimeout after the ping, and a message",
    expects: "another ping, and the message",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const { session, open } = await openWebSocket(context);
      await session.next(true);
      await wait(open.pingTimeout / 2);
      session.send("3");
      const packet = await session.next(true);
      expect(packet === "2", 'a packet "2"', quote(`${packet}`));
      session.send("3");
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.heartbeat.pong-unasked",
    title: "takes no notice of a pong that it has not asked for",
    clause: HEARTBEAT,
    severity: "INFO",
    sends: "a pong at once, and a message",
    expects: "the message",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context);
      session.send("3");
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.heartbeat.ping-of-client-websocket",
    title: "does not take the ping of a client, which is of revision 3",
    clause: "Engine.IO v4, From v3 to v4",
    severity: "INFO",
    sends: "a ping packet over WebSocket",
    expects: "the end of the WebSocket, and no pong",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context);
      session.send("2");
      await session.expectClosed();
    },
  },
  {
    id: "engineio4.heartbeat.ping-of-client-polling",
    title: "does not take the ping of a client over polling",
    clause: "Engine.IO v4, From v3 to v4",
    severity: "INFO",
    sends: "a ping packet by POST",
    expects: "the session's end",
    run: async (context) => {
      const session = await PollingSession.open(context);
      await within(1000, Promise.allSettled([session.post("2")]));
      await session.expectClosed();
    },
  },
];

const CORS = "Fetch, CORS protocol";
const ORIGIN = "https://page.example";

const ORIGINS: readonly Case[] = [
  {
    id: "engineio4.cors.origin",
    title: "lets a page of another origin read the handshake",
    clause: CORS,
    severity: "SHOULD",
    sends: "a GET with Origin",
    expects: "Access-Control-Allow-Origin with that origin",
    run: async (context) => {
      const path = pathWith(context.target, { EIO: "4", transport: "polling" });
      const { headers } = await context.http({ path, headers: { Origin: ORIGIN } });
      const allowed = headers["access-control-allow-origin"];
      expect(allowed === ORIGIN, ORIGIN, `${allowed}`);
    },
  },
  {
    id: "engineio4.cors.credentials",
    title: "lets a page of another origin send cookies",
    clause: CORS,
    severity: "SHOULD",
    sends: "a GET with Origin",
    expects: "Access-Control-Allow-Credentials: true",
    run: async (context) => {
      const path = pathWith(context.target, { EIO: "4", transport: "polling" });
      const { headers } = await context.http({ path, headers: { Origin: ORIGIN } });
      const allowed = headers["access-control-allow-credentials"];
      expect(allowed === "true", "true", `${allowed}`);
    },
  },
  {
    id: "engineio4.cors.vary",
    title: "tells caches that the answer depends on the origin",
    clause: CORS,
    severity: "SHOULD",
    sends: "a GET with Origin",
    expects: "Vary with Origin",
    run: async (context) => {
      const path = pathWith(context.target, { EIO: "4", transport: "polling" });
      const { headers } = await context.http({ path, headers: { Origin: ORIGIN } });
      const vary = `${headers.vary}`;
      expect(/(?:^|, *)origin(?:$|,)/i.test(vary), "Origin", vary);
    },
  },
  {
    id: "engineio4.cors.post",
    title: "lets a page of another origin read the answer to a POST",
    clause: CORS,
    severity: "SHOULD",
    sends: "a POST with Origin",
    expects: "Access-Control-Allow-Origin with that origin",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const { headers } = await session.post("4hello", { Origin: ORIGIN });
      const allowed = headers["access-control-allow-origin"];
      expect(allowed === ORIGIN, ORIGIN, `${allowed}`);
    },
  },
  {
    id: "engineio4.cors.preflight",
    title: "answers a preflight",
    clause: CORS,
    severity: "SHOULD",
    sends: "OPTIONS with Origin and what a POST with Content-Type needs",
    expects: "200 or 204 with the origin, POST and Content-Type",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const { status, headers } = await context.http({
        method: "OPTIONS",
        path: session.path(),
        headers: {
          Origin: ORIGIN,
          "Access-Control-Request-Method": "POST",
          "Access-Control-Request-Headers": "content-type",
        },
      });
      expect(status === 200 || status === 204, "200 or 204", `status ${status}`);
      const allowed = headers["access-control-allow-origin"];
      expect(allowed === ORIGIN, ORIGIN, `${allowed}`);
      const names = `${headers["access-control-allow-headers"]}`;
      expect(/content-type|\*/i.test(names), "Access-Control-Allow-Headers: content-type", names);
      // POST is allowed without being named.
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.cors.refusal",
    title: "lets a page of another origin read why it was refused",
    clause: CORS,
    severity: "INFO",
    sends: "a GET with Origin and an unknown transport",
    expects: "400 with Access-Control-Allow-Origin",
    run: async (context) => {
      const path = pathWith(context.target, { EIO: "4", transport: "pigeon" });
      const { status, headers } = await context.http({ path, headers: { Origin: ORIGIN } });
      expect(status === 400, "status 400", `status ${status}`);
      const allowed = headers["access-control-allow-origin"];
      expect(allowed === ORIGIN, ORIGIN, `${allowed}`);
    },
  },
];

export const WEBSOCKET4: readonly Case[] = [
  ...ECHOES,
  ...BREACHES,
  ...SESSION,
  ...HEARTBEATS,
  ...ORIGINS,
];
