// A packet: one character of type, then the payload. Engine.IO "Packet encoding".

import type { Bytes } from "../bytes.ts";
import { ProtocolError } from "./rules.ts";

export const OPEN = "0";
export const CLOSE = "1";
export const PING = "2";
export const PONG = "3";
export const MESSAGE = "4";
export const UPGRADE = "5";
export const NOOP = "6";

/** The types' names in the protocol document ("Protocol"). */
export const PACKET_NAMES = {
  [OPEN]: "open",
  [CLOSE]: "close",
  [PING]: "ping",
  [PONG]: "pong",
  [MESSAGE]: "message",
  [UPGRADE]: "upgrade",
  [NOOP]: "noop",
} as const;

export type PacketType =
  | typeof OPEN
  | typeof CLOSE
  | typeof PING
  | typeof PONG
  | typeof MESSAGE
  | typeof UPGRADE
  | typeof NOOP;

/** A binary payload is always a message ("Message"). */
export type Packet =
  | { readonly type: PacketType; readonly data: string }
  | { readonly type: typeof MESSAGE; readonly data: Bytes };

/** The payload of the ping and the pong that test a new transport ("Upgrade"). */
export const PROBE = "probe";

/** A text packet as it travels. */
export function encodePacket(type: PacketType, data = ""): string {
  return type + data;
}

/** Reads a text packet. Throws ProtocolError. */
export function decodePacket(text: string): Packet {
  const type = text[0];
  if (type === undefined) throw new ProtocolError("EMPTY_PACKET");
  if (!isPacketType(type)) throw new ProtocolError("UNKNOWN_PACKET_TYPE");
  return { type, data: text.slice(1) };
}

function isPacketType(char: string): char is PacketType {
  return char >= OPEN && char <= NOOP;
}
