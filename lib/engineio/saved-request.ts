// The HTTP request that opened a session. A program may read the request until the end of the session, but most programs never
// do.
//
// Node's request object takes about 2 kB of memory, because it contains a stream and parsed headers. If only this library has
// received the object, the session keeps only the text of the request. An equal object is created when the program reads the
// request.
//
// The library cannot know for certain whether other code of the process uses the request object, too. Some code receives the
// object before the library does: instrumentation, a server with its own class of requests, or another server that forwards
// requests. Such code often changes the object. So the session keeps every request object that differs from a new request
// object of Node.

import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

// No part of a request header contains a line feed (RFC 9112 §2.2).
const SEPARATOR = "\n";

/** The text of a request, from which an equal request object can be created. */
export class SavedRequest {
  readonly socket: Socket;
  readonly #text: string;

  /**
   * Returns the text of `request`. Returns `request` itself if other code has changed the object, or if Node has merged several
   * header fields with the same name.
   */
  static of(request: IncomingMessage): SavedRequest | IncomingMessage {
    return isPlain(request) && saysItsRawHeaders(request) ? new SavedRequest(request) : request;
  }

  constructor(request: IncomingMessage) {
    const { method, url, httpVersion, rawHeaders, socket } = request;
    // @types/node does not declare the property `upgrade`, so the property is read with Reflect.get().
    const upgrade = Reflect.get(request, "upgrade") === true ? "upgrade" : "";
    this.socket = socket;
    this.#text = [method, url, httpVersion, upgrade, ...rawHeaders].join(SEPARATOR);
  }

  /** Creates an equal request object. Each call returns a new object. */
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

/** Returns the header fields, with their names in lower case. */
function fieldsOf(rawHeaders: readonly string[]): [name: string, value: string][] {
  const fields: [name: string, value: string][] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    fields.push([rawHeaders[at]?.toLowerCase() ?? "", rawHeaders[at + 1] ?? ""]);
  }
  return fields;
}

/** Returns whether `headers` of a request has the same fields as `rawHeaders`. */
function saysItsRawHeaders({ headers, rawHeaders }: IncomingMessage): boolean {
  const fields = fieldsOf(rawHeaders);
  return (
    Object.keys(headers).length === fields.length &&
    fields.every(([name, value]) => headers[name] === value)
  );
}

// Node adds this property to upgrade requests.
const OWN_OF_UPGRADES = "parser";
let own: ReadonlySet<string | symbol> | undefined;

/** Returns whether a request is of Node's own class, without additional properties. */
function isPlain(request: IncomingMessage): boolean {
  if (Object.getPrototypeOf(request) !== IncomingMessage.prototype) return false;
  own ??= new Set([...Reflect.ownKeys(new IncomingMessage(request.socket)), OWN_OF_UPGRADES]);
  const known = own;
  return Reflect.ownKeys(request).every((key) => known.has(key));
}
