// Encodes frames once for many clients.

import type { Bytes } from "../../protocol/bytes.ts";
import { BINARY, encodeFrame, encodeTextFrame, FIN } from "../../protocol/websocket/frame.ts";

/** Encodes messages as unmasked frames for Connection.sendFrames(). A string is a text message, bytes a binary message. */
export function encodeFrames(messages: readonly (string | Bytes)[]): readonly Bytes[] {
  return messages.map((message) =>
    typeof message === "string" ? encodeTextFrame(message) : encodeFrame(FIN | BINARY, message),
  );
}
