// Engine.IO 3: the WebSocket transport, the heartbeat, which is the client's, and the upgrade.

import { type Case, expect, Failure } from "../kit/case.ts";
import { type Context, wait } from "../kit/context.ts";
import { quote } from "../kit/conversation.ts";
import {
  checkIntervals,
  expectNoWebSocket,
  expectPackets,
  expectRefusal,
  type Packet,
  PollingSession,
  SLACK,
  WebSocketSession,
  within,
} from "../kit/engineio.ts";
import { BINARY, TEXT } from "../kit/websocket.ts";

const WEBSOCKET = "Engine.IO v3, WebSocket";
const PACKET = "Engine.IO v3, Packet";
const UPGRADING = "Engine.IO v3, Transport upgrading";

const BYTES = { revision: 3 } as const;
const TEXT_ONLY = { revision: 3, query: { b64: "1" } } as const;
const HALF_A_MINUTE = 30_000;
/** Long enough for a server that would answer at once. */
const SILENCE = 100;

interface Echo {
  readonly name: string;
  readonly what: string;
  readonly packets: readonly Packet[];
}

// biome-ignore format: aligned table
const MESSAGES: readonly Echo[] = [
  { name: "text",      what: "a text",                      packets: ["4hello"] },
  { name: "empty",     what: "a text and a message of bytes, both empty", packets: ["4", new Uint8Array(0)] },
  { name: "non-ascii", what: "a text of characters of two, three and four bytes", packets: ["4é日本😀"] },
  { name: "binary",    what: "bytes, with the type 4 in front", packets: [Uint8Array.from({ length: 256 }, (_, i) => i)] },
  { name: "mixed",     what: "texts and bytes by turns",    packets: ["4a", Uint8Array.of(4, 1), "4b", Uint8Array.of(0x34)] },
  { name: "large",     what: "a text of 90,000 characters", packets: [`4${"x".repeat(90_000)}`] },
];

const ECHOES: readonly Case[] = MESSAGES.map(({ name, what, packets }) => ({
  id: `engineio3.websocket.echo-${name}`,
  title: `carries ${what} over WebSocket both ways`,
  clause: WEBSOCKET,
  severity: "MUST",
  sends: what,
  expects: "the same, without lengths",
  run: async (context) => {
    const { session } = await WebSocketSession.open(context, BYTES);
    await session.echo(...packets);
  },
}));

const MORE: readonly Case[] = [
  {
    id: "engineio3.websocket.base64",
    title: "sends bytes as base64 to a client that reads text only, over WebSocket too",
    clause: "Engine.IO v3, URLs",
    severity: "SHOULD",
    sends: "b64=1, and the text b4AQID",
    expects: "the same text",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context, TEXT_ONLY);
      session.send("b4AQID");
      const { opcode, payload } = await session.peer.message();
      const text = Buffer.from(payload).toString();
      expect(opcode === TEXT && text === "b4AQID", "the text b4AQID", `${opcode} ${quote(text)}`);
    },
  },
  {
    id: "engineio3.websocket.unknown-type",
    title: "ends the session for a packet of a type that there is not",
    clause: PACKET,
    severity: "SHOULD",
    sends: "the text 7abc",
    expects: "the end of the WebSocket",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context, BYTES);
      session.send("7abc");
      await session.expectClosed();
    },
  },
  {
    id: "engineio3.websocket.unknown-binary-type",
    title: "ends the session for bytes of a type that there is not",
    clause: PACKET,
    severity: "SHOULD",
    sends: "the bytes 09 01",
    expects: "the end of the WebSocket",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context, BYTES);
      session.peer.send({ opcode: BINARY, payload: Uint8Array.of(9, 1) });
      await session.expectClosed();
    },
  },
  {
    id: "engineio3.close.websocket",
    title: "ends the session for a close packet over WebSocket",
    clause: PACKET,
    severity: "SHOULD",
    sends: "a close packet",
    expects: "the end of the WebSocket",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context, BYTES);
      session.send("1");
      await session.expectClosed();
    },
  },
];

/** Sends pings, each when the pong has come, for so long; nothing else may come. */
async function pingFor(session: WebSocketSession, milliseconds: number): Promise<void> {
  const begin = performance.now();
  while (performance.now() - begin < milliseconds) {
    session.send("2");
    await session.expect("3");
    await wait(50);
  }
}

