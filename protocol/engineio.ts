/**
 * `barewire/protocol/engineio`: Engine.IO 4, and 3 as `revision3`, without a socket, a clock or a random number.
 *
 * @module barewire/protocol/engineio
 */

export * from "./engineio/handshake.ts";
export * as revision3 from "./engineio/legacy.ts";
export * from "./engineio/packet.ts";
export {
  decodePayload,
  decodePayloadPacket,
  encodePayload,
  SEPARATOR,
} from "./engineio/payload.ts";
export { ProtocolError, RULES, type RuleName } from "./engineio/rules.ts";
export {
  type CloseReason,
  nextSessionState,
  type SessionEvent,
  type SessionState,
} from "./engineio/session.ts";
