// What a stream and the WebSocket under it call of each other, at either end.

import type { Bytes } from "../../protocol/bytes.ts";

/** The method by which a WebSocket accepts a stream. */
export const STREAM = Symbol("stream");

/** A WebSocket, of a client or of a server, over which a stream can be put. */
export interface StreamSource {
  /**
   * Gives the messages to `sink` from now on, in place of "message" events.
   *
   * @throws NotOpenError if the WebSocket is closing or closed, ArgumentTypeError if it has a stream already
   */
  [STREAM](sink: StreamSink): StreamedSocket;
}

/** What a WebSocket calls of the stream over it. */
export interface StreamSink {
  /** Called when a client has connected. */
  onOpen(): void;
  onMessage(message: string | Bytes): void;
  /** Called when what was sent has left, after send() returned `false`. */
  onDrain(): void;
  /**
   * Called when the connection has ended, or when a client could not connect. Nothing follows.
   *
   * @param code the code in the peer's close frame; 1005 if it held none, 1006 if no close frame was received
   * @param error why it ended, where that was not a close frame
   */
  onClose(code: number, reason: string, error: Error | undefined): void;
}

/** What a stream calls of the WebSocket under it. */
export interface StreamedSocket {
  /** It is a client's, which has not connected yet. */
  readonly connecting: boolean;
  /** Sends a message. Returns `false` if the next message should wait for onDrain(). @throws NotOpenError */
  send(message: string | Bytes): boolean;
  /** Stops reading, until resume(). When the connection ends it delivers all that was received before, whatever calls pause(). */
  pause(): void;
  resume(): void;
  /** Starts the closing handshake behind what was sent, or stops connecting. */
  close(code?: number, reason?: string): void;
  /** Ends the connection at once, or stops connecting. */
  terminate(): void;
}
