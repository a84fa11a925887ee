// Discards the body of a request that was answered before the body was received. A client that is still sending the body
// must be able to read the answer, but must not keep its connection open forever.

import type { IncomingMessage } from "node:http";

import { Deadlines } from "../deadlines.ts";

/** How long the client may take to send the rest of the body, in milliseconds. */
const UNREAD_TIMEOUT = 5000;

const unread = new Deadlines<IncomingMessage>(UNREAD_TIMEOUT, (request) => request.destroy());

/** Discards the rest of a body. Ends the connection if the rest takes longer than UNREAD_TIMEOUT. */
export function discardBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  unread.add(request);
  request.once("close", () => unread.delete(request));
}
