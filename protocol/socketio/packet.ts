// The packets: Socket.IO "Exchange protocol". On the wire BINARY_EVENT and BINARY_ACK are EVENT and
// ACK with attachments; here they are the same packet, and only the codec knows the difference.

import type { Bytes } from "../bytes.ts";

export const CONNECT = 0;
export const DISCONNECT = 1;
export const EVENT = 2;
export const ACK = 3;
export const CONNECT_ERROR = 4;
export const BINARY_EVENT = 5;
export const BINARY_ACK = 6;

/** The main namespace, which is left out on the wire. */
export const MAIN_NAMESPACE = "/";

/** "Sending and receiving data": "The payload is mandatory and MUST be a non-empty array": the event's name, and its arguments. */
export type EventData = readonly [name: string | number, ...args: readonly unknown[]];

export type Packet =
  | {
      readonly type: typeof CONNECT;
      readonly namespace: string;
      readonly data?: object | undefined;
    }
  | { readonly type: typeof DISCONNECT; readonly namespace: string }
  | {
      readonly type: typeof EVENT;
      readonly namespace: string;
      readonly data: EventData;
      /** The receiver is asked to acknowledge with it. */
      readonly id?: number | undefined;
    }
  | {
      readonly type: typeof ACK;
      readonly namespace: string;
      readonly data: readonly unknown[];
      readonly id: number;
    }
  | {
      readonly type: typeof CONNECT_ERROR;
      readonly namespace: string;
      readonly data: ConnectErrorData;
    };

/** What a packet may have, whatever its type. */
export interface PacketFields {
  readonly namespace: string;
  readonly data?: unknown;
  readonly id?: number | undefined;
}

export interface ConnectErrorData {
  readonly message: string;
  readonly data?: unknown;
}

/** A packet as it travels: the text, then its binary attachments in order. */
export interface Encoded {
  readonly text: string;
  readonly attachments: readonly Bytes[];
}

/** Names that an application may not give to events, since both ends use them for their own. */
export const RESERVED_EVENTS: ReadonlySet<string | number> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);
