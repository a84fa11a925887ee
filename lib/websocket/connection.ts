// A TCP socket around an Endpoint: reading, writing once a turn, back-pressure, and the end of it
// all. RFC 6455 §7.1.1 to §7.1.7 where they speak of TCP.

import { Socket as TcpSocket } from "node:net";
import type { Duplex } from "node:stream";

import { type Bytes, concat, decodeValidUtf8, encodeUtf8 } from "../../protocol/bytes.ts";
import { encodeClose } from "../../protocol/websocket/close.ts";
import type { DeflateSettings } from "../../protocol/websocket/deflate.ts";
import { Endpoint, NotOpenError, type Wire } from "../../protocol/websocket/endpoint.ts";
import {
  BINARY,
  encodeFrame,
  encodeTextFrame,
  FIN,
  PING,
  PONG,
  TEXT,
} from "../../protocol/websocket/frame.ts";
import { NEED_DATA } from "../../protocol/websocket/receiver.ts";
import type { ProtocolError } from "../../protocol/websocket/rules.ts";
import { Deadlines } from "../deadlines.ts";
import { flushSoon } from "../flush.ts";
import { Compressing, type CompressingHost } from "./compressing.ts";

/** The layer above: what a connection delivers to, synchronously and in order. */
export interface ConnectionSink {
  onText(text: string): void;
  onBinary(bytes: Bytes): void;
  /** A ping came and was answered. */
  onPing(payload: Bytes): void;
  onPong(payload: Bytes): void;
  /** What was written has left, after `congested` was true. */
  onDrain(): void;
  /**
   * The connection has ended; nothing follows.
   *
   * @param code what the peer's close frame said; 1005 for none, 1006 where no close frame came
   * @param failure the peer's mistake for which this end failed the connection
   */
  onClose(code: number, reason: string, failure: ProtocolError | undefined): void;
}

export interface ConnectionOptions {
  /** Bytes of payload in one message. */
  readonly maxPayload: number;
  /** permessage-deflate was agreed on. */
  readonly deflate?: DeflateSettings | undefined;
  /** Bytes from which a message is compressed. */
  readonly threshold?: number;
}

/** How long the peer may take to answer a close frame, or to end TCP after it, in milliseconds. */
const CLOSE_TIMEOUT = 30_000;

const closing = new Deadlines<Duplex>(CLOSE_TIMEOUT, (socket) => socket.destroy());

// Where a socket keeps the connection around it, so that its listeners are the same functions for all.
const CONNECTION = Symbol("connection");

interface ConnectedSocket extends Duplex {
  [CONNECTION]?: Connection;
}

// A closure for each of them would be a tenth of what an idle client takes (`idle` in bench/).

function onData(this: ConnectedSocket, chunk: Bytes): void {
  this[CONNECTION]?.receive(chunk);
}

/** TCP's FIN: the peer says nothing more, and reads nothing more (§7.1.4). */
function onEnd(this: ConnectedSocket): void {
  this[CONNECTION]?.end();
}

/** What breaks a TCP connection ends it, and "close" says so; a stream that is none may need to be told. */
export function destroyOnError(this: Duplex): void {
  this.destroy();
}

function onDrain(this: ConnectedSocket): void {
  this[CONNECTION]?.drained();
}

function onClose(this: ConnectedSocket): void {
  this[CONNECTION]?.closed();
}

// Up to here, copying pieces into one is cheaper than handing them over one by one.
const LARGEST_COPY = 64 * 1024;

/** Messages as whole frames for sendFrames(): strings as text, bytes as binary. */
export function encodeFrames(messages: readonly (string | Bytes)[]): readonly Bytes[] {
  return messages.map((message) =>
    typeof message === "string" ? encodeTextFrame(message) : encodeFrame(FIN | BINARY, message),
  );
}

export class Connection implements Wire, CompressingHost {
  readonly #socket: Duplex;
  readonly #endpoint: Endpoint;
  // Only where permessage-deflate was agreed on.
  readonly #compressing: Compressing | undefined;
  #sink: ConnectionSink | undefined;

