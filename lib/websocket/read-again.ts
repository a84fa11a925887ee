// How a socket is read again after pause().

import type { Duplex } from "node:stream";

/**
 * Reads on. A socket that is destroyed is left alone: `node:stream` would throw away what it holds, without a "data" event.
 * Its owner takes that with read() when it is closed.
 */
export function readAgain(socket: Duplex): void {
  if (!socket.destroyed) socket.resume();
}
