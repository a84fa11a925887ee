// A WebSocket client as a pair of web streams. WHATWG "WebSockets", "The WebSocketStream interface" (a proposal).

import {
  ReadableStream,
  type ReadableStreamDefaultController,
  WritableStream,
  type WritableStreamDefaultController,
} from "node:stream/web";

import type { Bytes } from "../../protocol/bytes.ts";
import { ABNORMAL_CLOSURE } from "../../protocol/websocket/close.ts";
import { type Check, checkOptions, checkThat, type OptionTable } from "../events/options.ts";
import { messageOf, WebSocket } from "./client.ts";
import { WEBSOCKET_OPTIONS, type WebSocketOptions } from "./client-options.ts";
import { mayClose } from "./close-arguments.ts";
import { errorOfClose, type WebSocketCloseInfo, WebSocketError } from "./error.ts";
import { STREAM, type StreamedSocket, type StreamSink } from "./stream-source.ts";

/** The options of a WebSocketStream. Browsers only support `protocols` and `signal`. */
export interface WebSocketStreamOptions extends WebSocketOptions {
  /** The subprotocols to offer. If there are any, the server must choose one of them. Default: none. */
  readonly protocols?: string | Iterable<string>;
  /** Aborts the opening handshake. Has no effect on an open WebSocket. Default: none. */
  readonly signal?: AbortSignal;
}

/** Accepts every value, since the constructor of WebSocket checks the subprotocols. */
const protocols: Check = () => {};

export const WEBSOCKET_STREAM_OPTIONS: OptionTable<WebSocketStreamOptions> = {
  ...WEBSOCKET_OPTIONS,
  protocols,
  signal: checkThat(
    "an AbortSignal",
    (value): value is AbortSignal => value instanceof AbortSignal,
  ),
};

/** A message to send: a string for a text message, bytes for a binary message. */
export type WebSocketStreamChunk = string | ArrayBuffer | ArrayBufferView;

/** The content of the server's close frame. */
export interface WebSocketClosed {
  /** The close code, 1005 if the close frame had no code. */
  readonly closeCode: number;
  /** The close reason, or "" if there is none. */
  readonly reason: string;
}

/** The streams of an open WebSocketStream. */
export interface WebSocketConnectedStream {
  /** The received messages: a string for a text message, a Uint8Array for a binary message. */
  readonly readable: ReadableStream<string | Uint8Array>;
  /**
   * Sends the written messages. The promise of a write is fulfilled when the next message may be sent. close() closes the
   * WebSocket without a code.
   */
  readonly writable: WritableStream<WebSocketStreamChunk>;
  /** The server's header field Sec-WebSocket-Extensions, which names the chosen extensions. "" if there are none. */
  readonly extensions: string;
  /** The subprotocol that the server chose, or "" if there is none. */
  readonly protocol: string;
}

/**
 * A WebSocket client as a pair of web streams with back-pressure: while the program does not read, the client does not read
 * from the socket. WHATWG "WebSockets", "The WebSocketStream interface" (a proposal).
 *
 * @example
 * const { readable } = await new WebSocketStream("ws://localhost:8080").opened;
 * for await (const message of readable) console.log(message);
 */
export class WebSocketStream {
  /**
   * Fulfilled when the opening handshake has succeeded. Rejected with a WebSocketError if the handshake fails, or with the
   * reason of the signal if the handshake is aborted.
   */
  readonly opened: Promise<WebSocketConnectedStream>;
  /**
   * Fulfilled after the closing handshake. Rejected with a WebSocketError if the connection ends without a closing
   * handshake. If `opened` is rejected, `closed` is rejected with the same reason.
   */
  readonly closed: Promise<WebSocketClosed>;
  readonly #socket: WebSocket;

  /**
   * Creates a WebSocket and starts the opening handshake.
   *
   * @param url the URL of the server, with the scheme ws, wss, http or https
   * @param options the subprotocols, a signal, and options that browsers do not have
   * @throws DOMException (`name` "SyntaxError") if the URL or a subprotocol is invalid, or a subprotocol occurs twice
   * @throws ArgumentTypeError or ArgumentRangeError if an option is invalid or unknown
   */
  constructor(url: string | URL, options: WebSocketStreamOptions = {}) {
    checkOptions(options, WEBSOCKET_STREAM_OPTIONS);
    const { protocols = [], signal, ...others } = options;
    this.#socket = new WebSocket(url, protocols, others);
    const streams = new Streams(this.#socket, signal);
    this.opened = streams.opened;
    this.closed = streams.closed;
  }

  /** The absolute URL of the server. */
  get url(): string {
    return this.#socket.url;
  }

  /**
   * Sends the queued messages and starts the closing handshake. Aborts the opening handshake if the WebSocket is still
   * connecting.
   *
   * @param info the close code and the reason. Default: none
   * @throws DOMException if the code is invalid (`name` "InvalidAccessError") or the reason has more than 123 bytes
   * ("SyntaxError")
   */
  close({ closeCode, reason }: WebSocketCloseInfo = {}): void {
    this.#socket.close(closeCode, reason || undefined);
  }
}

/** A promise with the functions that settle it. An unhandled rejection of the promise is ignored. */
class Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve: (value: Value) => void = () => {};
  reject: (reason: unknown) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {});
  }
}

