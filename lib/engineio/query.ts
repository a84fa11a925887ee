// Parses the query of a request's URL. Engine.IO "Query parameters".

import type { IncomingMessage } from "node:http";

import { parseQuery } from "../../protocol/engineio/handshake.ts";

/** Returns the parameters in the query of a request's URL. If a name occurs twice, the last value is used. */
export function queryOf({ url = "" }: IncomingMessage): ReadonlyMap<string, string> {
  const start = url.indexOf("?");
  return parseQuery(start === -1 ? "" : url.slice(start + 1));
}

/** Sets the property `_query` of a request, which middleware for socket.io reads. Returns the request. */
export function addQuery(request: IncomingMessage): IncomingMessage {
  if (!("_query" in request)) {
    Object.assign(request, { _query: Object.fromEntries(queryOf(request)) });
  }
  return request;
}
