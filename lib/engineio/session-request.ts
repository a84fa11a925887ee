// The HTTP request with which a session began. A program may look at it for as long as the session
// lives, and most never do.
//
// Node's object takes some 2 kB with its headers, its lists and its stream. So of a request that no
// code but ours has seen only the text is kept, and an equal object is made when somebody asks.
//
// Who has seen a request cannot be known for certain: instrumentation, a server's own class of
// requests, or another server that passes them on come before every listener. So one that is not just
// as Node makes it stays what it is.

import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

// In no part of a request's head is there a line feed (RFC 9112 §2.2).
const SEPARATOR = "\n";

export class SessionRequest {
  readonly socket: Socket;
  readonly #text: string;

  /**
   * What stands for `request`; itself, where somebody has changed it, or Node has joined several fields
   * of one name by rules of its own.
   */
  static of(request: IncomingMessage): SessionRequest | IncomingMessage {
    return isPlain(request) && saysItsRawHeaders(request) ? new SessionRequest(request) : request;
  }

  constructor(request: IncomingMessage) {
    const { method, url, httpVersion, rawHeaders, socket } = request;
    // What @types/node does not know.
    const upgrade = Reflect.get(request, "upgrade") === true ? "upgrade" : "";
    this.socket = socket;
    this.#text = [method, url, httpVersion, upgrade, ...rawHeaders].join(SEPARATOR);
  }

  /** A request that says the same; a new object with each call. */
  restore(): IncomingMessage {
    const [method = "", url = "", httpVersion = "", upgrade = "", ...rawHeaders] =
      this.#text.split(SEPARATOR);
    const [major, minor] = httpVersion.split(".").map(Number);
    const headers: Record<string, string> = {};
    const headersDistinct: Record<string, string[]> = Object.create(null);
    for (const [name, value] of fieldsOf(rawHeaders)) {
      headers[name] = value;
      headersDistinct[name] = [value];
    }
    return Object.assign(new IncomingMessage(this.socket), {
      method,
      url,
      httpVersion,
      httpVersionMajor: major,
      httpVersionMinor: minor,
      upgrade: upgrade !== "",
      headers,
      headersDistinct,
      rawHeaders,
      complete: true,
    });
  }
}

/** The fields by their names in lower case. */
function fieldsOf(rawHeaders: readonly string[]): [name: string, value: string][] {
  const fields: [name: string, value: string][] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    fields.push([rawHeaders[at]?.toLowerCase() ?? "", rawHeaders[at + 1] ?? ""]);
  }
  return fields;
}

/** Its headers are its fields and nothing else. */
function saysItsRawHeaders({ headers, rawHeaders }: IncomingMessage): boolean {
  const fields = fieldsOf(rawHeaders);
  return (
    Object.keys(headers).length === fields.length &&
    fields.every(([name, value]) => headers[name] === value)
  );
}

// Node gives this one to requests for an upgrade.
const OWN_OF_UPGRADES = "parser";
let own: ReadonlySet<string | symbol> | undefined;

/** It is of Node's own class, and nobody has given it a property. */
function isPlain(request: IncomingMessage): boolean {
  if (Object.getPrototypeOf(request) !== IncomingMessage.prototype) return false;
  own ??= new Set([...Reflect.ownKeys(new IncomingMessage(request.socket)), OWN_OF_UPGRADES]);
  const known = own;
  return Reflect.ownKeys(request).every((key) => known.has(key));
}
