// A WebSocket server's side by hand: what the client sends is held to what every client must do.
// RFC 6455 §5.

import { isUtf8 } from "node:buffer";
import { randomBytes } from "node:crypto";

import { expect, Failure } from "../harness/case.ts";
import { type Conversation, hex, quote } from "../harness/conversation.ts";
import { ENDED, type TcpConnection } from "./tcp.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closeCodeOf,
  closePayload,
  decodeFrame,
  describeFrame,
  encodeFrame,
  type Frame,
  type FrameOptions,
  FrameRules,
  measureFrame,
  PING,
  PONG,
  TEXT,
} from "./websocket.ts";

/** §7.4.1 and §7.4.2: codes that may be in a close frame. */
const CLOSE_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];

export interface ClientMessage {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

export class WebSocketClientPeer {
  readonly tcp: TcpConnection;
  /** The masking keys of the frames that have come, in hex. */
  readonly keys: string[] = [];
  readonly #rules = new FrameRules("client");
  readonly #conversation: Conversation;

  constructor(tcp: TcpConnection, conversation: Conversation) {
    this.tcp = tcp;
    this.#conversation = conversation;
  }

  /** Sends a frame, in pieces of so many bytes if that is given; unmasked as a server must. */
  send(options: FrameOptions, piece?: number): void {
    const { fin = true, rsv = 0, opcode, masked = false, payload = "" } = options;
    const frame = { fin, rsv, opcode, masked, payload: Buffer.from(payload) };
    this.sendBytes(encodeFrame({ ...options, masked }), describeFrame(frame), piece);
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

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array, meaning: string, piece = bytes.length): void {
    this.#conversation.sent(bytes, meaning);
    for (let at = 0; at < bytes.length; at += piece) this.tcp.write(bytes.subarray(at, at + piece));
  }

  /** The next frame, or `undefined` at the end of the connection. @throws Failure for what no client may send */
  async next(): Promise<Frame | undefined> {
    const bytes = await this.tcp.next(measureFrame);
    if (bytes === undefined) {
      this.#conversation.note("the client has ended the connection");
      return undefined;
    }
    const frame = decodeFrame(bytes);
    this.#conversation.received(bytes, describeFrame(frame));
    this.#rules.check(frame, bytes);
    if (frame.opcode === CLOSE) expectCloseFrame(frame);
    const { length } = frame.payload;
    const key = bytes.subarray(bytes.length - length - 4, bytes.length - length);
    this.keys.push(Buffer.from(key).toString("hex"));
    return frame;
  }

  /** The next message; `undefined` where the client closes or has gone. Pongs are passed over. */
  async message(): Promise<ClientMessage | undefined> {
    const payloads: Uint8Array[] = [];
    let opcode = CONTINUATION;
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) return undefined;
      if (frame.opcode === CLOSE) {
        this.answerClose(frame);
        return undefined;
      }
      if (frame.opcode === PING) this.send({ opcode: PONG, payload: frame.payload });
      if (frame.opcode > CLOSE) continue;
      if (payloads.length === 0) opcode = frame.opcode;
      payloads.push(frame.payload);
      if (!frame.fin) continue;
      const payload = Buffer.concat(payloads);
      expect(opcode !== TEXT || isUtf8(payload), "UTF-8 (§5.6)", hex(payload));
      return { opcode, payload };
    }
  }

  /** The client must send that message next, as text or binary. */
  async expectMessage(message: string | Uint8Array): Promise<void> {
    const wanted = Buffer.from(message);
    const got = await this.message();
    if (got === undefined) throw new Failure(describe(wanted), ENDED);
    const kind = typeof message === "string" ? TEXT : BINARY;
    const name = kind === TEXT ? "a text message" : "a binary message";
    expect(got.opcode === kind, name, `one of opcode ${got.opcode}`);
    expect(Buffer.compare(wanted, got.payload) === 0, describe(wanted), describe(got.payload));
  }

  /** The next frame must be of that opcode, with that payload. */
  async expectFrame(opcode: number, payload: string | Uint8Array): Promise<void> {
    const wanted = { fin: true, rsv: 0, opcode, masked: true, payload: Buffer.from(payload) };
    const frame = await this.next();
    const said = frame === undefined ? ENDED : describeFrame(frame);
    const same =
      frame?.opcode === opcode && Buffer.compare(Buffer.from(frame.payload), wanted.payload) === 0;
    expect(same, describeFrame(wanted), said);
  }

  /** Closes as a server does that has no more to say, and sees that the client takes part. */
  async close(code = 1000): Promise<void> {
    this.sendClose(code);
    await this.expectCloseAnswer();
  }

  /** The client must answer a close frame with one, send nothing behind it, and end TCP. */
  async expectCloseAnswer(codes: readonly number[] = []): Promise<void> {
    const wanted = codes.length === 0 ? "a close frame" : `a close frame of ${codes.join(" or ")}`;
    const frame = await this.next();
    if (frame === undefined) throw new Failure(wanted, ENDED);
    expect(frame.opcode === CLOSE, wanted, describeFrame(frame));
    expect(codes.length === 0 || codes.includes(closeCodeOf(frame)), wanted, describeFrame(frame));
    await this.endAndExpectEnd();
  }

  /** §7.1.7: the client must fail the connection, with a close frame of one of these codes or without. */
  async expectFailed(codes: readonly number[]): Promise<void> {
    const wanted = `the connection failed with ${codes.join(" or ")}, or without a close frame`;
    const frame = await this.next();
    if (frame === undefined) return;
    expect(frame.opcode === CLOSE, wanted, describeFrame(frame));
    expect(codes.includes(closeCodeOf(frame)), wanted, describeFrame(frame));
    this.answerClose(frame);
    await this.endAndExpectEnd();
  }

  /** It is still there: a ping is answered, with nothing before the pong. */
  async expectAlive(): Promise<void> {
    const payload = randomBytes(8);
    this.send({ opcode: PING, payload });
    await this.expectFrame(PONG, payload);
  }

  answerClose(frame: Frame): void {
    this.send({ opcode: CLOSE, payload: frame.payload.subarray(0, 2) });
    this.tcp.end();
  }

  /** §7.1.1: the server ends TCP, and the client does then. */
  async endAndExpectEnd(): Promise<void> {
    this.tcp.end();
    await this.tcp.untilEnd();
    this.#conversation.note("the client has ended the connection");
  }
}

/** 1005 for none (§7.1.5). */
function expectCloseFrame(frame: Frame): void {
  if (frame.payload.length === 0) return;
  const code = closeCodeOf(frame);
  const valid = CLOSE_CODES.includes(code) || (code >= 3000 && code < 5000);
  expect(valid, "a code that may be sent (§7.4)", describeFrame(frame));
  const reason = Buffer.from(frame.payload.subarray(2));
  expect(isUtf8(reason), "a reason in UTF-8 (§5.5.1)", hex(reason));
}

function describe(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes);
  return isUtf8(buffer) ? quote(buffer.toString()) : `${hex(buffer, 32)} (${buffer.length} bytes)`;
}
