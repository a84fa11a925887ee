// What carries the packets of a client: the interface that polling.ts and websocket-transport.ts
// implement, and the one they report to.

import type { Bytes } from "../../protocol/bytes.ts";
import type { PlatformCall, PlatformWebSocket } from "../platform/network.ts";

/** What happened on the way, for whoever wants to know more than the reason. */
export interface DisconnectDetails {
  readonly description: string;
  /** The status of the response, or the event or error behind it. */
  readonly context?: unknown;
}

export interface Transport {
  /** What the server knows it by. */
  readonly name: string;
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

/** How a transport reaches the server: each call is with the session's URL as it is at that time. */
export interface Link {
  /** An HTTP request; a POST where there is a body. */
  request(body?: string): PlatformCall;
  webSocket(): PlatformWebSocket;
  /** Bytes travel as text. */
  readonly base64: boolean;
}

/** The option `transports` takes such classes beside the names of ours. */
export interface TransportClass {
  new (link: Link, sink: TransportSink): Transport;
  /** Its `name` is asked for before there is an instance. */
  readonly prototype: Transport;
}

/** The layer above a transport. */
export interface TransportSink {
  /** It takes packets. Polling does from the start. */
  onOpen(): void;
  /** A packet has come: a text as Engine.IO "Packet encoding" has it, or the bytes of a message. */
  onMessage(data: string | Bytes): void;
  /** It has become writable. */
  onWritable(): void;
  /** It carries nothing any more. */
  onLost(reason: "transport close" | "transport error", details: DisconnectDetails): void;
}
