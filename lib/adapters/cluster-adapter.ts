// The base class of adapters for several processes. It stores the rooms of this process in memory, and sends messages
// to the other processes.
//
//   this process                               another process
//     broadcast() ── publish(message) ──▶ … ──▶ receive(message, sender) ──▶ its sockets
//     fetchSockets() ── ask(request) ──▶  … ──▶ receive(request, sender)
//       ◀── receive(answer, sender) … ◀── respond(to, answer) ──┘
//
// A subclass implements publish() and respond(), and calls receive() with each message that arrives.
//
// Rules:
// - A message is published before it is applied in this process. Therefore the sockets of other processes receive the
//   events of this process in the same order as the sockets of this process.
// - A process that sends nothing for `heartbeatTimeout` is removed. Requests no longer wait for a removed process.
// - If some processes do not answer a request, the result is partial and lists these processes.

import { EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { Deadlines } from "../deadlines.ts";
import { callListener } from "../events/emitter.ts";
import { DisconnectedError } from "../events/errors.ts";
import type { OptionTable } from "../events/options.ts";
import { generateId } from "../generate-id.ts";
import { callback, positiveMilliseconds } from "../node-options.ts";
import {
  Adapter,
  type AdapterHost,
  allOf,
  type BroadcastAnswers,
  type BroadcastOptions,
  type Gathered,
  gathered,
  type Room,
  type ServerSideCallback,
  type ServerSideEvent,
  type SocketDetails,
  type SocketId,
} from "../socketio/adapter.ts";
import type {
  ClusterAnswer,
  ClusterMessage,
  ClusterRequest,
  NodeId,
  Received,
  RequestId,
} from "./cluster-messages.ts";
import { type Completion, type Expected, PendingRequest } from "./pending-request.ts";

/** The options that all adapters for several processes share. */
export interface ClusterOptions {
  /** The interval between two heartbeats of a process, in milliseconds. Default: 5000. */
  readonly heartbeatInterval?: number;
  /**
   * The time after which a process that has sent nothing is removed, in milliseconds. Default:
   * 10,000.
   */
  readonly heartbeatTimeout?: number;
  /** How long a request waits for the answers of other processes, in milliseconds. Default: 5000. */
  readonly requestTimeout?: number;
  /**
   * Called with each error of an adapter, in addition to its "error" event. Default: none.
   *
   * @param error the error
   */
  readonly onError?: (error: Error) => void;
}

/** The checks of the options. */
export const CLUSTER_OPTIONS: OptionTable<ClusterOptions> = {
  heartbeatInterval: positiveMilliseconds,
  heartbeatTimeout: positiveMilliseconds,
  onError: callback,
  requestTimeout: positiveMilliseconds,
};

const DEFAULT_HEARTBEAT_INTERVAL = 5_000;
const DEFAULT_HEARTBEAT_TIMEOUT = 10_000;
const DEFAULT_REQUEST_TIMEOUT = 5_000;

/**
 * The error of a request that some processes have not answered. The result still contains the answers of the other
 * processes.
 */
export class MissingNodesError extends Error {
  /** The name of this class. */
  override readonly name = "MissingNodesError";
  /** The code of this error. */
  readonly code = "ERR_MISSING_NODES";
  /** The ids of the processes that have not answered. "unknown" stands for a process whose id is unknown. */
  readonly missing: readonly NodeId[];

  /** @internal */
  constructor(request: string, missing: readonly NodeId[], why: Completion = "answered") {
    const reached = why === "timeout" ? "timeout reached, " : "";
    super(`${request}: ${reached}no answer of ${missing.join(", ")}`);
    this.missing = missing;
  }
}

/** What an adapter reports about its cluster. */
export interface ClusterStats {
  /** The id of this process in this namespace. */
  readonly id: NodeId;
  /** The ids of the other known processes. */
  readonly nodes: readonly NodeId[];
  /** The number of requests that wait for answers. */
  readonly pendingRequests: number;
  /** The number of requests that some processes have not answered. */
  readonly partialResults: number;
  /** The number of processes that were removed because they had sent nothing for `heartbeatTimeout`. */
  readonly removedNodes: number;
}

/** A request that waits for answers. */
interface Pending {
  readonly pending: PendingRequest;
  readonly onAnswer: (answer: ClusterAnswer) => void;
}

/** A broadcast that waits for acknowledgements. */
interface PendingAcks {
  /** Waits until each process has reported how many of its clients have received the broadcast. */
  readonly asked: PendingRequest;
  readonly answers: BroadcastAnswers;
  /** For each process, the number of clients that have not acknowledged yet. */
  readonly left: Map<NodeId | undefined, number>;
  /** The number of processes that have reported. */
  heard: number;
}

/** The base class of adapters for several processes. */
export abstract class ClusterAdapter extends Adapter {
  /** The id of this process in this namespace. */
  readonly id: NodeId = generateId();
  /** @internal */
  protected readonly requestTimeout: number;
  /** @internal */
  protected readonly heartbeatTimeout: number;
  private readonly onError: ((error: Error) => void) | undefined;
  private readonly heartbeatInterval: number;
  private readonly silences: Deadlines<NodeId>;
  private readonly known = new Set<NodeId>();
  private readonly requests = new Map<RequestId, Pending>();
  private readonly acks = new Map<RequestId, PendingAcks>();
  private heartbeat: NodeJS.Timeout | undefined;
  private requestCount = 0;
  private partialResults = 0;
  private removedNodes = 0;

  constructor(nsp: AdapterHost, options: ClusterOptions = {}) {
    super(nsp);
    this.requestTimeout = options.requestTimeout ?? DEFAULT_REQUEST_TIMEOUT;
    this.heartbeatInterval = options.heartbeatInterval ?? DEFAULT_HEARTBEAT_INTERVAL;
    this.heartbeatTimeout = options.heartbeatTimeout ?? DEFAULT_HEARTBEAT_TIMEOUT;
    this.onError = options.onError;
    this.silences = new Deadlines(this.heartbeatTimeout, (node) => this.removeNode(node));
  }

  // Methods that a subclass implements.

  /**
   * Sends a message to all other processes of the namespace. Must not throw: an error is passed to report(). If this
   * process receives its own message, receive() ignores it.
   *
   * @internal
   */
  protected abstract publish(message: ClusterMessage): void;

  /**
   * Sends an answer to one process. Must not throw.
   *
   * @internal
   */
  protected abstract respond(to: NodeId, answer: ClusterAnswer): void;

  /**
   * Publishes a request. Returns the processes that are expected to answer: by default, all known processes.
   *
   * A subclass overrides this method if its cluster can contain processes that send no heartbeats.
   *
   * @internal
   */
  protected ask(request: ClusterRequest): Expected | Promise<Expected> {
    const nodes = [...this.known];
    this.publish(request);
    return { nodes, unknown: 0 };
  }

  /**
   * The processes that are expected to answer if a request ends before ask() has resolved. Default: all known
   * processes.
   *
   * @internal
   */
  protected get presumed(): Expected {
    return { nodes: [...this.known], unknown: 0 };
  }

  // Methods that a subclass calls.

  /**
   * Starts to send heartbeats. If a subclass cannot receive messages immediately, it overrides this method, and calls
   * the base method as soon as messages can arrive.
   */
  override init(): void | Promise<void> {
    this.publish({ type: "hello" });
    this.heartbeat = setInterval(() => this.beat(), this.heartbeatInterval).unref();
  }

  /** Leaves the cluster. Each waiting request ends with a partial result. */
  override close(): void | Promise<void> {
    if (this.heartbeat === undefined) return;
    clearInterval(this.heartbeat);
    this.heartbeat = undefined;
    this.publish({ type: "goodbye" });
    for (const { pending } of [...this.requests.values()]) pending.finish("closed");
    for (const { asked } of [...this.acks.values()]) asked.finish("closed");
    for (const node of this.known) this.silences.delete(node);
    this.known.clear();
  }

  /**
   * Called once per `heartbeatInterval`.
   *
   * @internal
   */
  protected beat(): void {
    this.publish({ type: "heartbeat" });
  }

  /**
   * Whether this process sends heartbeats: from init() until close().
   *
   * @internal
   */
  protected get isBeating(): boolean {
    return this.heartbeat !== undefined;
  }

  /**
   * The other known processes.
   *
   * @internal
   */
  protected get nodes(): ReadonlySet<NodeId> {
    return this.known;
  }

  /**
   * Handles a message or an answer that has arrived. Does not throw.
   *
   * @param sender the id of the sender, or `undefined` if the message does not contain it
   * @internal
   */
  protected receive(message: Received, sender: NodeId | undefined): void {
    if (sender === this.id) return;
    // Every message from a known process proves that the process is alive. A process becomes known only by "hello" or
    // "heartbeat", because an emitter (emitter.ts) also sends messages, but never answers requests.
    if (sender !== undefined && this.known.has(sender)) this.silences.add(sender);
    this.attempt(() => this.handle(message, sender));
  }

  /**
   * Calls a function, and reports an error that it throws. Used for work that fails if a value of the user or of
   * another process cannot be encoded.
   *
   * @internal
   */
  protected attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.report(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private handle(message: Received, sender: NodeId | undefined): void {
    switch (message.type) {
      case "hello":
        this.addNode(sender);
        if (sender !== undefined) this.respond(sender, { type: "heartbeat" });
        break;
      case "heartbeat":
        this.addNode(sender);
        break;
      case "goodbye":
        if (sender !== undefined) this.forgetNode(sender, true);
        break;
      case "broadcast":
        this.onBroadcast(message, sender);
        break;
      case "join":
        this.confirm(super.addSockets(message.options, message.rooms), message, sender);
        break;
      case "leave":
        this.confirm(super.delSockets(message.options, message.rooms), message, sender);
        break;
      case "disconnect":
        this.confirm(super.disconnectSockets(message.options, message.close), message, sender);
        break;
      case "fetch":
        this.onFetch(message.options, message.request, sender);
        break;
      case "server-side-emit":
        this.onServerSideEmit(message.event, message.request, sender);
        break;
      case "asked":
      case "answer":
      case "no-answer":
        this.onAcknowledgement(message, sender);
        break;
      default:
        this.onAnswer(message, sender);
    }
  }

  /**
   * Reports an error to the user: calls the option `onError` and the listeners of "error".
   *
   * @internal
   */
  protected report(error: Error): void {
    if (this.onError !== undefined) callListener(this, this.onError, [error]);
    this.dispatch("error", [error]);
  }

  /** Returns the state of the cluster, and counts of the errors so far. */
  stats(): ClusterStats {
    return {
      id: this.id,
      nodes: [...this.known],
      pendingRequests: this.requests.size + this.acks.size,
      partialResults: this.partialResults,
      removedNodes: this.removedNodes,
    };
  }

  // Methods that the namespace calls.

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    if (options.flags.local !== true) this.publish({ type: "broadcast", packet, options });
    super.broadcast(packet, options);
  }

  override broadcastWithAck(
    packet: Packet & { readonly id: number },
    options: BroadcastOptions,
    answers: BroadcastAnswers,
  ): () => void {
    const members = this.members(options);
    const request = this.nextRequest();
    const asked = new PendingRequest(this.requestTimeout, this.presumed, (missing, why) => {
      // A process that has not reported counts as one client that never acknowledges.
      const error = this.partial("broadcast", missing, why);
      for (const _node of error?.missing ?? []) answers.onAsked(1);
      if (error !== null) answers.onLost(error, error.missing.length);
      answers.onServers(1 + acks.heard + (error?.missing.length ?? 0));
    });
    const acks: PendingAcks = { asked, answers, left: new Map(), heard: 0 };
    if (options.flags.local === true) {
      expectAll(asked, NOBODY);
    } else {
      this.acks.set(request, acks);
      expectAll(asked, this.ask({ type: "broadcast", packet, options, request }));
    }
    this.sendToMembers(packet, options);
    const forget = this.awaitAcks(members, packet.id, answers);
    return () => {
      this.acks.delete(request);
      asked.stop();
      forget();
    };
  }

  override async serverCount(): Promise<number> {
    return 1 + this.known.size;
  }

  override async sockets(rooms: ReadonlySet<Room>): Promise<Set<SocketId>> {
    const found = await this.fetchSockets({ rooms, except: new Set(), flags: {} });
    return new Set(Array.from(found, ({ id }) => id));
  }

  override async fetchSockets(options: BroadcastOptions): Promise<Gathered<SocketDetails>> {
    const sockets: SocketDetails[] = this.members(options);
    if (options.flags.local === true) return gathered(sockets);
    const request = this.nextRequest();
    const missing = await this.gather(
      { type: "fetch", options, request },
      options.flags.timeout,
      (answer) => {
        if (answer.type === "fetched") sockets.push(...answer.sockets);
      },
    );
    return gathered(sockets, missing);
  }

  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    const request = this.nextRequest();
    const others = this.askToDo({ type: "join", options, rooms, request });
    return allOf([others, super.addSockets(options, rooms)]);
  }

  override delSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    const request = this.nextRequest();
    const others = this.askToDo({ type: "leave", options, rooms, request });
    return allOf([others, super.delSockets(options, rooms)]);
  }

  override disconnectSockets(options: BroadcastOptions, close: boolean): void | Promise<void> {
    const request = this.nextRequest();
    const others = this.askToDo({ type: "disconnect", options, close, request });
    return allOf([others, super.disconnectSockets(options, close)]);
  }

  /**
   * Emits an event to all other servers.
   *
   * @param event the name and the arguments of the event
   * @param answered receives the responses. Default: responses are not requested
   */
  override serverSideEmit(event: ServerSideEvent, answered?: ServerSideCallback): void {
    if (answered === undefined) {
      this.publish({ type: "server-side-emit", event });
      return;
    }
    const request = this.nextRequest();
    const responses: unknown[] = [];
    this.startRequest(
      { type: "server-side-emit", event, request },
      undefined,
      (answer) => {
        if (answer.type === "server-side-answer") responses.push(answer.value);
      },
      (error) => answered(error, responses),
    );
  }

  // Methods that send requests of this process.

  /** @internal */
  protected nextRequest(): RequestId {
    // The process' id makes the number unique in the cluster.
    return `${this.id}${(this.requestCount++).toString(36)}`;
  }

  /** Sends a request. Resolves to the ids of the processes that have not answered in time. */
  private gather(
    request: ClusterRequest,
    timeout: number | undefined,
    onAnswer: (answer: ClusterAnswer) => void,
  ): Promise<readonly NodeId[]> {
    return new Promise((resolve) => {
      this.startRequest(request, timeout, onAnswer, (error) => resolve(error?.missing ?? []));
    });
  }

  private startRequest(
    request: ClusterRequest,
    timeout: number | undefined,
    onAnswer: (answer: ClusterAnswer) => void,
    onComplete: (error: MissingNodesError | null) => void,
  ): void {
    const pending = new PendingRequest(
      timeout ?? this.requestTimeout,
      this.presumed,
      (missing, why) => {
        this.requests.delete(request.request);
        onComplete(this.partial(request.type, missing, why));
      },
    );
    this.requests.set(request.request, { pending, onAnswer });
    expectAll(pending, this.ask(request));
  }

  /**
   * Asks all other processes to change their sockets. Resolves after they have confirmed the
   * change.
   *
   * @internal
   */
  protected askToDo(
    request: ClusterRequest & { readonly options: BroadcastOptions },
  ): void | Promise<void> {
    if (request.options.flags.local === true) return;
    return this.gather(request, undefined, () => {}).then(() => {});
  }

  /**
   * Returns the error of a request that some processes have not answered. A process that did not receive the request
   * has ended: it is removed, and its answer does not count as missing.
   */
  private partial(
    request: string,
    missing: readonly NodeId[],
    why: Completion,
  ): MissingNodesError | null {
    if (why === "unreached") {
      for (const node of missing) this.removeNode(node);
      return null;
    }
    if (missing.length === 0) return null;
    const error = new MissingNodesError(request, missing, why);
    this.partialResults++;
    this.report(error);
    return error;
  }

  private onAnswer(
    answer: ClusterAnswer & { readonly request: RequestId },
    sender: NodeId | undefined,
  ): void {
    const { pending, onAnswer } = this.requests.get(answer.request) ?? {};
    pending?.answer(sender, () => onAnswer?.(answer));
  }

  private onAcknowledgement(
    answer: Extract<ClusterAnswer, { type: "asked" | "answer" | "no-answer" }>,
    sender: NodeId | undefined,
  ): void {
    const acks = this.acks.get(answer.request);
    if (acks === undefined) return;
    const { answers, asked, left } = acks;
    if (answer.type === "asked") {
      asked.answer(sender, () => {
        // Processes without an id are counted together.
        left.set(sender, (left.get(sender) ?? 0) + answer.count);
        acks.heard++;
        answers.onAsked(answer.count);
      });
      return;
    }
    asked.whenExpected(() => {
      const count = left.get(sender) ?? 0;
      // The acknowledgement is ignored, because the process has already sent an acknowledgement for each of its
      // clients, or was removed.
      if (count === 0) return;
      left.set(sender, count - 1);
      if (answer.type === "answer") answers.onAnswer(null, [answer.value]);
      else answers.onAnswer(new DisconnectedError(), []);
    });
  }

  // Methods that handle requests of other processes.

  private onBroadcast(
    { packet, options, request }: ClusterMessage & { readonly type: "broadcast" },
    sender: NodeId | undefined,
  ): void {
    if (request === undefined || sender === undefined || packet.type !== EVENT) {
      this.sendToMembers(packet, options);
      return;
    }
    const members = this.members(options);
    // The clients of this process receive the packet with an id that this process assigns, because the id that the
    // sender has assigned may already be in use in this process.
    const id = this.nsp.nextAckId();
    this.sendToMembers({ ...packet, id }, options);
    const forget = this.awaitAcks(members, id, {
      onAsked: (count) => this.respond(sender, { type: "asked", request, count }),
      onAnswer: (error, [value]) =>
        this.respond(
          sender,
          error === null ? { type: "answer", request, value } : { type: "no-answer", request },
        ),
    });
    const { timeout = this.ackTimeout } = options.flags;
    if (timeout !== undefined) setTimeout(forget, timeout).unref();
  }

  private confirm(
    work: void | Promise<void>,
    { request }: { readonly request?: RequestId | undefined },
    sender: NodeId | undefined,
  ): void {
    if (request === undefined || sender === undefined) return;
    const done = (): void => this.respond(sender, { type: "done", request });
    if (work instanceof Promise) void work.then(done, done);
    else done();
  }

  private onFetch(options: BroadcastOptions, request: RequestId, sender: NodeId | undefined): void {
    if (sender === undefined) return;
    this.respond(sender, { type: "fetched", request, sockets: this.members(options) });
  }

  private onServerSideEmit(
    event: ServerSideEvent,
    request: RequestId | undefined,
    sender: NodeId | undefined,
  ): void {
    if (request === undefined || sender === undefined) {
      this.nsp.onServerSideEmit(event);
      return;
    }
    let answered = false;
    const answer = (value: unknown): void => {
      if (answered) return;
      answered = true;
      this.respond(sender, { type: "server-side-answer", request, value });
    };
    this.nsp.onServerSideEmit([...event, answer]);
  }

  // Methods that add and remove the other processes.

  private addNode(node: NodeId | undefined): void {
    if (node === undefined || this.heartbeat === undefined) return;
    this.known.add(node);
    this.silences.add(node);
  }

  /** Removes a process that has sent nothing for `heartbeatTimeout`. */
  private removeNode(node: NodeId): void {
    if (!this.known.has(node)) return;
    this.removedNodes++;
    this.forgetNode(node, false);
  }

  /**
   * @param left whether the process has sent "goodbye". If so, its clients have disconnected, and its answers do not
   * count as missing
   */
  private forgetNode(node: NodeId, left: boolean): void {
    if (!this.known.delete(node)) return;
    this.silences.delete(node);
    this.onNodeRemoved(node);
    for (const { pending } of [...this.requests.values()]) pending.remove(node, !left);
    for (const acks of [...this.acks.values()]) this.endAcks(acks, node, left);
  }

  private endAcks(
    { asked, answers, left: counts }: PendingAcks,
    node: NodeId,
    left: boolean,
  ): void {
    const count = counts.get(node) ?? 0;
    counts.set(node, 0);
    const error = left ? new DisconnectedError() : new MissingNodesError("broadcast", [node]);
    answers.onLost(error, count);
    asked.remove(node, !left);
  }

  /**
   * Called after a process has left or was removed.
   *
   * @internal
   */
  protected onNodeRemoved(_node: NodeId): void {}
}

const NOBODY: Expected = { nodes: [], unknown: 0 };

/**
 * Makes a request wait for the expected processes. Until these processes are known, answers do not complete the request.
 */
function expectAll(pending: PendingRequest, expected: Expected | Promise<Expected>): void {
  if (expected instanceof Promise) {
    expected.then(
      (who) => pending.expect(who),
      () => pending.finish("failed"),
    );
  } else {
    // If no process is expected to answer, expect() completes the request at once. The method that sends the request
    // must return before that.
    process.nextTick(() => pending.expect(expected));
  }
}
