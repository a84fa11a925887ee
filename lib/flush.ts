// Writing, once a turn: what is written to a connection within one turn of the event loop leaves
// in one piece, and all connections that have something share one callback.

/** Something that gathers what is written to it until flush() is called. */
export interface Flushable {
  flush(): void;
}

let waiting: Flushable[] = [];

/** Has `flushable` flushed at the end of the turn, after the callbacks of all that was received in it. */
export function flushSoon(flushable: Flushable): void {
  // Not process.nextTick(): that is the end of one callback. If several clients of a room speak in the same
  // turn, each of its members would be written to for each of them (bench/redis.ts).
  if (waiting.length === 0) setImmediate(flushAll);
  waiting.push(flushable);
}

function flushAll(): void {
  // A flush may have others write.
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
      // One has thrown. The error surfaces, and the others are flushed all the same.
      if (flushed < all.length) {
        waiting = [...all.slice(flushed + 1), ...waiting];
        if (waiting.length > 0) setImmediate(flushAll);
      }
    }
  }
}
