// The rules of Socket.IO 5 whose breach ends the connection.

interface Rule {
  /** The heading of the protocol document. */
  readonly heading: string;
  readonly text: string;
}

// biome-ignore format: aligned table
export const RULES = {
  PACKET_TYPE:          { heading: "Packet encoding",  text: "the packet type is not one of 0 to 6" },
  ATTACHMENT_COUNT:     { heading: "Packet encoding",  text: "illegal attachments: the number is not one or more" },
  TOO_MANY_ATTACHMENTS: { heading: "Packet encoding",  text: "too many attachments" },
  PLACEHOLDER:          { heading: "Packet encoding",  text: "illegal attachments: a placeholder names none of them" },
  ATTACHMENT_EXPECTED:  { heading: "Packet encoding",  text: "a text came where an attachment was to come" },
  NO_PLACEHOLDER:       { heading: "Packet encoding",  text: "bytes came that no packet announced" },
  NAMESPACE:            { heading: "Packet encoding",  text: "a control character in the name of a namespace" },
  PACKET_ID:            { heading: "Packet encoding",  text: "the acknowledgement id is not a number that can be sent back" },
  PAYLOAD_JSON:         { heading: "Packet encoding",  text: "the payload is not JSON" },
  PAYLOAD_DEPTH:        { heading: "Packet encoding",  text: "the payload is nested too deeply" },
  TOO_MANY_ARGUMENTS:   { heading: "Packet encoding",  text: "too many arguments" },
  MESSAGEPACK:          { heading: "Packet encoding",  text: "the packet is not MessagePack" },
  CONNECT_PAYLOAD:      { heading: "Exchange protocol", text: "the payload of CONNECT is not an object" },
  DISCONNECT_PAYLOAD:   { heading: "Exchange protocol", text: "DISCONNECT has a payload" },
  EVENT_PAYLOAD:        { heading: "Exchange protocol", text: "the payload of EVENT is not an array that begins with a name" },
  RESERVED_EVENT:       { heading: "Exchange protocol", text: "the name of the event is reserved" },
  ACK_PAYLOAD:          { heading: "Exchange protocol", text: "the payload of ACK is not an array" },
  ACK_ID:               { heading: "Exchange protocol", text: "ACK without an id" },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;

/** The peer broke a rule. Thrown by the codec, caught once, by the dispatcher. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly rule: RuleName;

  constructor(rule: RuleName) {
    super(`${RULES[rule].text} (Socket.IO "${RULES[rule].heading}")`);
    this.rule = rule;
  }
}
