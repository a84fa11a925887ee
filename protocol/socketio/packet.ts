// Defines the types of the packets. Socket.IO "Exchange protocol". On the wire, an EVENT or ACK with attachments has
// the type BINARY_EVENT or BINARY_ACK. Outside the codec, such a packet has the type EVENT or ACK.

import type { Bytes } from "../bytes.ts";

/** The type of the packet that connects a client to a namespace, and of the response. */
export const CONNECT = 0;
/** The type of the packet that disconnects a client from a namespace. */
export const DISCONNECT = 1;
/** The type of an event. */
export const EVENT = 2;
/** The type of an acknowledgement. */
export const ACK = 3;
/** The type of the packet that refuses to connect a client to a namespace. */
export const CONNECT_ERROR = 4;
/** The type of an event with attachments on the wire. */
export const BINARY_EVENT = 5;
/** The type of an acknowledgement with attachments on the wire. */
export const BINARY_ACK = 6;

/** The name of the main namespace. The encoded packets omit this name. */
export const MAIN_NAMESPACE = "/";

/**
 * The name and the arguments of an event ("Sending and receiving data"): "The payload is mandatory and MUST be a
 * non-empty array".
 */
export type EventData = readonly [name: string | number, ...args: readonly unknown[]];

/** A packet ("Exchange protocol"). */
export type Packet =
  | ConnectPacket
  | DisconnectPacket
  | EventPacket
  | AckPacket
  | ConnectErrorPacket;

/** A packet that connects a client to a namespace, or the response of the server. */
export interface ConnectPacket {
  /** The packet type. */
  readonly type: typeof CONNECT;
  /** The namespace. */
  readonly namespace: string;
  /**
   * In the client's packet, the `auth` of the client. In the response, an object with the `sid`. Default: no payload.
   */
  readonly data?: object | undefined;
}

/** A packet that disconnects a client from a namespace. */
export interface DisconnectPacket {
  /** The packet type. */
  readonly type: typeof DISCONNECT;
  /** The namespace. */
  readonly namespace: string;
}

/** An event. */
export interface EventPacket {
  /** The packet type. */
  readonly type: typeof EVENT;
  /** The namespace. */
  readonly namespace: string;
  /** The name and the arguments of the event. */
  readonly data: EventData;
  /** The id with which the receiver acknowledges the event. Default: no acknowledgement is requested. */
  readonly id?: number | undefined;
}

/** An acknowledgement. */
export interface AckPacket {
  /** The packet type. */
  readonly type: typeof ACK;
  /** The namespace. */
  readonly namespace: string;
  /** The arguments of the acknowledgement. */
  readonly data: readonly unknown[];
  /** The id of the acknowledged event. */
  readonly id: number;
}

/** A packet that refuses to connect a client to a namespace. */
export interface ConnectErrorPacket {
  /** The packet type. */
  readonly type: typeof CONNECT_ERROR;
  /** The namespace. */
  readonly namespace: string;
  /** The reason. */
  readonly data: ConnectErrorData;
}

/** The fields of a packet of any type. Some types have no `data` or no `id`. */
export interface PacketFields {
  /** The namespace. */
  readonly namespace: string;
  /** The payload. Default: no payload. */
  readonly data?: unknown;
  /** The acknowledgement id. Default: no id. */
  readonly id?: number | undefined;
}

/** The reason why a server refuses to connect a client. */
export interface ConnectErrorData {
  /** The message of the error. */
  readonly message: string;
  /** Further details of the error. Default: none. */
  readonly data?: unknown;
}

/** An encoded packet. The text is sent first, and then the attachments in order. */
export interface Encoded {
  /** The text. */
  readonly text: string;
  /** The bytes of the binary messages that follow the text. */
  readonly attachments: readonly Bytes[];
}

/** The names that an application must not use for events, because the libraries use them ("Exchange protocol"). */
export const RESERVED_EVENTS: ReadonlySet<string | number> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);
