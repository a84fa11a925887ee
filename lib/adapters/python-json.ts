// Parses JSON of Python's json module, which also writes the numbers NaN, Infinity and -Infinity.
// https://docs.python.org/3/library/json.html#infinite-and-nan-number-values

import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { parseJson, stringEnd } from "../../protocol/socketio/json.ts";
import { ProtocolError } from "../../protocol/socketio/rules.ts";
import { generateId } from "../generate-id.ts";

const CONSTANT = /(?<![\w.+-])(?:NaN|-?Infinity)(?!\w|\s*:)/g;
/**
 * The string that represents NaN while a text is parsed. The value is random and never sent, so a peer cannot know it.
 */
const NAN = generateId();

/**
 * Parses JSON that Python has written. An int beyond 2^53 becomes the nearest number.
 *
 * @throws ProtocolError if the text is not JSON, or is nested too deeply
 */
export function parsePythonJson(text: string): unknown {
  try {
    return parseJson(text, SERVER_LIMITS.maxDepth);
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.rule !== "PAYLOAD_JSON") throw error;
    const replaced = replaceConstants(text);
    // If the text contains none of the three constants, a second attempt to parse it would fail in the same way.
    if (replaced === text) throw error;
    try {
      return JSON.parse(replaced, (_key, value: unknown) => (value === NAN ? Number.NaN : value));
    } catch {
      throw error;
    }
  }
}

/** Replaces NaN, Infinity and -Infinity outside of strings by JSON that can be parsed. 1e999 is parsed as Infinity. */
function replaceConstants(text: string): string {
  let result = "";
  let at = 0;
  while (at < text.length) {
    const quote = text.indexOf('"', at);
    const start = quote === -1 ? text.length : quote;
    result += text.slice(at, start).replace(CONSTANT, literalOf);
    at = stringEnd(text, start + 1) + 1;
    result += text.slice(start, at);
  }
  return result;
}

function literalOf(name: string): string {
  if (name === "NaN") return `"${NAN}"`;
  return name === "Infinity" ? "1e999" : "-1e999";
}
