// The wire format of @socket.io/redis-adapter 8 and @socket.io/redis-emitter, and our extensions.
//
//   channel                          content
//   <prefix>#<namespace>#            MessagePack [uid, packet, options]: a broadcast
//   <prefix>#<namespace>#<room>#     the same, to exactly one room
//   <prefix>-request#<namespace>#    JSON {uid, requestId, type, …}, or MessagePack if it contains bytes
//   <prefix>-response#<namespace>#   JSON {requestId, …}, or MessagePack if it contains bytes
//   <prefix>-response#<namespace>#<uid>#    the same, for the process that has sent the request
//   <prefix>-barewire#<namespace>#   JSON {uid, type}: hello, heartbeat, goodbye. Only barewire subscribes
//
// Extensions: responses have `uid`, the id of the process that answers, and there are two more types of responses,
// "done" and "no-answer". Other implementations ignore these extensions, because they only read the fields that they
// know.

import { type Bytes, byteAt, decodeUtf8, encodeUtf8, isBinary } from "../../protocol/bytes.ts";
import { check, SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { parseJson } from "../../protocol/socketio/json.ts";
import { decode, encode, splitArray } from "../../protocol/socketio/messagepack.ts";
import { BINARY_EVENT, EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { isNumber, isObject, isString } from "../events/options.ts";
import type {
  BroadcastFlags,
  BroadcastOptions,
  Room,
  ServerSideEvent,
  SocketDetails,
} from "../socketio/adapter.ts";
import type { Handshake } from "../socketio/handshake.ts";
import type {
  ClusterAnswer,
  ClusterCommand,
  Membership,
  NodeId,
  RequestId,
} from "./cluster-messages.ts";

/** The types of requests and responses. */
const SOCKETS = 0;
const ALL_ROOMS = 1;
const REMOTE_JOIN = 2;
const REMOTE_LEAVE = 3;
const REMOTE_DISCONNECT = 4;
const REMOTE_FETCH = 5;
const SERVER_SIDE_EMIT = 6;
const BROADCAST = 7;
const BROADCAST_CLIENT_COUNT = 8;
const BROADCAST_ACK = 9;

/**
 * Largest number of clients of one process. Its sockets are stored in a Map, which can have at most this many entries.
 */
const MAX_CLIENTS = 2 ** 24;

/** "{": JSON messages start with this byte, and MessagePack messages never do. */
const BRACE = 0x7b;

/** The channels of a namespace. */
export interface Channels {
  /** The channel of broadcasts to several rooms, or to all sockets. */
  readonly broadcasts: string;
  /** The channel of requests. */
  readonly requests: string;
  /** The channel of responses. */
  readonly responses: string;
  /** The channel on which processes report about themselves. */
  readonly membership: string;
  /** Returns the channel of broadcasts to one room. */
  room(room: Room): string;
  /** Returns the channel of responses to one process. */
  responsesTo(node: NodeId): string;
}

/** Returns the channels of a namespace. */
export function channelsOf(prefix: string, namespace: string): Channels {
  const broadcasts = `${prefix}#${namespace}#`;
  const responses = `${prefix}-response#${namespace}#`;
  return {
    broadcasts,
    responses,
    requests: `${prefix}-request#${namespace}#`,
    membership: `${prefix}-barewire#${namespace}#`,
    room: (room) => `${broadcasts}${nameOf(room)}#`,
    responsesTo: (node) => `${responses}${node}#`,
  };
}

// Functions for broadcasts.

/**
 * Encodes a broadcast.
 *
 * @throws TypeError or RangeError if a value cannot be encoded
 */
export function encodeBroadcast(uid: NodeId, packet: Packet, options: BroadcastOptions): Bytes {
  return encode([uid, packetFields(packet), { ...targetFields(options), flags: options.flags }]);
}

/** A received broadcast. At first, only its sender and its target are decoded. */
export interface ReceivedBroadcast {
  readonly sender: NodeId | undefined;
  readonly options: BroadcastOptions;
  /** Decodes the packet. Returns `undefined` if the packet is invalid or of another namespace. */
  packet(): Packet | undefined;
}

/** Decodes the sender and the target of a broadcast. Returns `undefined` if the message is invalid. */
export function decodeBroadcast(bytes: Bytes, namespace: string): ReceivedBroadcast | undefined {
  return attempt(() => {
    const [uid, packet, options] = splitArray(bytes);
    if (uid === undefined || packet === undefined || options === undefined) return undefined;
    const decoded = optionsOf(decode(options));
    if (decoded === undefined) return undefined;
    return {
      sender: textOf(decode(uid)),
      options: decoded,
      packet: () => attempt(() => packetOf(decode(packet), namespace)),
    };
  });
}

// Functions for requests.

/** A request. Only old versions of @socket.io/redis-adapter send "sockets" and "all-rooms". */
export type RedisRequest =
  | ClusterCommand
  | { readonly type: "sockets"; readonly rooms: readonly Room[]; readonly request: RequestId }
  | { readonly type: "all-rooms"; readonly request: RequestId };

/** A message and its sender. */
export interface From<Message> {
  readonly sender: NodeId | undefined;
  readonly message: Message;
}

/**
 * Encodes a request.
 *
 * @throws TypeError or RangeError if a value cannot be encoded
 */
export function encodeRequest(uid: NodeId, message: ClusterCommand): Bytes {
  const { request: requestId } = message;
  switch (message.type) {
    case "broadcast": {
      const { packet, options } = message;
      const opts = { ...targetFields(options), flags: options.flags };
      return encode({ uid, requestId, type: BROADCAST, packet: packetFields(packet), opts });
    }
    case "server-side-emit":
      return encodeValue({ uid, requestId, type: SERVER_SIDE_EMIT, data: message.event });
    case "fetch":
      return encodeValue({
        uid,
        requestId,
        type: REMOTE_FETCH,
        opts: targetFields(message.options),
      });
    case "disconnect": {
      const opts = targetFields(message.options);
      return encodeValue({ uid, requestId, type: REMOTE_DISCONNECT, opts, close: message.close });
    }
    default: {
      const type = message.type === "join" ? REMOTE_JOIN : REMOTE_LEAVE;
      const opts = targetFields(message.options);
      return encodeValue({ uid, requestId, type, opts, rooms: message.rooms });
    }
  }
}

/** Decodes a request. Returns `undefined` if the request is invalid or its type is unknown. */
export function decodeRequest(bytes: Bytes, namespace: string): From<RedisRequest> | undefined {
  return attempt(() => {
    const fields = fieldsOf(decodeValue(bytes));
    if (fields === undefined) return undefined;
    const message = requestOf(fields, namespace);
    return message && { sender: textOf(fields.uid), message };
  });
}

function requestOf(fields: Fields, namespace: string): RedisRequest | undefined {
  const request = textOf(fields.requestId);
  const options = optionsOf(fields.opts) ?? socketOf(fields.sid);
  switch (fields.type) {
    case SOCKETS:
      return request === undefined
        ? undefined
        : { type: "sockets", rooms: roomsOf(fields.rooms) ?? [], request };
    case ALL_ROOMS:
      return request === undefined ? undefined : { type: "all-rooms", request };
    case REMOTE_JOIN:
    case REMOTE_LEAVE: {
      const type = fields.type === REMOTE_JOIN ? "join" : "leave";
      const rooms = roomsOf(fields.rooms) ?? roomsOf([fields.room]);
      return options && rooms && { type, options, rooms, request };
    }
    case REMOTE_DISCONNECT:
      return options && { type: "disconnect", options, close: fields.close === true, request };
    case REMOTE_FETCH:
      return request === undefined ? undefined : options && { type: "fetch", options, request };
    case SERVER_SIDE_EMIT: {
      const event = serverSideEventOf(fields.data);
      return event && { type: "server-side-emit", event, request };
    }
    case BROADCAST: {
      const packet = packetOf(fields.packet, namespace);
      if (request === undefined || options === undefined || packet === undefined) return undefined;
      return { type: "broadcast", packet, options, request };
    }
    default:
      return undefined;
  }
}

/**
 * Returns the target of a request that contains the id of a socket. Processes with @socket.io/redis-adapter 6 or older
 * send such requests.
 */
function socketOf(sid: unknown): BroadcastOptions | undefined {
  return isString(sid) ? { rooms: new Set([sid]), except: new Set(), flags: {} } : undefined;
}

// Functions for responses.

/** A response. "sockets" and "all-rooms" answer the requests of old versions of @socket.io/redis-adapter. */
export type RedisAnswer =
  | ClusterAnswer
  | { readonly type: "sockets"; readonly request: RequestId; readonly sockets: readonly string[] }
  | { readonly type: "all-rooms"; readonly request: RequestId; readonly rooms: readonly Room[] };

/**
 * Encodes a response.
 *
 * @throws TypeError or RangeError if a value cannot be encoded
 */
export function encodeAnswer(uid: NodeId, answer: RedisAnswer): Bytes {
  if (answer.type === "heartbeat") return encodeMembership(uid, "heartbeat");
  const { request: requestId } = answer;
  switch (answer.type) {
    case "asked":
      return encodeValue({
        type: BROADCAST_CLIENT_COUNT,
        requestId,
        clientCount: answer.count,
        uid,
      });
    case "answer":
      return encode({ type: BROADCAST_ACK, requestId, packet: answer.value, uid });
    case "fetched":
      return encodeValue({ requestId, sockets: answer.sockets.map(socketFields), uid });
    case "server-side-answer":
      return encodeValue({ type: SERVER_SIDE_EMIT, requestId, data: answer.value, uid });
    case "sockets":
      return encodeValue({ requestId, sockets: answer.sockets, uid });
    case "all-rooms":
      return encodeValue({ requestId, rooms: answer.rooms, uid });
    default:
      return encodeValue({ type: answer.type, requestId, uid });
  }
}

/** Decodes a response. Returns `undefined` if the response is invalid or its type is unknown. */
export function decodeAnswer(bytes: Bytes): From<ClusterAnswer> | undefined {
  return attempt(() => {
    const fields = fieldsOf(decodeValue(bytes));
    const message = fields && answerOf(fields);
    return message && { sender: textOf(fields.uid), message };
  });
}

function answerOf(fields: Fields): ClusterAnswer | undefined {
  const { type, requestId: request } = fields;
  if (type === "heartbeat") return { type };
  if (!isString(request)) return undefined;
  switch (type) {
    case BROADCAST_CLIENT_COUNT: {
      const count = fields.clientCount;
      return isNumber(count) && Number.isInteger(count) && count >= 0 && count <= MAX_CLIENTS
        ? { type: "asked", request, count }
        : undefined;
    }
    case BROADCAST_ACK:
      return { type: "answer", request, value: fields.packet };
    case SERVER_SIDE_EMIT:
      return { type: "server-side-answer", request, value: fields.data };
    case "done":
    case "no-answer":
      return { type, request };
    default: {
      const { sockets } = fields;
      return Array.isArray(sockets)
        ? {
            type: "fetched",
            request,
            sockets: sockets.flatMap((socket) => detailsOf(socket) ?? []),
          }
        : undefined;
    }
  }
}

// Functions for the messages that a process sends about itself.

const MEMBERSHIP: readonly Membership[] = ["hello", "heartbeat", "goodbye"];

/** Encodes a message that a process sends about itself. */
export function encodeMembership(uid: NodeId, type: Membership): Bytes {
  return encodeUtf8(JSON.stringify({ uid, type }));
}

/**
 * Decodes a message that a process has sent about itself. Returns `undefined` if the message is
 * invalid.
 */
export function decodeMembership(bytes: Bytes): From<{ readonly type: Membership }> | undefined {
  return attempt(() => {
    const fields = fieldsOf(decodeValue(bytes));
    const type = MEMBERSHIP.find((each) => each === fields?.type);
    return type && { sender: textOf(fields?.uid), message: { type } };
  });
}

// Functions for the values in messages.

/** The fields of an object that another process has sent. Each field may be missing or have any type. */
type Fields = Readonly<
  Partial<
    Record<
      | "clientCount"
      | "close"
      | "compress"
      | "data"
      | "except"
      | "flags"
      | "handshake"
      | "id"
      | "nsp"
      | "opts"
      | "packet"
      | "requestId"
      | "room"
      | "rooms"
      | "sid"
      | "sockets"
      | "timeout"
      | "type"
      | "uid"
      | "volatile",
      unknown
    >
  >
>;

/**
 * Encodes a value as JSON, like other implementations, or as MessagePack if it contains bytes. All implementations read
 * both encodings.
 */
function encodeValue(value: object): Bytes {
  return holdsBytes(value) ? encode(value) : encodeUtf8(JSON.stringify(value));
}

function decodeValue(bytes: Bytes): unknown {
  if (bytes.length === 0 || byteAt(bytes, 0) !== BRACE) return decode(bytes);
  const text = decodeUtf8(bytes);
  return text === undefined ? undefined : parseJson(text, SERVER_LIMITS.maxDepth);
}

/** Returns whether a value contains bytes. */
export function holdsBytes(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isBinary(value)) return true;
  return Object.values(value).some(holdsBytes);
}

/** Calls a function. Returns `undefined` if it throws, because invalid bytes are treated as a missing value. */
export function attempt<Value>(read: () => Value | undefined): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Returns the target of a broadcast in the form in which it is encoded. */
export function targetFields({ rooms, except }: BroadcastOptions): {
  rooms: readonly Room[];
  except: readonly Room[];
} {
  return { rooms: [...rooms], except: [...except] };
}

function packetFields(packet: Packet): object {
  const data = "data" in packet ? packet.data : undefined;
  return { type: packet.type, data, nsp: packet.namespace };
}

/** Returns the data of a socket in the form in which it is encoded. */
export function socketFields({ id, handshake, rooms, data }: SocketDetails): object {
  return { id, handshake, rooms: [...rooms], data };
}

function fieldsOf(value: unknown): Fields | undefined {
  return isObject(value) ? { ...value } : undefined;
}

function textOf(value: unknown): string | undefined {
  return isString(value) ? value : undefined;
}

/**
 * Returns the name of a room as a string. JavaScript users can use any value as a room, even an object without a
 * `toString()`.
 */
function nameOf(room: unknown): string {
  try {
    return String(room);
  } catch {
    return typeof room;
  }
}

// JavaScript users can also use numbers as rooms.
function isRoom(value: unknown): value is Room {
  return isString(value) || isNumber(value);
}

/** Returns a decoded list of rooms, or `undefined` if the value is invalid. */
export function roomsOf(value: unknown): Room[] | undefined {
  return Array.isArray(value) && value.every(isRoom) ? value : undefined;
}

/** Returns the decoded options of a broadcast, or `undefined` if the value is invalid. */
export function optionsOf(value: unknown): BroadcastOptions | undefined {
  const fields = fieldsOf(value);
  const rooms = roomsOf(fields?.rooms);
  const except = roomsOf(fields?.except ?? []);
  if (rooms === undefined || except === undefined) return undefined;
  return { rooms: new Set(rooms), except: new Set(except), flags: flagsOf(fields?.flags) };
}

function flagsOf(value: unknown): BroadcastFlags {
  const { volatile, compress, timeout } = fieldsOf(value) ?? {};
  return {
    volatile: volatile === true,
    compress: compress !== false,
    ...(isNumber(timeout) && timeout >= 0 ? { timeout: Math.min(timeout, 0x7fffffff) } : {}),
  };
}

function packetOf(value: unknown, namespace: string): Packet | undefined {
  const { type, data, nsp = "/" } = fieldsOf(value) ?? {};
  if (nsp !== namespace || (type !== EVENT && type !== BINARY_EVENT)) return undefined;
  // Rejects events that clients would reject, and events that cannot be encoded.
  const packet = check({ type, namespace, id: undefined }, data, SERVER_LIMITS);
  return packet.type === EVENT ? { type: EVENT, namespace, data: packet.data } : undefined;
}

/** Returns a decoded event between servers, or `undefined` if the value is invalid. */
export function serverSideEventOf(value: unknown): ServerSideEvent | undefined {
  // Listeners receive the items as arguments, and JavaScript limits the number of arguments of a
  // function call.
  if (!Array.isArray(value) || value.length > SERVER_LIMITS.maxArguments) return undefined;
  const [name, ...args]: unknown[] = value;
  return isString(name) ? [name, ...args] : undefined;
}

/** Returns the decoded data of a socket, or `undefined` if the value is invalid. */
export function detailsOf(value: unknown): SocketDetails | undefined {
  const { id, handshake, rooms, data } = fieldsOf(value) ?? {};
  const names = roomsOf(rooms);
  if (!isString(id) || names === undefined || !isHandshake(handshake)) return undefined;
  return { id, handshake, rooms: new Set(names), data };
}

/** Returns whether a value is a handshake. Its fields are not checked, because another process has created it. */
function isHandshake(value: unknown): value is Handshake {
  return isObject(value) && "headers" in value && isObject(value.headers);
}
