// JSON as Python's json module writes it: NaN, Infinity and -Infinity are numbers there.
// https://docs.python.org/3/library/json.html#infinite-and-nan-number-values

import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { parseJson, stringEnd } from "../../protocol/socketio/json.ts";
import { ProtocolError } from "../../protocol/socketio/rules.ts";
import { generateId } from "../generate-id.ts";

const CONSTANT = /(?<![\w.+-])(?:NaN|-?Infinity)(?!\w|\s*:)/g;
/** What stands for NaN while a text is parsed. It is random and never sent, so no peer can write it. */
const NAN = generateId();

/**
 * Returns what a text of Python holds. An int beyond 2^53 is the nearest number.
 *
 * @throws ProtocolError for what is no JSON, or nested too deeply
 */
export function parsePythonJson(text: string): unknown {
  try {
    return parseJson(text, SERVER_LIMITS.maxDepth);
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.rule !== "PAYLOAD_JSON") throw error;
    const replaced = replaceConstants(text);
    // The same text would only fail again.
    if (replaced === text) throw error;
    try {
      return JSON.parse(replaced, (_key, value: unknown) => (value === NAN ? Number.NaN : value));
    } catch {
      throw error;
    }
  }
}

/** Writes the constants outside strings as JSON that is parsed to them. A number beyond the largest is Infinity. */
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
