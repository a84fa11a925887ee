// The messages that the hosts of a python-socketio cluster publish, as socketio/pubsub_manager.py of python-socketio
// writes and reads them.
//
//   {"method":"emit","event":"ev","data":[{"a":1}],"binary":false,"namespace":"/","room":null,
//    "skip_sid":null,"callback":null,"host_id":"48a6…"}
//   {"method":"callback","host_id":"<host that sent the emit>","sid":"<room>","namespace":"/","id":1,"args":["acked"]}
//   {"method":"disconnect","sid":"…","namespace":"/","host_id":"…"}
//   {"method":"enter_room" or "leave_room","sid":"…","room":"r","namespace":"/","host_id":"…"}
//   {"method":"close_room","room":"r","namespace":"/","host_id":"…"}
//
// The dialects differ in the data of an emit:
//
//   python-socketio    bytes    emit("ev", 1)   emit("ev", [1, 2])   emit("ev", (1, 2))   emit("ev", b"q")
//   to 5.13            pickle   1               [1, 2]               (1, 2)               b"q"
//   5.14.0 to 5.15.0   JSON     1               [1, 2]               [1, 2]               [{placeholder},"cQ=="]
//   from 5.15.1        JSON     [1]             [[1, 2]]             [1, 2]               [[{placeholder}],"cQ=="]

import { type Bytes, decodeBase64, decodeUtf8, encodeBase64 } from "../../protocol/bytes.ts";
import { extract, isObject, restore } from "../../protocol/socketio/attachments.ts";
import { RESERVED_EVENTS } from "../../protocol/socketio/packet.ts";
import { unpickle } from "./pickle.ts";
import { PythonAdapterError } from "./python-errors.ts";
import { parsePythonJson } from "./python-json.ts";

/**
 * The JSON format of an emit's data. "args-list": a list of the arguments, for python-socketio 5.15.1 and later. "raw":
 * the only argument itself, for earlier versions.
 */
export type PythonDialect = "args-list" | "raw";

/** The format in which messages are read and written. */
export interface PythonFormat {
  readonly dialect: PythonDialect;
  /** Whether pickles are read. Hosts that send pickles (python-socketio up to 5.13) cannot read bytes in JSON. */
  readonly pickle: boolean;
}

/** Identifies the acknowledgement that a host waits for. The reply contains the same reference. */
export type CallbackReference = readonly [room: unknown, namespace: unknown, id: unknown];

/** The contents of an emit message. */
export interface Emit {
  readonly event: string | number;
  readonly args: readonly unknown[];
  /** The rooms whose sockets receive the event. `undefined`: all sockets. An empty list: no socket. */
  readonly rooms: readonly string[] | undefined;
  /** The ids of sockets that do not receive the event. */
  readonly skip: readonly string[];
  readonly callback: CallbackReference | undefined;
}

/** A message of a host. */
export type PythonMessage = { readonly namespace: string; readonly hostId: string | undefined } & (
  | ({ readonly method: "emit" } & Emit)
  | {
      readonly method: "callback";
      readonly sid: unknown;
      readonly id: unknown;
      readonly args: readonly unknown[];
    }
  | { readonly method: "disconnect"; readonly sid: string }
  | {
      readonly method: "enter_room" | "leave_room";
      readonly sid: string;
      readonly room: string;
    }
  | { readonly method: "close_room"; readonly room: string }
);

/**
 * Encodes an emit message.
 *
 * @throws PythonAdapterError (`code` "ERR_PYTHON_INEXPRESSIBLE") if the dialect cannot express the arguments, or if
 * other hosts would mistake an object in the arguments for bytes
 */
