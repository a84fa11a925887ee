// Tracks the channels that a connection to Redis is subscribed to. There can be as many channels as rooms, and rooms
// are created and removed with each client. Changes are collected while a command is waiting for a reply, so that at
// most one SUBSCRIBE and one UNSUBSCRIBE wait for Redis.
//
//   add, delete ─▶ changed ─ SUBSCRIBE a b c, UNSUBSCRIBE d ─▶ active
//                     ▲──────── failed changes, after retry() ───┘

import { Deadlines } from "../deadlines.ts";

/** Largest number of channels per command. */
export const BATCH = 1_000;

/** The commands that change the subscriptions of a connection. */
export interface SubscriptionCommands {
  subscribe(channels: readonly string[]): Promise<unknown>;
  unsubscribe(channels: readonly string[]): Promise<unknown>;
}

interface Waiter {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** The subscriptions of a connection to Redis. */
export class Subscriptions<Listener> {
  private readonly commands: SubscriptionCommands;
  private readonly wanted = new Map<string, Listener>();
  private readonly active = new Set<string>();
  private readonly changed = new Set<string>();
  private readonly waiters = new Map<string, Waiter>();
  private readonly waits: Deadlines<string>;
  private readonly idlers: (() => void)[] = [];
  private busy = false;
  private failed = false;

  /**
   * @param commands the commands of the connection
   * @param timeout how long a promise waits for Redis before it resolves anyway, in milliseconds
   */
  constructor(commands: SubscriptionCommands, timeout: number) {
    this.commands = commands;
    this.waits = new Deadlines(timeout, (channel) => this.settle(channel));
  }

  /** The number of channels that were added and not yet deleted. */
  get size(): number {
    return this.wanted.size;
  }

  /** Returns the listener of a channel. */
  listenerOf(channel: string): Listener | undefined {
    return this.wanted.get(channel);
  }

  /**
   * Resolves when all subscriptions are active, or after the timeout if Redis has not confirmed them. `undefined` if
   * all are active.
   */
  get settled(): Promise<void> | undefined {
    const pending = Array.from(this.waiters.values(), ({ promise }) => promise);
    return pending.length === 0 ? undefined : Promise.all(pending).then(() => {});
  }

  /**
   * Subscribes to a channel. Resolves when the subscription is active, or after the timeout if Redis has not confirmed
   * it.
   */
  add(channel: string, listener: Listener): Promise<void> | undefined {
    this.wanted.set(channel, listener);
    if (this.active.has(channel) && !this.changed.has(channel)) return undefined;
    this.change(channel);
    const known = this.waiters.get(channel);
    if (known !== undefined) return known.promise;
    let resolve = (): void => {};
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    this.waiters.set(channel, { promise, resolve });
    this.waits.add(channel);
    return promise;
  }

  /** Unsubscribes from a channel. */
  delete(channel: string): void {
    if (!this.wanted.delete(channel)) return;
    this.settle(channel);
    this.change(channel);
  }

  /** Repeats the changes that have failed. */
  retry(): void {
    this.failed = false;
    this.flush();
  }

  /** Resolves all waiting promises. Called when Redis becomes unreachable. */
  release(): void {
    for (const channel of [...this.waiters.keys()]) this.settle(channel);
  }

  /** Resolves when no command waits for a reply, and no further command will be sent until retry() is called. */
  idle(): Promise<void> {
    if (!this.busy && (this.failed || this.changed.size === 0)) return Promise.resolve();
    return new Promise((resolve) => this.idlers.push(resolve));
  }

  private change(channel: string): void {
    const first = this.changed.size === 0;
    this.changed.add(channel);
    // All changes that the running callback makes are sent together.
    if (first) process.nextTick(() => this.flush());
  }

  private flush(): void {
    if (this.busy) return;
    if (this.failed || this.changed.size === 0) {
      for (const resolve of this.idlers.splice(0)) resolve();
      return;
    }
    const batch: string[] = [];
    for (const channel of this.changed) {
      if (batch.push(channel) === BATCH) break;
    }
    const added: string[] = [];
    const removed: string[] = [];
    for (const channel of batch) {
      this.changed.delete(channel);
      const isWanted = this.wanted.has(channel);
      if (isWanted === this.active.has(channel)) this.settle(channel);
      else (isWanted ? added : removed).push(channel);
    }
    this.busy = true;
    void this.send(added, removed).then(() => {
      this.busy = false;
      this.flush();
    });
  }

  private async send(added: readonly string[], removed: readonly string[]): Promise<void> {
    const { subscribe, unsubscribe } = this.commands;
    const results = await Promise.allSettled([
      added.length > 0 && subscribe(added),
      removed.length > 0 && unsubscribe(removed),
    ]);
    const [subscribed, unsubscribed] = results.map(({ status }) => status === "fulfilled");
    if (subscribed) for (const channel of added) this.activate(channel);
    if (unsubscribed) for (const channel of removed) this.active.delete(channel);
    if (subscribed && unsubscribed) return;
    this.failed = true;
    for (const channel of [...(subscribed ? [] : added), ...(unsubscribed ? [] : removed)]) {
      this.changed.add(channel);
    }
  }

  private activate(channel: string): void {
    this.active.add(channel);
    if (this.wanted.has(channel)) this.settle(channel);
  }

  private settle(channel: string): void {
    this.waits.delete(channel);
    this.waiters.get(channel)?.resolve();
    this.waiters.delete(channel);
  }
}
