// The interfaces of a transport and of its sink. A transport carries the packets of a session, and reports to its sink.

import type { IncomingMessage, ServerResponse } from "node:http";

import type { Packet } from "../../protocol/engineio/packet.ts";
import type { CloseReason } from "../../protocol/engineio/session.ts";
import type { Outgoing } from "./outgoing.ts";

interface AnyTransport {
  /** Whether the transport accepts packets. Otherwise packets wait in the session, and volatile packets are dropped. */
  readonly writable: boolean;
  /** The number of received bytes. Over polling, only the bodies of the requests count. */
  readonly bytesReceived: number;
  /** The number of sent bytes. Over polling, only the bodies of the responses count. */
  readonly bytesSent: number;
  /** Bytes that are buffered in the transport. */
  readonly bufferedAmount: number;
  /** Bytes of HTTP responses that the transport has sent, but that the client has not read yet. @internal */
  readonly unreadBytes: number;
  /** Sends packets. Must only be called while `writable` is `true`. @internal */
  send(message: Outgoing): void;
  /**
   * Closes the session: informs the client as soon as the client can receive it, ends the transport, and calls onLost() with
   * "forced close". The polling transport waits for a GET request, at most for a limited time.
   *
   * @internal
   */
  close(): void;
  /**
   * Ends the transport at once. Informs the client about the end only if the client can receive it now. Does not call
   * onLost().
   *
   * @internal
   */
  discard(): void;
  /**
   * Ends the transport at once, because the client has closed the session or has changed to another transport. Does not call
   * onLost().
   *
   * @internal
   */
  release(): void;
}

/** A transport over HTTP requests. */
export interface RequestTransport extends AnyTransport {
  /** The name of the transport. */
  readonly name: "polling";
  /** Handles an HTTP request for the session. @internal */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
}

/** A transport over its own connection. */
export interface ConnectionTransport extends AnyTransport {
  /** The name of the transport. "memory" is the transport of a test client. */
  readonly name: "websocket" | "memory";
}

/** A transport, which carries the packets of a session. */
export type Transport = RequestTransport | ConnectionTransport;

/** The layer above a transport. The transport calls the methods while it reads, in the order in which packets arrive. */
export interface TransportSink {
  /** A packet was received. */
  onPacket(packet: Packet): void;
  /** The transport has become writable. */
  onWritable(): void;
  /**
   * The transport has ended.
   *
   * @param detail the error that has ended the transport, if there was one
   */
  onLost(reason: CloseReason, detail?: Error): void;
}
