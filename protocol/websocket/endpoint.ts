// One end of a WebSocket without its wire: the receiver, the closing handshake and the framing of
// what is sent (RFC 6455 §5 to §7). lib/ gives it a TCP socket, tests give it an array, a client
// reuses it as it is.

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

/** Where an endpoint puts the bytes it wants sent. */
export interface Wire {
  /** The peer does not read as fast as we write: only what must be sent should be. */
  readonly congested: boolean;
  write(bytes: Bytes): void;
  /** Nothing more will be written: the TCP connection may be closed when all is sent. */
  end(): void;
}

export interface EndpointOptions extends ReceiverOptions {
  /**
   * A client's source of masking keys, which must be unpredictable (RFC 6455 §5.3, §10.3). A server has
   * none (RFC 6455 §5.1).
   */
  readonly randomFill?: RandomFill | undefined;
}

export class Endpoint {
  /**
   * What the peer's close frame said (RFC 6455 §7.1.5, §7.1.6). The code is 1005 where the frame had none,
   * and 1006 without a close frame.
   */
  closeStatus: CloseStatus = GONE;
  /** The peer's mistake for which this end failed the connection. */
  failure: ProtocolError | undefined;

  /** Which end this is. */
  readonly role: Role;

  readonly #wire: Wire;
  readonly #receiver: Receiver;
  readonly #randomFill: RandomFill | undefined;
  #state: ClosingState = "open";
  // RFC 6455 §5.5.3: the ping to answer when the wire is free again.
  #unanswered: Bytes | undefined;

  /** @throws TypeError for a client without a source of masking keys, or a server with one */
  constructor(wire: Wire, options: EndpointOptions) {
    if ((options.role === "client") !== (options.randomFill !== undefined)) {
      throw new TypeError("a client, and only a client, has a source of masking keys");
    }
    this.role = options.role;
    this.#wire = wire;
    this.#receiver = new Receiver(options);
    this.#randomFill = options.randomFill;
  }

  get state(): ClosingState {
    return this.#state;
  }

  /** Takes what the network gave; call next() until NEED_DATA. The chunk is unmasked in place. */
  receive(chunk: Bytes): void {
    // What comes behind a close frame or a failure is discarded (RFC 6455 §1.4, §7.1.7).
    if (mayReceive(this.#state)) this.#receiver.push(chunk);
  }

  /** The TCP connection has ended, for whatever reason (RFC 6455 §7.1.4). */
  receiveEnd(): void {
    if (this.#state !== "closed") this.#advance("end");
  }

  /**
   * The next TEXT, BINARY, PING, PONG or CLOSE, or NEED_DATA. A ping has been answered, and a
   * close frame too. A peer that breaks a rule fails the connection: then it is NEED_DATA and
   * `failure` tells which.
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

  /** The payload next() stands on. Borrowed: good until next() is called again. */
  get payload(): Bytes {
    return this.#receiver.payload;
  }

  /** The text next() stands on, where it is TEXT and not compressed. */
  get text(): string {
    return decodeValidUtf8(this.#receiver.payload);
  }

  /** The payload is compressed: whoever inflates it checks the size and the UTF-8 of what comes out. */
  get compressed(): boolean {
    return this.#receiver.compressed;
  }

  /** Sends a text message. Throws unless the state allows it: the caller's mistake. */
  sendText(text: string): void {
    this.#mustBeOpen();
    this.#wire.write(encodeTextFrame(text, this.#randomFill));
  }

  /** Sends a binary message. Throws unless the state allows it. */
  sendBinary(bytes: Bytes): void {
    this.sendMessage(BINARY, bytes);
  }

  // RFC 6455 §6.1: "The endpoint MUST ensure the WebSocket connection is in the OPEN state".

  /** Sends a message whose text, if it is one, is UTF-8 already. Throws unless the state allows it. */
  sendMessage(opcode: typeof TEXT | typeof BINARY, payload: Bytes): void {
    this.#mustBeOpen();
    this.#wire.write(encodeFrame(FIN | opcode, payload, this.#randomFill));
  }

  /** Sends a message that is compressed already (RFC 7692 §6.1). Throws unless the state allows it. */
  sendCompressed(opcode: typeof TEXT | typeof BINARY, payload: Bytes): void {
    this.#mustBeOpen();
    this.#wire.write(encodeFrame(FIN | RSV1 | opcode, payload, this.#randomFill));
  }

  /** Sends a whole unmasked frame made elsewhere, for many receivers at once. Throws unless the state allows it, and on a client. */
  sendFrame(frame: Bytes): void {
    // RFC 6455 §5.1: "a client MUST mask all frames that it sends to the server".
    if (this.role === "client") throw new TypeError("a client sends no unmasked frames");
    this.#mustBeOpen();
    this.#wire.write(frame);
  }

  /** RFC 6455 §5.5.2. Throws unless the state allows it, and for more than 125 bytes. */
  ping(payload: Bytes = EMPTY): void {
    this.#sendControl(PING, payload);
  }

  /** RFC 6455 §5.5.3: an unsolicited pong "serves as a unidirectional heartbeat". Throws as ping() does. */
  pong(payload: Bytes = EMPTY): void {
    this.#sendControl(PONG, payload);
  }

  /**
   * RFC 6455 §7.1.2, _Start the WebSocket Closing Handshake_. Does nothing where it has begun already.
   *
   * @throws RangeError for a code or reason that a close frame cannot carry
   */
  close(code?: number, reason?: string): void {
    const payload = encodeClose(code, reason);
    if (this.#state === "open") this.#sendClose(payload);
  }

  /** RFC 6455 §7.1.7, _Fail the WebSocket Connection_, because of the peer's mistake. */
  fail(failure: ProtocolError | RuleName): void {
    if (!mayReceive(this.#state)) return;
    this.failure = failure instanceof ProtocolError ? failure : new ProtocolError(failure);
    const mayTell = this.#state === "open";
    this.#advance("fail");
    if (mayTell) this.#writeControl(CLOSE, encodeClose(this.failure.code, this.failure.message));
    this.#wire.end();
  }

  /** The wire, congested before, is free again. */
  drained(): void {
    const payload = this.#unanswered;
    if (payload === undefined) return;
    this.#unanswered = undefined;
    if (mayReceive(this.#state)) this.#writeControl(PONG, payload);
  }

  // RFC 6455 §5.5.2: "…MUST send a Pong frame in response, unless it already received a Close frame":
  // also after a close frame of its own, since only data frames may not follow that.
  //
  // RFC 6455 §5.5.3: "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in
  // response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most
  // recently processed Ping frame." So the pongs for a peer that does not read them do not pile up.
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
      throw new RangeError(`a ping or pong has at most ${MAX_CONTROL_PAYLOAD} bytes`);
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
    if (next === undefined) throw new Error(`"${event}" cannot happen in "${this.#state}"`);
    this.#state = next;
  }
}

/** Something was to be sent on a connection that is closing or closed: the caller's mistake. */
export class NotOpenError extends Error {
  override readonly name = "NotOpenError";
  readonly code = "ERR_NOT_OPEN";

  constructor(state: ClosingState) {
    super(`nothing can be sent on a WebSocket that is ${state}`);
  }
}

const GONE: CloseStatus = { code: ABNORMAL_CLOSURE, reason: "" };
