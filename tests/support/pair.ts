// Two endpoints joined by arrays: whole conversations without a port, cut up by chance.

import type { ReceiverOptions } from "../../protocol/websocket/receiver.ts";
import { Station } from "./endpoint.ts";
import type { Random } from "./random.ts";

/** A client and a server, and a network that delivers in pieces of its own choosing. */
export class Pair {
  readonly client: Station;
  readonly server: Station;
  readonly #random: Random;
  // What is under way to each.
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

  /** Delivers one piece in one direction. `false` where nothing was under way. */
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

  /** Delivers until all is quiet; then TCP ends where an end wished it to. */
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
