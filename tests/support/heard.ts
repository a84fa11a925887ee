// Waits for an event of any emitter.

import type { Untyped } from "../../lib/events/emitter.ts";

/**
 * Resolves to the arguments of the next `event`. Unlike once() of node:events, the emitter may be of any class, and
 * "error" is an ordinary event.
 */
export function heard(emitter: object, event: string): Promise<Untyped[]> {
  return new Promise((resolve) => {
    const once: unknown = Reflect.get(emitter, "once");
    if (typeof once !== "function") throw new TypeError("the object is not an event emitter");
    once.call(emitter, event, (...args: Untyped[]) => resolve(args));
  });
}
