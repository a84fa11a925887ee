// One HTTP request or upgrade request for an engine, until it is refused or belongs to a session.

import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import { REFUSALS, type RefusalName } from "../../protocol/engineio/handshake.ts";
import type { Place } from "../connection-bounds.ts";
import { type HeaderFields, UpgradeHeaders } from "../headers.ts";
import { refuseUpgrade } from "../websocket/upgrade.ts";
import { queryOf } from "./query.ts";
import { SessionRequest } from "./session-request.ts";
import { discardBody } from "./unread-body.ts";

/**
 * Who has received the request object. A session keeps an object that the program has received, and
 * only the text of all others.
 */
export type Recipient = "engine" | "program";

export abstract class Arrival {
  readonly request: IncomingMessage;
  /** The address of the connection's peer. */
  readonly peer: string | undefined;
  readonly query: ReadonlyMap<string, string>;
  /** The header fields of the response. */
  abstract readonly headers: HeaderFields;
  /** The place of a new client, if there is a bound on them. */
  place: Place | undefined;
  readonly #recipient: Recipient;

  constructor(request: IncomingMessage, recipient: Recipient) {
    this.request = request;
    // Node knows it of a connection that has ended if it was asked before.
    this.peer = request.socket.remoteAddress;
    this.query = queryOf(request);
    this.#recipient = recipient;
  }

  /** The client has left. */
  abstract get gone(): boolean;

  /** Emits "close" when the client has left, if noticeEnd() was called. */
  abstract get connection(): EventEmitter;

  /**
   * Notices if the client leaves while it waits for an answer.
   *
   * @returns ends that
   */
  abstract noticeEnd(): () => void;

  /**
   * Answers with a refusal.
   *
   * @param retryAfter seconds after which the client may try again. Default: it is not told
   */
  abstract refuse(refusal: RefusalName, message?: string, retryAfter?: number): void;

  /**
   * Returns what a session keeps of the request.
   *
   * @param shown functions of the program receive the requests of this engine
   */
  keep(shown: boolean): IncomingMessage | SessionRequest {
    const shared = shown || this.#recipient === "program";
    return shared ? this.request : SessionRequest.of(this.request);
  }
}

export class RequestArrival extends Arrival {
  readonly response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse, recipient: Recipient) {
    super(request, recipient);
    this.response = response;
  }

  get headers(): HeaderFields {
    return this.response;
  }

  get gone(): boolean {
    // The response of a pipelined request does not hear of the end.
    return this.response.destroyed || this.request.socket.destroyed;
  }

  get connection(): EventEmitter {
    // A pipelined request has no connection for its response yet, and then the response does not hear of its end. The
    // connection of HTTP/2 carries other requests, and a response may end before it.
    return this.response.socket === null ? this.request.socket : this.response;
  }

  noticeEnd(): () => void {
    // Node's HTTP server does.
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

export class UpgradeArrival extends Arrival {
  readonly socket: Duplex;
  /** The bytes that came behind the request in the same chunk. */
  readonly head: Uint8Array;
  /** Further header fields of the 101. */
  readonly headers: UpgradeHeaders = new UpgradeHeaders();
  /** It was answered with the 101. */
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
    // Nobody reads the socket yet, and one that is not read does not tell of its end, behind further bytes least of all.
    // RFC 6455 §4.1: the client "MUST wait for a response from the server before sending any further data".
    const onReadable = (): void => {
      socket.destroy();
    };
    socket.on("readable", onReadable);
    return () => socket.off("readable", onReadable);
  }

  /** Answers with a refusal instead of the 101. Clients receive the same status for each refusal of the protocol. */
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
