// Upgrade requests that a listener leaves to the other listeners of an HTTP server. Node calls all of
// them, and closes nothing that none of them answers.

import type { Server } from "node:net";
import type { Duplex } from "node:stream";

/** How long the other listeners may take to answer, in milliseconds. */
export const LEFT_UPGRADE_TIMEOUT = 1000;

interface Left {
  /** Listeners that left the request. */
  count: number;
  /** Bytes that earlier responses on the connection took. */
  readonly written: number;
}

const left = new WeakMap<Duplex, Left>();
const taken = new WeakSet<Duplex>();

/** Says that a listener will answer the upgrade request on `socket`, which can take it any time. */
export function takeUpgrade(socket: Duplex): void {
  taken.add(socket);
}

/**
 * Leaves an upgrade request to the other listeners of `server`. Calls `refuse` if there are none, if all of them left
 * it too, or if none has answered after `timeout` milliseconds and none will.
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
  // Who passes on a request of another server may pass it on to others too.
  const isOwn = Reflect.get(socket, "server") === server;
  if (isOwn && request.count >= server.listenerCount("upgrade") && !isAnswered()) {
    refuse();
    return;
  }
  // Until another listener takes the socket, nothing else handles its errors.
  socket.on("error", () => socket.destroy());
  const timer = setTimeout(() => {
    if (socket.writable && !isAnswered()) refuse();
  }, timeout);
  socket.once("close", () => clearTimeout(timer));
}

function bytesWritten(socket: Duplex): number {
  return "bytesWritten" in socket ? Number(socket.bytesWritten) : 0;
}

/** Whether a listener reads from a stream that does not count what is written to it. */
function isRead(socket: Duplex): boolean {
  return socket.readableFlowing !== null || socket.listenerCount("readable") > 0;
}
