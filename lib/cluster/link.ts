// The way of one process to the hub: what its adapters say in one turn travels in one message.

import { flushSoon } from "../flush.ts";
import type { RecoveryLimits } from "../socketio/recovery-store.ts";
import type { ClaimResult, FromHub, NodeId, ToHub } from "./messages.ts";
import { formatOffset } from "./offset.ts";

/** Milliseconds that items may wait for others. */
const LATER = 5;

/** An adapter as a link sees it. */
export interface LinkedAdapter {
  readonly node: NodeId;
  onMessage(from: NodeId, body: Uint8Array): void;
  /** Another adapter of the namespace is there no more. */
  onGone(node: NodeId): void;
  /** The client of a session has come back to another process. */
  onReturned(pid: string): void;
}

export class Link {
  /** The number of this process. */
  readonly number: number;
  readonly #send: (items: readonly ToHub[]) => void;
  readonly #adapters = new Map<string, LinkedAdapter>();
  readonly #claims = new Map<number, (result: ClaimResult) => void>();
  #outgoing: ToHub[] = [];
  /** It is flushed at the end of this turn. */
  #flushing = false;
  #timer: NodeJS.Timeout | undefined;
  #requests = 0;
  #sequence = 0;
  #index = 0;

  /** @param send sends items to the hub */
  constructor(number: number, send: (items: readonly ToHub[]) => void) {
    this.number = number;
    this.#send = send;
  }

  /** Adds the adapter of a namespace. */
  join(nsp: string, adapter: LinkedAdapter, recovery: RecoveryLimits | undefined): void {
    this.#adapters.set(nsp, adapter);
    this.post({ type: "join", nsp, node: adapter.node, recovery });
  }

  /** Removes the adapter of a namespace. */
  part(nsp: string, adapter: LinkedAdapter): void {
    if (this.#adapters.get(nsp) === adapter) this.#adapters.delete(nsp);
    this.post({ type: "part", nsp, node: adapter.node });
  }

  /** Sends an item at the end of this turn, in the order of the calls. */
  post(item: ToHub): void {
    if (!this.#flushing) flushSoon(this);
    this.#flushing = true;
    this.#outgoing.push(item);
  }

  /** Sends an item that nobody waits for: with the next that is sent, or after a few milliseconds. */
  postLater(item: ToHub): void {
    this.#outgoing.push(item);
    if (!this.#flushing) this.#timer ??= setTimeout(() => this.flush(), LATER).unref();
  }

  /**
   * Asks for the session of a client that wants to come back.
   *
   * @param callback called before the next item of the hub is handled
   */
  claim(
    nsp: string,
    pid: string,
    offset: string | undefined,
    callback: (result: ClaimResult) => void,
  ): void {
    const request = this.#requests++;
    this.#claims.set(request, callback);
    this.post({ type: "claim", nsp, request, pid, offset });
  }

  /** Counts a packet of this process that is kept. Returns its number. */
  nextSequence(): number {
    return ++this.#sequence;
  }

  /** The offset of a client of this process that has received everything. */
  get offset(): string {
    return formatOffset({ worker: this.number, sequence: this.#sequence, index: this.#index });
  }

  /** Sends what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushing = false;
    const items = this.#outgoing;
    this.#outgoing = [];
    if (items.length > 0) this.#send(items);
  }

  /** Handles items of the hub. */
  receive(items: readonly FromHub[]): void {
    for (const item of items) {
      switch (item.type) {
        case "message":
          if (item.index !== undefined) this.#index = item.index;
          this.#adapters.get(item.nsp)?.onMessage(item.from, item.body);
          break;
        case "gone":
          this.#adapters.get(item.nsp)?.onGone(item.node);
          break;
        case "returned":
          this.#adapters.get(item.nsp)?.onReturned(item.pid);
          break;
        case "claimed":
          // The client has received, or receives now, all packets for it up to here, those that its worker before
          // has passed to nobody else as well. None of them is for another client of this process.
          this.#index = item.index;
          this.#claims.get(item.request)?.(item.result);
          this.#claims.delete(item.request);
          break;
        default:
          throw new Error("unknown item");
      }
    }
  }
}
