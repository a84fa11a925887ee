// The adapter of one namespace in a cluster on one machine. Its messages pass through the primary, which also stores
// sessions and packets for clients that may reconnect to any worker.
//
// Connection state recovery: each event is sent with an offset as its last argument (lib/cluster/offset.ts). A packet
// that clients may miss is sent to the primary. If the packet is for other processes too, it is sent at the end of the
// current turn of the event loop. Otherwise it is sent within a few milliseconds. When the rooms or the data of a
// connected socket change, the worker sends them to the primary. When a client reconnects, its worker requests (claims)
// the stored session from the primary, and buffers the packets that are published in the meantime. The worker buffers
// its own packets as soon as it has sent the request. The worker buffers the packets of other workers only after the
// primary has answered, because the answer contains the earlier packets of other workers.

import { deserialize, serialize } from "node:v8";

import { EVENT, type EventData, type Packet } from "../../protocol/socketio/packet.ts";
import type { Link, LinkedAdapter } from "../cluster/link.ts";
import type { ClaimResult, KeptFor, MissedPacket, SessionRecord } from "../cluster/messages.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { Untyped } from "../events/emitter.ts";
import type {
  AdapterHost,
  BroadcastFlags,
  BroadcastOptions,
  Member,
  RecoverableSession,
  RecoveryFailure,
  RestoredSession,
  Room,
  SocketId,
} from "../socketio/adapter.ts";
import { noteSent } from "../socketio/recovering-clients.ts";
import type { RecoveryLimits } from "../socketio/recovery-store.ts";
import type { ClusterAnswer, ClusterMessage, NodeId } from "./cluster-messages.ts";
import { decodeMessage, encodeMessage } from "./ipc-messages.ts";
import {
  RecoveringAdapter,
  type RecoveringClient,
  type SentEvent,
  withOffset,
} from "./recovering-adapter.ts";

/**
 * The interval in which the data of every socket is checked for changes, in milliseconds. Each check covers a part of
 * the sockets.
 */
const DATA_INTERVAL = 2_000;
const DATA_PARTS = 10;

/** The adapter of one namespace in a cluster on one machine. */
export class IpcAdapter extends RecoveringAdapter<SentEvent> implements LinkedAdapter {
  private readonly link: Link;
  private readonly recovery: RecoveryLimits | undefined;
  /** The serialized `socket.data` of the connected recoverable sockets, as the primary has stored it. */
  private readonly knownData = new Map<SocketId, Buffer>();
  private dataCursor: IterableIterator<[SocketId, Buffer]> | undefined;
  private dataTimer: NodeJS.Timeout | undefined;

  /**
   * @param nsp the namespace
   * @param link the link to the primary
   * @param recovery the limits of connection state recovery. `undefined`: recovery is disabled
   */
  constructor(nsp: AdapterHost, link: Link, recovery: RecoveryLimits | undefined) {
    super(nsp);
    this.link = link;
    this.recovery = recovery;
  }

  get node(): NodeId {
    return this.id;
  }

  override init(): void | Promise<void> {
    this.link.join(this.nsp.name, this, this.recovery);
    if (this.recovery !== undefined)
      this.dataTimer = setInterval(() => this.lookAtData(), DATA_INTERVAL / DATA_PARTS).unref();
    return super.init();
  }

  override close(): void | Promise<void> {
    clearInterval(this.dataTimer);
    const closed = super.close();
    this.link.part(this.nsp.name, this);
    return closed;
  }

  // Methods that the base class requires.

  protected override publish(message: ClusterMessage): void {
    this.send(message, undefined);
  }

  protected override respond(to: NodeId, answer: ClusterAnswer): void {
    const { name: nsp } = this.nsp;
    this.attempt(() => {
      this.link.post({ type: "respond", nsp, node: this.id, to, body: encodeMessage(answer) });
    });
  }

  private send(message: ClusterMessage, kept: KeptFor | undefined): void {
    const { name: nsp } = this.nsp;
    this.attempt(() => {
      const body = encodeMessage(message);
      this.link.post({ type: "publish", nsp, node: this.id, body, kept });
    });
  }

  // Methods that the link calls.