const HEARTBEATS: readonly Case[] = [
  {
    id: "engineio3.heartbeat.pong-websocket",
    title: "answers the ping of a client over WebSocket",
    clause: PACKET,
    severity: "MUST",
    sends: "a ping packet",
    expects: 'a pong packet: "3"',
    run: async (context) => {
      const { session } = await WebSocketSession.open(context, BYTES);
      session.send("2");
      await session.expect("3");
    },
  },
  {
    id: "engineio3.heartbeat.pong-polling",
    title: "answers the ping of a client over polling",
    clause: PACKET,
    severity: "MUST",
    sends: "a POST with a ping packet, and a GET",
    expects: 'a pong packet: "3"',
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      await session.send("2");
      expectPackets(await session.poll(), ["3"]);
    },
  },
  {
    id: "engineio3.heartbeat.pong-data",
    title: "answers a ping with a pong of the same data",
    clause: PACKET,
    severity: "SHOULD",
    sends: "2probe, outside of an upgrade",
    expects: "3probe",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context, BYTES);
      session.send("2probe");
      await session.expect("3probe");
    },
  },
  {
    id: "engineio3.heartbeat.no-ping-of-server",
    title: "sends no pings, which are the client's",
    clause: PACKET,
    severity: "MUST",
    sends: "pings for twice pingInterval, and pingTimeout",
    expects: "pongs and nothing else",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context, BYTES);
      checkIntervals(open);
      await pingFor(session, 2 * open.pingInterval + open.pingTimeout);
      await session.expectAlive();
    },
  },
  {
    id: "engineio3.heartbeat.pings-keep-polling",
    title: "goes on over polling while the client sends pings",
    clause: "Engine.IO v3, Timeouts",
    severity: "MUST",
    sends: "a ping after half of pingInterval, six times, and a message",
    expects: "six pongs, and the message",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      checkIntervals(session.open);
      for (let turn = 0; turn < 6; turn++) {
        await wait(session.open.pingInterval / 2);
        await session.send("2");
        expectPackets(await session.poll(), ["3"]);
      }
      await session.expectAlive();
    },
  },
  {
    id: "engineio3.heartbeat.silent-websocket",
    title: "ends a session over WebSocket whose client sends no ping",
    clause: "Engine.IO v3, Timeouts",
    severity: "SHOULD",
    sends: "nothing",
    expects: "the end when pingInterval and pingTimeout have passed, and not before pingInterval",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context, BYTES);
      checkIntervals(open);
      const begin = performance.now();
      await session.expectClosed(open.pingInterval + open.pingTimeout + SLACK);
      const took = performance.now() - begin;
      const early = took < open.pingInterval * 0.7 - 20;
      expect(!early, `${open.pingInterval} ms and more`, `the end after ${Math.round(took)} ms`);
    },
  },
  {
    id: "engineio3.heartbeat.silent-polling",
    title: "ends a session over polling whose client sends no ping",
    clause: "Engine.IO v3, Timeouts",
    severity: "SHOULD",
    sends: "a GET, and no ping",
    expects: "an answer to it when pingInterval and pingTimeout have passed, and 400 for the next",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      checkIntervals(session.open);
      const { pingInterval, pingTimeout } = session.open;
      const answer = await within(pingInterval + pingTimeout + SLACK, session.get());
      expect(answer !== undefined, "an answer to the GET", "a GET that waits");
      expectRefusal(await session.get());
    },
  },
];

function connect(context: Context, { sid }: PollingSession): Promise<WebSocketSession> {
  return WebSocketSession.connect(context, { revision: 3, query: { sid } });
}

/** A session over polling with a WebSocket that was proved to reach it. */
async function probe(
  context: Context,
): Promise<{ readonly polling: PollingSession; readonly websocket: WebSocketSession }> {
  const polling = await PollingSession.open(context, BYTES);
  const websocket = await connect(context, polling);
  websocket.send("2probe");
  await websocket.expect("3probe");
  return { polling, websocket };
}

