// How many events a client may send: the option `rateLimit`. Each socket has a bucket of tokens. An event takes one, and
// they come back at a steady rate until the bucket is full. There is no timer: when the bucket is full again says how many
// are in it at any time, and each event puts that off.

import { ArgumentTypeError } from "../events/errors.ts";
import { type Check, checkOptions, number, type OptionTable } from "../events/options.ts";
import { positiveMilliseconds } from "../node-options.ts";

/** How many events one socket may send. */
export interface RateLimitOptions {
  /** Events in each `interval`, over time. */
  readonly events: number;
  /** Milliseconds. */
  readonly interval: number;
  /** Events that may come at once after a pause. Default: `events`. */
  readonly burst?: number;
}

const count = number("a positive integer", (value) => Number.isSafeInteger(value) && value > 0);

const RATE_LIMIT_OPTIONS: OptionTable<RateLimitOptions> = {
  burst: count,
  events: count,
  interval: positiveMilliseconds,
};

const REQUIRED = ["events", "interval"] as const satisfies readonly (keyof RateLimitOptions)[];

/** Checks the option `rateLimit`, of which `events` and `interval` must be given. */
export const rateLimit: Check = (value, name) => {
  if (value !== undefined) checkRateLimit(value, name);
};

function checkRateLimit(value: unknown, name: string): void {
  checkOptions(value, RATE_LIMIT_OPTIONS, name);
  for (const required of REQUIRED) {
    if (Reflect.get(Object(value), required) === undefined) {
      throw new ArgumentTypeError(`${name}.${required} must be given`);
    }
  }
}

/**
 * Returns a limit, or `undefined` for `false`.
 *
 * @throws ArgumentTypeError or ArgumentRangeError for an invalid limit
 */
export function createRateLimit(limit: RateLimitOptions | false): RateLimit | undefined {
  if (limit === false) return undefined;
  checkRateLimit(limit, "rateLimit");
  return new RateLimit(limit);
}

/** A client has sent more events than it may. The event was not delivered. `code` "ERR_RATE_LIMIT". */
export class RateLimitError extends Error {
  override readonly name = "RateLimitError";
  readonly code = "ERR_RATE_LIMIT";
  /** The name of the event. */
  readonly event: string;
  /** Milliseconds until the client may send the next event. At least 1. */
  readonly retryAfter: number;

  constructor(event: string, retryAfter: number) {
    super("too many events");
    this.event = event;
    this.retryAfter = retryAfter;
  }
}

/** A rate limit as buckets use it. */
export class RateLimit {
  /** Milliseconds in which a token comes back. */
  readonly interval: number;
  /** Milliseconds in which an empty bucket is full again. */
  readonly capacity: number;

  constructor({ events, interval, burst = events }: RateLimitOptions) {
    this.interval = interval / events;
    this.capacity = this.interval * burst;
  }
}

/** Milliseconds that additions of times may be wrong by. */
const ROUNDING = 0.001;

export class TokenBucket {
  /** When it is full again, as performance.now() counts. */
  fullAt: number;
  /** An event was refused since it was full. */
  isOverdrawn = false;

  /** @param fullAt Default: it is full */
  constructor(fullAt = 0) {
    this.fullAt = fullAt;
  }

  /**
   * Takes a token.
   *
   * @param now what performance.now() returns
   * @returns 0, or if there is none the milliseconds until there is one: an integer
   */
  take(limit: RateLimit, now: number): number {
    const isFull = this.fullAt <= now;
    // Of another limit, it may have been emptier than a bucket of this one can be.
    this.fullAt = isFull ? now : Math.min(this.fullAt, now + limit.capacity);
    const fullAt = this.fullAt + limit.interval;
    const excess = fullAt - now - limit.capacity;
    if (excess > ROUNDING) {
      this.isOverdrawn = true;
      return Math.ceil(excess - ROUNDING);
    }
    if (isFull) this.isOverdrawn = false;
    this.fullAt = fullAt;
    return 0;
  }
}
