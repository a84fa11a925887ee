// How long to wait before the next attempt to connect: twice as long each time, up to a limit, and
// not everybody at the same moment. RFC 6455 §7.2.3.

export interface BackoffOptions {
  /** Milliseconds of the first wait. */
  readonly reconnectionDelay: number;
  /** Milliseconds of the longest. */
  readonly reconnectionDelayMax: number;
  /** How much of a wait may be taken off or put on, from 0 to 1. */
  readonly randomizationFactor: number;
}

/** A timer takes no more than 32 bits, and calls at once for what is larger. */
const LONGEST = 0x7fffffff;

/** From here on the wait is the longest, however short the first was. */
const MOST_DOUBLINGS = 30;

/**
 * Milliseconds to wait before attempt number `attempt`.
 *
 * @param attempt from 0
 * @param random from 0 up to 1
 */
export function delayBefore(attempt: number, options: BackoffOptions, random: number): number {
  const { reconnectionDelay, reconnectionDelayMax, randomizationFactor } = options;
  const wait = reconnectionDelay * 2 ** Math.min(attempt, MOST_DOUBLINGS);
  const deviation = (random * 2 - 1) * randomizationFactor * wait;
  return Math.round(Math.min(wait + deviation, reconnectionDelayMax, LONGEST));
}
