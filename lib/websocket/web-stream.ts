// A WebSocket client as two web streams: WHATWG "WebSockets", "The WebSocketStream interface" (a proposal).

import {
  ReadableStream,
  type ReadableStreamDefaultController,
  WritableStream,
  type WritableStreamDefaultController,
} from "node:stream/web";

import type { Bytes } from "../../protocol/bytes.ts";
import { ABNORMAL_CLOSURE } from "../../protocol/websocket/close.ts";
import { NotOpenError } from "../../protocol/websocket/endpoint.ts";
import { type Check, checkOptions, checkThat, type OptionTable } from "../events/options.ts";
import { messageOf, WebSocket } from "./client.ts";
import { WEBSOCKET_OPTIONS, type WebSocketOptions } from "./client-options.ts";
import { mayClose } from "./close-arguments.ts";
import { errorOfClose, type WebSocketCloseInfo, WebSocketError } from "./error.ts";
import { STREAM, type StreamedSocket, type StreamSink } from "./stream-source.ts";

/** Browsers have the first two. */
export interface WebSocketStreamOptions extends WebSocketOptions {
  /** Subprotocols, one of which the server must choose. Default: none. */
  readonly protocols?: string | Iterable<string>;
  /** Stops connecting when it is aborted. Afterwards it does nothing. */
  readonly signal?: AbortSignal;
}

/** The constructor of WebSocket checks them. */
const protocols: Check = () => {};

export const WEBSOCKET_STREAM_OPTIONS: OptionTable<WebSocketStreamOptions> = {
  ...WEBSOCKET_OPTIONS,
  protocols,
  signal: checkThat(
    "an AbortSignal",
    (value): value is AbortSignal => value instanceof AbortSignal,
  ),
};

/** What a program writes: bytes are sent as a binary message, anything else as text. */
export type WebSocketStreamChunk = string | ArrayBuffer | ArrayBufferView;

/** How a WebSocketStream was closed, as the server's close frame says. */
export interface WebSocketClosed {
  /** 1005 if the close frame held no code. */
  readonly closeCode: number;
  readonly reason: string;
}

/** What a WebSocketStream has when it is connected. */
export interface WebSocketConnectedStream {
  /** Messages: text as a string, binary as a Uint8Array. */
  readonly readable: ReadableStream<string | Uint8Array>;
  /** A write is done when the next message may be sent. close() closes the WebSocket without a code. */
  readonly writable: WritableStream<WebSocketStreamChunk>;
  /** The extensions that the server chose, or "". */
  readonly extensions: string;
  /** The subprotocol that the server chose, or "". */
  readonly protocol: string;
}

/**
 * A WebSocket client whose messages are web streams, with back-pressure: while the program does not read, the socket is
 * not read either.
 */
export class WebSocketStream {
  /** Fulfilled when it is connected. Rejected with a WebSocketError, or the reason of the signal, if it cannot connect. */
  readonly opened: Promise<WebSocketConnectedStream>;
  /**
   * Fulfilled after the closing handshake.
   * Rejected with a WebSocketError if the connection ended without it, and as `opened` is.
   */
  readonly closed: Promise<WebSocketClosed>;
  readonly #socket: WebSocket;

  /**
   * Connects.
   *
   * @param url with the scheme ws, wss, http or https
   * @throws DOMException (`name` "SyntaxError") for an invalid URL or subprotocol, or one given twice
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid or unknown option
   */
  constructor(url: string | URL, options: WebSocketStreamOptions = {}) {
    checkOptions(options, WEBSOCKET_STREAM_OPTIONS);
    const { protocols = [], signal, ...others } = options;
    this.#socket = new WebSocket(url, protocols, others);
    const streams = new Streams(this.#socket, signal);
    this.opened = streams.opened;
    this.closed = streams.closed;
  }

  /** The URL, as it was parsed. */
  get url(): string {
    return this.#socket.url;
  }

  /**
   * Closes the WebSocket, after what was sent, or stops connecting.
   *
   * @throws DOMException for an invalid code ("InvalidAccessError") or a reason of more than 123 bytes ("SyntaxError")
   */
  close({ closeCode, reason }: WebSocketCloseInfo = {}): void {
    this.#socket.close(closeCode, reason || undefined);
  }
}

/** A promise, and what settles it. A program need not handle its rejection. */
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

class Streams implements StreamSink {
  readonly #opened = new Deferred<WebSocketConnectedStream>();
  readonly #closed = new Deferred<WebSocketClosed>();
  readonly opened = this.#opened.promise;
  readonly closed = this.#closed.promise;

