// Calls a function of the program that uses this library, such as `allowRequest`. The function answers through a callback.

import { once } from "../events/once.ts";

/**
 * Calls `ask` and passes its first answer to `done`. If `ask` throws or returns a promise that rejects, passes the error to
 * `done`. Clients can often cause such an error, so the error must not end the process.
 */
export function askProgram<Answer>(
  ask: (answer: (error: unknown, value?: Answer) => void) => unknown,
  done: (error: unknown, value: Answer | undefined) => void,
): void {
  const decide = once(done);
  const failed = (error: unknown): unknown =>
    error || new Error("the function has thrown or rejected without an error");
  // `done` is called outside the `try`. Otherwise an error of `done` would be handled as an error of `ask`.
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
