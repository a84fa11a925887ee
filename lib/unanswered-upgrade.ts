// Refuses upgrade requests to which no listener of an HTTP server responds. Node calls all listeners for "upgrade", and
// does not close the socket if none of them responds.

import type { Server } from "node:net";
import type { Duplex } from "node:stream";

/** How long the other listeners may take to respond, in milliseconds. */
export const LEFT_UPGRADE_TIMEOUT = 1000;

interface Left {
  /** How many listeners have not responded and have left the request to the other listeners. */
  count: number;
  /** How many bytes were written to the connection before this request, as responses to earlier requests. */
  readonly written: number;
}

const left = new WeakMap<Duplex, Left>();
const taken = new WeakSet<Duplex>();

/** Marks the upgrade request on `socket` as handled by a listener, which may write to the socket at any time. */
export function takeUpgrade(socket: Duplex): void {
  taken.add(socket);
}

/**
 * Leaves an upgrade request to the other listeners of `server`. Calls `refuse` if there are no other listeners, if all
 * of them have left the request too, or if none of them has responded after `timeout` milliseconds.
 */
export function leaveUpgrade(
  server: Server,
  socket: Duplex,
  timeout: number,
  refuse: () => void,
): void {
  const request = left.get(socket) ?? { count: 0, written: bytesWritten(socket) };
  left.set(socket, request);
  request.count++;
  const isAnswered = (): boolean =>
    taken.has(socket) ||
    ("bytesWritten" in socket ? bytesWritten(socket) > request.written : isRead(socket));
  // If the request was received by another server and forwarded to this one, listeners of the other server may respond.
  const isOwn = Reflect.get(socket, "server") === server;
  if (isOwn && request.count >= server.listenerCount("upgrade") && !isAnswered()) {
    refuse();
    return;
  }
  // Until another listener handles the socket, nothing else handles its errors.
  socket.on("error", () => socket.destroy());
  const timer = setTimeout(() => {
    if (socket.writable && !isAnswered()) refuse();
  }, timeout);
  socket.once("close", () => clearTimeout(timer));
}

function bytesWritten(socket: Duplex): number {
  return "bytesWritten" in socket ? Number(socket.bytesWritten) : 0;
}

/**
 * Returns whether a listener reads from a stream. This is the only sign of a listener that handles a stream which does
 * not count the bytes that are written to it.
 */
function isRead(socket: Duplex): boolean {
  return socket.readableFlowing !== null || socket.listenerCount("readable") > 0;
}
