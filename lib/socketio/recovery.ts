// Connection state recovery: a client that reconnects in time gets its id, rooms and data back, and
// receives the packets that it missed.
//
//   server                                  client
//     ── CONNECT {"sid","pid"} ──▶            pid: a secret that identifies the session
//     ── EVENT ["a", 1, "k3"] ──▶             the last argument is the offset of the event
//            (the connection breaks; the server stores the session, and the packets for its rooms)
//     ◀── CONNECT {"pid","offset"} ──         offset: the offset of the last event that the client received
//     ── CONNECT {"sid","pid"} ──▶            the same values as before
//     ── EVENT … the events after the offset ──▶

import { utf8Length } from "../../protocol/bytes.ts";
import { EVENT, type EventData, type Packet } from "../../protocol/socketio/packet.ts";
import { Outgoing } from "../engineio/outgoing.ts";
import { boolean, limit, type OptionTable } from "../events/options.ts";
import { duration } from "../node-options.ts";
import {
  Adapter,
  type AdapterHost,
  type BroadcastFlags,
  type BroadcastOptions,
  type Member,
  type RecoverableSession,
  type RecoveryFailure,
  type RestoredSession,
  type Room,
} from "./adapter.ts";
import { estimateMemory } from "./memory-estimate.ts";
import {
  endRecovery,
  noteSent,
  type RecoveringClient,
  type SentEvent,
  stopRecoveries,
} from "./recovering-clients.ts";
import {
  type Offset,
  type RecoveryBounds,
  type RecoveryLimits,
  RecoveryStore,
  type StoredPacket,
  sizeWith,
} from "./recovery-store.ts";

/** The option `connectionStateRecovery`. */
export interface RecoveryOptions {
  /** How long the session of a disconnected client is kept, in milliseconds. Default: 120,000. */
  readonly maxDisconnectionDuration?: number;
  /** Do not run the middleware again for a recovered client. Default: `true`. */
  readonly skipMiddlewares?: boolean;
  /**
   * Largest number of sessions kept in all namespaces. If there are more sessions, the oldest
   * sessions of the address with approximately the largest share of the sessions are dropped.
   * Default: 100,000.
   */
  readonly maxSessions?: number;
  /**
   * Largest number of events kept in all namespaces. If there are more events, the oldest events of
   * the room or address with approximately the largest share of the events are dropped. Default:
   * 10,000.
   */
  readonly maxPackets?: number;
  /**
   * Largest total size of the kept events, in bytes. The same limit applies separately to the
   * sessions. The size of a session includes its rooms and its `data`. Default: 134,217,728 (128
   * MiB).
   *
   * In a single process, rooms and `data` are measured once, when the client disconnects. Strings,
   * binary data, arrays, plain objects, maps and sets are measured up to their first 10,000 values.
   * An instance of another class counts as 16 bytes. In a cluster of workers, the size of the
   * serialized session counts.
   */
  readonly maxBytes?: number;
}

/** The checks of the options. */
export const RECOVERY_OPTIONS: OptionTable<RecoveryOptions> = {
  maxBytes: limit,
  maxDisconnectionDuration: duration,
  maxPackets: limit,
  maxSessions: limit,
  skipMiddlewares: boolean,
};

/**
 * The reasons after which a session can be recovered. A session cannot be recovered if the
 * application or the client has called disconnect() on the socket.
 */
export const RECOVERABLE: ReadonlySet<string> = new Set([
  "transport error",
  "transport close",
  "forced close",
  "ping timeout",
  "server shutting down",
  "forced server close",
]);

export const DEFAULT_MAX_DISCONNECTION_DURATION = 120_000;
const DEFAULT_MAX_SESSIONS = 100_000;
const DEFAULT_MAX_PACKETS = 10_000;
const DEFAULT_MAX_BYTES = 128 * 1024 * 1024;

/**
 * Returns the options with their defaults.
 *
 * @param heartbeat time in which the server detects a broken connection, in milliseconds. The
 * client also misses the events of that time. Therefore events are kept for the duration of a
 * session plus this time
 * @param maxBackpressure largest number of bytes that may be queued for a client. Missed packets
 * may use half of this number. The other half is for packets that are sent while the client
 * receives the missed packets
 */
export function limitsOf(
  options: RecoveryOptions,
  heartbeat: number,
  maxBackpressure: number,
): RecoveryLimits {
  const { maxDisconnectionDuration: sessionDuration = DEFAULT_MAX_DISCONNECTION_DURATION } =
    options;
  return {
    sessionDuration,
    packetDuration: sessionDuration + heartbeat,
    maxSessions: options.maxSessions ?? DEFAULT_MAX_SESSIONS,
    maxPackets: options.maxPackets ?? DEFAULT_MAX_PACKETS,
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    maxReplay: maxBackpressure / 2,
  };
}

/** An event that was sent and is kept. */
class SentPacket implements StoredPacket {
  readonly worker = 0;
  readonly sequence: number;
  readonly rooms: ReadonlySet<Room>;
  readonly except: ReadonlySet<Room>;
  readonly local = false;
  readonly size: number;
  readonly length: number;
  readonly #packets: Outgoing["packets"];
  readonly #compress: boolean;
  // The encoded message, shared by the clients that recover at about the same time. The reference
  // is weak, because the message also caches encoded frames, which need not be kept.
  #message: WeakRef<Outgoing>;

  constructor(sequence: number, message: Outgoing, { rooms, except }: BroadcastOptions) {
    this.sequence = sequence;
    this.rooms = rooms;
    this.except = except;
    this.size = sizeWith(
      message.packets.reduce((sum, each) => sum + bytesOf(each), 0),
      rooms,
      except,
    );
    this.length = message.length;
    this.#packets = message.packets;
    this.#compress = message.compress;
    this.#message = new WeakRef(message);
  }

