// An emitter for processes that serve no clients. It publishes to a python-socketio cluster, and receives nothing. The
// servers of the cluster are called hosts.
//
//   const emitter = createPythonEmitter({ publisher, channel: "flask-socketio" });
//   await emitter.to("room").emit("event", 1);
//   await emitter.of("/chat").closeRoom("room");

import { randomBytes } from "node:crypto";

import { ArgumentTypeError } from "../events/errors.ts";
import { boolean, checkOptions, type OptionTable } from "../events/options.ts";
import type { Room, SocketId } from "../socketio/adapter.ts";
import { eventData, listOf } from "../socketio/broadcast.ts";
import {
  encodeCloseRoom,
  encodeEmit,
  encodeOperation,
  type PythonDialect,
  type PythonFormat,
} from "./python-messages.ts";
import {
  channelName,
  dialectName,
  type PythonChannel,
  type RedisPublisher,
  redisPublisher,
} from "./python-redis.ts";

/** The options of createPythonEmitter(). */
export interface PythonEmitterOptions {
  /** The client of `redis` or `ioredis` that publishes. Required. */
  readonly publisher: RedisPublisher;
  /** The channel to publish on. Must be the channel of the other hosts, as for createPythonAdapter(). Required. */
  readonly channel: PythonChannel | (string & {});
  /** The format of emitted events, as for createPythonAdapter(). Default: "args-list". */
  readonly dialect?: PythonDialect;
  /**
   * Set this option if hosts send pickles (python-socketio up to 5.13). In the dialect "raw", events with bytes are
   * then rejected, because such hosts cannot read bytes in JSON. Default: `false`.
   */
  readonly pickle?: boolean;
}

const PYTHON_EMITTER_OPTIONS: OptionTable<PythonEmitterOptions> = {
  publisher: redisPublisher,
  channel: channelName,
  dialect: dialectName,
  pickle: boolean,
};

/**
 * Creates an emitter for the main namespace.
 *
 * @param options the options of the emitter. `publisher` and `channel` are required
 * @throws ArgumentTypeError if an option is missing, unknown, or has an invalid type
 * @throws ArgumentRangeError if an option has an invalid value
 * @example
 * ```ts
 * import { createClient } from "redis";
 * import { createPythonEmitter } from "barewire/python";
 *
 * const publisher = createClient({ url: "redis://localhost" });
 * await publisher.connect();
 * const emitter = createPythonEmitter({ publisher, channel: "flask-socketio" });
 * await emitter.to("room").emit("event", 1);
 * ```
 */
export function createPythonEmitter(options: PythonEmitterOptions): PythonEmitter {
  checkOptions(options, PYTHON_EMITTER_OPTIONS);
  const { publisher, channel, dialect = "args-list", pickle = false } = options;
  for (const name of ["publisher", "channel"] as const) {
    if (options[name] === undefined) throw new ArgumentTypeError(`the option ${name} is missing`);
  }
  const publish = (text: string): Promise<number> => publisher.publish(channel, text);
  const hostId = randomBytes(16).toString("hex");
  return new PythonEmitter({ publish, hostId, format: { dialect, pickle } }, "/", [], []);
}

interface Channel {
  publish(text: string): Promise<number>;
  readonly hostId: string;
  readonly format: PythonFormat;
}

/**
 * Emits events to the clients of all hosts. The methods that publish a message resolve to the number of hosts that have
 * received the message, and to 0 if no host is subscribed. They reject if Redis does not accept the message.
 */
export class PythonEmitter {
  private readonly channel: Channel;
  private readonly namespace: string;
  private readonly rooms: readonly Room[];
  private readonly skip: readonly SocketId[];

  /** @internal */
  constructor(
    channel: Channel,
    namespace: string,
    rooms: readonly Room[],
    skip: readonly SocketId[],
  ) {
    this.channel = channel;
    this.namespace = namespace;
    this.rooms = rooms;
    this.skip = skip;
  }

