// A TCP or TLS socket around an Endpoint, for a client and for a server: reading, writing once a turn,
// back-pressure, and the end of the connection. RFC 6455 §7.1.1 to §7.1.7 where they speak of TCP.

import { Socket as TcpSocket } from "node:net";
import type { Duplex } from "node:stream";

import {
  type Bytes,
  concat,
  copy,
  decodeValidUtf8,
  encodeUtf8,
  utf8Length,
} from "../../protocol/bytes.ts";
import { encodeClose } from "../../protocol/websocket/close.ts";
import { Endpoint, NotOpenError, type Wire } from "../../protocol/websocket/endpoint.ts";
import {
  BINARY,
  PING,
  PONG,
  type RandomFill,
  type Role,
  TEXT,
} from "../../protocol/websocket/frame.ts";
import { NEED_DATA } from "../../protocol/websocket/receiver.ts";
import type { ProtocolError } from "../../protocol/websocket/rules.ts";
import { Deadlines } from "../deadlines.ts";
import { debugWebSocket } from "../debug.ts";
import { flushSoon } from "../flush.ts";
import { Compressor, type CompressorHost } from "./compressor.ts";
import type { DeflateSettings } from "./message-deflate.ts";
import { readAgain } from "./read-again.ts";
import type { UnsentData } from "./unsent-data.ts";

/** What a connection delivers to, synchronously and in order: the layer above. */
export interface ConnectionSink {
  onText(text: string): void;
  /** A client's bytes are in memory of their own. A server's are a part of what the socket has read. */
  onBinary(bytes: Bytes): void;
  /** Called after a ping was received and answered. */
  onPing(payload: Bytes): void;
  onPong(payload: Bytes): void;
  /** Called when `congested` is false again. */
  onDrain(): void;
  /**
   * Called when the connection has ended, or when this end has failed it. Nothing follows.
   *
   * @param code the code in the peer's close frame; 1005 if it held none, 1006 if no close frame was received
   * @param failure the peer's breach of the protocol for which this end failed the connection
   * @param error the socket's error, if the connection broke before the closing handshake was finished
   */
  onClose(
    code: number,
    reason: string,
    failure: ProtocolError | undefined,
    error: Error | undefined,
  ): void;
}

export interface ConnectionOptions {
  /** Which end this is. A client masks its frames (RFC 6455 §5.1). */
  readonly role: Role;
  /** The source of masking keys, for a client only (RFC 6455 §5.3). */
  readonly randomFill?: RandomFill;
  /** Where a client counts what it has sent. */
  readonly unsent?: UnsentData;
  /** Largest message that may be received, in bytes. */
  readonly maxPayload: number;
  /** Where the socket is listed from the start of the closing handshake until it is closed. Default: nowhere. */
  readonly closing?: Set<Duplex> | undefined;
  /** The agreed settings of permessage-deflate. */
  readonly deflate?: DeflateSettings | undefined;
  /** Compress messages of at least this many bytes. Default: 0. */
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

/** TCP's FIN: the peer sends nothing more, and reads nothing more (RFC 6455 §7.1.4). */
function onEnd(this: ConnectedSocket): void {
  this[CONNECTION]?.end();
}

/** An error ends a TCP socket by itself, and "close" follows. Other streams may have to be destroyed. */
export function destroyOnError(this: Duplex, error: Error): void {
  this.destroy(error);
}

function onDrain(this: ConnectedSocket): void {
  this[CONNECTION]?.drained();
}

function onClose(this: ConnectedSocket): void {
  this[CONNECTION]?.closed();
}

// Up to here, copying pieces into one is cheaper than handing them over one by one.
const LARGEST_COPY = 64 * 1024;

/** What is sent while something before it must be compressed or read first. */
interface SendQueue {
  /** Settled when all of it is sent. */
  last: Promise<void>;
  /** Bytes of the messages in it. */
  bytes: number;
  /** close() was called: nothing more may be sent. */
  closing: boolean;
}

type Opcode = typeof TEXT | typeof BINARY;

export class Connection implements Wire, CompressorHost {
  readonly #socket: Duplex;
  readonly #endpoint: Endpoint;
  // Only if permessage-deflate was agreed on.
  readonly #compressor: Compressor | undefined;
  // Only a client counts.
  readonly #unsent: UnsentData | undefined;
  readonly #closing: Set<Duplex> | undefined;
  #sink: ConnectionSink | undefined;

