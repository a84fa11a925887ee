// The close code and reason that a program passes. WHATWG "WebSockets", "validate close code and reason".

import { encodeClose, NORMAL_CLOSURE } from "../../protocol/websocket/close.ts";

/** What goes into a close frame. */
export interface CloseArguments {
  readonly code: number | undefined;
  readonly reason: string | undefined;
}

/** Whether a program may close with this code. */
export function mayClose(code: number): boolean {
  return code === NORMAL_CLOSURE || (code >= 3000 && code <= 4999);
}

/**
 * Converts a close code and a reason as Web IDL says, and checks them.
 *
 * @param code 1000, or 3000 to 4999. Default: none, or 1000 with a reason
 * @param reason at most 123 bytes of UTF-8
 * @throws DOMException for another code ("InvalidAccessError") or a longer reason ("SyntaxError")
 */
export function checkClose(code: number | undefined, reason: string | undefined): CloseArguments {
  const wanted = code === undefined ? undefined : clampToUint16(code);
  if (wanted !== undefined && !mayClose(wanted)) {
    throw new DOMException("a close code is 1000, or 3000 to 4999", "InvalidAccessError");
  }
  const said = wanted ?? (reason === undefined ? undefined : 1000);
  const text = reason === undefined ? undefined : `${reason}`;
  try {
    encodeClose(said, text);
  } catch {
    throw new DOMException("the reason has more than 123 bytes", "SyntaxError");
  }
  return { code: said, reason: text };
}

/** "[Clamp] unsigned short". */
function clampToUint16(value: number): number {
  const clamped = Math.min(Math.max(Number(value) || 0, 0), 0xffff);
  const rounded = Math.round(clamped);
  // Halves are rounded to even numbers.
  return rounded - clamped === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
