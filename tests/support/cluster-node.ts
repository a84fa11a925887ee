// A program that only tests/support/cluster.ts starts. It runs one server of a cluster, and executes the commands of
// the parent process.
//
//   parent                                       node
//     ── { request: 1, command, args } ──▶        calls the command of that name
//     ◀── { answer: 1, result } ────────          or { answer: 1, error }

import { once } from "node:events";
import { createServer } from "node:http";

import type { Untyped } from "../../lib/events/emitter.ts";
import type { BroadcastOperator, Server, Socket } from "../../server.ts";
import { type AdapterSettings, createFactory } from "./cluster-adapters.ts";
import { portOf } from "./net.ts";

/** The settings of a node. They are sent to the node as JSON. */
export interface NodeSettings {
  readonly adapter: AdapterSettings;
  /** The library of the server. Default: barewire. */
  readonly library?: "barewire" | "socket.io";
  /** Options of the server. */
  readonly server?: object;
  /** Namespaces besides "/" that the node creates when it starts. */
  readonly namespaces?: readonly string[];
}

/** The target of a command, as arguments of to(), except() and the flags. */
export interface Target {
  /** Default: the main namespace. */
  readonly namespace?: string;
  readonly rooms?: readonly string[];
  readonly except?: readonly string[];
  readonly volatile?: true;
  readonly local?: true;
  readonly timeout?: number;
  /** The id of the socket on this node that broadcasts. Default: the namespace broadcasts. */
  readonly from?: string;
}

/** The acknowledgements of a broadcast, or the responses to serverSideEmit(). */
export interface Answers {
  readonly responses: readonly unknown[];
  /** The error message, if some receivers did not respond. */
  readonly error?: string;
}

export interface FetchedSocket {
  readonly id: string;
  readonly rooms: readonly string[];
  readonly data: unknown;
  readonly handshake: unknown;
}

/** The commands of a node. Arguments and results are sent as structured clones, so binary data stays binary. */
export interface NodeCommands {
  /** The port on which the node listens. */
  port(): number;
  emit(target: Target, event: string, ...args: readonly unknown[]): void;
  /** Calls emit() with a callback. */
  emitWithAck(target: Target, event: string, ...args: readonly unknown[]): Promise<Answers>;
  fetchSockets(target: Target): Promise<FetchedSocket[]>;
  allSockets(target: Target): Promise<string[]>;
  socketsJoin(target: Target, rooms: string | readonly string[]): void;
  socketsLeave(target: Target, rooms: string | readonly string[]): void;
  disconnectSockets(target: Target, close?: boolean): void;
  /** Fetches the sockets in `target`, and calls a method of each. */
  callRemotes(
    target: Target,
    method: "emit" | "join" | "leave" | "disconnect",
    ...args: readonly unknown[]
  ): Promise<void>;
  /** Fetches the sockets in `target`, and requests an acknowledgement from each. */
  askRemotes(target: Target, event: string, ...args: readonly unknown[]): Promise<unknown[]>;
  serverSideEmit(namespace: string, event: string, ...args: readonly unknown[]): void;
  serverSideEmitWithAck(
    namespace: string,
    event: string,
    ...args: readonly unknown[]
  ): Promise<Answers>;
  /** Returns the server-side events received since the last call, as [namespace, event, ...args]. */
  serverSideEvents(): unknown[][];
  /** Sets whether this node responds to the server-side event "ask" of a namespace with its process id. */
  answerServers(namespace: string, answers: boolean): void;
  /** Calls a method of a socket on this node. */
  callSocket(
    namespace: string,
    id: string,
    method: "emit" | "join" | "leave" | "disconnect",
    ...args: readonly unknown[]
  ): Promise<void>;
  setData(namespace: string, id: string, data: object): void;
  /** Returns the rooms on this node, each with its socket ids. */
  rooms(namespace: string): [room: string, ids: string[]][];
  /** Returns the adapter's room events since the last call, as [event, ...args]. */
  roomEvents(): string[][];
  /** Returns the ids of the sockets on this node. */
  sockets(namespace: string): string[];
  serverCount(namespace: string): Promise<number>;
  /** Closes the server. */
  close(): Promise<void>;
  pid(): number;
}

const settings: NodeSettings = JSON.parse(process.env.CLUSTER_NODE ?? "{}");
const http = createServer();
// Both libraries have the same API for the commands below, so our types apply to both.
const library: { readonly Server: typeof Server } = await import(
  settings.library === "socket.io" ? "socket.io" : "../../server.ts"
);
const adapter: Untyped = await createFactory(settings.adapter);
const io = new library.Server(http, {
  ...settings.server,
  ...(adapter === undefined ? {} : { adapter }),
});
if (settings.adapter.name === "barewire/cluster") {
  const { joinCluster } = await import("../../lib/adapters/cluster.ts");
  await joinCluster(io);
}
const told: unknown[][] = [];
const roomEvents: string[][] = [];
const silent = new Set<string>();

