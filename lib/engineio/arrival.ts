// One HTTP request or upgrade request for an engine, until it is refused or belongs to a session.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import { REFUSALS, type RefusalName } from "../../protocol/engineio/handshake.ts";
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
  readonly query: ReadonlyMap<string, string>;
  /** The header fields of the response. */
  abstract readonly headers: HeaderFields;
  readonly #recipient: Recipient;

  constructor(request: IncomingMessage, recipient: Recipient) {
    this.request = request;
    this.query = queryOf(request);
    this.#recipient = recipient;
  }

  /** The client has left. */
  abstract get gone(): boolean;

  /** Answers with a refusal. */
  abstract refuse(refusal: RefusalName, message?: string): void;

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
    return this.response.destroyed;
  }

  refuse(refusal: RefusalName, message: string = REFUSALS[refusal].message): void {
    const { code, status } = REFUSALS[refusal];
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

  /** Answers with a refusal instead of the 101. Clients receive the same status for each. */
  refuse(refusal: RefusalName, message: string = REFUSALS[refusal].message): void {
    refuseUpgrade(this.socket, 400, message);
  }
}
