// A Socket.IO server's side by hand, over Engine.IO 4 and a WebSocket.

import { expect, expectSame, Failure } from "../harness/case.ts";
import type { ClientContext } from "../harness/client-context.ts";
import { quote } from "../harness/conversation.ts";
import {
  describePacket,
  type EncodedPacket,
  encodeAck,
  encodeEvent,
  expectSamePacket,
  parsePacket,
} from "./socketio.ts";
import { ENDED } from "./tcp.ts";
import { TEXT } from "./websocket.ts";
import type { WebSocketClientPeer } from "./websocket-client.ts";

export interface Heartbeat {
  readonly pingInterval: number;
  readonly pingTimeout: number;
}

/** Long enough for no client to miss a ping in a case that is about something else. */
const NO_HEARTBEAT: Heartbeat = { pingInterval: 25_000, pingTimeout: 20_000 };

/** What the client under test gives as `auth`. */
export const CLIENT_AUTH = { token: "123" };

export class SocketioClientPeer {
  readonly websocket: WebSocketClientPeer;

  constructor(websocket: WebSocketClientPeer) {
    this.websocket = websocket;
  }

  /** Waits for the client, and opens an Engine.IO session. */
  static async open(context: ClientContext, heartbeat = NO_HEARTBEAT): Promise<SocketioClientPeer> {
    const websocket = await context.websocket();
    websocket.sendText(openPacket(heartbeat));
    return new SocketioClientPeer(websocket);
  }

  /** Waits for the client, which asks for the main namespace and is let in. */
  static async connected(
    context: ClientContext,
    heartbeat?: Heartbeat,
  ): Promise<SocketioClientPeer> {
    const peer = await SocketioClientPeer.open(context, heartbeat);
    await peer.expectConnect();
    peer.send('0{"sid":"AAAAAAAAAAAAAAAAAAAB"}');
    return peer;
  }

  /** The client must ask for the main namespace; gives what it sends as `auth`. */
  async expectConnect(): Promise<unknown> {
    const packet = await this.next();
    if (packet === undefined) throw new Failure("CONNECT", ENDED);
    const { type, namespace, payload } = parsePacket(packet.text);
    expect(
      type === 0 && namespace === "/",
      "CONNECT of the main namespace",
      describePacket(packet),
    );
    return payload;
  }

  /** Sends a packet, right or wrong. */
  send(text: string, ...attachments: readonly Uint8Array[]): void {
    this.websocket.sendText(`4${text}`);
    for (const each of attachments) this.websocket.sendBinary(each);
  }

  sendEvent(data: readonly unknown[], id?: number): void {
    const { text, attachments } = encodeEvent(data, id === undefined ? {} : { id });
    this.send(text, ...attachments);
  }

  /** The next packet of Engine.IO; `undefined` at the end. */
  async nextEnginePacket(): Promise<string | Uint8Array | undefined> {
    const message = await this.websocket.nextMessage();
    if (message === undefined) return undefined;
    const { opcode, payload } = message;
    return opcode === TEXT ? Buffer.from(payload).toString() : payload;
  }

  /** The next packet, with its attachments; `undefined` at the end. @throws Failure for what is none */
  async next(): Promise<EncodedPacket | undefined> {
    const packet = await this.nextEnginePacket();
    if (packet === undefined || packet === "1") return undefined;
    if (typeof packet !== "string" || !packet.startsWith("4")) {
      throw new Failure("a message", typeof packet === "string" ? quote(packet) : "an attachment");
    }
    const text = packet.slice(1);
    const { count } = parsePacket(text);
    const attachments: Uint8Array[] = [];
    while (attachments.length < count) {
      const attachment = await this.nextEnginePacket();
      if (attachment === undefined) throw new Failure("an attachment", ENDED);
      if (typeof attachment === "string") throw new Failure("an attachment", quote(attachment));
      attachments.push(attachment);
    }
    return { text, attachments };
  }

  async expectEvent(data: readonly unknown[]): Promise<void> {
    expectSamePacket(await this.next(), encodeEvent(data));
  }

  async expectAck(id: number, data: readonly unknown[]): Promise<void> {
    expectSamePacket(await this.next(), encodeAck(id, data));
  }

  /** The client echoes an event, with nothing before it. */
  async expectAlive(mark = "alive"): Promise<void> {
    this.sendEvent(["message", mark]);
    await this.expectEvent(["message-back", mark]);
  }

  /** The client must end the connection, and say nothing before but goodbye. */
  async expectClosed(): Promise<void> {
    const packet = await this.next();
    const farewell = packet !== undefined && parsePacket(packet.text).type === 1;
    if (packet !== undefined && !farewell) throw new Failure(ENDED, describePacket(packet));
    if (farewell) expectSame(await this.next(), undefined, "after DISCONNECT");
  }

  /** The server ends the connection. */
  async close(): Promise<void> {
    this.websocket.sendClose(1000);
    await this.websocket.nextMessage();
    this.websocket.tcp.end();
  }
}

/** Engine.IO "Handshake". */
export function openPacket({ pingInterval, pingTimeout }: Heartbeat): string {
  const sid = "AAAAAAAAAAAAAAAAAAAA";
  const data = { sid, upgrades: [], pingInterval, pingTimeout, maxPayload: 1_000_000 };
  return `0${JSON.stringify(data)}`;
}
