// How many clients may connect: at once, from one address, and in one second.
//
// A client has a place from before the program is asked about it until its session, or its connection, has ended, or until
// it is known that it gets none. What happens between is in the hands of strangers, so the place is an object of its own that is
// given back once, however often it is told to be.

import type { EventEmitter } from "node:events";

import { addressGroup } from "./client-address.ts";

export interface ConnectionBoundOptions {
  /**
   * Clients that may be connected at once. Beyond, new ones are refused with 503, and those that are there go on.
   * Default: `Infinity`.
   */
  readonly maxConnections?: number;
  /**
   * Clients of one address that may be connected at once; of IPv6 each network of 64 bits counts as one address.
   * Beyond, new ones are refused with 503. Behind a proxy that is not in `trustedProxies`, all clients have the address
   * of the proxy. Default: `Infinity`.
   */
  readonly maxConnectionsPerAddress?: number;
  /**
   * New clients that may connect in one second, and as many at once after a quiet second. Beyond, they are refused
   * with 503. Default: `Infinity`.
   */
  readonly maxHandshakesPerSecond?: number;
}

export type ConnectionBound = keyof ConnectionBoundOptions;

/** A client that gets no place. */
export interface NoPlace {
  /** The name of the option. */
  readonly bound: ConnectionBound;
  readonly limit: number;
  /** Seconds after which the client may try again. */
  readonly retryAfter: number;
}

/** Nobody knows when a client will leave. */
const RETRY_AFTER = 5;

export class ConnectionBounds {
  readonly #limits: Readonly<Record<ConnectionBound, number>>;
  #count = 0;
  readonly #counts = new Map<string, number>();
  // A token bucket: each new client takes a token, and they come back with time.
  #tokens: number;
  #refilled = performance.now();

  constructor(limits: Readonly<Record<ConnectionBound, number>>) {
    this.#limits = limits;
    this.#tokens = this.#mostTokens;
  }

  /** Returns the bounds of a server with these options, or `undefined` if there is none. */
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

  /** Clients that have a place. */
  get count(): number {
    return this.#count;
  }

  /** Addresses of clients that have a place. They are counted only if `maxConnectionsPerAddress` bounds them. */
  get addressCount(): number {
    return this.#counts.size;
  }

  /** Gives a place to a new client, or says which bound it would exceed. */
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
    // Last, so that only clients that pass the other bounds take tokens.
    this.#tokens--;
    this.#count++;
    if (maxConnectionsPerAddress !== Number.POSITIVE_INFINITY) this.#counts.set(group, ofGroup + 1);
    return new Place(this, address, group);
  }

  /** Takes back the place of a client. @param group as addressGroup() has it for the address */
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
    // Without a bound there may be Infinity of them, and none is gained in no time.
    this.#tokens = Math.min(this.#mostTokens, this.#tokens + (gained || 0));
    this.#refilled = now;
  }
}

/** The place of a client that has no session yet. */
export class Place {
  /** The client's. */
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

  /** It was neither given back nor passed to a session. */
  get held(): boolean {
    return this.#held;
  }

  /** Gives it back when `connection` closes. The program that is asked about the client may never answer. */
  releaseOnClose(connection: EventEmitter): void {
    this.#connection = connection;
    addPlace(connection, this);
  }

  /** Gives it back, unless it was given back or passed to a session before. */
  release(): void {
    if (!this.#held) return;
    this.passToSession();
    this.#bounds.leave(this.#group);
  }

  /** Leaves it to the client's session, at the end of which `leave()` is called. */
  passToSession(): void {
    this.#held = false;
    if (this.#connection !== undefined) deletePlace(this.#connection, this);
  }
}

// Places by the connections on which their clients wait for an answer. Requests may be pipelined, so there may be many
// on one connection, and it has one listener for all.
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
