// The offset that is sent with each event in a cluster. It records which packets the client has
// received.
//
//   "3.k2.1z"     in base 36
//    │  │  └─ index: the client has received all packets that the primary has numbered up to this index
//    │  └─ sequence: the client has also received all packets that this worker has numbered up to this sequence
//    └─ the number of the worker
//
// A worker delivers its own packets immediately, and the packets of other workers when the primary has passed them on.
// The primary numbers all packets in the order in which it passes them on. Therefore two numbers describe exactly which
// packets a client of a worker has received, for any number of workers.

import type { Offset } from "../socketio/recovery-store.ts";

/** Formats an offset as it is sent to a client. */
export function formatOffset({ worker, sequence, index }: Offset): string {
  return `${worker.toString(36)}.${sequence.toString(36)}.${index.toString(36)}`;
}

/** Parses an offset. Returns `undefined` if the text is not a valid offset. */
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
