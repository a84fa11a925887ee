// The rules whose breach makes an endpoint _Fail the WebSocket Connection_ (RFC 6455 §7.1.7), with
// the status code that tells the peer (RFC 6455 §7.4.1). The rules of the opening handshake, where there
// is no connection to fail yet, are in handshake.ts. RFC 6455 §10.7: "Incoming data MUST always be
// validated".

interface Rule {
  readonly section: string;
  readonly code: number;
  readonly text: string;
}

// biome-ignore format: aligned table
export const RULES = {
  MASK_REQUIRED:       { section: "RFC 6455 §5.1",   code: 1002, text: "a client's frame is not masked" },
  MASK_FORBIDDEN:      { section: "RFC 6455 §5.1",   code: 1002, text: "a server's frame is masked" },
  RESERVED_BITS:       { section: "RFC 6455 §5.2",   code: 1002, text: "a reserved bit is set that no extension defines" },
  RESERVED_OPCODE:     { section: "RFC 6455 §5.2",   code: 1002, text: "the opcode is reserved" },
  MINIMAL_LENGTH:      { section: "RFC 6455 §5.2",   code: 1002, text: "the payload length is not in its shortest form" },
  NOTHING_TO_CONTINUE: { section: "RFC 6455 §5.4",   code: 1002, text: "a continuation frame continues no message" },
  MESSAGE_UNFINISHED:  { section: "RFC 6455 §5.4",   code: 1002, text: "a message begins inside another" },
  CONTROL_FRAGMENTED:  { section: "RFC 6455 §5.5",   code: 1002, text: "a control frame is fragmented" },
  CONTROL_TOO_LONG:    { section: "RFC 6455 §5.5",   code: 1002, text: "a control frame carries more than 125 bytes" },
  CLOSE_LENGTH:        { section: "RFC 6455 §5.5.1", code: 1002, text: "a close frame carries half a status code" },
  CLOSE_CODE:          { section: "RFC 6455 §7.4",   code: 1002, text: "the status code may not be sent in a close frame" },
  MESSAGE_TOO_BIG:     { section: "RFC 6455 §7.4.1", code: 1009, text: "the message is larger than this endpoint accepts" },
  INVALID_UTF8:        { section: "RFC 6455 §8.1",   code: 1007, text: "the text is not UTF-8" },
  INVALID_DEFLATE:     { section: "RFC 7692 §7.2.2", code: 1007, text: "the compressed message cannot be inflated" },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;

/** The peer broke a rule. Thrown by the codecs, caught once, by the endpoint. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly rule: RuleName;
  /** The status code of the close frame that tells the peer (RFC 6455 §7.4.1). */
  readonly code: number;

  constructor(rule: RuleName) {
    super(`${RULES[rule].text} (${RULES[rule].section})`);
    this.rule = rule;
    this.code = RULES[rule].code;
  }
}