  // Written in this turn and not handed to the socket yet.
  #written: Bytes[] | undefined;
  #writtenLength = 0;
  // A caller may have seen that the connection is congested, and wait for onDrain().
  #wasCongested = false;
  // Only while something waits in it.
  #queue: SendQueue | undefined;
  #paused = false;
  // The socket is closed: what was received before is delivered, whatever calls pause().
  #ended = false;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket;
    const { role, randomFill, unsent, maxPayload, deflate, threshold = 0 } = options;
    const endpoint = new Endpoint(this, {
      role,
      maxPayload,
      deflate: deflate !== undefined,
      randomFill,
    });
    this.#endpoint = endpoint;
    this.#compressor = deflate && new Compressor(this, socket, endpoint, deflate, threshold);
    this.#unsent = unsent;
    this.#closing = options.closing;
  }

  /** Starts to read and to deliver to `sink`. A socket that is paused stays paused. */
  start(sink: ConnectionSink): void {
    this.#sink = sink;
    const socket: ConnectedSocket = this.#socket;
    if (debugWebSocket.enabled) {
      const how = this.compresses ? ", with permessage-deflate" : "";
      debugWebSocket("the connection with %s begins%s", peerOf(socket), how);
    }
    socket[CONNECTION] = this;
    if (socket instanceof TcpSocket) socket.setTimeout(0).setNoDelay(true);
    socket.on("data", onData);
    socket.on("end", onEnd);
    if (!socket.listeners("error").includes(destroyOnError)) socket.on("error", destroyOnError);
    socket.on("drain", onDrain);
    socket.on("close", onClose);
    // The client may have left while it was decided whether it may come.
    if (socket.readableEnded) this.end();
  }

  // What its socket's listeners call.

  receive(chunk: Bytes): void {
    this.#endpoint.receive(chunk);
    this.#deliverReceived();
  }

