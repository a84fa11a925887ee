// A WebSocket as a Duplex of node:stream, for either end, with back-pressure both ways.

import { addAbortSignal, Duplex, type DuplexOptions } from "node:stream";

import type { Bytes } from "../../protocol/bytes.ts";
import { GOING_AWAY, NO_STATUS, NORMAL_CLOSURE } from "../../protocol/websocket/close.ts";
import { NotOpenError } from "../../protocol/websocket/endpoint.ts";
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

/** Options of node:stream's Duplex. */
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
  unsupported('what is written is bytes or text; "readableObjectMode" is for what is read'),
);

/** The last ones are of Duplex too, and may be given with the value that they have here. */
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

/** Codes of an ordinary close: the stream ends. Any other code destroys it. */
const ENDS: ReadonlySet<number> = new Set([NORMAL_CLOSURE, GOING_AWAY, NO_STATUS]);

/**
 * Creates a stream over a WebSocket. From now on its messages go to the stream, and no more to listeners of "message".
 *
 * What is written is sent as binary messages, one for each write; a string as a text message if `decodeStrings` is
 * `false`. What is received is read as bytes, without the bounds of messages. With `readableObjectMode` each message is
 * one object: a string for a text message, a Buffer for a binary one.
 *
 * end() closes the WebSocket with 1000, and destroy() ends its connection at once. When the peer closes with 1000, 1001
 * or no code, the stream ends. Anything else destroys it with a WebSocketError, after what was received has been read.
 *
 * @param socket a client's, which may still be connecting, or a server's
 * @throws NotOpenError (`code` "ERR_NOT_OPEN") if the WebSocket is closing or closed, ArgumentTypeError or
 * ArgumentRangeError for an invalid or unknown option, and for a WebSocket that has a stream already
 */
export function createWebSocketStream(
  socket: WebSocket | WebSocketConnection,
  options: WebSocketDuplexOptions = {},
): Duplex {
  checkOptions(options, WEBSOCKET_DUPLEX_OPTIONS);
  return new WebSocketDuplex(socket, options);
}

type Callback = (error?: Error | null) => void;

/** What a write or end() waits for: to be tried again, or to be told that it is done. */
interface Waiting {
  readonly retry?: () => void;
  readonly callback: Callback;
  readonly isFinal: boolean;
}

class WebSocketDuplex extends Duplex implements StreamSink {
  readonly #socket: StreamedSocket;
  // Set when the WebSocket has ended.
  #end: WebSocketError | undefined;
  // Node calls write and final one after another, so one at most waits.
  #waiting: Waiting | undefined;
  #destroyed: (() => void) | undefined;
  // Why the WebSocket has failed, while something that it received before is unread.
  #failure: Error | undefined;

  constructor(source: StreamSource, options: WebSocketDuplexOptions) {
    const { signal, ...others } = options;
    super({ ...others, allowHalfOpen: false });
    this.#socket = source[STREAM](this);
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  // What the WebSocket calls.

  onOpen(): void {
    const retry = this.#waiting?.retry;
    this.#waiting = undefined;
    retry?.();
  }

  onMessage(message: string | Bytes): void {
    const chunk =
      typeof message === "string"
        ? message
        : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
    // An empty text is no end in object mode, and nothing to read in the other.
    const wantsMore = typeof chunk === "string" ? this.push(chunk, "utf8") : this.push(chunk);
    if (!wantsMore) this.#socket.pause();
  }

  onDrain(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.isFinal) return;
    this.#waiting = undefined;
    waiting.callback();
  }

  onClose(code: number, reason: string, error: Error | undefined): void {
    const end = errorOfClose(code, reason, error);
    this.#end = end;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const isOrdinary = error === undefined && ENDS.has(code);
    if (isOrdinary) this.push(null);
    else if (this.readableLength > 0) this.#failure = end;
    else this.destroy(end);
    // What a write has sent may not have arrived.
    waiting?.callback(isOrdinary && waiting.isFinal ? null : end);
    this.#destroyed?.();
  }

  // What node:stream calls.

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
      this.#waiting = { retry, callback, isFinal: false };
      return;
    }
    let wantsMore = false;
    try {
      wantsMore = this.#socket.send(chunk);
    } catch (error) {
      // Closing: onClose() will tell with which code.
      if (!(error instanceof NotOpenError)) throw error;
    }
    if (wantsMore) callback();
    else this.#waiting = { callback, isFinal: false };
  }

  override _final(callback: Callback): void {
    if (this.#end !== undefined) {
      callback();
    } else if (this.#socket.connecting) {
      this.#waiting = { retry: () => this._final(callback), callback, isFinal: true };
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
