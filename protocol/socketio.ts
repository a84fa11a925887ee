/**
 * `barewire/protocol/socketio`: Socket.IO 5 without a socket, a clock or a random number.
 *
 * @module barewire/protocol/socketio
 */

export { extract, restore } from "./socketio/attachments.ts";
export { Decoder, type DecoderOptions } from "./socketio/decoder.ts";
export { encode } from "./socketio/encoder.ts";
export * from "./socketio/packet.ts";
export { ProtocolError, RULES, type RuleName } from "./socketio/rules.ts";
