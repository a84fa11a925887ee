// One WebSocket connection of a client or a server: connects an Endpoint, which does no I/O, to a TCP or TLS socket.
// Combines the writes of one iteration of the event loop, applies back-pressure, and ends the TCP connection.
// RFC 6455 §7.1.1 to §7.1.7.

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
import { resumeSocket } from "./resume-socket.ts";
import type { UnsentData } from "./unsent-data.ts";

/** The layer above a connection. The connection calls the methods while it reads, in the order in which messages arrive. */
export interface ConnectionSink {
  /** A text message was received. */
  onText(text: string): void;
  /**
   * A binary message was received. In a client the bytes are a copy. In a server they share the memory of the chunk that
   * the socket has read.
   */
  onBinary(bytes: Bytes): void;
  /** A ping was received and answered. */
  onPing(payload: Bytes): void;
  /** A pong was received. */
  onPong(payload: Bytes): void;
  /** The connection can send more messages, after it was congested. */
  onDrain(): void;
  /**
   * The connection has ended, or this end has failed the connection. No further call follows.
   *
   * @param code the code in the peer's close frame, 1005 if the frame had no code, 1006 if no close frame was received
   * @param reason the reason in the peer's close frame, or ""
   * @param failure the peer's protocol error, if such an error has ended the connection
   * @param error the socket's error, if the connection was lost before the end of the closing handshake
   */
  onClose(
    code: number,
    reason: string,
    failure: ProtocolError | undefined,
    error: Error | undefined,
  ): void;
}

/** The options of a connection. */
export interface ConnectionOptions {
  /** Whether this end is the client or the server. A client masks its frames (RFC 6455 §5.1). */
  readonly role: Role;
  /** The source of masking keys. Required for a client (RFC 6455 §5.3). */
  readonly randomFill?: RandomFill;
  /** Counts the unsent bytes of a client. */
  readonly unsent?: UnsentData;
  /** Largest message that may be received, in bytes. */
  readonly maxPayload: number;
  /** A set that contains the socket from the start of the closing handshake until the socket is closed. Default: none. */
  readonly closing?: Set<Duplex> | undefined;
  /** The negotiated settings of permessage-deflate. Default: none, and messages are not compressed. */
  readonly deflate?: DeflateSettings | undefined;
  /** Compress messages of at least this many bytes. Default: 0. */
  readonly threshold?: number;
}

/** How long the peer may take to answer a close frame, and then to end the TCP connection, in milliseconds. */
const CLOSE_TIMEOUT = 30_000;

const closing = new Deadlines<Duplex>(CLOSE_TIMEOUT, (socket) => socket.destroy());

// The name of the property with which a socket refers to its Connection.
const CONNECTION = Symbol("connection");

interface ConnectedSocket extends Duplex {
  [CONNECTION]?: Connection;
}

// All sockets share these listeners. If each socket had its own closures, the closures would take about a tenth of the
// memory of an idle client (measured by `idle` in bench/).

function onData(this: ConnectedSocket, chunk: Bytes): void {
  this[CONNECTION]?.receive(chunk);
}

/** Handles a TCP FIN from the peer. This end then ends its side of the TCP connection, too (RFC 6455 §7.1.4). */
function onEnd(this: ConnectedSocket): void {
  this[CONNECTION]?.end();
}

/** Destroys a stream after an error. Node does this for TCP sockets, but may not do it for other streams. */
export function destroyOnError(this: Duplex, error: Error): void {
  this.destroy(error);
}

function onDrain(this: ConnectedSocket): void {
  this[CONNECTION]?.drained();
}

function onClose(this: ConnectedSocket): void {
  this[CONNECTION]?.closed();
}

// The largest number of waiting bytes for which flush() copies the pieces into one buffer, because one write() of a copy is
// cheaper than one write() for each piece.
const LARGEST_COPY = 64 * 1024;

/** Messages that wait because an earlier message is being compressed, or an earlier Blob is being read. */
interface SendQueue {
  /** Settled when the last message of the queue is sent. */
  last: Promise<void>;
  /** Bytes of the messages in the queue. */
  bytes: number;
  /** Whether close() was called, so that no further message may be sent. */
  closing: boolean;
}

type Opcode = typeof TEXT | typeof BINARY;

/** One WebSocket connection over a socket, after the opening handshake. */
export class Connection implements Wire, CompressorHost {
  readonly #socket: Duplex;
  readonly #endpoint: Endpoint;
  // `undefined` if permessage-deflate was not negotiated.
  readonly #compressor: Compressor | undefined;
  // `undefined` in a server.
  readonly #unsent: UnsentData | undefined;
  readonly #closing: Set<Duplex> | undefined;
  #sink: ConnectionSink | undefined;

