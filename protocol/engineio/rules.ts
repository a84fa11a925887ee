// The rules of Engine.IO. If a peer breaks a rule, the session ends with the reason "parse error". The rules of the
// handshake are in handshake.ts.

/** A rule of Engine.IO that a peer can break. */
export interface Rule {
  /** The heading in the protocol document. */
  readonly heading: string;
  /** What the peer did wrong. */
  readonly text: string;
}

// biome-ignore format: aligned table
const TABLE = {
  EMPTY_PACKET:        { heading: "Packet encoding",   text: "the packet has no type" },
  UNKNOWN_PACKET_TYPE: { heading: "Packet encoding",   text: "the packet type is not one of 0 to 6" },
  INVALID_BASE64:      { heading: "HTTP long-polling", text: "a binary packet is not valid base64" },
  INVALID_UTF8:        { heading: "HTTP long-polling", text: "the payload is not valid UTF-8" },
  PAYLOAD_LENGTH:      { heading: "HTTP long-polling", text: "a packet length in a payload of revision 3 is invalid" },
  OPEN_PACKET:         { heading: "Handshake",         text: "the open packet is missing or invalid" },
} as const satisfies Record<string, Rule>;

/**
 * The name of a rule.
 *
 * @useDeclaredType
 */
export type RuleName = keyof typeof TABLE;

/** The rules that a peer can break, by name. */
export const RULES: Readonly<Record<RuleName, Rule>> = TABLE;

/** Thrown by the codecs if the peer has broken a rule. The server's transports and the client's engine catch the error. */
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
    super(`${RULES[rule].text} (Engine.IO "${RULES[rule].heading}")`);
    this.rule = rule;
  }
}
