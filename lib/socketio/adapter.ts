// Who is in which room, and the way to all of them. This one serves one process; the names are
// those that adapters for socket.io have.

import type { Packet } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";

export type Room = string;
export type SocketId = string;

/** Who should receive, and how: a value, built step by step by to(), in(), except() and the flags. */
export interface BroadcastOptions {
  /** None: everybody in the namespace. Several: who is in any of them, once each. */
  readonly rooms: ReadonlySet<Room>;
  readonly except: ReadonlySet<Room>;
  readonly flags: BroadcastFlags;
}

export interface BroadcastFlags {
  /** Dropped for a client that cannot take it now. */
  readonly volatile?: boolean;
  /** Clients of this process only. */
  readonly local?: boolean;
  /** Worth compressing, where the transport can. Default `true`. */
  readonly compress?: boolean;
  /** Milliseconds to wait for acknowledgements. */
  readonly timeout?: number;
}

/** One client as an adapter sees it. */
export interface Member {
  /** Sends what was encoded for many. */
  deliver(message: Outgoing, volatile: boolean): void;
}

/** The namespace as an adapter sees it. */
export interface AdapterHost {
  readonly name: string;
  readonly sockets: ReadonlyMap<SocketId, Member>;
  encode(packet: Packet, compress: boolean): Outgoing;
}

export class Adapter {
  readonly nsp: AdapterHost;
  readonly rooms: Map<Room, Set<SocketId>> = new Map();
  readonly sids: Map<SocketId, Set<Room>> = new Map();

  constructor(nsp: AdapterHost) {
    this.nsp = nsp;
  }

  /** Puts a socket into rooms. */
  addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    let joined = this.sids.get(id);
    if (joined === undefined) {
      joined = new Set();
      this.sids.set(id, joined);
    }
    for (const room of rooms) {
      joined.add(room);
      const members = this.rooms.get(room);
      if (members === undefined) this.rooms.set(room, new Set([id]));
      else members.add(id);
    }
  }

  /** Takes a socket out of a room. */
  del(id: SocketId, room: Room): void | Promise<void> {
    this.sids.get(id)?.delete(room);
    this.#leave(id, room);
  }

  /** Takes a socket out of all rooms. */
  delAll(id: SocketId): void {
    for (const room of this.sids.get(id) ?? []) this.#leave(id, room);
    this.sids.delete(id);
  }

  /** The rooms of a socket, or `undefined` for one that is in none. */
  socketRooms(id: SocketId): Set<Room> | undefined {
    return this.sids.get(id);
  }

  /** Sends a packet, encoded once, to all whom `options` means. */
  broadcast(packet: Packet, options: BroadcastOptions): void {
    const { compress = true, volatile = false } = options.flags;
    let message: Outgoing | undefined;
    for (const member of this.members(options)) {
      message ??= this.nsp.encode(packet, compress);
      member.deliver(message, volatile);
    }
  }

  /** The sockets of this process whom `options` means, each once. */
  *members({ rooms, except }: BroadcastOptions): Generator<Member> {
    const { sockets } = this.nsp;
    const excluded = this.#idsIn(except);
    for (const id of rooms.size === 0 ? sockets.keys() : this.#idsIn(rooms)) {
      const member = excluded.has(id) ? undefined : sockets.get(id);
      if (member !== undefined) yield member;
    }
  }

  /** A room that exists is given as it is; several are joined. */
  #idsIn(rooms: ReadonlySet<Room>): ReadonlySet<SocketId> {
    const sets: Set<SocketId>[] = [];
    for (const room of rooms) {
      const ids = this.rooms.get(room);
      if (ids !== undefined) sets.push(ids);
    }
    const [only] = sets;
    if (sets.length <= 1) return only ?? NOBODY;
    return new Set(sets.flatMap((ids) => [...ids]));
  }

  #leave(id: SocketId, room: Room): void {
    const members = this.rooms.get(room);
    members?.delete(id);
    if (members?.size === 0) this.rooms.delete(room);
  }
}

const NOBODY: ReadonlySet<SocketId> = new Set();
