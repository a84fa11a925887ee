// A packet as parsers for Socket.IO have it, those that a program gives in place of ours.

import { check, isDeeper, isNamespace, type PacketLimits, SERVER_LIMITS } from "./check.ts";
import { CONNECT, CONNECT_ERROR, DISCONNECT, type Packet, type PacketFields } from "./packet.ts";
import { ProtocolError } from "./rules.ts";

export interface ParserPacket {
  readonly type: number;
  /** The namespace. */
  readonly nsp: string;
  readonly data?: unknown;
  readonly id?: number | undefined;
}

/** A packet of ours for a parser. */
export function fromPacket(packet: Packet): ParserPacket {
  const { type, namespace: nsp } = packet;
  const { data, id }: PacketFields = packet;
  return { type, nsp, ...(data !== undefined && { data }), ...(id !== undefined && { id }) };
}

/** What a parser has given, checked. Throws ProtocolError. */
export function checkParserPacket(packet: unknown): ParserPacket {
  return fromPacket(toPacket(packet, SERVER_LIMITS));
}

/** A packet that a parser has given, as ours. Throws ProtocolError. */
export function toPacket(packet: unknown, limits: PacketLimits): Packet {
  const { type, nsp, data, id }: Partial<Record<keyof ParserPacket, unknown>> = Object(packet);
  if (typeof type !== "number" || !Number.isInteger(type) || type < 0 || type > CONNECT_ERROR) {
    throw new ProtocolError("PACKET_TYPE");
  }
  if (typeof nsp !== "string" || !isNamespace(nsp)) throw new ProtocolError("NAMESPACE");
  if (id !== undefined && !(typeof id === "number" && Number.isSafeInteger(id) && id >= 0)) {
    throw new ProtocolError("PACKET_ID");
  }
  // Some parsers say that there is nothing.
  const nothing = data === null && (type === CONNECT || type === DISCONNECT);
  if (isDeeper(data, limits.maxDepth)) throw new ProtocolError("PAYLOAD_DEPTH");
  return check({ type, namespace: nsp, id }, nothing ? undefined : data, limits);
}
