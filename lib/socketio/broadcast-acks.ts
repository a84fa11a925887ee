// Collects the acknowledgements of a broadcast, and detects when all acknowledgements have arrived.

import { EVENT, type EventData } from "../../protocol/socketio/packet.ts";
import { AckTimeoutError } from "../events/errors.ts";
import type { Adapter, BroadcastOptions } from "./adapter.ts";

/** Called once with all responses, or with an error and the responses received so far. */
export type BroadcastAckCallback = (error: BroadcastAckError | null, responses: unknown[]) => void;

/** The error that a callback receives if some clients did not acknowledge a broadcast. */
export type BroadcastAckError = Error & {
  /** The responses of the clients that did acknowledge the broadcast. */
  readonly responses: readonly unknown[];
};

/**
 * Sends an event that requests acknowledgements to all sockets that match `options`. Calls
 * `callback` when every receiver on every server has acknowledged the event or disconnected, or
 * when the timeout expires. The timeout is `flags.timeout`, by default the `ackTimeout` of the
 * adapter, in milliseconds. Without a timeout, a receiver that does not acknowledge the event
 * delays the callback until the receiver disconnects.
 */
export function broadcastWithAck(
  adapter: Adapter,
  data: EventData,
  options: BroadcastOptions,
  callback: BroadcastAckCallback,
): void {
  const { timeout = adapter.ackTimeout } = options.flags;
  const responses: unknown[] = [];
  // The number of servers that the broadcast is sent to. Infinite until the adapter has determined
  // the number, so that check() does not finish earlier.
  let servers = Number.POSITIVE_INFINITY;
  let serversHeard = 0;
  let left = 0;
  let failure: Error | undefined;
  let done = false;

  const finish = (error: Error | undefined): void => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    forget();
    callback(error === undefined ? null : Object.assign(error, { responses }), responses);
  };
  const check = (): void => {
    if (serversHeard >= servers && left === 0) finish(failure);
  };
  const forget = adapter.broadcastWithAck(
    { type: EVENT, namespace: adapter.nsp.name, data, id: adapter.nsp.nextAckId() },
    timeout === undefined ? options : { ...options, flags: { ...options.flags, timeout } },
    {
      onServers: (count) => {
        servers = count;
        check();
      },
      onAsked: (count) => {
        serversHeard++;
        left += count;
        check();
      },
      onAnswer: (error, [value]) => {
        left--;
        if (error === null) responses.push(value);
        else failure ??= error;
        check();
      },
      onLost: (error, count) => {
        left -= count;
        if (count > 0) failure ??= error;
        check();
      },
      onFailure: (error) => finish(error instanceof Error ? error : new Error(String(error))),
    },
  );
  const timer =
    timeout === undefined ? undefined : setTimeout(() => finish(new AckTimeoutError()), timeout);
}
