// Acknowledgements that a socket waits for. Socket.IO "Exchange protocol", "Acknowledgement".

import { AckTimeoutError, DisconnectedError } from "../../protocol/errors.ts";
import { callListener, type Listener, type Untyped } from "../../protocol/events.ts";

/** What is called when an acknowledgement comes, or does not. */
export type AckCallback = (error: Error | null, args: readonly Untyped[]) => void;

interface Pending {
  readonly callback: AckCallback;
  readonly timer: NodeJS.Timeout | undefined;
}

export class Acks {
  // Most sockets never wait for any.
  #pending: Map<number, Pending> | undefined;

  /**
   * Awaits the acknowledgement with `id`.
   *
   * @param timeout milliseconds after which `callback` is told of an AckTimeoutError; without it, never
   */
  await(id: number, callback: AckCallback, timeout?: number): void {
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => this.#settle(id, new AckTimeoutError(), []), timeout);
    this.#pending ??= new Map();
    this.#pending.set(id, { callback, timer });
  }

  /** An acknowledgement came. One that nobody awaits, perhaps not any more, is ignored. */
  receive(id: number, args: readonly unknown[]): void {
    this.#settle(id, null, args);
  }

  /** It is not awaited any more; nobody is told. */
  forget(id: number): void {
    clearTimeout(this.#pending?.get(id)?.timer);
    this.#pending?.delete(id);
  }

  /** None will come any more. */
  disconnect(): void {
    for (const id of [...(this.#pending?.keys() ?? [])]) {
      this.#settle(id, new DisconnectedError(), []);
    }
  }

  #settle(id: number, error: Error | null, args: readonly unknown[]): void {
    const pending = this.#pending?.get(id);
    if (pending === undefined) return;
    this.#pending?.delete(id);
    clearTimeout(pending.timer);
    pending.callback(error, args);
  }
}

/**
 * A user's callback for an acknowledgement.
 *
 * @param errorFirst it is told of errors, as its first argument; otherwise it is only called when
 * the acknowledgement comes
 */
export function ackCallback(self: object, callback: Listener, errorFirst: boolean): AckCallback {
  return (error, args) => {
    if (errorFirst) callListener(self, callback, [error, ...args]);
    else if (error === null) callListener(self, callback, args);
  };
}
