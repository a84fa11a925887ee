/**
 * `barewire/python`: makes the server a host of a python-socketio or Flask-SocketIO cluster over Redis.
 * https://python-socketio.readthedocs.io/en/stable/server.html#using-a-message-queue
 * ```ts
 * const publisher = createClient({ url: "redis://localhost" });       // of the package redis, or
 * const subscriber = publisher.duplicate();                           // new Redis() of ioredis
 * await Promise.all([publisher.connect(), subscriber.connect()]);
 * const adapter = createPythonAdapter({ publisher, subscriber, channel: "flask-socketio" });
 * const io = new Server(3000, { adapter });
 * ```
 * @module barewire/python
 */

import { EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { Deadlines } from "../deadlines.ts";
import { AckTimeoutError, ArgumentTypeError } from "../events/errors.ts";
import {
  boolean,
  checkOptions,
  checkThat,
  isFunction,
  limit,
  type OptionTable,
} from "../events/options.ts";
import {
  Adapter,
  type AdapterHost,
  type BroadcastAnswers,
  type BroadcastOptions,
  type Room,
  type SocketId,
} from "../socketio/adapter.ts";
import { PythonAdapterError } from "./python-errors.ts";
import { PythonHost } from "./python-host.ts";
import {
  type CallbackReference,
  type Emit,
  encodeCallback,
  encodeCloseRoom,
  encodeEmit,
  encodeOperation,
  type PythonDialect,
  type PythonMessage,
} from "./python-messages.ts";
import {
  channelName,
  dialectName,
  type PythonChannel,
  type RedisPublisher,
  type RedisSubscriber,
  redisPublisher,
  redisSubscriber,
} from "./python-redis.ts";

export { PickleError } from "./pickle.ts";
export { createPythonEmitter, PythonEmitter, type PythonEmitterOptions } from "./python-emitter.ts";
export { PythonAdapterError, type PythonAdapterErrorCode } from "./python-errors.ts";
export type { PythonDialect } from "./python-messages.ts";
export type {
  IoredisSubscriber,
  NodeRedisSubscriber,
  PythonChannel,
  RedisPublisher,
  RedisSubscriber,
} from "./python-redis.ts";

/** The options of createPythonAdapter(). */
export interface PythonAdapterOptions {
  /** The client of `redis` or `ioredis` that publishes. Required. */
  readonly publisher: RedisPublisher;
  /** The client that subscribes. Must be a different client, for example `publisher.duplicate()`. Required. */
  readonly subscriber: RedisSubscriber;
  /**
   * The channel of the cluster: "flask-socketio" for Flask-SocketIO, "socketio" for python-socketio without Flask, or
   * the value of their option `channel`. Required.
   */
  readonly channel: PythonChannel | (string & {});
  /**
   * The format of emitted events: "args-list" for python-socketio 5.15.1 and later, "raw" for earlier versions. With
   * "raw", events can have only one argument. Default: "args-list".
   */
  readonly dialect?: PythonDialect;
  /**
   * Read the pickles that python-socketio up to 5.13 sends. Pickles that contain more than data are
   * rejected. Default: `false`.
   */
  readonly pickle?: boolean;
  /**
   * Largest number of bytes of messages that may wait for Redis. Further messages do not reach other hosts, and an error is
   * reported. Default: 16 MiB.
   */
  readonly maxBackpressure?: number;
  /**
   * Called with each error that cannot be thrown. Default: emits a process warning.
   *
   * @param error the error
   */
  readonly onError?: (error: Error) => void;
}

/** The value of the server's option `adapter`. */
export interface PythonAdapterFactory {
  /**
   * Creates the adapter of a namespace.
   *
   * @param nsp the namespace that the adapter serves
   */
  (nsp: AdapterHost): PythonAdapter;
  /** Resolves when this process is subscribed to the channel. From then on, messages of other hosts arrive. */
  readonly ready: Promise<void>;
}

const PYTHON_ADAPTER_OPTIONS: OptionTable<PythonAdapterOptions> = {
  publisher: redisPublisher,
  subscriber: redisSubscriber,
  channel: channelName,
  dialect: dialectName,
  pickle: boolean,
  maxBackpressure: limit,
  onError: checkThat("a function", isFunction),
};

const DEFAULT_MAX_BACKPRESSURE = 16 * 1024 * 1024;
/**
 * How long a host waits for an acknowledgement if timeout() is not called, in milliseconds. The default of call() in
 * python-socketio is the same.
 */
const CALL_TIMEOUT = 60_000;

/**
 * Creates the adapter of a server, for its option `adapter`.
 *
 * @param options the options of the adapter. `publisher`, `subscriber` and `channel` are required
 * @throws ArgumentTypeError if an option is missing, unknown, or has an invalid type
 * @throws ArgumentRangeError if an option has an invalid value
 * @example
 * ```ts
 * import { Server } from "barewire";
 * import { createPythonAdapter } from "barewire/python";
 * import { createClient } from "redis";
 *
 * const publisher = createClient({ url: "redis://localhost" });
 * const subscriber = publisher.duplicate();
 * await Promise.all([publisher.connect(), subscriber.connect()]);
 * const adapter = createPythonAdapter({ publisher, subscriber, channel: "flask-socketio" });
 * const io = new Server(3000, { adapter });
 * ```
 */
export function createPythonAdapter(options: PythonAdapterOptions): PythonAdapterFactory {
  checkOptions(options, PYTHON_ADAPTER_OPTIONS);
  const { publisher, subscriber, channel, dialect = "args-list", pickle = false } = options;
  for (const name of ["publisher", "subscriber", "channel"] as const) {
    if (options[name] === undefined) throw new ArgumentTypeError(`the option ${name} is missing`);
  }
  if (Object.is(publisher, subscriber)) {
    throw new ArgumentTypeError(
      "publisher and subscriber must be different clients: a client that subscribes cannot publish",
    );
  }
  const host = new PythonHost({
    publisher,
    subscriber,
    channel,
    format: { dialect, pickle },
    maxBackpressure: options.maxBackpressure ?? DEFAULT_MAX_BACKPRESSURE,
    onError: options.onError ?? ((error) => process.emitWarning(error)),
  });
  return Object.assign((nsp: AdapterHost) => new PythonAdapter(nsp, host), { ready: host.ready });
}

/** An acknowledgement that another host will send. */
interface Awaited {
  readonly id: number;
  readonly room: Room;
  readonly answers: BroadcastAnswers;
}

/**
 * The adapter of one namespace: stores the rooms of this process, and exchanges messages with the
 * other hosts of the cluster.
 */
export class PythonAdapter extends Adapter {
  private readonly host: PythonHost;
  private readonly awaited = new Map<number, Awaited>();
  private readonly deadlines = new Deadlines<Awaited>(CALL_TIMEOUT, (awaited) => {
    this.awaited.delete(awaited.id);
    awaited.answers.onAnswer(new AckTimeoutError(), []);
  });

  /** @internal */
  constructor(nsp: AdapterHost, host: PythonHost) {
    super(nsp);
    this.host = host;
  }

  override init(): void {
    this.host.add(this);
  }

  override close(): Promise<void> {
    for (const awaited of this.awaited.values()) this.deadlines.delete(awaited);
    this.awaited.clear();
    return this.host.remove(this);
  }

  /**
   * Sends an event to the target sockets in all hosts. The event is published first, so that an invalid event throws
   * before any client receives it.
   *
   * @param packet the event
   * @param options the target sockets, and the flags of the event
   */
  override broadcast(packet: Packet, options: BroadcastOptions): void {
    if (!options.flags.local) this.publishEmit(packet, options);
    this.sendToMembers(packet, options);
  }

  /**
   * Sends an event to the target sockets, and waits for their acknowledgements. Normally, only sockets of this process
   * are asked for acknowledgements. There is one exception: if the target is a single room without sockets in this
   * process, the room may be the id of another host's socket. The event is then also published to the other hosts, and
   * one acknowledgement from them is expected, as in call() of python-socketio.
   *
   * @param packet the event, with the id that the acknowledgements repeat
   * @param options the target sockets, and the flags of the event
   * @param answers receives the acknowledgements
   */
  override broadcastWithAck(
    packet: Packet & { readonly id: number },
    options: BroadcastOptions,
    answers: BroadcastAnswers,
  ): () => void {
    const room = this.roomElsewhere(options);
    if (room === undefined) return super.broadcastWithAck(packet, options, answers);
    const { id } = packet;
    this.publishEmit(packet, options, [room, this.nsp.name, id]);
    const awaited = { id, room, answers };
    this.awaited.set(id, awaited);
    if (options.flags.timeout === undefined) this.deadlines.add(awaited);
    const local = { ...options, flags: { ...options.flags, local: true } };
    const forget = super.broadcastWithAck(packet, local, {
      ...answers,
      onAsked: (count) => answers.onAsked(count + 1),
    });
    return () => {
      this.awaited.delete(id);
      this.deadlines.delete(awaited);
      forget();
    };
  }

  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    for (const sid of this.socketsElsewhere(options, "socketsJoin()")) {
      for (const room of rooms) this.publishOperation("enter_room", sid, room);
    }
    return super.addSockets(options, rooms);
  }

  override delSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    const [only] = rooms;
    if (rooms.length === 1 && only !== undefined && isOnlyRoom(options, only)) {
      if (!options.flags.local) {
        this.host.publish(encodeCloseRoom(only, this.nsp.name, this.host.id));
      }
    } else {
      for (const sid of this.socketsElsewhere(options, "socketsLeave()")) {
        for (const room of rooms) this.publishOperation("leave_room", sid, room);
      }
    }
    return super.delSockets(options, rooms);
  }

  override disconnectSockets(options: BroadcastOptions, close: boolean): void | Promise<void> {
    for (const sid of this.socketsElsewhere(options, "disconnectSockets()")) {
      this.publishOperation("disconnect", sid);
    }
    return super.disconnectSockets(options, close);
  }

  /**
   * Handles a message of another host for this namespace.
   *
   * @internal
   */
  receive(message: PythonMessage): void {
    switch (message.method) {
      case "emit":
        this.receiveEmit(message, message.hostId);
        break;
      case "callback":
        this.receiveCallback(message.sid, message.id, message.args);
        break;
      case "disconnect":
        this.nsp.sockets.get(message.sid)?.disconnect();
        break;
      case "enter_room":
        void this.nsp.sockets.get(message.sid)?.join(message.room);
        break;
      case "leave_room":
        void this.nsp.sockets.get(message.sid)?.leave(message.room);
        break;
      case "close_room": {
        const rooms = new Set([message.room]);
        void super.delSockets({ rooms, except: new Set(), flags: {} }, [message.room]);
      }
    }
  }

  private receiveEmit(emit: Emit, hostId: string | undefined): void {
    const { event, args, rooms, skip, callback } = emit;
    if (rooms?.length === 0) return;
    // In python-socketio, `skip_sid` can only contain ids of sockets. Therefore a name that is not the id of a socket is
    // ignored, even if a room has this name.
    const except = new Set(skip.filter((sid) => this.nsp.sockets.has(sid)));
    const options: BroadcastOptions = { rooms: new Set(rooms), except, flags: {} };
    const packet: Packet = { type: EVENT, namespace: this.nsp.name, data: [event, ...args] };
    if (callback === undefined || hostId === undefined) {
      this.sendToMembers(packet, options);
      return;
    }
    const id = this.nsp.nextAckId();
    const members = this.members(options);
    this.sendToMembers({ ...packet, id }, options);
    for (const member of members) {
      member.awaitAck(id, (error, answer) => {
        if (error === null) this.answer(hostId, callback, answer);
      });
    }
  }

  private receiveCallback(room: unknown, id: unknown, args: readonly unknown[]): void {
    const awaited = typeof id === "number" ? this.awaited.get(id) : undefined;
    if (awaited === undefined || awaited.room !== room) return;
    this.awaited.delete(awaited.id);
    this.deadlines.delete(awaited);
    awaited.answers.onAnswer(null, args);
  }

  /** Sends a client's acknowledgement to the host that has sent the event. */
  private answer(hostId: string, callback: CallbackReference, args: readonly unknown[]): void {
    try {
      this.host.publish(encodeCallback(hostId, callback, args));
    } catch (error) {
      this.host.report(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private publishEmit(
    packet: Packet,
    { rooms, except }: BroadcastOptions,
    callback?: CallbackReference,
  ): void {
    if (packet.type !== EVENT) return;
    const [event, ...args] = packet.data;
    const emit: Emit = {
      event,
      args,
      rooms: rooms.size === 0 ? undefined : [...rooms],
      skip: [...except],
      callback,
    };
    this.host.publish(encodeEmit(emit, this.nsp.name, this.host.id, this.host.format));
  }

  private publishOperation(
    method: "disconnect" | "enter_room" | "leave_room",
    sid: SocketId,
    room?: Room,
  ): void {
    this.host.publish(encodeOperation(method, sid, room, this.nsp.name, this.host.id));
  }

  /** Returns the only room of a broadcast if no socket of this process is in this room. */
  private roomElsewhere(options: BroadcastOptions): Room | undefined {
    const [room] = options.rooms;
    if (options.rooms.size !== 1 || options.flags.local) return undefined;
    return this.hasMembers(options) ? undefined : room;
  }

  /**
   * Returns the rooms that may be the ids of other hosts' sockets. An operation message names one socket by id. Other
   * hosts ignore a message with the name of a room.
   */
  private socketsElsewhere(
    { rooms, except, flags }: BroadcastOptions,
    operation: string,
  ): readonly SocketId[] {
    if (flags.local) return [];
    if (rooms.size === 0 || except.size > 0) {
      const { name } = this.nsp;
      this.host.reportOnce(
        new PythonAdapterError(
          "ERR_PYTHON_INEXPRESSIBLE",
          `${operation} in "${name}" only reaches clients of this process: other hosts select sockets by id`,
        ),
      );
      return [];
    }
    return [...rooms].filter((room) => !this.nsp.sockets.has(room));
  }
}

/** Returns whether `options` selects exactly the sockets of one room. */
function isOnlyRoom({ rooms, except }: BroadcastOptions, room: Room): boolean {
  return rooms.size === 1 && rooms.has(room) && except.size === 0;
}
