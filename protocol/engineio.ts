/**
 * `barewire/protocol/engineio` encodes and decodes Engine.IO 4. Its member `revision3` encodes and decodes Engine.IO 3.
 * The module uses no sockets, clocks or random numbers.
 *
 * @module barewire/protocol/engineio
 */

export type { Bytes } from "./bytes.ts";
export * from "./engineio/handshake.ts";
export * as revision3 from "./engineio/legacy.ts";
export * from "./engineio/packet.ts";
export {
  decodePayload,
  decodePayloadPacket,
  encodePayload,
  SEPARATOR,
} from "./engineio/payload.ts";
export { ProtocolError, RULES, type Rule, type RuleName } from "./engineio/rules.ts";
export {
  type CloseReason,
  nextSessionState,
  type SessionEvent,
  type SessionState,
} from "./engineio/session.ts";
