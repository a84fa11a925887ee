// To many at once: who receives is a value, built step by step and sent to at the end.
//
//   io.to("room1").to("room2").except("room3").volatile.emit("event", 1)
//
// Rule: every step gives a new operator and changes none, so that one can be kept and used again.

import { EVENT, type EventData, RESERVED_EVENTS } from "../../protocol/socketio/packet.ts";
import type { AckCallback } from "../events/acknowledgements.ts";
import {
  type AckValue,
  type AllButLast,
  callListener,
  type EventArguments,
  type EventNames,
  isListener,
  type JsonArguments,
  type LastArgument,
  type MessageArguments,
  type Untyped,
  type WithResponses,
  type WithTimeout,
} from "../events/emitter.ts";
import { ArgumentTypeError, checkMilliseconds } from "../events/errors.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
import { type EventSender, emitTo, FlaggedEmitter } from "../events/socket-emitter.ts";
import {
  type Adapter,
  type BroadcastFlags,
  type BroadcastOptions,
  type Gathered,
  gathered,
  type Room,
  type SocketDetails,
  type SocketId,
} from "./adapter.ts";
import { broadcastWithAck } from "./broadcast-acks.ts";
import type { Handshake } from "./handshake.ts";

const NO_ROOMS: ReadonlySet<Room> = new Set();

/** Everybody in the namespace. */
export const EVERYBODY: BroadcastOptions = { rooms: NO_ROOMS, except: NO_ROOMS, flags: {} };

/** Whom a chain of to(), in() and except() means so far, and how what is emitted is sent. */
export class BroadcastOperator<EmitEvents, SocketData = Untyped> {
  private readonly adapter: Adapter;
  private readonly options: BroadcastOptions;

  constructor(adapter: Adapter, options: BroadcastOptions) {
    this.adapter = adapter;
    this.options = options;
  }

  /** The rooms of the chain so far; empty for the whole namespace. */
  get rooms(): ReadonlySet<Room> {
    return this.options.rooms;
  }

  /** Adds rooms: who is in any of them receives, once. */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    const { rooms: before } = this.options;
    return this.with({ ...this.options, rooms: union(before, rooms) });
  }

  /** The same as to(). */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.to(rooms);
  }

  /** Takes out who is in any of these rooms. */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    const { except: before } = this.options;
    return this.with({ ...this.options, except: union(before, rooms) });
  }

  /** Drops the event for clients that cannot take it now. */
  get volatile(): BroadcastOperator<EmitEvents, SocketData> {
    return this.flag({ volatile: true });
  }

  /** Clients of this process only. */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.flag({ local: true });
  }

  /** Whether the event is worth compressing, where the transport can. Default `true`. */
  compress(compress: boolean): BroadcastOperator<EmitEvents, SocketData> {
    return this.flag({ compress });
  }

  /** Acknowledgements are awaited for so many milliseconds. */
  timeout(milliseconds: number): BroadcastOperator<EmitEvents, SocketData> {
    checkMilliseconds("the timeout", milliseconds);
    return this.flag({ timeout: milliseconds });
  }

  /**
   * Sends an event. Always `true`. A function as the last argument is called when every client has
   * acknowledged it, with `null` and what each said; or with an error (AckTimeoutError after
   * timeout(), DisconnectedError when clients have gone) and what the others said, which is the
   * error's `responses` too.
   *
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") for an event that only the protocol may send
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<WithResponses<EmitEvents>, Event>
  ): true {
    const given: readonly unknown[] = args;
    const last = given.at(-1);
    if (isListener(last)) {
      const data = eventData(event, given.slice(0, -1));
      const call = this.adapter.nsp.callerOf?.(event) ?? callListener;
      broadcastWithAck(this.adapter, data, this.options, (error, responses) =>
        call(this, last, [error, responses]),
      );
    } else {
      this.broadcast(eventData(event, given));
    }
    return true;
  }

  /** Sends an event and resolves to what each client acknowledges it with; rejects as emit() tells its callback. */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>[]> {
    return new Promise((resolve, reject) => {
      broadcastWithAck(
        this.adapter,
        eventData(event, args),
        this.options,
        (error, responses: Untyped[]) => (error === null ? resolve(responses) : reject(error)),
      );
    });
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    this.broadcast(["message", ...args]);
    return this;
  }

  /** The same as send(). */
  write(...args: MessageArguments<EmitEvents>): this {
    return this.send(...args);
  }

  /** Sends a "json" event. */
  json(...args: JsonArguments<EmitEvents>): this {
    this.broadcast(["json", ...args]);
    return this;
  }

  /**
   * Returns the sockets that the chain means, of all servers, to look at and to act on one by one. The
   * list has `missing`: the servers that have not answered in time.
   */
  async fetchSockets(): Promise<Gathered<RemoteSocket<EmitEvents, SocketData>>> {
    const sockets = await this.adapter.fetchSockets(this.options);
    return gathered(
      Array.from(sockets, (details) => new RemoteSocket(this.adapter, details)),
      "missing" in sockets ? sockets.missing : [],
    );
  }

  /** Puts them all into a room, or several. To be awaited where other servers are to have done it. */
  socketsJoin(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.adapter.addSockets(this.options, listOf(rooms));
  }

  /** Takes them all out of a room, or several. To be awaited where other servers are to have done it. */
  socketsLeave(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.adapter.delSockets(this.options, listOf(rooms));
  }

  /** Disconnects them all; with `close` their connections too. Default `false`. */
  disconnectSockets(close = false): void | Promise<void> {
    return this.adapter.disconnectSockets(this.options, close);
  }

  /** The ids of the sockets in the chain's rooms. @deprecated for fetchSockets() */
  allSockets(): Promise<Set<string>> {
    return this.adapter.sockets(this.options.rooms);
  }

  private broadcast(data: EventData): void {
    const { name } = this.adapter.nsp;
    this.adapter.broadcast({ type: EVENT, namespace: name, data }, this.options);
  }

  private flag(flags: BroadcastFlags): BroadcastOperator<EmitEvents, SocketData> {
    return this.with({ ...this.options, flags: { ...this.options.flags, ...flags } });
  }

  private with(options: BroadcastOptions): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, options);
  }
}

