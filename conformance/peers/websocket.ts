// A WebSocket client by hand: it sends what it is told, right or wrong, and reads frames as they are.
// RFC 6455 §4.1, §5.2. It shares no code with any implementation that it tests.

import { createHash, randomBytes } from "node:crypto";

import { type Attempt, firstOf } from "../harness/attempts.ts";
import { type Behaviour, needBehaviour } from "../harness/behaviour.ts";
import { expect, Failure, type Severity } from "../harness/case.ts";
import { type Conversation, hex, quote } from "../harness/conversation.ts";
import { addressOf, type Target } from "../harness/target.ts";
import { describeStatus, statusOf } from "./http.ts";
import { ENDED, TcpConnection } from "./tcp.ts";

export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

const NAMES: Readonly<Record<number, string>> = {
  [CONTINUATION]: "continuation",
  [TEXT]: "text",
  [BINARY]: "binary",
  [CLOSE]: "close",
  [PING]: "ping",
  [PONG]: "pong",
};

export interface Frame {
  readonly fin: boolean;
  /** RSV1 to RSV3 as a number: 4, 2, 1. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** Of a masked frame. */
  readonly key?: Uint8Array;
  /** Unmasked. */
  readonly payload: Uint8Array;
}

export interface FrameOptions {
  /** Default `true`. */
  readonly fin?: boolean;
  /** RSV1 to RSV3 as a number: 4, 2, 1. Default 0. */
  readonly rsv?: number;
  readonly opcode: number;
  readonly payload?: string | Uint8Array;
  /** Default `true`, as a client must. */
  readonly masked?: boolean;
  /** Default: one at random. */
  readonly key?: Uint8Array;
  /** In how many bytes the length is written: 0, 2 or 8 behind the first. Default: the fewest. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** The length that is claimed. Default: that of the payload. */
  readonly length?: bigint | number;
}

/** A frame of a client, as bytes; also one that is wrong. */
export function encodeFrame(options: FrameOptions): Uint8Array {
  const { fin = true, rsv = 0, opcode, payload = "", masked = true } = options;
  const body = Buffer.from(payload);
  const length = BigInt(options.length ?? body.length);
  const lengthBytes = options.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const short = lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127;
  head[1] = (masked ? 0x80 : 0) | short;
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, body]);
  const key = options.key ?? randomBytes(4);
  const start = head.length + key.length;
  const frame = Buffer.concat([head, key, body]);
  for (let i = 0; i < body.length; i++) frame[start + i] = (body[i] ?? 0) ^ (key[i & 3] ?? 0);
  return frame;
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: string | Uint8Array = ""): Uint8Array {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)]);
}

/** How many bytes the first frame in `input` has, if its header is there. */
export function measureFrame(input: Uint8Array): number | undefined {
  const second = input[1];
  if (second === undefined) return undefined;
  const short = second & 0x7f;
  const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
  const head = 2 + lengthBytes + (second & 0x80 ? 4 : 0);
  if (input.length < head) return undefined;
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const length =
    lengthBytes === 0
      ? short
      : lengthBytes === 2
        ? view.getUint16(2)
        : Number(view.getBigUint64(2));
  return head + length;
}

/** @param bytes one whole frame */
export function decodeFrame(bytes: Uint8Array): Frame {
  const [first = 0, second = 0] = bytes;
  const short = second & 0x7f;
  const masked = (second & 0x80) !== 0;
  const start = 2 + (short < 126 ? 0 : short === 126 ? 2 : 8);
  const key = bytes.subarray(start, start + 4);
  const payload = masked
    ? bytes.subarray(start + 4).map((byte, i) => byte ^ (key[i & 3] ?? 0))
    : bytes.subarray(start);
  return {
    fin: (first & 0x80) !== 0,
    rsv: (first >> 4) & 7,
    opcode: first & 0xf,
    masked,
    ...(masked && { key }),
    payload,
  };
}