for (const name of ["/", ...(settings.namespaces ?? [])]) {
  const namespace = io.of(name);
  namespace.use((socket, next) => {
    const { name: given } = socket.handshake.auth;
    if (given !== undefined) socket.data.name = given;
    next();
  });
  namespace.on("tell", (...args: unknown[]) => told.push([name, "tell", ...args]));
  namespace.on("ask", (...args: Untyped[]) => {
    const answer: unknown = args.pop();
    told.push([name, "ask", ...args]);
    if (!silent.has(name) && typeof answer === "function") answer(process.pid);
  });
  for (const event of ["create-room", "join-room", "leave-room", "delete-room"] as const) {
    namespace.adapter.on(event, (...args: string[]) => roomEvents.push([event, ...args]));
  }
}

function operatorOf(target: Target): BroadcastOperator<Untyped, Untyped> {
  const { namespace = "/", rooms = [], except = [], from } = target;
  let operator: BroadcastOperator<Untyped, Untyped> =
    from === undefined ? io.of(namespace).except([]) : socketOf(namespace, from).broadcast;
  if (rooms.length > 0) operator = operator.to([...rooms]);
  if (except.length > 0) operator = operator.except([...except]);
  if (target.volatile) operator = operator.volatile;
  if (target.local) operator = operator.local;
  if (target.timeout !== undefined) operator = operator.timeout(target.timeout);
  return operator;
}

function socketOf(namespace: string, id: string): Socket {
  const socket = io.of(namespace).sockets.get(id);
  if (socket === undefined) throw new Error(`this node has no socket ${id}`);
  return socket;
}

/** Calls the method with this name. */
function call(object: object, method: string, args: readonly unknown[]): Untyped {
  const callable: unknown = Reflect.get(object, method);
  if (typeof callable !== "function") throw new TypeError(`there is no method ${method}`);
  return Reflect.apply(callable, object, args);
}

/** Resolves to the callback arguments of a request that has several responses. */
function answersTo(
  request: (callback: (error: Error | null, responses: unknown[]) => void) => void,
): Promise<Answers> {
  return new Promise((resolve) => {
    request((error, responses) => {
      resolve(error ? { responses, error: error.message } : { responses });
    });
  });
}

const commands: NodeCommands = {
  port: () => port,
  pid: () => process.pid,
  emit: (target, event, ...args) => {
    operatorOf(target).emit(event, ...args);
  },
  emitWithAck: (target, event, ...args) =>
    answersTo((callback) => operatorOf(target).emit(event, ...args, callback)),
  fetchSockets: async (target) =>
    (await operatorOf(target).fetchSockets()).map(({ id, rooms, data, handshake }) => ({
      id,
      rooms: [...rooms],
      data: plain(data),
      handshake: plain(handshake),
    })),
  allSockets: async (target) => [...(await operatorOf(target).allSockets())],
  socketsJoin: (target, rooms) => operatorOf(target).socketsJoin(rooms),
  socketsLeave: (target, rooms) => operatorOf(target).socketsLeave(rooms),
  disconnectSockets: (target, close) => operatorOf(target).disconnectSockets(close),
  callRemotes: async (target, method, ...args) => {
    for (const socket of await operatorOf(target).fetchSockets()) call(socket, method, args);
  },
  askRemotes: async (target, event, ...args) => {
    const sockets = await operatorOf(target).fetchSockets();
    return Promise.all(sockets.map((socket) => socket.timeout(10_000).emitWithAck(event, ...args)));
  },
  serverSideEmit: (namespace, event, ...args) => {
    io.of(namespace).serverSideEmit(event, ...args);
  },
  serverSideEmitWithAck: (namespace, event, ...args) =>
    answersTo((callback) => io.of(namespace).serverSideEmit(event, ...args, callback)),
  serverSideEvents: () => told.splice(0),
  answerServers: (namespace, answers) => {
    if (answers) silent.delete(namespace);
    else silent.add(namespace);
  },
  callSocket: async (namespace, id, method, ...args) => {
    await call(socketOf(namespace, id), method, args);
  },
  setData: (namespace, id, data) => {
    socketOf(namespace, id).data = data;
  },
  rooms: (namespace) => [...io.of(namespace).adapter.rooms].map(([room, ids]) => [room, [...ids]]),
  roomEvents: () => roomEvents.splice(0),
  sockets: (namespace) => [...io.of(namespace).sockets.keys()],
  serverCount: (namespace) => io.of(namespace).adapter.serverCount(),
  close: () => io.close(),
};

/** Returns a value as JSON would restore it. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

process.on("message", async (message: Untyped) => {
  if (typeof message?.request !== "number") return;
  const { request: answer, command, args } = message;
  try {
    process.send?.({ answer, result: await call(commands, command, args) });
  } catch (error) {
    process.send?.({ answer, error: String(error) });
  }
});
// Without its parent process, the node has no purpose.
process.on("disconnect", () => process.exit());

// By default, workers of node:cluster share a port.
http.listen({ port: 0, host: "127.0.0.1", exclusive: true });
await once(http, "listening");
const port = portOf(http);
process.send?.({ answer: 0, result: port });
