// The transport over HTTP requests: a GET that waits for what the server has, a POST for what there
// is to say. Engine.IO "HTTP long-polling".

import type { Bytes } from "../protocol/bytes.ts";
import { CLOSE, encodePacket } from "../protocol/engineio/packet.ts";
import { encodePayload, SEPARATOR } from "../protocol/engineio/payload.ts";
import type { PlatformCall } from "./platform.ts";
import type { Link, Transport, TransportSink } from "./transport.ts";

export class PollingTransport implements Transport {
  readonly #link: Link;
  readonly #sink: TransportSink;
  #state: "opening" | "open" | "paused" | "closed" = "opening";
  #poll: PlatformCall | undefined;
  #polling: Promise<void> | undefined;
  #posting: Promise<void> | undefined;
  #writable = true;

  constructor(link: Link, sink: TransportSink) {
    this.#link = link;
    this.#sink = sink;
  }

  get name(): string {
    return "polling";
  }

  open(): void {
    this.#polling = this.#get();
  }

  get writable(): boolean {
    return this.#state === "open" && this.#writable;
  }

  send(packets: readonly (string | Bytes)[]): void {
    this.#writable = false;
    this.#posting = this.#post(packets);
  }

  close(): void {
    const before = this.#state;
    this.#state = "closed";
    this.#poll?.abort();
    // Nobody waits for the answer; and without a session there is nothing to close.
    if (before === "open" || before === "paused") {
      this.#link.request(encodePacket(CLOSE)).response.catch(() => {});
    }
  }

  pause(done: () => void): void {
    this.#state = "paused";
    void Promise.all([this.#polling, this.#posting]).then(done);
  }

  get #closed(): boolean {
    return this.#state === "closed";
  }

  async #get(): Promise<void> {
    while (this.#state === "open" || this.#state === "opening") {
      this.#poll = this.#link.request();
      const body = await this.#answer(this.#poll, "poll");
      if (this.#state === "opening") this.#state = "open";
      for (const packet of body?.split(SEPARATOR) ?? []) {
        if (!this.#closed) this.#sink.onMessage(packet);
      }
    }
  }

  async #post(packets: readonly (string | Bytes)[]): Promise<void> {
    const body = encodePayload(await Promise.all(packets.map(read)));
    await this.#answer(this.#link.request(body), "post");
    this.#writable = true;
    if (this.#state === "open") this.#sink.onWritable();
  }

  /** The body of the response, where it is one; otherwise the transport is lost. */
  async #answer(call: PlatformCall, kind: "poll" | "post"): Promise<string | undefined> {
    let context: unknown;
    try {
      const { status, body } = await call.response;
      if (status === 200) return body;
      context = status;
    } catch (error) {
      context = error;
    }
    if (this.#closed) return undefined;
    this.#state = "closed";
    this.#poll?.abort();
    const status = typeof context === "number" ? `: status ${context}` : "";
    const description = `polling ${kind} error${status}`;
    this.#sink.onLost("transport error", { description, context });
    return undefined;
  }
}

/** A Blob, which a browser's program may send as bytes, has to be read first. */
async function read(packet: string | Bytes): Promise<string | Bytes> {
  return packet instanceof Blob ? new Uint8Array(await packet.arrayBuffer()) : packet;
}
