// Tests of an adapter that connects several servers: three processes, each with real clients. A new adapter must pass
// all cases, except those that its documentation excludes.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { io as connect, type Socket } from "../../client/index.ts";
import type { Untyped } from "../../lib/events/emitter.ts";
import {
  type ClusterNode,
  type NodeSettings,
  startNodes,
  type Target,
} from "../support/cluster.ts";
import { FaultProxy } from "../support/fault-proxy.ts";

export interface AdapterUnderTest {
  readonly name: string;
  /** Starts the services that the adapter needs, and returns the settings of each node. */
  prepare(context: TestContext): Promise<readonly NodeSettings[]>;
  /** Starts the nodes. Default: starts them as child processes of this process. */
  readonly start?: typeof startNodes;
  /** Whether clients can recover on any node. If so, the nodes have the option connectionStateRecovery. */
  readonly recovers?: boolean;
  /**
   * Whether the adapter subscribes to a room only after join() has resolved. No event reports when the subscription is
   * complete.
   */
  readonly subscribesLate?: boolean;
  /** The cases that the adapter cannot pass, each with the limitation that its documentation states. */
  readonly excluded?: Readonly<Partial<Record<CaseName, string>>>;
  /** The reason to skip the tests on this machine, or `false`. */
  readonly skip?: string | false;
}

/** The time limit of a case, in milliseconds. A case that hangs fails after this time. */
const LIMIT = 30_000;

/** A client of one node. It records the events that it receives. */
export class SuiteClient {
  readonly name: string;
  readonly socket: Socket;
  /** The received events, without offsets and acknowledgement callbacks. */
  readonly events: unknown[][] = [];
  /** Whether the client acknowledges events. */
  answers = true;
  readonly #waiting = new Set<() => void>();

