// Converts packets for custom parsers, which an application passes with the option `parser`.

import { check, isDeeper, isNamespace, type PacketLimits, SERVER_LIMITS } from "./check.ts";
import { CONNECT_ERROR, type Packet, type PacketFields } from "./packet.ts";
import { ProtocolError } from "./rules.ts";

/** A packet in the form that parsers for Socket.IO use. */
export interface ParserPacket {
  /** The packet type, 0 to 4. */
  readonly type: number;
  /** The namespace. */
  readonly nsp: string;
  /** The payload. Default: no payload. */
  readonly data?: unknown;
  /** The acknowledgement id. Default: no id. */
  readonly id?: number | undefined;
}

/** Converts a packet for a parser. */
export function fromPacket(packet: Packet): ParserPacket {
  const { type, namespace: nsp } = packet;
  const { data, id }: PacketFields = packet;
  return { type, nsp, ...(data !== undefined && { data }), ...(id !== undefined && { id }) };
}

/**
 * Checks a packet that a parser has decoded.
 *
 * @throws ProtocolError if the packet is invalid
 */
export function checkParserPacket(packet: unknown): ParserPacket {
  return fromPacket(toPacket(packet, SERVER_LIMITS));
}

/**
 * Checks a packet that a parser has decoded, and converts it to a Packet.
 *
 * @throws ProtocolError if the packet is invalid
 */
export function toPacket(packet: unknown, limits: PacketLimits): Packet {
  const { type, nsp, data, id }: Partial<Record<keyof ParserPacket, unknown>> = Object(packet);
  if (typeof type !== "number" || !Number.isInteger(type) || type < 0 || type > CONNECT_ERROR) {
    throw new ProtocolError("PACKET_TYPE");
  }
  if (typeof nsp !== "string" || !isNamespace(nsp)) throw new ProtocolError("NAMESPACE");
  if (id !== undefined && !(typeof id === "number" && Number.isSafeInteger(id) && id >= 0)) {
    throw new ProtocolError("PACKET_ID");
  }
  if (isDeeper(data, limits.maxDepth)) throw new ProtocolError("PAYLOAD_DEPTH");
  // Some parsers use null for a missing payload.
  return check({ type, namespace: nsp, id }, data ?? undefined, limits);
}
