// Computes the delay before the next attempt to connect. The delay doubles with each attempt, up to a limit. A random
// part keeps the clients of a server from connecting at the same time. RFC 6455 §7.2.3.

/** The options that determine the delays. */
export interface BackoffOptions {
  /** The delay before the first attempt, in milliseconds. */
  readonly reconnectionDelay: number;
  /** The longest delay, in milliseconds. */
  readonly reconnectionDelayMax: number;
  /** The largest random change of a delay, as a fraction of the delay, from 0 to 1. */
  readonly randomizationFactor: number;
}

/**
 * The longest delay of a timer, in milliseconds. With a longer delay, Node and browsers call the function of the timer
 * immediately.
 */
const LONGEST = 0x7fffffff;

/** After this many doublings, the delay no longer grows. */
const MOST_DOUBLINGS = 30;

/**
 * Returns the delay before an attempt, in milliseconds.
 *
 * @param attempt the number of the attempt, from 0
 * @param random a random number from 0 to 1, as from Math.random()
 */
export function delayBefore(attempt: number, options: BackoffOptions, random: number): number {
  const { reconnectionDelay, reconnectionDelayMax, randomizationFactor } = options;
  const wait = reconnectionDelay * 2 ** Math.min(attempt, MOST_DOUBLINGS);
  const deviation = (random * 2 - 1) * randomizationFactor * wait;
  return Math.round(Math.min(wait + deviation, reconnectionDelayMax, LONGEST));
}
