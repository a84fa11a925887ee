// JSON of a peer: how deep it goes is bounded before it is parsed.

import { MAX_DEPTH } from "./check.ts";
import { ProtocolError } from "./rules.ts";

/** `undefined` where there is none. */
export function parseJson(text: string): unknown {
  if (text === "") return undefined;
  if (mayBeTooDeep(text) && isTooDeep(text)) throw new ProtocolError("PAYLOAD_DEPTH");
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError("PAYLOAD_JSON");
  }
}

/**
 * Whether there are more than MAX_DEPTH brackets that open, in strings or not. V8's search passes over
 * what lies between: for some kilobytes of chat it takes a tenth of the time of isTooDeep(), which
 * then would add half of what JSON.parse() takes ("history" of `codecs` in bench/).
 */
function mayBeTooDeep(text: string): boolean {
  if (text.length <= MAX_DEPTH) return false;
  const left = MAX_DEPTH - count(text, "[", MAX_DEPTH);
  return left < 0 || count(text, "{", left) > left;
}

/** How often `char` is in `text`, counted to one more than `most`. */
function count(text: string, char: string, most: number): number {
  let found = 0;
  for (let at = text.indexOf(char); at !== -1 && found <= most; at = text.indexOf(char, at + 1)) {
    found++;
  }
  return found;
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
