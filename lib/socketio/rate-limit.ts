// The option `rateLimit`: limits how many events a client may send. Each socket has a bucket of
// tokens. An event takes one token, and tokens are refilled at a constant rate until the bucket is
// full. No timer is needed. The bucket stores the time at which it will be full again. The number
// of tokens can be computed from this time. Each event postpones that time.

import { ArgumentTypeError } from "../events/errors.ts";
import { type Check, checkOptions, number, type OptionTable } from "../events/options.ts";
import { positiveMilliseconds } from "../node-options.ts";

/** Limits how many events one socket may send. */
export interface RateLimitOptions {
  /** Number of events per `interval`, on average. */
  readonly events: number;
  /** The interval, in milliseconds. */
  readonly interval: number;
  /** Number of events that may arrive at once after a pause. Default: `events`. */
  readonly burst?: number;
}

const count = number("a positive integer", (value) => Number.isSafeInteger(value) && value > 0);

const RATE_LIMIT_OPTIONS: OptionTable<RateLimitOptions> = {
  burst: count,
  events: count,
  interval: positiveMilliseconds,
};

const REQUIRED = ["events", "interval"] as const satisfies readonly (keyof RateLimitOptions)[];

/** Checks the option `rateLimit`. `events` and `interval` are required. */
export const rateLimit: Check = (value, name) => {
  if (value !== undefined) checkRateLimit(value, name);
};

function checkRateLimit(value: unknown, name: string): void {
  checkOptions(value, RATE_LIMIT_OPTIONS, name);
  for (const required of REQUIRED) {
    if (Reflect.get(Object(value), required) === undefined) {
      throw new ArgumentTypeError(`${name}.${required} is missing`);
    }
  }
}

/**
 * Creates a rate limit. Returns `undefined` for `false`.
 *
 * @throws ArgumentTypeError or ArgumentRangeError for an invalid limit
 */
export function createRateLimit(limit: RateLimitOptions | false): RateLimit | undefined {
  if (limit === false) return undefined;
  checkRateLimit(limit, "rateLimit");
  return new RateLimit(limit);
}

/**
 * Passed to the "error" event of a socket whose client has exceeded its `rateLimit`. The event was
 * not delivered.
 */
export class RateLimitError extends Error {
  /** The name of the error class. */
  override readonly name = "RateLimitError";
  /** The error code. */
  readonly code = "ERR_RATE_LIMIT";
  /** The name of the event that was not delivered. */
  readonly event: string;
  /** Time until the client may send the next event, in milliseconds. At least 1. */
  readonly retryAfter: number;

  /**
   * Creates an error for an event that exceeds the limit.
   *
   * @internal
   */
  constructor(event: string, retryAfter: number) {
    super("too many events");
    this.event = event;
    this.retryAfter = retryAfter;
  }
}

/** A rate limit in the form that buckets use. */
export class RateLimit {
  /** Time in which one token is refilled, in milliseconds. */
  readonly interval: number;
  /** Time in which an empty bucket is refilled, in milliseconds. */
  readonly capacity: number;

  constructor({ events, interval, burst = events }: RateLimitOptions) {
    this.interval = interval / events;
    this.capacity = this.interval * burst;
  }
}

/** Largest rounding error of time calculations, in milliseconds. */
const ROUNDING = 0.001;

/** The tokens of one socket. */
export class TokenBucket {
  /** The time at which the bucket is full, as a value of performance.now(). */
  fullAt: number;
  /** Whether an event has been refused since the bucket was last full. */
  isOverdrawn = false;

  /**
   * Creates a bucket.
   *
   * @param fullAt the time at which the bucket is full, as a value of performance.now(). Default:
   * the bucket is full now
   */
  constructor(fullAt = 0) {
    this.fullAt = fullAt;
  }

  /**
   * Takes a token.
   *
   * @param now the value of performance.now()
   * @returns 0 if a token was available. Otherwise the time until the next token, in whole
   * milliseconds
   */
  take(limit: RateLimit, now: number): number {
    const isFull = this.fullAt <= now;
    // `fullAt` may be the result of another limit: this limit may be new, or the client may have
    // used a bucket in another namespace. The bucket may then be emptier than this limit allows.
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
