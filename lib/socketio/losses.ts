// Which packets were given up before their time: whoever may have missed one of them cannot recover. They are told apart
// by rooms. Within their bound, those of an owner that has about the most are told apart no more.
//
//   of a room ── too many ──▶ of all sockets of an address ── too many ──▶ of everybody
//       └────── a named room has no address ──────────────────────────────────▲

import { Deadlines } from "../deadlines.ts";
import { FairBound, Kept } from "./fair-bound.ts";

/** How far a client has received, and where a packet stands. One process is the worker 0, and has one row of numbers. */
export interface Offset {
  readonly worker: number;
  readonly sequence: number;
  readonly index: number;
}

/** About as many bytes as a loss takes. */
const SIZE = 1024;

/** The bounds of the losses of all namespaces. */
export class LossBounds {
  readonly rooms: FairBound;
  readonly addresses: FairBound;

  /** @param maxCount losses of rooms, and as many of addresses */
  constructor(maxCount: number) {
    this.rooms = new FairBound(maxCount, Number.POSITIVE_INFINITY);
    this.addresses = new FairBound(maxCount, Number.POSITIVE_INFINITY);
  }
}

/** The last packet of each worker that was given up. Those before it were, too. */
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

export class Losses<Room> {
  readonly #bounds: LossBounds;
  readonly #everybody = new Map<"everybody", Loss>();
  readonly #addresses = new Map<string, Loss>();
  readonly #rooms = new Map<Room, Loss>();
  readonly #expiries: Deadlines<Loss>;

  /** @param duration milliseconds after which a loss matters to nobody any more */
  constructor(bounds: LossBounds, duration: number) {
    this.#bounds = bounds;
    this.#expiries = new Deadlines(duration, ({ forget }) => forget());
  }

  /** Whether there are losses of all sockets of an address. */
  get hasAddresses(): boolean {
    return this.#addresses.size > 0;
  }

  /** Where packets stood that were given up for everybody. */
  get ofEverybody(): Iterable<Offset> {
    return placesOf(this.#everybody.values());
  }

  /** Where packets stood that were given up for a room. */
  ofRoom(room: Room): Iterable<Offset> {
    return this.#rooms.get(room)?.places.values() ?? [];
  }

  /** Where packets stood that were given up for the sockets of an address, or of any address. */
  ofAddress(address?: string): Iterable<Offset> {
    if (address === undefined) return placesOf(this.#addresses.values());
    return this.#addresses.get(address)?.places.values() ?? [];
  }

  /** Notes that a packet for everybody, or for several rooms, was given up. */
  addForEverybody(place: Offset): void {
    this.#add(this.#everybody, "everybody", "", undefined, place, () => {});
  }

  /**
   * Notes that a packet for a room was given up.
   *
   * @param owner on whose account it was kept
   * @param isAddress `owner` is the address of the socket whose room it is
   */
  addForRoom(room: Room, owner: string, isAddress: boolean, place: Offset): void {
    this.#add(this.#rooms, room, owner, this.#bounds.rooms, place, (lost) => {
      if (isAddress) this.#addForAddress(owner, lost);
      else this.addForEverybody(lost);
    });
  }

  /** Forgets what was given up for a room: nobody comes back to it. */
  forget(room: Room): void {
    this.#rooms.get(room)?.forget();
  }

  /** Forgets everything. */
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
    bound: FairBound | undefined,
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
    // It may be given up itself.
    if (loss.account === undefined) bound?.add(loss);
  }
}

function* placesOf(losses: Iterable<Loss>): Generator<Offset> {
  for (const { places } of losses) yield* places.values();
}