  onMessage(from: NodeId, body: Uint8Array): void {
    const message = decodeMessage(body);
    if (message.type === "broadcast" && this.isStamped(message.packet)) {
      const { packet, options } = message;
      // The packet is not buffered for a client whose claim the primary has not answered yet,
      // because the answer will contain this packet.
      const waiting = [...this.recovering].filter(({ session }) => session !== undefined);
      this.attempt(() => this.deliver(packet.data, options, waiting));
    } else {
      this.receive(message, from);
    }
  }

  onGone(node: NodeId): void {
    this.receive({ type: "goodbye" }, node);
  }

  onReturned(pid: string): void {
    this.nsp.onReturned?.(pid);
  }

  // Methods for connection state recovery.

  private isStamped(packet: Packet): packet is Packet & { readonly type: typeof EVENT } {
    return this.recovery !== undefined && packet.type === EVENT && packet.id === undefined;
  }

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    if (!this.isStamped(packet)) {
      super.broadcast(packet, options);
      return;
    }
    const kept = this.keptFor(options);
    if (options.flags.local !== true) this.send({ type: "broadcast", packet, options }, kept);
    else if (kept !== undefined) this.keep(packet, options, kept);
    this.deliver(packet.data, options, this.recovering);
  }

  override emitTo(member: Member, packet: Packet, flags: BroadcastFlags): void {
    if (!this.isStamped(packet)) {
      super.emitTo(member, packet, flags);
      return;
    }
    const options = { rooms: new Set([member.id]), except: new Set<Room>(), flags };
    const kept = this.keptFor(options);
    if (kept !== undefined) this.keep(packet, options, kept);
    const data = withOffset(packet.data, this.offset);
    member.notifyOutgoingListeners({ type: EVENT, namespace: this.nsp.name, data });
    member.deliver(this.encode(data, options), flags.volatile ?? false);
  }

  override get offset(): string {
    return this.recovery === undefined ? "" : this.link.offset;
  }

  /** Sends an event with an offset to the clients of this process, and buffers it for clients that are reconnecting. */
  private deliver(
    event: EventData,
    options: BroadcastOptions,
    recovering: Iterable<RecoveringClient<SentEvent>>,
  ): void {
    const data = withOffset(event, this.offset);
    const packet: Packet = { type: EVENT, namespace: this.nsp.name, data };
    let message: Outgoing | undefined;
    for (const each of options.flags.volatile === true ? [] : recovering) {
      message ??= this.encode(data, options);
      noteSent(each, { message, options }, this.maxReplay);
    }
    this.sendToMembers(packet, options, message);
  }

  private encode(data: EventData, { flags }: BroadcastOptions): Outgoing {
    const packet: Packet = { type: EVENT, namespace: this.nsp.name, data };
    return this.nsp.encode(packet, flags.compress ?? true);
  }

  /**
   * Assigns a number to a packet, and returns the number and the rooms of the clients that may miss the packet. Returns
   * `undefined` if the packet need not be stored.
   */
  private keptFor({ rooms, except, flags }: BroadcastOptions): KeptFor | undefined {
    if (flags.volatile === true) return undefined;
    const kept = [...rooms].filter(isPortable);
    // If no name of a room can be sent to another process, the packet is not stored: an empty list of rooms would mean
    // all sockets.
    if (kept.length === 0 && rooms.size > 0) return undefined;
    return {
      sequence: this.link.nextSequence(),
      rooms: kept,
      except: [...except].filter(isPortable),
      local: flags.local === true,
    };
  }

  private keep(packet: Packet, options: BroadcastOptions, kept: KeptFor): void {
    const { name: nsp } = this.nsp;
    this.attempt(() => {
      const body = encodeMessage({ type: "broadcast", packet, options });
      this.link.postLater({ type: "keep", nsp, body, kept });
    });
  }

  override persistSession(session: RecoverableSession): void {
    this.stopRecoveries(session.pid);
    this.pids.delete(session.sid);
    this.knownData.delete(session.sid);
    const { name: nsp } = this.nsp;
    const record = this.recordOf(session, encodeData(session.data));
    this.link.post({ type: "persist", nsp, session: record });
  }

  override restoreSession(
    pid: string,
    offset?: string,
  ): RecoveryFailure | Promise<RestoredSession | RecoveryFailure> {
    if (this.recovery === undefined) return "unknown session";
    const recovering: RecoveringClient<SentEvent> = { pid, session: undefined, sent: [] };
    this.recovering.add(recovering);
    return new Promise((resolve) => {
      this.link.claim(this.nsp.name, pid, offset, (result) =>
        resolve(this.onClaimed(recovering, result)),
      );
    });
  }

  private onClaimed(
    recovering: RecoveringClient<SentEvent>,
    result: ClaimResult,
  ): RestoredSession | RecoveryFailure {
    if (typeof result === "string") {
      this.recovering.delete(recovering);
      return result;
    }
    const { session: record } = result;
    const missed = result.missed.flatMap((packet) => this.missedMessage(packet));
    // The primary has limited the size of the packets as it stores them, in MessagePack. The encoding that the client
    // receives can be larger, so this worker checks the size again.
    const size = missed.reduce((sum, { length }) => sum + length, 0);
    if (size > this.maxReplay) {
      this.recovering.delete(recovering);
      this.link.post({ type: "socket-gone", nsp: this.nsp.name, pid: record.pid });
      return "packets dropped";
    }
    const session: RestoredSession = {
      sid: record.sid,
      pid: record.pid,
      rooms: new Set(record.rooms),
      data: deserialize(record.data),
      offset: record.offset,
      address: record.address,
      missed,
    };
    recovering.session = session;
    // The primary now regards the session as connected to this worker. From now on, this worker reports changes of the
    // session to the primary.
    this.pids.set(record.sid, record.pid);
    return session;
  }

  private missedMessage({ body, offset }: MissedPacket): Outgoing[] {
    const message = decodeMessage(body);
    if (message.type !== "broadcast" || message.packet.type !== EVENT) return [];
    const { options, packet } = message;
    const encoded: Outgoing[] = [];
    this.attempt(() => encoded.push(this.encode(withOffset(packet.data, offset), options)));
    return encoded;
  }

  protected override get maxReplay(): number {
    return this.recovery?.maxReplay ?? 0;
  }

  // Methods that send the state of the connected sockets to the primary.

  protected override get recovers(): boolean {
    return this.recovery !== undefined;
  }

  protected override saveSession(session: RecoverableSession): void {
    const data = encodeData(session.data);
    this.knownData.set(session.sid, data);
    const { name: nsp } = this.nsp;
    this.link.post({ type: "socket", nsp, session: this.recordOf(session, data) });
  }

  protected override forgetSession(id: SocketId, pid: string): void {
    this.knownData.delete(id);
    this.link.post({ type: "socket-gone", nsp: this.nsp.name, pid });
  }

  private recordOf(session: RecoverableSession, data: Uint8Array): SessionRecord {
    const { sid, pid, rooms, offset } = session;
    const address = session.address ?? this.nsp.sockets.get(sid)?.conn?.addressGroup;
    return { sid, pid, rooms: [...rooms].filter(isPortable), data, offset, address };
  }

  /**
   * Sends changed `socket.data` to the primary. The values are compared regularly, because the adapter is not called
   * when the user changes `socket.data`.
   */
  private lookAtData(): void {
    for (let left = Math.ceil(this.knownData.size / DATA_PARTS); left > 0; left--) {
      const next = this.dataCursor?.next();
      if (next === undefined || next.done === true) {
        this.dataCursor = this.knownData.entries();
        continue;
      }
      const [id, known] = next.value;
      const member = this.nsp.sockets.get(id);
      if (member !== undefined && !encodeData(member.data).equals(known)) this.note(id);
    }
  }
}

/**
 * Returns whether a room's name has the same meaning in another process. JavaScript users can use any value as a name.
 * An object is a different object in another process, and a symbol or a function cannot be sent.
 */
function isPortable(room: unknown): boolean {
  return room === null || !["object", "symbol", "function"].includes(typeof room);
}

/**
 * Serializes the data of a socket. Properties that the structured clone algorithm does not support, such as functions,
 * are omitted.
 */
function encodeData(data: Untyped): Buffer {
  try {
    return serialize(data);
  } catch {
    const copied: Record<string, Untyped> = {};
    for (const [name, value] of Object.entries(data)) {
      try {
        copied[name] = deserialize(serialize(value));
      } catch {
        // This property is omitted.
      }
    }
    return serialize(copied);
  }
}
