// The HTTP request with which a session began. A program may look at it for as long as the session
// lives, and most never do.
//
// Node's object takes some 2 kB with its headers, its lists and its stream. So of a request that no
// code but ours has seen only the text is kept, and an equal object is made when somebody asks.

import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

// In no part of a request's head is there a line feed (RFC 9112 §2.2).
const SEPARATOR = "\n";

export class KeptRequest {
  readonly #socket: Socket;
  readonly #text: string;

  /** What stands for `request`; itself, where Node has joined several fields of one name by rules of its own. */
  static of(request: IncomingMessage): KeptRequest | IncomingMessage {
    const { headers, rawHeaders } = request;
    const each = Object.keys(headers).length * 2 === rawHeaders.length;
    return each && !("set-cookie" in headers) ? new KeptRequest(request) : request;
  }

  constructor(request: IncomingMessage) {
    const { method, url, httpVersion, rawHeaders, socket } = request;
    this.#socket = socket;
    this.#text = [method, url, httpVersion, ...rawHeaders].join(SEPARATOR);
  }

  /** A request that says the same; a new object with each call. */
  restore(): IncomingMessage {
    const [method = "", url = "", httpVersion = "", ...rawHeaders] = this.#text.split(SEPARATOR);
    const [major, minor] = httpVersion.split(".").map(Number);
    const headers: Record<string, string> = {};
    for (let at = 0; at < rawHeaders.length; at += 2) {
      headers[rawHeaders[at]?.toLowerCase() ?? ""] = rawHeaders[at + 1] ?? "";
    }
    return Object.assign(new IncomingMessage(this.#socket), {
      method,
      url,
      httpVersion,
      httpVersionMajor: major,
      httpVersionMinor: minor,
      headers,
      rawHeaders,
      complete: true,
    });
  }
}
