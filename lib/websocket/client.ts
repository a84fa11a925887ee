// A WebSocket client for Node: TCP or TLS around an Endpoint, with the interface that browsers have.
// RFC 6455 §4.1, and the WHATWG's "WebSockets" for the interface.

import { randomFillSync } from "node:crypto";
import { Socket as TcpSocket } from "node:net";
import type { Duplex } from "node:stream";
import { types } from "node:util";
import type { ZlibOptions } from "node:zlib";

import { type Bytes, EMPTY, utf8Length } from "../../protocol/bytes.ts";
import { ABNORMAL_CLOSURE } from "../../protocol/websocket/close.ts";
import { NotOpenError } from "../../protocol/websocket/endpoint.ts";
import { areProtocols } from "../../protocol/websocket/handshake.ts";
import { ArgumentTypeError } from "../events/errors.ts";
import { checkOptions } from "../events/options.ts";
import {
  WEBSOCKET_OPTIONS,
  type WebSocketDeflateOptions,
  type WebSocketOptions,
} from "./client-options.ts";
import { checkClose } from "./close-arguments.ts";
import { Connection } from "./connection.ts";
import { CloseEvent, ErrorEvent, type Handler, HandlerSlot } from "./events.ts";
import { type Agreement, Opening } from "./opening.ts";
import { readAgain } from "./read-again.ts";
import {
  STREAM,
  type StreamedSocket,
  type StreamSink,
  type StreamSource,
} from "./stream-source.ts";
import { UnsentData } from "./unsent-data.ts";

export type { WebSocketDeflateOptions, WebSocketOptions } from "./client-options.ts";
export {
  CloseEvent,
  type CloseEventInit,
  ErrorEvent,
  type ErrorEventInit,
} from "./events.ts";

const DEFAULT_HANDSHAKE_TIMEOUT = 30_000;
const DEFAULT_MAX_PAYLOAD = 100 * 1024 * 1024;
const DEFAULT_THRESHOLD = 1024;
const ZLIB_DEFAULTS: ZlibOptions = {};

const CONSTANTS = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;
const { CONNECTING, OPEN, CLOSING, CLOSED } = CONSTANTS;

const BINARY_TYPES = ["blob", "arraybuffer", "nodebuffer"] as const;
type BinaryType = (typeof BINARY_TYPES)[number];

/**
 * A WebSocket as browsers have it, for Node. docs/websocket.md compares the two.
 *
 * Values of other types are converted as Web IDL says: send(1) sends the text "1".
 */
export class WebSocket extends EventTarget implements StreamSource {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;

  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  readonly #url: URL;
  readonly #options: WebSocketOptions;
  readonly #deflate: WebSocketDeflateOptions | undefined;
  readonly #opening: Opening;
  readonly #onopen = new HandlerSlot<Event>(this, "open");
  readonly #onmessage = new HandlerSlot<MessageEvent>(this, "message");
  readonly #onerror = new HandlerSlot<Event>(this, "error");
  readonly #onclose = new HandlerSlot<CloseEvent>(this, "close");
  #binaryType: BinaryType = "blob";
  #agreed: Agreement | undefined;
  #connection: Connection | undefined;
  #stream: StreamSink | undefined;
  #state: 0 | 1 | 2 | 3 = CONNECTING;
  readonly #unsent = new UnsentData();

