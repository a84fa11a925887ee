// Connection state recovery: a client that comes back in time is the same socket again, in the same
// rooms, and gets what it has missed.
//
//   server                                  client
//     ── CONNECT {"sid","pid"} ──▶            pid: a secret that names the session
//     ── EVENT ["a", 1, "k3"] ──▶             the last argument is an offset: how far it has heard
//            (the connection breaks; the session is kept, and what is sent to its rooms)
//     ◀── CONNECT {"pid","offset"} ──         from now on nobody else can come back with this pid
//     ── CONNECT {"sid","pid"}, the same ──▶
//     ── EVENT … what came after the offset ──▶

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
import {
  type Offset,
  type RecoveryBounds,
  type RecoveryLimits,
  RecoveryStore,
  type StoredPacket,
  sizeWith,
} from "./recovery-store.ts";
import { endReturn, noteSent, type Returning, type SentEvent, stopReturns } from "./returning.ts";

import { valueSize } from "./value-size.ts";

/** The option `connectionStateRecovery`. */
export interface RecoveryOptions {
  /** Milliseconds for which the session of a client that has gone is kept. Default 120,000. */
  readonly maxDisconnectionDuration?: number;
  /** A client that comes back does not pass the middleware again. Default `true`. */
  readonly skipMiddlewares?: boolean;
  /**
   * Sessions that are kept in all namespaces. Beyond, the oldest of the address with about the most are given up.
   * Default 100,000.
   */
  readonly maxSessions?: number;
  /**
   * Events that are kept in all namespaces for clients that may come back. Beyond, the oldest of the room or the address
   * with about the most are given up. Default 10,000.
   */
  readonly maxPackets?: number;
  /**
   * Bytes that the events may take, and the sessions as many again. A session counts with its rooms and its `data`. In one
   * process these are measured once, when the client goes: texts, binary data, arrays, plain objects, maps and sets, of the
   * first 10,000 values, and an instance of another class as 16 bytes. In workers their serialized form counts. Default 128 MiB.
   */
  readonly maxBytes?: number;
}

/** What each option must be. */
export const RECOVERY_OPTIONS: OptionTable<RecoveryOptions> = {
  maxBytes: limit,
  maxDisconnectionDuration: duration,
  maxPackets: limit,
  maxSessions: limit,
  skipMiddlewares: boolean,
};

/** Reasons that are not anybody's will: the client may come back. */
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
 * @param heartbeat milliseconds in which a client that has gone is found out: what was sent
 * meanwhile is missed as well, so events are kept for so much longer than sessions
 * @param maxBackpressure bytes that may wait for a client. Half of them may be what it has missed, so that there is room
 * for what is sent while it receives that
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

/** An event that was sent. */
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
  // Shared by the clients that receive it at one time. It has the frames beside the text, which are kept for nobody.
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

  /** Its place in the one row of this process. */
  get index(): number {
    return this.sequence;
  }

  get message(): Outgoing {
    const shared = this.#message.deref();
    if (shared !== undefined) return shared;
    // #stamp() keeps only events that nobody awaits an acknowledgement of.
    const message = new Outgoing(this.#packets, this.#compress, true);
    this.#message = new WeakRef(message);
    return message;
  }
}

/** Returns as many bytes as a packet takes in memory: a text that is not ASCII may take two for each character. */
function bytesOf(packet: string | Uint8Array): number {
  if (typeof packet !== "string") return packet.byteLength;
  const bytes = utf8Length(packet);
  return bytes === packet.length ? bytes : Math.max(bytes, 2 * packet.length);
}

/** An event with its offset. */
interface Stamped {
  readonly packet: Packet;
  readonly message: Outgoing;
}

/** Rooms in memory, sessions that can be recovered, and the events that they may have missed. */
export class RecoveryAdapter extends Adapter {
  readonly #store: RecoveryStore<RecoverableSession, SentPacket>;
  readonly #maxReplay: number;
  readonly #returning = new Set<Returning<SentEvent>>();
  // Offsets are numbers in a row, so one that was given is comparable even when its packet is gone.
  #sequence = 0;

  /** @param bounds of all namespaces together */
  constructor(nsp: AdapterHost, bounds: RecoveryBounds) {
    super(nsp);
    this.#maxReplay = bounds.limits.maxReplay;
    this.#store = new RecoveryStore(nsp.name, bounds, offsetOf, (id) => this.#addressOf(id));
  }

  /** Sessions that are kept. */
  get sessionCount(): number {
    return this.#store.sessionCount;
  }

  /** Events that are kept. */
  get packetCount(): number {
    return this.#store.packetCount;
  }

  /** Clients that have come back and that the middleware has not let in yet. */
  get returningCount(): number {
    return this.#returning.size;
  }

  override close(): void {
    this.#returning.clear();
    this.#store.close();
  }

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    const stamped = this.#stamp(packet, options);
    if (stamped === undefined) {
      super.broadcast(packet, options);
      return;
    }
    const { message } = stamped;
    if (this.#returning.size > 0 && options.flags.volatile !== true)
      for (const each of this.#returning) noteSent(each, { message, options }, this.#maxReplay);
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
   * Puts an offset behind the arguments of an event, and keeps the event unless it is volatile. A
   * volatile one has an offset too: clients take a text at the end of any event for one. An event that
   * is to be acknowledged has none, since nobody would wait for the acknowledgement any more.
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
    stopReturns(this.#returning, session.pid);
    const { sid, pid, address = this.#addressOf(sid), data, rooms, offset } = session;
    // Without what it had missed, if it comes from a client that has not come back after all.
    this.#store.keep({ sid, pid, rooms, data, offset, address }, sizeWith(valueSize(data), rooms));
  }

  override restoreSession(pid: string, offset?: string): RestoredSession | RecoveryFailure {
    const recovered = this.#store.recover(pid, offset, this.#sequence);
    if (typeof recovered === "string") return recovered;
    const missed = recovered.missed.map(({ message }) => message);
    const session: RestoredSession = { ...recovered.session, missed };
    this.#returning.add({ pid, session, sent: [] });
    return session;
  }

  override endReturn(session: RestoredSession): readonly Outgoing[] | undefined {
    return endReturn(this.#returning, session, this.#maxReplay);
  }

  #addressOf(id: string): string | undefined {
    return this.nsp.sockets.get(id)?.conn?.addressGroup;
  }
}

/** Reads an offset. Returns `undefined` for what is none. */
function offsetOf(text: string): Offset | undefined {
  const sequence = Number.parseInt(text, 36);
  if (!(sequence >= 0) || sequence.toString(36) !== text) return undefined;
  return { worker: 0, sequence, index: sequence };
}
