// Runs alternatives: if a specification allows several responses, the harness compares the same input with each of
// them.

import { Failure } from "./case.ts";

/** Compares the input with one of the alternatives. Throws a Failure if they differ. */
export type Attempt = () => Promise<void>;

/**
 * Runs attempts one after the other until one succeeds.
 *
 * @param rewind called after an attempt that fails, so that the next attempt has the same input. Default: does nothing
 * @throws Failure if all attempts fail, with what each of them expected
 */
export async function firstOf(
  attempts: readonly Attempt[],
  rewind: () => void = () => {},
): Promise<void> {
  const expected: string[] = [];
  let got = "";
  for (const attempt of attempts) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      expected.push(error.expected);
      got = error.got;
      rewind();
    }
  }
  throw new Failure(expected.join(", or "), got);
}