/** A frame for people: `text frame, fin, masked: "hello"`. */
export function describeFrame({ fin, rsv, opcode, masked, payload }: Frame): string {
  const name = NAMES[opcode] ?? `reserved opcode 0x${opcode.toString(16)}`;
  const flags = `${fin ? ", fin" : ""}${rsv === 0 ? "" : `, rsv ${rsv.toString(2).padStart(3, "0")}`}${masked ? ", masked" : ""}`;
  let said = "";
  if (opcode === CLOSE && payload.length >= 2) {
    const [high = 0, low = 0] = payload;
    said = `: ${high * 256 + low} ${quote(Buffer.from(payload.subarray(2)).toString())}`;
  } else if (payload.length > 0 && rsv === 0 && opcode === TEXT) {
    said = `: ${quote(Buffer.from(payload).toString())}`;
  } else if (payload.length > 0) {
    said = `: ${hex(payload, 32)} (${payload.length} bytes)`;
  }
  return `${name} frame${flags}${said}`;
}

/** What the frames of one end must be, one behind the other. */
export class FrameRules {
  /** permessage-deflate was agreed on, which has a use for RSV1 (RFC 7692 §6). */
  deflate = false;
  readonly #masked: boolean;
  // A message is under way whose last fragment has not come.
  #fragmented = false;

  constructor(sender: "client" | "server") {
    // §5.1: a client masks all of its frames, and a server none.
    this.#masked = sender === "client";
  }