  // Bytes that were written in this iteration of the event loop and not yet passed to the socket.
  #written: Bytes[] | undefined;
  #writtenLength = 0;
  // Whether the connection was congested, so that a caller may wait for onDrain().
  #wasCongested = false;
  // Whether a message of the queue was not sent, because the connection was closing.
  #hasDropped = false;
  // `undefined` while the queue is empty.
  #queue: SendQueue | undefined;
  #paused = false;
  // Whether the socket is closed. The rest of the received bytes is then delivered even if a listener calls pause().
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

  /** Starts to read, and to call the methods of `sink`. A paused socket stays paused. */
  start(sink: ConnectionSink): void {
    this.#sink = sink;
    const socket: ConnectedSocket = this.#socket;
    if (debugWebSocket.enabled) {
      const how = this.compresses ? ", with permessage-deflate" : "";
      debugWebSocket("the connection with %s is open%s", peerOf(socket), how);
    }
    socket[CONNECTION] = this;
    if (socket instanceof TcpSocket) socket.setTimeout(0).setNoDelay(true);
    socket.on("data", onData);
    socket.on("end", onEnd);
    if (!socket.listeners("error").includes(destroyOnError)) socket.on("error", destroyOnError);
    socket.on("drain", onDrain);
    socket.on("close", onClose);
    // The client may have ended the connection while the server decided about the handshake.
    if (socket.readableEnded) this.end();
  }

  // The methods that the socket's listeners call.

  receive(chunk: Bytes): void {
    this.#endpoint.receive(chunk);
    this.#deliverReceived();
  }