/** A socket as fetchSockets() gives it: of this server or another, it is acted on in the same way. */
export class RemoteSocket<EmitEvents, SocketData = Untyped> {
  readonly id: SocketId;
  readonly handshake: Handshake;
  /** The rooms that it was in when it was fetched. */
  readonly rooms: Set<Room>;
  /** Its data when it was fetched; a copy where the socket is another server's. */
  readonly data: SocketData;
  private readonly operator: BroadcastOperator<EmitEvents, SocketData>;
  private readonly adapter: Adapter;

  constructor(adapter: Adapter, { id, handshake, rooms, data }: SocketDetails) {
    this.id = id;
    this.handshake = handshake;
    this.rooms = new Set(rooms);
    this.data = data;
    this.adapter = adapter;
    this.operator = new BroadcastOperator(adapter, { ...EVERYBODY, rooms: new Set([id]) });
  }

  /**
   * Sends it an event. Always `true`. A function as the last argument is called with what the client
   * acknowledges it with, as with Socket.emit().
   *
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") for an event that only the protocol may send
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this, event, args, {});
    return true;
  }

  /** Sets how long to wait for the acknowledgement of the next event, in milliseconds. */
  timeout(milliseconds: number): RemoteEmitter<WithTimeout<EmitEvents>> {
    checkMilliseconds("the timeout", milliseconds);
    return new RemoteEmitter(this, { timeout: milliseconds });
  }

  /** What its emitters call. @internal */
  sendEvent(
    event: string,
    args: readonly unknown[],
    flags: BroadcastFlags,
    ack?: AckCallback,
  ): void {
    const data = eventData(event, args);
    const options = { ...EVERYBODY, rooms: new Set([this.id]), flags };
    if (ack === undefined) {
      this.adapter.broadcast({ type: EVENT, namespace: this.adapter.nsp.name, data }, options);
    } else {
      // Its own room has one socket, whose answer is the only one.
      broadcastWithAck(this.adapter, data, options, (error, responses) =>
        ack(error, responses.slice(0, 1)),
      );
    }
  }

  /** Puts it into a room, or several. To be awaited where the adapter works over a network. */
  join(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.operator.socketsJoin(rooms);
  }

