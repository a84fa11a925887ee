// Two endpoints connected by arrays. They exchange whole conversations without a port, in random chunks.

import type { ReceiverOptions } from "../../protocol/websocket/receiver.ts";
import { Station } from "./endpoint.ts";
import type { Random } from "./random.ts";

/** A client and a server, connected by a network that delivers random chunks. */
export class Pair {
  readonly client: Station;
  readonly server: Station;
  readonly #random: Random;
  // Bytes that were sent to each endpoint, but not yet delivered.
  readonly #toClient: Uint8Array[] = [];
  readonly #toServer: Uint8Array[] = [];

  constructor(random: Random, options: Omit<ReceiverOptions, "role">) {
    this.#random = random;
    this.server = new Station({ ...options, role: "server" });
    this.client = new Station({
      ...options,
      role: "client",
      randomFill: (key) => key.set(random.bytes(key.length)),
    });
  }

  /** Delivers one chunk in one direction. Returns `false` if no bytes are pending. */
  step(): boolean {
    this.#collect();
    const serverNext = this.#toServer.length > 0 && (this.#toClient.length === 0 || this.#flip());
    const queue = serverNext ? this.#toServer : this.#toClient;
    const first = queue.shift();
    if (first === undefined) return false;
    const cut = this.#flip() ? first.length : 1 + this.#random.int(first.length);
    if (cut < first.length) queue.unshift(first.subarray(cut));
    (serverNext ? this.server : this.client).receive(first.subarray(0, cut));
    return true;
  }

  /** Delivers all pending bytes. Then both endpoints receive the end of TCP, if either endpoint ended it. */
  run(): void {
    while (this.step());
    if (!this.client.wire.ended && !this.server.wire.ended) return;
    this.client.endpoint.receiveEnd();
    this.server.endpoint.receiveEnd();
  }

  #collect(): void {
    const fromClient = this.client.wire.take();
    if (fromClient.length > 0) this.#toServer.push(fromClient);
    const fromServer = this.server.wire.take();
    if (fromServer.length > 0) this.#toClient.push(fromServer);
  }

  #flip(): boolean {
    return this.#random.int(2) === 0;
  }
}
