// Combines writes: all data that is written to a connection within one iteration of the event loop is passed to the
// socket of the connection in one write. All connections with data to send share one callback.

/** An object that buffers written data until flush() is called. */
export interface Flushable {
  flush(): void;
}

let waiting: Flushable[] = [];

/**
 * Calls `flushable.flush()` at the end of this iteration of the event loop, after the callbacks for all data that was
 * received in this iteration.
 */
export function flushSoon(flushable: Flushable): void {
  // process.nextTick() would call flushAll() after each callback. If several clients of a room send events in the same
  // iteration, the server would then write to each member of the room once per event, instead of once for all events.
  // bench/redis.ts measures such broadcasts.
  if (waiting.length === 0) setImmediate(flushAll);
  waiting.push(flushable);
}

function flushAll(): void {
  // A call of flush() can cause writes to other connections, which are then flushed as well.
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
      // If flush() of a connection has thrown, the other connections are still flushed. The error is not caught here.
      if (flushed < all.length) {
        waiting = [...all.slice(flushed + 1), ...waiting];
        if (waiting.length > 0) setImmediate(flushAll);
      }
    }
  }
}