  // Written in this turn and not handed to the socket yet.
  #written: Bytes[] | undefined;
  #writtenLength = 0;
  // Somebody may have been told to wait.
  #wasCongested = false;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket;
    const { maxPayload, deflate, threshold = 0 } = options;
    const endpoint = new Endpoint(this, {
      role: "server",
      maxPayload,
      deflate: deflate !== undefined,
    });
    this.#endpoint = endpoint;
    this.#compressing = deflate && new Compressing(this, socket, endpoint, deflate, threshold);
  }

  /** Begins to read and deliver. */
  start(sink: ConnectionSink): void {
    this.#sink = sink;
    const socket: ConnectedSocket = this.#socket;
    socket[CONNECTION] = this;
    if (socket instanceof TcpSocket) socket.setTimeout(0).setNoDelay(true);
    socket.on("data", onData);
    socket.on("end", onEnd);
    if (!socket.listeners("error").includes(destroyOnError)) socket.on("error", destroyOnError);
    socket.on("drain", onDrain);
    socket.on("close", onClose);
  }

  // What its socket's listeners call.

  receive(chunk: Bytes): void {
    const endpoint = this.#endpoint;
    endpoint.receive(chunk);
    if (this.#compressing !== undefined) {
      this.#compressing.read();
      return;
    }
    for (let event = endpoint.next(); event !== NEED_DATA; event = endpoint.next()) {
      this.deliver(event, endpoint.payload);
    }
  }

  /** What had to wait may go on, if it is so. */
  drained(): void {
    if (!this.#wasCongested || this.congested) return;
    this.#wasCongested = false;
    this.#endpoint.drained();
    this.#sink?.onDrain();
  }

  closed(): void {
    closing.delete(this.#socket);
    // What came before the end is delivered before it.
    if (!this.#compressing?.inflating) this.finish();
  }

  // What its socket and its Compressing call.

  deliver(event: number, payload: Bytes): void {
    const sink = this.#sink;
    if (event === TEXT) sink?.onText(decodeValidUtf8(payload));
    else if (event === BINARY) sink?.onBinary(payload);
    else if (event === PING) sink?.onPing(payload);
    else if (event === PONG) sink?.onPong(payload);
  }

  finish(): void {
    this.#endpoint.receiveEnd();
    this.#compressing?.end();
    const { code, reason } = this.#endpoint.closeStatus;
    this.#sink?.onClose(code, reason, this.#endpoint.failure);
  }

  /** Messages may be sent. */
  get open(): boolean {
    return this.#endpoint.state === "open" && !this.#compressing?.closing;
  }

  /** The peer does not read as fast as we write, or more was written in this turn than it will take at once. */
  get congested(): boolean {
    const waiting = this.#writtenLength + (this.#compressing?.waiting ?? 0);
    return this.#socket.writableNeedDrain || waiting >= this.#socket.writableHighWaterMark;
  }

  /** Messages are compressed for this peer alone, so that frames made for many do not fit. */
  get compresses(): boolean {
    return this.#compressing !== undefined;
  }

  /** Bytes that were sent and have not been handed to the operating system. */
  get bufferedAmount(): number {
    const waiting = this.#writtenLength + (this.#compressing?.waiting ?? 0);
    return waiting + this.#socket.writableLength;
  }

  /** Sends a text message; `compress` only permits. @throws NotOpenError */
  sendText(text: string, compress = true): void {
    this.#mustBeOpen();
    if (this.#compressing === undefined) this.#endpoint.sendText(text);
    else this.#sendWith(this.#compressing, TEXT, encodeUtf8(text), compress);
  }

  /** Sends a binary message; `compress` only permits. @throws NotOpenError */
  sendBinary(bytes: Bytes, compress = true): void {
    this.#mustBeOpen();
    if (this.#compressing === undefined) this.#endpoint.sendBinary(bytes);
    else this.#sendWith(this.#compressing, BINARY, bytes, compress);
  }

  /** Sends whole frames made elsewhere, for many receivers at once; not where `compresses`. @throws NotOpenError */
  sendFrames(frames: readonly Bytes[]): void {
    this.#mustBeOpen();
    for (const frame of frames) this.#endpoint.sendFrame(frame);
  }

  /** Sends a ping of at most 125 bytes. @throws NotOpenError, RangeError */
  ping(payload?: Bytes): void {
    this.#mustBeOpen();
    this.#endpoint.ping(payload);
  }

  /**
   * Starts the closing handshake, behind what was sent; does nothing where it has begun already.
   *
   * @param code without one the close frame is empty
   * @param reason at most 123 bytes of UTF-8
   * @throws RangeError for a code or reason that a close frame cannot carry
   */
  close(code?: number, reason?: string): void {
    encodeClose(code, reason);
    if (!this.open) return;
    closing.add(this.#socket);
    if (this.#compressing === undefined) this.#endpoint.close(code, reason);
    else this.#compressing.close(code, reason);
  }

  /** Ends the TCP connection at once, without a closing handshake. §7.2.2: a server may, at any time. */
  terminate(): void {
    // The 101 may be among what was written.
    this.flush();
    this.#socket.destroy();
  }

  // The endpoint's wire.

  write(bytes: Bytes): void {
    if (this.#written === undefined) {
      this.#written = [bytes];
      flushSoon(this);
    } else {
      this.#written.push(bytes);
    }
    this.#writtenLength += bytes.length;
    this.#wasCongested ||= this.congested;
  }

  end(): void {
    this.flush();
    this.#socket.end();
    // §7.1.1: the peer ends its side in turn; one that does not is cut off.
    if (!this.#socket.destroyed) closing.add(this.#socket);
  }

  /** Hands what was written to the socket. */
  flush(): void {
    const written = this.#written;
    if (written === undefined) return;
    const length = this.#writtenLength;
    this.#written = undefined;
    this.#writtenLength = 0;
    const socket = this.#socket;
    if (!socket.writable) return;
    const [only] = written;
    if (written.length === 1 && only !== undefined) {
      socket.write(only);
    } else if (length <= LARGEST_COPY) {
      socket.write(concat(written));
    } else {
      socket.cork();
      for (const bytes of written) socket.write(bytes);
      socket.uncork();
    }
    this.#wasCongested ||= this.congested;
    this.drained();
  }

  #sendWith(
    compressing: Compressing,
    opcode: typeof TEXT | typeof BINARY,
    payload: Bytes,
    compress: boolean,
  ): void {
    compressing.send(opcode, payload, compress);
    // It may stand in line now.
    this.#wasCongested ||= this.congested;
  }

  #mustBeOpen(): void {
    if (!this.open) throw new NotOpenError(this.#endpoint.state);
  }
}
