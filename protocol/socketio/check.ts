// What a packet must be, however it has travelled: the rules for names, ids and payloads. Socket.IO
// "Exchange protocol".

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

/** Arguments of one event or acknowledgement: a function cannot be called with very many. */
const MAX_ARGUMENTS = 10_000;

/**
 * Arrays and objects inside each other. JSON.parse() takes any depth, but what walks through the
 * value afterwards, JSON.stringify() too, runs out of stack.
 */
export const MAX_DEPTH = 500;

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
export function check({ type, namespace, id }: Header, payload: unknown): Packet {
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
      if (payload.length > MAX_ARGUMENTS) throw new ProtocolError("TOO_MANY_ARGUMENTS");
      if (RESERVED_EVENTS.has(payload[0])) throw new ProtocolError("RESERVED_EVENT");
      return { type: EVENT, namespace, data: payload, id };
    case ACK:
    case BINARY_ACK:
      if (!Array.isArray(payload)) throw new ProtocolError("ACK_PAYLOAD");
      if (payload.length > MAX_ARGUMENTS) throw new ProtocolError("TOO_MANY_ARGUMENTS");
      if (id === undefined) throw new ProtocolError("ACK_ID");
      return { type: ACK, namespace, data: payload, id };
    default:
      return { type: CONNECT_ERROR, namespace, data: connectError(payload) };
  }
}

function isEventData(value: unknown): value is EventData {
  return Array.isArray(value) && (typeof value[0] === "string" || typeof value[0] === "number");
}

/** "…an object with the message"; a bare message is what servers in other languages send. */
function connectError(payload: unknown): ConnectErrorData {
  if (typeof payload === "string") return { message: payload };
  if (!isObject(payload) || typeof payload.message !== "string") {
    throw new ProtocolError("ERROR_PAYLOAD");
  }
  return { ...payload, message: payload.message };
}
