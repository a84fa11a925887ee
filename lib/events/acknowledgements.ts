// The acknowledgements that one end of a connection awaits. Socket.IO "Exchange protocol", "Acknowledgement".
//
//   await(id) ─┬─ the ACK is received ────▶ callback(null, arguments)
//              ├─ the timeout elapses ─────▶ callback(AckTimeoutError)
//              ├─ the connection is lost ──▶ callback(DisconnectedError)
//              └─ forget(id) ──────────────▶ no call

import { type CallListener, callListener, type Listener, type Untyped } from "./emitter.ts";
import { AckTimeoutError, DisconnectedError } from "./errors.ts";

/**
 * Called once, with the arguments of the acknowledgement or with an error.
 *
 * @param error why no acknowledgement can arrive any more, or `null`
 * @param args the values of the acknowledgement. Empty if there is an error
 */
export type AckCallback = (error: Error | null, args: readonly Untyped[]) => void;

interface Pending {
  readonly callback: AckCallback;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

const NO_IDS: ReadonlySet<number | undefined> = new Set();

/** The pending acknowledgements of one socket, by id. */
export class Acknowledgements {
  private readonly pending = new Map<number, Pending>();
  private readonly onTimeout: ((id: number) => void) | undefined;

  /**
   * @param onTimeout called with the id of an acknowledgement that has timed out, before the callback of the
   * acknowledgement is called
   */
  constructor(onTimeout?: (id: number) => void) {
    this.onTimeout = onTimeout;
  }

  /** The number of pending acknowledgements. */
  get size(): number {
    return this.pending.size;
  }

  /**
   * Waits for the acknowledgement with `id`.
   *
   * @param timeout how long to wait, in milliseconds, before `callback` receives an AckTimeoutError. Default: no limit
   */
  await(id: number, callback: AckCallback, timeout?: number): void {
    const timer = timeout === undefined ? undefined : setTimeout(() => this.expire(id), timeout);
    this.pending.set(id, { callback, timer });
  }

  /**
   * Passes the arguments of a received acknowledgement to its callback. An acknowledgement with an unknown id is
   * ignored.
   */
  receive(id: number, args: readonly unknown[]): void {
    this.settle(id, null, args);
  }

  /** Stops awaiting an acknowledgement. Its callback receives `error`. */
  fail(id: number, error: Error): void {
    this.settle(id, error, []);
  }

  /** Stops awaiting an acknowledgement. Its callback is not called. */
  forget(id: number): void {
    clearTimeout(this.pending.get(id)?.timer);
    this.pending.delete(id);
  }

  /**
   * Fails the pending acknowledgements with a DisconnectedError.
   *
   * @param unsent ids of events that are buffered for the next connection. Their acknowledgements stay pending.
   * Default: none
   */
  disconnect(unsent: ReadonlySet<number | undefined> = NO_IDS): void {
    for (const id of [...this.pending.keys()]) {
      if (!unsent.has(id)) this.fail(id, new DisconnectedError());
    }
  }

  private expire(id: number): void {
    this.onTimeout?.(id);
    this.fail(id, new AckTimeoutError());
  }

  private settle(id: number, error: Error | null, args: readonly unknown[]): void {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    clearTimeout(pending.timer);
    pending.callback(error, args);
  }
}

/**
 * Converts the callback that a program passes to emit() to an AckCallback.
 *
 * @param errorFirst whether the callback expects an error, or `null`, as its first argument. A callback
 * without this argument is called only if the acknowledgement is received
 * @param call calls the callback. Default: callListener(), with which an error that the callback throws becomes an
 * uncaught exception
 */
export function ackCallback(
  self: object,
  callback: Listener,
  errorFirst: boolean,
  call: CallListener = callListener,
): AckCallback {
  return (error, args) => {
    if (errorFirst) call(self, callback, [error, ...args]);
    else if (error === null) call(self, callback, args);
  };
}

/**
 * Converts the functions `resolve` and `reject` of a promise to an AckCallback. The promise resolves to the first
 * argument of the acknowledgement.
 */
export function ackPromise(
  resolve: (value: Untyped) => void,
  reject: (error: Error) => void,
): AckCallback {
  return (error, [value]) => {
    if (error === null) resolve(value);
    else reject(error);
  };
}
