// The lines of Socket.IO 5: sent and expected packets.

import { randomBytes } from "node:crypto";

import { needBehaviour, needBehaviourOf } from "../harness/behaviour.ts";
import { expect, Failure } from "../harness/case.ts";
import type { Context } from "../harness/context.ts";
import {
  authOf,
  describePacket,
  type EncodedPacket,
  type EngineHandshake,
  namespacePart,
  parsePacket,
  type SentPacket,
  SocketioPeer,
  sidOf,
} from "../peers/socketio.ts";
import type { SocketioClientPeer } from "../peers/socketio-client.ts";
import { PollingPeer } from "../peers/socketio-polling.ts";
import { ENDED } from "../peers/tcp.ts";
import { evaluate, scanBytes } from "./bytes.ts";
import type { Connecting, Level, Lines } from "./levels.ts";
import {
  checkPayload,
  evaluateAwaited,
  evaluateText,
  isQuoted,
  matchPacket,
  type PacketLine,
  scanPacket,
} from "./packet.ts";
import { PacketQueue } from "./packet-queue.ts";
import type { Action, Play } from "./play.ts";
import { type Scanner, scanConnection } from "./scanner.ts";
import { type Awaited, scanWritten, sendWritten } from "./websocket.ts";

/** The largest message of a case, in bytes, for servers that accept more. */
const LARGEST = 100_000;

/**
 * An event that is sent after a malformed packet. A server that has ignored the packet answers the event, and fails the
 * case.
 */
const BEHIND: SentPacket = { text: '2["message","behind"]', attachments: [] };

interface JoinedLine {
  readonly namespace: string;
  /** Whether the session id must differ from every session id before it. */
  readonly isNew: boolean;
  /** The argument of the event "auth". Missing: any argument. */
  readonly auth: PacketLine | undefined;
}

/** The harness's end of a connection. */
type Peer = SocketioPeer | PollingPeer | SocketioClientPeer;

/** An Engine.IO session and the Socket.IO packets received over it. */
export class SocketioConnection {
  readonly peer: Peer;
  readonly packets: PacketQueue;
  readonly #context: Context;

  constructor(peer: Peer, context: Context) {
    this.peer = peer;
    this.packets = new PacketQueue(() => peer.next());
    this.#context = context;
  }

