// A packet to its text and attachments. Socket.IO "Packet encoding", "Format".
//
//   <packet type>[<# of binary attachments>-][<namespace>,][<acknowledgment id>][JSON-stringified payload without binary]

import { extract } from "./attachments.ts";
import { SERVER_LIMITS } from "./check.ts";
import {
  ACK,
  BINARY_ACK,
  BINARY_EVENT,
  type Encoded,
  EVENT,
  MAIN_NAMESPACE,
  type Packet,
  type PacketFields,
} from "./packet.ts";

const NOTHING: ReturnType<typeof extract> = { data: undefined, attachments: [] };

/**
 * Encodes a packet.
 *
 * @throws TypeError for data that JSON cannot express, such as a BigInt, and RangeError for a cycle and for data
 * beyond SERVER_LIMITS: the caller's mistake
 */
export function encode(packet: Packet): Encoded {
  const { data: given }: PacketFields = packet;
  const mayHoldBinary = packet.type === EVENT || packet.type === ACK;
  if (mayHoldBinary && packet.data.length > SERVER_LIMITS.maxArguments) {
    throw new RangeError(`a packet has at most ${SERVER_LIMITS.maxArguments} arguments`);
  }
  const { data, attachments } = mayHoldBinary ? extract(given, SERVER_LIMITS.maxDepth) : NOTHING;
  const count = attachments.length;
  const type =
    count === 0 ? packet.type : `${packet.type === EVENT ? BINARY_EVENT : BINARY_ACK}${count}-`;
  const payload = given === undefined ? "" : JSON.stringify(count === 0 ? given : data);
  return { text: type + addressOf(packet) + payload, attachments };
}

/** The namespace, "omitted for the main one", and the id. */
function addressOf({ namespace, id }: PacketFields): string {
  return (namespace === MAIN_NAMESPACE ? "" : `${namespace},`) + (id ?? "");
}
