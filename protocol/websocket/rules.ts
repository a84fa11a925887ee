// The rules of RFC 6455 and RFC 7692. If the peer breaks a rule, the endpoint must _Fail the WebSocket Connection_
// (RFC 6455 §7.1.7) with the status code of the rule (RFC 6455 §7.4.1). The rules of the opening handshake are in
// handshake.ts. RFC 6455 §10.7: "Incoming data MUST always be validated".

/** A rule of RFC 6455 or RFC 7692 that a peer can break. */
export interface Rule {
  /** The document and the section, such as "RFC 6455 §5.1". */
  readonly section: string;
  /** The status code of the close frame (RFC 6455 §7.4.1). */
  readonly code: number;
  /** What the peer did wrong. */
  readonly text: string;
}

// biome-ignore format: aligned table
const TABLE = {
  MASK_REQUIRED:       { section: "RFC 6455 §5.1",   code: 1002, text: "a client's frame is not masked" },
  MASK_FORBIDDEN:      { section: "RFC 6455 §5.1",   code: 1002, text: "a server's frame is masked" },
  RESERVED_BITS:       { section: "RFC 6455 §5.2",   code: 1002, text: "a reserved bit is set without a negotiated extension" },
  RESERVED_OPCODE:     { section: "RFC 6455 §5.2",   code: 1002, text: "the opcode is reserved" },
  MINIMAL_LENGTH:      { section: "RFC 6455 §5.2",   code: 1002, text: "the payload length is not in its shortest form" },
  NOTHING_TO_CONTINUE: { section: "RFC 6455 §5.4",   code: 1002, text: "a continuation frame does not continue a message" },
  MESSAGE_UNFINISHED:  { section: "RFC 6455 §5.4",   code: 1002, text: "a message starts inside another message" },
  CONTROL_FRAGMENTED:  { section: "RFC 6455 §5.5",   code: 1002, text: "a control frame is fragmented" },
  CONTROL_TOO_LONG:    { section: "RFC 6455 §5.5",   code: 1002, text: "the payload of a control frame is longer than 125 bytes" },
  CLOSE_LENGTH:        { section: "RFC 6455 §5.5.1", code: 1002, text: "the payload of a close frame is one byte long" },
  CLOSE_CODE:          { section: "RFC 6455 §7.4",   code: 1002, text: "the status code of a close frame is invalid" },
  MESSAGE_TOO_BIG:     { section: "RFC 6455 §7.4.1", code: 1009, text: "the message is larger than this endpoint accepts" },
  INVALID_UTF8:        { section: "RFC 6455 §8.1",   code: 1007, text: "the text is not valid UTF-8" },
  INVALID_DEFLATE:     { section: "RFC 7692 §7.2.2", code: 1007, text: "the compressed message cannot be inflated" },
} as const satisfies Record<string, Rule>;

/**
 * The name of a rule.
 *
 * @useDeclaredType
 */
export type RuleName = keyof typeof TABLE;

/** The rules that a peer can break, by name. */
export const RULES: Readonly<Record<RuleName, Rule>> = TABLE;

/** Thrown by the codecs if the peer has broken a rule. The endpoint catches the error. */
export class ProtocolError extends Error {
  /** The name of the class. */
  override readonly name = "ProtocolError";
  /** The name of the broken rule. */
  readonly rule: RuleName;
  /** The status code of the close frame with which the endpoint fails the connection (RFC 6455 §7.4.1). */
  readonly code: number;

  /**
   * Creates the error for a broken rule.
   *
   * @param rule the name of the broken rule
   */
  constructor(rule: RuleName) {
    super(`${RULES[rule].text} (${RULES[rule].section})`);
    this.rule = rule;
    this.code = RULES[rule].code;
  }
}
