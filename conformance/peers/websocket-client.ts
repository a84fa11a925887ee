// The server's side of a WebSocket, which checks that the client under test follows RFC 6455 §5.

import { expect, Failure } from "../harness/case.ts";
import type { Context } from "../harness/context.ts";
import { ENDED, type TcpConnection } from "./tcp.ts";
import {
  CLOSE,
  CONTINUATION,
  closeCodeOf,
  describeFrame,
  type Frame,
  type FrameOptions,
  type HandshakeAnswer,
  PING,
  PONG,
  WebSocketPeer,
} from "./websocket.ts";

/** The codes that a close frame may have (§7.4.1, §7.4.2). */
const CLOSE_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];

export interface ClientMessage {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** A placeholder for the handshake response, which the harness has sent itself. */
const OWN_ANSWER: HandshakeAnswer = { status: 101, line: "", headers: new Map(), key: "" };

export class WebSocketClientPeer extends WebSocketPeer {
  /** The masking keys of the received frames, in hex. */
  readonly keys = new Set<string>();

  constructor(tcp: TcpConnection, { target, conversation }: Context) {
    super(tcp, OWN_ANSWER, target, conversation, "client");
  }

  /** Sends a frame. By default, the frame is not masked, because a server must not mask its frames. */
  override send(options: FrameOptions): void {
    super.send({ masked: false, ...options });
  }

  /** @throws Failure also if the frame is a close frame with a code that must not be sent */
  override async next(): Promise<Frame | undefined> {
    const frame = await super.next();
    if (frame?.key !== undefined) this.keys.add(Buffer.from(frame.key).toString("hex"));
    if (frame?.opcode === CLOSE && frame.payload.length > 0) {
      const code = closeCodeOf(frame);
      const valid = CLOSE_CODES.includes(code) || (code >= 3000 && code < 5000);
      expect(valid, "a code that may be sent (§7.4)", describeFrame(frame));
    }
    return frame;
  }

  /** Returns the next message, or `undefined` when the client has closed the connection. Pings are answered. */
  async nextMessage(): Promise<ClientMessage | undefined> {
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
      if (frame.fin) return { opcode, payload: Buffer.concat(payloads) };
    }
  }

  override async message(): Promise<ClientMessage> {
    const message = await this.nextMessage();
    if (message === undefined) throw new Failure("a message", ENDED);
    return message;
  }

  /** Closes the connection, and expects the client's close frame. */
  async close(code = 1000): Promise<void> {
    this.sendClose(code);
    await this.expectClosed();
  }
}
