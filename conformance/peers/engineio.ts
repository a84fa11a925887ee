// Engine.IO clients of revisions 4 and 3: packets and payloads as bytes, a session over polling and a session over
// WebSocket. They share no code with the implementations under test.

import { randomBytes } from "node:crypto";

import { needBehaviour } from "../harness/behaviour.ts";
import { expect, Failure, Skip } from "../harness/case.ts";
import { type Context, wait } from "../harness/context.ts";
import { hex, quote } from "../harness/conversation.ts";
import type { Target } from "../harness/target.ts";
import type { HttpAnswer } from "./http.ts";
import {
  BINARY,
  CLOSE,
  encodeFrame,
  PING,
  PONG,
  shakeHands,
  TEXT,
  type WebSocketPeer,
} from "./websocket.ts";

export type Revision = 3 | 4;

/** A text packet that begins with its type, or the bytes of a binary message without a type. */
export type Packet = string | Uint8Array;

/** Separates the packets of a payload in revision 4. */
const SEPARATOR = "\x1e";

/** Longest heartbeat interval that a case waits for, in milliseconds. */
export const LONGEST_INTERVAL = 2000;

/** Additional milliseconds that a busy machine may need. */
export const SLACK = 700;

// Payloads.

function encodePayload4(packets: readonly Packet[]): string {
  const texts = packets.map((packet) =>
    typeof packet === "string" ? packet : `b${Buffer.from(packet).toString("base64")}`,
  );
  return texts.join(SEPARATOR);
}

function decodePayload4(body: string): Packet[] {
  return body.split(SEPARATOR).map((text) => {
    if (text === "") throw new Failure("packets", `an empty packet in ${quote(body)}`);
    return text.startsWith("b") ? decodeBase64(text.slice(1)) : text;
  });
}

/** Encodes a payload as text: "<length>:<packet>" for each packet, with the length in UTF-16 code units. */
function encodeTextPayload3(packets: readonly Packet[]): string {
  const texts = packets.map((packet) =>
    typeof packet === "string" ? packet : `b4${Buffer.from(packet).toString("base64")}`,
  );
  return texts.map((text) => `${text.length}:${text}`).join("");
}

function decodeTextPayload3(body: string): Packet[] {
  const packets: Packet[] = [];
  let at = 0;
  while (at < body.length) {
    const length = /^\d+(?=:)/.exec(body.slice(at, at + 16))?.[0];
    if (length === undefined) throw new Failure("<length>:<packet>", quote(body.slice(at)));
    const start = at + length.length + 1;
    at = start + Number(length);
    const text = body.slice(start, at);
    if (at > body.length) throw new Failure(`${length} characters`, quote(text));
    if (text.startsWith("b4")) packets.push(decodeBase64(text.slice(2)));
    else if (text !== "") packets.push(text);
  }
  return packets;
}

/** Encodes a payload as bytes: for each packet 0 or 1, the digits of the length, 255, and the packet. */
function encodeBinaryPayload3(packets: readonly Packet[]): Uint8Array {
  const parts = packets.flatMap((packet) => {
    const isText = typeof packet === "string";
    const bytes = isText ? Buffer.from(packet) : Buffer.from([4, ...packet]);
    return [Buffer.from([isText ? 0 : 1, ...[...`${bytes.length}`].map(Number), 255]), bytes];
  });
  return Buffer.concat(parts);
}

function decodeBinaryPayload3(body: Uint8Array): Packet[] {
  const packets: Packet[] = [];
  let at = 0;
  while (at < body.length) {
    const kind = body[at];
    const end = body.indexOf(255, at);
    const digits = [...body.subarray(at + 1, end)];
    if ((kind !== 0 && kind !== 1) || end < at + 2 || digits.some((digit) => digit > 9)) {
      throw new Failure("0 or 1, digits, 255", hex(body.subarray(at), 16));
    }
    at = end + 1 + Number(digits.join(""));
    const bytes = body.subarray(end + 1, at);
    if (at > body.length) throw new Failure(`${digits.join("")} bytes`, `${bytes.length}`);
    if (kind === 0) packets.push(Buffer.from(bytes).toString());
    else packets.push(withoutType(bytes));
  }
  return packets;
}

