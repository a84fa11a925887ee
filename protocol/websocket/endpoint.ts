// One end of a WebSocket connection without the I/O: the receiver, the closing handshake, and the frames to send
// (RFC 6455 §5 to §7). An endpoint writes to a Wire: a TCP socket in lib/, an array in tests. Servers and
// clients use the same class.

import { type Bytes, copy, decodeValidUtf8, EMPTY } from "../bytes.ts";
import {
  ABNORMAL_CLOSURE,
  type CloseStatus,
  decodeClose,
  encodeClose,
  NO_STATUS,
} from "./close.ts";
import {
  type ClosingEvent,
  type ClosingState,
  mayReceive,
  maySendData,
  nextClosingState,
} from "./closing.ts";
import {
  BINARY,
  CLOSE,
  encodeFrame,
  encodeTextFrame,
  FIN,
  MAX_CONTROL_PAYLOAD,
  PING,
  PONG,
  type RandomFill,
  type Role,
  RSV1,
  type TEXT,
} from "./frame.ts";
import { NEED_DATA, Receiver, type ReceiverOptions } from "./receiver.ts";
import { ProtocolError, type RuleName } from "./rules.ts";

/** The destination of the bytes that an endpoint sends. */
export interface Wire {
  /**
   * Whether the peer reads more slowly than this end writes. While the value is `true`, the endpoint does not answer
   * pings. When the value becomes `false`, drained() must be called, which sends the pong for the last ping.
   */
  readonly congested: boolean;
  /**
   * Sends bytes.
   *
   * @param bytes a complete frame. The wire must not change the bytes, because other connections may send the same
   * bytes.
   */
  write(bytes: Bytes): void;
  /** Called after the last write(). The wire closes the TCP connection after all bytes are sent. */
  end(): void;
}

/** Options of an endpoint. */
export interface EndpointOptions extends ReceiverOptions {
  /**
   * Fills the masking keys of a client with unpredictable bytes (RFC 6455 §5.3, §10.3). A client must have this option.
   * A server must not have it, because a server does not mask its frames (RFC 6455 §5.1). Default: `undefined`.
   */
  readonly randomFill?: RandomFill | undefined;
}

/**
 * One end of a WebSocket connection after the opening handshake, without the I/O (RFC 6455 §5 to §7).
 *
 * The caller passes received bytes to receive(), and then calls next() until it returns NEED_DATA.
 *
 * @example
 * ```ts
 * const sent: Uint8Array[] = [];
 * const wire = { congested: false, write: (bytes: Uint8Array) => void sent.push(bytes), end: () => {} };
 * const endpoint = new Endpoint(wire, { role: "server", maxPayload: 1_000_000, deflate: false });
 *
 * endpoint.receive(Uint8Array.of(0x81, 0x82, 0x37, 0xfa, 0x21, 0x3d, 0x5f, 0x93)); // "hi", masked
 * for (let event = endpoint.next(); event !== NEED_DATA; event = endpoint.next()) {
 *   if (event === TEXT) endpoint.sendText(endpoint.text);
 * }
 * ```
 */
export class Endpoint {
  /**
   * The contents of the peer's close frame (RFC 6455 §7.1.5, §7.1.6). The code is 1005 if the frame contained no
   * code, and 1006 if the peer has sent no close frame.
   */
  closeStatus: CloseStatus = GONE;
  /** The rule that the peer has broken, if this end has failed the connection. */
  failure: ProtocolError | undefined;

  /** Whether this end is the server or the client. */
  readonly role: Role;

  readonly #wire: Wire;
  readonly #receiver: Receiver;
  readonly #randomFill: RandomFill | undefined;
  #state: ClosingState = "open";
  // The payload of the last ping that arrived while the wire was congested (RFC 6455 §5.5.3).
  #unanswered: Bytes | undefined;

  /**
   * Creates an endpoint of an open connection.
   *
   * @param wire receives the bytes to send
   * @param options the role of this end, the limits, and the source of masking keys
   * @throws TypeError if a client has no `randomFill`, or a server has one
   */
  constructor(wire: Wire, options: EndpointOptions) {
    if ((options.role === "client") !== (options.randomFill !== undefined)) {
      throw new TypeError(
        `a client must have the option randomFill, and a server must not, got role "${options.role}"`,
      );
    }
    this.role = options.role;
    this.#wire = wire;
    this.#receiver = new Receiver(options);
    this.#randomFill = options.randomFill;
  }

  /** The state of the connection. */
  get state(): ClosingState {
    return this.#state;
  }

