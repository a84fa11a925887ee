// Remembers which stored packets were dropped before they expired (the "losses"). A client that may
// have missed a dropped packet cannot recover its session. The losses are recorded by room. If
// there are too many records, the store selects an owner with approximately the most records, and
// merges records of this owner into coarser records, as shown below. An owner is the IP address of
// a client, or a room.
//
//   losses of a room ── too many ──▶ losses of an address ── too many ──▶ losses of everybody
//       └────── the room is not named by a socket's id, so it has no address ─▲

import { Deadlines } from "../deadlines.ts";
import { FairEviction, Kept } from "./fair-eviction.ts";

/**
 * The position of a packet. `sequence` numbers the packets of one worker. `index` numbers the
 * packets of all workers. In a single process, `worker` is 0 and both numbers are equal. A client
 * with this offset has received all packets up to `index`, and the packets of `worker` up to
 * `sequence`.
 */
export interface Offset {
  readonly worker: number;
  readonly sequence: number;
  readonly index: number;
}

/** Approximate size of a record, in bytes. */
const SIZE = 1024;

/** The bounds on the records of all namespaces. */
export class DroppedPacketsBounds {
  readonly rooms: FairEviction;
  readonly addresses: FairEviction;

  /**
   * Creates the bounds.
   *
   * @param maxCount largest number of records by room, and largest number of records by address
   */
  constructor(maxCount: number) {
    this.rooms = new FairEviction(maxCount, Number.POSITIVE_INFINITY);
    this.addresses = new FairEviction(maxCount, Number.POSITIVE_INFINITY);
  }
}

/**
 * A record of dropped packets: contains the position of the last dropped packet of each worker.
 * Earlier packets count as dropped, too.
 */
class Loss extends Kept {
  readonly places = new Map<number, Offset>();
  readonly size = SIZE;
  readonly owner: string;
  readonly forget: () => void;
  readonly giveUp: () => void;

  constructor(owner: string, forget: () => void, giveUp: () => void) {
    super();
    this.owner = owner;
    this.forget = forget;
    this.giveUp = giveUp;
  }

  add(place: Offset): void {
    const { worker, index } = place;
    if (index >= (this.places.get(worker)?.index ?? 0)) this.places.set(worker, place);
  }
}

export class DroppedPackets<Room> {
  readonly #bounds: DroppedPacketsBounds;
  readonly #everybody = new Map<"everybody", Loss>();
  readonly #addresses = new Map<string, Loss>();
  readonly #rooms = new Map<Room, Loss>();
  readonly #expiries: Deadlines<Loss>;

  /**
   * Creates an empty record.
   *
   * @param duration how long losses are remembered, in milliseconds. After that time, no stored
   * session can have missed the packets
   */
  constructor(bounds: DroppedPacketsBounds, duration: number) {
    this.#bounds = bounds;
    this.#expiries = new Deadlines(duration, ({ forget }) => forget());
  }

  /** Whether there are losses recorded by address. */
  get hasAddresses(): boolean {
    return this.#addresses.size > 0;
  }

  /** The positions of dropped packets that any client may have missed. */
  get ofEverybody(): Iterable<Offset> {
    return placesOf(this.#everybody.values());
  }

  /** The positions of dropped packets that were sent to a room. */
  ofRoom(room: Room): Iterable<Offset> {
    return this.#rooms.get(room)?.places.values() ?? [];
  }

  /**
   * Returns the positions of dropped packets that were sent to sockets of an address. Without an
   * argument, returns the positions for all addresses.
   */
  ofAddress(address?: string): Iterable<Offset> {
    if (address === undefined) return placesOf(this.#addresses.values());
    return this.#addresses.get(address)?.places.values() ?? [];
  }

  /** Records the loss of a packet that was sent to everybody or to several rooms. */
  addForEverybody(place: Offset): void {
    this.#add(this.#everybody, "everybody", "", undefined, place, () => {});
  }

  /**
   * Records the loss of a packet that was sent to one room.
   *
   * @param owner the owner of the packet: an address, or the room itself
   * @param isAddress whether `owner` is an address. If the name of the room is the id of a socket,
   * the owner is the address of the socket's client
   */
  addForRoom(room: Room, owner: string, isAddress: boolean, place: Offset): void {
    this.#add(this.#rooms, room, owner, this.#bounds.rooms, place, (lost) => {
      if (isAddress) this.#addForAddress(owner, lost);
      else this.addForEverybody(lost);
    });
  }

  /**
   * Forgets the losses that were recorded for a room. Called with the room of a socket when the
   * session of the socket can no longer be recovered.
   */
  forget(room: Room): void {
    this.#rooms.get(room)?.forget();
  }

  /** Forgets all losses. */
  clear(): void {
    for (const losses of [this.#everybody, this.#addresses, this.#rooms])
      for (const loss of [...losses.values()]) loss.forget();
  }

  #addForAddress(address: string, place: Offset): void {
    this.#add(this.#addresses, address, address, this.#bounds.addresses, place, (lost) =>
      this.addForEverybody(lost),
    );
  }

  #add<Key>(
    losses: Map<Key, Loss>,
    key: Key,
    owner: string,
    bound: FairEviction | undefined,
    place: Offset,
    generalise: (place: Offset) => void,
  ): void {
    let loss = losses.get(key);
    if (loss === undefined) {
      const forget = (): void => {
        if (loss === undefined || losses.get(key) !== loss) return;
        losses.delete(key);
        this.#expiries.delete(loss);
        bound?.delete(loss);
      };
      const giveUp = (): void => {
        forget();
        for (const each of loss?.places.values() ?? []) generalise(each);
      };
      loss = new Loss(owner, forget, giveUp);
      losses.set(key, loss);
    }
    loss.add(place);
    this.#expiries.add(loss);
    // This is the last step, because `bound` may immediately drop the new record.
    if (loss.account === undefined) bound?.add(loss);
  }
}

function* placesOf(losses: Iterable<Loss>): Generator<Offset> {
  for (const { places } of losses) yield* places.values();
}
