// Checks the namespace, id and payload of a decoded packet. All encodings use these checks. Socket.IO "Exchange
// protocol".

import { isBinary } from "../bytes.ts";
import { isObject } from "./attachments.ts";
import {
  ACK,
  BINARY_ACK,
  BINARY_EVENT,
  CONNECT,
  CONNECT_ERROR,
  type ConnectErrorData,
  DISCONNECT,
  EVENT,
  type EventData,
  type Packet,
  RESERVED_EVENTS,
} from "./packet.ts";
import { ProtocolError } from "./rules.ts";

/** The limits of one packet. */
export interface PacketLimits {
  /**
   * How deeply arrays and objects may be nested. JSON.parse() accepts any depth, but other recursive functions, such
   * as JSON.stringify(), throw a RangeError when the stack is full.
   */
  readonly maxDepth: number;
  /**
   * The largest number of arguments of an event or acknowledgement. JavaScript engines cannot call a function with many
   * more arguments.
   */
  readonly maxArguments: number;
}

/** The limits of packets from clients. */
export const CLIENT_LIMITS: PacketLimits = { maxDepth: 500, maxArguments: 10_000 };

/**
 * The limits of packets from servers, and of all packets that are encoded. These limits are larger than CLIENT_LIMITS,
 * because a server may wrap the data of a client in more arrays, and add arguments, before it sends the data to other
 * clients. With equal limits, a client could send data that the server accepts and the other clients reject. The
 * rejection would end the connections of these clients.
 */
export const SERVER_LIMITS: PacketLimits = { maxDepth: 1000, maxArguments: 20_000 };

/** The parts of a packet before the payload ("Packet encoding"). */
export interface Header {
  readonly type: number;
  readonly namespace: string;
  readonly id: number | undefined;
}

const CONTROL_CHARACTER = /\p{Cc}/u;

/** Returns whether a text is a valid name of a namespace: it starts with "/" and contains no control characters. */
export function isNamespace(name: string): boolean {
  return name.startsWith("/") && !CONTROL_CHARACTER.test(name);
}

/**
 * Checks the payload against the type of the packet, and returns the packet. Socket.IO "Exchange protocol".
 *
 * @throws ProtocolError if the payload or the id is invalid
 */
export function check(
  { type, namespace, id }: Header,
  payload: unknown,
  { maxArguments }: PacketLimits,
): Packet {
  switch (type) {
    case CONNECT:
      if (payload !== undefined && (!isObject(payload) || Array.isArray(payload))) {
        throw new ProtocolError("CONNECT_PAYLOAD");
      }
      return { type: CONNECT, namespace, data: payload };
    case DISCONNECT:
      if (payload !== undefined) throw new ProtocolError("DISCONNECT_PAYLOAD");
      return { type: DISCONNECT, namespace };
    case EVENT:
    case BINARY_EVENT:
      if (!isEventData(payload)) throw new ProtocolError("EVENT_PAYLOAD");
      if (payload.length > maxArguments) throw new ProtocolError("TOO_MANY_ARGUMENTS");
      if (RESERVED_EVENTS.has(payload[0])) throw new ProtocolError("RESERVED_EVENT");
      return { type: EVENT, namespace, data: payload, id };
    case ACK:
    case BINARY_ACK:
      if (!Array.isArray(payload)) throw new ProtocolError("ACK_PAYLOAD");
      if (payload.length > maxArguments) throw new ProtocolError("TOO_MANY_ARGUMENTS");
      if (id === undefined) throw new ProtocolError("ACK_ID");
      return { type: ACK, namespace, data: payload, id };
    default:
      return { type: CONNECT_ERROR, namespace, data: connectError(payload) };
  }
}

function isEventData(value: unknown): value is EventData {
  return Array.isArray(value) && (typeof value[0] === "string" || typeof value[0] === "number");
}

/** Returns whether arrays and objects are nested more than `maxDepth` deep in a value that a parser has returned. */
export function isDeeper(value: unknown, maxDepth: number): boolean {
  if (!isObject(value) || isBinary(value)) return false;
  return maxDepth === 0 || Object.values(value).some((each) => isDeeper(each, maxDepth - 1));
}

/** The error message for a refusal that contains no message. */
const NO_MESSAGE = "the server refused the client and gave no message";

/**
 * Returns the data of a CONNECT_ERROR packet. The protocol requires "…an object with the message". Some servers send a
 * text, an object without a message, or nothing. A packet with any of these payloads refuses the client. If this
 * function threw an error, the connection would end, and the client would reconnect forever.
 */
function connectError(payload: unknown): ConnectErrorData {
  if (typeof payload === "string") return { message: payload };
  if (!isObject(payload)) return { message: NO_MESSAGE, data: payload };
  const { message, data = payload } = payload;
  if (typeof message !== "string") return { message: NO_MESSAGE, data };
  return { ...payload, message };
}
