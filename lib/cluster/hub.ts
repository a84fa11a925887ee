// The middle of a cluster, in the primary: it passes messages between the adapters of all processes and
// keeps what clients may come back to. It knows no process, only members that it can send to.
//
// Rule: what one member sends reaches each of the others in the order in which it was sent, and all others
// receive the messages of different members in one order. Offsets rely on it (offset.ts).

import type { FairBound } from "../socketio/fair-bound.ts";
import { RecoveryBounds, type RecoveryLimits } from "../socketio/recovery-store.ts";
import type { ClaimResult, FromHub, NodeId, ToHub } from "./messages.ts";
import { boundConnected, ClusterStore } from "./recovery-store.ts";

/** Sends items to a member. */
export type SendItems = (items: readonly FromHub[]) => void;

interface Member {
  readonly send: SendItems;
  /** Its adapters, by their namespaces. */
  readonly nodes: Map<string, NodeId>;
}

/** A client has come back before the worker to which it was connected has noticed that it has gone. */
interface WaitingClaim {
  readonly member: number;
  readonly request: number;
  readonly offset: string | undefined;
  readonly timer: NodeJS.Timeout;
}

/** How long the worker to which a client was connected may take to let it go, in milliseconds. */
const RETURN_TIMEOUT = 5_000;

export class Hub {
  readonly #members = new Map<number, Member>();
  /** The members by the adapters that they have in each namespace. */
  readonly #namespaces = new Map<string, Map<NodeId, number>>();
  readonly #stores = new Map<string, ClusterStore>();
  /** Of all stores together. Every process has the same limits. */
  #bounds: { readonly kept: RecoveryBounds; readonly connected: FairBound } | undefined;
  readonly #waiting = new Map<string, WaitingClaim>();
  // What is to be sent to each member when the items that have arrived are handled.
  readonly #outgoing = new Map<number, FromHub[]>();
  #index = 0;

  /** Adds a member. */
  add(number: number, send: SendItems): void {
    this.#members.set(number, { send, nodes: new Map() });
  }

  /** Removes a member that has ended. Its clients may come back to others. */
  remove(number: number): void {
    const member = this.#members.get(number);
    if (member === undefined) return;
    this.#members.delete(number);
    this.#outgoing.delete(number);
    // Before the namespaces of the last member end, and the stores in which nothing is kept with them.
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

  /** Gives up everything that is kept. */
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

  /** Keeps a packet that may be missed. Returns its index. */
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
    // The client knows before its worker that its connection is broken.
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
    // It may have ended meanwhile.
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
    // Namespaces that are created for clients end with their last one.
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
