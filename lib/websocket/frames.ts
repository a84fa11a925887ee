// Whole frames, encoded once for many clients.

import type { Bytes } from "../../protocol/bytes.ts";
import { BINARY, encodeFrame, encodeTextFrame, FIN } from "../../protocol/websocket/frame.ts";

/** Returns messages as unmasked frames for Connection.sendFrames(): strings as text, bytes as binary. */
export function encodeFrames(messages: readonly (string | Bytes)[]): readonly Bytes[] {
  return messages.map((message) =>
    typeof message === "string" ? encodeTextFrame(message) : encodeFrame(FIN | BINARY, message),
  );
}
