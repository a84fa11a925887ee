// Writes once per turn of the event loop: everything that is written to a connection within one turn is sent in one
// piece. All connections with data to send share one callback.

/** An object that buffers what is written to it until flush() is called. */
export interface Flushable {
  flush(): void;
}

let waiting: Flushable[] = [];

/** Calls flush() of `flushable` at the end of the turn, after the callbacks for all data that was received in this turn. */
export function flushSoon(flushable: Flushable): void {
  // process.nextTick() would run at the end of each callback. If several clients of a room send events in the same
  // turn, it would cause one write per event and member of the room instead of one write per member (bench/redis.ts).
  if (waiting.length === 0) setImmediate(flushAll);
  waiting.push(flushable);
}

function flushAll(): void {
  // flush() can cause writes to other connections.
  while (waiting.length > 0) {
    const all = waiting;
    waiting = [];
    let flushed = 0;
    try {
      for (const flushable of all) {
        flushable.flush();
        flushed++;
      }
    } finally {
      // A call of flush() has thrown. The error is not caught here, and the other connections are still flushed.
      if (flushed < all.length) {
        waiting = [...all.slice(flushed + 1), ...waiting];
        if (waiting.length > 0) setImmediate(flushAll);
      }
    }
  }
}
