// The base of the adapters over Redis: how a request is published, who is expected to answer it, and how Redis shows that
// it passes messages on.
//
//   publish(request)     ──▶ so many have received it      │ of those, so many have this adapter and are known,
//   count(membership)    ──▶ so many have this adapter     │ and the others may answer without an id
//   publish("heartbeat") ──▶ Redis ──▶ this process too: Redis passes messages on
//
// A process counts in `membership` as soon as it is subscribed there, and is known as soon as it was heard. One that was
// removed since it was silent counts there too as long as its connection stays. It is not expected to answer.

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
import { RecoveringAdapter, type Returning, type SentEvent } from "./recovering-adapter.ts";
import type { HubMember, RedisHub, RedisHubOptions } from "./redis-hub.ts";
import type { ChannelListener, RedisLink } from "./redis-link.ts";

/**
 * Milliseconds that the acknowledgements of a broadcast are awaited where the program does not say. Redis may lose
 * the one that others wait for, and processes with other adapters do not tell that a client has gone.
 */
const ACK_TIMEOUT = 60_000;
/** How many removed processes are remembered. Anyone who can publish can invent any number of them. */
const MAX_LOST = 1_000;

/** A message of a process about itself. */
export type MembershipMessage = Extract<ClusterMessage, { readonly type: Membership }>;

export abstract class RedisHubAdapter<
    Sent extends SentEvent = SentEvent,
    Waiting extends Returning<Sent> = Returning<Sent>,
  >
  extends RecoveringAdapter<Sent, Waiting>
  implements HubMember
{
  protected readonly link: RedisLink;
  protected isOpen = true;
  private readonly redis: RedisHub;
  /** The channels that it is subscribed to as long as it is open. */
  private readonly own: string[] = [];
  /** Processes that were removed and may still be subscribed. */
  private readonly lost = new Set<NodeId>();
  private lastEcho = performance.now();
  private farewell: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(nsp: AdapterHost, redis: RedisHub, options: RedisHubOptions) {
    super(nsp, options);
    this.redis = redis;
    this.link = redis.add(this);
  }

  // What an adapter has to bring.

  /** Where requests are published, and where the processes with this adapter tell of themselves. */
  protected abstract readonly channels: { readonly requests: string; readonly membership: string };

  protected abstract encodeMembership(message: MembershipMessage): Bytes;

  protected abstract encodeRequest(request: ClusterRequest): Bytes;

  /**
   * Sends a message to all other processes. Resolves to whether Redis has taken it; never rejects.
   *
   * @throws TypeError, RangeError for a value that cannot be encoded
   */
  protected abstract send(message: ClusterCommand): Promise<boolean>;

  /** Ends what an adapter has beside its channels. Called once, by close(). */
  protected abstract release(): void;

  // What an adapter calls.

  /** Subscribes to channels until close(). Resolves when that is done, or Redis has taken too long. */
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
   * Publishes an answer for one process. If it cannot be encoded, that is reported.
   *
   * @param type of the answer, for the report
   */
  protected publishAnswer(channel: string, type: string, encode: () => Bytes): void {
    let bytes: Bytes;
    try {
      bytes = encode();
    } catch (error) {
      // The data of a socket, or a program's answer. The process that asked is told that this answer is missing.
      this.report(new Error(`an answer (${type}) cannot be encoded`, { cause: error }));
      return;
    }
    void this.link.publish(channel, bytes);
  }

  /** Takes what a process has told of itself. What this one has told comes back too. */
  protected onMembership(message: MembershipMessage, sender: NodeId): void {
    if (sender === this.id) {
      this.lastEcho = performance.now();
      this.link.onSound();
      return;
    }
    this.lost.delete(sender);
    this.receive(message, sender);
    // One that has said that it leaves will not be subscribed any more.
    if (message.type === "goodbye") this.lost.delete(sender);
  }

  // What the hub calls.

  /** Redis is connected, for the first time or again. @internal */
  onReady(): void {
    this.lastEcho = performance.now();
    // Before init() has ended it is told as "hello" there.
    if (this.isBeating) this.publish({ type: "hello" });
  }

  /** @internal */
  onLinkError(error: Error): void {
    this.dispatch("error", [error]);
  }

  // What the namespace calls.

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

  /** How many processes share the namespace, those with other adapters counted. */
  override async serverCount(): Promise<number> {
    const [count] = (await this.link.countSubscribers(this.channels.requests)) ?? [];
    return count ?? super.serverCount();
  }

  // What the cluster's part calls.

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
      // Processes with other adapters do not answer these.
      return { nodes, unknown: 0, failed: !(await this.send(request)) };
    }
    const [received, counts] = await Promise.all([
      this.link.publish(this.channels.requests, this.encodeRequest(request)),
      this.link.countSubscribers(this.channels.membership),
    ]);
    const [ours = 1] = counts ?? [];
    // Redis has not taken it: nobody will answer.
    if (received === undefined) return { nodes, unknown: 0, failed: true };
    // Processes that have come but were not heard yet, and those with other adapters.
    const others = Math.max(0, ours - 1 - nodes.length);
    // What was removed and is not subscribed any more does not come back.
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

  /** Keeps so many of the processes that were removed, the latest. */
  private forgetLost(most: number): void {
    for (const node of this.lost) {
      if (this.lost.size <= most) break;
      this.lost.delete(node);
    }
  }
}

/** Whether a message is one of a process about itself. */
export function isMembership(message: { readonly type: string }): message is MembershipMessage {
  const { type } = message;
  return type === "hello" || type === "heartbeat" || type === "goodbye";
}
