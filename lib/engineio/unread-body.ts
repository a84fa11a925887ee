// The body of a request that was answered before it was received: a client that is still sending it should see the answer,
// and must not keep its connection for as long as it likes.

import type { IncomingMessage } from "node:http";

import { Deadlines } from "../deadlines.ts";

/** Milliseconds in which the rest of the body must be received. */
const UNREAD_TIMEOUT = 5000;

const unread = new Deadlines<IncomingMessage>(UNREAD_TIMEOUT, (request) => request.destroy());

/** Discards the rest of a body. Ends the connection if it takes longer than UNREAD_TIMEOUT. */
export function discardBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  unread.add(request);
  request.once("close", () => unread.delete(request));
}
