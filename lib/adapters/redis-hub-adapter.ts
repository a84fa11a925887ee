// The base class of the adapters over Redis: how a request is published, which processes are expected to answer it, and
// how an adapter detects that Redis delivers messages.
//
//   publish(request)     ──▶ number of processes that have received it
//   count(membership)    ──▶ number of processes with this adapter: some of them are known, the others answer without an id
//   publish("heartbeat") ──▶ Redis ──▶ this process receives its own heartbeat: Redis delivers messages
//
// A process is counted in `membership` as soon as it is subscribed, and is known as soon as it has sent its first
// message. A process that was removed because it sent nothing is still counted as long as its connection exists, but is
// not expected to answer.

import type { Bytes } from "../../protocol/bytes.ts";
import type { AdapterHost } from "../socketio/adapter.ts";
import type {
  ClusterCommand,
  ClusterMessage,
  ClusterRequest,
  Membership,
  NodeId,
} from "./cluster-messages.ts";
import type { Expected } from "./pending-request.ts";
import { RecoveringAdapter, type RecoveringClient, type SentEvent } from "./recovering-adapter.ts";
import type { HubMember, RedisHub, RedisHubOptions } from "./redis-hub.ts";
import type { ChannelListener, RedisLink } from "./redis-link.ts";

/**
 * How long a broadcast waits for acknowledgements if timeout() is not called, in milliseconds. Without this limit, the
 * broadcast could wait forever, because Redis can lose an acknowledgement, and processes with other adapters do not
 * report disconnected clients.
 */
const ACK_TIMEOUT = 60_000;
/**
 * The largest number of removed processes to remember. Without this limit, someone who publishes messages of invented
 * processes could fill the memory.
 */
const MAX_LOST = 1_000;

/** A message that a process sends about itself. */
export type MembershipMessage = Extract<ClusterMessage, { readonly type: Membership }>;

