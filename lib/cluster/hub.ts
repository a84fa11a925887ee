// The hub of a cluster, in the primary. The hub passes messages between the adapters of all processes, and stores
// sessions and packets for clients that may reconnect. The hub does not know about processes, only about members to
// which it can send.
//
// Rule: each member receives the messages of another member in the order in which they were sent. All members receive
// the messages of different members in the same order. Offsets depend on this rule (offset.ts).

import type { FairEviction } from "../socketio/fair-eviction.ts";
import { RecoveryBounds, type RecoveryLimits } from "../socketio/recovery-store.ts";
import type { ClaimResult, FromHub, NodeId, ToHub } from "./messages.ts";
import { boundConnected, ClusterStore } from "./recovery-store.ts";

/** Sends items (messages.ts) to a member. */
export type SendItems = (items: readonly FromHub[]) => void;

interface Member {
  readonly send: SendItems;
  /** The ids of the member's adapters, by namespace. */
  readonly nodes: Map<string, NodeId>;
}

/**
 * A claim (the request for a client's session) that waits, because the client's previous worker has not noticed yet
 * that the old connection is broken.
 */
interface WaitingClaim {
  readonly member: number;
  readonly request: number;
  readonly offset: string | undefined;
  readonly timer: NodeJS.Timeout;
}

/** How long the client's previous worker may take to disconnect the old connection, in milliseconds. */
const RETURN_TIMEOUT = 5_000;

/** Passes messages between the members of a cluster, and stores what clients need for connection state recovery. */
export class Hub {
  readonly #members = new Map<number, Member>();
  /** For each namespace, the member of each adapter. */
  readonly #namespaces = new Map<string, Map<NodeId, number>>();
  readonly #stores = new Map<string, ClusterStore>();
  /** The limits that the stores of all namespaces share. Every process passes the same limits to the hub. */
  #bounds: { readonly kept: RecoveryBounds; readonly connected: FairEviction } | undefined;
  readonly #waiting = new Map<string, WaitingClaim>();
  // The items to send to each member after the received items were handled.
  readonly #outgoing = new Map<number, FromHub[]>();
  #index = 0;

  /** Adds a member. */
  add(number: number, send: SendItems): void {
    this.#members.set(number, { send, nodes: new Map() });
  }

  /** Removes a member that has ended. Its clients may reconnect to other members. */
  remove(number: number): void {
    const member = this.#members.get(number);
    if (member === undefined) return;
    this.#members.delete(number);
    this.#outgoing.delete(number);
    // The sessions are stored before the last node of a namespace is removed, because the removal of the last node also
    // deletes empty stores.
    for (const [nsp, store] of this.#stores) {
      for (const pid of store.keepAllOf(number)) this.#answerWaiting(nsp, pid);
    }
    for (const [nsp, node] of member.nodes) this.#removeNode(nsp, node);
    this.#flush();
  }

  /** Handles the items of a member, in order. */
  receive(number: number, items: readonly ToHub[]): void {
    const member = this.#members.get(number);
    if (member === undefined) return;
    for (const item of items) this.#handle(number, member, item);
    this.#flush();
  }

