// Writing, once a turn: what is written to a connection within one turn of the event loop leaves
// in one piece, and all connections that have something share one callback.

/** Something that gathers what is written to it until flush() is called. */
export interface Flushable {
  flush(): void;
}

let waiting: Flushable[] = [];

/** Has `flushable` flushed when the running callback, and the promises it settled, are done. */
export function flushSoon(flushable: Flushable): void {
  if (waiting.length === 0) process.nextTick(flushAll);
  waiting.push(flushable);
}

function flushAll(): void {
  const all = waiting;
  waiting = [];
  for (const flushable of all) flushable.flush();
}
