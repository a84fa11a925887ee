// Parses the JSON of a peer. The depth is checked before the JSON is parsed.

import { ProtocolError } from "./rules.ts";

/**
 * Parses the payload of a packet. Returns `undefined` for an empty payload.
 *
 * @throws ProtocolError if the payload is not JSON, or if arrays and objects are nested more than `maxDepth` deep
 */
export function parseJson(text: string, maxDepth: number): unknown {
  if (text === "") return undefined;
  if (mayBeTooDeep(text, maxDepth) && isTooDeep(text, maxDepth))
    throw new ProtocolError("PAYLOAD_DEPTH");
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError("PAYLOAD_JSON");
  }
}

/**
 * Returns whether the text contains more than `maxDepth` opening brackets, inside or outside strings. This check is
 * fast, because it uses indexOf(): for a few kilobytes of chat messages, it takes a tenth of the time of isTooDeep().
 * isTooDeep() alone would take half as long as JSON.parse() (measured by "history" of `codecs` in bench/).
 */
function mayBeTooDeep(text: string, maxDepth: number): boolean {
  if (text.length <= maxDepth) return false;
  const left = maxDepth - count(text, "[", maxDepth);
  return count(text, "{", left) > left;
}

/** Counts how often `char` occurs in `text`. The count stops at `most` + 1. */
function count(text: string, char: string, most: number): number {
  let found = 0;
  for (let at = text.indexOf(char); at !== -1 && found <= most; at = text.indexOf(char, at + 1)) {
    found++;
  }
  return found;
}

/** Returns whether brackets outside strings are nested more than `maxDepth` deep. */
function isTooDeep(text: string, maxDepth: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = stringEnd(text, at + 1);
    else if (char === OPEN_BRACKET || char === OPEN_BRACE) depth++;
    else if (char === CLOSE_BRACKET || char === CLOSE_BRACE) depth--;
    if (depth > maxDepth) return true;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Returns the index of the quote that ends a string in JSON, or the length of the text if the string does not end.
 */
export function stringEnd(text: string, start: number): number {
  let quote = text.indexOf('"', start);
  while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote === -1 ? text.length : quote;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
