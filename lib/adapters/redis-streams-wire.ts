// The wire format of @socket.io/redis-streams-adapter 0.3, and our extensions.
//
//   key                              content
//   <streamName>                     stream of entries {uid, nsp, type, data}: broadcasts, and commands to
//                                    sockets. `data` is JSON, or MessagePack in base64 if it contains bytes
//   <sessionKeyPrefix><pid>          MessagePack in base64: the session of a client that may recover
//
//   channel                          content
//   <channelPrefix>#<namespace>#     MessagePack {uid, nsp, type, data}: requests that are answered
//   <channelPrefix>#<namespace>#<uid>#         the same: the answers to one process
//   <channelPrefix>-barewire#<namespace>#      the same: hello, heartbeat, goodbye, returned. Only barewire
//                                    subscribes
//
// Extensions: entries have the field `number`, by which a process recognises its own entries, and commands have
// `requestId` in their data. Sessions have `nsp`, `offset` and `returns`. There are three more types of messages. Other
// implementations ignore all of these extensions.

import { type Bytes, isBinary } from "../../protocol/bytes.ts";
import { isDeeper, SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { parseJson } from "../../protocol/socketio/json.ts";
import { decode, encode } from "../../protocol/socketio/messagepack.ts";
import { BINARY_EVENT, EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { fromPacket, toPacket } from "../../protocol/socketio/parser.ts";
import type { Untyped } from "../events/emitter.ts";
import { isNumber, isObject, isString } from "../events/options.ts";
import type { BroadcastOptions, RecoverableSession, SocketId } from "../socketio/adapter.ts";
import type { ClusterAnswer, ClusterMessage, NodeId, Received } from "./cluster-messages.ts";
import {
  attempt,
  detailsOf,
  holdsBytes,
  optionsOf,
  roomsOf,
  serverSideEventOf,
  socketFields,
  targetFields,
} from "./redis-wire.ts";

/**
 * Informs the other processes that a client has reconnected to this process, and that its stored session is in use. The
 * client's previous process then disconnects the client's old socket.
 *
 * `returns` is the number of the client's reconnections. It prevents a late message from ending a newer connection.
 */
export interface RecoveryNews {
  readonly type: "returned";
  readonly sid: SocketId;
  readonly pid: string;
  readonly returns: number;
}

/** A message of a process with this adapter. */
export type StreamsMessage = Received | RecoveryNews;

/** The types of messages. The types that are strings are extensions. */
const TYPES = {
  hello: 1,
  heartbeat: 2,
  broadcast: 3,
  join: 4,
  leave: 5,
  disconnect: 6,
  fetch: 7,
  fetched: 8,
  "server-side-emit": 9,
  "server-side-answer": 10,
  asked: 11,
  answer: 12,
  goodbye: 13,
  done: "done",
  "no-answer": "no-answer",
  returned: "returned",
} as const satisfies Record<StreamsMessage["type"], number | string>;

const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(TYPES).map(([name, type]) => [`${type}`, name]),
);

/**
 * Largest number of clients of one process. Its sockets are stored in a Map, which can have at most this many entries.
 */
const MAX_CLIENTS = 2 ** 24;

/**
 * Largest depth of nested arrays and objects in an entry: the levels of an event, and the levels of the message that
 * contains the event.
 */
const MAX_DEPTH = SERVER_LIMITS.maxDepth + 4;

/** A decoded entry of the stream, or a decoded message of a channel. */
export interface StreamsFrom {
  readonly sender: NodeId;
  /** `undefined` if the type is unknown. */
  readonly message: StreamsMessage | undefined;
  /** The number that the sender has assigned to the entry. */
  readonly number: number | undefined;
}

// Functions for entries of the stream.

/** The fields of an entry. */
export type EntryFields = ReadonlyMap<string, string>;

/**
 * Encodes a message as the fields of an entry.
 *
 * @throws TypeError or RangeError if a value cannot be encoded
 */
export function encodeEntry(
  uid: NodeId,
  namespace: string,
  message: ClusterMessage,
  number: number,
): EntryFields {
  const data = dataOf(message);
  // Processes that read the entry check the depth of the event, so the depth is checked before the entry is added.
  if (message.type === "broadcast") checkDepth(fromPacket(message.packet).data);
  const text = holdsBytes(data)
    ? Buffer.from(encode(asJson(data))).toString("base64")
    : JSON.stringify(data);
  return new Map([
    ["uid", uid],
    ["nsp", namespace],
    ["type", `${TYPES[message.type]}`],
    ["data", text],
    ["number", `${number}`],
  ]);
}

/** Decodes the fields of an entry. Returns `undefined` if they are invalid. */
export function decodeEntry(fields: EntryFields, namespace: string): StreamsFrom | undefined {
  return attempt(() => {
    const sender = fields.get("uid");
    const data = fields.get("data") ?? "{}";
    if (sender === undefined) return undefined;
    const value: unknown = data.startsWith("{")
      ? parseJson(data, MAX_DEPTH)
      : decode(Buffer.from(data, "base64"));
    const number = Number(fields.get("number") ?? Number.NaN);
    const message = messageOf(fields.get("type"), value, namespace);
    return (
      message && { sender, number: Number.isSafeInteger(number) ? number : undefined, ...message }
    );
  });
}

// Functions for messages of channels.

/**
 * Encodes a message for a channel.
 *
 * @throws TypeError or RangeError if a value cannot be encoded
 */
export function encodeStreamsMessage(
  uid: NodeId,
  nsp: string,
  message: ClusterMessage | ClusterAnswer | RecoveryNews,
): Bytes {
  return encode({ uid, nsp, type: TYPES[message.type], data: asJson(dataOf(message)) });
}

/** Decodes a message of a channel. Returns `undefined` if the message is invalid. */
export function decodeStreamsMessage(bytes: Bytes, namespace: string): StreamsFrom | undefined {
  return attempt(() => {
    const { uid, nsp, type, data }: Fields<"uid" | "nsp" | "type" | "data"> = Object(decode(bytes));
    if (!isString(uid) || nsp !== namespace) return undefined;
    const message = messageOf(type, data ?? {}, namespace);
    return message && { sender: uid, number: undefined, ...message };
  });
}

// Functions for sessions.

/** A session as it is stored in Redis. */
export interface KeptSession extends RecoverableSession {
  /**
   * The name of the session's namespace. `undefined` if another implementation has stored the session, because other
   * implementations do not store the name.
   */
  readonly nsp: string | undefined;
  /** How often the session's client has reconnected. */
  readonly returns: number;
}

/** Encodes a session. Properties of its data that cannot be encoded, such as functions, are omitted. */
export function encodeSession(session: KeptSession): string {
  const { sid, pid, nsp, rooms, data, offset, returns } = session;
  const others = { sid, pid, nsp, rooms: [...rooms], offset, returns };
  const bytes =
    attempt(() => encode({ ...others, data })) ?? encode({ ...others, data: encodable(data) });
  return Buffer.from(bytes).toString("base64");
}

/** Decodes the session of a client. Returns `undefined` if the session is invalid. */
export function decodeSession(text: string, secret: string): KeptSession | undefined {
  return attempt(() => {
    const fields: Fields<"sid" | "pid" | "nsp" | "rooms" | "offset" | "returns"> & {
      data?: Untyped;
    } = Object(decode(Buffer.from(text, "base64")));
    const { sid, pid, nsp, data = {}, offset } = fields;
    const rooms = roomsOf(fields.rooms);
    if (!isString(sid) || sid === "" || pid !== secret || rooms === undefined) return undefined;
    // Sessions of other implementations have no namespace, no offset and no count of reconnections.
    return {
      sid,
      pid: secret,
      nsp: isString(nsp) ? nsp : undefined,
      rooms: new Set(rooms),
      data,
      offset: isString(offset) ? offset : "",
      returns: countOf(fields.returns),
    };
  });
}

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function encodable(data: Untyped): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(Object(data)).filter(([, value]) => attempt(() => encode(value)) !== undefined),
  );
}

