// A WebSocket client for Node: TCP or TLS around an Endpoint, with the interface that browsers have.
// RFC 6455 §4.1, and the WHATWG's "WebSockets" for the interface.

import type { RequestOptions } from "node:https";
import { Socket as TcpSocket } from "node:net";
import type { Duplex } from "node:stream";
import type { ZlibOptions } from "node:zlib";

import { type Bytes, decodeValidUtf8 } from "../protocol/bytes.ts";
import { callListener, isListener } from "../protocol/events.ts";
import { encodeClose } from "../protocol/websocket/close.ts";
import { type DeflateWishes, isToken } from "../protocol/websocket/extensions.ts";
import { Connection } from "./websocket-connection.ts";
import { type Agreement, Opening } from "./websocket-opening.ts";

export interface WebSocketDeflateOptions extends DeflateWishes {
  /** Bytes from which a message is compressed. Default 1024. */
  readonly threshold?: number;
  /** zlib's own settings for what is sent, such as `level`. */
  readonly zlibDeflateOptions?: ZlibOptions;
}

/** What a browser's WebSocket does not have. */
export interface WebSocketOptions extends RequestOptions {
  /** Milliseconds that the opening handshake may take. Default 30,000. */
  readonly handshakeTimeout?: number;
  /** Bytes in one message. Default 100 MiB. */
  readonly maxPayload?: number;
  /** permessage-deflate is offered. Default `true`. */
  readonly perMessageDeflate?: boolean | WebSocketDeflateOptions;
  /** A response that sends the client elsewhere is followed, up to ten times. Default `false`. */
  readonly followRedirects?: boolean;
  /** The connection does not keep a process alive. Default `false`. */
  readonly autoUnref?: boolean;
  /** Header fields of the request; to another host those that say who this is do not go along. */
  readonly headers?: Readonly<Record<string, string>>;
}

const DEFAULT_HANDSHAKE_TIMEOUT = 30_000;
const DEFAULT_MAX_PAYLOAD = 100 * 1024 * 1024;
const DEFAULT_THRESHOLD = 1024;
const ZLIB_DEFAULTS: ZlibOptions = {};

/** The end of a WebSocket. */
export class CloseEvent extends Event {
  /** What the server's close frame said; 1005 for none, 1006 where no close frame came. */
  readonly code: number;
  readonly reason: string;
  /** There was a closing handshake. */
  readonly wasClean: boolean;

  constructor(code: number, reason: string) {
    super("close");
    this.code = code;
    this.reason = reason;
    this.wasClean = code !== 1006;
  }
}

/** What went wrong; its close follows. */
export class ErrorEvent extends Event {
  readonly message: string;
  readonly error: Error;

  constructor(error: Error) {
    super("error");
    this.message = error.message;
    this.error = error;
  }
}

type Handler<E extends Event> = ((event: E) => void) | null;