  /** Takes it out of a room. To be awaited where the adapter works over a network. */
  leave(room: Room): void | Promise<void> {
    return this.operator.socketsLeave(room);
  }

  /** Disconnects it; with `close` its connection too. */
  disconnect(close = false): this {
    void this.operator.disconnectSockets(close);
    return this;
  }
}

/** Emits events to one socket, of this server or another, with a timeout. */
export class RemoteEmitter<EmitEvents> extends FlaggedEmitter<
  EmitEvents,
  BroadcastFlags,
  EventSender<BroadcastFlags>
> {
  /** As RemoteSocket.emit(), but the callback receives an error or `null` first. */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    emitTo(this.sender, event, args, this.flags);
    return true;
  }
}

/** What Server, Namespace and Socket have in common: listeners, and the beginnings of a broadcast. */
export abstract class Broadcaster<
  Events,
  EmitEvents,
  SocketData = Untyped,
> extends NodeEmitter<Events> {
  /** Where a chain starts: everybody for a namespace, everybody else for a socket. */
  protected abstract start(): BroadcastOperator<EmitEvents, SocketData>;

  /** Who is in any of these rooms. */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().to(rooms);
  }

  /** The same as to(). */
  in(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().to(rooms);
  }

  /** Everybody but who is in any of these rooms. */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().except(rooms);
  }

  /** Clients of this process only. */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().local;
  }
}

/** What Server and Namespace have in common: they emit to everybody. */
export abstract class GroupBroadcaster<
  Events,
  EmitEvents,
  SocketData = Untyped,
> extends Broadcaster<Events, EmitEvents, SocketData> {
  /** Sends an event to everybody in the namespace, as BroadcastOperator.emit() does. */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<WithResponses<EmitEvents>, Event>
  ): true {
    return this.start().emit(event, ...args);
  }

  /** Sends an event to everybody in the namespace, as BroadcastOperator.emitWithAck() does. */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>[]> {
    return this.start().emitWithAck(event, ...args);
  }

  /** Acknowledgements of the next event are awaited for so many milliseconds. */
  timeout(milliseconds: number): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().timeout(milliseconds);
  }

  /** The sockets of the namespace, of all servers. */
  fetchSockets(): Promise<Gathered<RemoteSocket<EmitEvents, SocketData>>> {
    return this.start().fetchSockets();
  }

  /** Puts every socket of the namespace into a room, or several. */
  socketsJoin(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.start().socketsJoin(rooms);
  }

  /** Takes every socket of the namespace out of a room, or several. */
  socketsLeave(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.start().socketsLeave(rooms);
  }

  /** Disconnects every socket of the namespace; with `close` their connections too. */
  disconnectSockets(close = false): void | Promise<void> {
    return this.start().disconnectSockets(close);
  }

  /** The ids of the sockets of the namespace. @deprecated for fetchSockets() */
  allSockets(): Promise<Set<string>> {
    return this.start().allSockets();
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

  /** Sends a "json" event to everybody in the namespace. */
  json(...args: JsonArguments<EmitEvents>): this {
    this.start().json(...args);
    return this;
  }

  /** Takes everybody out of a room; nobody is disconnected. */
  closeRoom(room: Room): void | Promise<void> {
    return this.start().to(room).socketsLeave(room);
  }

  /** Drops the next event for clients that cannot take it now. */
  get volatile(): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().volatile;
  }

  /** Whether the next event is worth compressing, where the transport can. Default `true`. */
  compress(compress: boolean): BroadcastOperator<EmitEvents, SocketData> {
    return this.start().compress(compress);
  }
}

/** The data of an EVENT packet. @throws TypeError for a reserved name, and for what is none */
export function eventData(event: string, args: readonly unknown[]): EventData {
  // Programs without types number their events, too.
  if (typeof event !== "string" && typeof event !== "number") {
    throw new ArgumentTypeError("an event has a text for its name");
  }
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
  return new Set([...before, ...listOf(rooms)]);
}

/** Whatever a program without types names a room by is one, unless it is a list. */
function isList(rooms: Room | readonly Room[]): rooms is readonly Room[] {
  return Array.isArray(rooms);
}

export function listOf(rooms: Room | readonly Room[]): readonly Room[] {
  return isList(rooms) ? rooms : [rooms];
}
