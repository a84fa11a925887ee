// Checks the close code and the reason that a program passes. WHATWG "WebSockets", "validate close code and reason".

import { encodeClose, NORMAL_CLOSURE } from "../../protocol/websocket/close.ts";

/** The content of a close frame. */
export interface CloseArguments {
  readonly code: number | undefined;
  readonly reason: string | undefined;
}

/** Returns whether a program may close a WebSocket with this code. */
export function mayClose(code: number): boolean {
  return code === NORMAL_CLOSURE || (code >= 3000 && code <= 4999);
}

/**
 * Converts a close code and a reason by the rules of Web IDL, and checks them.
 *
 * @param code 1000, or 3000 to 4999. Default: no code, or 1000 if there is a reason
 * @param reason at most 123 bytes of UTF-8. Default: none
 * @throws DOMException if the code is invalid (`name` "InvalidAccessError") or the reason is too long ("SyntaxError")
 */
export function checkClose(code: number | undefined, reason: string | undefined): CloseArguments {
  const wanted = code === undefined ? undefined : clampToUint16(code);
  if (wanted !== undefined && !mayClose(wanted)) {
    throw new DOMException(
      `the close code must be 1000 or 3000 to 4999, got ${wanted}`,
      "InvalidAccessError",
    );
  }
  const said = wanted ?? (reason === undefined ? undefined : 1000);
  const text = reason === undefined ? undefined : `${reason}`;
  try {
    encodeClose(said, text);
  } catch {
    throw new DOMException("the close reason must have at most 123 bytes", "SyntaxError");
  }
  return { code: said, reason: text };
}

/** Converts a number to the Web IDL type "[Clamp] unsigned short". */
function clampToUint16(value: number): number {
  const clamped = Math.min(Math.max(Number(value) || 0, 0), 0xffff);
  const rounded = Math.round(clamped);
  // Halves are rounded to even numbers.
  return rounded - clamped === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