/** Removes the type with which binary packets of revision 3 begin. */
function withoutType(bytes: Uint8Array): Uint8Array {
  expect(bytes[0] === 4, "bytes that begin with the type 4", hex(bytes, 16));
  return bytes.subarray(1);
}

export function decodeBase64(text: string): Uint8Array {
  const fits = /^(?:[\w+/-]{4})*(?:[\w+/-]{2}(?:==)?|[\w+/-]{3}=?)?$/.test(text);
  expect(fits, "base64", quote(text));
  return Buffer.from(text, "base64");
}

export function describePacket(packet: Packet): string {
  if (typeof packet === "string") return quote(packet, 40);
  return `<${hex(packet, 16)}> (${packet.length} bytes)`;
}

function describePackets(packets: readonly Packet[]): string {
  const shown = packets.slice(0, 20).map(describePacket).join(", ");
  return `[${shown}${packets.length > 20 ? ", …" : ""}] (${packets.length} packets)`;
}

/** @throws Failure unless both lists contain the same packets in the same order */
export function expectPackets(got: readonly Packet[], wanted: readonly Packet[]): void {
  const key = (packet: Packet): string =>
    typeof packet === "string" ? `text ${packet}` : `bytes ${Buffer.from(packet).toString("hex")}`;
  const same =
    got.length === wanted.length && got.every((each, i) => key(each) === key(wanted[i] ?? ""));
  expect(same, describePackets(wanted), describePackets(got));
}

/** Returns whether a packet is a message. Over a WebSocket of revision 3, its bytes may be encoded as base64. */
export function isMessage(packet: Packet): boolean {
  return typeof packet !== "string" || /^b?4/.test(packet);
}

/** Encodes a payload for a POST of JSONP: as the field "d" of a form. Line feeds are escaped as in engine.io-client. */
function formOf(payload: string): string {
  const escaped = payload.replace(/\\n/g, "\\\\n").replace(/\n/g, "\\n");
  return `${new URLSearchParams({ d: escaped })}`;
}

// The handshake.

export type Query = Readonly<Record<string, string | undefined>>;

/** Formats a query, after the "?". Parameters that are `undefined` are left out. */
function encodeQuery(query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] satisfies [string, string]],
  );
  return `${new URLSearchParams(given)}`;
}

/** Returns the path of Engine.IO with a query. */
export function pathWith({ engineioPath }: Target, query: Query): string {
  return `${engineioPath}?${encodeQuery(query)}`;
}

export interface OpenPacket {
  readonly sid: string;
  /** NaN if the field is not a number. */
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly maxPayload: number;
  /** All fields of the packet. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** @throws Failure unless the packet is an open packet with a session id */
function readOpen(packet: Packet | undefined): OpenPacket {
  const text = typeof packet === "string" ? packet : "";
  const got = packet === undefined ? "nothing" : describePacket(packet);
  expect(text.startsWith("0"), "an open packet", got);
  const fields = parseObject(text.slice(1));
  if (fields === undefined) throw new Failure("an open packet with a JSON object", got);
  const { sid, pingInterval, pingTimeout, maxPayload } = fields;
  if (typeof sid !== "string") throw new Failure("a sid that is a string", got);
  const number = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);
  return {
    sid,
    pingInterval: number(pingInterval),
    pingTimeout: number(pingTimeout),
    maxPayload: number(maxPayload),
    fields,
  };
}

/** Returns a JSON object, or `undefined` for any other value. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {}
  return undefined;
}

/** @throws Skip if the open packet does not have the field */
export function maxPayloadOf({ maxPayload }: OpenPacket): number {
  if (!Number.isInteger(maxPayload)) throw new Skip("the open packet has no maxPayload");
  return maxPayload;
}

/** @throws Skip if the heartbeat of the server is so slow that a case about it would take too long */
export function checkIntervals({ pingInterval, pingTimeout }: OpenPacket): void {
  if (!(pingInterval <= LONGEST_INTERVAL && pingTimeout <= LONGEST_INTERVAL)) {
    throw new Skip(
      `the heartbeat is too slow: pingInterval ${pingInterval} ms, pingTimeout ${pingTimeout} ms`,
    );
  }
}