/** The base class of the adapters over Redis. */
export abstract class RedisHubAdapter<
    Sent extends SentEvent = SentEvent,
    Waiting extends RecoveringClient<Sent> = RecoveringClient<Sent>,
  >
  extends RecoveringAdapter<Sent, Waiting>
  implements HubMember
{
  /** @internal */
  protected readonly link: RedisLink;
  /** @internal */
  protected isOpen = true;
  private readonly redis: RedisHub;
  /** The channels to which this adapter subscribes while it is open. */
  private readonly own: string[] = [];
  /** Processes that were removed from the known processes, and may still be subscribed. */
  private readonly lost = new Set<NodeId>();
  private lastEcho = performance.now();
  private farewell: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(nsp: AdapterHost, redis: RedisHub, options: RedisHubOptions) {
    super(nsp, options);
    this.redis = redis;
    this.link = redis.add(this);
  }

  // Methods that a subclass implements.

  /**
   * The channels on which requests and membership messages are published.
   *
   * @internal
   */
  protected abstract readonly channels: { readonly requests: string; readonly membership: string };

  /** @internal */
  protected abstract encodeMembership(message: MembershipMessage): Bytes;

  /** @internal */
  protected abstract encodeRequest(request: ClusterRequest): Bytes;

  /**
   * Sends a message to all other processes. Resolves to whether Redis has accepted it. Never rejects.
   *
   * @throws TypeError or RangeError if a value cannot be encoded
   * @internal
   */
  protected abstract send(message: ClusterCommand): Promise<boolean>;

  /**
   * Frees the resources of the subclass, except its channels. Called once, by close().
   *
   * @internal
   */
  protected abstract release(): void;

  // Methods that a subclass calls.

  /**
   * Subscribes to channels until close(). Resolves when the subscriptions are active, or after a timeout if Redis has
   * not confirmed them.
   *
   * @internal
   */
  protected async listen(listeners: Readonly<Record<string, ChannelListener>>): Promise<void> {
    const { subscriptions } = this.link;
    await Promise.all(
      Object.entries(listeners).map(([channel, listener]) => {
        this.own.push(channel);
        return subscriptions.add(channel, listener);
      }),
    );
  }

  /**
   * Publishes an answer for one process. If the answer cannot be encoded, the error is reported.
   *
   * @param type the type of the answer, for the error message
   * @internal
   */
  protected publishAnswer(channel: string, type: string, encode: () => Bytes): void {
    let bytes: Bytes;
    try {
      bytes = encode();
    } catch (error) {
      // The data of a socket or an answer of the user cannot be encoded. The process that has sent the request will report
      // this answer as missing.
      this.report(new Error(`an answer of the type ${type} cannot be encoded`, { cause: error }));
      return;
    }
    void this.link.publish(channel, bytes);
  }

  /**
   * Handles a message that a process has sent about itself. This process also receives its own
   * messages.
   *
   * @internal
   */
  protected onMembership(message: MembershipMessage, sender: NodeId): void {
    if (sender === this.id) {
      this.lastEcho = performance.now();
      this.link.onSound();
      return;
    }
    this.lost.delete(sender);
    this.receive(message, sender);
    // After a goodbye, the process is no longer subscribed, so it is forgotten.
    if (message.type === "goodbye") this.lost.delete(sender);
  }

  // Methods that the hub calls.

  /**
   * Called when the connection to Redis is ready, for the first time or again.
   *
   * @internal
   */
  onReady(): void {
    this.lastEcho = performance.now();
    // Before init() has ended, "hello" need not be sent here, because init() sends it.
    if (this.isBeating) this.publish({ type: "hello" });
  }

  /**
   * Called with each error of the connection to Redis.
   *
   * @internal
   */
  onLinkError(error: Error): void {
    this.dispatch("error", [error]);
  }

  // Methods that the namespace calls.

  override async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    super.close();
    for (const channel of this.own) this.link.subscriptions.delete(channel);
    this.release();
    await this.redis.remove(this, this.farewell);
  }

  override get ackTimeout(): number {
    return ACK_TIMEOUT;
  }

  /** Returns the number of processes with this namespace, including processes with other adapters. */
  override async serverCount(): Promise<number> {
    const [count] = (await this.link.countSubscribers(this.channels.requests)) ?? [];
    return count ?? super.serverCount();
  }

  // Methods that the base class calls.

  protected override publish(message: ClusterMessage): void {
    if (!isMembership(message)) {
      void this.send(message);
      return;
    }
    const told = this.link.publish(this.channels.membership, this.encodeMembership(message));
    if (message.type === "goodbye") this.farewell = told;
  }

  protected override async ask(request: ClusterRequest): Promise<Expected> {
    const nodes = [...this.nodes];
    if (request.type === "join" || request.type === "leave" || request.type === "disconnect") {
      // Processes with other adapters do not answer these requests, so only known processes are
      // expected to answer.
      return { nodes, unknown: 0, failed: !(await this.send(request)) };
    }
    const [received, counts] = await Promise.all([
      this.link.publish(this.channels.requests, this.encodeRequest(request)),
      this.link.countSubscribers(this.channels.membership),
    ]);
    const [ours = 1] = counts ?? [];
    // Redis has not accepted the request, so no process will answer.
    if (received === undefined) return { nodes, unknown: 0, failed: true };
    // The number of processes with this adapter that are subscribed but not known: processes that have not sent a
    // message yet, and removed processes that are still subscribed.
    const others = Math.max(0, ours - 1 - nodes.length);
    // If more removed processes are remembered than can still be subscribed, the oldest of the remembered processes
    // have ended.
    this.forgetLost(others);
    const unknown = others - this.lost.size + Math.max(0, received - ours);
    return { nodes, unknown, received: received - 1 };
  }

  protected override beat(): void {
    super.beat();
    this.link.subscriptions.retry();
    const silence = performance.now() - this.lastEcho;
    if (silence > this.heartbeatTimeout) this.link.onSilence(this.heartbeatTimeout);
  }

  protected override onNodeRemoved(node: NodeId): void {
    this.lost.add(node);
    this.forgetLost(MAX_LOST);
  }

  /** Forgets removed processes until at most `most` of them are left. The oldest are forgotten first. */
  private forgetLost(most: number): void {
    for (const node of this.lost) {
      if (this.lost.size <= most) break;
      this.lost.delete(node);
    }
  }
}

/** Returns whether a message is one that a process sends about itself. */
export function isMembership(message: { readonly type: string }): message is MembershipMessage {
  const { type } = message;
  return type === "hello" || type === "heartbeat" || type === "goodbye";
}
