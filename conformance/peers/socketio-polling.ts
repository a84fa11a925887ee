// A Socket.IO 5 client over Engine.IO 4 and HTTP long-polling.

import { expect, Failure } from "../harness/case.ts";
import type { Context } from "../harness/context.ts";
import { quote } from "../harness/conversation.ts";
import {
  type EncodedPacket,
  type EngineHandshake,
  parseOpenPacket,
  parsePacket,
  type SentPacket,
} from "./socketio.ts";

/** Separates the packets of one payload. Engine.IO "Packet encoding". */
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

  /** Opens a new session, in no namespace yet. */
  static async open(context: Context): Promise<PollingPeer> {
    const path = `${context.target.socketioPath}?EIO=4&transport=polling`;
    const { status, body } = await context.http({ path });
    expect(status === 200, "status 200 to the handshake", `status ${status}`);
    const handshake = parseOpenPacket(body);
    return new PollingPeer(context, `${path}&sid=${encodeURIComponent(handshake.sid)}`, handshake);
  }

  /** Sends packets in one payload. */
  async write(packets: readonly SentPacket[]): Promise<void> {
    const ofEngine = packets.flatMap(({ text, attachments }) => [
      ...(text === undefined ? [] : [`4${text}`]),
      ...attachments.map((each) => `b${Buffer.from(each).toString("base64")}`),
    ]);
    await this.#post(ofEngine);
  }

  /** Sends a payload. Ignores a refusal, because the next poll shows whether the server has ended the session. */
  async #post(packets: readonly string[]): Promise<void> {
    await this.#context.http({
      method: "POST",
      path: this.#path,
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body: packets.join(SEPARATOR),
    });
  }

  /** Returns the next Engine.IO packet other than a ping, or `undefined` if the session has ended. */
  async #nextOfEngine(): Promise<string | undefined> {
    for (;;) {
      const packet = this.#came.shift();
      if (packet === undefined) {
        const { status, body } = await this.#context.http({ path: this.#path });
        if (status !== 200) return undefined;
        this.#came.push(...body.split(SEPARATOR));
      } else if (packet.startsWith("1")) {
        return undefined;
      } else if (packet.startsWith("2")) {
        await this.#post([`3${packet.slice(1)}`]);
      } else if (packet !== "6") {
        return packet;
      }
    }
  }

  /** Returns the next Socket.IO packet with its attachments, or `undefined` if the session has ended. */
  async next(): Promise<EncodedPacket | undefined> {
    const packet = await this.#nextOfEngine();
    if (packet === undefined) return undefined;
    if (!packet.startsWith("4")) throw new Failure("a message", quote(packet));
    const text = packet.slice(1);
    const attachments: Uint8Array[] = [];
    const { count } = parsePacket(text);
    while (attachments.length < count) {
      const attachment = await this.#nextOfEngine();
      if (!attachment?.startsWith("b")) {
        throw new Failure("an attachment in base64", quote(attachment ?? "the end"));
      }
      attachments.push(Buffer.from(attachment.slice(1), "base64"));
    }
    return { text, attachments };
  }
}