/** @throws Skip if the server does not speak revision 3 */
async function needRevision3(context: Context): Promise<void> {
  const path = pathWith(context.target, { EIO: "3", transport: "polling", b64: "1" });
  const { status } = await context.http({ path });
  if (status === 400) throw new Skip("the server does not speak Engine.IO 3");
}

/** Expects the server not to answer the probe of another WebSocket for a session. */
export async function expectNoWebSocket(
  context: Context,
  revision: Revision,
  sid: string,
): Promise<void> {
  const path = pathWith(context.target, { EIO: `${revision}`, transport: "websocket", sid });
  const tcp = await context.tcp();
  // The probe is written together with the request. A server that accepts a second WebSocket therefore answers at once.
  const behind = encodeFrame({ opcode: TEXT, payload: "2probe" });
  const shaken = shakeHands(tcp, context.target, context.conversation, { path, behind });
  const status = await shaken.then(
    (answer) => answer.status,
    () => undefined,
  );
  if (status === 101)
    await within(
      400,
      tcp.untilEnd().catch(() => {}),
    );
  const said = Buffer.from(tcp.input).toString("latin1");
  expect(!said.includes("3probe"), "no answer to another probe", quote(said));
}

/** Prevents an unhandled rejection if nobody awaits the promise. */
function quietly<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Resolves to `undefined` if the promise takes longer than so many milliseconds. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T | undefined> {
  // If the promise rejects after this time, the rejection is ignored.
  return Promise.race([quietly(promise), wait(milliseconds).then(() => undefined)]);
}

interface SessionOptions {
  /** Default: 4. */
  readonly revision?: Revision;
  /** Parameters of the query besides EIO, transport and sid. */
  readonly query?: Query;
}

export class PollingSession {
  readonly open: OpenPacket;
  readonly #context: Context;
  readonly #revision: Revision;
  readonly #query: Query;
  // The received packets that were not yet returned.
  #received: Packet[] = [];
  /** The packets after the open packet in the response to the handshake. */
  readonly behindOpen: readonly Packet[];
  // The last POST. send() waits for its response, because two POSTs of a session must not overlap.
  #posting: Promise<unknown> = Promise.resolve();

  constructor(
    context: Context,
    open: OpenPacket,
    revision: Revision,
    query: Query,
    behindOpen: readonly Packet[],
  ) {
    this.#context = context;
    this.behindOpen = behindOpen;
    this.#received = behindOpen.filter((packet) => packet !== "2");
    this.open = open;
    this.#revision = revision;
    this.#query = query;
  }

  /** @throws Skip if the session has revision 3 and the server does not speak it */
  static async open(
    context: Context,
    { revision = 4, query = {} }: SessionOptions = {},
  ): Promise<PollingSession> {
    const all = { EIO: `${revision}`, transport: "polling", ...query };
    const answer = await context.http({ path: pathWith(context.target, all) });
    if (revision === 3 && answer.status === 400) {
      throw new Skip("the server does not speak Engine.IO 3");
    }
    expect(answer.status === 200, "status 200", `status ${answer.status}`);
    const [first, ...rest] = decodeBody(answer, revision, query);
    const open = readOpen(first);
    return new PollingSession(context, open, revision, { ...all, sid: open.sid }, rest);
  }

  get sid(): string {
    return this.open.sid;
  }

