// What a packet must be, however it has travelled: the rules for names, ids and payloads. Socket.IO
// "Exchange protocol".

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

/** What one packet may hold. */
export interface PacketLimits {
  /**
   * Arrays and objects inside each other. JSON.parse() accepts any depth, but the functions that walk
   * through the value afterwards, JSON.stringify() too, run out of stack.
   */
  readonly maxDepth: number;
  /** Arguments of one event or acknowledgement. A function cannot be called with many more. */
  readonly maxArguments: number;
}

/** The limits for packets from clients. */
export const CLIENT_LIMITS: PacketLimits = { maxDepth: 500, maxArguments: 10_000 };

/**
 * The limits for packets from servers, and for all packets that are encoded. They are wider: a server
 * relays what clients send, inside further arrays and with further arguments. With equal limits, a client
 * could send a message that the server accepts, and for which all others drop their connection.
 */
export const SERVER_LIMITS: PacketLimits = { maxDepth: 1000, maxArguments: 20_000 };

/** What stands before the payload. */
export interface Header {
  readonly type: number;
  readonly namespace: string;
  readonly id: number | undefined;
}

const CONTROL_CHARACTER = /\p{Cc}/u;

/** Whether a text can be the name of a namespace. */
export function isNamespace(name: string): boolean {
  return name.startsWith("/") && !CONTROL_CHARACTER.test(name);
}

/** Socket.IO "Exchange protocol": what each type's payload must be. */
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

/** Whether a value that a parser returned has arrays and objects more than `maxDepth` deep. */
export function isDeeper(value: unknown, maxDepth: number): boolean {
  if (!isObject(value) || isBinary(value)) return false;
  return maxDepth === 0 || Object.values(value).some((each) => isDeeper(each, maxDepth - 1));
}

/** The message of a refusal that has none. */
const NO_MESSAGE = "the server refused the client and gave no message";

/**
 * "…an object with the message". Servers also send a text, an object without a message, or nothing.
 * Each of them refuses the client. As a breach it would be a lost connection, and the client would
 * connect again for ever.
 */
function connectError(payload: unknown): ConnectErrorData {
  if (typeof payload === "string") return { message: payload };
  if (!isObject(payload)) return { message: NO_MESSAGE, data: payload };
  const { message, data = payload } = payload;
  if (typeof message !== "string") return { message: NO_MESSAGE, data };
  return { ...payload, message };
}
