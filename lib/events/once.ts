// A callback for others to call: whoever calls twice means the same once.

/** `callback`, which is called the first time only. */
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