  constructor(url: string, name: string, recovers: boolean) {
    this.name = name;
    this.socket = connect(url, {
      forceNew: true,
      transports: ["websocket"],
      reconnectionDelay: 20,
      auth: { name },
    });
    this.socket.onAny((event: string, ...args: Untyped[]) => {
      const acknowledge: unknown = args.at(-1);
      if (typeof acknowledge === "function") {
        args.pop();
        if (this.answers) acknowledge(name, ...args);
      } else if (recovers && typeof acknowledge === "string") {
        // The last argument is a recovery offset. No case emits a string as the last argument.
        args.pop();
      }
      this.events.push([event, ...args]);
      this.#wake();
    });
    this.socket.on("connect", () => this.#wake());
    this.socket.on("disconnect", () => this.#wake());
  }

  get id(): string {
    return this.socket.id ?? "";
  }

  /** Resolves as soon as `condition` is true. The condition is checked at each event. */
  async until(condition: (client: SuiteClient) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Resolves when an event with this name has arrived. Returns its arguments. */
  async received(event: string): Promise<unknown[]> {
    await this.until(({ events }) => events.some(([name]) => name === event));
    return this.events.find(([name]) => name === event)?.slice(1) ?? [];
  }

  /** The received events, without the events of fence() and subscribed(). */
  get heard(): unknown[][] {
    return this.events.filter(([name]) => name !== "fence" && name !== "probe");
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

/** The nodes, clients and namespace of one case. */
class Setting {
  readonly nodes: ClusterNode[];
  readonly namespace: string;
  readonly recovers: boolean;
  readonly subscribesLate: boolean;
  readonly #clients: SuiteClient[] = [];
  readonly #proxies: FaultProxy[] = [];
  #fences = 0;

  constructor(nodes: ClusterNode[], namespace: string, adapter: AdapterUnderTest) {
    this.nodes = nodes;
    this.namespace = namespace;
    this.recovers = adapter.recovers ?? false;
    this.subscribesLate = adapter.subscribesLate ?? false;
  }

  /** Returns the node with this index. In a cluster of one node, every index is the same node. */
  node(index: number): ClusterNode {
    const node = this.nodes[index % this.nodes.length];
    if (node === undefined) throw new Error("there are no nodes");
    return node;
  }

  /** Returns the target of a command, in the namespace of this case. */
  to(rooms: readonly string[] = [], more: Target = {}): Target {
    return { namespace: this.namespace, rooms, ...more };
  }

  /** Connects a client to a node. */
  async client(index: number, name: string, namespace = this.namespace): Promise<SuiteClient> {
    return this.connect(`${this.node(index).url}${namespace}`, name);
  }

  async connect(url: string, name: string): Promise<SuiteClient> {
    const client = new SuiteClient(url, name, this.recovers);
    this.#clients.push(client);
    await client.until(({ socket }) => socket.connected);
    return client;
  }

  /** Connects a client to each of three nodes: "a", "b" and "c". */
  async clients(): Promise<[SuiteClient, SuiteClient, SuiteClient]> {
    return Promise.all([this.client(0, "a"), this.client(1, "b"), this.client(2, "c")]);
  }

  /** Connects three clients, and adds each to its rooms. */
  async clientsIn(
    ...rooms: readonly (readonly string[])[]
  ): Promise<[SuiteClient, SuiteClient, SuiteClient]> {
    const clients = await this.clients();
    for (const [index, client] of clients.entries()) {
      await this.join(index, client, ...(rooms[index] ?? []));
    }
    return clients;
  }

  async join(index: number, client: SuiteClient, ...rooms: readonly string[]): Promise<void> {
    await this.node(index).ask("callSocket", this.namespace, client.id, "join", rooms);
    if (!this.subscribesLate) return;
    for (const room of rooms) await this.subscribed(client, room);
  }

  /** Resolves when a client in a room receives the events that each node emits to the room. */
  async subscribed(client: SuiteClient, room: string): Promise<void> {
    const probed = new Set<unknown>();
    await this.until(async () => {
      for (const [from, node] of this.nodes.entries()) {
        await node.ask("emit", this.to([room]), "probe", from, room, 0);
      }
      for (const [name, from, of] of client.events) {
        if (name === "probe" && of === room) probed.add(from);
      }
      return probed.size === this.nodes.length;
    });
  }

  /** Starts a proxy in front of a node. A test can redirect the proxy to another node. */
  async proxy(index: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(this.node(index).port);
    this.#proxies.push(proxy);
    await proxy.start();
    return proxy;
  }

  /**
   * Emits from a node to all clients. Resolves when `clients` have received the event, and therefore all events
   * before it.
   */
  async fence(index: number, ...clients: readonly SuiteClient[]): Promise<void> {
    this.#fences++;
    const fence = this.#fences;
    await this.node(index).ask("emit", this.to(), "fence", index, fence);
    await Promise.all(
      clients.map((client) =>
        client.until(({ events }) =>
          events.some(
            ([name, from, number]) => name === "fence" && from === index && number === fence,
          ),
        ),
      ),
    );
  }

  /** Adds a node like the first node. Resolves when all nodes receive its events. */
  add: () => Promise<void> = async () => {};

  /** Kills a node without closing its server. */
  async kill(index: number): Promise<void> {
    const [node] = this.nodes.splice(index, 1);
    await node?.kill();
  }

  /** Closes a node. */
  async close(index: number): Promise<void> {
    const [node] = this.nodes.splice(index, 1);
    await node?.close();
  }

  /** Resolves when every node counts this many servers. */
  async untilServers(count: number): Promise<void> {
    await this.until(async () => {
      const counts = await Promise.all(
        this.nodes.map((node) => node.ask("serverCount", this.namespace)),
      );
      return counts.every((known) => known === count);
    });
  }

  /** Polls until `condition` is true. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await pause(20);
  }

  /**
   * Resolves or rejects as `result` does. On a timeout, rejects with an error that lists the events that the clients
   * received.
   */
  async within(milliseconds: number, result: Promise<void>): Promise<void> {
    const controller = new AbortController();
    const limit = pause(milliseconds, undefined, controller).then(() => {
      const heard = this.#clients.map(({ name, events }) => `${name}: ${JSON.stringify(events)}`);
      throw new Error(`not done after ${milliseconds} ms; received: ${heard.join("; ")}`);
    });
    limit.catch(() => {});
    await Promise.race([result, limit]).finally(() => controller.abort());
  }

  /** Disconnects the clients. Resolves when the nodes have detected the disconnections. */
  async end(): Promise<void> {
    const own = new Set(this.#clients.map(({ id }) => id));
    for (const { socket } of this.#clients) socket.disconnect();
    for (const proxy of this.#proxies) proxy.close();
    await this.until(async () => !(await this.ids()).some((id) => own.has(id)));
  }

  /** Returns the ids of the sockets of all nodes. */
  async ids(): Promise<string[]> {
    const ids = await Promise.all(this.nodes.map((node) => node.ask("sockets", this.namespace)));
    return ids.flat();
  }
}

interface Case {
  /** What the case needs: several nodes, or clients that can recover. Default: neither. */
  readonly needs?: "nodes" | "recovery";
  /** Whether the case waits for a timeout. If so, it runs in its own namespace, concurrently with the other cases. */
  readonly waits?: true;
  run(setting: Setting): Promise<void>;
}

const LARGE = "x".repeat(20_000);
const BYTES = Buffer.from([0, 1, 2, 128, 255]);

/** Returns the event names with their first argument, sorted, because events of several nodes have no defined order. */
function sorted(events: readonly unknown[][]): string[] {
  return events.map((event) => event.join(" ")).sort();
}

function names(sockets: readonly { readonly data: unknown }[]): unknown[] {
  return sockets.map(({ data }) => Reflect.get(Object(data), "name")).sort();
}

const CASES = {
  "emits to every client of every node": {
    run: async (setting) => {
      const clients = await setting.clients();
      await setting.node(0).ask("emit", setting.to(), "event", "text", [1, { a: null }], 2);
      for (const client of clients) {
        assert.deepEqual(await client.received("event"), ["text", [1, { a: null }], 2]);
      }
      await setting.fence(0, ...clients);
      for (const client of clients) assert.equal(client.heard.length, 1);
    },
  },

  "emits to a room": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1"], ["room1"], ["room2"]);
      await setting.node(2).ask("emit", setting.to(["room1"]), "event", 1);
      await setting.fence(2, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[["event", 1]], [["event", 1]], []]);
    },
  },

  "emits once to a client in several of the rooms": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1", "room2"], ["room2"], ["room3"]);
      await setting.node(1).ask("emit", setting.to(["room1", "room2"]), "event", 1);
      await setting.fence(1, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[["event", 1]], [["event", 1]], []]);
    },
  },

  "emits to rooms whose names consist of digits or have special characters": {
    run: async (setting) => {
      const odd = "1 * ? [a] # : ü 👍";
      const [a, b, c] = await setting.clientsIn(["42"], [odd], ["1"]);
      await setting.node(2).ask("emit", setting.to(["42"]), "event", 1);
      await setting.node(2).ask("emit", setting.to([odd]), "event", 2);
      await setting.fence(2, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[["event", 1]], [["event", 2]], []]);
    },
  },

  "emits to no client if the room does not exist": {
    run: async (setting) => {
      const clients = await setting.clients();
      await setting.node(0).ask("emit", setting.to(["nobody"]), "event", 1);
      await setting.fence(0, ...clients);
      for (const client of clients) assert.deepEqual(client.heard, []);
    },
  },

  "emits to no client in an excluded room": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1"], ["room1", "room2"], []);
      await setting.node(0).ask("emit", setting.to(["room1"], { except: ["room2"] }), "event", 1);
      await setting.node(0).ask("emit", setting.to([], { except: ["room1"] }), "event", 2);
      await setting.node(0).ask("emit", setting.to([], { except: [b.id] }), "event", 3);
      await setting.fence(0, a, b, c);
      assert.deepEqual(sorted(a.heard), ["event 1", "event 3"]);
      assert.deepEqual(sorted(b.heard), []);
      assert.deepEqual(sorted(c.heard), ["event 2", "event 3"]);
    },
  },

  "emits to a socket of another node by its id": {
    run: async (setting) => {
      const [a, b, c] = await setting.clients();
      await setting.subscribed(c, c.id);
      await setting.node(0).ask("emit", setting.to([c.id]), "event", 1);
      await setting.fence(0, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[], [], [["event", 1]]]);
    },
  },

  "emits with `local` to the clients of one node": {
    needs: "nodes",
    run: async (setting) => {
      const [a, b, c] = await setting.clients();
      await setting.node(1).ask("emit", setting.to([], { local: true }), "event", 1);
      await setting.fence(1, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[], [["event", 1]], []]);
    },
  },

  "emits with `volatile`": {
    run: async (setting) => {
      const clients = await setting.clientsIn(["room1"], ["room1"], ["room1"]);
      // A volatile event is dropped if the client cannot receive it at once, so it is emitted until it arrives.
      await setting.until(async () => {
        await setting.node(0).ask("emit", setting.to(["room1"], { volatile: true }), "event", 1);
        return clients.every(({ heard }) => heard.length > 0);
      });
      for (const { heard } of clients) assert.deepEqual(heard[0], ["event", 1]);
    },
  },

  "delivers bytes, alone and within objects": {
    run: async (setting) => {
      const clients = await setting.clients();
      const args = [BYTES, { inner: [BYTES, "text"] }, new Uint8Array([7, 8]), 1];
      await setting.node(0).ask("emit", setting.to(), "event", ...args);
      for (const client of clients) {
        const [alone, object, array] = await client.received("event");
        assert.deepEqual([...Buffer.from(bytesOf(alone))], [...BYTES], client.name);
        assert.deepEqual(bytesOf(Object(object).inner[0]), BYTES);
        assert.deepEqual([...bytesOf(array)], [7, 8]);
      }
    },
  },

  "delivers texts of every kind, and large ones": {
    run: async (setting) => {
      const clients = await setting.clientsIn(["room1"], ["room1"], ["room1"]);
      const texts = ["你好", "😀👩\u200d👧", "a\u2028b\u0000c", '"\\\n', "", LARGE];
      await setting.node(2).ask("emit", setting.to(["room1"]), "event", texts, 1);
      for (const client of clients) {
        assert.deepEqual(await client.received("event"), [texts, 1]);
      }
    },
  },

  "delivers large bytes": {
    run: async (setting) => {
      const clients = await setting.clients();
      const bytes = Buffer.alloc(50_000, 3);
      await setting.node(1).ask("emit", setting.to(), "event", bytes, 1);
      for (const client of clients) {
        const [given] = await client.received("event");
        assert.deepEqual(bytesOf(given), bytes);
      }
    },
  },

  "delivers the events of one node in order": {
    run: async (setting) => {
      const clients = await setting.clientsIn(["room1"], ["room1"], ["room1"]);
      const numbers = Array.from({ length: 100 }, (_, index) => index);
      for (const number of numbers) {
        void setting.node(0).ask("emit", setting.to(number % 2 ? ["room1"] : []), "event", number);
      }
      for (const client of clients) {
        await client.until(({ heard }) => heard.length === 100);
        assert.deepEqual(
          client.heard.map(([, number]) => number),
          numbers,
          client.name,
        );
      }
    },
  },

  "emits from a socket to all other clients": {
    run: async (setting) => {
      const [a, b, c] = await setting.clients();
      await setting.node(0).ask("emit", setting.to([], { from: a.id }), "event", 1);
      await setting.fence(0, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[], [["event", 1]], [["event", 1]]]);
    },
  },

  "emits from a socket to the other clients in a room": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1"], ["room1"], []);
      await setting.node(0).ask("emit", setting.to(["room1"], { from: a.id }), "event", 1);
      await setting.fence(0, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[], [["event", 1]], []]);
    },
  },

  "emits only to the clients of the namespace": {
    run: async (setting) => {
      const [a, b, c] = await setting.clients();
      const other = await setting.client(1, "other", "/other");
      await setting.node(0).ask("emit", { namespace: "/other" }, "event", 1);
      assert.deepEqual(await other.received("event"), [1]);
      await setting.node(0).ask("emit", setting.to(), "event", 2);
      await setting.fence(0, a, b, c);
      for (const client of [a, b, c]) assert.deepEqual(client.heard, [["event", 2]]);
      assert.deepEqual(other.heard, [["event", 1]]);
    },
  },

  "collects the acknowledgements of every client": {
    run: async (setting) => {
      await setting.clients();
      const target = setting.to([], { timeout: 20_000 });
      const { responses, error } = await setting.node(0).ask("emitWithAck", target, "event", 1);
      assert.equal(error, undefined);
      assert.deepEqual([...responses].sort(), ["a", "b", "c"]);
    },
  },

  "collects the acknowledgements of a room": {
    run: async (setting) => {
      await setting.clientsIn(["room1"], [], ["room1", "room2"]);
      const target = setting.to(["room1", "room2"], { timeout: 20_000 });
      const { responses, error } = await setting.node(1).ask("emitWithAck", target, "event", 1);
      assert.equal(error, undefined);
      assert.deepEqual([...responses].sort(), ["a", "c"]);
    },
  },

  "collects no acknowledgements if the room is empty": {
    run: async (setting) => {
      await setting.clients();
      const target = setting.to(["nobody"], { timeout: 20_000 });
      const answers = await setting.node(1).ask("emitWithAck", target, "event", 1);
      assert.deepEqual(answers, { responses: [] });
    },
  },

  "collects the acknowledgements of one node with `local`": {
    needs: "nodes",
    run: async (setting) => {
      await setting.clients();
      const target = setting.to([], { timeout: 20_000, local: true });
      assert.deepEqual(await setting.node(2).ask("emitWithAck", target, "event", 1), {
        responses: ["c"],
      });
    },
  },

  "reports a timeout if a client does not acknowledge, with the acknowledgements received before": {
    waits: true,
    run: async (setting) => {
      const [, , c] = await setting.clients();
      c.answers = false;
      const target = setting.to([], { timeout: 3_000 });
      const { responses, error } = await setting.node(0).ask("emitWithAck", target, "event", 1);
      assert.match(error ?? "", /timed out|timeout/);
      assert.deepEqual([...responses].sort(), ["a", "b"]);
    },
  },

  "fetches sockets with their rooms, data and handshake": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1"], ["room1", "room2"], []);
      await setting.node(1).ask("setData", setting.namespace, b.id, { name: "b", more: [1, "2"] });
      const sockets = await setting.node(0).ask("fetchSockets", setting.to());
      assert.deepEqual(names(sockets), ["a", "b", "c"]);
      const fetched = sockets.find(({ id }) => id === b.id);
      assert.deepEqual([...(fetched?.rooms ?? [])].sort(), [b.id, "room1", "room2"].sort());
      assert.deepEqual(fetched?.data, { name: "b", more: [1, "2"] });
      const handshake = Object(fetched?.handshake);
      assert.deepEqual(handshake.auth.name, "b");
      assert.equal(handshake.query.transport, "websocket");
      assert.equal(typeof handshake.headers.host, "string");
      assert.equal(typeof handshake.issued, "number");
      assert.deepEqual(sockets.map(({ id }) => id).sort(), [a.id, b.id, c.id].sort());
    },
  },

  "fetches the sockets of a room, except those of another room": {
    run: async (setting) => {
      const [, b] = await setting.clientsIn(["room1"], ["room1", "room2"], ["room3"]);
      const fetch = async (target: Target): Promise<unknown[]> =>
        names(await setting.node(2).ask("fetchSockets", target));
      assert.deepEqual(await fetch(setting.to(["room1"])), ["a", "b"]);
      assert.deepEqual(await fetch(setting.to(["room1"], { except: ["room2"] })), ["a"]);
      assert.deepEqual(await fetch(setting.to([], { except: ["room2"] })), ["a", "c"]);
      assert.deepEqual(await fetch(setting.to([b.id])), ["b"]);
      assert.deepEqual(await fetch(setting.to(["nobody"])), []);
    },
  },

  "fetches the sockets of one node with `local`": {
    needs: "nodes",
    run: async (setting) => {
      await setting.clients();
      const sockets = await setting.node(2).ask("fetchSockets", setting.to([], { local: true }));
      assert.deepEqual(names(sockets), ["c"]);
    },
  },

  "returns the ids of all sockets": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1"], [], ["room1"]);
      const all = await setting.node(0).ask("allSockets", setting.to());
      assert.deepEqual([...all].sort(), [a.id, b.id, c.id].sort());
      const some = await setting.node(0).ask("allSockets", setting.to(["room1"]));
      assert.deepEqual([...some].sort(), [a.id, c.id].sort());
    },
  },

  "adds sockets of all nodes to rooms": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1"], ["room1"], []);
      await setting.node(2).ask("socketsJoin", setting.to(["room1"]), ["room2", "room3"]);
      await setting.until(async () => {
        const sockets = await setting.node(0).ask("fetchSockets", setting.to(["room2"]));
        return sockets.length === 2;
      });
      for (const client of [a, b]) await setting.subscribed(client, "room3");
      await setting.node(0).ask("emit", setting.to(["room3"]), "event", 1);
      await setting.fence(0, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[["event", 1]], [["event", 1]], []]);
    },
  },

  "removes sockets of all nodes from rooms": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1", "room2"], ["room1"], ["room1", "room2"]);
      await setting.node(1).ask("socketsLeave", setting.to(["room2"]), "room1");
      await setting.until(async () => {
        const sockets = await setting.node(0).ask("fetchSockets", setting.to(["room1"]));
        return sockets.length === 1;
      });
      await setting.node(0).ask("emit", setting.to(["room1"]), "event", 1);
      await setting.fence(0, a, b, c);
      assert.deepEqual([a.heard, b.heard, c.heard], [[], [["event", 1]], []]);
    },
  },

  "adds the sockets of one node to a room with `local`": {
    needs: "nodes",
    run: async (setting) => {
      await setting.clients();
      await setting.node(1).ask("socketsJoin", setting.to([], { local: true }), "room1");
      await setting.until(async () => {
        const rooms = await setting.node(1).ask("rooms", setting.namespace);
        return rooms.some(([room]) => room === "room1");
      });
      const sockets = await setting.node(0).ask("fetchSockets", setting.to(["room1"]));
      assert.deepEqual(names(sockets), ["b"]);
    },
  },

  "disconnects sockets of all nodes": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn(["room1"], [], ["room1"]);
      await setting.node(1).ask("disconnectSockets", setting.to(["room1"]));
      await Promise.all([a, c].map((client) => client.until(({ socket }) => !socket.connected)));
      assert.ok(b.socket.connected);
      await setting.until(async () => (await setting.ids()).length === 1);
    },
  },

  "disconnects sockets of all nodes with their connections": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn([], ["room1"], []);
      const closed = new Promise((resolve) => b.socket.io.engine?.once("close", resolve));
      await setting.node(0).ask("disconnectSockets", setting.to(["room1"]), true);
      await closed;
      assert.ok(a.socket.connected && c.socket.connected);
    },
  },

  "emits to one socket of another node, changes its rooms and disconnects it": {
    run: async (setting) => {
      const [a, b, c] = await setting.clientsIn([], ["room1"], []);
      const target = setting.to([b.id]);
      await setting.node(0).ask("callRemotes", target, "emit", "event", 1);
      assert.deepEqual(await b.received("event"), [1]);
      await setting.node(0).ask("callRemotes", target, "join", ["room2", "room3"]);
      await setting.node(0).ask("callRemotes", target, "leave", "room1");
      await setting.until(async () => {
        const [socket] = await setting.node(2).ask("fetchSockets", target);
        return socket?.rooms.includes("room3") === true && !socket.rooms.includes("room1");
      });
      await setting.node(2).ask("callRemotes", target, "disconnect");
      await b.until(({ socket }) => !socket.connected);
      assert.deepEqual([a.heard, c.heard], [[], []]);
    },
  },

  "receives the acknowledgement of one socket of another node": {
    run: async (setting) => {
      const [, b] = await setting.clients();
      const answers = await setting.node(0).ask("askRemotes", setting.to([b.id]), "event", 1);
      assert.deepEqual(answers, ["b"]);
    },
  },

  "emits an event when a room is created, joined, left or deleted": {
    run: async (setting) => {
      await setting.node(0).ask("roomEvents");
      const a = await setting.client(0, "a");
      await setting.join(0, a, "room1");
      await setting.node(0).ask("callSocket", setting.namespace, a.id, "leave", "room1");
      assert.deepEqual(await setting.node(0).ask("roomEvents"), [
        ["create-room", a.id],
        ["join-room", a.id, a.id],
        ["create-room", "room1"],
        ["join-room", "room1", a.id],
        ["leave-room", "room1", a.id],
        ["delete-room", "room1"],
      ]);
      assert.deepEqual(await setting.node(0).ask("rooms", setting.namespace), [[a.id, [a.id]]]);
    },
  },

  "returns the number of servers": {
    needs: "nodes",
    run: async (setting) => {
      for (const node of setting.nodes) {
        assert.equal(await node.ask("serverCount", setting.namespace), 3);
      }
    },
  },

  "emits events to the other servers": {
    needs: "nodes",
    run: async (setting) => {
      await Promise.all(setting.nodes.map((node) => node.ask("serverSideEvents")));
      await setting.node(0).ask("serverSideEmit", setting.namespace, "tell", 1, "2", { a: [3] });
      for (const index of [1, 2]) {
        const events: unknown[][] = [];
        await setting.until(async () => {
          events.push(...(await setting.node(index).ask("serverSideEvents")));
          return events.length > 0;
        });
        assert.deepEqual(events, [[setting.namespace, "tell", 1, "2", { a: [3] }]]);
      }
      assert.deepEqual(await setting.node(0).ask("serverSideEvents"), []);
    },
  },

  "collects the responses of the other servers": {
    needs: "nodes",
    run: async (setting) => {
      const { namespace } = setting;
      const answers = await setting.node(1).ask("serverSideEmitWithAck", namespace, "ask", 1);
      assert.equal(answers.error, undefined);
      const pids = await Promise.all([0, 2].map((index) => setting.node(index).ask("pid")));
      assert.deepEqual([...answers.responses].sort(), [...pids].sort());
    },
  },

  "reports a timeout if a server does not respond, with the responses received before": {
    needs: "nodes",
    waits: true,
    run: async (setting) => {
      const { namespace } = setting;
      await setting.node(2).ask("answerServers", namespace, false);
      const answers = await setting.node(0).ask("serverSideEmitWithAck", namespace, "ask", 1);
      assert.match(answers.error ?? "", /timeout|timed out/);
      assert.deepEqual(answers.responses, [await setting.node(1).ask("pid")]);
    },
  },

  "restores a client on another node, with the packets it missed": {
    needs: "recovery",
    run: async (setting) => {
      const { namespace } = setting;
      const proxy = await setting.proxy(0);
      const client = await setting.connect(`http://127.0.0.1:${proxy.port}${namespace}`, "a");
      await setting.join(0, client, "room1", "room2");
      await setting.node(0).ask("setData", namespace, client.id, { name: "a", more: 1 });
      await setting.node(1).ask("emit", setting.to(), "event", 1);
      await client.until(({ heard }) => heard.length === 1);
      const { id } = client;
      // The proxy resets connections until the client has missed an event. Then it forwards connections to another
      // node.
      let allowed = false;
      proxy.next = () => ({ kind: allowed ? "none" : "reset", direction: "down", after: 0 });
      proxy.target = setting.node(1).port;
      proxy.cut();
      await client.until(({ socket }) => !socket.connected);
      await setting.until(async () => (await setting.ids()).length === 0);
      await setting.node(2).ask("emit", setting.to(), "event", 2);
      await setting.node(2).ask("emit", setting.to(["room1"]), "event", 3);
      await setting.node(2).ask("emit", setting.to(["room3"]), "event", 4);
      await setting.node(2).ask("emit", setting.to([id]), "event", 5);
      await setting.node(2).ask("emit", setting.to([], { except: ["room2"] }), "event", 6);
      await setting.node(2).ask("emit", setting.to(["room2"]), "event", 7, BYTES);
      allowed = true;
      await client.until(({ heard }) => heard.some(([, number]) => number === 7));
      assert.equal(client.id, id);
      assert.equal(client.socket.recovered, true);
      assert.deepEqual(
        client.heard.map(([, number]) => number),
        [1, 2, 3, 5, 7],
      );
      assert.deepEqual(bytesOf(client.heard.at(-1)?.[2]), BYTES);
      const [fetched] = await setting.node(2).ask("fetchSockets", setting.to());
      assert.deepEqual([...(fetched?.rooms ?? [])].sort(), [id, "room1", "room2"].sort());
      assert.deepEqual(fetched?.data, { name: "a", more: 1 });
      // The recovered client continues to receive events.
      await setting.node(2).ask("emit", setting.to(["room1"]), "event", 8);
      await client.until(({ heard }) => heard.some(([, number]) => number === 8));
    },
  },

  "restores a client that received an event sent to it alone": {
    needs: "recovery",
    run: async (setting) => {
      const { namespace } = setting;
      const proxy = await setting.proxy(0);
      const client = await setting.connect(`http://127.0.0.1:${proxy.port}${namespace}`, "a");
      await setting.node(0).ask("callSocket", namespace, client.id, "emit", "event", 1);
      await client.until(({ heard }) => heard.length === 1);
      let allowed = false;
      proxy.next = () => ({ kind: allowed ? "none" : "reset", direction: "down", after: 0 });
      proxy.target = setting.node(2).port;
      proxy.cut();
      await client.until(({ socket }) => !socket.connected);
      await setting.until(async () => (await setting.ids()).length === 0);
      await setting.node(1).ask("emit", setting.to(), "event", 2);
      allowed = true;
      await client.until(({ heard }) => heard.length === 2);
      assert.equal(client.socket.recovered, true);
      assert.deepEqual(client.heard, [
        ["event", 1],
        ["event", 2],
      ]);
    },
  },

  "creates a new session for a client whose session is unknown": {
    needs: "recovery",
    run: async (setting) => {
      const proxy = await setting.proxy(0);
      const url = `http://127.0.0.1:${proxy.port}${setting.namespace}`;
      const client = await setting.connect(url, "a");
      await setting.node(0).ask("emit", setting.to(), "event", 1);
      await client.until(({ heard }) => heard.length === 1);
      const { id } = client;
      // A client that the server disconnected must not recover.
      await setting.node(1).ask("disconnectSockets", setting.to());
      await client.until(({ socket }) => !socket.connected);
      proxy.target = setting.node(1).port;
      client.socket.connect();
      await client.until(({ socket }) => socket.connected);
      assert.equal(client.socket.recovered, false);
      assert.notEqual(client.id, id);
    },
  },
} as const satisfies Readonly<Record<string, Case>>;

