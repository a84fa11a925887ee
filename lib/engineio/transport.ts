// What carries a session's packets: the interface that polling.ts and websocket.ts implement, and
// the one they report to.

import type { TransportName } from "../../protocol/engineio/handshake.ts";
import type { Packet } from "../../protocol/engineio/packet.ts";
import type { CloseReason } from "../../protocol/engineio/session.ts";
import type { Outgoing } from "./outgoing.ts";

export interface Transport {
  readonly name: TransportName;
  /** It takes packets now; otherwise they wait in the session (and volatile ones are dropped). */
  readonly writable: boolean;
  /** Sends. Only while `writable`. */
  send(message: Outgoing): void;
  /** Tells the client that the session ends, as soon as the client can hear it, and then reports "forced close". */
  close(): void;
  /** Ends at once; the client is told if it can hear it now. Nothing is reported any more. */
  discard(): void;
  /** Ends at once for a client that has left it of its own will. Nothing is reported any more. */
  release(): void;
}

/** The layer above a transport, called synchronously and in order. */
export interface TransportSink {
  onPacket(packet: Packet): void;
  /** It has become writable. */
  onWritable(): void;
  /**
   * It carries nothing any more.
   *
   * @param detail what exactly happened, for `disconnect` listeners
   */
  onLost(reason: CloseReason, detail?: Error): void;
}