  /**
   * Adds received bytes. Then call next() until it returns NEED_DATA. The endpoint unmasks the chunk in place.
   *
   * @param chunk the next bytes of the TCP connection, of any length
   */
  receive(chunk: Bytes): void {
    // Bytes after a close frame or a failure are discarded (RFC 6455 §1.4, §7.1.7).
    if (mayReceive(this.#state)) this.#receiver.push(chunk);
  }

  /** Tells the endpoint that the TCP connection has ended, for any reason (RFC 6455 §7.1.4). */
  receiveEnd(): void {
    if (this.#state !== "closed") this.#advance("end");
  }

  /**
   * Reads the next message or control frame. Returns TEXT, BINARY, PING, PONG or CLOSE, or NEED_DATA if no complete
   * message or control frame is left.
   *
   * The endpoint answers a ping or a close frame before next() returns. If the peer breaks a rule, the endpoint fails
   * the connection, sets `failure` and returns NEED_DATA (RFC 6455 §7.1.7).
   */
  next(): number {
    if (!mayReceive(this.#state)) {
      this.#receiver.discard();
      return NEED_DATA;
    }
    try {
      const event = this.#receiver.next();
      if (event === PING) this.#answerPing();
      else if (event === CLOSE) this.#answerClose();
      return event;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error);
      this.#receiver.discard();
      return NEED_DATA;
    }
  }

  /** The payload of the last message or control frame that next() returned. Valid until the next call of next(). */
  get payload(): Bytes {
    return this.#receiver.payload;
  }

  /** The payload as a string, if next() returned TEXT and the message is not compressed. */
  get text(): string {
    return decodeValidUtf8(this.#receiver.payload);
  }

  /**
   * Whether the payload is compressed. If so, the caller inflates the payload, and checks the size and the UTF-8 of the
   * result.
   */
  get compressed(): boolean {
    return this.#receiver.compressed;
  }

  /**
   * Sends a text message.
   *
   * @param text the text of the message
   * @throws NotOpenError if the connection is closing or closed
   */
  sendText(text: string): void {
    this.#mustBeOpen();
    this.#wire.write(encodeTextFrame(text, this.#randomFill));
  }

  /**
   * Sends a binary message.
   *
   * @param bytes the payload of the message
   * @throws NotOpenError if the connection is closing or closed
   */
  sendBinary(bytes: Bytes): void {
    this.sendMessage(BINARY, bytes);
  }

  /**
   * Sends a message. The payload of a text message must already be encoded in UTF-8.
   *
   * RFC 6455 §6.1: "The endpoint MUST ensure the WebSocket connection is in the OPEN state".
   *
   * @param opcode TEXT or BINARY
   * @param payload the payload of the message
   * @throws NotOpenError if the connection is closing or closed
   */
  sendMessage(opcode: typeof TEXT | typeof BINARY, payload: Bytes): void {
    this.#mustBeOpen();
    this.#wire.write(encodeFrame(FIN | opcode, payload, this.#randomFill));
  }

  /**
   * Sends a message whose payload is already compressed (RFC 7692 §6.1).
   *
   * @param opcode TEXT or BINARY
   * @param payload the compressed payload without the last four bytes, see withoutTail()
   * @throws NotOpenError if the connection is closing or closed
   */
  sendCompressed(opcode: typeof TEXT | typeof BINARY, payload: Bytes): void {
    this.#mustBeOpen();
    this.#wire.write(encodeFrame(FIN | RSV1 | opcode, payload, this.#randomFill));
  }

  /**
   * Sends an encoded, unmasked frame. A server can encode a frame once and send it to many clients.
   *
   * @param frame a complete frame, see encodeFrame()
   * @throws TypeError on a client
   * @throws NotOpenError if the connection is closing or closed
   */
  sendFrame(frame: Bytes): void {
    // RFC 6455 §5.1: "a client MUST mask all frames that it sends to the server".
    if (this.role === "client") throw new TypeError("a client cannot send an unmasked frame");
    this.#mustBeOpen();
    this.#wire.write(frame);
  }

  /**
   * Sends a ping (RFC 6455 §5.5.2).
   *
   * @param payload at most 125 bytes. Default: empty.
   * @throws RangeError if the payload is too long
   * @throws NotOpenError if the connection is closing or closed
   */
  ping(payload: Bytes = EMPTY): void {
    this.#sendControl(PING, payload);
  }

  /**
   * Sends an unsolicited pong. RFC 6455 §5.5.3: it "serves as a unidirectional heartbeat".
   *
   * @param payload at most 125 bytes. Default: empty.
   * @throws RangeError if the payload is too long
   * @throws NotOpenError if the connection is closing or closed
   */
  pong(payload: Bytes = EMPTY): void {
    this.#sendControl(PONG, payload);
  }

  /**
   * Sends a close frame: _Start the WebSocket Closing Handshake_ (RFC 6455 §7.1.2). Does nothing if the connection is
   * already closing or closed.
   *
   * @param code the status code. Default: none, which the peer reports as 1005.
   * @param reason at most 123 bytes in UTF-8. Default: "".
   * @throws RangeError if a close frame cannot contain this code or reason
   */
  close(code?: number, reason?: string): void {
    const payload = encodeClose(code, reason);
    if (this.#state === "open") this.#sendClose(payload);
  }

  /**
   * Fails the connection because the peer has broken a rule: _Fail the WebSocket Connection_ (RFC 6455 §7.1.7). Sends a
   * close frame with the status code of the rule, unless this end has already sent a close frame. Then calls end() of
   * the wire.
   *
   * @param failure the error, or the name of the broken rule
   */
  fail(failure: ProtocolError | RuleName): void {
    if (!mayReceive(this.#state)) return;
    this.failure = failure instanceof ProtocolError ? failure : new ProtocolError(failure);
    const mayTell = this.#state === "open";
    this.#advance("fail");
    if (mayTell) this.#writeControl(CLOSE, encodeClose(this.failure.code, this.failure.message));
    this.#wire.end();
  }

  /** Tells the endpoint that the wire is no longer congested. Sends the delayed pong, if any. */
  drained(): void {
    const payload = this.#unanswered;
    if (payload === undefined) return;
    this.#unanswered = undefined;
    if (mayReceive(this.#state)) this.#writeControl(PONG, payload);
  }

  // RFC 6455 §5.5.2: "…MUST send a Pong frame in response, unless it already received a Close frame". An endpoint that
  // has sent a close frame still answers pings, because only data frames must not follow the close frame.
  //
  // RFC 6455 §5.5.3: "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in
  // response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most
  // recently processed Ping frame." Therefore unread pongs do not accumulate.
  #answerPing(): void {
    const { congested } = this.#wire;
    this.#unanswered = congested ? copy(this.payload) : undefined;
    if (!congested) this.#writeControl(PONG, this.payload);
  }

  // RFC 6455 §5.5.1: "When sending a Close frame in response, the endpoint typically echos the status
  // code it received".
  #answerClose(): void {
    const status = decodeClose(this.payload);
    this.closeStatus = status;
    this.#advance("receiveClose");
    if (this.#state === "closeReceived") {
      this.#sendClose(status.code === NO_STATUS ? EMPTY : encodeClose(status.code));
    }
    // RFC 6455 §5.5.1, §7.1.1: "The server MUST close the underlying TCP connection immediately; the
    // client SHOULD wait for the server to close the connection".
    if (this.role === "server") this.#wire.end();
  }

  #sendClose(payload: Bytes): void {
    this.#writeControl(CLOSE, payload);
    this.#advance("sendClose");
  }

  #sendControl(opcode: typeof PING | typeof PONG, payload: Bytes): void {
    this.#mustBeOpen();
    if (payload.length > MAX_CONTROL_PAYLOAD) {
      throw new RangeError(
        `the payload of a ping or pong must have at most ${MAX_CONTROL_PAYLOAD} bytes, got ${payload.length}`,
      );
    }
    this.#writeControl(opcode, payload);
  }

  #writeControl(opcode: number, payload: Bytes): void {
    this.#wire.write(encodeFrame(FIN | opcode, payload, this.#randomFill));
  }

  #mustBeOpen(): void {
    if (!maySendData(this.#state)) throw new NotOpenError(this.#state);
  }

  #advance(event: ClosingEvent): void {
    const next = nextClosingState(this.#state, event);
    if (next === undefined)
      throw new Error(`the event "${event}" is not allowed in the state "${this.#state}"`);
    this.#state = next;
  }
}

/** Thrown when the caller sends on a connection that is closing or closed. */
export class NotOpenError extends Error {
  /** The name of the class. */
  override readonly name = "NotOpenError";
  /** The stable code of this error. */
  readonly code = "ERR_NOT_OPEN";

  /**
   * Creates the error for a connection in `state`.
   *
   * @param state the state of the connection
   */
  constructor(state: ClosingState) {
    super(`cannot send on a WebSocket in the state "${state}"`);
  }
}

const GONE: CloseStatus = { code: ABNORMAL_CLOSURE, reason: "" };
