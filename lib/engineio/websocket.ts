// The transport over a WebSocket. Engine.IO "WebSocket": each message contains one packet, and binary data is not encoded.

import type { Bytes } from "../../protocol/bytes.ts";
import { decodePacket, MESSAGE, type Packet } from "../../protocol/engineio/packet.ts";
import { decodePayloadPacket, encodePayload } from "../../protocol/engineio/payload.ts";
import { ProtocolError } from "../../protocol/engineio/rules.ts";
import type { Connection, ConnectionSink } from "../websocket/connection.ts";
import type { Outgoing } from "./outgoing.ts";
import type { ConnectionTransport, TransportSink } from "./transport.ts";

/** The encoding of packets in WebSocket messages, which depends on the revision of the protocol. */
export interface MessageFormat {
  /**
   * Encodes the bytes of a binary message. Returns a string to send a WebSocket text message, and bytes to send a binary
   * message. Default: the bytes are sent unchanged, and all receivers of a broadcast share the encoded frames.
   */
  readonly encodeBytes?: (bytes: Bytes) => string | Bytes;
  /** Decodes a text message. Throws a ProtocolError if it is invalid. */
  decodeText(text: string): Packet;
  /** Decodes a binary message. Throws a ProtocolError if it is invalid. */
  decodeBinary(bytes: Bytes): Packet;
}

/** The format of revision 4. Engine.IO "WebSocket". */
export const CURRENT_MESSAGES: MessageFormat = {
  decodeText: decodePacket,
  decodeBinary: (data) => ({ type: MESSAGE, data }),
};

/** Encodes binary data in base64, as polling does, for a client that cannot receive binary data. */
export const BASE64_MESSAGES: MessageFormat = {
  ...CURRENT_MESSAGES,
  encodeBytes: (bytes) => encodePayload([bytes]),
  decodeText: decodePayloadPacket,
};

/** The WebSocket transport of one session. */
export class WebSocketTransport implements ConnectionTransport, ConnectionSink {
  readonly name = "websocket";
  readonly #connection: Connection;
  readonly #format: MessageFormat;
  // `undefined` when the transport has ended.
  #sink: TransportSink | undefined;

  constructor(connection: Connection, format: MessageFormat) {
    this.#connection = connection;
    this.#format = format;
  }

  /** Starts to read, and delivers packets to `sink`. */
  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#connection.start(this);
  }

  /** Delivers packets to another sink from then on. */
  deliverTo(sink: TransportSink): void {
    this.#sink = sink;
  }

  get writable(): boolean {
    return this.#connection.open && !this.#connection.congested;
  }

  get bytesReceived(): number {
    return this.#connection.bytesReceived;
  }

  get bytesSent(): number {
    return this.#connection.bytesSent;
  }

  get unreadBytes(): number {
    return 0;
  }

  get bufferedAmount(): number {
    return this.#connection.bufferedAmount;
  }

  send(message: Outgoing): void {
    const connection = this.#connection;
    const { encodeBytes } = this.#format;
    if (encodeBytes === undefined && !connection.compresses) {
      connection.sendFrames(message.frames);
      return;
    }
    for (const packet of message.packets) {
      const encoded = typeof packet === "string" ? packet : (encodeBytes?.(packet) ?? packet);
      if (typeof encoded === "string") connection.sendText(encoded, message.compress);
      else connection.sendBinary(encoded, message.compress);
    }
  }

  close(): void {
    const sink = this.#sink;
    this.discard();
    sink?.onLost("forced close");
  }

  discard(): void {
    this.#sink = undefined;
    this.#connection.close();
  }

  release(): void {
    this.discard();
  }

  // The methods that the connection calls.

  onText(text: string): void {
    let packet: Packet;
    try {
      packet = this.#format.decodeText(text);
    } catch (error) {
      this.#onBreach(error);
      return;
    }
    this.#sink?.onPacket(packet);
  }

  onBinary(data: Bytes): void {
    let packet: Packet;
    try {
      packet = this.#format.decodeBinary(data);
    } catch (error) {
      this.#onBreach(error);
      return;
    }
    this.#sink?.onPacket(packet);
  }

  #onBreach(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    const sink = this.#sink;
    this.discard();
    sink?.onLost("parse error", error);
  }

  onPing(): void {}

  onPong(): void {}

  onDrain(): void {
    this.#sink?.onWritable();
  }

  onClose(_code: number, _reason: string, failure: Error | undefined): void {
    const sink = this.#sink;
    this.#sink = undefined;
    if (failure === undefined) sink?.onLost("transport close");
    else sink?.onLost("transport error", failure);
  }
}
