// To many at once: who receives is a value, built step by step and sent to at the end.
//
//   io.to("room1").to("room2").except("room3").volatile.emit("event", 1)
//
// Rule: every step gives a new operator and changes none, so that one can be kept and used again.

import { EVENT, type EventData, RESERVED_EVENTS } from "../../protocol/socketio/packet.ts";
import { Emitter, type EventArguments, type EventNames, type MessageArguments } from "../events.ts";
import type { Adapter, BroadcastFlags, BroadcastOptions, Room } from "./adapter.ts";

const NO_ROOMS: ReadonlySet<Room> = new Set();

/** Everybody in the namespace. */
export const EVERYBODY: BroadcastOptions = { rooms: NO_ROOMS, except: NO_ROOMS, flags: {} };

/** Whom a chain of to(), in() and except() means so far, and how what is emitted is sent. */
export class BroadcastOperator<EmitEvents> {
  readonly #adapter: Adapter;
  readonly #options: BroadcastOptions;

  constructor(adapter: Adapter, options: BroadcastOptions) {
    this.#adapter = adapter;
    this.#options = options;
  }

  /** Adds rooms: who is in any of them receives, once. */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents> {
    const { rooms: before } = this.#options;
    return this.#with({ ...this.#options, rooms: union(before, rooms) });
  }

  /** The same as to(). */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents> {
    return this.to(rooms);
  }

  /** Takes out who is in any of these rooms. */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents> {
    const { except: before } = this.#options;
    return this.#with({ ...this.#options, except: union(before, rooms) });
  }

  /** Drops the event for clients that cannot take it now. */
  get volatile(): BroadcastOperator<EmitEvents> {
    return this.#flag({ volatile: true });
  }

  /** Clients of this process only. */
  get local(): BroadcastOperator<EmitEvents> {
    return this.#flag({ local: true });
  }

  /** Whether the event is worth compressing, where the transport can. Default `true`. */
  compress(compress: boolean): BroadcastOperator<EmitEvents> {
    return this.#flag({ compress });
  }

  /**
   * Sends an event. Always `true`.
   *
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") for an event that only the protocol may send
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    this.#adapter.broadcast(
      { type: EVENT, namespace: this.#adapter.nsp.name, data: eventData(event, args) },
      this.#options,
    );
    return true;
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    this.#adapter.broadcast(
      { type: EVENT, namespace: this.#adapter.nsp.name, data: ["message", ...args] },
      this.#options,
    );
    return this;
  }

  /** The same as send(). */
  write(...args: MessageArguments<EmitEvents>): this {
    return this.send(...args);
  }

  #flag(flags: BroadcastFlags): BroadcastOperator<EmitEvents> {
    return this.#with({ ...this.#options, flags: { ...this.#options.flags, ...flags } });
  }

  #with(options: BroadcastOptions): BroadcastOperator<EmitEvents> {
    return new BroadcastOperator(this.#adapter, options);
  }
}

/** What Server, Namespace and Socket have in common: listeners, and the beginnings of a broadcast. */
export abstract class Broadcaster<Events, EmitEvents> extends Emitter<Events> {
  /** Where a chain starts: everybody for a namespace, everybody else for a socket. */
  protected abstract start(): BroadcastOperator<EmitEvents>;

  /** Who is in any of these rooms. */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents> {
    return this.start().to(rooms);
  }

  /** The same as to(). */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents> {
    return this.start().to(rooms);
  }

  /** Everybody but who is in any of these rooms. */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents> {
    return this.start().except(rooms);
  }

  /** Clients of this process only. */
  get local(): BroadcastOperator<EmitEvents> {
    return this.start().local;
  }
}

/** What Server and Namespace have in common: they emit to everybody. */
export abstract class GroupBroadcaster<Events, EmitEvents> extends Broadcaster<Events, EmitEvents> {
  /** Sends an event to everybody in the namespace. Always `true`. @throws TypeError as BroadcastOperator.emit() does */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    return this.start().emit(event, ...args);
  }

  /** Sends a "message" event to everybody in the namespace. */
  send(...args: MessageArguments<EmitEvents>): this {
    this.start().send(...args);
    return this;
  }

  /** The same as send(). */
  write(...args: MessageArguments<EmitEvents>): this {
    return this.send(...args);
  }

  /** Drops the next event for clients that cannot take it now. */
  get volatile(): BroadcastOperator<EmitEvents> {
    return this.start().volatile;
  }

  /** Whether the next event is worth compressing, where the transport can. Default `true`. */
  compress(compress: boolean): BroadcastOperator<EmitEvents> {
    return this.start().compress(compress);
  }
}

/** The data of an EVENT packet. @throws TypeError for a reserved name */
export function eventData(event: string, args: readonly unknown[]): EventData {
  if (RESERVED_EVENTS.has(event)) throw new ReservedEventError(event);
  return [event, ...args];
}

/** An event was to be emitted that only the protocol may send: the caller's mistake. */
export class ReservedEventError extends TypeError {
  override readonly name = "ReservedEventError";
  readonly code = "ERR_RESERVED_EVENT";

  constructor(event: string) {
    super(`"${event}" is a reserved event name`);
  }
}

function union(before: ReadonlySet<Room>, rooms: Room | readonly Room[]): ReadonlySet<Room> {
  return new Set([...before, ...(typeof rooms === "string" ? [rooms] : rooms)]);
}