const UPGRADES: readonly Case[] = [
  {
    id: "engineio3.upgrade.complete",
    title: "changes to a WebSocket that was probed",
    clause: UPGRADING,
    severity: "MUST",
    sends: "2probe and 5 over a WebSocket with the session's id, and a message",
    expects: "3probe, and the message over the WebSocket",
    run: async (context) => {
      const { websocket } = await probe(context);
      websocket.send("5");
      await websocket.echo("4hello", Uint8Array.of(1, 2));
    },
  },
  {
    id: "engineio3.upgrade.waiting-get",
    title: "answers the GET that waits with a noop when the probe comes",
    clause: PACKET,
    severity: "MUST",
    sends: "a GET, and meanwhile a WebSocket with 2probe",
    expects: "a noop for the GET",
    run: async (context) => {
      const polling = await PollingSession.open(context, TEXT_ONLY);
      const waiting = polling.poll();
      const websocket = await connect(context, polling);
      websocket.send("2probe");
      await websocket.expect("3probe");
      const packets = await within(1000, waiting);
      if (packets === undefined) throw new Failure("a noop", "a GET that waits");
      expectPackets(packets, ["6"]);
    },
  },
  {
    id: "engineio3.upgrade.queued",
    title: "delivers over the WebSocket what was said while it was probed",
    clause: UPGRADING,
    severity: "MUST",
    sends: "2probe, a POST with two messages, and then 5",
    expects: "the messages over the WebSocket, in order and once",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      const packets = ["4one", Uint8Array.of(0, 255)];
      await polling.send(...packets);
      websocket.send("5");
      await websocket.expect(...packets);
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio3.upgrade.heartbeat",
    title: "answers pings over the WebSocket that the session has changed to",
    clause: PACKET,
    severity: "MUST",
    sends: "an upgrade, and pings for pingInterval and pingTimeout",
    expects: "pongs over the WebSocket",
    extraTime: HALF_A_MINUTE,
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      checkIntervals(polling.open);
      websocket.send("5");
      await pingFor(websocket, polling.open.pingInterval + polling.open.pingTimeout + SILENCE);
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio3.upgrade.get-behind",
    title: "refuses a GET when the session has changed to WebSocket",
    clause: UPGRADING,
    severity: "MUST",
    sends: "an upgrade, and a GET",
    expects: "400, and the session goes on",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      websocket.send("5");
      await websocket.expectAlive();
      expectRefusal(await polling.get());
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio3.upgrade.without-probe",
    title: "does not change to a WebSocket that was not probed",
    clause: UPGRADING,
    severity: "SHOULD",
    sends: "a WebSocket with the session's id, and 5 at once",
    expects: "the session goes on over polling",
    run: async (context) => {
      const polling = await PollingSession.open(context, TEXT_ONLY);
      const websocket = await connect(context, polling);
      websocket.send("5");
      await within(SILENCE, websocket.next());
      await polling.expectAlive();
    },
  },
  {
    id: "engineio3.upgrade.other-probe",
    title: "does not change to a WebSocket whose ping was no probe",
    clause: UPGRADING,
    severity: "SHOULD",
    sends: "a WebSocket with the session's id, and 2other",
    expects: "the end of the WebSocket; the session goes on over polling",
    run: async (context) => {
      const polling = await PollingSession.open(context, TEXT_ONLY);
      const websocket = await connect(context, polling);
      websocket.send("2other");
      await websocket.expectClosed();
      await polling.expectAlive();
    },
  },
  {
    id: "engineio3.upgrade.abandoned",
    title: "goes on over polling when the WebSocket ends behind its probe",
    clause: UPGRADING,
    severity: "MUST",
    sends: "2probe, a POST, and then a close frame",
    expects: "the message by polling, and the session goes on",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      await polling.send("4between");
      websocket.peer.sendClose(1000);
      await websocket.expectClosed();
      expectPackets(await polling.receive(1), ["4between"]);
      await polling.expectAlive();
    },
  },
  {
    id: "engineio3.upgrade.second",
    title: "takes no other WebSocket for a session that is over one",
    clause: UPGRADING,
    severity: "MUST",
    sends: "an upgrade, and another WebSocket with the session's id",
    expects: "nothing for the other one; the session goes on over the first",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      websocket.send("5");
      await websocket.expectAlive();
      await expectNoWebSocket(context, 3, polling.sid);
      await websocket.expectAlive();
    },
  },
];

export const SESSION3: readonly Case[] = [...ECHOES, ...MORE, ...HEARTBEATS, ...UPGRADES];