  /**
   * Connects. An "open" event follows, or an "error" and a "close" event.
   *
   * @param url with the scheme ws, wss, http or https
   * @param protocols subprotocols, one of which the server must choose
   * @throws DOMException (`name` "SyntaxError") for an invalid URL or subprotocol, or one given twice
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid or unknown option
   */
  constructor(
    url: string | URL,
    protocols: string | Iterable<string> = [],
    options: WebSocketOptions = {},
  ) {
    super();
    // biome-ignore lint/complexity/noArguments: a missing argument is not the same as `undefined`
    requireOne(arguments.length);
    checkOptions(options, WEBSOCKET_OPTIONS);
    this.#url = parse(`${url}`);
    const offered = stringsOf(protocols);
    // As in browsers, "chat" and "Chat" are one name here; on the wire (RFC 6455 §4.1) they are two.
    if (!areProtocols(offered.map((protocol) => protocol.toLowerCase()))) {
      throw new DOMException("each subprotocol must be a token, given once", "SyntaxError");
    }
    this.#options = options;
    const { perMessageDeflate = true, followRedirects = false, headers = {} } = options;
    const { handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT, ...request } = options;
    this.#deflate = perMessageDeflate === true ? {} : perMessageDeflate || undefined;
    this.#opening = new Opening(
      this.#url,
      {
        protocols: offered,
        deflate: this.#deflate,
        handshakeTimeout,
        followRedirects,
        headers,
        request,
      },
      {
        onOpened: (socket, head, agreed) => this.#onOpened(socket, head, agreed),
        onFailed: (error) => this.#fail(error),
      },
    );
  }

  get url(): string {
    return this.#url.href;
  }

  /** CONNECTING, OPEN, CLOSING or CLOSED. */
  get readyState(): 0 | 1 | 2 | 3 {
    // The server may have started to close it.
    if (this.#state === OPEN && !this.#connection?.open) return CLOSING;
    return this.#state;
  }

  /** The subprotocol that the server chose, or "". */
  get protocol(): string {
    return this.#agreed?.protocol ?? "";
  }

  /** The extensions that the server chose, or "". */
  get extensions(): string {
    return this.#agreed?.extensions ?? "";
  }

  /**
   * Bytes of messages, without frame headers, that were sent and that the operating system does not have yet.
   * Messages that are sent after close() count too, and stay.
   */
  get bufferedAmount(): number {
    return this.#unsent.bytes;
  }

  /** The type of received bytes. "nodebuffer" is a Buffer, which browsers do not have. Unknown values are ignored. Default: "blob". */
  get binaryType(): BinaryType {
    return this.#binaryType;
  }
  set binaryType(value: BinaryType) {
    if (BINARY_TYPES.includes(value)) this.#binaryType = value;
  }

  get onopen(): Handler<Event> {
    return this.#onopen.get();
  }
  set onopen(handler: Handler<Event>) {
    this.#onopen.set(handler);
  }

  get onmessage(): Handler<MessageEvent> {
    return this.#onmessage.get();
  }
  set onmessage(handler: Handler<MessageEvent>) {
    this.#onmessage.set(handler);
  }

  get onerror(): Handler<Event> {
    return this.#onerror.get();
  }
  set onerror(handler: Handler<Event>) {
    this.#onerror.set(handler);
  }

  get onclose(): Handler<CloseEvent> {
    return this.#onclose.get();
  }
  set onclose(handler: Handler<CloseEvent>) {
    this.#onclose.set(handler);
  }

  /**
   * Sends a message: bytes and Blobs as binary, and everything else as text. A message that is sent after close() is
   * dropped.
   *
   * @throws DOMException (`name` "InvalidStateError") in the state CONNECTING
   * @throws TypeError without an argument, and for a Symbol or bytes in shared or resizable memory
   */
  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void {
    // biome-ignore lint/complexity/noArguments: a missing argument is not the same as `undefined`
    requireOne(arguments.length);
    const message = messageOf(data);
    const { readyState } = this;
    if (readyState === CONNECTING) {
      throw new DOMException("the WebSocket is not open yet", "InvalidStateError");
    }
    if (readyState !== OPEN) this.#unsent.add(lengthOf(message));
    else if (typeof message === "string") this.#connection?.sendText(message);
    else if (message instanceof Blob) this.#connection?.sendBlob(message);
    else this.#connection?.sendBinary(message);
  }

  /**
   * Closes the WebSocket, after what was sent.
   *
   * @param code 1000, or 3000 to 4999. Default: none, or 1000 with a reason
   * @param reason at most 123 bytes of UTF-8
   * @throws DOMException for another code ("InvalidAccessError") or a longer reason ("SyntaxError")
   */
  close(code?: number, reason?: string): void {
    const { code: said, reason: text } = checkClose(code, reason);
    if (this.#state === CONNECTING) {
      this.#opening.abort();
      this.#fail(new Error("closed before it was open"));
    } else if (this.#state === OPEN) {
      this.#state = CLOSING;
      this.#connection?.close(said, text);
    }
  }

  /** Gives the messages to a stream, also those that come after close(). @internal */
  [STREAM](sink: StreamSink): StreamedSocket {
    if (this.#stream !== undefined) throw new ArgumentTypeError("the WebSocket has a stream");
    if (this.readyState > OPEN) throw new NotOpenError("closed");
    this.#stream = sink;
    const isConnecting = (): boolean => this.#state === CONNECTING;
    const send = (message: string | Bytes): boolean => {
      const connection = this.#connection;
      if (connection === undefined) throw new NotOpenError("closed");
      if (typeof message === "string") connection.sendText(message);
      else connection.sendBinary(message);
      return !connection.congested;
    };
    return {
      get connecting() {
        return isConnecting();
      },
      send,
      pause: () => this.#connection?.pause(),
      resume: () => this.#connection?.resume(),
      close: (code, reason) => this.close(code, reason),
      terminate: () => {
        if (isConnecting()) this.close();
        else this.#connection?.terminate();
      },
    };
  }

  #onOpened(socket: Duplex, head: Uint8Array, agreed: Agreement): void {
    this.#agreed = agreed;
    this.#state = OPEN;
    const maxPayload = this.#options.maxPayload ?? DEFAULT_MAX_PAYLOAD;
    const { threshold = DEFAULT_THRESHOLD, zlibDeflateOptions: zlib = ZLIB_DEFAULTS } =
      this.#deflate ?? {};
    const deflate = agreed.deflate && {
      role: "client" as const,
      parameters: agreed.deflate,
      maxPayload,
      zlib,
    };
    this.#connection = new Connection(socket, {
      role: "client",
      randomFill,
      unsent: this.#unsent,
      maxPayload,
      deflate,
      threshold,
    });
    if (this.#options.autoUnref && socket instanceof TcpSocket) socket.unref();
    if (head.length > 0) socket.unshift(head);
    // Reading starts in the next turn of the event loop: listeners that are added in this turn, or in promises
    // that the event settles, receive the first message.
    socket.pause();
    setImmediate(() => readAgain(socket));
    this.#connection.start({
      onText: (text) => this.#onMessage(text),
      onBinary: (bytes) => this.#onMessage(bytes),
      onPing: ignore,
      onPong: ignore,
      onDrain: () => this.#stream?.onDrain(),
      onClose: (code, reason, failure, error) => this.#onClose(code, reason, failure ?? error),
    });
    this.dispatchEvent(new Event("open"));
    this.#stream?.onOpen();
  }

  #given(bytes: Bytes): Bytes | ArrayBuffer | Blob {
    if (this.#binaryType === "nodebuffer") return bytes;
    const own = new ArrayBuffer(bytes.length);
    new Uint8Array(own).set(bytes);
    return this.#binaryType === "blob" ? new Blob([own]) : own;
  }

  #onMessage(message: string | Bytes): void {
    if (this.#stream !== undefined) {
      this.#stream.onMessage(message);
      return;
    }
    if (this.#state !== OPEN) return;
    const data = typeof message === "string" ? message : this.#given(message);
    this.dispatchEvent(new MessageEvent("message", { data, origin: this.#url.origin }));
  }

  #onClose(code: number, reason: string, error: Error | undefined): void {
    this.#state = CLOSED;
    if (error !== undefined) this.dispatchEvent(new ErrorEvent("error", { error }));
    const wasClean = code !== ABNORMAL_CLOSURE;
    this.dispatchEvent(new CloseEvent("close", { wasClean, code, reason }));
    this.#stream?.onClose(code, reason, error);
  }

  /** The opening handshake failed. */
  #fail(error: Error): void {
    this.#state = CLOSING;
    // Events come in a turn of their own, so that listeners can be added after close().
    setImmediate(() => this.#onClose(ABNORMAL_CLOSURE, "", error));
  }
}

for (const [name, value] of Object.entries(CONSTANTS)) {
  for (const owner of [WebSocket, WebSocket.prototype]) {
    Object.defineProperty(owner, name, { value, enumerable: true });
  }
}
for (const owner of [WebSocket.prototype, CloseEvent.prototype]) {
  for (const name of Object.getOwnPropertyNames(owner)) {
    if (name !== "constructor") Object.defineProperty(owner, name, { enumerable: true });
  }
}
Object.defineProperty(WebSocket.prototype, Symbol.toStringTag, {
  value: "WebSocket",
  configurable: true,
});

/** A source of masking keys. RFC 6455 §5.3: each "MUST be derived from a strong source of entropy". */
function randomFill(key: Bytes): void {
  randomFillSync(key);
}

/** The interface of browsers has no event for it. */
function ignore(): void {}

/** WHATWG URL and "WebSockets": two schemes with two other names, and no fragment (RFC 6455 §3). */
function parse(url: string): URL {
  if (!URL.canParse(url)) throw new DOMException(`"${url}" is not a valid URL`, "SyntaxError");
  const target = new URL(url);
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new DOMException(`the scheme of "${url}" must be ws, wss, http or https`, "SyntaxError");
  }
  // An empty fragment is one too, and `hash` does not tell.
  if (target.href.includes("#")) {
    throw new DOMException(`"${url}" has a fragment`, "SyntaxError");
  }
  return target;
}