  /** Tells those who wait that the connection is no longer congested, if that is so. */
  drained(): void {
    if (!this.#wasCongested || this.congested) return;
    this.#wasCongested = false;
    this.#endpoint.drained();
    this.#sink?.onDrain();
  }

  closed(): void {
    closing.delete(this.#socket);
    this.#closing?.delete(this.#socket);
    // What was received before the end is delivered before it, also if pause() is called again meanwhile.
    this.#ended = true;
    this.#paused = false;
    const socket = this.#socket;
    for (let rest: Bytes | null = socket.read(); rest !== null; rest = socket.read()) {
      this.#endpoint.receive(rest);
    }
    this.#deliverReceived();
    if (!this.#compressor?.inflating) this.finish();
  }

  // What its socket's listeners and its Compressor call.

  deliver(event: number): void {
    const sink = this.#sink;
    const { payload } = this.#endpoint;
    if (event === TEXT) sink?.onText(decodeValidUtf8(payload));
    else if (event === BINARY)
      sink?.onBinary(this.#endpoint.role === "client" ? copy(payload) : payload);
    else if (event === PING) sink?.onPing(payload);
    else if (event === PONG) sink?.onPong(payload);
  }

  deliverInflated(opcode: Opcode, message: Bytes): void {
    if (opcode === TEXT) this.#sink?.onText(decodeValidUtf8(message));
    else this.#sink?.onBinary(message);
  }

  finish(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    this.#sink = undefined;
    const endpoint = this.#endpoint;
    // RFC 6455 §7.2.1: a connection that is lost fails, with the socket's error. After a clean close
    // (RFC 6455 §7.1.4), such as before a reset, that error is of no interest.
    const isClean = endpoint.state === "finished";
    endpoint.receiveEnd();
    this.#compressor?.end();
    const { code, reason } = endpoint.closeStatus;
    const error = isClean ? undefined : (this.#socket.errored ?? undefined);
    if (debugWebSocket.enabled) {
      const why = endpoint.failure?.message ?? error?.message ?? reason;
      debugWebSocket("the connection with %s ends: %d %s", peerOf(this.#socket), code, why);
    }
    sink.onClose(code, reason, endpoint.failure, error);
  }

  /** pause() was called, and resume() was not. `false` when the connection has ended. */
  get paused(): boolean {
    return this.#paused;
  }

  /** The socket is closed. What was received before may still be delivered. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Delivers nothing more and reads nothing more from the socket, so that TCP slows the peer down. When the connection ends
   * it delivers what it has received before, all of it: from then on this method does nothing.
   */
  pause(): void {
    if (this.#ended) return;
    this.#paused = true;
    this.#socket.pause();
  }

  /** Reads and delivers again, after pause(), from the next turn on. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Not in this call, which may come from the listener of a message that is being delivered.
    process.nextTick(() => this.#readOn());
  }

  /** Messages may be sent. */
  get open(): boolean {
    return this.#endpoint.state === "open" && !this.#queue?.closing;
  }

  /** The peer does not read as fast as this end writes, or more was written in this turn than the socket takes at once. */
  get congested(): boolean {
    const waiting = this.#writtenLength + (this.#queue?.bytes ?? 0);
    return this.#socket.writableNeedDrain || waiting >= this.#socket.writableHighWaterMark;
  }

  /** Messages are compressed for this peer alone, so frames that were encoded for many cannot be sent. */
  get compresses(): boolean {
    return this.#compressor !== undefined;
  }

  /** Bytes that were received, those of the opening handshake too; 0 for what is no TCP socket. */
  get bytesReceived(): number {
    return this.#socket instanceof TcpSocket ? this.#socket.bytesRead : 0;
  }

  /** Bytes that were sent, or wait to be, those of the opening handshake too; 0 for what is no TCP socket. */
  get bytesSent(): number {
    return this.#socket instanceof TcpSocket ? this.#socket.bytesWritten : 0;
  }

  /** Bytes that were sent and have not been handed to the operating system, with the frames around them. */
  get bufferedAmount(): number {
    const waiting = this.#writtenLength + (this.#queue?.bytes ?? 0);
    return waiting + this.#socket.writableLength;
  }

  /**
   * Sends a text message.
   *
   * @param compress whether it may be compressed
   * @throws NotOpenError
   */
  sendText(text: string, compress = true): void {
    this.#mustBeOpen();
    if (this.#compressor === undefined && this.#queue === undefined) {
      this.#unsent?.addWritten(utf8Length(text));
      this.#endpoint.sendText(text);
    } else {
      this.#send(TEXT, encodeUtf8(text), compress);
    }
  }

  /**
   * Sends a binary message.
   *
   * @param compress whether it may be compressed
   * @throws NotOpenError
   */
  sendBinary(bytes: Bytes, compress = true): void {
    this.#mustBeOpen();
    if (this.#compressor === undefined && this.#queue === undefined) {
      this.#unsent?.addWritten(bytes.length);
      this.#endpoint.sendBinary(bytes);
    } else {
      this.#send(BINARY, bytes, compress);
    }
  }

  /** Sends a Blob as a binary message, after reading it. What is sent behind it waits for it. @throws NotOpenError */
  sendBlob(blob: Blob): void {
    this.#mustBeOpen();
    this.#unsent?.add(blob.size);
    this.#enqueue(async () => {
      await this.#sendQueued(BINARY, new Uint8Array(await blob.arrayBuffer()), true);
    }, blob.size);
  }

  /** Sends whole frames that were encoded for many clients. Not if the connection `compresses`. @throws NotOpenError */
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
   * Starts the closing handshake, after what was sent. A peer that takes longer than CLOSE_TIMEOUT is disconnected.
   *
   * @param code Default: none, and the close frame is empty
   * @param reason at most 123 bytes of UTF-8
   * @throws RangeError for a code or reason that a close frame cannot carry
   */
  close(code?: number, reason?: string): void {
    encodeClose(code, reason);
    if (!closing.has(this.#socket)) this.#startCloseTimer();
    if (!this.open) return;
    if (this.#queue === undefined) {
      this.#endpoint.close(code, reason);
    } else {
      this.#queue.closing = true;
      this.#enqueue(() => this.#endpoint.close(code, reason), 0);
    }
  }

  /**
   * Ends the TCP connection at once, without a closing handshake. RFC 6455 §7.2.2: a server may, at any time.
   *
   * @param error passed on to onClose()
   */
  terminate(error?: Error): void {
    // The 101 may be among what was written.
    this.flush();
    this.#socket.destroy(error);
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
    // RFC 6455 §7.1.1: the peer ends its side in turn.
    this.#startCloseTimer();
    // RFC 6455 §7.1.7: nothing more of a failed connection is delivered, also if the peer never ends its side.
    if (this.#endpoint.failure !== undefined) process.nextTick(() => this.finish());
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
    const onWritten = this.#unsent?.flush();
    const [only] = written;
    if (written.length === 1 && only !== undefined) {
      socket.write(only, onWritten);
    } else if (length <= LARGEST_COPY) {
      socket.write(concat(written), onWritten);
    } else {
      socket.cork();
      const last = written.pop();
      for (const bytes of written) socket.write(bytes);
      socket.write(last, onWritten);
      socket.uncork();
    }
    this.#wasCongested ||= this.congested;
    this.drained();
  }

  #deliverReceived(): void {
    if (this.#compressor !== undefined) {
      this.#compressor.read();
      return;
    }
    const endpoint = this.#endpoint;
    for (let event = endpoint.next(); event !== NEED_DATA; event = endpoint.next()) {
      this.deliver(event);
      if (this.#paused) return;
    }
  }

  #readOn(): void {
    if (this.#paused) return;
    this.#deliverReceived();
    if (!this.#paused && !this.#compressor?.inflating) readAgain(this.#socket);
  }

  #send(opcode: Opcode, payload: Bytes, compress: boolean): void {
    this.#unsent?.add(payload.length);
    if (this.#queue === undefined) {
      if (!compress || !this.#compressor?.compresses(payload.length)) {
        this.#unsent?.write(payload.length);
        this.#endpoint.sendMessage(opcode, payload);
        return;
      }
      const compressed = this.#compressor.compressNow(payload);
      if (compressed !== undefined) {
        this.#unsent?.write(payload.length);
        this.#endpoint.sendCompressed(opcode, compressed);
        return;
      }
    }
    // A client's program may change its bytes after send() (WHATWG). A server shares them between many clients.
    const isBorrowed = opcode === BINARY && this.#endpoint.role === "client";
    const own = isBorrowed ? copy(payload) : payload;
    this.#enqueue(() => this.#sendQueued(opcode, own, compress), own.length);
  }

  /** Sends a message of the queue, compressed if it is worth it (RFC 7692 §6.1). */
  async #sendQueued(opcode: Opcode, payload: Bytes, compress: boolean): Promise<void> {
    const compressor =
      compress && this.#compressor?.compresses(payload.length) ? this.#compressor : undefined;
    const compressed = await compressor?.compress(payload);
    if (this.#endpoint.state !== "open") return;
    this.#unsent?.write(payload.length);
    if (compressed === undefined) this.#endpoint.sendMessage(opcode, payload);
    else this.#endpoint.sendCompressed(opcode, compressed);
  }

  /** Runs `job` after those in the queue. */
  #enqueue(job: () => void | Promise<void>, length: number): void {
    this.#queue ??= { last: Promise.resolve(), bytes: 0, closing: false };
    const queue = this.#queue;
    queue.bytes += length;
    const last = queue.last
      .then(job)
      // zlib had no memory, or a Blob cannot be read: the messages behind it cannot be sent either.
      .catch((error) => this.#socket.destroy(error))
      .then(() => {
        queue.bytes -= length;
        if (queue.last === last) this.#queue = undefined;
        this.drained();
      });
    queue.last = last;
    this.#wasCongested ||= this.congested;
  }

  /** RFC 6455 §7.1.1: disconnects a peer that has not answered, or not ended TCP, within CLOSE_TIMEOUT. */
  #startCloseTimer(): void {
    if (this.#socket.destroyed) return;
    closing.add(this.#socket);
    this.#closing?.add(this.#socket);
  }

  #mustBeOpen(): void {
    if (!this.open) throw new NotOpenError(this.#endpoint.state);
  }
}

function peerOf(socket: Duplex): string {
  return socket instanceof TcpSocket
    ? `${socket.remoteAddress}:${socket.remotePort}`
    : "what is no TCP socket";
}
