// The close frame: RFC 6455 §5.5.1, and the status codes of RFC 6455 §7.4.

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

// The codes of RFC 6455 §7.4.1 that this code sends or reports by itself.
export const NORMAL_CLOSURE = 1000;
export const GOING_AWAY = 1001;
/** RFC 6455 §7.1.5: the close frame held no status code. Never sent. */
export const NO_STATUS = 1005;
/** RFC 6455 §7.1.5: the connection ended without a close frame. Never sent. */
export const ABNORMAL_CLOSURE = 1006;
export const INTERNAL_ERROR = 1011;

/** What a close frame says. */
export interface CloseStatus {
  /** 1005 where the frame held none (RFC 6455 §7.1.5). */
  readonly code: number;
  readonly reason: string;
}

/**
 * Whether a close frame may carry `code`.
 *
 * RFC 6455 §7.4.1 forbids 1004 to 1006 and 1015. RFC 6455 §7.4.2 keeps 0 to 999 unused, leaves 1016 to
 * 2999 undefined, and gives 3000 to 4999 to libraries and applications. 1012 to 1014 are in the IANA
 * registry that RFC 6455 §11.7 set up.
 */
export function maySendCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999)
  );
}

/**
 * The payload of a close frame.
 *
 * @param code without one the payload is empty, and so must be the reason
 * @param reason at most 123 bytes of UTF-8
 * @throws RangeError for a code that may not be sent, or a reason that is too long: the caller's mistake
 */
export function encodeClose(code?: number, reason = ""): Bytes {
  if (code === undefined) {
    if (reason !== "") throw new RangeError("a close reason needs a status code");
    return EMPTY;
  }
  if (!Number.isInteger(code) || !maySendCode(code)) {
    throw new RangeError(`${code} is no status code for a close frame`);
  }
  const length = utf8Length(reason);
  if (2 + length > MAX_CONTROL_PAYLOAD) {
    throw new RangeError(`a close reason has at most ${MAX_CONTROL_PAYLOAD - 2} bytes`);
  }
  const payload = allocateUnfilled(2 + length);
  payload[0] = code >>> 8;
  payload[1] = code & 0xff;
  writeUtf8(payload, reason, 2);
  return payload;
}

/** Reads the payload of a close frame. Throws ProtocolError. */
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
