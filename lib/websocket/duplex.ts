// A Duplex of node:stream over a WebSocket of a client or a server, with back-pressure in both directions.

import { addAbortSignal, Duplex, type DuplexOptions } from "node:stream";

import type { Bytes } from "../../protocol/bytes.ts";
import { GOING_AWAY, NO_STATUS, NORMAL_CLOSURE } from "../../protocol/websocket/close.ts";
import {
  boolean,
  checkOptions,
  limit,
  type OptionTable,
  object,
  string,
} from "../events/options.ts";
import { unsupported, valueOr } from "../node-options.ts";
import type { WebSocket } from "./client.ts";
import { errorOfClose, type WebSocketError } from "./error.ts";
import type { WebSocketConnection } from "./server.ts";
import {
  STREAM,
  type StreamedSocket,
  type StreamSink,
  type StreamSource,
} from "./stream-source.ts";

/** The options of a stream over a WebSocket: a subset of the options of node:stream's Duplex, with the same defaults. */
export type WebSocketDuplexOptions = Pick<
  DuplexOptions,
  | "decodeStrings"
  | "defaultEncoding"
  | "encoding"
  | "highWaterMark"
  | "readableHighWaterMark"
  | "readableObjectMode"
  | "signal"
  | "writableHighWaterMark"
>;

const bytesOnly = valueOr(
  [false],
  unsupported(
    'only strings and bytes can be written; to read messages as objects, use "readableObjectMode"',
  ),
);

/** The checks of the options. The last five options are only accepted with the one value that this stream supports. */
export const WEBSOCKET_DUPLEX_OPTIONS: OptionTable<
  WebSocketDuplexOptions,
  "allowHalfOpen" | "autoDestroy" | "emitClose" | "objectMode" | "writableObjectMode"
> = {
  decodeStrings: boolean,
  defaultEncoding: string,
  encoding: string,
  highWaterMark: limit,
  readableHighWaterMark: limit,
  readableObjectMode: boolean,
  signal: object,
  writableHighWaterMark: limit,

  allowHalfOpen: valueOr([false], unsupported("a WebSocket closes both directions at once")),
  autoDestroy: valueOr([true], unsupported("the stream is destroyed when it has ended")),
  emitClose: valueOr([true], unsupported('"close" is always emitted')),
  objectMode: bytesOnly,
  writableObjectMode: bytesOnly,
};

/** The close codes after which the stream ends without an error. Any other code destroys the stream. */
const ENDS: ReadonlySet<number> = new Set([NORMAL_CLOSURE, GOING_AWAY, NO_STATUS]);

/**
 * Creates a stream over a WebSocket. From then on, the stream receives the messages of the WebSocket, and no "message"
 * events are emitted.
 *
 * Each write sends one binary message. If `decodeStrings` is `false`, the write of a string sends a text message. By
 * default, reading returns bytes, and the boundaries of messages are lost. With `readableObjectMode`, each message is one
 * object: a string for a text message, a Buffer for a binary message. With `encoding`, a binary message is a string, too. A
 * character that is split between two binary messages is read with the second.
 *
 * end() closes the WebSocket with 1000, and destroy() ends the TCP connection at once. If the peer closes with 1000, 1001
 * or no code, the stream ends. Any other end of the connection destroys the stream with a WebSocketError, after the
 * received messages were read.
 *
 * @param socket the WebSocket of a client, which may still be connecting, or of a server
 * @param options options of node:stream's Duplex
 * @throws NotOpenError (`code` "ERR_NOT_OPEN") if the WebSocket is closing or closed
 * @throws ArgumentTypeError or ArgumentRangeError if an option is invalid or unknown, or the WebSocket already has a stream
 *
 * @example
 * const socket = new WebSocket("ws://localhost:8080");
 * createWebSocketStream(socket).pipe(process.stdout);
 */
export function createWebSocketStream(
  socket: WebSocket | WebSocketConnection,
  options: WebSocketDuplexOptions = {},
): Duplex {
  checkOptions(options, WEBSOCKET_DUPLEX_OPTIONS);
  return new WebSocketDuplex(socket, options);
}

type Callback = (error?: Error | null) => void;

/** A write or end() that is not finished. */
interface Waiting {
  readonly callback: Callback;
  /** Repeats the call when the WebSocket is open. Default: the call is not repeated. */
  readonly retry?: () => void;
  /** Whether the message was accepted, so that onDrain() finishes the write. Otherwise onClose() does. Default: `false`. */
  readonly isAccepted?: boolean;
  /** Whether end() has started the closing handshake. Default: `false`. */
  readonly isFinal?: boolean;
}

class WebSocketDuplex extends Duplex implements StreamSink {
  readonly #socket: StreamedSocket;
  // Set after the end of the WebSocket.
  #end: WebSocketError | undefined;
  // The pending call of _write() or _final(). There is at most one, since node:stream makes these calls one after another.
  #waiting: Waiting | undefined;
  #destroyed: (() => void) | undefined;
  // The error with which the stream is destroyed after the received messages were read.
  #failure: Error | undefined;

  constructor(source: StreamSource, options: WebSocketDuplexOptions) {
    const { signal, ...others } = options;
    super({ ...others, allowHalfOpen: false });
    this.#socket = source[STREAM](this);
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  // The methods that the WebSocket calls.

  onOpen(): void {
    const waiting = this.#waiting;
    // A listener for "open" may have called write() or end(). That call is not repeated.
    if (waiting?.retry === undefined) return;
    this.#waiting = undefined;
    waiting.retry();
  }

  onMessage(message: string | Bytes): void {
    const chunk =
      typeof message === "string"
        ? message
        : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
    // Pushing an empty string does not end the stream. In object mode the program reads the empty string. Otherwise
    // node:stream ignores the empty string.
    const wantsMore = typeof chunk === "string" ? this.push(chunk, "utf8") : this.push(chunk);
    if (!wantsMore) this.#socket.pause();
  }

  onDrain(): void {
    const waiting = this.#waiting;
    if (waiting?.isAccepted !== true) return;
    this.#waiting = undefined;
    waiting.callback();
  }

  onClose(code: number, reason: string, error: Error | undefined): void {
    const end = errorOfClose(code, reason, error);
    this.#end = end;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const isOrdinary = ENDS.has(code);
    if (isOrdinary) this.push(null);
    else if (this.readableLength > 0) this.#failure = end;
    else this.destroy(end);
    // A pending write always fails, because the peer may not have received the message.
    waiting?.callback(isOrdinary && waiting.isFinal ? null : end);
    this.#destroyed?.();
  }

  // The methods that node:stream calls.

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    if (this.#failure !== undefined && this.readableLength === 0) this.destroy(this.#failure);
    return chunk;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: string | Bytes, encoding: BufferEncoding, callback: Callback): void {
    if (this.#end !== undefined) {
      callback(this.#end);
      return;
    }
    if (this.#socket.connecting) {
      const retry = (): void => this._write(chunk, encoding, callback);
      this.#waiting = { retry, callback };
      return;
    }
    const result = this.#socket.send(chunk);
    if (result === "ready") callback();
    else this.#waiting = { callback, isAccepted: result === "full" };
  }

  override _final(callback: Callback): void {
    if (this.#end !== undefined) {
      callback();
    } else if (this.#socket.connecting) {
      this.#waiting = { retry: () => this._final(callback), callback };
    } else {
      this.#waiting = { callback, isFinal: true };
      this.#socket.close(NORMAL_CLOSURE);
    }
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (this.#end !== undefined) {
      callback(error);
      return;
    }
    this.#destroyed = () => callback(error);
    this.#socket.terminate();
  }
}