/** Cases that add or remove nodes. They run after all other cases, in this order. */
const LAST_CASES = {
  "continues after a node was killed": {
    needs: "nodes",
    run: async (setting) => {
      const [a, b] = await setting.clientsIn(["room1"], ["room1"], ["room1"]);
      await setting.kill(2);
      // The other nodes may not have detected the failure yet.
      await setting.node(0).ask("emit", setting.to(["room1"]), "event", 1);
      assert.deepEqual(await a.received("event"), [1]);
      assert.deepEqual(await b.received("event"), [1]);
      await setting.untilServers(2);
      const sockets = await setting.node(1).ask("fetchSockets", setting.to(["room1"]));
      assert.deepEqual(names(sockets), ["a", "b"]);
      const target = setting.to(["room1"], { timeout: 20_000 });
      const { responses, error } = await setting.node(0).ask("emitWithAck", target, "event", 2);
      assert.equal(error, undefined);
      assert.deepEqual([...responses].sort(), ["a", "b"]);
    },
  },

  "includes a node that joins later": {
    needs: "nodes",
    run: async (setting) => {
      const a = await setting.client(0, "a");
      await setting.add();
      const c = await setting.client(2, "c");
      await setting.node(2).ask("emit", setting.to(), "event", 1);
      await setting.subscribed(c, c.id);
      await setting.node(0).ask("emit", setting.to([c.id]), "event", 2);
      await c.until(({ heard }) => heard.length === 2);
      assert.deepEqual(sorted(c.heard), ["event 1", "event 2"]);
      assert.deepEqual(await a.received("event"), [1]);
      const sockets = await setting.node(0).ask("fetchSockets", setting.to());
      assert.deepEqual(names(sockets), ["a", "c"]);
    },
  },

  "continues after a node has left": {
    needs: "nodes",
    run: async (setting) => {
      const [a, b, c] = await setting.clients();
      await setting.close(2);
      await c.until(({ socket }) => !socket.connected);
      await setting.untilServers(2);
      await setting.node(0).ask("emit", setting.to(), "event", 1);
      assert.deepEqual(await a.received("event"), [1]);
      assert.deepEqual(await b.received("event"), [1]);
      const sockets = await setting.node(1).ask("fetchSockets", setting.to());
      assert.deepEqual(names(sockets), ["a", "b"]);
    },
  },
} as const satisfies Readonly<Record<string, Case>>;

