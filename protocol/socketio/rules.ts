// The rules of Socket.IO. If a peer breaks a rule, the connection of this peer ends.

/** A rule of Socket.IO that a peer can break. */
export interface Rule {
  /** The heading in the protocol document. */
  readonly heading: string;
  /** What the peer did wrong. */
  readonly text: string;
}

// biome-ignore format: aligned table
const TABLE = {
  PACKET_TYPE:          { heading: "Packet encoding",  text: "the packet type is not one of 0 to 6" },
  ATTACHMENT_COUNT:     { heading: "Packet encoding",  text: "illegal attachments: their number is invalid" },
  TOO_MANY_ATTACHMENTS: { heading: "Packet encoding",  text: "too many attachments" },
  PLACEHOLDER:          { heading: "Packet encoding",  text: "illegal attachments: a placeholder has no attachment" },
  ATTACHMENT_EXPECTED:  { heading: "Packet encoding",  text: "a text was received instead of an attachment" },
  NO_PLACEHOLDER:       { heading: "Packet encoding",  text: "an attachment was received that no packet announced" },
  NAMESPACE:            { heading: "Packet encoding",  text: "the namespace does not start with /, or contains a control character" },
  PACKET_ID:            { heading: "Packet encoding",  text: "the acknowledgement id is not a safe integer" },
  PAYLOAD_JSON:         { heading: "Packet encoding",  text: "the payload is not JSON" },
  PAYLOAD_DEPTH:        { heading: "Packet encoding",  text: "the payload is nested too deeply" },
  TOO_MANY_ARGUMENTS:   { heading: "Packet encoding",  text: "too many arguments" },
  MESSAGEPACK:          { heading: "Packet encoding",  text: "the packet is not valid MessagePack" },
  CONNECT_PAYLOAD:      { heading: "Exchange protocol", text: "the payload of CONNECT is not an object" },
  DISCONNECT_PAYLOAD:   { heading: "Exchange protocol", text: "DISCONNECT has a payload" },
  EVENT_PAYLOAD:        { heading: "Exchange protocol", text: "the payload of EVENT is not an array that starts with a name" },
  RESERVED_EVENT:       { heading: "Exchange protocol", text: "the name of the event is reserved" },
  ACK_PAYLOAD:          { heading: "Exchange protocol", text: "the payload of ACK is not an array" },
  ACK_ID:               { heading: "Exchange protocol", text: "ACK has no id" },
} as const satisfies Record<string, Rule>;

/**
 * The name of a rule.
 *
 * @useDeclaredType
 */
export type RuleName = keyof typeof TABLE;

/** The rules that a peer can break, by name. */
export const RULES: Readonly<Record<RuleName, Rule>> = TABLE;

/**
 * Thrown by the codec if the peer has broken a rule. The server's dispatcher and the client's
 * engine catch the error.
 */
export class ProtocolError extends Error {
  /** The name of the class. */
  override readonly name = "ProtocolError";
  /** The name of the broken rule. */
  readonly rule: RuleName;

  /**
   * Creates the error for a broken rule.
   *
   * @param rule the name of the broken rule
   */
  constructor(rule: RuleName) {
    super(`${RULES[rule].text} (Socket.IO "${RULES[rule].heading}")`);
    this.rule = rule;
  }
}
