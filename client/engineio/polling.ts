// Implements the transport over HTTP requests. A GET request receives packets: the server sends the response when it
// has packets. A POST request sends packets. Engine.IO "HTTP long-polling".

import type { Bytes } from "../../protocol/bytes.ts";
import { CLOSE, encodePacket } from "../../protocol/engineio/packet.ts";
import { encodePayload, SEPARATOR } from "../../protocol/engineio/payload.ts";
import type { PlatformCall } from "../platform/network.ts";
import type { Link, Transport, TransportSink } from "./transport.ts";

/** How long to wait for the response to the close packet, in milliseconds. */
const CLOSE_TIMEOUT = 5000;

/**
 * The transport "polling", over HTTP requests. Pass the class in the option `transports`.
 * Engine.IO "HTTP long-polling".
 */
export class PollingTransport implements Transport {
  readonly #link: Link;
  readonly #sink: TransportSink;
  #state: "opening" | "open" | "paused" | "closed" = "opening";
  // The requests that have no response yet.
  readonly #calls = new Set<PlatformCall>();
  #polling: Promise<void> | undefined;
  #posting: Promise<void> | undefined;
  #writable = true;

  /** @internal */
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
    if (before !== "open" && before !== "paused") {
      // There is no session to close, so only the requests are aborted.
      this.#abort();
      return;
    }
    // The pending GET must end after the POST with the close packet. If the GET ended first, the server would report
    // a lost connection.
    const timer = setTimeout(() => this.#abort(), CLOSE_TIMEOUT);
    void this.#answer(encodePacket(CLOSE)).then(() => {
      clearTimeout(timer);
      this.#abort();
    });
  }

  pause(done: () => void): void {
    this.#state = "paused";
    void Promise.all([this.#polling, this.#posting]).then(done);
  }

  #abort(): void {
    for (const call of this.#calls) call.abort();
  }

  get #closed(): boolean {
    return this.#state === "closed";
  }

  async #get(): Promise<void> {
    while (this.#state === "open" || this.#state === "opening") {
      const body = await this.#answer();
      if (this.#state === "opening") this.#state = "open";
      for (const packet of body?.split(SEPARATOR) ?? []) {
        if (!this.#closed) this.#sink.onMessage(packet);
      }
    }
  }

  async #post(packets: readonly (string | Bytes)[]): Promise<void> {
    const body = encodePayload(await Promise.all(packets.map(read)));
    await this.#answer(body);
    this.#writable = true;
    if (this.#state === "open") this.#sink.onWritable();
  }

  /**
   * Sends a request and returns the body of the response. If there is no response with status 200, calls onLost() of
   * the sink and returns `undefined`.
   */
  async #answer(posted?: string): Promise<string | undefined> {
    let context: unknown;
    const call = this.#link.request(posted);
    this.#calls.add(call);
    try {
      const { status, body } = await call.response;
      if (status === 200) return body;
      context = status;
    } catch (error) {
      context = error;
    } finally {
      this.#calls.delete(call);
    }
    if (this.#closed) return undefined;
    this.#state = "closed";
    this.#abort();
    const kind = posted === undefined ? "poll" : "post";
    const status = typeof context === "number" ? `: status ${context}` : "";
    const description = `polling ${kind} error${status}`;
    this.#sink.onLost("transport error", { description, context });
    return undefined;
  }
}

/** Returns the bytes of a Blob, and every other packet unchanged. In browsers, programs may send a Blob. */
async function read(packet: string | Bytes): Promise<string | Bytes> {
  return packet instanceof Blob ? new Uint8Array(await packet.arrayBuffer()) : packet;
}
