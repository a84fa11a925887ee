// The clients connected to a server. The class Clients enforces the timeouts of the clients, and
// disconnects all clients at shutdown.

import { Deadlines } from "../deadlines.ts";
import type { EngineSink } from "../engineio/engine.ts";
import type { Session, SessionSink } from "../engineio/session.ts";
import type { Codec } from "./codec.ts";
import {
  type ClientLimits,
  Dispatcher,
  type DispatcherHost,
  type NamespaceFinder,
} from "./dispatcher.ts";
import { LegacyDispatcher } from "./legacy.ts";

export class Clients implements EngineSink, DispatcherHost {
  readonly codec: Codec;
  readonly limits: ClientLimits;
  readonly namespaces: NamespaceFinder;
  readonly #dispatchers = new Set<Dispatcher>();
  readonly #incomplete: Deadlines<Dispatcher>;
  #connectTimeout = 0;
  // Clients that have not joined a namespace yet. Each change of the timeout adds a list, because
  // earlier clients keep their deadline.
  #connecting: Deadlines<Dispatcher>[] = [];

  constructor(codec: Codec, namespaces: NamespaceFinder, limits: ClientLimits) {
    this.codec = codec;
    this.namespaces = namespaces;
    this.limits = limits;
    this.#incomplete = new Deadlines(limits.attachmentTimeout, (dispatcher) =>
      dispatcher.endAt("attachmentTimeout", "an attachment has not arrived in time"),
    );
  }

  /** How long a client may be connected without joining a namespace, in milliseconds. */
  get connectTimeout(): number {
    return this.#connectTimeout;
  }

  /** Sets the timeout for clients that connect later. */
  set connectTimeout(milliseconds: number) {
    this.#connectTimeout = milliseconds;
    const waiting = this.#connecting.filter(({ size }) => size > 0);
    const latest = new Deadlines<Dispatcher>(milliseconds, (dispatcher) =>
      dispatcher.endAt("connectTimeout", "no namespace was joined in time"),
    );
    this.#connecting = [...waiting, latest];
  }

  /**
   * Disconnects the sockets of every client because the server shuts down. The engine closes the
   * connections.
   */
  shutDown(): void {
    for (const dispatcher of [...this.#dispatchers]) dispatcher.shutDown();
  }

  /** Closes each connection after all packets that are queued for the client were sent. */
  drain(): void {
    for (const dispatcher of [...this.#dispatchers]) dispatcher.drain();
  }

  // The methods that the engine calls.

  onSession(session: Session): SessionSink {
    const Revision = session.protocol === 3 ? LegacyDispatcher : Dispatcher;
    const dispatcher = new Revision(session, this);
    this.#dispatchers.add(dispatcher);
    this.#connecting.at(-1)?.add(dispatcher);
    return dispatcher;
  }

  // The methods that the dispatchers call.

  onJoined(dispatcher: Dispatcher): void {
    for (const deadlines of this.#connecting) deadlines.delete(dispatcher);
  }

  onIncomplete(dispatcher: Dispatcher): void {
    if (this.#dispatchers.has(dispatcher)) this.#incomplete.add(dispatcher);
  }

  onComplete(dispatcher: Dispatcher): void {
    this.#incomplete.delete(dispatcher);
  }

  onGone(dispatcher: Dispatcher): void {
    this.onComplete(dispatcher);
    this.onJoined(dispatcher);
    this.#dispatchers.delete(dispatcher);
  }
}
