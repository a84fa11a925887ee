// Limits how many clients may connect: at the same time, from one address, and per second.
//
// Each client that counts towards the limits has a Place. The server creates the Place of a new client before it calls
// `allowRequest` or `verify`. The client keeps the Place until its session or connection ends, or until the client is
// refused. A handshake can fail for two reasons at once, for example if the client disconnects and
// a function of the user throws. Therefore release() of a Place can be called several times. Only the first call has an
// effect.

import type { EventEmitter } from "node:events";

import { addressGroup } from "./client-address.ts";

/** Options that limit how many clients may connect. */
export interface ConnectionBoundOptions {
  /**
   * Largest number of clients that may be connected at the same time. The server refuses further clients with 503. Default:
   * `Infinity`.
   */
  readonly maxConnections?: number;
  /**
   * Largest number of clients of one address that may be connected at the same time. Each IPv6 /64 network counts as one
   * address. The server refuses further clients with 503. Behind a proxy that is not in `trustedProxies`, all clients
   * have the address of the proxy. Default: `Infinity`.
   */
  readonly maxConnectionsPerAddress?: number;
  /**
   * Largest number of new clients per second. After a second without new clients, this many clients may connect at
   * once. The server refuses further clients with 503. Default: `Infinity`.
   */
  readonly maxHandshakesPerSecond?: number;
}

export type ConnectionBound = keyof ConnectionBoundOptions;

/** The limit that a new client would exceed. */
export interface NoPlace {
  /** The name of the option that sets the limit. */
  readonly bound: ConnectionBound;
  readonly limit: number;
  /** Seconds after which the client may try again. */
  readonly retryAfter: number;
}

/**
 * The value of `retryAfter` if too many clients are connected, in seconds. The value is constant, because the server cannot
 * know when a connected client will disconnect.
 */
const RETRY_AFTER = 5;

/** Counts the clients of a server, and refuses clients beyond the limits. */
export class ConnectionBounds {
  readonly #limits: Readonly<Record<ConnectionBound, number>>;
  #count = 0;
  readonly #counts = new Map<string, number>();
  // A token bucket: each new client takes one token, and `maxHandshakesPerSecond` tokens are added per second.
  #tokens: number;
  #refilled = performance.now();

  constructor(limits: Readonly<Record<ConnectionBound, number>>) {
    this.#limits = limits;
    this.#tokens = this.#mostTokens;
  }

  /** Returns the limits that these options set, or `undefined` if the options set no limit. */
  static of(options: ConnectionBoundOptions): ConnectionBounds | undefined {
    const {
      maxConnections = Number.POSITIVE_INFINITY,
      maxConnectionsPerAddress = Number.POSITIVE_INFINITY,
      maxHandshakesPerSecond = Number.POSITIVE_INFINITY,
    } = options;
    const limits = { maxConnections, maxConnectionsPerAddress, maxHandshakesPerSecond };
    const isBounded = Object.values(limits).some(Number.isFinite);
    return isBounded ? new ConnectionBounds(limits) : undefined;
  }

  /** The number of clients with a place. */
  get count(): number {
    return this.#count;
  }

  /** The number of addresses of clients with a place. Addresses are only counted if `maxConnectionsPerAddress` is set. */
  get addressCount(): number {
    return this.#counts.size;
  }

  /** Returns a place for a new client, or the limit that the client would exceed. */
  enter(address: string): Place | NoPlace {
    const { maxConnections, maxConnectionsPerAddress, maxHandshakesPerSecond } = this.#limits;
    const group = addressGroup(address);
    const ofGroup = this.#counts.get(group) ?? 0;
    if (ofGroup >= maxConnectionsPerAddress) return this.#noPlace("maxConnectionsPerAddress");
    if (this.#count >= maxConnections) return this.#noPlace("maxConnections");
    this.#refill();
    if (this.#tokens < 1) {
      const retryAfter = Math.ceil((1 - this.#tokens) / maxHandshakesPerSecond);
      return this.#noPlace("maxHandshakesPerSecond", retryAfter);
    }
    // The rate was checked last, so that only clients that have passed the other checks take a token.
    this.#tokens--;
    this.#count++;
    if (maxConnectionsPerAddress !== Number.POSITIVE_INFINITY) this.#counts.set(group, ofGroup + 1);
    return new Place(this, address, group);
  }

  /**
   * Frees the place of a client.
   *
   * @param group the return value of addressGroup() for the client's address
   */
  leave(group: string): void {
    this.#count--;
    const ofGroup = this.#counts.get(group);
    if (ofGroup === undefined) return;
    if (ofGroup > 1) this.#counts.set(group, ofGroup - 1);
    else this.#counts.delete(group);
  }

  #noPlace(bound: ConnectionBound, retryAfter: number = RETRY_AFTER): NoPlace {
    return { bound, limit: this.#limits[bound], retryAfter };
  }

  get #mostTokens(): number {
    return Math.max(1, this.#limits.maxHandshakesPerSecond);
  }

  #refill(): void {
    const { maxHandshakesPerSecond } = this.#limits;
    const now = performance.now();
    const gained = ((now - this.#refilled) / 1000) * maxHandshakesPerSecond;
    // Without a limit, `gained` is NaN if no time has passed, because Infinity times 0 is NaN.
    this.#tokens = Math.min(this.#mostTokens, this.#tokens + (gained || 0));
    this.#refilled = now;
  }
}

/** The place of a client that does not have a session yet. */
export class Place {
  /** The client's address. */
  readonly address: string;
  readonly #group: string;
  readonly #bounds: ConnectionBounds;
  #held = true;
  #connection: EventEmitter | undefined;

  constructor(bounds: ConnectionBounds, address: string, group: string) {
    this.#bounds = bounds;
    this.address = address;
    this.#group = group;
  }

  /** Whether the client still has the place: the place was neither released nor passed to a session. */
  get held(): boolean {
    return this.#held;
  }

  /**
   * Releases the place when `connection` closes. At that time a function of the user, such as `allowRequest`, may still be
   * running, and may never call back.
   */
  releaseOnClose(connection: EventEmitter): void {
    this.#connection = connection;
    addPlace(connection, this);
  }

  /** Releases the place, unless it was already released or passed to a session. */
  release(): void {
    if (!this.#held) return;
    this.passToSession();
    this.#bounds.leave(this.#group);
  }

  /** Passes the place to the client's session. The session calls `leave()` when it ends. */
  passToSession(): void {
    this.#held = false;
    if (this.#connection !== undefined) deletePlace(this.#connection, this);
  }
}

// The places of the clients that wait for a response, by connection. Requests can be pipelined, so a connection can
// have several places. All places of a connection share one listener.
const waiting = new WeakMap<EventEmitter, Set<Place>>();

function addPlace(connection: EventEmitter, place: Place): void {
  const places = waiting.get(connection) ?? new Set();
  if (places.size === 0) connection.once("close", onConnectionClose);
  waiting.set(connection, places.add(place));
}

function deletePlace(connection: EventEmitter, place: Place): void {
  const places = waiting.get(connection);
  places?.delete(place);
  if (places?.size === 0) connection.off("close", onConnectionClose);
}

function onConnectionClose(this: EventEmitter): void {
  for (const place of waiting.get(this) ?? []) place.release();
}
