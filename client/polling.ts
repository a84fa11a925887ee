// The transport over HTTP requests: a GET that waits for what the server has, a POST for what there
// is to say. Engine.IO "HTTP long-polling".

import type { Bytes } from "../protocol/bytes.ts";
import { CLOSE, encodePacket } from "../protocol/engineio/packet.ts";
import { decodePayload, encodePayload } from "../protocol/engineio/payload.ts";
import { ProtocolError } from "../protocol/engineio/rules.ts";
import type { PlatformCall, PlatformResponse } from "./platform.ts";
import type { Link, Transport, TransportSink } from "./transport.ts";

export class PollingTransport implements Transport {
  readonly #link: Link;
  #sink: TransportSink;
  #state: "new" | "open" | "paused" | "closed" = "new";
  #poll: PlatformCall | undefined;
  #post: PlatformCall | undefined;
  #onPaused: (() => void) | undefined;

  constructor(link: Link, sink: TransportSink) {
    this.#link = link;
    this.#sink = sink;
  }

  get name(): string {
    return "polling";
  }

  open(): void {
    this.#state = "open";
    void this.#get();
  }

  get writable(): boolean {
    return this.#state === "open" && this.#post === undefined;
  }

  send(packets: readonly (string | Bytes)[]): void {
    void this.#send(encodePayload(packets));
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#poll?.abort();
    // Nobody waits for the answer.
    this.#link.request(encodePacket(CLOSE)).response.catch(() => {});
  }

  pause(done: () => void): void {
    if (this.#state === "open") this.#state = "paused";
    this.#onPaused = done;
    this.#checkPaused();
  }

  reportTo(sink: TransportSink): void {
    this.#sink = sink;
  }

  async #get(): Promise<void> {
    while (this.#state === "open") {
      const poll = this.#link.request();
      this.#poll = poll;
      const response = await this.#await(poll, "poll");
      this.#poll = undefined;
      if (response === undefined || !this.#deliver(response.body)) return;
    }
    this.#checkPaused();
  }

  async #send(body: string): Promise<void> {
    const post = this.#link.request(body);
    this.#post = post;
    const response = await this.#await(post, "post");
    this.#post = undefined;
    if (response === undefined) return;
    if (this.#state === "open") this.#sink.onWritable();
    this.#checkPaused();
  }

  /** The response, where it is one; otherwise the transport is lost. */
  async #await(call: PlatformCall, kind: "poll" | "post"): Promise<PlatformResponse | undefined> {
    let context: unknown;
    try {
      const response = await call.response;
      if (response.status === 200) return response;
      context = response.status;
    } catch (error) {
      context = error;
    }
    if (this.#state !== "closed") {
      this.#state = "closed";
      const status = typeof context === "number" ? `: status ${context}` : "";
      this.#sink.onLost("transport error", {
        description: `polling ${kind} error${status}`,
        context,
      });
    }
    return undefined;
  }

  #deliver(body: string): boolean {
    try {
      for (const packet of decodePayload(body)) {
        if (this.#state === "closed") return false;
        if (packet.type === CLOSE) {
          this.#state = "closed";
          const description = "transport closed by the server";
          this.#sink.onLost("transport close", { description });
          return false;
        }
        this.#sink.onPacket(packet);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#state = "closed";
      this.#sink.onLost("parse error", { description: error.message, context: error });
      return false;
    }
    return true;
  }

  #checkPaused(): void {
    if (this.#state !== "paused" || this.#poll !== undefined || this.#post !== undefined) return;
    const done = this.#onPaused;
    this.#onPaused = undefined;
    done?.();
  }
}
