// Resumes a socket after pause().

import type { Duplex } from "node:stream";

/**
 * Resumes a socket, unless the socket is destroyed. resume() of a destroyed socket would discard the buffered data without a
 * "data" event. The owner of the socket reads that data with read() after "close".
 */
export function resumeSocket(socket: Duplex): void {
  if (!socket.destroyed) socket.resume();
}
