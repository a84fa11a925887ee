// Encodes a packet as a text and attachments. Socket.IO "Packet encoding", "Format".
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
 * Encodes a packet ("Packet encoding").
 *
 * @param packet the packet, whose data may contain binary values
 * @throws TypeError if JSON cannot represent the data, for example a BigInt, or if the data contains a Blob
 * @throws RangeError if the data contains itself, is nested more than 1000 deep, or has more than 20,000 arguments
 *
 * @example
 * ```ts
 * encode({ type: EVENT, namespace: "/", data: ["chat", "hello"] }).text; // '2["chat","hello"]'
 * ```
 */
export function encode(packet: Packet): Encoded {
  const { data: given }: PacketFields = packet;
  const mayHoldBinary = packet.type === EVENT || packet.type === ACK;
  if (mayHoldBinary && packet.data.length > SERVER_LIMITS.maxArguments) {
    throw new RangeError(
      `a packet must have at most ${SERVER_LIMITS.maxArguments} arguments, got ${packet.data.length}`,
    );
  }
  const { data, attachments } = mayHoldBinary ? extract(given, SERVER_LIMITS.maxDepth) : NOTHING;
  const count = attachments.length;
  const type =
    count === 0 ? packet.type : `${packet.type === EVENT ? BINARY_EVENT : BINARY_ACK}${count}-`;
  const payload = given === undefined ? "" : JSON.stringify(count === 0 ? given : data);
  return { text: type + addressOf(packet) + payload, attachments };
}

/** Returns the namespace and the id. The main namespace is omitted ("Packet encoding"). */
function addressOf({ namespace, id }: PacketFields): string {
  return (namespace === MAIN_NAMESPACE ? "" : `${namespace},`) + (id ?? "");
}
