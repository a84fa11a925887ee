// Encodes and decodes the close frame (RFC 6455 §5.5.1) and its status codes (RFC 6455 §7.4).

import {
  allocateUnfilled,
  type Bytes,
  decodeUtf8,
  EMPTY,
  uint16At,
  utf8Length,
  writeUtf8,
} from "../bytes.ts";
import { MAX_CONTROL_PAYLOAD } from "./frame.ts";
import { ProtocolError } from "./rules.ts";

// The status codes of RFC 6455 §7.4.1 that this implementation itself sends or reports.
export const NORMAL_CLOSURE = 1000;
export const GOING_AWAY = 1001;
/** The close frame contained no status code (RFC 6455 §7.1.5). This code is never sent. */
export const NO_STATUS = 1005;
/** The connection ended without a close frame (RFC 6455 §7.1.5). This code is never sent. */
export const ABNORMAL_CLOSURE = 1006;
export const INTERNAL_ERROR = 1011;

/** The contents of a close frame. */
export interface CloseStatus {
  /** The status code, or 1005 if the frame contained no status code (RFC 6455 §7.1.5). */
  readonly code: number;
  /** The reason, or "" if the frame contained no reason (RFC 6455 §7.1.6). */
  readonly reason: string;
}

/**
 * Returns whether a close frame may contain a status code.
 *
 * RFC 6455 §7.4.1 forbids 1004 to 1006 and 1015. RFC 6455 §7.4.2 forbids 0 to 999, reserves 1016 to 2999 for
 * future versions, and assigns 3000 to 4999 to libraries and applications. 1012 to 1014 are in the IANA
 * registry of RFC 6455 §11.7.
 *
 * @param code the status code
 */
export function maySendCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999)
  );
}

/**
 * Encodes the payload of a close frame (RFC 6455 §5.5.1).
 *
 * @param code the status code. Without a status code, the payload is empty, and `reason` must be empty too. Default: no
 * code.
 * @param reason at most 123 bytes in UTF-8. Default: "".
 * @throws RangeError if the code must not be sent, if the reason is too long, or if there is a reason but no code
 */
export function encodeClose(code?: number, reason = ""): Bytes {
  if (code === undefined) {
    if (reason !== "")
      throw new RangeError(`a close reason needs a status code, got only the reason "${reason}"`);
    return EMPTY;
  }
  if (!Number.isInteger(code) || !maySendCode(code)) {
    throw new RangeError(
      `invalid close status code: expected 1000 to 1003, 1007 to 1014 or 3000 to 4999, got ${code}`,
    );
  }
  const length = utf8Length(reason);
  if (2 + length > MAX_CONTROL_PAYLOAD) {
    throw new RangeError(
      `a close reason must have at most ${MAX_CONTROL_PAYLOAD - 2} bytes in UTF-8, got ${length}`,
    );
  }
  const payload = allocateUnfilled(2 + length);
  payload[0] = code >>> 8;
  payload[1] = code & 0xff;
  writeUtf8(payload, reason, 2);
  return payload;
}

/**
 * Decodes the payload of a close frame (RFC 6455 §5.5.1).
 *
 * @param payload the unmasked payload
 * @throws ProtocolError if the payload is one byte long, the status code is invalid, or the reason is not UTF-8
 */
export function decodeClose(payload: Bytes): CloseStatus {
  if (payload.length === 0) return { code: NO_STATUS, reason: "" };
  // RFC 6455 §5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
  if (payload.length === 1) throw new ProtocolError("CLOSE_LENGTH");
  const code = uint16At(payload, 0);
  if (!maySendCode(code)) throw new ProtocolError("CLOSE_CODE");
  const reason = decodeUtf8(payload.subarray(2));
  if (reason === undefined) throw new ProtocolError("INVALID_UTF8");
  return { code, reason };
}