  /**
   * Reports once that the connection is no longer congested. Reports nothing after a message was lost, because a stream would
   * regard the message as sent.
   */
  drained(): void {
    if (!this.#wasCongested || this.congested || this.#hasDropped || this.#socket.destroyed) return;
    this.#wasCongested = false;
    this.#endpoint.drained();
    this.#sink?.onDrain();
  }

  closed(): void {
    closing.delete(this.#socket);
    this.#closing?.delete(this.#socket);
    // All received messages are delivered before the end is reported, even if a listener calls pause() in the meantime.
    this.#ended = true;
    this.#paused = false;
    const socket = this.#socket;
    for (let rest: Bytes | null = socket.read(); rest !== null; rest = socket.read()) {
      this.#endpoint.receive(rest);
    }
    this.#deliverReceived();
    if (!this.#compressor?.inflating) this.finish();
  }

  // The methods that the socket's listeners and the Compressor call.

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
    // RFC 6455 §7.2.1: if the TCP connection is lost, the WebSocket connection fails, and the sink receives the socket's
    // error. After a clean close (RFC 6455 §7.1.4) the error is ignored: a peer may reset the TCP connection after the closing
    // handshake.
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

  /** Whether the connection is paused. `false` when the connection has ended. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Whether the socket is closed. Messages that were received before the socket closed may still be delivered. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Stops reading from the socket and delivering messages, so that TCP slows the peer down. When the connection ends, all
   * received messages are delivered, and this method has no effect from then on.
   */
  pause(): void {
    if (this.#ended) return;
    this.#paused = true;
    this.#socket.pause();
  }

  /** Reads from the socket and delivers messages again after pause(). Delivers the first message asynchronously. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // The caller may be the listener of a message. The next message must not be delivered before the listener returns.
    process.nextTick(() => this.#readOn());
  }

  /** Whether messages may be sent. */
  get open(): boolean {
    return this.#endpoint.state === "open" && !this.#queue?.closing;
  }

  /** Whether a message may be sent, and terminate() was not called, so that the message can reach the peer. */
  get writable(): boolean {
    return this.open && !this.#socket.destroyed;
  }

  /** Whether more bytes wait than the socket's high-water mark allows, usually because the peer reads too slowly. */
  get congested(): boolean {
    const waiting = this.#writtenLength + (this.#queue?.bytes ?? 0);
    return this.#socket.writableNeedDrain || waiting >= this.#socket.writableHighWaterMark;
  }

  /**
   * Whether messages to this peer are compressed. If so, sendFrames() cannot send frames that were encoded once for many
   * clients.
   */
  get compresses(): boolean {
    return this.#compressor !== undefined;
  }

  /** Received bytes, including the opening handshake. 0 if the connection has no TCP socket. */
  get bytesReceived(): number {
    return this.#socket instanceof TcpSocket ? this.#socket.bytesRead : 0;
  }

  /** Sent and buffered bytes, including the opening handshake. 0 if the connection has no TCP socket. */
  get bytesSent(): number {
    return this.#socket instanceof TcpSocket ? this.#socket.bytesWritten : 0;
  }

  /** Bytes that are buffered in this process, including frame headers. */
  get bufferedAmount(): number {
    const waiting = this.#writtenLength + (this.#queue?.bytes ?? 0);
    return waiting + this.#socket.writableLength;
  }

  /**
   * Sends a text message.
   *
   * @param compress whether the message may be compressed. Default: `true`
   * @throws NotOpenError if the connection is closing or closed
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
   * @param compress whether the message may be compressed. Default: `true`
   * @throws NotOpenError if the connection is closing or closed
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

  /**
   * Reads a Blob and sends its bytes as a binary message. Messages that are sent in the meantime wait in the queue.
   *
   * @throws NotOpenError if the connection is closing or closed
   */
  sendBlob(blob: Blob): void {
    this.#mustBeOpen();
    this.#unsent?.add(blob.size);
    this.#enqueue(async () => {
      await this.#sendQueued(BINARY, new Uint8Array(await blob.arrayBuffer()), true);
    }, blob.size);
  }

  /**
   * Sends frames that were encoded once for many clients. Must not be called if `compresses` is `true`.
   *
   * @throws NotOpenError if the connection is closing or closed
   */
  sendFrames(frames: readonly Bytes[]): void {
    this.#mustBeOpen();
    for (const frame of frames) this.#endpoint.sendFrame(frame);
  }

  /**
   * Sends a ping.
   *
   * @param payload at most 125 bytes. Default: empty
   * @throws NotOpenError if the connection is closing or closed, RangeError if the payload is too long
   */
  ping(payload?: Bytes): void {
    this.#mustBeOpen();
    this.#endpoint.ping(payload);
  }

  /**
   * Sends the queued messages and starts the closing handshake. Disconnects a peer that does not finish the closing
   * handshake within CLOSE_TIMEOUT.
   *
   * @param code the close code. Default: none, and the close frame is empty
   * @param reason the close reason, at most 123 bytes of UTF-8. Default: none
   * @throws RangeError if a close frame cannot contain the code or the reason
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
   * Ends the TCP connection at once, without a closing handshake. RFC 6455 §7.2.2 allows a server to do so at any time.
   *
   * @param error the error for onClose(). Default: none
   */
  terminate(error?: Error): void {
    // The written bytes are passed to the socket first, because they may include the response to the opening handshake.
    this.flush();
    this.#socket.destroy(error);
  }

  // The methods of the interface Wire, which the endpoint calls.

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
    // RFC 6455 §7.1.1: the peer ends its side of the TCP connection in turn.
    this.#startCloseTimer();
    // RFC 6455 §7.1.7: a failed connection delivers nothing more. The end is reported without waiting for the peer's FIN.
    if (this.#endpoint.failure !== undefined) process.nextTick(() => this.finish());
  }

  /** Passes the written bytes to the socket. */
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
    if (!this.#paused && !this.#compressor?.inflating) resumeSocket(this.#socket);
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
    // WHATWG "WebSockets": the program of a client may change the bytes after send(), so a client copies the bytes. A server
    // does not copy the bytes, because many clients share the bytes of a broadcast.
    const isBorrowed = opcode === BINARY && this.#endpoint.role === "client";
    const own = isBorrowed ? copy(payload) : payload;
    this.#enqueue(() => this.#sendQueued(opcode, own, compress), own.length);
  }

  /** Sends a message of the queue, compressed if `compress` is `true` and the message is long enough (RFC 7692 §6.1). */
  async #sendQueued(opcode: Opcode, payload: Bytes, compress: boolean): Promise<void> {
    const compressor =
      compress && this.#compressor?.compresses(payload.length) ? this.#compressor : undefined;
    const compressed = await compressor?.compress(payload);
    if (this.#endpoint.state !== "open") {
      this.#hasDropped = true;
      return;
    }
    this.#unsent?.write(payload.length);
    if (compressed === undefined) this.#endpoint.sendMessage(opcode, payload);
    else this.#endpoint.sendCompressed(opcode, compressed);
  }

  /** Adds a job to the queue. The jobs run one after another. @param length bytes of the job's message */
  #enqueue(job: () => void | Promise<void>, length: number): void {
    this.#queue ??= { last: Promise.resolve(), bytes: 0, closing: false };
    const queue = this.#queue;
    queue.bytes += length;
    const last = queue.last
      .then(job)
      // zlib has no memory left, or a Blob cannot be read. Later messages must not be sent without the failed message.
      .catch((error) => this.#socket.destroy(error))
      .then(() => {
        queue.bytes -= length;
        if (queue.last === last) this.#queue = undefined;
        this.drained();
      });
    queue.last = last;
    this.#wasCongested ||= this.congested;
  }

  /**
   * RFC 6455 §7.1.1: disconnects a peer that has not answered the close frame, or has not ended the TCP connection, within
   * CLOSE_TIMEOUT.
   */
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
    : "a peer without a TCP socket";
}
