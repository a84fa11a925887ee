// Manages the connections to Redis that the adapters of all namespaces share. The connections are closed when the last
// adapter has closed.

import { callListener } from "../events/emitter.ts";
import type { ClusterOptions } from "./cluster-adapter.ts";
import type { RedisClient } from "./redis-client.ts";
import { RedisLink, RedisUnavailableError } from "./redis-link.ts";

/** The options that all adapters over Redis share. */
export interface RedisHubOptions extends ClusterOptions {
  /** Largest number of bytes that may wait for Redis. Further messages are dropped. Default: 16 MiB. */
  readonly maxPending?: number;
}

/** The methods of an adapter that the hub calls. */
export interface HubMember {
  /** Called when Redis is connected, for the first time or again. */
  onReady(): void;
  /** Called with each error of the link to Redis. */
  onLinkError(error: Error): void;
}

/** The members that each adapter factory has. */
export interface HubFactory {
  /**
   * Resolves when Redis is connected. Rejects with a RedisUnavailableError if the first attempt fails, for example
   * because of a wrong address or password. The adapter keeps trying to connect. Waiting for this promise is optional.
   */
  readonly ready: Promise<void>;
  /**
   * Closes the connections if no server uses them, for example after `ready` has rejected. A server that closes also
   * closes its connections to Redis.
   */
  close(): void;
}

export const DEFAULT_MAX_PENDING = 16 * 1024 * 1024;
const DEFAULT_REQUEST_TIMEOUT = 5_000;
/** How long to wait until the last goodbye message was sent before the connections are closed, in milliseconds. */
const CLOSE_TIMEOUT = 1_000;

/**
 * Owns the link to Redis that the adapters of all namespaces share. The first adapter opens the link. The link is
 * closed when the last adapter has closed.
 */
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
    // Waiting for this promise is optional, so a rejection that the user does not handle must not end the process.
    this.ready.catch(() => {});
    this.current = this.open();
    const { requestTimeout = DEFAULT_REQUEST_TIMEOUT } = options;
    const timer = setTimeout(() => {
      const text = `Redis has not replied for ${requestTimeout} ms`;
      this.settleFirst(new RedisUnavailableError(text));
    }, requestTimeout).unref();
    this.ready.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
  }

  /** Returns the link. The link stays open until each added adapter was removed. */
  add(adapter: HubMember): RedisLink {
    if (!this.isCurrent) {
      this.current = this.open();
      this.isCurrent = true;
    }
    this.adapters.add(adapter);
    return this.current;
  }

  /**
   * Removes an adapter that has closed. Removing the last adapter closes the link, after the goodbye message was sent.
   */
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

  /** Closes the link if no adapter uses it. */
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
        // The error is reported once, not once for each namespace.
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