// Web IDL's conversions of arguments.

function requireOne(count: number): void {
  if (count === 0) throw new TypeError("1 argument required, but 0 given");
}

/** "(DOMString or sequence<DOMString>)". */
function stringsOf(value: string | Iterable<string>): readonly string[] {
  const isSequence = typeof value === "object" && value !== null && Symbol.iterator in value;
  return isSequence ? Array.from(value, (each) => `${each}`) : [`${value}`];
}

/** "(ArrayBuffer or ArrayBufferView or Blob or USVString)". */
export function messageOf(
  data: string | ArrayBuffer | ArrayBufferView | Blob,
): string | Bytes | Blob {
  if (data instanceof Blob) return data;
  let bytes: Bytes;
  // What has no bytes may have lost its memory to another thread: a view of that would throw.
  if (types.isArrayBuffer(data)) {
    bytes = data.byteLength === 0 ? EMPTY : new Uint8Array(data);
  } else if (ArrayBuffer.isView(data)) {
    const { buffer, byteOffset, byteLength } = data;
    bytes = byteLength === 0 ? EMPTY : new Uint8Array(buffer, byteOffset, byteLength);
  } else {
    return `${data}`;
  }
  const memory = bytes.buffer;
  if (types.isSharedArrayBuffer(memory) || ("resizable" in memory && memory.resizable === true)) {
    throw new TypeError("bytes in shared or resizable memory cannot be sent");
  }
  return bytes;
}

function lengthOf(message: string | Bytes | Blob): number {
  if (typeof message === "string") return utf8Length(message);
  return message instanceof Blob ? message.size : message.length;
}
