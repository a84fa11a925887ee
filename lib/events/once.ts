// Protects against a caller that calls a callback twice.

/** Returns a function that calls `callback` at most once. Further calls do nothing. */
export function once<Arguments extends unknown[]>(
  callback: (...args: Arguments) => void,
): (...args: Arguments) => void {
  let called = false;
  return (...args) => {
    if (called) return;
    called = true;
    callback(...args);
  };
}
