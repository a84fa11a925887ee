// The acknowledgements of a broadcast: how many are to come, what has come, and when it is over.

import { EVENT, type EventData } from "../../protocol/socketio/packet.ts";
import { AckTimeoutError } from "../events/errors.ts";
import type { Adapter, BroadcastOptions } from "./adapter.ts";

/** Called once: with all responses, or with an error and those that have come. */
export type BroadcastAckCallback = (error: BroadcastAckError | null, responses: unknown[]) => void;

/** Not everybody has acknowledged a broadcast. */
export type BroadcastAckError = Error & {
  /** What the others have acknowledged it with. */
  readonly responses: readonly unknown[];
};

/**
 * Sends an event that asks for acknowledgements to all whom `options` means, and calls back when
 * every one of them has answered or gone, on every server, or when `flags.timeout` is over. Without
 * a timeout it waits as long as they are there.
 */
export function broadcastWithAck(
  adapter: Adapter,
  data: EventData,
  options: BroadcastOptions,
  callback: BroadcastAckCallback,
): void {
  const { timeout = adapter.ackTimeout } = options.flags;
  const responses: unknown[] = [];
  // Until it is known how many servers there are, none of them is the last.
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
