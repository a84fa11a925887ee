// A Socket.IO 5 client by hand, over Engine.IO 4 and HTTP long-polling.

import { needBehaviourOf } from "./behaviour.ts";
import { expect, Failure } from "./case.ts";
import type { Context } from "./context.ts";
import { quote } from "./conversation.ts";
import {
  type EncodedPacket,
  type EngineHandshake,
  expectSamePacket,
  parseOpenPacket,
  parsePacket,
} from "./socketio.ts";

/** Stands between the packets of one payload. Engine.IO "Packet encoding". */
const SEPARATOR = "\x1e";

export class PollingPeer {
  readonly handshake: EngineHandshake;
  readonly #context: Context;
  readonly #path: string;
  readonly #came: string[] = [];

  constructor(context: Context, path: string, handshake: EngineHandshake) {
    this.#context = context;
    this.#path = path;
    this.handshake = handshake;
  }

  /** A new session, in no namespace yet. */
  static async open(context: Context): Promise<PollingPeer> {
    const path = `${context.target.socketioPath}?EIO=4&transport=polling`;
    const { status, body } = await context.http({ path });
    expect(status === 200, "status 200 to the handshake", `status ${status}`);
    const handshake = parseOpenPacket(body);
    return new PollingPeer(context, `${path}&sid=${encodeURIComponent(handshake.sid)}`, handshake);
  }

  /** A new session that has joined the main namespace. */
  static async connected(context: Context): Promise<PollingPeer> {
    const peer = await PollingPeer.open(context);
    await peer.post("40");
    const { type } = parsePacket((await peer.next()).text);
    expect(type === 0, "CONNECT", `a packet of type ${type}`);
    if (context.target.lacks?.has("auth") !== true) await peer.expectPacket('2["auth",{}]');
    return peer;
  }

  /** Posts packets of Engine.IO in one payload; gives the status of the answer. */
  async post(...packets: readonly string[]): Promise<number> {
    for (const packet of packets) needBehaviourOf(this.#context.target, packet.slice(1));
    const { status } = await this.#context.http({
      method: "POST",
      path: this.#path,
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body: packets.join(SEPARATOR),
    });
    return status;
  }

  /** Posts packets, which must be taken. */
  async send(...packets: readonly string[]): Promise<void> {
    const status = await this.post(...packets);
    expect(status === 200, "status 200 to a payload", `status ${status}`);
  }

  /** The next packet of Engine.IO that is no ping; `undefined` where the session is no more. */
  async nextPacket(): Promise<string | undefined> {
    for (;;) {
      const packet = this.#came.shift();
      if (packet === undefined) {
        const { status, body } = await this.#context.http({ path: this.#path });
        if (status !== 200) return undefined;
        this.#came.push(...body.split(SEPARATOR));
      } else if (packet.startsWith("1")) {
        return undefined;
      } else if (packet.startsWith("2")) {
        await this.send(`3${packet.slice(1)}`);
      } else if (packet !== "6") {
        return packet;
      }
    }
  }

  /** The next packet of Socket.IO, with its attachments. @throws Failure where there is none */
  async next(): Promise<EncodedPacket> {
    const packet = await this.nextPacket();
    if (!packet?.startsWith("4")) throw new Failure("a message", quote(packet ?? "the end"));
    const text = packet.slice(1);
    const attachments: Uint8Array[] = [];
    const { count } = parsePacket(text);
    while (attachments.length < count) {
      const attachment = await this.nextPacket();
      if (!attachment?.startsWith("b")) {
        throw new Failure("an attachment in base64", quote(attachment ?? "the end"));
      }
      attachments.push(Buffer.from(attachment.slice(1), "base64"));
    }
    return { text, attachments };
  }

  async expectPacket(text: string, ...attachments: readonly Uint8Array[]): Promise<void> {
    expectSamePacket(await this.next(), { text, attachments });
  }
}
