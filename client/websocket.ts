// A WebSocket client for Node: TCP or TLS around an Endpoint, with the interface that browsers have.
// RFC 6455 §4.1, and the WHATWG's "WebSockets" for the interface.

import { randomBytes, randomFillSync } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { type RequestOptions, request as requestHttps } from "node:https";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

import { type Bytes, concat, copy, decodeValidUtf8 } from "../protocol/bytes.ts";
import { encodeClose } from "../protocol/websocket/close.ts";
import { Endpoint, type Wire } from "../protocol/websocket/endpoint.ts";
import { BINARY, TEXT } from "../protocol/websocket/frame.ts";
import {
  type HandshakeOffer,
  judgeHandshake,
  offerHandshake,
} from "../protocol/websocket/handshake.ts";
import { NEED_DATA } from "../protocol/websocket/receiver.ts";

/** What a browser's WebSocket does not have. */
export interface WebSocketOptions extends RequestOptions {
  /** Milliseconds that the opening handshake may take. Default 30,000. */
  readonly handshakeTimeout?: number;
  /** Bytes in one message. Default 100 MiB. */
  readonly maxPayload?: number;
}

const DEFAULT_HANDSHAKE_TIMEOUT = 30_000;
const DEFAULT_MAX_PAYLOAD = 100 * 1024 * 1024;
/** How long the server may take to answer a close frame, and to end TCP after it, in milliseconds. */
const CLOSE_TIMEOUT = 30_000;

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

  readonly url: string;
  /** What bytes come as. Default "arraybuffer". */
  binaryType: "arraybuffer" | "nodebuffer" = "arraybuffer";
  onopen: Handler<Event> = null;
  onmessage: Handler<MessageEvent> = null;
  onerror: Handler<Event> = null;
  onclose: Handler<Event> = null;

  #protocol = "";
  #request: ClientRequest | undefined;
  #connection: Connection | undefined;
  #state: 0 | 1 | 2 | 3 = WebSocket.CONNECTING;

  /**
   * Connects; "open" or "error" and "close" tell what became of it.
   *
   * @param url with the scheme ws, wss, http or https
   * @param protocols subprotocols, of which the server may choose one
   * @throws SyntaxError for a URL or subprotocols that cannot be
   */
  constructor(
    url: string | URL,
    protocols: string | readonly string[] = [],
    options: WebSocketOptions = {},
  ) {
    super();
    const target = parse(url);
    const offered = [protocols].flat();
    if (new Set(offered).size !== offered.length) {
      throw new SyntaxError("a subprotocol is offered twice");
    }
    this.url = target.href;
    const offer: HandshakeOffer = { key: randomBytes(16).toString("base64"), protocols: offered };
    const { handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT, headers, ...more } = options;
    const secure = target.protocol === "wss:";
    const request = (secure ? requestHttps : requestHttp)({
      // A connection that is to be upgraded is no other request's.
      agent: false,
      ...more,
      method: "GET",
      host: target.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: target.port || (secure ? 443 : 80),
      path: target.pathname + target.search,
      headers: { ...headers, ...Object.fromEntries(offerHandshake(offer)) },
      timeout: handshakeTimeout,
    });
    this.#request = request;
    request.on("upgrade", (response, socket, head) => {
      this.#onUpgrade(offer, options, response, socket, head);
    });
    request.on("response", (response) => {
      response.resume();
      this.#fail(new Error(`the server answered with status ${response.statusCode}`));
    });
    request.on("timeout", () => this.#fail(new Error("the opening handshake has timed out")));
    request.on("error", (error) => this.#fail(error));
    request.end();
  }

  /** CONNECTING, OPEN, CLOSING or CLOSED. */
  get readyState(): 0 | 1 | 2 | 3 {
    return this.#state;
  }

  /** The subprotocol that the server has chosen, or "". */
  get protocol(): string {
    return this.#protocol;
  }

  /** Bytes that were sent and have not been handed to the operating system. */
  get bufferedAmount(): number {
    return this.#connection?.bufferedAmount ?? 0;
  }

  /**
   * Sends a message: a string as text, bytes as binary. One that is sent too late is dropped.
   *
   * @throws Error (`code` "ERR_NOT_OPEN") while it connects
   */
  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.#state === WebSocket.CONNECTING) {
      throw Object.assign(new Error("the WebSocket is not open yet"), { code: "ERR_NOT_OPEN" });
    }
    if (this.#state !== WebSocket.OPEN) return;
    if (typeof data === "string") this.#connection?.endpoint.sendText(data);
    else this.#connection?.endpoint.sendBinary(bytesOf(data));
  }

  /**
   * Closes it.
   *
   * @param code 1000, or 3000 to 4999
   * @throws RangeError for another code, or a reason of more than 123 bytes
   */
  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new RangeError("a close code is 1000, or from 3000 to 4999");
    }
    encodeClose(code, reason);
    if (this.#state === WebSocket.CONNECTING) {
      this.#fail(new Error("closed before it was open"));
    } else if (this.#state === WebSocket.OPEN) {
      this.#state = WebSocket.CLOSING;
      this.#connection?.close(code, reason);
    }
  }

  #onUpgrade(
    offer: HandshakeOffer,
    options: WebSocketOptions,
    response: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
  ): void {
    const { statusCode = 0, headers } = response;
    const verdict = judgeHandshake(offer, statusCode, headers);
    if (this.#state !== WebSocket.CONNECTING || !verdict.accepted) {
      socket.destroy();
      if (!verdict.accepted) this.#fail(new Error(verdict.reason));
      return;
    }
    this.#request = undefined;
    this.#protocol = verdict.protocol;
    this.#state = WebSocket.OPEN;
    const connection = new Connection(socket, options.maxPayload ?? DEFAULT_MAX_PAYLOAD, {
      onMessage: (data) => this.#onMessage(data),
      onClose: (error) => this.#onClose(error),
    });
    this.#connection = connection;
    this.#tell("onopen", new Event("open"));
    connection.start(head);
  }

  #onMessage(data: string | Bytes): void {
    if (this.#state !== WebSocket.OPEN) return;
    const isText = typeof data === "string";
    const given = isText || this.binaryType === "nodebuffer" ? data : toArrayBuffer(data);
    this.#tell("onmessage", new MessageEvent("message", { data: given }));
  }

  #onClose(error: Error | undefined): void {
    const { code, reason } = this.#connection?.endpoint.closeStatus ?? GONE;
    this.#state = WebSocket.CLOSED;
    if (error !== undefined) this.#tell("onerror", new ErrorEvent(error));
    this.#tell("onclose", new CloseEvent(code, reason));
  }

  /** The opening handshake has come to nothing. */
  #fail(error: Error): void {
    if (this.#state !== WebSocket.CONNECTING) return;
    this.#state = WebSocket.CLOSING;
    this.#request?.destroy();
    this.#request = undefined;
    // Listeners are added behind the constructor.
    queueMicrotask(() => this.#onClose(error));
  }

  #tell<E extends Event>(name: "onopen" | "onmessage" | "onerror" | "onclose", event: E): void {
    const handler: unknown = this[name];
    if (typeof handler === "function") handler.call(this, event);
    this.dispatchEvent(event);
  }
}

