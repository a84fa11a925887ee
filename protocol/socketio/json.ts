// JSON of a peer: how deep it goes is bounded before it is parsed.

import { MAX_DEPTH } from "./check.ts";
import { ProtocolError } from "./rules.ts";

/** `undefined` where there is none. */
export function parseJson(text: string): unknown {
  if (text === "") return undefined;
  if (text.length > MAX_DEPTH && isTooDeep(text)) throw new ProtocolError("PAYLOAD_DEPTH");
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError("PAYLOAD_JSON");
  }
}

/** Whether brackets that are not in strings stand deeper than MAX_DEPTH in JSON. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = stringEnd(text, at + 1);
    else if (char === OPEN_BRACKET || char === OPEN_BRACE) depth++;
    else if (char === CLOSE_BRACKET || char === CLOSE_BRACE) depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Where the quote stands that ends a string; the end of the text where none does. */
function stringEnd(text: string, start: number): number {
  let quote = text.indexOf('"', start);
  while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote === -1 ? text.length : quote;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
