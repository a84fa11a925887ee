// What carries a session's packets: the interface that polling.ts and websocket.ts implement, and
// the one they report to.

import type { IncomingMessage, ServerResponse } from "node:http";

import type { Packet } from "../../protocol/engineio/packet.ts";
import type { CloseReason } from "../../protocol/engineio/session.ts";
import type { Outgoing } from "./outgoing.ts";

interface AnyTransport {
  /** It takes packets now; otherwise they wait in the session (and volatile ones are dropped). */
  readonly writable: boolean;
  /** Bytes that it has received and sent: those of a connection, or the bodies of requests. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Bytes that it was given and has not handed to the operating system yet. */
  readonly bufferedAmount: number;
  /** Bytes of an answer that it has handed to HTTP and that the client has not received. A program need not wait for them. */
  readonly unreadBytes: number;
  /** Sends. Only while `writable`. */
  send(message: Outgoing): void;
  /** Tells the client that the session ends, as soon as the client can hear it, and then reports "forced close". */
  close(): void;
  /** Ends at once; the client is told if it can hear it now. Nothing is reported any more. */
  discard(): void;
  /** Ends at once for a client that has left it of its own will. Nothing is reported any more. */
  release(): void;
}

/** A transport over HTTP requests. */
export interface RequestTransport extends AnyTransport {
  readonly name: "polling";
  /** Handles an HTTP request that names the session. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
}

/** A transport over a connection of its own. */
export interface ConnectionTransport extends AnyTransport {
  readonly name: "websocket" | "memory";
}

export type Transport = RequestTransport | ConnectionTransport;

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