export type CaseName = keyof typeof CASES | keyof typeof LAST_CASES;

/** Returns the bytes of any binary value that a client may receive. */
function bytesOf(value: unknown): Buffer {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (!ArrayBuffer.isView(value)) throw new TypeError(`no bytes: ${String(value)}`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** The namespace of the cases that run in sequence. */
const NAMESPACE = "/suite";

/**
 * Resolves when every node receives the events of every other node. Adapters subscribe, and discover each other,
 * after their node listens.
 */
async function untilJoined(setting: Setting): Promise<void> {
  const { nodes } = setting;
  await setting.untilServers(nodes.length);
  const clients = await Promise.all(nodes.map((_node, index) => setting.client(index, `${index}`)));
  const hears = (client: SuiteClient): boolean =>
    nodes.every((_node, from) =>
      client.events.some(([name, sender]) => name === "probe" && sender === from),
    );
  while (!clients.every(hears)) {
    await Promise.all(nodes.map((node, from) => node.ask("emit", setting.to(), "probe", from, 0)));
    await pause(20);
  }
  await setting.end();
}

export function adapterSuite(adapter: AdapterUnderTest): void {
  const { name, excluded = {}, recovers = false, skip = false } = adapter;
  const start = adapter.start ?? startNodes;

  test(`Servers with the adapter ${name}`, { skip }, async (context) => {
    const settings = await adapter.prepare(context);
    const applies = ([title, { needs }]: [string, Case]): boolean =>
      !(title in excluded) &&
      (needs !== "nodes" || settings.length > 1) &&
      (needs !== "recovery" || recovers);
    const cases = Object.entries<Case>(CASES).filter(applies);
    const waiting = cases.filter(([, { waits }]) => waits);
    const namespaces = [NAMESPACE, "/other", ...waiting.map((_case, index) => `/waits-${index}`)];
    const nodes = await start(
      context,
      settings.map((each) => ({ ...each, namespaces })),
    );
    const setting = (namespace: string): Setting => new Setting(nodes, namespace, adapter);
    const [first] = settings;
    if (first === undefined) throw new Error("there are no nodes");
    const add = async (): Promise<void> => {
      nodes.push(...(await start(context, [{ ...first, namespaces }])));
      await untilJoined(setting(NAMESPACE));
    };
    const run = async (namespace: string, each: Case): Promise<void> => {
      const own = setting(namespace);
      own.add = add;
      await own.within(LIMIT, each.run(own)).finally(() => own.end());
    };

    await context.test("every node receives the events of every other node", async () => {
      const all = namespaces.map((namespace) => untilJoined(setting(namespace)));
      await setting(NAMESPACE).within(LIMIT, Promise.all(all).then());
    });
    const results = new Map(
      waiting.map(([title, each], index) => [title, run(`/waits-${index}`, each)]),
    );
    for (const result of results.values()) result.catch(() => {});
    for (const [title, each] of cases) {
      await context.test(
        title,
        { timeout: LIMIT },
        () => results.get(title) ?? run(NAMESPACE, each),
      );
    }

    for (const [title, each] of Object.entries<Case>(LAST_CASES).filter(applies)) {
      await context.test(title, () => run(NAMESPACE, each));
    }
  });
}
