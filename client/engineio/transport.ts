// Defines the interface of the client's transports, which polling.ts and websocket.ts implement. Also defines the
// methods that a transport calls: those of its sink, which is an engine or a probe.

import type { Bytes } from "../../protocol/bytes.ts";
import type { PlatformCall, PlatformWebSocket } from "../platform/network.ts";

/** The details of a lost connection, in addition to the reason. */
export interface DisconnectDetails {
  /** What happened, such as "websocket connection closed". */
  readonly description: string;
  /** The HTTP status of the response, or the error or event that ended the connection. */
  readonly context?: unknown;
}

/** Carries the packets of one connection. A program may implement its own transport. */
export interface Transport {
  /** The name of the transport in the query of its requests, such as "polling". */
  readonly name: string;
  /** Whether send() may be called now. */
  readonly writable: boolean;
  /** Opens the transport. The transport then calls onOpen() or onLost() of its sink. */
  open(): void;
  /**
   * Sends packets. Called only while `writable` is `true`. The transport calls onWritable() of its sink when more
   * packets can be sent.
   *
   * @param packets encoded text packets, and the bytes of binary messages
   */
  send(packets: readonly (string | Bytes)[]): void;
  /**
   * Closes the transport, and informs the server if possible. Afterwards the transport calls no methods of its sink.
   */
  close(): void;
  /**
   * Stops the transport before an upgrade. No new request is sent.
   *
   * @param done called when the pending requests have ended
   */
  pause(done: () => void): void;
}

/** Creates the HTTP requests and WebSockets of a transport, with the current URL of the session. */
export interface Link {
  /**
   * Sends an HTTP request.
   *
   * @param body the body of a POST. Default: none, and the request is a GET
   */
  request(body?: string): PlatformCall;
  /** Opens a WebSocket. */
  webSocket(): PlatformWebSocket;
  /** Whether the transport must send bytes as base64 text (the option `forceBase64`). */
  readonly base64: boolean;
}

/** A class that the option `transports` accepts, besides the names of the built-in transports. */
export interface TransportClass {
  /**
   * Creates a transport for one connection.
   *
   * @param link creates the requests of the transport
   * @param sink the engine or probe whose methods the transport calls
   */
  new (link: Link, sink: TransportSink): Transport;
  /** The prototype. The engine reads the prototype's `name` before it creates an instance. */
  readonly prototype: Transport;
}

/** The methods of an engine or a probe that a transport calls. */
export interface TransportSink {
  /**
   * Called when the transport is open. The polling transport does not call this method, because its first request is
   * already the handshake.
   */
  onOpen(): void;
  /**
   * Called when a packet is received. Engine.IO "Packet encoding".
   *
   * @param data an encoded text packet, or the bytes of a binary message
   */
  onMessage(data: string | Bytes): void;
  /** Called when the transport becomes writable. */
  onWritable(): void;
  /**
   * Called when the transport was lost, or could not be opened.
   *
   * @param reason the reason for the "disconnect" event
   * @param details further details for the "disconnect" event
   */
  onLost(reason: "transport close" | "transport error", details: DisconnectDetails): void;
}
