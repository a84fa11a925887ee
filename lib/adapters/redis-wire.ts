// The wire format of @socket.io/redis-adapter 8, which @socket.io/redis-emitter speaks too, and what is
// added to it.
//
//   channel                          content
//   <prefix>#<namespace>#            MessagePack [uid, packet, options]: a broadcast
//   <prefix>#<namespace>#<room>#     the same, to exactly one room
//   <prefix>-request#<namespace>#    JSON {uid, requestId, type, …}; MessagePack where it holds bytes
//   <prefix>-response#<namespace>#   JSON {requestId, …}; MessagePack where it holds bytes
//   <prefix>-response#<namespace>#<uid>#    the same, for the process that has asked
//   <prefix>-barewire#<namespace>#   JSON {uid, type}: hello, heartbeat, goodbye. Only barewire listens.
//
// Added to responses are `uid`, by which it is known who has answered, and two types of responses, "done"
// and "no-answer". Processes of others ignore them: they look only for the names that they know.

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

/** The most clients of one process: its sockets are in a Map, which holds no more. */
const MAX_CLIENTS = 2 ** 24;

/** "{", with which JSON begins here and nothing in MessagePack that is sent. */
const BRACE = 0x7b;

/** The channels of a namespace. */
export interface Channels {
  readonly broadcasts: string;
  readonly requests: string;
  readonly responses: string;
  readonly membership: string;
  /** The channel of a broadcast to one room. */
  room(room: Room): string;
  /** The channel of the responses to one process. */
  responsesTo(node: NodeId): string;
}

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

// Broadcasts.

/** Encodes a broadcast. @throws TypeError, RangeError for a value that cannot be encoded */
export function encodeBroadcast(uid: NodeId, packet: Packet, options: BroadcastOptions): Bytes {
  return encode([uid, packetFields(packet), { ...targetFields(options), flags: options.flags }]);
}

/** A broadcast of which only the receivers are decoded so far. */
export interface ReceivedBroadcast {
  readonly sender: NodeId | undefined;
  readonly options: BroadcastOptions;
  /** Decodes the packet. `undefined` for one that is invalid or of another namespace. */
  packet(): Packet | undefined;
}

/** Decodes who sends a broadcast and to whom. `undefined` for what is invalid. */
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

// Requests.

/** What old processes ask for besides. */
export type RedisRequest =
  | ClusterCommand
  | { readonly type: "sockets"; readonly rooms: readonly Room[]; readonly request: RequestId }
  | { readonly type: "all-rooms"; readonly request: RequestId };

/** A request with who sends it. */
export interface From<Message> {
  readonly sender: NodeId | undefined;
  readonly message: Message;
}

/** Encodes a request. @throws TypeError, RangeError for a value that cannot be encoded */
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

/** Decodes a request. `undefined` for what is invalid, and for types that are unknown. */
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

/** The socket that requests of version 6 and older name. */
function socketOf(sid: unknown): BroadcastOptions | undefined {
  return isString(sid) ? { rooms: new Set([sid]), except: new Set(), flags: {} } : undefined;
}

// Responses.

/** What old processes are answered besides. */
export type RedisAnswer =
  | ClusterAnswer
  | { readonly type: "sockets"; readonly request: RequestId; readonly sockets: readonly string[] }
  | { readonly type: "all-rooms"; readonly request: RequestId; readonly rooms: readonly Room[] };

/** Encodes a response. @throws TypeError, RangeError for a value that cannot be encoded */
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

/** Decodes a response. `undefined` for what is invalid, and for types that are unknown. */
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

// Membership.

const MEMBERSHIP: readonly Membership[] = ["hello", "heartbeat", "goodbye"];

export function encodeMembership(uid: NodeId, type: Membership): Bytes {
  return encodeUtf8(JSON.stringify({ uid, type }));
}

export function decodeMembership(bytes: Bytes): From<{ readonly type: Membership }> | undefined {
  return attempt(() => {
    const fields = fieldsOf(decodeValue(bytes));
    const type = MEMBERSHIP.find((each) => each === fields?.type);
    return type && { sender: textOf(fields?.uid), message: { type } };
  });
}

// Values.

/** The fields of an object that others have sent. Each may be missing, or have a value of each type. */
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

/** JSON, as others write it; MessagePack where JSON would lose bytes. They read both. */
function encodeValue(value: object): Bytes {
  return holdsBytes(value) ? encode(value) : encodeUtf8(JSON.stringify(value));
}

function decodeValue(bytes: Bytes): unknown {
  if (bytes.length === 0 || byteAt(bytes, 0) !== BRACE) return decode(bytes);
  const text = decodeUtf8(bytes);
  return text === undefined ? undefined : parseJson(text, SERVER_LIMITS.maxDepth);
}

export function holdsBytes(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isBinary(value)) return true;
  return Object.values(value).some(holdsBytes);
}

/** Bytes that are invalid are a value that is missing. */
export function attempt<Value>(read: () => Value | undefined): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

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

export function socketFields({ id, handshake, rooms, data }: SocketDetails): object {
  return { id, handshake, rooms: [...rooms], data };
}

function fieldsOf(value: unknown): Fields | undefined {
  return isObject(value) ? { ...value } : undefined;
}

function textOf(value: unknown): string | undefined {
  return isString(value) ? value : undefined;
}

/** Programs without types name rooms by anything, also by an object of a client whose `toString` is no function. */
function nameOf(room: unknown): string {
  try {
    return String(room);
  } catch {
    return typeof room;
  }
}

// Programs without types name rooms by numbers too.
function isRoom(value: unknown): value is Room {
  return isString(value) || isNumber(value);
}

export function roomsOf(value: unknown): Room[] | undefined {
  return Array.isArray(value) && value.every(isRoom) ? value : undefined;
}

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
  // What clients would fail for, or the encoder would throw for here, comes no further.
  const packet = check({ type, namespace, id: undefined }, data, SERVER_LIMITS);
  return packet.type === EVENT ? { type: EVENT, namespace, data: packet.data } : undefined;
}

export function serverSideEventOf(value: unknown): ServerSideEvent | undefined {
  // A function cannot be called with many more arguments.
  if (!Array.isArray(value) || value.length > SERVER_LIMITS.maxArguments) return undefined;
  const [name, ...args]: unknown[] = value;
  return isString(name) ? [name, ...args] : undefined;
}

export function detailsOf(value: unknown): SocketDetails | undefined {
  const { id, handshake, rooms, data } = fieldsOf(value) ?? {};
  const names = roomsOf(rooms);
  if (!isString(id) || names === undefined || !isHandshake(handshake)) return undefined;
  return { id, handshake, rooms: new Set(names), data };
}

/** A handshake of another process: it is as that process has it. */
function isHandshake(value: unknown): value is Handshake {
  return isObject(value) && "headers" in value && isObject(value.headers);
}
