// Decides which worker answers a request: the worker whose number is in the session's id. A worker that is about to
// exit starts no new sessions, so it forwards the requests of new clients too. A request is forwarded at most once.

import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Engine, SessionRouter } from "../engineio/engine.ts";
import type { PollingRequest, UpgradeRequest } from "../engineio/engine-request.ts";
import {
  canHandOver,
  Forwarder,
  headOf,
  isForwarded,
  type RequestHead,
  requestFromConnection,
  stopReading,
} from "./forwarding.ts";
import { ownerOf } from "./worker-id.ts";

/** Another worker. */
export interface Peer {
  readonly number: number;
  /** The path of the socket on which the worker receives forwarded requests. */
  readonly path: string;
  /**
   * Whether the worker is about to exit. Requests for the worker's sessions are still forwarded to the worker. Requests
   * of new clients are not forwarded to the worker.
   */
  readonly leaving: boolean;
}

/** Sends a connection to another process, which answers the upgrade request. */
export type HandOver = (to: number, head: RequestHead, bytes: Uint8Array, socket: Socket) => void;

/** Forwards requests for the sessions of other workers, and requests of new clients if this worker is about to exit. */
export class Router implements SessionRouter {
  readonly #number: number;
  readonly #forwarder: Forwarder;
  readonly #handOver: HandOver;
  #peers: ReadonlyMap<number, Peer> = new Map();
  #leaving = false;
  // The number of new clients that were forwarded. This number selects the worker for the next new client.
  #turn = 0;

  constructor(number: number, secret: string, handOver: HandOver) {
    this.#number = number;
    this.#forwarder = new Forwarder(number, secret);
    this.#handOver = handOver;
  }

  /** Sets the list of the other workers. */
  setPeers(peers: readonly Peer[]): void {
    this.#peers = new Map(peers.map((peer) => [peer.number, peer]));
  }

  /** From now on, forwards new clients to other workers, as long as there are any. */
  leave(): void {
    this.#leaving = true;
    this.#forwarder.leave();
  }

  close(): void {
    this.#forwarder.close();
  }

  forwardRequest(incoming: PollingRequest): boolean {
    const sid = incoming.query.get("sid");
    if (this.#leaving) incoming.response.setHeader("Connection", "close");
    if (isForwarded(incoming)) return false;
    if (sid === undefined) return this.#forwardNew(incoming, this.#successors());
    const owner = this.#ownerOf(sid);
    if (owner === undefined) return false;
    // If the worker that has the session cannot be reached, the session has ended together with
    // this worker.
    this.#forwarder.forward(incoming, owner.path, false, () => incoming.refuse("UNKNOWN_SID"));
    return true;
  }

  forwardUpgrade(incoming: UpgradeRequest): boolean {
    if (isForwarded(incoming)) return false;
    const sid = incoming.query.get("sid");
    const to = sid === undefined ? this.#successors()[0] : this.#ownerOf(sid);
    if (to === undefined) return false;
    const { request, socket, head } = incoming;
    if (canHandOver(socket)) {
      const bytes = Buffer.concat([head, stopReading(socket)]);
      this.#handOver(to.number, headOf(request), bytes, socket);
    } else this.#forwarder.forwardConnection(incoming, to.path);
    return true;
  }

  #ownerOf(sid: string): Peer | undefined {
    const owner = ownerOf(sid);
    return owner === undefined || owner === this.#number ? undefined : this.#peers.get(owner);
  }

  /**
   * The workers to which new clients are forwarded, starting with a different worker each time. Empty while this worker
   * accepts clients.
   */
  #successors(): readonly Peer[] {
    if (!this.#leaving) return NOBODY;
    const staying = [...this.#peers.values()].filter(({ leaving }) => !leaving);
    const first = this.#turn++ % (staying.length || 1);
    return [...staying.slice(first), ...staying.slice(0, first)];
  }

  #forwardNew(incoming: PollingRequest, [peer, ...others]: readonly Peer[]): boolean {
    if (peer === undefined) return false;
    this.#forwarder.forward(incoming, peer.path, true, () => {
      if (!this.#forwardNew(incoming, others)) incoming.refuse("FORBIDDEN");
    });
    return true;
  }
}

const NOBODY: readonly Peer[] = [];

/** Answers an upgrade request on a connection that another process has sent. */
export function receiveConnection(
  engine: Engine,
  head: RequestHead,
  bytes: Uint8Array,
  socket: Socket,
): void {
  engine.onUpgrade(requestFromConnection(new IncomingMessage(socket), head, socket, bytes));
}
