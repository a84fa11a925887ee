// What goes out together: Engine.IO packets that leave in one piece, encoded at most once for each
// kind of transport however many sessions receive them.

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

/** What the smallest message takes beside its text. */
const OVERHEAD = 200;

export class Outgoing {
  /** Encoded packets: text with its type, or the bytes of a binary message. */
  readonly packets: readonly (string | Bytes)[];
  /** Worth compressing, where the transport can. */
  readonly compress: boolean;
  /** An event that nobody awaits an acknowledgement of: it may be left out where too much waits for a client. */
  readonly isDroppable: boolean;
  /** About as many bytes as it takes while it waits. */
  readonly length: number;
  #payload: string | undefined;
  #frames: readonly Bytes[] | undefined;

  constructor(packets: readonly (string | Bytes)[], compress: boolean, isDroppable = false) {
    this.packets = packets;
    this.compress = compress;
    this.isDroppable = isDroppable;
    this.length = packets.reduce((sum, packet) => sum + packet.length, OVERHEAD);
  }

  /** For long-polling: the packets as a payload. */
  get payload(): string {
    this.#payload ??= encodePayload(this.packets);
    return this.#payload;
  }

  /** For WebSocket: the packets as finished, unmasked frames. */
  get frames(): readonly Bytes[] {
    this.#frames ??= encodeFrames(this.packets);
    return this.#frames;
  }
}

/** A text message with the binary messages that belong to it: nothing comes between them. */
export function messages(
  text: string,
  attachments: readonly Bytes[],
  compress: boolean,
  isDroppable = false,
): Outgoing {
  return new Outgoing([textMessage(text), ...attachments], compress, isDroppable);
}

/** A text message as an encoded packet. */
export function textMessage(text: string): string {
  return encodePacket(MESSAGE, text);
}

/** One packet, the same for every session. */
function constant(packet: string): Outgoing {
  return new Outgoing([packet], false);
}

export const CLOSE_PACKET: Outgoing = constant(encodePacket(CLOSE));
export const PING_PACKET: Outgoing = constant(encodePacket(PING));
export const NOOP_PACKET: Outgoing = constant(encodePacket(NOOP));
export const PONG_PACKET: Outgoing = constant(encodePacket(PONG));
export const PROBE_PONG: Outgoing = constant(encodePacket(PONG, PROBE));