  /** The position of the event. In a single process, `index` and `sequence` are equal. */
  get index(): number {
    return this.sequence;
  }

  get message(): Outgoing {
    const shared = this.#message.deref();
    if (shared !== undefined) return shared;
    // The last argument means that the message may be dropped if the client reads too slowly. This
    // is allowed, because #stamp() keeps no event that requests an acknowledgement.
    const message = new Outgoing(this.#packets, this.#compress, true);
    this.#message = new WeakRef(message);
    return message;
  }
}

/**
 * Returns the size of a packet in memory, in bytes. A string with non-ASCII characters may use two
 * bytes per character.
 */
function bytesOf(packet: string | Uint8Array): number {
  if (typeof packet !== "string") return packet.byteLength;
  const bytes = utf8Length(packet);
  return bytes === packet.length ? bytes : Math.max(bytes, 2 * packet.length);
}

/** An event with its offset appended. */
interface Stamped {
  readonly packet: Packet;
  readonly message: Outgoing;
}

/**
 * An adapter in memory that stores the sessions of disconnected clients, and the events that they
 * may have missed.
 */
export class RecoveryAdapter extends Adapter {
  readonly #store: RecoveryStore<RecoverableSession, SentPacket>;
  readonly #maxReplay: number;
  readonly #recovering = new Set<RecoveringClient<SentEvent>>();
  // Offsets are consecutive numbers. So an offset can be compared even after its packet has been
  // dropped.
  #sequence = 0;

  /**
   * Creates an adapter.
   *
   * @param bounds the bounds that all namespaces share
   */
  constructor(nsp: AdapterHost, bounds: RecoveryBounds) {
    super(nsp);
    this.#maxReplay = bounds.limits.maxReplay;
    this.#store = new RecoveryStore(nsp.name, bounds, offsetOf, (id) => this.#addressOf(id));
  }

  /** The number of stored sessions. */
  get sessionCount(): number {
    return this.#store.sessionCount;
  }

  /** The number of stored events. */
  get packetCount(): number {
    return this.#store.packetCount;
  }

  /** The number of clients that are recovering a session but have not passed the middleware yet. */
  get returningCount(): number {
    return this.#recovering.size;
  }

  override close(): void {
    this.#recovering.clear();
    this.#store.close();
  }

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    const stamped = this.#stamp(packet, options);
    if (stamped === undefined) {
      super.broadcast(packet, options);
      return;
    }
    const { message } = stamped;
    if (this.#recovering.size > 0 && options.flags.volatile !== true)
      for (const each of this.#recovering) noteSent(each, { message, options }, this.#maxReplay);
    this.sendToMembers(stamped.packet, options, message);
  }

  override emitTo(member: Member, packet: Packet, flags: BroadcastFlags): void {
    const rooms = new Set([member.id]);
    const stamped = this.#stamp(packet, { rooms, except: new Set(), flags });
    if (stamped === undefined) {
      super.emitTo(member, packet, flags);
      return;
    }
    member.notifyOutgoingListeners(stamped.packet);
    member.deliver(stamped.message, flags.volatile ?? false);
  }

  /**
   * Appends an offset to the arguments of an event, and stores the event unless it is volatile.
   * Volatile events have an offset, too, because clients interpret a string at the end of any event
   * as an offset. An event that requests an acknowledgement has no offset and is not stored: after
   * a recovery, the callback would no longer exist.
   */
  #stamp(packet: Packet, options: BroadcastOptions): Stamped | undefined {
    if (packet.type !== EVENT || packet.id !== undefined) return undefined;
    const { volatile = false, compress = true } = options.flags;
    if (!volatile) this.#sequence++;
    const [name, ...args] = packet.data;
    const data: EventData = [name, ...args, this.offset];
    const stamped: Packet = { ...packet, data };
    const message = this.nsp.encode(stamped, compress);
    if (!volatile) this.#store.add(new SentPacket(this.#sequence, message, options));
    return { packet: stamped, message };
  }

  /** The offset of the last event. */
  override get offset(): string {
    return this.#sequence.toString(36);
  }

  override persistSession(session: RecoverableSession): void {
    stopRecoveries(this.#recovering, session.pid);
    const { sid, pid, address = this.#addressOf(sid), data, rooms, offset } = session;
    // A restored session that is stored again also contains its missed packets. The missed packets
    // are not stored with the session, because the store still contains them.
    this.#store.keep(
      { sid, pid, rooms, data, offset, address },
      sizeWith(estimateMemory(data), rooms),
    );
  }

  override restoreSession(pid: string, offset?: string): RestoredSession | RecoveryFailure {
    const recovered = this.#store.recover(pid, offset, this.#sequence);
    if (typeof recovered === "string") return recovered;
    const missed = recovered.missed.map(({ message }) => message);
    const session: RestoredSession = { ...recovered.session, missed };
    this.#recovering.add({ pid, session, sent: [] });
    return session;
  }

  override endRecovery(session: RestoredSession): readonly Outgoing[] | undefined {
    return endRecovery(this.#recovering, session, this.#maxReplay);
  }

  #addressOf(id: string): string | undefined {
    return this.nsp.sockets.get(id)?.conn?.addressGroup;
  }
}

/** Parses an offset. Returns `undefined` for an invalid offset. */
function offsetOf(text: string): Offset | undefined {
  const sequence = Number.parseInt(text, 36);
  if (!(sequence >= 0) || sequence.toString(36) !== text) return undefined;
  return { worker: 0, sequence, index: sequence };
}
