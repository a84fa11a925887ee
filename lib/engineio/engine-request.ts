// Represents one HTTP request or upgrade request to an engine, until the engine refuses the request or passes it to a
// session.

import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import { REFUSALS, type RefusalName } from "../../protocol/engineio/handshake.ts";
import type { Place } from "../connection-bounds.ts";
import { type HeaderFields, UpgradeHeaders } from "../headers.ts";
import { refuseUpgrade } from "../websocket/upgrade.ts";
import { queryOf } from "./query.ts";
import { SavedRequest } from "./saved-request.ts";
import { discardBody } from "./unread-body.ts";

/**
 * Whether only the engine has received the request object, or possibly the program as well. If the program may have received
 * the object, the session keeps the object. Otherwise the session only keeps the text of the request, to save memory.
 */
export type Recipient = "engine" | "program";

/** A request to an engine. */
export abstract class EngineRequest {
  readonly request: IncomingMessage;
  /** The IP address of the connection's peer. `undefined` if the connection has ended. */
  readonly peer: string | undefined;
  /** The parameters in the query of the URL. */
  readonly query: ReadonlyMap<string, string>;
  /** The header fields of the response. */
  abstract readonly headers: HeaderFields;
  /** The Place that counts a new client. `undefined` if no option limits the number of clients. */
  place: Place | undefined;
  readonly #recipient: Recipient;

  constructor(request: IncomingMessage, recipient: Recipient) {
    this.request = request;
    // Node remembers the address after the end of the connection only if the address was read before.
    this.peer = request.socket.remoteAddress;
    this.query = queryOf(request);
    this.#recipient = recipient;
  }

  /** Whether the client has disconnected. */
  abstract get gone(): boolean;

  /** Emits "close" when the client has disconnected, if noticeEnd() was called. */
  abstract get connection(): EventEmitter;

  /**
   * Starts to detect whether the client disconnects while it waits for an answer.
   *
   * @returns a function that stops the detection
   */
  abstract noticeEnd(): () => void;

  /**
   * Answers with a refusal.
   *
   * @param message the message in the response. Default: the message of the refusal
   * @param retryAfter seconds after which the client may try again. Default: no Retry-After header field
   */
  abstract refuse(refusal: RefusalName, message?: string, retryAfter?: number): void;

  /**
   * Returns the request for the session to keep: the object itself, or a SavedRequest with its text.
   *
   * @param shown whether functions of the program receive the requests of this engine
   */
  keep(shown: boolean): IncomingMessage | SavedRequest {
    const shared = shown || this.#recipient === "program";
    return shared ? this.request : SavedRequest.of(this.request);
  }
}

/** An HTTP request to an engine. */
export class PollingRequest extends EngineRequest {
  readonly response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse, recipient: Recipient) {
    super(request, recipient);
    this.response = response;
  }

  get headers(): HeaderFields {
    return this.response;
  }

  get gone(): boolean {
    // The response to a pipelined request emits no "close" when the connection ends.
    return this.response.destroyed || this.request.socket.destroyed;
  }

  get connection(): EventEmitter {
    // The response to a pipelined request has no socket yet, and emits no "close". All other responses emit "close". An
    // HTTP/2 response may emit "close" before the connection ends, because other requests share the connection.
    return this.response.socket === null ? this.request.socket : this.response;
  }

  noticeEnd(): () => void {
    // Node's HTTP server reads the socket, and so detects the end of the connection without further code.
    return () => {};
  }

  refuse(
    refusal: RefusalName,
    message: string = REFUSALS[refusal].message,
    retryAfter?: number,
  ): void {
    const { code, status } = REFUSALS[refusal];
    if (retryAfter !== undefined) this.response.setHeader("Retry-After", retryAfter);
    this.response
      .writeHead(status, { "Content-Type": "application/json" })
      .end(JSON.stringify({ code, message }));
    discardBody(this.request);
  }
}

/** An upgrade request to an engine. */
export class UpgradeRequest extends EngineRequest {
  readonly socket: Duplex;
  /** The bytes after the header of the request. */
  readonly head: Uint8Array;
  /** Additional header fields of the response 101. */
  readonly headers: UpgradeHeaders = new UpgradeHeaders();
  /** Whether the request was answered with 101. */
  accepted = false;

  constructor(request: IncomingMessage, socket: Duplex, head: Uint8Array, recipient: Recipient) {
    super(request, recipient);
    this.socket = socket;
    this.head = head;
  }

  get gone(): boolean {
    return this.socket.destroyed;
  }

  get connection(): EventEmitter {
    return this.socket;
  }

  noticeEnd(): () => void {
    const { socket } = this;
    // Nothing reads the socket yet, so it does not emit "end". It emits "readable" when it has ended, or when it has received
    // bytes. Such bytes are an error: RFC 6455 §4.1, the client "MUST wait for a response from the server before sending any
    // further data".
    const onReadable = (): void => {
      socket.destroy();
    };
    socket.on("readable", onReadable);
    return () => socket.off("readable", onReadable);
  }

  /** Answers with a refusal instead of 101. The status is 400 or, with `retryAfter`, the status of the refusal. */
  refuse(
    refusal: RefusalName,
    message: string = REFUSALS[refusal].message,
    retryAfter?: number,
  ): void {
    if (retryAfter === undefined) refuseUpgrade(this.socket, 400, message);
    else {
      const { status } = REFUSALS[refusal];
      refuseUpgrade(this.socket, status, message, "text/html", [`Retry-After: ${retryAfter}`]);
    }
  }
}
