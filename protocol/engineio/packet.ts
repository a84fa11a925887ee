// Encodes and decodes text packets: one character for the type, and then the payload. Engine.IO "Packet encoding".

import type { Bytes } from "../bytes.ts";
import { ProtocolError } from "./rules.ts";

/** The type of the packet with which the server describes a new session. */
export const OPEN = "0";
/** The type of the packet that closes a session or a transport. */
export const CLOSE = "1";
/** The type of a ping, which is sent for the heartbeat or to test a new transport. */
export const PING = "2";
/** The type of the answer to a ping. */
export const PONG = "3";
/** The type of a message. */
export const MESSAGE = "4";
/** The type of the packet with which the client completes a change of the transport. */
export const UPGRADE = "5";
/** The type of a packet without a payload, which the server sends to end a pending poll during an upgrade. */
export const NOOP = "6";

/** The name of a packet type in the protocol document ("Protocol"). */
export type PacketName = "open" | "close" | "ping" | "pong" | "message" | "upgrade" | "noop";

/** The names of the packet types ("Protocol"). */
export const PACKET_NAMES: Readonly<Record<PacketType, PacketName>> = {
  [OPEN]: "open",
  [CLOSE]: "close",
  [PING]: "ping",
  [PONG]: "pong",
  [MESSAGE]: "message",
  [UPGRADE]: "upgrade",
  [NOOP]: "noop",
};

/** A packet type. */
export type PacketType =
  | typeof OPEN
  | typeof CLOSE
  | typeof PING
  | typeof PONG
  | typeof MESSAGE
  | typeof UPGRADE
  | typeof NOOP;

/**
 * A packet with a text payload, or a binary message. A packet with a binary payload is always a message ("Message").
 */
export type Packet =
  | {
      /** The packet type. */
      readonly type: PacketType;
      /** The text after the type. */
      readonly data: string;
    }
  | {
      /** The packet type. */
      readonly type: typeof MESSAGE;
      /** The bytes of the message. */
      readonly data: Bytes;
    };

/** The payload of the ping and the pong that test a new transport ("Upgrade"). */
export const PROBE = "probe";

/**
 * Encodes a text packet.
 *
 * @param type the packet type
 * @param data the payload. Default: "".
 */
export function encodePacket(type: PacketType, data = ""): string {
  return type + data;
}

/**
 * Decodes a text packet.
 *
 * @param text the encoded packet
 * @throws ProtocolError if the packet is empty, or its type is unknown
 */
export function decodePacket(text: string): Packet {
  const type = text[0];
  if (type === undefined) throw new ProtocolError("EMPTY_PACKET");
  if (!isPacketType(type)) throw new ProtocolError("UNKNOWN_PACKET_TYPE");
  return { type, data: text.slice(1) };
}

function isPacketType(char: string): char is PacketType {
  return char >= OPEN && char <= NOOP;
}
