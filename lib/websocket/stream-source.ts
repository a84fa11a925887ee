// The interfaces between a stream and the WebSocket of a client or a server.

import type { Bytes } from "../../protocol/bytes.ts";

/** The name of the method that connects a stream to a WebSocket. */
export const STREAM = Symbol("stream");

/** A WebSocket that a stream can be connected to: the WebSocket of a client or of a server. */
export interface StreamSource {
  /**
   * Delivers messages to `sink` from then on, instead of emitting "message" events.
   *
   * @throws NotOpenError if the WebSocket is closing or closed, ArgumentTypeError if the WebSocket already has a stream
   */
  [STREAM](sink: StreamSink): StreamedSocket;
}

/** The methods of a stream that the WebSocket calls. */
export interface StreamSink {
  /** The opening handshake of a client has succeeded. */
  onOpen(): void;
  /** A message was received. */
  onMessage(message: string | Bytes): void;
  /** The WebSocket can send more messages again, after send() returned "full". All earlier messages were sent. */
  onDrain(): void;
  /**
   * The connection has ended, or the opening handshake of a client has failed. No further call follows.
   *
   * @param code the code in the peer's close frame, 1005 if the frame had no code, 1006 if no close frame was received
   * @param error the cause, if the connection was not ended by a close frame. `code` is then 1006
   */
  onClose(code: number, reason: string, error: Error | undefined): void;
}

/**
 * What send() has done:
 *
 * - "ready": the message was accepted, and the next message may follow.
 * - "full": the message was accepted, but the next message should wait for onDrain().
 * - "closed": the message was not accepted, because the WebSocket is closing or closed.
 */
export type SendResult = "ready" | "full" | "closed";

/** The methods of a WebSocket that the stream calls. */
export interface StreamedSocket {
  /** Whether the opening handshake of a client is not finished. */
  readonly connecting: boolean;
  /** Sends a message, unless the WebSocket is closing or closed. */
  send(message: string | Bytes): SendResult;
  /**
   * Stops reading until resume() is called. When the connection ends, all received messages are delivered, and pause() has
   * no effect from then on.
   */
  pause(): void;
  /** Resumes reading after pause(). */
  resume(): void;
  /** Sends the queued messages and starts the closing handshake, or aborts the opening handshake. */
  close(code?: number, reason?: string): void;
  /** Ends the TCP connection at once, or aborts the opening handshake. */
  terminate(): void;
}
