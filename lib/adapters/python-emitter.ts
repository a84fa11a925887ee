// For a process that serves no clients: it publishes to a cluster of python-socketio, and receives nothing.
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

export interface PythonEmitterOptions {
  /** Publish with this client of `redis` or `ioredis`. */
  readonly publisher: RedisPublisher;
  /** Publish on this channel, as the option `channel` of createPythonAdapter(). */
  readonly channel: PythonChannel | (string & {});
  /** Write emits for these versions, as the option `dialect` of createPythonAdapter(). Default: "args-list". */
  readonly dialect?: PythonDialect;
  /** Refuse bytes in the dialect "raw", which hosts that send pickles cannot read. Default: `false`. */
  readonly pickle?: boolean;
}

const PYTHON_EMITTER_OPTIONS: OptionTable<PythonEmitterOptions> = {
  publisher: redisPublisher,
  channel: channelName,
  dialect: dialectName,
  pickle: boolean,
};

/**
 * Makes an emitter for the main namespace.
 *
 * @throws ArgumentTypeError or ArgumentRangeError for an option that is missing, unknown or invalid
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
 * Emits to the clients of all hosts. Each call resolves to the number of hosts that have received it, 0 if
 * none is subscribed, and rejects if Redis does not take it.
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

  /** Returns the emitter of another namespace. */
  of(namespace: string): PythonEmitter {
    const name = namespace.startsWith("/") ? namespace : `/${namespace}`;
    return new PythonEmitter(this.channel, name, [], []);
  }

  /** Adds rooms, or sockets by their ids. Who is in any of them receives, once. */
  to(rooms: Room | readonly Room[]): PythonEmitter {
    const all = [...new Set([...this.rooms, ...listOf(rooms)])];
    return new PythonEmitter(this.channel, this.namespace, all, this.skip);
  }

  /** Leaves out sockets, by their ids. */
  except(sids: SocketId | readonly SocketId[]): PythonEmitter {
    const all = [...new Set([...this.skip, ...listOf(sids)])];
    return new PythonEmitter(this.channel, this.namespace, this.rooms, all);
  }

  /**
   * Emits an event.
   *
   * @throws PythonAdapterError (rejects; `code` "ERR_PYTHON_INEXPRESSIBLE") for what the dialect cannot say
   * @throws TypeError (rejects; `code` "ERR_RESERVED_EVENT") for an event that only the protocol may send
   */
  async emit(event: string, ...args: readonly unknown[]): Promise<number> {
    const [name, ...rest] = eventData(event, args);
    const { publish, hostId, format } = this.channel;
    const rooms = this.rooms.length === 0 ? undefined : this.rooms;
    const emit = { event: name, args: rest, rooms, skip: this.skip, callback: undefined };
    return publish(encodeEmit(emit, this.namespace, hostId, format));
  }

  /** Emits a "message" event. */
  send(...args: readonly unknown[]): Promise<number> {
    return this.emit("message", ...args);
  }

  /** Takes everybody out of a room. Nobody is disconnected. */
  async closeRoom(room: Room): Promise<number> {
    return this.channel.publish(encodeCloseRoom(room, this.namespace, this.channel.hostId));
  }

  /** Disconnects a socket from the namespace. */
  async disconnect(sid: SocketId): Promise<number> {
    return this.operate("disconnect", sid);
  }

  /** Puts a socket into a room. Hosts of python-socketio know how from 5.10 on. */
  async enterRoom(sid: SocketId, room: Room): Promise<number> {
    return this.operate("enter_room", sid, room);
  }

  /** Takes a socket out of a room. Hosts of python-socketio know how from 5.10 on. */
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