// Functions for the values in entries and messages.

/** The fields of an object that another process has sent. Each field may be missing or have any type. */
type Fields<Name extends string> = Readonly<Partial<Record<Name, unknown>>>;

function dataOf(message: ClusterMessage | ClusterAnswer | RecoveryNews): object {
  switch (message.type) {
    case "hello":
    case "heartbeat":
    case "goodbye":
      return {};
    case "returned":
      return { sid: message.sid, pid: message.pid, returns: message.returns };
    case "broadcast": {
      const { packet, request: requestId } = message;
      const { type, nsp, data } = fromPacket(packet);
      return { opts: optionFields(message.options), packet: { type, nsp, data }, requestId };
    }
    case "join":
    case "leave": {
      const { rooms, request: requestId } = message;
      return { opts: optionFields(message.options), rooms, requestId };
    }
    case "disconnect": {
      const { close, request: requestId } = message;
      return { opts: optionFields(message.options), close, requestId };
    }
    case "fetch":
      return { opts: optionFields(message.options), requestId: message.request };
    case "server-side-emit":
      return { packet: message.event, requestId: message.request };
    case "fetched":
      return { requestId: message.request, sockets: message.sockets.map(socketFields) };
    case "server-side-answer":
    case "answer":
      return { requestId: message.request, packet: message.value };
    case "asked":
      return { requestId: message.request, clientCount: message.count };
    default:
      return { requestId: message.request };
  }
}