interface PendingWrite {
  readonly done: Deferred<void>;
  /** Whether the message was accepted, so that onDrain() finishes the write. Otherwise onClose() does. */
  readonly isAccepted: boolean;
}

/** Connects a WebSocket to a pair of web streams. */
class Streams implements StreamSink {
  readonly #opened = new Deferred<WebSocketConnectedStream>();
  readonly #closed = new Deferred<WebSocketClosed>();
  readonly opened = this.#opened.promise;
  readonly closed = this.#closed.promise;

  readonly #webSocket: WebSocket;
  readonly #socket: StreamedSocket;
  readonly #signal: AbortSignal | undefined;
  // Set from the opening handshake until the stream is closed, has failed or is cancelled.
  #reading: ReadableStreamDefaultController<string | Uint8Array> | undefined;
  #writing: WritableStreamDefaultController | undefined;
  #write: PendingWrite | undefined;
  // The error with which `readable` fails after the received messages were read.
  #failure: WebSocketError | undefined;

  constructor(webSocket: WebSocket, signal: AbortSignal | undefined) {
    this.#webSocket = webSocket;
    this.#socket = webSocket[STREAM](this);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  onOpen(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    const { extensions, protocol } = this.#webSocket;
    const readable = new ReadableStream<string | Uint8Array>({
      start: (controller) => {
        this.#reading = controller;
      },
      // The default queue holds one message, so pull() is called when the queue is empty.
      pull: (controller) => {
        if (this.#failure === undefined) this.#socket.resume();
        else controller.error(this.#failure);
      },
      cancel: (reason) => {
        this.#reading = undefined;
        // Reading continues, because the peer's close frame must be received.
        this.#socket.resume();
        this.#closeFor(reason);
      },
    });
    const writable = new WritableStream<WebSocketStreamChunk>({
      start: (controller) => {
        this.#writing = controller;
        // The signal is used instead of the sink's method abort(), which would only be called after the pending write.
        const signal = signalOf(controller);
        signal?.addEventListener("abort", () => {
          this.#writing = undefined;
          this.#closeFor(signal.reason);
          this.#write?.done.reject(signal.reason);
        });
      },
      write: (chunk) => this.#send(chunk),
      close: async () => {
        this.#writing = undefined;
        this.#socket.close();
        await this.closed;
      },
    });
    this.#opened.resolve({ readable, writable, extensions, protocol });
  }

  onMessage(message: string | Bytes): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    // A web stream delivers a Uint8Array, not a Buffer.
    const chunk =
      typeof message === "string"
        ? message
        : new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
    reading.enqueue(chunk);
    if ((reading.desiredSize ?? 0) <= 0) this.#socket.pause();
  }

  onDrain(): void {
    const write = this.#write;
    if (write?.isAccepted !== true) return;
    this.#write = undefined;
    write.done.resolve();
  }

  onClose(code: number, reason: string, error: Error | undefined): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (code !== ABNORMAL_CLOSURE) {
      this.#reading?.close();
      const closed = new DOMException("the WebSocket is closed", "InvalidStateError");
      this.#writing?.error(closed);
      this.#write?.done.reject(closed);
      this.#closed.resolve({ closeCode: code, reason });
    } else {
      const failure = errorOfClose(code, reason, error);
      // While a message is unread, error() is not called yet, because error() would discard the message.
      if ((this.#reading?.desiredSize ?? 0) > 0) this.#reading?.error(failure);
      else this.#failure = failure;
      this.#writing?.error(failure);
      this.#write?.done.reject(failure);
      this.#opened.reject(failure);
      this.#closed.reject(failure);
    }
  }

  readonly #onAbort = (): void => {
    this.#opened.reject(this.#signal?.reason);
    this.#closed.reject(this.#signal?.reason);
    this.#socket.close();
  };

  #send(chunk: unknown): Promise<void> | undefined {
    const message = messageOf(chunk);
    if (message instanceof Blob)
      throw new TypeError("a Blob cannot be written: write the result of its arrayBuffer()");
    const result = this.#socket.send(message);
    if (result === "ready") return undefined;
    const done = new Deferred<void>();
    this.#write = { done, isAccepted: result === "full" };
    return done.promise;
  }

  /** Closes the WebSocket after a cancellation. A WebSocketError as the reason sets the close code and the close reason. */
  #closeFor(reason: unknown): void {
    const code = reason instanceof WebSocketError ? reason.closeCode : null;
    // A program may pass on the error of another WebSocket, with a code that must not be sent, such as 1006.
    if (reason instanceof WebSocketError && code !== null && mayClose(code)) {
      this.#socket.close(code, reason.reason);
    } else {
      this.#socket.close();
    }
  }
}

/** Returns the signal that is aborted together with the stream. The types of Node 20 do not declare the property. */
function signalOf(controller: object): AbortSignal | undefined {
  const signal: unknown = Reflect.get(controller, "signal");
  return signal instanceof AbortSignal ? signal : undefined;
}
