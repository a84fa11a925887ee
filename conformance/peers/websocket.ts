// A WebSocket client (RFC 6455 §4.1, §5.2) for valid and for invalid frames. It shares no code with the
// implementations under test.

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
  /** RSV1 to RSV3 as a number: RSV1 counts 4, RSV2 counts 2, and RSV3 counts 1. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** The masking key. Missing if the frame is not masked. */
  readonly key?: Uint8Array;
  /** The payload, unmasked. */
  readonly payload: Uint8Array;
}

export interface FrameOptions {
  /** Default: `true`. */
  readonly fin?: boolean;
  /** RSV1 to RSV3 as a number: RSV1 counts 4, RSV2 counts 2, and RSV3 counts 1. Default: 0. */
  readonly rsv?: number;
  readonly opcode: number;
  readonly payload?: string | Uint8Array;
  /** Default: `true`, because a client must mask its frames. */
  readonly masked?: boolean;
  /** Default: a random key. */
  readonly key?: Uint8Array;
  /** Bytes of the extended length: 0, 2 or 8. Default: the fewest that suffice. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** The length in the header. Default: the length of the payload. */
  readonly length?: bigint | number;
}

/** Encodes a frame, valid or invalid. By default, the frame is masked like those of a client. */
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

/** Returns the payload of a close frame. */
export function closePayload(code: number, reason: string | Uint8Array = ""): Uint8Array {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)]);
}

/** Returns the number of bytes of the first frame in `input`, or `undefined` if its header is incomplete. */
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

/** @param bytes one complete frame */
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

/** Describes a frame for people: `text frame, fin, masked: "hello"`. */
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

/** Checks the frames of one end, in order. */
export class FrameRules {
  /** Whether permessage-deflate was negotiated. The extension uses RSV1 (RFC 7692 §6). */
  deflate = false;
  readonly #masked: boolean;
  // Whether a fragmented message has begun, and its last fragment is still missing.
  #fragmented = false;

  constructor(sender: "client" | "server") {
    // §5.1: a client masks all of its frames, and a server masks none.
    this.#masked = sender === "client";
  }

