/**
 * `barewire/python`: the server joins a cluster of python-socketio or Flask-SocketIO over Redis, as one
 * more host of it. https://python-socketio.readthedocs.io/en/stable/server.html#using-a-message-queue
 *
 * ```ts
 * const publisher = createClient({ url: "redis://localhost" });       // of the package redis, or
 * const subscriber = publisher.duplicate();                           // new Redis() of ioredis
 * await Promise.all([publisher.connect(), subscriber.connect()]);
 * const adapter = createPythonAdapter({ publisher, subscriber, channel: "flask-socketio" });
 * const io = new Server(3000, { adapter });
 * ```
 *
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
export type { PythonChannel, RedisPublisher, RedisSubscriber } from "./python-redis.ts";

export interface PythonAdapterOptions {
  /** Publish with this client of `redis` or `ioredis`. */
  readonly publisher: RedisPublisher;
  /** Subscribe with this client, which is another one: `publisher.duplicate()`. */
  readonly subscriber: RedisSubscriber;
  /**
   * Publish and receive on this channel: "flask-socketio" where the others are Flask-SocketIO,
   * "socketio" where they are python-socketio without Flask, or what they set with `channel`.
   */
  readonly channel: PythonChannel | (string & {});
  /**
   * Write emits for these versions: "args-list" for python-socketio 5.15.1 and later, "raw" for
   * earlier ones, which cannot be sent several arguments. Default: "args-list".
   */
  readonly dialect?: PythonDialect;
  /** Read the pickles that python-socketio sends up to 5.13, as data only. Default: `false`. */
  readonly pickle?: boolean;
  /**
   * Bytes of messages that may wait for Redis. Further messages do not reach other hosts, which is
   * reported. Default: 16 MiB.
   */
  readonly maxBackpressure?: number;
  /** Called with what went wrong where nothing can be thrown. Default: a warning of the process. */
  readonly onError?: (error: Error) => void;
}

/** The option `adapter` of a server. */
export interface PythonAdapterFactory {
  (nsp: AdapterHost): PythonAdapter;
  /** Resolves when what other hosts publish is received. */
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
/** Milliseconds that a host waits for an acknowledgement where no timeout() was set: call() of Python. */
const CALL_TIMEOUT = 60_000;

/**
 * Makes the option `adapter` of one server.
 *
 * @throws ArgumentTypeError or ArgumentRangeError for an option that is missing, unknown or invalid
 */
export function createPythonAdapter(options: PythonAdapterOptions): PythonAdapterFactory {
  checkOptions(options, PYTHON_ADAPTER_OPTIONS);
  const { publisher, subscriber, channel, dialect = "args-list", pickle = false } = options;
  for (const name of ["publisher", "subscriber", "channel"] as const) {
    if (options[name] === undefined) throw new ArgumentTypeError(`the option ${name} is missing`);
  }
  if (Object.is(publisher, subscriber)) {
    throw new ArgumentTypeError(
      "a client that subscribes cannot publish: subscriber must be another one than publisher",
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

/** An acknowledgement that another host is to send. */
interface Awaited {
  readonly id: number;
  readonly room: Room;
  readonly answers: BroadcastAnswers;
}

/** The rooms of one namespace in this process, and the way to the other hosts of the cluster. */
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

  /** Publishes the packet first, so that a mistake of the program is thrown before anybody receives it. */
  override broadcast(packet: Packet, options: BroadcastOptions): void {
    if (!options.flags.local) this.publishEmit(packet, options);
    this.sendToMembers(packet, options);
  }

  /**
   * Clients of this process are asked. Where none of them is in the only room that is named, it is
   * that of a client of another host, as with call() of Python, and its host is asked.
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

  /** Another host has published a message for this namespace. @internal */
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
    // Python skips sockets, and not who is in a room of that name.
    const except = new Set(skip.filter((sid) => this.nsp.sockets.has(sid)));
    const options: BroadcastOptions = { rooms: new Set(rooms), except, flags: {} };
    const packet: Packet = { type: EVENT, namespace: this.nsp.name, data: [event, ...args] };
    if (callback === undefined || hostId === undefined) {
      this.sendToMembers(packet, options);
      return;
    }
    const id = this.nsp.nextAckId();
    const members = [...this.members(options)];
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

  /** Sends what a client has acknowledged an event with to the host that asked. */
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

  /** The only room of a broadcast, if no client of this process is in it. */
  private roomElsewhere(options: BroadcastOptions): Room | undefined {
    const [room] = options.rooms;
    if (options.rooms.size !== 1 || options.flags.local) return undefined;
    return this.members(options).next().done === true ? room : undefined;
  }

  /**
   * Who of `options` may be a socket of another host: messages name one socket by its id, and those
   * that are rooms are ignored by other hosts.
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
          `${operation} in "${name}" reaches clients of this process only: other hosts act on sockets by their ids`,
        ),
      );
      return [];
    }
    return [...rooms].filter((room) => !this.nsp.sockets.has(room));
  }
}

/** Whether `options` means everybody who is in one room. */
function isOnlyRoom({ rooms, except }: BroadcastOptions, room: Room): boolean {
  return rooms.size === 1 && rooms.has(room) && except.size === 0;
}