function optionFields(options: BroadcastOptions): object {
  return { ...targetFields(options), flags: options.flags };
}

type Names =
  | "clientCount"
  | "close"
  | "opts"
  | "packet"
  | "pid"
  | "requestId"
  | "returns"
  | "rooms"
  | "sid"
  | "sockets";

/**
 * Decodes the data of a message. If the type is unknown, the `message` of the result is `undefined`. If the data is
 * invalid, the result itself is `undefined`.
 */
function messageOf(
  type: unknown,
  data: unknown,
  namespace: string,
): { readonly message: StreamsMessage | undefined } | undefined {
  const name = NAMES.get(`${type}`);
  if (name === undefined) return { message: undefined };
  const message = knownMessageOf(name, Object(data), namespace);
  return message && { message };
}

function knownMessageOf(
  type: string,
  fields: Fields<Names>,
  namespace: string,
): StreamsMessage | undefined {
  const { requestId, packet: value } = fields;
  const request = isString(requestId) ? requestId : undefined;
  const options = optionsOf(fields.opts);
  switch (type) {
    case "hello":
    case "heartbeat":
    case "goodbye":
      return { type };
    case "returned":
      return isString(fields.pid) && isString(fields.sid)
        ? { type, sid: fields.sid, pid: fields.pid, returns: countOf(fields.returns) }
        : undefined;
    case "broadcast": {
      const packet = packetOf(value, namespace);
      return options && packet && { type, packet, options, request };
    }
    case "join":
    case "leave": {
      const rooms = roomsOf(fields.rooms);
      return options && rooms && { type, options, rooms, request };
    }
    case "disconnect":
      return options && { type, options, close: fields.close === true, request };
    case "server-side-emit": {
      const event = serverSideEventOf(value);
      return event && { type, event, request };
    }
    default:
      return request === undefined ? undefined : answeredOf(type, request, options, fields);
  }
}

/** Decodes the messages that contain a request id. */
function answeredOf(
  type: string,
  request: string,
  options: BroadcastOptions | undefined,
  { packet: value, clientCount: count, sockets }: Fields<Names>,
): StreamsMessage | undefined {
  switch (type) {
    case "fetch":
      return options && { type, options, request };
    case "fetched":
      return Array.isArray(sockets)
        ? { type, request, sockets: sockets.flatMap((socket) => detailsOf(socket) ?? []) }
        : undefined;
    case "server-side-answer":
    case "answer":
      return { type, request, value };
    case "asked":
      return isNumber(count) && Number.isInteger(count) && count >= 0 && count <= MAX_CLIENTS
        ? { type, request, count }
        : undefined;
    case "done":
    case "no-answer":
      return { type, request };
    default:
      return undefined;
  }
}

/**
 * Returns the event of a packet.
 *
 * @throws ProtocolError if the event cannot be sent to clients
 */
function packetOf(value: unknown, namespace: string): Packet | undefined {
  const { type, nsp = namespace, data }: Fields<"type" | "nsp" | "data"> = Object(value);
  if ((type !== EVENT && type !== BINARY_EVENT) || nsp !== namespace) return undefined;
  return toPacket({ type: EVENT, nsp, data }, SERVER_LIMITS);
}

/**
 * Converts a value as JSON would, except for bytes. Without this conversion, dates would be encoded as an extension
 * type of MessagePack. Other decoders do not support this type, and clients would receive dates in a different form
 * than in events without bytes.
 */
function asJson(value: unknown): unknown {
  checkDepth(value);
  return withoutDates(value);
}

function checkDepth(value: unknown): void {
  if (isDeeper(value, SERVER_LIMITS.maxDepth)) {
    throw new RangeError("the value is nested too deeply, or contains itself");
  }
}

function withoutDates(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDates);
  if (!isObject(value) || isBinary(value)) return value;
  if ("toJSON" in value && typeof value.toJSON === "function") return withoutDates(value.toJSON());
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, withoutDates(each)]),
  );
}
