// What carries the packets of a client: the interface that polling.ts and websocket-transport.ts
// implement, and the one they report to.

import type { Bytes } from "../protocol/bytes.ts";
import type { Packet } from "../protocol/engineio/packet.ts";

/** What happened on the way, for whoever wants to know more than the reason. */
export interface DisconnectDetails {
  readonly description: string;
  /** The status of the response, or the event or error behind it. */
  readonly context?: unknown;
}

export interface Transport {
  readonly name: "polling" | "websocket";
  /** It takes packets now. */
  readonly writable: boolean;
  open(): void;
  /** Sends encoded text packets and the bytes of binary messages. Only while `writable`. */
  send(packets: readonly (string | Bytes)[]): void;
  /** Ends it, and tells the server where it can. Nothing is reported any more. */
  close(): void;
  /** Calls back when what is under way is over; nothing more is begun. */
  pause(done: () => void): void;
}

/** The layer above a transport. */
export interface TransportSink {
  onOpen(): void;
  onPacket(packet: Packet): void;
  /** It has become writable. */
  onWritable(): void;
  /** It carries nothing any more. */
  onLost(
    reason: "transport close" | "transport error" | "parse error",
    details: DisconnectDetails,
  ): void;
}