  /** Sends packets in one write, or in one payload. @throws Skip if the server lacks a behaviour that they need */
  async send(packets: readonly SentPacket[]): Promise<void> {
    for (const { text = "" } of packets) needBehaviourOf(this.#context.target, text);
    await this.peer.write(packets);
  }

  /** Sends a packet without attachments. @throws Skip if the server lacks a behaviour that the packet needs */
  async sendText(text: string): Promise<void> {
    await this.send([{ text, attachments: [] }]);
  }

  /** Expects this packet next. Returns the values of the variables in it that had no value. */
  async expectPacket(wanted: EncodedPacket): Promise<ReadonlyMap<string, string>> {
    needBehaviourOf(this.#context.target, wanted.text);
    const got = await this.packets.take(() => true);
    const found = got === undefined ? undefined : matchPacket(wanted, got);
    if (found !== undefined) return found;
    throw new Failure(describePacket(wanted), got === undefined ? ENDED : describePacket(got));
  }

  /**
   * Expects CONNECT and the event "auth" as the next packets of the namespace. Packets of other namespaces before
   * them stay in the queue.
   */
  async expectJoined({ namespace, isNew, auth }: JoinedLine, play: Play): Promise<void> {
    const { target } = this.#context;
    if (auth !== undefined) needBehaviour(target, "auth");
    const sid = sidOf(await this.#expectNextIn(namespace, "CONNECT"), namespace);
    if (isNew) expect(!play.sids.has(sid), "a new session id", `"${sid}" again`);
    play.sids.add(sid);
    if (target.lacks?.has("auth") === true) return;
    const told = await this.#expectNextIn(namespace, 'the event "auth"');
    authOf(told, namespace);
    if (auth === undefined) return;
    const payload = evaluateAwaited(auth, play.variables).text;
    const wanted = `2${namespacePart(namespace)}["auth",${payload}]`;
    const found = matchPacket({ text: wanted, attachments: [] }, told);
    if (found === undefined) throw new Failure(wanted, describePacket(told));
    for (const [name, value] of found) play.variables.set(name, value);
  }

  async #expectNextIn(namespace: string, what: string): Promise<EncodedPacket> {
    const packet = await this.packets.take(({ text }) => parsePacket(text).namespace === namespace);
    if (packet === undefined) throw new Failure(`${what} in "${namespace}"`, ENDED);
    return packet;
  }

  /** Expects the end of the connection, with no packet before it. */
  async expectClosed(): Promise<void> {
    const packet = await this.packets.take(() => true);
    if (packet !== undefined) throw new Failure(ENDED, describePacket(packet));
  }

  /**
   * Sends an event and expects its answer next. If the server does not answer events, sends a ping of the WebSocket
   * and expects its pong.
   */
  async expectAlive(namespace: string): Promise<void> {
    const { peer, packets } = this;
    const { target } = this.#context;
    if (target.lacks?.has("message") === true && peer instanceof SocketioPeer) {
      expect(await peer.ping(), "a pong", ENDED);
      const before = packets.waiting ?? peer.waiting;
      if (before !== undefined) throw new Failure("a pong", describePacket(before));
      return;
    }
    const mark = randomBytes(8).toString("hex");
    const part = namespacePart(namespace);
    await this.sendText(`2${part}["message","${mark}"]`);
    await this.expectPacket({ text: `2${part}["message-back","${mark}"]`, attachments: [] });
  }
}

export function connectionOf(play: Play, connection: string): SocketioConnection {
  return play.socketio.get(connection);
}

/**
 * Parses the end of a line "connect socketio": the transport, the namespaces to join, and the name of the connection.
 *
 *     polling in / and /custom as B
 */
function connect(scanner: Scanner): Connecting {
  const polling = scanner.take("polling");
  const Peer = polling ? PollingPeer : SocketioPeer;
  const namespaces: string[] = [];
  if (scanner.take("in")) {
    do namespaces.push(scanNamespace(scanner));
    while (scanner.take("and"));
  }
  const name = scanConnection(scanner);
  const action = async (play: Play): Promise<void> => {
    const peer = await Peer.open(play.context);
    setVariables(play, peer.handshake);
    const connection = new SocketioConnection(peer, play.context);
    play.socketio.set(name, connection);
    for (const namespace of namespaces) {
      await connection.sendText(`0${namespacePart(namespace)}`);
      await connection.expectJoined({ namespace, isNew: false, auth: undefined }, play);
    }
  };
  // Over polling, a line cannot send a frame, because only a WebSocket has frames.
  return { name, action, ...(polling && { lines: { ...LINES, sent: sentOverPolling } }) };
}

function setVariables({ sids, variables }: Play, { sid, maxPayload }: EngineHandshake): void {
  sids.add(sid);
  if (Number.isFinite(maxPayload)) variables.set("maxPayload", `${maxPayload}`);
  variables.set("largest", `${Math.min(maxPayload, LARGEST)}`);
}

export function scanNamespace(scanner: Scanner): string {
  return scanner.expect(/\/[^\s,]*/, "a namespace");
}

/**
 * Parses what the harness sends:
 *
 *     '51-["message",{#0}]' + 01 02   a packet as it is written, with its attachments
 *     '2["message",1]', '2["a"]'      packets in one write, or in one payload
 *     + 01 02                         attachments only
 *     behind                          the event "message", even if the server does not implement it
 *     frame text no-fin '42["mess'    a frame of the WebSocket
 *     RST                             the end of the connection, without a close frame
 */
function sent(scanner: Scanner, connection: string): Action {
  if (scanner.take("RST")) {
    return (play) => webSocketPeerOf(play, connection).websocket.tcp.reset();
  }
  if (scanner.take("frame")) {
    const written = scanWritten(scanner, true);
    return sendWritten([written], connection, (play) => {
      return webSocketPeerOf(play, connection).websocket;
    });
  }
  return sentOverPolling(scanner, connection);
}

function sentOverPolling(scanner: Scanner, connection: string): Action {
  if (!scanner.take("behind")) return sendPackets(scanner, connection);
  return async (play) => connectionOf(play, connection).peer.write([BEHIND]);
}

/** Parses packets that the harness sends, as a client or as a server. */
export function sendPackets(scanner: Scanner, connection: string): Action {
  const packets: PacketLine[] = [];
  do packets.push(scanPacket(scanner));
  while (scanner.take(","));
  return async (play) => {
    await connectionOf(play, connection).send(packets.map((each) => evaluateSent(each, play)));
  };
}

function evaluateSent({ text, attachments }: PacketLine, { variables }: Play): SentPacket {
  return {
    text: text === undefined ? undefined : evaluateText(text, variables),
    attachments: attachments.map((each) => evaluate(each, variables)),
  };
}

function webSocketPeerOf(play: Play, connection: string): SocketioPeer {
  const { peer } = connectionOf(play, connection);
  if (peer instanceof SocketioPeer) return peer;
  throw new Error("expected a connection over a WebSocket");
}

/**
 * Parses what the harness expects:
 *
 *     '2{id}["question"]' + 01 02     the next packet; {id} gets its value
 *     joined /custom with a new sid   CONNECT, and the event "auth"
 *     joined / '{"token":1}'          the event "auth" with this argument
 *     closed                          the end of the connection, with nothing before it
 *     alive /custom                   the answer to an event that is sent now, with nothing before it
 *
 * ", or closed" at the end also accepts the end of the connection.
 */
function awaited(scanner: Scanner, connection: string): Awaited {
  const action = scanAction(scanner, connection);
  if (!scanner.take(", or closed")) return { action };
  return {
    action: async (play) => {
      const next = await connectionOf(play, connection).packets.peek();
      if (next !== undefined) await action(play);
    },
  };
}

function scanAction(scanner: Scanner, connection: string): Action {
  if (scanner.take("closed")) return (play) => connectionOf(play, connection).expectClosed();
  if (scanner.take("joined")) {
    const namespace = scanNamespace(scanner);
    const isNew = scanner.take("with a new sid");
    const auth = scanAuth(scanner);
    return (play) => connectionOf(play, connection).expectJoined({ namespace, isNew, auth }, play);
  }
  return expectPacketOrAlive(scanner, connection);
}

/** Parses what the harness expects, as a client or as a server: "alive", or the next packet. */
export function expectPacketOrAlive(scanner: Scanner, connection: string): Action {
  if (scanner.take("alive")) {
    const namespace = scanner.match(/\/[^\s,]*/) ?? "/";
    return (play) => connectionOf(play, connection).expectAlive(namespace);
  }
  const packet = scanAwaited(scanner);
  return async (play) => {
    const wanted = evaluateAwaited(packet, play.variables);
    const found = await connectionOf(play, connection).expectPacket(wanted);
    for (const [name, value] of found) play.variables.set(name, value);
  };
}

/** The variables that a connection sets, with values for the syntax check of a payload. */
const SIZES: ReadonlyMap<string, string> = new Map([
  ["maxPayload", "1000"],
  ["largest", "1000"],
]);

/** Parses a packet whose payload is JSON or a variable. */
function scanAwaited(scanner: Scanner): PacketLine {
  const before = scanner.rest;
  const packet = scanPacket(scanner);
  if (packet.text === undefined) scanner.fail("expected a packet in quotes");
  needJson(scanner, packet, before);
  return packet;
}

/** Parses an argument in quotes, which must be JSON. Returns `undefined` if no quote is next. */
export function scanAuth(scanner: Scanner): PacketLine | undefined {
  if (!isQuoted(scanner)) return undefined;
  const before = scanner.rest;
  const auth = { text: scanBytes(scanner), attachments: [] };
  needJson(scanner, auth, before);
  return auth;
}

/** @param before the rest of the line as it was before the packet was parsed */
function needJson(scanner: Scanner, packet: PacketLine, before: string): void {
  try {
    checkPayload(evaluateAwaited(packet, SIZES).text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    scanner.fail(`expected JSON in ${before.trim()}`);
  }
}

/** Returns the packets that alternatives read. */
export function packetsOf(play: Play, connection: string): PacketQueue {
  return connectionOf(play, connection).packets;
}

const LINES: Lines = { sent, awaited, peerOf: packetsOf };

export const SOCKETIO: Level = { ...LINES, connect, gives: [...SIZES.keys()] };