  /** @param bytes the received bytes of the frame @throws Failure if the frame must not be sent */
  check(frame: Frame, bytes: Uint8Array): void {
    const { fin, rsv, opcode, masked, payload } = frame;
    const got = describeFrame(frame);
    const mask = this.#masked ? "a masked frame" : "an unmasked frame";
    expect(masked === this.#masked, `${mask} (RFC 6455 §5.1)`, got);
    const begins = opcode === TEXT || opcode === BINARY;
    const compressed = this.deflate && rsv === 4 && begins;
    const where = this.deflate
      ? ", except RSV1 in the first frame of a message (RFC 7692 §6.1)"
      : "";
    expect(rsv === 0 || compressed, `RSV1 to RSV3 unset (RFC 6455 §5.2)${where}`, got);
    expect(NAMES[opcode] !== undefined, "no reserved opcode (RFC 6455 §5.2)", got);
    const { length } = payload;
    const short = (bytes[1] ?? 0) & 0x7f;
    const fewest = length < 126 ? short === length : short === (length < 65_536 ? 126 : 127);
    expect(fewest, "the length in its shortest form (RFC 6455 §5.2)", got);
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

/** Returns the code of a close frame: 1005, "no code", if the frame is empty (§7.1.5). */
export function closeCodeOf({ payload }: Pick<Frame, "payload">): number {
  const [high, low] = payload;
  return high === undefined || low === undefined ? 1005 : high * 256 + low;
}

/** §5.5.1: a close frame is empty, or has a code and a reason in UTF-8. @throws Failure for any other payload */
function checkCloseBody(frame: Frame): void {
  const { payload } = frame;
  const form = "a close frame that is empty or has a code (RFC 6455 §5.5.1)";
  expect(payload.length !== 1, form, describeFrame(frame));
  const reason = Buffer.from(payload.subarray(2));
  const same = Buffer.from(reason.toString()).equals(reason);
  expect(same, "a reason in UTF-8 (RFC 6455 §5.5.1)", hex(reason));
}

export interface WebSocketOptions {
  /** The path with its query. Default: the path where the server echoes messages. */
  readonly path?: string;
  /** Additional header fields, or other values for the fields of the handshake. `undefined` leaves a field out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Bytes that are written together with the request. */
  readonly behind?: Uint8Array;
}

export interface HandshakeAnswer {
  /** `NaN` for an invalid status line, see `statusOf()`. */
  readonly status: number;
  /** The status line. */
  readonly line: string;
  /** The header fields, with their names in lower case. The values of fields with the same name are joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  readonly key: string;
}

/** Returns the required Sec-WebSocket-Accept for a key (§4.2.2). */
export function acceptFor(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** Sends the request of a handshake and reads the head of the response. @throws Failure if there is no response */
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

/** Does the same as shakeHands(), but sends the given lines as the request. */
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

/** Returns the head of a request with the given lines. */
export function encodeRequest(lines: readonly string[]): Uint8Array {
  return Buffer.from([...lines, "", ""].join("\r\n"), "latin1");
}

const LONGEST_HEAD = 64 * 1024;

/** Reads the head of the response to a request with that key. @throws Failure if there is no response */
export async function readHandshakeAnswer(
  tcp: TcpConnection,
  conversation: Conversation,
  key: string,
): Promise<HandshakeAnswer> {
  const head = await tcp.next((input) => {
    const end = Buffer.from(input.buffer, input.byteOffset, input.length).indexOf("\r\n\r\n");
    if (end === -1 && input.length > LONGEST_HEAD) {
      throw new Failure(`a head of at most ${LONGEST_HEAD} bytes`, `${input.length} bytes or more`);
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

/**
 * Sends bytes in pieces of `piece` bytes. Waits between two pieces, so that the other end receives them separately,
 * unless the network joins them.
 */
export async function writeInPieces(
  tcp: TcpConnection,
  bytes: Uint8Array,
  piece: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) {
    tcp.write(bytes.subarray(at, at + piece));
    // The timer lets a server in another process read the piece. A server in this process reads the piece before the
    // callback of setImmediate() runs.
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
  /** Frames that a failed attempt of firstOf() has received. next() returns them again to the next attempt. */
  readonly #ahead: (Frame | undefined)[] = [];
  /** The frames that next() has returned since the current attempt began. */
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

  /** @throws Skip if the server lacks the behaviour */
  need(behaviour: Behaviour): void {
    needBehaviour(this.#target, behaviour);
  }

  /** Returns a header field of the server's response, or "". */
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

  /** Sends bytes in pieces of `piece` bytes, which the peer usually receives separately. */
  async sendBytesInPieces(bytes: Uint8Array, meaning: string, piece: number): Promise<void> {
    this.#conversation.sent(bytes, `${meaning} of ${piece} bytes`);
    await writeInPieces(this.tcp, bytes, piece);
  }

  /** Sends bytes unchanged. */
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

  /**
   * Returns the next frame, or `undefined` at the end of the connection. @throws Failure if the other end must not send
   * such a frame
   */
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
      if (isCut)
        throw new Failure(
          "complete frames",
          `${length} bytes of an incomplete frame, and ${ENDED}`,
        );
      return undefined;
    }
    const frame = decodeFrame(bytes);
    this.#conversation.received(bytes, describeFrame(frame));
    this.rules.check(frame, bytes);
    return frame;
  }

  /** Returns the next message, from one frame or several. Control frames between the frames of the message are ignored. */
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

  /** Expects a frame with this opcode next, and with this payload if it is given. */
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

  /** Expects this text or these bytes as the next message. */
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

  /** Expects a close frame next, with one of these codes if any are given. */
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

  /** Expects a close frame next, and then the end of TCP. The server ends TCP first (§7.1.1). */
  async expectClosed(codes: readonly number[] = []): Promise<void> {
    await this.expectCloseFrame(codes);
    if (this.#sender === "client") this.tcp.end();
    await this.expectEnd();
  }

  /**
   * Expects the other end to fail the connection (§7.1.7): it ends the connection, with or without a close frame, and
   * sends nothing else. If the close frame has none of these codes, the failure has the severity `severityOfCode`.
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
    // §7.1.1: the server ends TCP. If the other end is a client, the kit is the server.
    if (this.#sender === "client") this.answerClose(frame);
    await this.expectEnd();
    const code = closeCodeOf(frame);
    expect(codes.includes(code), wanted, `code ${code}`, severityOfCode);
  }

  /** Checks that the server has ended only this connection, and still accepts connections. */
  async #expectServer(): Promise<void> {
    const again = await TcpConnection.open(this.#target).catch((error: unknown) => {
      throw new Failure("a running server", `${error}`);
    });
    again.destroy();
  }

  /** Answers a client's close frame, and ends TCP. */
  answerClose(frame: Frame): void {
    this.send({ opcode: CLOSE, payload: frame.payload.subarray(0, 2) });
    this.tcp.end();
  }

  /** Expects the other end to end TCP, with no bytes before that (§7.1.1). */
  async expectEnd(): Promise<void> {
    await this.tcp.untilEnd();
    this.#conversation.note(`the ${this.#sender} has ended the connection`);
  }

  /** Expects the connection to be open: the other end answers a ping, and sends nothing before the pong. */
  async expectAlive(): Promise<void> {
    const payload = randomBytes(8);
    this.send({ opcode: PING, payload });
    await this.expectFrame(PONG, payload);
  }
}
