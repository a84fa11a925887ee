// What the adapters of all namespaces share: the connections to Redis, which end with the last adapter.

import { callListener } from "../events/emitter.ts";
import type { ClusterOptions } from "./cluster-adapter.ts";
import type { RedisClient } from "./redis-client.ts";
import { RedisLink, RedisUnavailableError } from "./redis-link.ts";

export interface RedisHubOptions extends ClusterOptions {
  /** Bytes that may wait for Redis. More is dropped. Default: 16 MiB. */
  readonly maxPending?: number;
}

/** An adapter as the hub sees it. */
export interface HubMember {
  /** Redis is connected, for the first time or again. */
  onReady(): void;
  onLinkError(error: Error): void;
}

/** What the factory of an adapter has beside the call that makes one. */
export interface HubFactory {
  /**
   * Resolves when Redis is connected, and rejects with a RedisUnavailableError when it could not be: for a
   * wrong address, or a wrong password. The adapter goes on trying. Need not be awaited.
   */
  readonly ready: Promise<void>;
  /** Ends the connections if no server uses them, such as after `ready` has rejected. A server that closes ends its own. */
  close(): void;
}

export const DEFAULT_MAX_PENDING = 16 * 1024 * 1024;
const DEFAULT_REQUEST_TIMEOUT = 5_000;
/** Milliseconds that the last messages may take until the connections end. */
const CLOSE_TIMEOUT = 1_000;

/** What the adapters of all namespaces share: the link to Redis, which is opened for the first and ended with the last. */
export class RedisHub {
  readonly ready: Promise<void>;
  private readonly client: RedisClient;
  private readonly options: RedisHubOptions;
  private readonly adapters = new Set<HubMember>();
  private current: RedisLink;
  private isCurrent = true;
  private onFirst: ((error?: Error) => void) | undefined;

  constructor(client: RedisClient, options: RedisHubOptions) {
    this.client = client;
    this.options = options;
    this.ready = new Promise((resolve, reject) => {
      this.onFirst = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Those who do not await it are told by `onError`.
    this.ready.catch(() => {});
    this.current = this.open();
    const { requestTimeout = DEFAULT_REQUEST_TIMEOUT } = options;
    const timer = setTimeout(() => {
      const text = `Redis has not answered for ${requestTimeout} ms`;
      this.settleFirst(new RedisUnavailableError(text));
    }, requestTimeout).unref();
    this.ready.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
  }

  /** Returns the link, which is open until each adapter that was added is removed. */
  add(adapter: HubMember): RedisLink {
    if (!this.isCurrent) {
      this.current = this.open();
      this.isCurrent = true;
    }
    this.adapters.add(adapter);
    return this.current;
  }

  /** An adapter has closed. With the last one the link ends, when its goodbye is sent. */
  remove(adapter: HubMember, farewell: Promise<unknown>): Promise<void> {
    this.adapters.delete(adapter);
    const { current } = this;
    if (this.adapters.size > 0 || !this.isCurrent) return Promise.resolve();
    this.isCurrent = false;
    return new Promise((resolve) => {
      const timer = setTimeout(() => end(), CLOSE_TIMEOUT);
      const end = (): void => {
        clearTimeout(timer);
        current.end();
        resolve();
      };
      void farewell.then(end);
    });
  }

  /** Ends the link if no adapter uses it. */
  close(): void {
    if (this.adapters.size > 0 || !this.isCurrent) return;
    this.isCurrent = false;
    this.current.end();
  }

  private open(): RedisLink {
    const {
      maxPending = DEFAULT_MAX_PENDING,
      requestTimeout: timeout = DEFAULT_REQUEST_TIMEOUT,
      onError,
    } = this.options;
    return new RedisLink(
      this.client,
      { maxPending, timeout },
      () => {
        this.settleFirst();
        for (const adapter of [...this.adapters]) adapter.onReady();
      },
      (error) => {
        this.settleFirst(error);
        // Once, not for each namespace.
        if (onError === undefined) process.emitWarning(error);
        else callListener(this, onError, [error]);
        for (const adapter of [...this.adapters]) adapter.onLinkError(error);
      },
    );
  }

  private settleFirst(error?: Error): void {
    this.onFirst?.(error);
    this.onFirst = undefined;
  }
}