export function encodeEmit(
  { event, args, rooms, skip, callback = undefined }: Emit,
  namespace: string,
  hostId: string,
  format: PythonFormat,
): string {
  const given = format.dialect === "raw" ? onlyArgument(args) : args;
  const { data, attachments } = extract(given);
  const binary = attachments.length > 0;
  if (binary) checkBinary(data, attachments.length, format);
  return JSON.stringify({
    method: "emit",
    event,
    data: binary ? [data, ...attachments.map(encodeBase64)] : (data ?? null),
    binary,
    namespace,
    room: rooms === undefined ? null : oneOrMany(rooms),
    skip_sid: oneOrMany(skip),
    callback: callback ?? null,
    host_id: hostId,
  });
}

/**
 * Encodes the acknowledgement of a client, for the host that has sent the event.
 *
 * @throws PythonAdapterError (`code` "ERR_PYTHON_INEXPRESSIBLE") if the acknowledgement contains bytes
 */
export function encodeCallback(
  hostId: string,
  [sid, namespace, id]: CallbackReference,
  args: readonly unknown[],
): string {
  if (extract(args).attachments.length > 0) {
    throw inexpressible("an acknowledgement for another host cannot contain bytes");
  }
  return JSON.stringify({ method: "callback", host_id: hostId, sid, namespace, id, args });
}

/** Encodes an operation on one socket. */
export function encodeOperation(
  method: "disconnect" | "enter_room" | "leave_room",
  sid: string,
  room: string | undefined,
  namespace: string,
  hostId: string,
): string {
  return JSON.stringify({ method, sid, room, namespace, host_id: hostId });
}

/** Encodes the command that makes all sockets leave a room. */
export function encodeCloseRoom(room: string, namespace: string, hostId: string): string {
  return JSON.stringify({ method: "close_room", room, namespace, host_id: hostId });
}

/**
 * Returns the bytes with which each message of this process ends. Only callbacks end differently: they contain the id
 * of the host that has sent the event.
 */
export function endingOf(hostId: string): Buffer {
  return Buffer.from(`"host_id":${JSON.stringify(hostId)}}`);
}

/** The first byte of a pickle of protocol 2 or later. JSON never starts with this byte. */
const PROTO = 0x80;

/**
 * Decodes a message. Returns `undefined` if the method is unknown, because other versions may have more methods.
 *
 * @throws PythonAdapterError, PickleError or ProtocolError if the message is invalid
 */
export function decodeMessage(bytes: Bytes, format: PythonFormat): PythonMessage | undefined {
  if (bytes[0] === PROTO) {
    if (!format.pickle) {
      throw new PythonAdapterError(
        "ERR_PYTHON_PICKLE_OFF",
        "another host sends pickles, as python-socketio up to 5.13 does: set the option pickle to read them",
      );
    }
    const { value, tuples } = unpickle(bytes);
    return read(value, (data) => (isTuple(data, tuples) ? data : single(data)));
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) throw invalid("a message is neither JSON nor a pickle");
  return read(parsePythonJson(text), (data, binary) => {
    const whole = binary ? restoreBytes(data) : data;
    if (format.dialect === "raw" || !Array.isArray(whole)) return single(whole);
    return whole.length === 1 ? single(whole[0]) : whole;
  });
}

type ReadArguments = (data: unknown, binary: boolean) => readonly unknown[];

function read(message: unknown, readArguments: ReadArguments): PythonMessage | undefined {
  if (!isObject(message)) throw invalid("a message is not an object");
  const { method, host_id } = message;
  if (typeof method !== "string") throw invalid("a message has no method");
  const hostId = typeof host_id === "string" ? host_id : undefined;
  const about = (): { namespace: string; hostId: string | undefined } => ({
    namespace: string(message.namespace, `the namespace of ${method}`),
    hostId,
  });
  switch (method) {
    case "emit":
      return { method, ...about(), ...readEmit(message, readArguments) };
    case "callback": {
      const { sid, id, args } = message;
      if (!Array.isArray(args)) throw invalid("the arguments of callback are not a list");
      return { method, ...about(), sid, id, args };
    }
    case "disconnect":
      return { method, ...about(), sid: string(message.sid, "the sid of disconnect") };
    case "enter_room":
    case "leave_room":
      return {
        method,
        ...about(),
        sid: string(message.sid, `the sid of ${method}`),
        room: roomName(message.room),
      };
    case "close_room":
      return { method, ...about(), room: roomName(message.room) };
    default:
      return undefined;
  }
}