  /**
   * Returns the emitter of another namespace.
   *
   * @param namespace the name of the namespace. A missing leading "/" is added
   * @example
   * ```ts
   * await emitter.of("/chat").emit("event", 1);
   * ```
   */
  of(namespace: string): PythonEmitter {
    const name = namespace.startsWith("/") ? namespace : `/${namespace}`;
    return new PythonEmitter(this.channel, name, [], []);
  }

  /**
   * Adds rooms to the target. The id of a socket is also the name of a room, which contains only this socket. A socket
   * that is in several of the rooms receives an event once.
   *
   * @param rooms a room or a list of rooms
   * @example
   * ```ts
   * await emitter.to(["room1", "room2"]).emit("event", 1);
   * ```
   */
  to(rooms: Room | readonly Room[]): PythonEmitter {
    const all = [...new Set([...this.rooms, ...listOf(rooms)])];
    return new PythonEmitter(this.channel, this.namespace, all, this.skip);
  }

  /**
   * Excludes sockets from the target.
   *
   * @param sids the id of a socket, or a list of ids
   * @example
   * ```ts
   * await emitter.except(sid).emit("event", 1);
   * ```
   */
  except(sids: SocketId | readonly SocketId[]): PythonEmitter {
    const all = [...new Set([...this.skip, ...listOf(sids)])];
    return new PythonEmitter(this.channel, this.namespace, this.rooms, all);
  }

  /**
   * Emits an event to all target sockets.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   * @throws PythonAdapterError (rejects; `code` "ERR_PYTHON_INEXPRESSIBLE") if the dialect cannot express the arguments
   * @throws TypeError (rejects; `code` "ERR_RESERVED_EVENT") if the event name is reserved
   * @example
   * ```ts
   * const hosts = await emitter.emit("event", 1);
   * ```
   */
  async emit(event: string, ...args: readonly unknown[]): Promise<number> {
    const [name, ...rest] = eventData(event, args);
    const { publish, hostId, format } = this.channel;
    const rooms = this.rooms.length === 0 ? undefined : this.rooms;
    const emit = { event: name, args: rest, rooms, skip: this.skip, callback: undefined };
    return publish(encodeEmit(emit, this.namespace, hostId, format));
  }

  /**
   * Emits a "message" event to all target sockets.
   *
   * @param args the arguments of the event
   * @example
   * ```ts
   * await emitter.send("hello");
   * ```
   */
  send(...args: readonly unknown[]): Promise<number> {
    return this.emit("message", ...args);
  }

  /**
   * Makes all sockets leave a room. The sockets stay connected.
   *
   * @param room the room
   * @example
   * ```ts
   * await emitter.closeRoom("room1");
   * ```
   */
  async closeRoom(room: Room): Promise<number> {
    return this.channel.publish(encodeCloseRoom(room, this.namespace, this.channel.hostId));
  }

  /**
   * Disconnects a socket from the namespace.
   *
   * @param sid the id of the socket
   * @example
   * ```ts
   * await emitter.disconnect(sid);
   * ```
   */
  async disconnect(sid: SocketId): Promise<number> {
    return this.operate("disconnect", sid);
  }

  /**
   * Makes a socket join a room. Requires hosts with python-socketio 5.10 or later.
   *
   * @param sid the id of the socket
   * @param room the room
   * @example
   * ```ts
   * await emitter.enterRoom(sid, "room1");
   * ```
   */
  async enterRoom(sid: SocketId, room: Room): Promise<number> {
    return this.operate("enter_room", sid, room);
  }

  /**
   * Makes a socket leave a room. Requires hosts with python-socketio 5.10 or later.
   *
   * @param sid the id of the socket
   * @param room the room
   * @example
   * ```ts
   * await emitter.leaveRoom(sid, "room1");
   * ```
   */
  async leaveRoom(sid: SocketId, room: Room): Promise<number> {
    return this.operate("leave_room", sid, room);
  }

  private operate(
    method: "disconnect" | "enter_room" | "leave_room",
    sid: SocketId,
    room?: Room,
  ): Promise<number> {
    const { publish, hostId } = this.channel;
    return publish(encodeOperation(method, sid, room, this.namespace, hostId));
  }
}
