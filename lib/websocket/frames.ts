// Encodes frames once for many clients.

import type { Bytes } from "../../protocol/bytes.ts";
import { BINARY, encodeFrame, encodeTextFrame, FIN } from "../../protocol/websocket/frame.ts";

/** Encodes text messages (strings) and binary messages (bytes) as unmasked frames for Connection.sendFrames(). */
export function encodeFrames(messages: readonly (string | Bytes)[]): readonly Bytes[] {
  return messages.map((message) =>
    typeof message === "string" ? encodeTextFrame(message) : encodeFrame(FIN | BINARY, message),
  );
}