export class WebSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;

  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  readonly url: string;
  /** What bytes come as; "nodebuffer" is Node's. Default "blob". */
  binaryType: "blob" | "arraybuffer" | "nodebuffer" = "blob";
  onopen: Handler<Event> = null;
  onmessage: Handler<MessageEvent> = null;
  onerror: Handler<Event> = null;
  onclose: Handler<Event> = null;

  readonly #origin: string;
  readonly #options: WebSocketOptions;
  readonly #deflate: WebSocketDeflateOptions | undefined;
  readonly #opening: Opening;
  #agreed: Agreement | undefined;
  #connection: Connection | undefined;
  #state: 0 | 1 | 2 | 3 = WebSocket.CONNECTING;

  /**
   * Connects; "open" or "error" and "close" tell what became of it.
   *
   * @param url with the scheme ws, wss, http or https
   * @param protocols subprotocols, of which the server may choose one
   * @throws DOMException (`name` "SyntaxError") for a URL or subprotocols that cannot be
   */
  constructor(
    url: string | URL,
    protocols: string | readonly string[] = [],
    options: WebSocketOptions = {},
  ) {
    super();
    const target = parse(url);
    const offered = [protocols].flat();
    if (new Set(offered).size !== offered.length || !offered.every(isToken)) {
      throw new DOMException("a subprotocol is no token, or offered twice", "SyntaxError");
    }
    this.url = target.href;
    this.#origin = target.origin;
    this.#options = options;
    const { perMessageDeflate = true, followRedirects = false, headers = {} } = options;
    const { handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT, ...request } = options;
    this.#deflate = perMessageDeflate === true ? {} : perMessageDeflate || undefined;
    this.#opening = new Opening(
      target,
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

  /** CONNECTING, OPEN, CLOSING or CLOSED. */
  get readyState(): 0 | 1 | 2 | 3 {
    // The server may have begun to close it.
    if (this.#state === WebSocket.OPEN && !this.#connection?.open) return WebSocket.CLOSING;
    return this.#state;
  }

  /** The subprotocol that the server has chosen, or "". */
  get protocol(): string {
    return this.#agreed?.protocol ?? "";
  }

  /** The extensions that the server has chosen, or "". */
  get extensions(): string {
    return this.#agreed?.extensions ?? "";
  }

  /** Bytes that were sent and have not been handed to the operating system. */
  get bufferedAmount(): number {
    return this.#connection?.bufferedAmount ?? 0;
  }

  /**
   * Sends a message: a string as text, all else as binary. One that is sent too late is dropped.
   *
   * @throws DOMException (`name` "InvalidStateError") while it connects
   */
  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void {
    if (this.#state === WebSocket.CONNECTING) {
      throw new DOMException("the WebSocket is not open yet", "InvalidStateError");
    }
    if (typeof data === "string") this.#connection?.sendText(data);
    else this.#connection?.sendBinary(data instanceof Blob ? data : bytesOf(data));
  }

  /**
   * Closes it, behind what was sent.
   *
   * @param code 1000, or 3000 to 4999
   * @throws DOMException for another code ("InvalidAccessError"), or a reason of more than 123 bytes
   * of UTF-8 ("SyntaxError")
   */
  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException("a close code is 1000, or 3000 to 4999", "InvalidAccessError");
    }
    // A reason alone goes with the code for a normal end.
    const said = code ?? (reason === undefined ? undefined : 1000);
    try {
      encodeClose(said, reason);
    } catch {
      throw new DOMException("the reason has more than 123 bytes", "SyntaxError");
    }
    if (this.#state === WebSocket.CONNECTING) {
      this.#opening.abort();
      this.#fail(new Error("closed before it was open"));
    } else if (this.#state === WebSocket.OPEN) {
      this.#state = WebSocket.CLOSING;
      this.#connection?.close(said, reason);
    }
  }

  #onOpened(socket: Duplex, head: Uint8Array, agreed: Agreement): void {
    this.#agreed = agreed;
    this.#state = WebSocket.OPEN;
    const maxPayload = this.#options.maxPayload ?? DEFAULT_MAX_PAYLOAD;
    const { threshold = DEFAULT_THRESHOLD, zlibDeflateOptions: zlib = ZLIB_DEFAULTS } =
      this.#deflate ?? {};
    const deflate = agreed.deflate && {
      role: "client" as const,
      parameters: agreed.deflate,
      maxPayload,
      zlib,
    };
    const connection = new Connection(
      socket,
      { maxPayload, deflate, threshold },
      {
        onText: (text) => this.#onMessage(decodeValidUtf8(text)),
        onBinary: (bytes) => this.#onMessage(this.#given(bytes)),
        onClose: (error) => this.#onClose(error),
      },
    );
    this.#connection = connection;
    if (this.#options.autoUnref && socket instanceof TcpSocket) socket.unref();
    this.#tell("onopen", new Event("open"));
    connection.start(head);
  }

  #given(bytes: Bytes): Bytes | ArrayBuffer | Blob {
    if (this.binaryType === "nodebuffer") return bytes;
    const own = new ArrayBuffer(bytes.length);
    new Uint8Array(own).set(bytes);
    return this.binaryType === "blob" ? new Blob([own]) : own;
  }

  #onMessage(data: string | Bytes | ArrayBuffer | Blob): void {
    if (this.#state !== WebSocket.OPEN) return;
    this.#tell("onmessage", new MessageEvent("message", { data, origin: this.#origin }));
  }

  #onClose(error: Error | undefined): void {
    const { code, reason } = this.#connection?.closeStatus ?? GONE;
    this.#state = WebSocket.CLOSED;
    if (error !== undefined) this.#tell("onerror", new ErrorEvent(error));
    this.#tell("onclose", new CloseEvent(code, reason));
  }

  /** The opening handshake has come to nothing. */
  #fail(error: Error): void {
    this.#state = WebSocket.CLOSING;
    // Listeners are added behind the constructor.
    queueMicrotask(() => this.#onClose(error));
  }

  #tell<E extends Event>(name: "onopen" | "onmessage" | "onerror" | "onclose", event: E): void {
    const handler: unknown = this[name];
    if (isListener(handler)) callListener(this, handler, [event]);
    this.dispatchEvent(event);
  }
}

const GONE = { code: 1006, reason: "" };

/** RFC 6455 §3: two schemes, and no fragment. */
function parse(url: string | URL): URL {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    throw new DOMException(`"${url}" is no URL`, "SyntaxError");
  }
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new DOMException("the scheme is neither ws nor wss", "SyntaxError");
  }
  if (target.hash !== "") throw new DOMException("the URL has a fragment", "SyntaxError");
  return target;
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Bytes {
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