function readEmit(message: Record<string, unknown>, readArguments: ReadArguments): Emit {
  const { room, skip_sid, callback } = message;
  const event = string(message.event, "the event of emit");
  if (RESERVED_EVENTS.has(event)) throw invalid(`"${event}" is a reserved event name`);
  if (!("data" in message)) throw invalid("an emit has no data");
  return {
    event,
    args: readArguments(message.data, Boolean(message.binary)),
    rooms: isNone(room) ? undefined : listOf(room).map(roomName),
    skip: isNone(skip_sid) ? [] : listOf(skip_sid).map(roomName),
    callback: isReference(callback) ? callback : undefined,
  };
}

/**
 * Returns the arguments of an event whose `data` is the only argument. As in Manager.emit() of python-socketio, None
 * means that the event has no arguments.
 */
function single(data: unknown): readonly unknown[] {
  return data === null ? [] : [data];
}

function isTuple(data: unknown, tuples: ReadonlySet<unknown>): data is readonly unknown[] {
  return tuples.has(data);
}

/** Decodes `[tree, base64, base64, …]`. Returns the tree with the bytes in place of the placeholders. */
function restoreBytes(data: unknown): unknown {
  if (!Array.isArray(data) || data.length === 0) throw invalid("a binary emit has no list of data");
  const [tree, ...encoded]: readonly unknown[] = data;
  const attachments = encoded.map((each) => {
    const bytes = typeof each === "string" ? decodeBase64(each) : undefined;
    if (bytes === undefined) throw invalid("an attachment of an emit is not base64");
    return bytes;
  });
  return restore(tree, attachments);
}

function onlyArgument(args: readonly unknown[]): unknown {
  if (args.length > 1) {
    throw inexpressible(
      'the dialect "raw" cannot emit several arguments to other hosts: emit one list or object, or use "args-list" if all hosts have python-socketio 5.15.1 or later',
    );
  }
  return args[0];
}

function checkBinary(tree: unknown, attachments: number, { dialect, pickle }: PythonFormat): void {
  if (dialect === "raw" && pickle) {
    throw inexpressible("hosts that send pickles cannot read bytes in JSON");
  }
  if (placeholders(tree) !== attachments) {
    throw inexpressible(
      'other hosts would mistake an object with "_placeholder" and "num" for bytes',
    );
  }
}

/** Returns how many objects Packet.reconstruct_binary() of python-socketio would replace by bytes. */
function placeholders(value: unknown): number {
  if (!isObject(value)) return 0;
  const isPlaceholder = Boolean(value._placeholder) && "num" in value;
  const inside = Object.values(value).reduce((sum: number, each) => sum + placeholders(each), 0);
  return inside + (isPlaceholder ? 1 : 0);
}

/**
 * Encodes a list of names like python-socketio: an empty list becomes None, and a list of one name
 * becomes that name.
 */
function oneOrMany(names: readonly string[]): readonly string[] | string | null {
  if (names.length > 1) return names;
  return names[0] ?? null;
}

function isNone(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** Returns the name of a room as a string. In Python a room can be a number. */
function roomName(room: unknown): string {
  if (typeof room === "number") return String(room);
  return string(room, "a room or a sid");
}

function isReference(value: unknown): value is CallbackReference {
  return Array.isArray(value) && value.length === 3;
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} is not a string`);
  return value;
}

function invalid(message: string): PythonAdapterError {
  return new PythonAdapterError("ERR_PYTHON_MESSAGE", message);
}

function inexpressible(message: string): PythonAdapterError {
  return new PythonAdapterError("ERR_PYTHON_INEXPRESSIBLE", message);
}
