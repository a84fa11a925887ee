// Offsets of events in a cluster: how far a client has heard.
//
//   "3.k2.1z"     in base 36
//    │  │  └─ index: it has received every packet up to this one of those that the primary has numbered
//    │  └─ sequence: and every packet of the worker up to this one of the worker's own
//    └─ the number of the worker
//
// A worker delivers its own packets at once, and those of others when the primary has passed them on. The primary
// numbers all packets in the order in which it passes them on. So two numbers say exactly what a client of a worker
// has received, however many workers there are.

import type { Offset } from "../socketio/recovery-store.ts";

/** The offset as it travels. */
export function formatOffset({ worker, sequence, index }: Offset): string {
  return `${worker.toString(36)}.${sequence.toString(36)}.${index.toString(36)}`;
}

/** Reads an offset. Returns `undefined` for what is none. */
export function parseOffset(text: string): Offset | undefined {
  const [worker, sequence, index, ...more] = text.split(".").map((part) => numberOf(part));
  if (worker === undefined || sequence === undefined || index === undefined) return undefined;
  return more.length > 0 ? undefined : { worker, sequence, index };
}

function numberOf(text: string): number | undefined {
  const number = Number.parseInt(text, 36);
  return Number.isSafeInteger(number) && number.toString(36) === text && number >= 0
    ? number
    : undefined;
}
