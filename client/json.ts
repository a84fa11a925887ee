// protocol/socketio/json.ts for browsers: shorter, and slower for what is long.

import { isObject } from "../protocol/socketio/attachments.ts";
import { MAX_DEPTH } from "../protocol/socketio/check.ts";
import { ProtocolError } from "../protocol/socketio/rules.ts";

export function parseJson(text: string): unknown {
  if (text === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("PAYLOAD_JSON");
  }
  // Level by level, since a recursion would end where the check is wanted.
  let level = [value].filter(isObject);
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new ProtocolError("PAYLOAD_DEPTH");
    level = level.flatMap(Object.values).filter(isObject);
  }
  return value;
}
