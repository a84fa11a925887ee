// The lines of an Engine.IO session: sent and expected packets.

import { expect, expectSame, Failure, Skip } from "../harness/case.ts";
import {
  describePacket,
  expectNoWebSocket,
  type OpenPacket,
  type Packet,
  PollingSession,
  type Query,
  type Revision,
  WebSocketSession,
} from "../peers/engineio.ts";
import { type Bytes, evaluate, scanBytes, variablesOf } from "./bytes.ts";
import {
  expectAlive,
  expectForgotten,
  OverPolling,
  OverWebSocket,
  type Session,
} from "./engineio-session.ts";
import { scanAnswerOf } from "./http.ts";
import type { Connecting, Level, Lines } from "./levels.ts";
import type { Action, Play } from "./play.ts";
import { type Scanner, scanConnection } from "./scanner.ts";
import { scanDuration } from "./time.ts";
import { type Awaited, scanWritten, sendWritten } from "./websocket.ts";

/** The sessions of a transcript by the names of their connections. */
class Sessions {
  readonly #polling = new Map<string, OverPolling>();
  readonly #websockets = new Map<string, OverWebSocket>();

  set(name: string, session: OverPolling | OverWebSocket): void {
    if (session instanceof OverPolling) this.#polling.set(name, session);
    else this.#websockets.set(name, session);
  }

  get(name: string): Session {
    return this.#polling.get(name) ?? this.websocket(name);
  }

  polling(name: string): OverPolling {
    return this.#polling.get(name) ?? missing(name);
  }

  websocket(name: string): OverWebSocket {
    return this.#websockets.get(name) ?? missing(name);
  }
}

function missing(name: string): never {
  throw new Failure(`a session ${name}`, "no session with this name");
}

const SESSIONS = new WeakMap<Play, Sessions>();

function sessionsOf(play: Play): Sessions {
  const sessions = SESSIONS.get(play) ?? new Sessions();
  SESSIONS.set(play, sessions);
  return sessions;
}

/** The variables that the open packet sets. */
const TOLD = ["pingInterval", "pingTimeout", "maxPayload"] as const;

function remember({ variables }: Play, open: OpenPacket): void {
  variables.set("sid", encodeURIComponent(open.sid));
  for (const name of TOLD) {
    if (Number.isInteger(open[name])) variables.set(name, `${open[name]}`);
    else variables.delete(name);
  }
}

/**
 * Parses the end of a line "connect":
 *
 *     polling as A with b64=1
 *     websocket as B of A          opens a WebSocket of session A, and sends nothing yet
 *     websocket as B of A probed   sends 2probe and expects 3probe
 *     websocket as B of A upgraded  also sends 5 after that, which upgrades the session
 */
function connect(scanner: Scanner, revision: Revision): Connecting {
  const transport = scanner.oneOf(["polling", "websocket"]);
  const name = scanConnection(scanner);
  const isNew = transport === "polling" || !scanner.take("of");
  const of = isNew ? undefined : scanner.expect(/[A-Z]/, "a capital letter");
  const state = isNew ? undefined : ["probed", "upgraded"].find((word) => scanner.take(word));
  const query: Query = scanner.take("with")
    ? Object.fromEntries(new URLSearchParams(scanner.takeRest()))
    : {};
  const options = { revision, query };
  if (transport === "polling") {
    const action = async (play: Play): Promise<void> => {
      const session = await PollingSession.open(play.context, options);
      remember(play, session.open);
      sessionsOf(play).set(name, new OverPolling(play.context, session, revision));
    };
    return { name, action };
  }
  if (of === undefined) {
    const action = async (play: Play): Promise<void> => {
      const { session, open } = await WebSocketSession.open(play.context, options);
      remember(play, open);
      sessionsOf(play).set(name, new OverWebSocket(session, open, revision));
    };
    return { name, lines: OVER_WEBSOCKET, action };
  }
  const action = async (play: Play): Promise<void> => {
    const { open } = sessionsOf(play).get(of);
    const all = { revision, query: { ...query, sid: open.sid } };
    const connected = await WebSocketSession.connect(play.context, all);
    const session = new OverWebSocket(connected, open, revision);
    sessionsOf(play).set(name, session);
    if (state === undefined) return;
    await session.send(["2probe"]);
    await session.expect(["3probe"]);
    if (state === "probed") return;
    await session.send(["5"]);
    await expectAlive(session);
  };
  return { name, of, lines: OVER_WEBSOCKET, action };
}

/**
 * Parses packets, separated by commas: a text packet is in quotes, with its type, and a binary packet is in hex,
 * without a type.
 */
function scanPackets(scanner: Scanner): (play: Play, maxPayload?: number) => Packet[] {
  const packets: { readonly isText: boolean; readonly bytes: Bytes }[] = [];
  do {
    const isText = /^ *'/.test(scanner.rest);
    const isEmpty = scanner.take("no bytes");
    const bytes = isEmpty ? [] : scanBytes(scanner);
    if (!isText && !isEmpty && bytes.length === 0) {
      scanner.fail("expected a packet in quotes, bytes in hex, or no bytes");
    }
    packets.push({ isText, bytes });
  } while (scanner.take(","));
  return ({ variables }, maxPayload = Number.POSITIVE_INFINITY) =>
    packets.map(({ isText, bytes }) => {
      const packet = evaluate(bytes, variables);
      if (packet.length > maxPayload && !variablesOf(bytes).includes("maxPayload")) {
        throw new Skip(`the maxPayload of the server is only ${maxPayload}`);
      }
      return isText ? packet.toString() : packet;
    });
}

