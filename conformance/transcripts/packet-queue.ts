// The packets of a connection in the order in which they were received. Alternatives read the same packets again.

import { type Attempt, firstOf } from "../harness/attempts.ts";
import type { EncodedPacket } from "../peers/socketio.ts";
import type { Attempted } from "./levels.ts";

export class PacketQueue implements Attempted {
  /** Returns the next packet, or `undefined` at the end of the connection. */
  readonly #read: () => Promise<EncodedPacket | undefined>;
  /** Every packet that was read. A further attempt starts again at an earlier packet. */
  readonly #all: (EncodedPacket | undefined)[] = [];
  #waiting: (EncodedPacket | undefined)[] = [];

  constructor(read: () => Promise<EncodedPacket | undefined>) {
    this.#read = read;
  }

  /** The first packet that was read and that take() has not removed yet. */
  get waiting(): EncodedPacket | undefined {
    return this.#waiting[0];
  }

  /** Returns the next packet without removing it, or `undefined` at the end of the connection. */
  async peek(): Promise<EncodedPacket | undefined> {
    if (this.#waiting.length === 0) await this.#more();
    return this.#waiting[0];
  }

  /**
   * Removes and returns the first packet for which `fits` returns true. Returns `undefined` at the end of the
   * connection.
   */
  async take(fits: (packet: EncodedPacket) => boolean): Promise<EncodedPacket | undefined> {
    for (let at = 0; ; at++) {
      if (at === this.#waiting.length) await this.#more();
      const packet = this.#waiting[at];
      // The end of the connection stays in the queue, so that each later call finds it again.
      if (packet === undefined) return undefined;
      if (!fits(packet)) continue;
      this.#waiting.splice(at, 1);
      return packet;
    }
  }

  /** Runs the attempts on the same packets until one succeeds. @throws Failure if all fail */
  async firstOf(attempts: readonly Attempt[]): Promise<void> {
    const waiting = [...this.#waiting];
    const count = this.#all.length;
    await firstOf(attempts, () => {
      this.#waiting = [...waiting, ...this.#all.slice(count)];
    });
  }

  async #more(): Promise<void> {
    const packet = await this.#read();
    this.#all.push(packet);
    this.#waiting.push(packet);
  }
}
