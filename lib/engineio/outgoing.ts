// Engine.IO packets that are sent together. They are encoded at most once for each kind of transport, however many sessions
// receive them.

import type { Bytes } from "../../protocol/bytes.ts";
import {
  CLOSE,
  encodePacket,
  MESSAGE,
  NOOP,
  PING,
  PONG,
  PROBE,
} from "../../protocol/engineio/packet.ts";
import { encodePayload } from "../../protocol/engineio/payload.ts";
import { encodeFrames } from "../websocket/frames.ts";

/** The memory that a waiting message takes in addition to its payload, in bytes. */
const OVERHEAD = 200;

/** Packets that are sent together, with no other packet between them. */
export class Outgoing {
  /** The encoded packets: text packets with their type, and the bytes of binary messages. */
  readonly packets: readonly (string | Bytes)[];
  /** Whether the transport may compress the packets. */
  readonly compress: boolean;
  /** Whether the packets are an event without an acknowledgement, which `backpressurePolicy` may drop. */
  readonly isDroppable: boolean;
  /** The approximate memory of the packets, in bytes. */
  readonly length: number;
  #payload: string | undefined;
  #frames: readonly Bytes[] | undefined;

  constructor(packets: readonly (string | Bytes)[], compress: boolean, isDroppable = false) {
    this.packets = packets;
    this.compress = compress;
    this.isDroppable = isDroppable;
    this.length = packets.reduce((sum, packet) => sum + packet.length, OVERHEAD);
  }

  /** The packets as a payload, for long-polling. */
  get payload(): string {
    this.#payload ??= encodePayload(this.packets);
    return this.#payload;
  }

  /** The packets as unmasked frames, for WebSocket. */
  get frames(): readonly Bytes[] {
    this.#frames ??= encodeFrames(this.packets);
    return this.#frames;
  }
}

/** Creates a text message with the binary messages that belong to it. */
export function messages(
  text: string,
  attachments: readonly Bytes[],
  compress: boolean,
  isDroppable = false,
): Outgoing {
  return new Outgoing([textMessage(text), ...attachments], compress, isDroppable);
}

/** Encodes a text message as a packet. */
export function textMessage(text: string): string {
  return encodePacket(MESSAGE, text);
}

/** Creates a packet that is the same for every session. */
function constant(packet: string): Outgoing {
  return new Outgoing([packet], false);
}

export const CLOSE_PACKET: Outgoing = constant(encodePacket(CLOSE));
export const PING_PACKET: Outgoing = constant(encodePacket(PING));
export const NOOP_PACKET: Outgoing = constant(encodePacket(NOOP));
export const PONG_PACKET: Outgoing = constant(encodePacket(PONG));
export const PROBE_PONG: Outgoing = constant(encodePacket(PONG, PROBE));