function scanSentPackets(scanner: Scanner, connection: string): Action {
  const packets = scanPackets(scanner);
  return (play) => {
    const session = sessionsOf(play).get(connection);
    return session.send(packets(play, session.open.maxPayload));
  };
}

/** Parses a request of a session, or packets for a POST that the server must accept. */
function scanSentByPolling(scanner: Scanner, connection: string): Action {
  const sessionOf = (play: Play): OverPolling => sessionsOf(play).polling(connection);
  if (scanner.take("GET")) return (play) => sessionOf(play).get();
  const method = scanner.match(/(?:POST|PUT|DELETE)(?= |$)/);
  if (method === undefined) return scanSentPackets(scanner, connection);
  const body = scanBytes(scanner);
  return (play) => sessionOf(play).request(method, evaluate(body, play.variables));
}

/** Parses packets, or a line of the level "websocket". Each packet is sent as one WebSocket message. */
function scanSentByWebSocket(scanner: Scanner, connection: string): Action {
  if (/^ *(?:'|no bytes|[0-9a-f]{2})/.test(scanner.rest))
    return scanSentPackets(scanner, connection);
  const peerOf = (play: Play): WebSocketSession["peer"] =>
    sessionsOf(play).websocket(connection).session.peer;
  if (scanner.take("FIN")) return (play) => peerOf(play).tcp.end();
  if (scanner.take("RST")) return (play) => peerOf(play).tcp.reset();
  return sendWritten([scanWritten(scanner, true)], connection, peerOf);
}

/** Parses what the harness expects in a session, over either transport. */
function scanAwaitedPackets(scanner: Scanner, connection: string): Action {
  const sessionOf = (play: Play): Session => sessionsOf(play).get(connection);
  if (scanner.take("alive")) return (play) => expectAlive(sessionOf(play));
  if (scanner.take("closed")) return (play, limit) => sessionOf(play).expectClosed(limit);
  if (scanner.take("forgotten")) {
    return (play) => expectForgotten(play.context, sessionOf(play));
  }
  if (scanner.take("no other WebSocket")) {
    return (play) => {
      const { revision, open } = sessionOf(play);
      return expectNoWebSocket(play.context, revision, open.sid);
    };
  }
  if (scanner.take("no message for")) {
    const duration = scanDuration(scanner, new Set());
    return (play) => sessionOf(play).expectNoMessage(duration(play));
  }
  if (scanner.take("open")) return scanField(scanner, sessionOf);
  const packets = scanPackets(scanner);
  return (play) => sessionOf(play).expect(packets(play));
}

/** Parses what follows "open": nothing, `upgrades: ["websocket"]`, or `pingInterval: number`. */
function scanField(scanner: Scanner, sessionOf: (play: Play) => Session): Action {
  const name = scanner.match(/[a-zA-Z]+(?=:)/);
  if (name === undefined) {
    return (play) => {
      const session = sessionOf(play);
      const behind = session instanceof OverPolling ? session.session.behindOpen : [];
      expect(behind.length === 0, "nothing but an open packet", behind.map(describePacket).join());
    };
  }
  scanner.need(":");
  if (scanner.take("number")) {
    return (play) => {
      const value = sessionOf(play).open.fields[name];
      expect(Number.isInteger(value) && Number(value) > 0, `${name}, a number`, `${value}`);
    };
  }
  const list: unknown = JSON.parse(scanner.expect(/\[[^[\]]*\]/, "number, or a list"));
  return (play) => expectSame(sessionOf(play).open.fields[name], list, name);
}

function scanAwaitedByPolling(scanner: Scanner, connection: string): Awaited {
  const sessionOf = (play: Play): OverPolling => sessionsOf(play).polling(connection);
  if (scanner.take("no answer for")) {
    const duration = scanDuration(scanner, new Set());
    return { action: (play) => sessionOf(play).expectNoAnswer(duration(play)) };
  }
  if (/^ *(?:status|refused|body|header|no header)\b/.test(scanner.rest)) {
    return { action: scanAnswerOf(scanner, (play) => sessionOf(play).answer()) };
  }
  return { action: scanAwaitedPackets(scanner, connection) };
}

function scanAwaitedByWebSocket(scanner: Scanner, connection: string): Awaited {
  if (scanner.take("pong")) {
    const bytes = scanBytes(scanner);
    return {
      action: (play) =>
        sessionsOf(play).websocket(connection).expectPong(evaluate(bytes, play.variables)),
    };
  }
  return { action: scanAwaitedPackets(scanner, connection) };
}

const OVER_WEBSOCKET: Lines = { sent: scanSentByWebSocket, awaited: scanAwaitedByWebSocket };

function levelOf(revision: Revision): Level {
  return {
    connect: (scanner) => connect(scanner, revision),
    gives: ["sid", ...TOLD],
    sent: scanSentByPolling,
    awaited: scanAwaitedByPolling,
  };
}

export const ENGINEIO4 = levelOf(4);
export const ENGINEIO3 = levelOf(3);
