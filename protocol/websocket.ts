/**
 * `barewire/protocol/websocket` implements RFC 6455 and RFC 7692. It uses no sockets and no clocks. The caller
 * provides the random numbers.
 *
 * @module barewire/protocol/websocket
 */

export type { Bytes } from "./bytes.ts";
export { type CloseStatus, decodeClose, encodeClose, maySendCode } from "./websocket/close.ts";
export {
  type ClosingEvent,
  type ClosingState,
  mayReceive,
  maySendData,
  nextClosingState,
} from "./websocket/closing.ts";
export * from "./websocket/deflate.ts";
export * from "./websocket/deflate-negotiation.ts";
export { Endpoint, type EndpointOptions, NotOpenError, type Wire } from "./websocket/endpoint.ts";
export * from "./websocket/extensions.ts";
export * from "./websocket/frame.ts";
export * from "./websocket/handshake.ts";
export { mask, readKey, turnKey } from "./websocket/mask.ts";
export { NEED_DATA, Receiver, type ReceiverOptions } from "./websocket/receiver.ts";
export { ProtocolError, RULES, type Rule, type RuleName } from "./websocket/rules.ts";
export { Utf8Checker } from "./websocket/utf8.ts";
