// A packet to its text and attachments. Socket.IO "Packet encoding".
//
//   <packet type>[<# of binary attachments>-][<namespace>,][<acknowledgment id>][JSON-stringified payload without binary]

import { extract } from "./attachments.ts";
import {
  ACK,
  BINARY_ACK,
  BINARY_EVENT,
  type Encoded,
  EVENT,
  MAIN_NAMESPACE,
  type Packet,
} from "./packet.ts";

const NOTHING: ReturnType<typeof extract> = { data: undefined, attachments: [] };

/**
 * Encodes a packet.
 *
 * @throws TypeError for data that JSON cannot say, such as a BigInt, and RangeError for a cycle: the caller's mistake
 */
export function encode(packet: Packet): Encoded {
  const given = "data" in packet ? packet.data : undefined;
  const mayHoldBinary = packet.type === EVENT || packet.type === ACK;
  const { data, attachments } = mayHoldBinary ? extract(given) : NOTHING;
  if (attachments.length === 0) {
    const payload = given === undefined ? "" : JSON.stringify(given);
    return { text: packet.type + addressOf(packet) + payload, attachments };
  }
  const type = packet.type === EVENT ? BINARY_EVENT : BINARY_ACK;
  const text = `${type}${attachments.length}-${addressOf(packet)}${JSON.stringify(data)}`;
  return { text, attachments };
}

/** The namespace, "omitted for the main one", and the id. */
function addressOf(packet: Packet): string {
  const namespace = packet.namespace === MAIN_NAMESPACE ? "" : `${packet.namespace},`;
  return "id" in packet && packet.id !== undefined ? namespace + packet.id : namespace;
}
