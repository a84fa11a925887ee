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

import { EVENT, type EventData, type Packet } from "../../protocol/socketio/packet.ts";
import { Deadlines } from "../deadlines.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import {
  Adapter,
  type AdapterHost,
  type BroadcastOptions,
  type RecoverableSession,
  type RecoveryFailure,
  type RestoredSession,
  type Room,
} from "./adapter.ts";

/** The option `connectionStateRecovery`. */
export interface RecoveryOptions {
  /** Milliseconds for which the session of a client that has gone is kept. Default 120,000. */
  readonly maxDisconnectionDuration?: number;
  /** A client that comes back does not pass the middleware again. Default `true`. */
  readonly skipMiddlewares?: boolean;
  /** Sessions that are kept in each namespace; the oldest are given up for others. Default 100,000. */
  readonly maxSessions?: number;
  /** Events that are kept in each namespace for clients that may come back. Default 10,000. */
  readonly maxPackets?: number;
}

/** Reasons that are not anybody's will: the client may come back. */
export const RECOVERABLE: ReadonlySet<string> = new Set([
  "transport error",
  "transport close",
  "forced close",
  "ping timeout",
  "server shutting down",
  "forced server close",
]);

const DEFAULT_MAX_DISCONNECTION_DURATION = 120_000;
const DEFAULT_MAX_SESSIONS = 100_000;
const DEFAULT_MAX_PACKETS = 10_000;

interface KeptPacket {
  readonly sequence: number;
  readonly message: Outgoing;
  readonly options: BroadcastOptions;
}

/** Rooms in memory, sessions that can be recovered, and the events that they may have missed. */
export class RecoveryAdapter extends Adapter {
  readonly #maxSessions: number;
  readonly #maxPackets: number;
  readonly #sessions = new Map<string, RecoverableSession>();
  readonly #expiries: Deadlines<string>;
  readonly #packets = new Set<KeptPacket>();
  readonly #packetExpiries: Deadlines<KeptPacket>;
  // Offsets are numbers in a row, so one that was given is comparable even when its packet is gone.
  #sequence = 0;
  #dropped = 0;

  /**
   * @param heartbeat milliseconds in which a client that has gone is found out: what was sent
   * meanwhile is missed as well, so events are kept for so much longer than sessions
   */
  constructor(nsp: AdapterHost, options: RecoveryOptions, heartbeat: number) {
    super(nsp);
    const { maxDisconnectionDuration: duration = DEFAULT_MAX_DISCONNECTION_DURATION } = options;
    this.#maxSessions = options.maxSessions ?? DEFAULT_MAX_SESSIONS;
    this.#maxPackets = options.maxPackets ?? DEFAULT_MAX_PACKETS;
    this.#expiries = new Deadlines(duration, (pid) => this.#sessions.delete(pid));
    this.#packetExpiries = new Deadlines(duration + heartbeat, (packet) => {
      this.#packets.delete(packet);
    });
  }

  /** Sessions that are kept. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Events that are kept. */
  get packetCount(): number {
    return this.#packets.size;
  }

  override close(): void {
    for (const pid of this.#sessions.keys()) this.#forget(pid);
    for (const packet of this.#packets) this.#packetExpiries.delete(packet);
    this.#packets.clear();
  }

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    if (packet.type !== EVENT || packet.id !== undefined) {
      super.broadcast(packet, options);
      return;
    }
    const stamped = this.stamp(packet.data, options);
    this.sendToMembers({ ...packet, data: stamped.data }, options, stamped.message);
  }

  /**
   * Puts an offset behind the arguments, and keeps the event unless it is volatile. A volatile one
   * has an offset too: clients take a text at the end of any event for one.
   */
  override stamp(
    event: EventData,
    options: BroadcastOptions,
  ): { data: EventData; message: Outgoing } {
    const { volatile = false, compress = true } = options.flags;
    if (!volatile) this.#sequence++;
    const [name, ...args] = event;
    const data: EventData = [name, ...args, this.offset];
    const message = this.nsp.encode({ type: EVENT, namespace: this.nsp.name, data }, compress);
    if (!volatile) this.#keep({ sequence: this.#sequence, message, options });
    return { data, message };
  }

  /** The offset of the last event. */
  override get offset(): string {
    return this.#sequence.toString(36);
  }

  override persistSession(session: RecoverableSession): void {
    this.#sessions.set(session.pid, session);
    this.#expiries.add(session.pid);
    if (this.#sessions.size <= this.#maxSessions) return;
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#forget(oldest);
  }

  override restoreSession(pid: string, offset?: string): RestoredSession | RecoveryFailure {
    const session = this.#sessions.get(pid);
    if (session === undefined) return "unknown session";
    // Once: of two that know the secret, the second is not the client.
    this.#forget(pid);
    const began = sequenceOf(session.offset) ?? 0;
    // Who has heard nothing yet has no offset, or one of an earlier session.
    const given = offset === undefined ? began : sequenceOf(offset);
    if (given === undefined || given > this.#sequence) return "unknown offset";
    const heard = Math.max(given, began);
    if (heard < this.#dropped) return "packets dropped";
    const missed: Outgoing[] = [];
    for (const packet of this.#packets) {
      if (packet.sequence > heard && concerns(packet.options, session)) missed.push(packet.message);
    }
    return { ...session, missed };
  }

  #forget(pid: string): void {
    this.#sessions.delete(pid);
    this.#expiries.delete(pid);
  }

  #keep(packet: KeptPacket): void {
    this.#packets.add(packet);
    this.#packetExpiries.add(packet);
    if (this.#packets.size <= this.#maxPackets) return;
    const [oldest] = this.#packets;
    if (oldest === undefined) return;
    this.#packets.delete(oldest);
    this.#packetExpiries.delete(oldest);
    this.#dropped = oldest.sequence;
  }
}

/** The number that an offset stands for, `undefined` for what is none. */
function sequenceOf(offset: string): number | undefined {
  const sequence = Number.parseInt(offset, 36);
  return sequence >= 0 && sequence.toString(36) === offset ? sequence : undefined;
}

function concerns({ rooms, except }: BroadcastOptions, session: RecoverableSession): boolean {
  const isIn = (room: Room): boolean => session.rooms.has(room);
  if ([...except].some(isIn)) return false;
  return rooms.size === 0 || [...rooms].some(isIn);
}
