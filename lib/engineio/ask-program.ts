// A function of the program that decides about a client and calls back.

import { once } from "../events/once.ts";

/**
 * Calls `ask` and passes its answer on, once. If `ask` throws, or returns a promise that rejects, the
 * error is the answer: a client can often cause it, and it must not end the process.
 */
export function askProgram<Answer>(
  ask: (answer: (error: unknown, value?: Answer) => void) => unknown,
  done: (error: unknown, value: Answer | undefined) => void,
): void {
  const decide = once(done);
  const failed = (error: unknown): unknown => error || new Error("the function failed");
  // What follows the answer runs outside the `try`, so that its errors are not taken for those of `ask`.
  let asking = true;
  let given: [error: unknown, value: Answer | undefined] | undefined;
  try {
    const result = ask((error, value) => {
      if (asking) given ??= [error, value];
      else decide(error, value);
    });
    if (result instanceof Promise) result.catch((error) => decide(failed(error), undefined));
  } catch (error) {
    given = [failed(error), undefined];
  }
  asking = false;
  if (given !== undefined) decide(...given);
}