  readonly #webSocket: WebSocket;
  readonly #socket: StreamedSocket;
  readonly #signal: AbortSignal | undefined;
  // Until they are closed, failed or cancelled.
  #reading: ReadableStreamDefaultController<string | Uint8Array> | undefined;
  #writing: WritableStreamDefaultController | undefined;
  // The write that waits until what was sent has left.
  #write: Deferred<void> | undefined;
  // Why the WebSocket has failed, while something that it received before is unread.
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
      // With the default queue, of one message, this is called when the queue is empty.
      pull: () => {
        if (this.#failure === undefined) this.#socket.resume();
        else this.#reading?.error(this.#failure);
      },
      cancel: (reason) => {
        this.#reading = undefined;
        // To receive the peer's close frame.
        this.#socket.resume();
        this.#closeFor(reason);
      },
    });
    const writable = new WritableStream<WebSocketStreamChunk>({
      start: (controller) => {
        this.#writing = controller;
        // Not abort() of the sink, which is called after the write that waits.
        const signal = signalOf(controller);
        signal?.addEventListener("abort", () => {
          this.#writing = undefined;
          this.#closeFor(signal.reason);
          this.#write?.reject(signal.reason);
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
    // A web stream knows no Buffer.
    const chunk =
      typeof message === "string"
        ? message
        : new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
    reading.enqueue(chunk);
    if ((reading.desiredSize ?? 0) <= 0) this.#socket.pause();
  }

  onDrain(): void {
    this.#write?.resolve();
    this.#write = undefined;
  }

  onClose(code: number, reason: string, error: Error | undefined): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (error === undefined && code !== ABNORMAL_CLOSURE) {
      this.#reading?.close();
      const closed = new DOMException("the WebSocket is closed", "InvalidStateError");
      this.#writing?.error(closed);
      this.#write?.reject(closed);
      this.#closed.resolve({ closeCode: code, reason });
    } else {
      const failure = errorOfClose(code, reason, error);
      // error() throws away what is unread.
      if ((this.#reading?.desiredSize ?? 0) > 0) this.#reading?.error(failure);
      else this.#failure = failure;
      this.#writing?.error(failure);
      this.#write?.reject(failure);
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
    if (chunk instanceof Blob)
      throw new TypeError("a Blob must be read first: write its arrayBuffer()");
    const isBytes = chunk instanceof ArrayBuffer || ArrayBuffer.isView(chunk);
    const message = messageOf(isBytes ? chunk : `${chunk}`);
    let wantsMore = false;
    try {
      wantsMore = message instanceof Blob || this.#socket.send(message);
    } catch (error) {
      // Closing: onClose() settles it.
      if (!(error instanceof NotOpenError)) throw error;
    }
    if (wantsMore) return undefined;
    this.#write = new Deferred();
    return this.#write.promise;
  }

  /** Closes with the code and reason of a WebSocketError, or without, for what a program has cancelled or aborted. */
  #closeFor(reason: unknown): void {
    const code = reason instanceof WebSocketError ? reason.closeCode : null;
    // Other codes are of an error of another WebSocket, which was piped into or from this one.
    if (reason instanceof WebSocketError && code !== null && mayClose(code)) {
      this.#socket.close(code, reason.reason);
    } else {
      this.#socket.close();
    }
  }
}

/** Aborted when the stream is. The types of Node 20 do not have it. */
function signalOf(controller: object): AbortSignal | undefined {
  const signal: unknown = Reflect.get(controller, "signal");
  return signal instanceof AbortSignal ? signal : undefined;
}
