// The rules of Engine.IO 4 whose breach ends a session with "parse error". Those of the handshake,
// where there is no session yet, are in handshake.ts.

interface Rule {
  /** The heading of the protocol document. */
  readonly heading: string;
  readonly text: string;
}

// biome-ignore format: aligned table
export const RULES = {
  EMPTY_PACKET:        { heading: "Packet encoding",   text: "a packet has no type" },
  UNKNOWN_PACKET_TYPE: { heading: "Packet encoding",   text: "the packet type is not one of 0 to 6" },
  INVALID_BASE64:      { heading: "HTTP long-polling", text: "a binary packet is not base64" },
  INVALID_UTF8:        { heading: "HTTP long-polling", text: "a payload is not UTF-8" },
  PAYLOAD_LENGTH:      { heading: "HTTP long-polling", text: "a packet of revision 3 is not as long as is said in front of it" },
  OPEN_PACKET:         { heading: "Handshake",         text: "there is no open packet, or it lacks what it must say" },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;

/** The peer broke a rule. Thrown by the codecs, caught once, by the transport. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly rule: RuleName;

  constructor(rule: RuleName) {
    super(`${RULES[rule].text} (Engine.IO "${RULES[rule].heading}")`);
    this.rule = rule;
  }
}
