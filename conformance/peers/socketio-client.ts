// The server's side of Socket.IO over Engine.IO 4 and a WebSocket, for clients under test.

import { Failure } from "../harness/case.ts";
import { quote } from "../harness/conversation.ts";
import {
  describePacket,
  type EncodedPacket,
  encodePackets,
  parsePacket,
  type SentPacket,
} from "./socketio.ts";
import { ENDED } from "./tcp.ts";
import { TEXT } from "./websocket.ts";
import type { WebSocketClientPeer } from "./websocket-client.ts";

/** The open packet (Engine.IO "Handshake"). Its intervals are so long that no client misses a ping during a case. */
const OPEN = JSON.stringify({
  sid: "AAAAAAAAAAAAAAAAAAAA",
  upgrades: [],
  pingInterval: 25_000,
  pingTimeout: 20_000,
  maxPayload: 1_000_000,
});

export class SocketioClientPeer {
  readonly websocket: WebSocketClientPeer;

  constructor(websocket: WebSocketClientPeer) {
    this.websocket = websocket;
  }

  /** Opens an Engine.IO session. */
  open(): void {
    this.websocket.sendText(`0${OPEN}`);
  }

  /** Sends packets, valid or invalid, in one write. */
  write(packets: readonly SentPacket[]): void {
    const bytes = encodePackets(packets, { masked: false });
    this.websocket.sendBytes(bytes, packets.map(describePacket).join(", and "));
  }

  /**
   * Returns the next Socket.IO packet with its attachments, or `undefined` at the end of the connection.
   *
   * @throws Failure if the client sends something else
   */
  async next(): Promise<EncodedPacket | undefined> {
    const packet = await this.#nextEnginePacket();
    if (packet === undefined || packet === "1") return undefined;
    if (typeof packet !== "string" || !packet.startsWith("4")) {
      throw new Failure("a message", typeof packet === "string" ? quote(packet) : "an attachment");
    }
    const text = packet.slice(1);
    const { count } = parsePacket(text);
    const attachments: Uint8Array[] = [];
    while (attachments.length < count) {
      const attachment = await this.#nextEnginePacket();
      if (attachment === undefined) throw new Failure("an attachment", ENDED);
      if (typeof attachment === "string") throw new Failure("an attachment", quote(attachment));
      attachments.push(attachment);
    }
    return { text, attachments };
  }

  /** Returns the next packet of Engine.IO, or `undefined` at the end of the connection. */
  async #nextEnginePacket(): Promise<string | Uint8Array | undefined> {
    const message = await this.websocket.nextMessage();
    if (message === undefined) return undefined;
    const { opcode, payload } = message;
    return opcode === TEXT ? Buffer.from(payload).toString() : payload;
  }
}
