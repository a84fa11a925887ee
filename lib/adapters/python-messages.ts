// What the hosts of a python-socketio cluster publish to each other, as socketio/pubsub_manager.py of
// python-socketio writes and reads it.
//
//   {"method":"emit","event":"ev","data":[{"a":1}],"binary":false,"namespace":"/","room":null,
//    "skip_sid":null,"callback":null,"host_id":"48a6…"}
//   {"method":"callback","host_id":"<who asked>","sid":"<room>","namespace":"/","id":1,"args":["acked"]}
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
 * How the data of an emit is written in JSON. "args-list": a list of the arguments, from python-socketio
 * 5.15.1 on. "raw": the only argument itself, before.
 */
export type PythonDialect = "args-list" | "raw";

/** How messages are read and written. */
export interface PythonFormat {
  readonly dialect: PythonDialect;
  /** Pickles are read. Hosts that send them, up to python-socketio 5.13, read no bytes in JSON. */
  readonly pickle: boolean;
}

/** Who asked for an acknowledgement, and its number there; sent back as it came. */
export type CallbackReference = readonly [room: unknown, namespace: unknown, id: unknown];

export interface Emit {
  readonly event: string | number;
  readonly args: readonly unknown[];
  /** `undefined`: everybody. Empty: nobody. */
  readonly rooms: readonly string[] | undefined;
  /** Ids of sockets that do not receive it. */
  readonly skip: readonly string[];
  readonly callback: CallbackReference | undefined;
}

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
 * Writes an emit.
 *
 * @throws PythonAdapterError (`code` "ERR_PYTHON_INEXPRESSIBLE") for arguments that the dialect cannot
 * say, and for an object that other hosts would take for bytes
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
 * Writes the acknowledgement that a client has given, for the host that asked.
 *
 * @throws PythonAdapterError (`code` "ERR_PYTHON_INEXPRESSIBLE") for one with bytes
 */
export function encodeCallback(
  hostId: string,
  [sid, namespace, id]: CallbackReference,
  args: readonly unknown[],
): string {
  if (extract(args).attachments.length > 0) {
    throw inexpressible("an acknowledgement for another host cannot hold bytes");
  }
  return JSON.stringify({ method: "callback", host_id: hostId, sid, namespace, id, args });
}

/** Writes a message about one socket. */
export function encodeOperation(
  method: "disconnect" | "enter_room" | "leave_room",
  sid: string,
  room: string | undefined,
  namespace: string,
  hostId: string,
): string {
  return JSON.stringify({ method, sid, room, namespace, host_id: hostId });
}

/** Writes that everybody leaves a room. */
export function encodeCloseRoom(room: string, namespace: string, hostId: string): string {
  return JSON.stringify({ method: "close_room", room, namespace, host_id: hostId });
}

/** How a message of this process ends: all but callbacks, whose host is the one that asked. */
export function endingOf(hostId: string): Buffer {
  return Buffer.from(`"host_id":${JSON.stringify(hostId)}}`);
}

/** The first byte of a pickle of protocol 2 or later. No JSON begins with it. */
const PROTO = 0x80;

/**
 * Reads a message. `undefined` for a method that is unknown, which other versions may have.
 *
 * @throws PythonAdapterError, PickleError or ProtocolError for an invalid message
 */
export function decodeMessage(bytes: Bytes, format: PythonFormat): PythonMessage | undefined {
  if (bytes[0] === PROTO) {
    if (!format.pickle) {
      throw new PythonAdapterError(
        "ERR_PYTHON_PICKLE_OFF",
        "another host sends pickles, as python-socketio does up to 5.13: the option pickle reads them",
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
  if (!isObject(message)) throw invalid("a message is no object");
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
      if (!Array.isArray(args)) throw invalid("the arguments of callback are no list");
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

/** As Manager.emit() of Python: None is no argument. */
function single(data: unknown): readonly unknown[] {
  return data === null ? [] : [data];
}

function isTuple(data: unknown, tuples: ReadonlySet<unknown>): data is readonly unknown[] {
  return tuples.has(data);
}

/** `[tree, base64, base64, …]` with the bytes in the tree. */
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
      'the dialect "raw" has no way to emit several arguments to other hosts: emit one list or object, or use "args-list" where all hosts have python-socketio 5.15.1 or later',
    );
  }
  return args[0];
}

function checkBinary(tree: unknown, attachments: number, { dialect, pickle }: PythonFormat): void {
  if (dialect === "raw" && pickle) {
    throw inexpressible("hosts that send pickles read no bytes in JSON");
  }
  if (placeholders(tree) !== attachments) {
    throw inexpressible(
      'an object with "_placeholder" and "num" beside bytes would be taken for bytes by other hosts',
    );
  }
}

/** How many objects are taken for bytes, by the rule of Python's Packet.reconstruct_binary(). */
function placeholders(value: unknown): number {
  if (!isObject(value)) return 0;
  const isPlaceholder = Boolean(value._placeholder) && "num" in value;
  const inside = Object.values(value).reduce((sum: number, each) => sum + placeholders(each), 0);
  return inside + (isPlaceholder ? 1 : 0);
}

/** As Python has it: nothing is None, one is itself. */
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

/** Rooms of Python may be numbers. Ours are strings. */
function roomName(room: unknown): string {
  if (typeof room === "number") return String(room);
  return string(room, "a room or a sid");
}

function isReference(value: unknown): value is CallbackReference {
  return Array.isArray(value) && value.length === 3;
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} is no string`);
  return value;
}

function invalid(message: string): PythonAdapterError {
  return new PythonAdapterError("ERR_PYTHON_MESSAGE", message);
}

function inexpressible(message: string): PythonAdapterError {
  return new PythonAdapterError("ERR_PYTHON_INEXPRESSIBLE", message);
}