  /**
   * Returns the path of this session. The parameters in `query` are added to the session's query, or replace its
   * values.
   */
  path(query: Query = {}): string {
    return pathWith(this.#context.target, { ...this.#query, ...query });
  }

  /** Sends a GET and resolves to the response, whatever its status. */
  get(abort?: (abort: () => void) => void): Promise<HttpAnswer> {
    const path = this.path();
    return quietly(this.#context.http(abort === undefined ? { path } : { path, abort }));
  }

  /** Sends a POST, or a request with another method, and resolves to the response, whatever its status. */
  post(
    body: string | Uint8Array,
    headers: Record<string, string> = {},
    method = "POST",
  ): Promise<HttpAnswer> {
    const all = { "Content-Type": "text/plain;charset=UTF-8", ...headers };
    return quietly(this.#context.http({ method, path: this.path(), headers: all, body }));
  }

  /** Sends packets in one payload, which the server must accept. */
  async send(...packets: readonly Packet[]): Promise<void> {
    const { body: payload, type } = this.encode(packets);
    const sent = this.#posting.then(() => this.post(payload, { "Content-Type": type }));
    this.#posting = sent.catch(() => {});
    // Another case checks that the body is "ok".
    const { status, body } = await sent;
    expect(status === 200, "status 200", `status ${status}: ${quote(body)}`);
  }

  /**
   * Encodes a payload and returns its Content-Type. In revision 3, JSONP uses a form, and packets with bytes are
   * binary unless the query has b64.
   */
  encode(packets: readonly Packet[]): { body: string | Uint8Array; type: string } {
    const isText = packets.every((packet) => typeof packet === "string");
    if (this.#revision === 4) return { body: encodePayload4(packets), type: TYPES.text };
    if (this.#query.j !== undefined) {
      return { body: formOf(encodeTextPayload3(packets)), type: TYPES.form };
    }
    if (!isText && this.#query.b64 === undefined) {
      return { body: encodeBinaryPayload3(packets), type: TYPES.bytes };
    }
    return { body: encodeTextPayload3(packets), type: TYPES.text };
  }

  /** The Content-Type for a payload that may be malformed. */
  get type(): string {
    if (this.#revision === 4) return TYPES.text;
    if (this.#query.j !== undefined) return TYPES.form;
    return this.#query.b64 === undefined ? TYPES.bytes : TYPES.text;
  }

  /** Returns the packets in the response to a GET. @throws Failure if the response is invalid */
  packetsOf(answer: HttpAnswer): Packet[] {
    const { status, body } = answer;
    expect(status === 200, "status 200", `status ${status}: ${quote(body)}`);
    return decodeBody(answer, this.#revision, this.#query);
  }

  /** Returns the packets of the next GET. Pings are answered and not returned. */
  poll(): Promise<Packet[]> {
    return quietly(this.#poll());
  }

  async #poll(): Promise<Packet[]> {
    for (;;) {
      const packets = this.packetsOf(await this.get());
      if (this.#revision === 3) return packets;
      if (packets.includes("2")) await this.send("3");
      const others = packets.filter((packet) => packet !== "2");
      if (others.length > 0) return others;
    }
  }

  /** Returns the next `count` messages, with as many GETs as necessary. Noops are ignored. */
  receive(count: number): Promise<Packet[]> {
    return quietly(this.#receive(count));
  }

  async #receive(count: number): Promise<Packet[]> {
    needBehaviour(this.#context.target, "engineio-echo");
    while (this.#received.length < count) {
      for (const packet of await this.poll()) {
        if (packet === "6") continue;
        expect(isMessage(packet), "messages", describePacket(packet));
        this.#received.push(packet);
      }
    }
    return this.#received.splice(0);
  }

  /** Sends messages in one payload and expects their echoes. */
  async echo(...packets: readonly Packet[]): Promise<void> {
    needBehaviour(this.#context.target, "engineio-echo");
    await this.send(...packets);
    expectPackets(await this.receive(packets.length), packets);
  }

  /** Expects the session to be open: the server echoes a message. */
  async expectAlive(): Promise<void> {
    await this.echo(`4alive ${randomBytes(6).toString("hex")}`);
  }

  /**
   * Expects the session to end: the server refuses its id, at once or after the client has received the close packet.
   */
  async expectClosed(): Promise<void> {
    // This limit is shorter than the time after which a server of revision 3 ends a silent session. Otherwise the
    // session could end for this reason during the check.
    const limit = Math.min(1000, this.open.pingInterval || 1000);
    for (let turn = 0; turn < 4; turn++) {
      const answer = await within(limit, this.get());
      if (answer === undefined) throw new Failure("a session that has ended", "a pending GET");
      if (answer.status !== 200) {
        // Other cases check that the status is 400.
        expect(answer.status >= 400, "status 400", `status ${answer.status}`);
        return;
      }
      const alive = this.packetsOf(answer).includes("2");
      expect(!alive, "a session that has ended", "a ping");
    }
    throw new Failure("a session that has ended", "an open session");
  }
}

/** Values of Content-Type. */
const TYPES = {
  text: "text/plain;charset=UTF-8",
  form: "application/x-www-form-urlencoded",
  bytes: "application/octet-stream",
} as const;

function decodeBody(answer: HttpAnswer, revision: Revision, { j, b64 }: Query): Packet[] {
  const { headers, bytes, body } = answer;
  if (revision === 4) return decodePayload4(body);
  if (j !== undefined) return decodeTextPayload3(payloadOfScript(body, j));
  // A client with b64=1 reads text only, so the body is decoded as text.
  const isBinary = b64 === undefined && `${headers["content-type"]}`.startsWith(TYPES.bytes);
  return isBinary ? decodeBinaryPayload3(bytes) : decodeTextPayload3(body);
}

/** Returns the payload in `___eio[<index>]("…");`. */
function payloadOfScript(script: string, index: string): string {
  const [, called, literal = ""] = /^___eio\[(\d+)\]\((".*")\);?\s*$/s.exec(script) ?? [];
  expect(called === index, `___eio[${index}]("…");`, quote(script));
  try {
    const payload: unknown = JSON.parse(literal);
    if (typeof payload === "string") return payload;
  } catch {}
  throw new Failure("a string literal", quote(literal));
}

export class WebSocketSession {
  readonly peer: WebSocketPeer;
  readonly #revision: Revision;
  // The fragments of an incomplete message.
  #opcode = TEXT;
  #payloads: Uint8Array[] = [];

  constructor(peer: WebSocketPeer, revision: Revision) {
    this.peer = peer;
    this.#revision = revision;
  }

  /** Opens a WebSocket to Engine.IO. If the query has a sid, the WebSocket belongs to that session. */
  static async connect(
    context: Context,
    { revision = 4, query = {} }: SessionOptions = {},
  ): Promise<WebSocketSession> {
    const all = { EIO: `${revision}`, transport: "websocket", ...query };
    const peer = await context.websocket({ path: pathWith(context.target, all) });
    return new WebSocketSession(peer, revision);
  }

  /** Opens a new session and returns its open packet. */
  static async open(
    context: Context,
    options: SessionOptions = {},
  ): Promise<{ readonly session: WebSocketSession; readonly open: OpenPacket }> {
    if (options.revision === 3) await needRevision3(context);
    const session = await WebSocketSession.connect(context, options);
    return { session, open: readOpen(await session.next()) };
  }

  send(...packets: readonly Packet[]): void {
    for (const packet of packets) {
      if (typeof packet === "string") this.peer.sendText(packet);
      else this.peer.sendBinary(this.#revision === 4 ? packet : Buffer.from([4, ...packet]));
    }
  }

  /**
   * Returns the next packet, or `undefined` at the end of the connection. Answers pings, and does not return them,
   * unless `pings` is `true`.
   */
  async next(pings = false): Promise<Packet | undefined> {
    for (;;) {
      const frame = await this.peer.next();
      if (frame === undefined) return undefined;
      if (frame.opcode === CLOSE) {
        this.peer.sendClose();
        return undefined;
      }
      if (frame.opcode === PING) this.peer.send({ opcode: PONG, payload: frame.payload });
      if (frame.opcode > CLOSE) continue;
      if (frame.opcode !== 0) this.#opcode = frame.opcode;
      this.#payloads.push(frame.payload);
      if (!frame.fin) continue;
      const bytes = Buffer.concat(this.#payloads.splice(0));
      if (this.#opcode === BINARY) return this.#revision === 4 ? bytes : withoutType(bytes);
      const text = bytes.toString();
      if (this.#revision === 3 || pings || text !== "2") return text;
      this.send("3");
    }
  }
}
