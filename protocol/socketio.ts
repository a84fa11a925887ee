/**
 * `barewire/protocol/socketio` encodes and decodes Socket.IO 5. It uses no sockets, clocks or random numbers.
 *
 * @module barewire/protocol/socketio
 */

export type { Bytes } from "./bytes.ts";
export { type Extracted, extract, restore } from "./socketio/attachments.ts";
export type { PacketLimits } from "./socketio/check.ts";
export { Decoder, type DecoderOptions } from "./socketio/decoder.ts";
export { encode } from "./socketio/encoder.ts";
export * from "./socketio/packet.ts";
export { ProtocolError, RULES, type Rule, type RuleName } from "./socketio/rules.ts";
