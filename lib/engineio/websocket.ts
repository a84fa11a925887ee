// The transport over a WebSocket. Engine.IO "WebSocket": one packet in one message, bytes as they are.

import type { Bytes } from "../../protocol/bytes.ts";
import { decodePacket, MESSAGE, type Packet } from "../../protocol/engineio/packet.ts";
import { decodePayloadPacket, encodePayload } from "../../protocol/engineio/payload.ts";
import { ProtocolError } from "../../protocol/engineio/rules.ts";
import type { Connection, ConnectionSink } from "../websocket/connection.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Transport, TransportSink } from "./transport.ts";

export class WebSocketTransport implements Transport, ConnectionSink {
  readonly name = "websocket";
  protected readonly connection: Connection;
  // `undefined` when nobody wants to hear any more.
  #sink: TransportSink | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Begins to read, and delivers to `sink`. */
  start(sink: TransportSink): void {
    this.#sink = sink;
    this.connection.start(this);
  }

  /** Delivers to another sink from now on. */
  deliverTo(sink: TransportSink): void {
    this.#sink = sink;
  }

  get writable(): boolean {
    return this.connection.open && !this.connection.congested;
  }

  send(message: Outgoing): void {
    const { connection } = this;
    if (!connection.compresses) {
      connection.sendFrames(message.frames);
      return;
    }
    for (const packet of message.packets) {
      if (typeof packet === "string") connection.sendText(packet, message.compress);
      else connection.sendBinary(packet, message.compress);
    }
  }

  close(): void {
    const sink = this.#sink;
    this.discard();
    sink?.onLost("forced close");
  }

  discard(): void {
    this.#sink = undefined;
    this.connection.close();
  }

  release(): void {
    this.discard();
  }

  // The connection's sink.

  onText(text: string): void {
    let packet: Packet;
    try {
      packet = this.decodeText(text);
    } catch (error) {
      this.#onBreach(error);
      return;
    }
    this.#sink?.onPacket(packet);
  }

  onBinary(data: Bytes): void {
    let packet: Packet;
    try {
      packet = this.decodeBinary(data);
    } catch (error) {
      this.#onBreach(error);
      return;
    }
    this.#sink?.onPacket(packet);
  }

  /** Throws ProtocolError. */
  protected decodeText(text: string): Packet {
    return decodePacket(text);
  }

  /** Throws ProtocolError. */
  protected decodeBinary(data: Bytes): Packet {
    return { type: MESSAGE, data };
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

/** For a client that has said that it cannot take bytes: what polling does with them, here too. */
export class Base64WebSocketTransport extends WebSocketTransport {
  override send(message: Outgoing): void {
    for (const packet of message.packets) {
      this.connection.sendText(encodePayload([packet]), message.compress);
    }
  }

  protected override decodeText(text: string): Packet {
    return decodePayloadPacket(text);
  }
}
