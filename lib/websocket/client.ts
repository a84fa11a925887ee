// A WebSocket client for Node with the interface of a browser's `WebSocket`. RFC 6455 §4.1 defines the protocol of a
// client. WHATWG "WebSockets" defines the interface.

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
import { resumeSocket } from "./resume-socket.ts";
import {
  type SendResult,
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
  type Handler,
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
 * A WebSocket client for Node with the interface of a browser's `WebSocket`. docs/websocket.md lists the differences.
 *
 * An argument that does not have the declared type is converted by the rules of Web IDL: send(1) sends the text "1". WHATWG
 * "WebSockets", "The WebSocket interface".
 *
 * @example
 * const socket = new WebSocket("ws://localhost:8080");
 * socket.onopen = () => socket.send("hello");
 * socket.onmessage = ({ data }) => console.log(data);
 */
export class WebSocket extends EventTarget implements StreamSource {
  /** The `readyState` during the opening handshake. */
  declare static readonly CONNECTING: 0;
  /** The `readyState` of an open WebSocket. */
  declare static readonly OPEN: 1;
  /** The `readyState` during the closing handshake. */
  declare static readonly CLOSING: 2;
  /** The `readyState` after the end of the connection. */
  declare static readonly CLOSED: 3;

  /** The `readyState` during the opening handshake. */
  declare readonly CONNECTING: 0;
  /** The `readyState` of an open WebSocket. */
  declare readonly OPEN: 1;
  /** The `readyState` during the closing handshake. */
  declare readonly CLOSING: 2;
  /** The `readyState` after the end of the connection. */
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
   * Creates a WebSocket and starts the opening handshake. If the handshake succeeds, an "open" event follows, otherwise an
   * "error" and a "close" event.
   *
   * @param url the URL of the server, with the scheme ws, wss, http or https
   * @param protocols the subprotocols to offer. If there are any, the server must choose one of them
   * @param options options that a browser's `WebSocket` does not have
   * @throws DOMException (`name` "SyntaxError") if the URL or a subprotocol is invalid, or a subprotocol occurs twice
   * @throws ArgumentTypeError or ArgumentRangeError if an option is invalid or unknown
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
    // Browsers compare the names of subprotocols case-insensitively, although RFC 6455 §4.1 distinguishes upper and lower
    // case. So "chat" and "Chat" are duplicates here, too.
    if (!areProtocols(offered.map((protocol) => protocol.toLowerCase()))) {
      throw new DOMException("each subprotocol must be a token and occur only once", "SyntaxError");
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

  /** The absolute URL of the server. */
  get url(): string {
    return this.#url.href;
  }

  /** The state of the connection: CONNECTING, OPEN, CLOSING or CLOSED. */
  get readyState(): 0 | 1 | 2 | 3 {
    // After the server has started the closing handshake, `#state` is still OPEN.
    if (this.#state === OPEN && !this.#connection?.open) return CLOSING;
    return this.#state;
  }

  /** The subprotocol that the server chose, or "" if there is none. */
  get protocol(): string {
    return this.#agreed?.protocol ?? "";
  }

  /** The server's header field Sec-WebSocket-Extensions, which names the chosen extensions. "" if there are none. */
  get extensions(): string {
    return this.#agreed?.extensions ?? "";
  }

  /**
   * Bytes of the messages that were passed to send(), but not yet to the operating system, without frame headers. A message
   * that is passed to send() after close() is never sent, and remains counted.
   */
  get bufferedAmount(): number {
    return this.#unsent.bytes;
  }

  /**
   * The type of the `data` of a binary message: "blob", "arraybuffer", or "nodebuffer" for a Buffer, which browsers do not
   * support. Default: "blob".
   */
  get binaryType(): BinaryType {
    return this.#binaryType;
  }
  /**
   * Sets the type of the `data` of binary messages. An unknown value is ignored.
   *
   * @param value "nodebuffer", "arraybuffer" or "blob"
   */
  set binaryType(value: BinaryType) {
    if (BINARY_TYPES.includes(value)) this.#binaryType = value;
  }

  /** The handler for "open", which is emitted when the opening handshake has succeeded. Default: `null`. */
  get onopen(): Handler<Event> {
    return this.#onopen.get();
  }
  /**
   * Sets the handler for "open".
   *
   * @param handler the function to call, or `null` for none
   */
  set onopen(handler: Handler<Event>) {
    this.#onopen.set(handler);
  }

  /** The handler for "message", which is emitted for each received message. Default: `null`. */
  get onmessage(): Handler<MessageEvent> {
    return this.#onmessage.get();
  }
  /**
   * Sets the handler for "message".
   *
   * @param handler the function to call, or `null` for none
   */
  set onmessage(handler: Handler<MessageEvent>) {
    this.#onmessage.set(handler);
  }

  /** The handler for "error", which is emitted when the connection fails. A "close" event follows. Default: `null`. */
  get onerror(): Handler<Event> {
    return this.#onerror.get();
  }
  /**
   * Sets the handler for "error".
   *
   * @param handler the function to call, or `null` for none
   */
  set onerror(handler: Handler<Event>) {
    this.#onerror.set(handler);
  }

  /** The handler for "close", which is emitted when the connection has ended. Default: `null`. */
  get onclose(): Handler<CloseEvent> {
    return this.#onclose.get();
  }
  /**
   * Sets the handler for "close".
   *
   * @param handler the function to call, or `null` for none
   */
  set onclose(handler: Handler<CloseEvent>) {
    this.#onclose.set(handler);
  }

  /**
   * Sends a message. Drops the message if the WebSocket is closing or closed.
   *
   * @param data the message. Bytes and Blobs are sent as a binary message, everything else as a text message
   * @throws DOMException (`name` "InvalidStateError") in the state CONNECTING
   * @throws TypeError if the argument is missing, is a Symbol, or is in shared or resizable memory
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
   * Sends the queued messages and starts the closing handshake. Aborts the opening handshake if the WebSocket is still
   * connecting.
   *
   * @param code the close code: 1000, or 3000 to 4999. Default: no code, or 1000 if there is a reason
   * @param reason the close reason, at most 123 bytes of UTF-8. Default: none
   * @throws DOMException if the code is invalid (`name` "InvalidAccessError") or the reason is too long ("SyntaxError")
   */
  close(code?: number, reason?: string): void {
    const { code: said, reason: text } = checkClose(code, reason);
    if (this.#state === CONNECTING) {
      this.#opening.abort();
      this.#fail(new Error("the WebSocket was closed before it was open"));
    } else if (this.#state === OPEN) {
      this.#state = CLOSING;
      this.#connection?.close(said, text);
    }
  }

  /** Delivers messages to a stream, even after close(). @internal */
  [STREAM](sink: StreamSink): StreamedSocket {
    if (this.#stream !== undefined)
      throw new ArgumentTypeError("the WebSocket already has a stream");
    if (this.readyState > OPEN) throw new NotOpenError("closed");
    this.#stream = sink;
    const isConnecting = (): boolean => this.#state === CONNECTING;
    const send = (message: string | Bytes): SendResult => {
      const connection = this.#connection;
      if (!connection?.writable) return "closed";
      if (typeof message === "string") connection.sendText(message);
      else connection.sendBinary(message);
      return connection.congested ? "full" : "ready";
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
    // Reading starts in the next iteration of the event loop. Listeners that are added before that, even after an `await`,
    // receive the first message.
    socket.pause();
    setImmediate(() => resumeSocket(socket));
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

  /** Ends a WebSocket whose opening handshake has failed. */
  #fail(error: Error): void {
    this.#state = CLOSING;
    // The events are emitted in a later iteration of the event loop, so that a program can add listeners after close().
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

/** A source of masking keys. RFC 6455 §5.3: a masking key "MUST be derived from a strong source of entropy". */
function randomFill(key: Bytes): void {
  randomFillSync(key);
}

/** Ignores pings and pongs, since a browser's `WebSocket` has no events for them. */
function ignore(): void {}

/**
 * Parses the URL of a server. WHATWG "WebSockets": http and https are changed to ws and wss. RFC 6455 §3: the URL must have
 * no fragment.
 */
function parse(url: string): URL {
  if (!URL.canParse(url)) throw new DOMException(`"${url}" is not a valid URL`, "SyntaxError");
  const target = new URL(url);
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new DOMException(`the scheme of "${url}" must be ws, wss, http or https`, "SyntaxError");
  }
  // An empty fragment is not allowed either, but `hash` is "" for an empty fragment. So the URL is searched for "#".
  if (target.href.includes("#")) {
    throw new DOMException(`the URL must have no fragment, got "${url}"`, "SyntaxError");
  }
  return target;
}

// The conversion of arguments by the rules of Web IDL.

function requireOne(count: number): void {
  if (count === 0) throw new TypeError("1 argument required, but 0 given");
}

/** Converts an argument of the Web IDL type "(DOMString or sequence<DOMString>)". */
function stringsOf(value: string | Iterable<string>): readonly string[] {
  const isSequence = typeof value === "object" && value !== null && Symbol.iterator in value;
  return isSequence ? Array.from(value, (each) => `${each}`) : [`${value}`];
}

/** Converts an argument of the Web IDL type "(ArrayBuffer or ArrayBufferView or Blob or USVString)". */
export function messageOf(data: unknown): string | Bytes | Blob {
  if (data instanceof Blob) return data;
  let bytes: Bytes;
  // A buffer of length 0 may be detached, because it was transferred to another thread. Creating a view of a detached buffer
  // would throw.
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
