// The link between one process and the hub. All items (messages.ts) that the adapters send in one turn of the event
// loop are sent in one message.

import { flushSoon } from "../flush.ts";
import type { RecoveryLimits } from "../socketio/recovery-store.ts";
import type { ClaimResult, FromHub, NodeId, ToHub } from "./messages.ts";
import { formatOffset } from "./offset.ts";

/** How long postLater() may delay an item, so that it is sent together with other items, in milliseconds. */
const LATER = 5;

/** The methods of an adapter that a link calls. */
export interface LinkedAdapter {
  readonly node: NodeId;
  /** Called with a message of another adapter of the namespace. */
  onMessage(from: NodeId, body: Uint8Array): void;
  /** Called when another adapter of the namespace was removed. */
  onGone(node: NodeId): void;
  /** Called when the client of a session has reconnected to another process. */
  onReturned(pid: string): void;
}

/** Sends the items of this process' adapters to the hub, and passes the items of the hub to the adapters. */
export class Link {
  /** The number of this process. */
  readonly number: number;
  readonly #send: (items: readonly ToHub[]) => void;
  readonly #adapters = new Map<string, LinkedAdapter>();
  readonly #claims = new Map<number, (result: ClaimResult) => void>();
  #outgoing: ToHub[] = [];
  /** Whether flush() will run at the end of the current turn of the event loop. */
  #flushing = false;
  #timer: NodeJS.Timeout | undefined;
  #requests = 0;
  #sequence = 0;
  #index = 0;

  /**
   * @param number the number of this process among the members of the hub
   * @param send sends items to the hub
   */
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

  /**
   * Sends an item at the end of the current turn of the event loop. Items are sent in the order of
   * the calls.
   */
  post(item: ToHub): void {
    if (!this.#flushing) flushSoon(this);
    this.#flushing = true;
    this.#outgoing.push(item);
  }

  /** Sends an item without urgency: together with the next item, or after a few milliseconds. */
  postLater(item: ToHub): void {
    this.#outgoing.push(item);
    if (!this.#flushing) this.#timer ??= setTimeout(() => this.flush(), LATER).unref();
  }

  /**
   * Requests the session of a client that reconnects.
   *
   * @param pid the client's secret id
   * @param offset the offset that the client has sent
   * @param callback called with the result before the next item of the hub is handled
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

  /** Assigns a number to a packet of this process that the hub stores. Returns the number. */
  nextSequence(): number {
    return ++this.#sequence;
  }

  /** The offset of a client of this process that has received all packets so far. */
  get offset(): string {
    return formatOffset({ worker: this.number, sequence: this.#sequence, index: this.#index });
  }

  /** Sends the waiting items. */
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
          // The reconnecting client receives all of its missed packets up to this index. The index is also valid for
          // the other clients of this process: a packet up to this index that they have not received was only for
          // clients of another worker.
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