  /** Deletes all stored sessions and packets. */
  close(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    for (const store of this.#stores.values()) store.close();
  }

  #handle(number: number, member: Member, item: ToHub): void {
    const { nsp } = item;
    switch (item.type) {
      case "join":
        member.nodes.set(nsp, item.node);
        this.#nodesOf(nsp).set(item.node, number);
        if (item.recovery !== undefined && !this.#stores.has(nsp))
          this.#stores.set(nsp, this.#createStore(nsp, item.recovery));
        break;
      case "part":
        if (member.nodes.get(nsp) === item.node) member.nodes.delete(nsp);
        this.#removeNode(nsp, item.node);
        break;
      case "publish": {
        const index = this.#keep(number, item);
        for (const [node, to] of this.#nodesOf(nsp)) {
          if (node !== item.node)
            this.#send(to, { type: "message", nsp, from: item.node, body: item.body, index });
        }
        break;
      }
      case "respond": {
        const to = this.#nodesOf(nsp).get(item.to);
        if (to === undefined) break;
        const { node: from, body } = item;
        this.#send(to, { type: "message", nsp, from, body, index: undefined });
        break;
      }
      case "keep":
        this.#keep(number, item);
        break;
      case "socket":
        this.#stores.get(nsp)?.setConnected(number, item.session);
        break;
      case "socket-gone":
        this.#stores.get(nsp)?.removeConnected(number, item.pid);
        this.#answerWaiting(nsp, item.pid);
        break;
      case "persist":
        this.#stores.get(nsp)?.keep(number, item.session);
        this.#answerWaiting(nsp, item.session.pid);
        break;
      case "claim":
        this.#claim(number, item);
        break;
      default:
        throw new Error("unknown item");
    }
  }

  #createStore(nsp: string, limits: RecoveryLimits): ClusterStore {
    this.#bounds ??= { kept: new RecoveryBounds(limits), connected: boundConnected(limits) };
    return new ClusterStore(nsp, this.#bounds.kept, this.#bounds.connected);
  }

  /**
   * Stores a packet for clients that may miss it. Returns the packet's index, or `undefined` if the packet is not
   * stored.
   */
  #keep(number: number, item: ToHub & { readonly type: "publish" | "keep" }): number | undefined {
    const store = item.kept && this.#stores.get(item.nsp);
    if (item.kept === undefined || store === undefined) return undefined;
    this.#index++;
    store.addPacket(number, this.#index, item.body, item.kept);
    return this.#index;
  }

  #claim(member: number, item: ToHub & { readonly type: "claim" }): void {
    const { nsp, request, pid, offset } = item;
    const store = this.#stores.get(nsp);
    const worker = store?.has(pid) ? undefined : store?.workerOf(pid);
    if (worker === undefined) {
      this.#answer(
        member,
        request,
        store?.claim(member, pid, offset, this.#index) ?? "unknown session",
      );
      return;
    }
    // The client has noticed that its old connection is broken, but its previous worker has not noticed yet. The claim
    // waits until that worker has disconnected the old connection.
    const key = keyOf(nsp, pid);
    this.#refuseWaiting(key);
    const timer = setTimeout(() => {
      this.#refuseWaiting(key);
      this.#flush();
    }, RETURN_TIMEOUT);
    this.#waiting.set(key, { member, request, offset, timer });
    this.#send(worker, { type: "returned", nsp, pid });
  }

  #answerWaiting(nsp: string, pid: string): void {
    const key = keyOf(nsp, pid);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    clearTimeout(waiting.timer);
    const { member, request, offset } = waiting;
    // The member that has sent the claim may have ended in the meantime.
    if (!this.#members.has(member)) return;
    const result = this.#stores.get(nsp)?.claim(member, pid, offset, this.#index);
    this.#answer(member, request, result ?? "unknown session");
  }

  #refuseWaiting(key: string): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    clearTimeout(waiting.timer);
    this.#answer(waiting.member, waiting.request, "unknown session");
  }

  #answer(member: number, request: number, result: ClaimResult): void {
    this.#send(member, { type: "claimed", request, result, index: this.#index });
  }

  #removeNode(nsp: string, node: NodeId): void {
    const nodes = this.#nodesOf(nsp);
    if (!nodes.delete(node)) return;
    for (const to of nodes.values()) this.#send(to, { type: "gone", nsp, node });
    if (nodes.size > 0) return;
    // A dynamic namespace is removed together with its last adapter. Empty stores of removed namespaces are deleted.
    this.#namespaces.delete(nsp);
    for (const [name, { sessionCount, packetCount }] of this.#stores) {
      if (sessionCount + packetCount === 0 && !this.#namespaces.has(name))
        this.#stores.delete(name);
    }
  }

  #nodesOf(nsp: string): Map<NodeId, number> {
    let nodes = this.#namespaces.get(nsp);
    if (nodes === undefined) {
      nodes = new Map();
      this.#namespaces.set(nsp, nodes);
    }
    return nodes;
  }

  #send(to: number, item: FromHub): void {
    const items = this.#outgoing.get(to);
    if (items === undefined) this.#outgoing.set(to, [item]);
    else items.push(item);
  }

  #flush(): void {
    for (const [to, items] of this.#outgoing) this.#members.get(to)?.send(items);
    this.#outgoing.clear();
  }
}

function keyOf(nsp: string, pid: string): string {
  return `${nsp}\n${pid}`;
}