const GONE = { code: 1006, reason: "" };

interface ConnectionSink {
  onMessage(data: string | Bytes): void;
  onClose(error: Error | undefined): void;
}

/** TCP or TLS around the endpoint. */
class Connection implements Wire {
  readonly endpoint: Endpoint;
  readonly #socket: Duplex;
  readonly #sink: ConnectionSink;
  // Written in this turn and not handed to the socket yet.
  #written: Bytes[] = [];
  #error: Error | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, maxPayload: number, sink: ConnectionSink) {
    this.#socket = socket;
    this.#sink = sink;
    this.endpoint = new Endpoint(this, { role: "client", maxPayload, deflate: false, randomFill });
  }

  /** @param head what came behind the header of the response */
  start(head: Uint8Array): void {
    const socket = this.#socket;
    if (socket instanceof Socket) socket.setTimeout(0).setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.end());
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("drain", () => this.endpoint.drained());
    socket.on("close", () => this.#onClose());
    if (head.length > 0) this.#onData(head);
  }

  get bufferedAmount(): number {
    return this.#socket.writableLength + this.#written.reduce((sum, { length }) => sum + length, 0);
  }

  close(code?: number, reason?: string): void {
    this.endpoint.close(code, reason);
    this.#hurry();
  }

  // The endpoint's wire.

  get congested(): boolean {
    return this.#socket.writableNeedDrain;
  }

  write(bytes: Bytes): void {
    if (this.#written.length === 0) queueMicrotask(() => this.#flush());
    this.#written.push(bytes);
  }

  end(): void {
    this.#flush();
    this.#socket.end();
    this.#hurry();
  }

  #flush(): void {
    const written = this.#written;
    this.#written = [];
    if (written.length > 0 && this.#socket.writable) this.#socket.write(concat(written));
  }

  #onData(chunk: Bytes): void {
    const { endpoint } = this;
    endpoint.receive(chunk);
    for (let event = endpoint.next(); event !== NEED_DATA; event = endpoint.next()) {
      if (event === TEXT) this.#sink.onMessage(decodeValidUtf8(endpoint.payload));
      else if (event === BINARY) this.#sink.onMessage(copy(endpoint.payload));
    }
  }

  /** A server that does not end its side is cut off (§7.1.1). */
  #hurry(): void {
    this.#closeTimer ??= setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT);
  }

  #onClose(): void {
    clearTimeout(this.#closeTimer);
    this.endpoint.receiveEnd();
    this.#sink.onClose(this.endpoint.failure ?? this.#error);
  }
}

function randomFill(bytes: Bytes): void {
  randomFillSync(bytes);
}

function parse(url: string | URL): URL {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    throw new SyntaxError(`"${url}" is no URL`);
  }
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new SyntaxError("the scheme is neither ws nor wss");
  }
  target.hash = "";
  return target;
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Bytes {
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function toArrayBuffer(bytes: Bytes): ArrayBuffer {
  const own = new ArrayBuffer(bytes.length);
  new Uint8Array(own).set(bytes);
  return own;
}
