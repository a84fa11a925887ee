// Durations: the length of a pause, and the time limits of lines.

import { Failure, Skip } from "../harness/case.ts";
import { LONGEST_INTERVAL, within } from "../peers/engineio.ts";
import type { Action, Play } from "./play.ts";
import type { Scanner } from "./scanner.ts";

/** Evaluates a duration to milliseconds. @throws Skip if it depends on intervals that are too long to wait for */
export type Duration = (play: Play) => number;

/**
 * The names of the heartbeat intervals. Their values come from the open packet of the session that was opened last.
 */
const INTERVALS = ["pingInterval", "pingTimeout"] as const;

/**
 * Parses a duration: 200 ms, 1 s, pingInterval + pingTimeout / 2 + 700 ms.
 *
 * @param known the variables that have a value
 */
export function scanDuration(scanner: Scanner, known: ReadonlySet<string>): Duration {
  const terms = [scanTerm(scanner, known)];
  while (scanner.take("+")) terms.push(scanTerm(scanner, known));
  return (play) => terms.reduce((sum, term) => sum + term(play), 0);
}

function scanTerm(scanner: Scanner, known: ReadonlySet<string>): Duration {
  const name = INTERVALS.find((each) => known.has(each) && scanner.take(each));
  if (name !== undefined) {
    const divisor = scanner.take("/") ? scanner.number() : 1;
    return (play) => intervalOf(play, name) / divisor;
  }
  const count = scanner.number("a duration");
  const milliseconds = scanner.oneOf(["ms", "s"]) === "s" ? count * 1000 : count;
  return () => milliseconds;
}

function intervalOf({ variables }: Play, name: string): number {
  const value = Number(variables.get(name));
  if (!(value <= LONGEST_INTERVAL))
    throw new Skip(`the ${name} of the server is too long: ${value} ms`);
  return value;
}

/**
 * Parses "after 300 ms" and "within 1 s", or one of them, and returns the action with these limits. The "after" limit
 * is reduced by 30 % and 20 ms, because the clocks of servers are coarse, and a server may therefore act a little too
 * early.
 */
export function scanLimits(
  scanner: Scanner,
  known: ReadonlySet<string>,
  said: string,
  action: Action,
): Action {
  const earliest = scanner.take("after") ? scanDuration(scanner, known) : undefined;
  const latest = scanner.take("within") ? scanDuration(scanner, known) : undefined;
  if (earliest === undefined && latest === undefined) return action;
  return async (play) => {
    const { lastSaid } = play;
    const limit = latest?.(play);
    const done = Promise.resolve(action(play, limit)).then(() => true);
    const came = limit === undefined ? await done : await within(limit, done);
    if (came === undefined) throw new Failure(said, `nothing within ${limit} ms`);
    if (earliest === undefined) return;
    const [took, least] = [performance.now() - lastSaid, earliest(play)];
    if (took < least * 0.7 - 20) {
      throw new Failure(`at least ${least} ms`, `${said} after ${Math.round(took)} ms`);
    }
  };
}
