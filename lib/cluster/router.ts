// Which worker answers a request: the one whose number is in the session's id. A worker that is about to
// exit begins no sessions, so it passes new clients on as well. Nothing is passed on twice.

import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

import type { RequestArrival, UpgradeArrival } from "../engineio/arrival.ts";
import type { Engine, SessionRouter } from "../engineio/engine.ts";
import {
  arrivalOf,
  canHandOver,
  Forwarder,
  headOf,
  isForwarded,
  type RequestHead,
  stopReading,
} from "./forwarding.ts";
import { ownerOf } from "./worker-id.ts";

/** Another worker as a router sees it. */
export interface Peer {
  readonly number: number;
  /** Where it receives what is forwarded. */
  readonly path: string;
  /** It is about to exit: its sessions still end there, and new ones begin elsewhere. */
  readonly leaving: boolean;
}

/** Hands a connection to another process, which answers the upgrade request. */
export type HandOver = (to: number, head: RequestHead, bytes: Uint8Array, socket: Socket) => void;

export class Router implements SessionRouter {
  readonly #number: number;
  readonly #forwarder: Forwarder;
  readonly #handOver: HandOver;
  #peers: ReadonlyMap<number, Peer> = new Map();
  #leaving = false;
  // Whose turn it is to receive the next new client of a worker that leaves.
  #turn = 0;

  constructor(number: number, secret: string, handOver: HandOver) {
    this.#number = number;
    this.#forwarder = new Forwarder(number, secret);
    this.#handOver = handOver;
  }

  /** Sets the other workers. */
  setPeers(peers: readonly Peer[]): void {
    this.#peers = new Map(peers.map((peer) => [peer.number, peer]));
  }

  /** Passes new clients to other workers from now on, as long as there are any. */
  leave(): void {
    this.#leaving = true;
    this.#forwarder.leave();
  }

  close(): void {
    this.#forwarder.close();
  }

  forwardRequest(arrival: RequestArrival): boolean {
    const sid = arrival.query.get("sid");
    if (this.#leaving) arrival.response.setHeader("Connection", "close");
    if (isForwarded(arrival)) return false;
    if (sid === undefined) return this.#forwardNew(arrival, this.#successors());
    const owner = this.#ownerOf(sid);
    if (owner === undefined) return false;
    // Its sessions have ended with it.
    this.#forwarder.forward(arrival, owner.path, false, () => arrival.refuse("UNKNOWN_SID"));
    return true;
  }

  forwardUpgrade(arrival: UpgradeArrival): boolean {
    if (isForwarded(arrival)) return false;
    const sid = arrival.query.get("sid");
    const to = sid === undefined ? this.#successors()[0] : this.#ownerOf(sid);
    if (to === undefined) return false;
    const { request, socket, head } = arrival;
    if (canHandOver(socket)) {
      const bytes = Buffer.concat([head, stopReading(socket)]);
      this.#handOver(to.number, headOf(request), bytes, socket);
    } else this.#forwarder.forwardConnection(arrival, to.path);
    return true;
  }

  #ownerOf(sid: string): Peer | undefined {
    const owner = ownerOf(sid);
    return owner === undefined || owner === this.#number ? undefined : this.#peers.get(owner);
  }

  /** Those that new clients are passed to, in turn; none while this worker stays. */
  #successors(): readonly Peer[] {
    if (!this.#leaving) return NOBODY;
    const staying = [...this.#peers.values()].filter(({ leaving }) => !leaving);
    const first = this.#turn++ % (staying.length || 1);
    return [...staying.slice(first), ...staying.slice(0, first)];
  }

  #forwardNew(arrival: RequestArrival, [peer, ...others]: readonly Peer[]): boolean {
    if (peer === undefined) return false;
    this.#forwarder.forward(arrival, peer.path, true, () => {
      if (!this.#forwardNew(arrival, others)) arrival.refuse("FORBIDDEN");
    });
    return true;
  }
}

const NOBODY: readonly Peer[] = [];

/** Answers an upgrade request whose connection another process has handed over. */
export function receiveConnection(
  engine: Engine,
  head: RequestHead,
  bytes: Uint8Array,
  socket: Socket,
): void {
  engine.onUpgrade(arrivalOf(new IncomingMessage(socket), head, socket, bytes));
}
