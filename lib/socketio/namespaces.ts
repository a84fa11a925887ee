// The namespaces of a server. The class Namespaces finds a namespace by name, and creates
// namespaces for the application or for a client.

import { MAIN_NAMESPACE } from "../../protocol/socketio/packet.ts";
import type { AdapterFactory } from "./create-adapter.ts";
import type { Allowance, DispatcherNamespace, NamespaceFinder } from "./dispatcher.ts";
import type { EventMaps } from "./event-maps.ts";
import { Namespace, type NamespaceHost, type NamespaceOf } from "./namespace.ts";
import {
  type NamespaceMatcher,
  ParentNamespace,
  type ParentNamespaceOf,
} from "./parent-namespace.ts";

/** The part of the server that namespaces with these types of events use. */
type HostOf<Events extends EventMaps> = NamespaceHost<
  EventMaps<Events["listen"], Events["emit"], Events["serverSide"], Events["data"]>
>;

/**
 * Longest name of a namespace that a client may cause to be created, in characters. A longer name
 * would take more memory than the namespace itself, which may exist until the server closes.
 */
const MAX_CREATED_NAME = 1000;

export class Namespaces<Events extends EventMaps> implements NamespaceFinder {
  /** The main namespace, "/". */
  readonly main: NamespaceOf<Events>;
  readonly #host: HostOf<Events>;
  readonly #removesEmpty: boolean;
  readonly #all: Map<string, NamespaceOf<Events>>;
  readonly #parents: ParentNamespaceOf<Events>[] = [];

  /**
   * Creates the main namespace.
   *
   * @param removesEmpty whether to remove a child namespace after its last socket has left
   */
  constructor(host: HostOf<Events>, removesEmpty: boolean) {
    this.#host = host;
    this.#removesEmpty = removesEmpty;
    this.main = new Namespace(host, MAIN_NAMESPACE);
    this.#all = new Map([[MAIN_NAMESPACE, this.main]]);
  }

  /** The namespaces by name. */
  get all(): ReadonlyMap<string, NamespaceOf<Events>> {
    return this.#all;
  }

  /** Returns the namespace with this name, creating it if necessary. A missing leading "/" is added. */
  named(name: string): NamespaceOf<Events> {
    const full = name.startsWith("/") ? name : `/${name}`;
    const known = this.#all.get(full);
    if (known !== undefined) return known;
    const parent = this.#parents.find(({ pattern }) => pattern?.test(full) === true);
    return this.#add(
      parent === undefined ? new Namespace(this.#host, full) : this.#childOf(parent, full),
    );
  }

  /** Creates a parent namespace for all namespaces that a pattern or function accepts. */
  addParent(names: RegExp | NamespaceMatcher): ParentNamespaceOf<Events> {
    const name = `/_${this.#parents.length}`;
    const parent: ParentNamespaceOf<Events> = new ParentNamespace(this.#host, name, names);
    this.#parents.push(parent);
    return parent;
  }

  find(
    name: string,
    auth: object,
    allowanceOf: () => Allowance,
    callback: (namespace: DispatcherNamespace | undefined) => void,
  ): void {
    const namespace = this.#all.get(name);
    if (namespace !== undefined) {
      callback(namespace);
      return;
    }
    const allowance = allowanceOf();
    if (allowance.left < 1 || name.length > MAX_CREATED_NAME) {
      callback(undefined);
      return;
    }
    // The name counts against the allowance even before the application has accepted or refused the
    // name. The application may take long, and a client may request many names in the meantime.
    allowance.left--;
    this.#createFor(name, auth, allowance, [...this.#parents], callback);
  }

  /** Replaces the adapter of every namespace with a new adapter that has no rooms. */
  renewAdapters(factory: AdapterFactory): void {
    for (const namespace of this.#all.values()) namespace.renewAdapter(factory);
  }

  /** Closes the adapters. Resolves after all adapters have closed or failed to close. */
  async closeAdapters(): Promise<void> {
    await Promise.allSettled([...this.#all.values()].map(async ({ adapter }) => adapter.close()));
  }

  /**
   * Creates a child namespace.
   *
   * @param allowance the allowance of the client that requested the namespace
   */
  #childOf(
    parent: ParentNamespaceOf<Events>,
    name: string,
    allowance?: Allowance,
  ): NamespaceOf<Events> {
    return parent.createChild(name, (child) => {
      if (!this.#removesEmpty || !parent.children.delete(child)) return;
      if (allowance !== undefined) allowance.left++;
      if (this.#all.get(name) !== child) return;
      this.#all.delete(name);
      // The adapter is closed, because a later namespace with this name will have its own adapter.
      child.guardAdapter("close", () => child.adapter.close());
    });
  }

  /** Creates a namespace for a client. Returns `undefined` if creating its adapter failed. */
  #create(
    parent: ParentNamespaceOf<Events>,
    name: string,
    auth: object,
    allowance: Allowance,
  ): NamespaceOf<Events> | undefined {
    const made: { child: NamespaceOf<Events> | undefined } = { child: undefined };
    parent.guard(name, auth, () => {
      made.child = this.#childOf(parent, name, allowance);
    });
    if (made.child !== undefined) return this.#add(made.child);
    allowance.left++;
    return undefined;
  }

  #add(namespace: NamespaceOf<Events>): NamespaceOf<Events> {
    this.#all.set(namespace.name, namespace);
    this.#host.onCreated(namespace);
    return namespace;
  }

  /** Creates a namespace for a client if one of `parents` accepts its name. */
  #createFor(
    name: string,
    auth: object,
    allowance: Allowance,
    [parent, ...others]: readonly ParentNamespaceOf<Events>[],
    callback: (namespace: DispatcherNamespace | undefined) => void,
  ): void {
    if (parent === undefined) {
      allowance.left++;
      callback(undefined);
      return;
    }
    parent.matches(name, auth, (allowed) => {
      // While `parent` decided, the namespace may have been created for another client.
      const known = this.#all.get(name);
      if (known !== undefined) {
        allowance.left++;
        callback(known);
      } else if (allowed) {
        callback(this.#create(parent, name, auth, allowance));
      } else {
        this.#createFor(name, auth, allowance, others, callback);
      }
    });
  }
}