  /** @param bytes as it came @throws Failure for a frame that must not be sent */
  check(frame: Frame, bytes: Uint8Array): void {
    const { fin, rsv, opcode, masked, payload } = frame;
    const got = describeFrame(frame);
    const mask = this.#masked ? "a masked frame" : "an unmasked frame";
    expect(masked === this.#masked, `${mask} (RFC 6455 §5.1)`, got);
    const begins = opcode === TEXT || opcode === BINARY;
    const compressed = this.deflate && rsv === 4 && begins;
    const where = this.deflate ? ", but for RSV1 where a message begins (RFC 7692 §6.1)" : "";
    expect(rsv === 0 || compressed, `RSV1 to RSV3 unset (RFC 6455 §5.2)${where}`, got);
    expect(NAMES[opcode] !== undefined, "no reserved opcode (RFC 6455 §5.2)", got);
    const { length } = payload;
    const short = (bytes[1] ?? 0) & 0x7f;
    const fewest = length < 126 ? short === length : short === (length < 65_536 ? 126 : 127);
    expect(fewest, "the length in as few bytes as it takes (RFC 6455 §5.2)", got);
    if (opcode >= CLOSE) {
      expect(fin && length <= 125, "a short control frame with FIN (RFC 6455 §5.5)", got);
      return;
    }
    const wanted = this.#fragmented ? "a continuation frame" : "a frame that begins a message";
    const continues = opcode === CONTINUATION;
    expect(continues === this.#fragmented, `${wanted} (RFC 6455 §5.4)`, got);
    this.#fragmented = !fin;
  }
}

/** The code of a close frame: 1005, "no code", for one that has none (§7.1.5). */
export function closeCodeOf({ payload }: Pick<Frame, "payload">): number {
  const [high, low] = payload;
  return high === undefined || low === undefined ? 1005 : high * 256 + low;
}

/** §5.5.1: it is empty, or has a code and a reason in UTF-8. @throws Failure for any other */
function checkCloseBody(frame: Frame): void {
  const { payload } = frame;
  const form = "a close frame that is empty or has a code (RFC 6455 §5.5.1)";
  expect(payload.length !== 1, form, describeFrame(frame));
  const reason = Buffer.from(payload.subarray(2));
  const same = Buffer.from(reason.toString()).equals(reason);
  expect(same, "a reason in UTF-8 (RFC 6455 §5.5.1)", hex(reason));
}

export interface WebSocketOptions {
  /** With its query. Default: where the target echoes. */
  readonly path?: string;
  /** Further header fields, or other values for those of the handshake; `undefined` leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Bytes that are sent in one piece with the request. */
  readonly behind?: Uint8Array;
}

export interface HandshakeAnswer {
  /** `NaN` for an answer that does not count, see `statusOf()`. */
  readonly status: number;
  /** The first line of the answer. */
  readonly line: string;
  /** Names in lower case; several of one name are joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  readonly key: string;
}

/** What Sec-WebSocket-Accept must be for a key (§4.2.2). */
export function acceptFor(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** Sends a handshake's request and reads the head of the answer. @throws Failure for none */
export async function shakeHands(
  tcp: TcpConnection,
  target: Target,
  conversation: Conversation,
  { path = target.websocketPath, headers = {}, behind }: WebSocketOptions,
): Promise<HandshakeAnswer> {
  const key = headers["Sec-WebSocket-Key"] ?? randomBytes(16).toString("base64");
  const fields: Record<string, string | undefined> = {
    Host: addressOf(target),
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": key,
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}: ${value}`,
  );
  return requestUpgrade(tcp, conversation, [`GET ${path} HTTP/1.1`, ...lines], key, behind);
}

/** As shakeHands(), with every line of the request as it is given. */
export async function requestUpgrade(
  tcp: TcpConnection,
  conversation: Conversation,
  lines: readonly string[],
  key: string,
  behind: Uint8Array = new Uint8Array(0),
): Promise<HandshakeAnswer> {
  const request = Buffer.concat([encodeRequest(lines), behind]);
  conversation.sent(request, lines.join(" ⏎ "));
  tcp.write(request);
  return readHandshakeAnswer(tcp, conversation, key);
}

/** The head of a request, with every line as it is given. */
export function encodeRequest(lines: readonly string[]): Uint8Array {
  return Buffer.from([...lines, "", ""].join("\r\n"), "latin1");
}

const LONGEST_HEAD = 64 * 1024;

/** Reads the head of the answer to a request that was sent with that key. @throws Failure for none */
export async function readHandshakeAnswer(
  tcp: TcpConnection,
  conversation: Conversation,
  key: string,
): Promise<HandshakeAnswer> {
  const head = await tcp.next((input) => {
    const end = Buffer.from(input.buffer, input.byteOffset, input.length).indexOf("\r\n\r\n");
    if (end === -1 && input.length > LONGEST_HEAD) {
      throw new Failure(`a head of ${LONGEST_HEAD} bytes at most`, `${input.length} and more`);
    }
    return end === -1 ? undefined : end + 4;
  });
  if (head === undefined) throw new Failure("an answer to the handshake", ENDED);
  const [first = "", ...rest] = Buffer.from(head).toString("latin1").trimEnd().split("\r\n");
  conversation.received(head, [first, ...rest].join(" ⏎ "));
  const status = statusOf(first);
  const answered = new Map<string, string>();
  for (const line of rest) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim().toLowerCase();
    const before = answered.get(name);
    const value = line.slice(colon + 1).trim();
    answered.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status, line: first, headers: answered, key };
}

/** Between two pieces the reader has its turn, so that it sees them apart, if the network does not join them. */
export async function writeInPieces(
  tcp: TcpConnection,
  bytes: Uint8Array,
  piece: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) {
    tcp.write(bytes.subarray(at, at + piece));
    // The timer is for a server in another process. One in this process reads before the immediate,
    // which comes behind the reading of its turn.
    await new Promise((resolve) => setTimeout(() => setImmediate(resolve), 1));
  }
}

export class WebSocketPeer {
  readonly tcp: TcpConnection;
  readonly handshake: HandshakeAnswer;
  readonly rules: FrameRules;
  readonly #target: Target;
  readonly #conversation: Conversation;
  readonly #sender: "client" | "server";
  /** Frames that have come and are looked at once more. */
  readonly #ahead: (Frame | undefined)[] = [];
  /** What next() has returned since an attempt began. */
  #seen: (Frame | undefined)[] | undefined;

  constructor(
    tcp: TcpConnection,
    handshake: HandshakeAnswer,
    target: Target,
    conversation: Conversation,
    sender: "client" | "server" = "server",
  ) {
    this.tcp = tcp;
    this.handshake = handshake;
    this.rules = new FrameRules(sender);
    this.#target = target;
    this.#conversation = conversation;
    this.#sender = sender;
  }

  static async open(
    tcp: TcpConnection,
    target: Target,
    conversation: Conversation,
    options: WebSocketOptions,
  ): Promise<WebSocketPeer> {
    const handshake = await shakeHands(tcp, target, conversation, options);
    expect(handshake.status === 101, "status 101", describeStatus(handshake.line));
    return new WebSocketPeer(tcp, handshake, target, conversation);
  }

  /** @throws Skip where the server lacks it */
  need(behaviour: Behaviour): void {
    needBehaviour(this.#target, behaviour);
  }

  /** A header field of the server's answer, or "". */
  header(name: string): string {
    return this.handshake.headers.get(name) ?? "";
  }

  /** Sends a frame. */
  send(options: FrameOptions): void {
    const bytes = encodeFrame(options);
    const payload = Buffer.from(options.payload ?? "");
    const { fin = true, rsv = 0, opcode, masked = true } = options;
    this.sendBytes(bytes, describeFrame({ fin, rsv, opcode, masked, payload }));
  }

  sendText(text: string | Uint8Array): void {
    this.send({ opcode: TEXT, payload: text });
  }

  sendBinary(bytes: Uint8Array): void {
    this.send({ opcode: BINARY, payload: bytes });
  }

  sendClose(code?: number, reason?: string | Uint8Array): void {
    const payload = code === undefined ? "" : closePayload(code, reason);
    this.send({ opcode: CLOSE, payload });
  }

  /** As sendBytes(), in pieces of so many bytes that are read one by one, as far as that can be brought about. */
  async sendBytesInPieces(bytes: Uint8Array, meaning: string, piece: number): Promise<void> {
    this.#conversation.sent(bytes, `${meaning} of ${piece} bytes`);
    await writeInPieces(this.tcp, bytes, piece);
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array, meaning: string): void {
    this.#conversation.sent(bytes, meaning);
    this.tcp.write(bytes);
  }

  /** Runs attempts on the same frames until one succeeds. @throws Failure if all fail */
  async firstOf(attempts: readonly Attempt[]): Promise<void> {
    let seen: (Frame | undefined)[] = [];
    const watched = attempts.map((attempt) => (): Promise<void> => {
      seen = [];
      this.#seen = seen;
      return attempt();
    });
    try {
      await firstOf(watched, () => this.#ahead.unshift(...seen));
    } finally {
      this.#seen = undefined;
    }
  }

  /** The next frame, or `undefined` at the end of the connection. @throws Failure for one that no server may send */
  async next(): Promise<Frame | undefined> {
    const frame = this.#ahead.length > 0 ? this.#ahead.shift() : await this.#read();
    this.#seen?.push(frame);
    return frame;
  }

  async #read(): Promise<Frame | undefined> {
    const bytes = await this.tcp.next(measureFrame);
    if (bytes === undefined) {
      this.#conversation.note(`the ${this.#sender} has ended the connection`);
      const { length } = this.tcp.input;
      const isCut = length > 0 && this.#sender === "server";
      if (isCut) throw new Failure("whole frames", `${length} bytes of one, and ${ENDED}`);
      return undefined;
    }
    const frame = decodeFrame(bytes);
    this.#conversation.received(bytes, describeFrame(frame));
    this.rules.check(frame, bytes);
    return frame;
  }

  /** The next message, of one frame or several; control frames between them are passed over. */
  async message(): Promise<{ readonly opcode: number; readonly payload: Uint8Array }> {
    const payloads: Uint8Array[] = [];
    let opcode = CONTINUATION;
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Failure("a message", ENDED);
      if (frame.opcode === CLOSE) throw new Failure("a message", describeFrame(frame));
      if (frame.opcode > CLOSE) continue;
      if (payloads.length === 0) opcode = frame.opcode;
      payloads.push(frame.payload);
      if (frame.fin) return { opcode, payload: Buffer.concat(payloads) };
    }
  }

  /** The next frame must be of that opcode; with that payload, if it is given. */
  async expectFrame(opcode: number, payload?: string | Uint8Array): Promise<Frame> {
    const frame = await this.next();
    const name = `a ${NAMES[opcode]} frame`;
    if (frame === undefined) throw new Failure(name, ENDED);
    expect(frame.opcode === opcode, name, describeFrame(frame));
    if (payload !== undefined) {
      const wanted = Buffer.from(payload);
      const same = Buffer.compare(wanted, frame.payload) === 0;
      const with_ = `${name} with ${hex(wanted, 32)} (${wanted.length} bytes)`;
      expect(same, with_, describeFrame(frame));
    }
    return frame;
  }

  /** The next message must be that text, or those bytes. */
  async expectMessage(message: string | Uint8Array): Promise<void> {
    this.need("websocket-echo");
    const { opcode, payload } = await this.message();
    const wanted = typeof message === "string" ? TEXT : BINARY;
    expect(opcode === wanted, `a ${NAMES[wanted]} message`, `a ${NAMES[opcode]} message`);
    const bytes = Buffer.from(message);
    const same = Buffer.compare(bytes, payload) === 0;
    expect(
      same,
      `${hex(bytes, 32)} (${bytes.length} bytes)`,
      `${hex(payload, 32)} (${payload.length} bytes)`,
    );
  }

  /** The next frame must be a close frame, with one of these codes if any are given. */
  async expectCloseFrame(codes: readonly number[] = []): Promise<void> {
    const wanted =
      codes.length === 0 ? "a close frame" : `a close frame with ${codes.join(" or ")}`;
    const frame = await this.next();
    if (frame === undefined) throw new Failure(wanted, ENDED);
    expect(frame.opcode === CLOSE, wanted, describeFrame(frame));
    checkCloseBody(frame);
    const code = closeCodeOf(frame);
    expect(codes.length === 0 || codes.includes(code), wanted, `code ${code}`);
  }

  /** The next frame must be a close frame, and the end of TCP must follow: first the server's (§7.1.1). */
  async expectClosed(codes: readonly number[] = []): Promise<void> {
    await this.expectCloseFrame(codes);
    if (this.#sender === "client") this.tcp.end();
    await this.expectEnd();
  }

  /**
   * The other end must fail the connection (§7.1.7): it ends it, with a close frame before it or with
   * none, and says nothing else. That the frame has one of these codes is a SHOULD, or less.
   */
  async expectFailed(codes: readonly number[], severityOfCode: Severity = "SHOULD"): Promise<void> {
    const wanted = `the connection failed with ${codes.join(" or ")}, or without a close frame`;
    const frame = await this.next();
    if (frame === undefined) {
      if (this.#sender === "server") await this.#expectServer();
      return;
    }
    expect(frame.opcode === CLOSE, wanted, describeFrame(frame));
    checkCloseBody(frame);
    // §7.1.1: it is the server that ends TCP.
    if (this.#sender === "client") this.answerClose(frame);
    await this.expectEnd();
    const code = closeCodeOf(frame);
    expect(codes.includes(code), wanted, `code ${code}`, severityOfCode);
  }

  /** What has ended is the connection, and not the server. */
  async #expectServer(): Promise<void> {
    const again = await TcpConnection.open(this.#target).catch((error: unknown) => {
      throw new Failure("a server that is still there", `${error}`);
    });
    again.destroy();
  }

  /** Answers a close frame of a client, as a server does. */
  answerClose(frame: Frame): void {
    this.send({ opcode: CLOSE, payload: frame.payload.subarray(0, 2) });
    this.tcp.end();
  }

  /** The other end must end TCP, and say nothing more. It is answered as §7.1.1 has it. */
  async expectEnd(): Promise<void> {
    await this.tcp.untilEnd();
    this.#conversation.note(`the ${this.#sender} has ended the connection`);
  }

  /** It is still there: a ping is answered, with nothing before the pong. */
  async expectAlive(): Promise<void> {
    const payload = randomBytes(8);
    this.send({ opcode: PING, payload });
    await this.expectFrame(PONG, payload);
  }
}
