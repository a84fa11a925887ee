// Implements the transport over a WebSocket. Each WebSocket message contains one packet. Bytes are
// sent as a binary message, unless the option `forceBase64` is set. Engine.IO "WebSocket".

import type { Bytes } from "../../protocol/bytes.ts";
import { encodePayload } from "../../protocol/engineio/payload.ts";
import type { PlatformWebSocket } from "../platform/network.ts";
import type { Link, Transport, TransportSink } from "./transport.ts";

/** The transport "websocket". Pass the class in the option `transports`. Engine.IO "WebSocket". */
export class WebSocketTransport implements Transport {
  readonly #link: Link;
  #sink: TransportSink | undefined;
  #webSocket: PlatformWebSocket | undefined;
  #open = false;
  #error: unknown;

  /** @internal */
  constructor(link: Link, sink: TransportSink) {
    this.#link = link;
    this.#sink = sink;
  }

  get name(): string {
    return "websocket";
  }

  open(): void {
    let webSocket: PlatformWebSocket;
    try {
      webSocket = this.#link.webSocket();
    } catch (error) {
      queueMicrotask(() => this.#lose("transport error", "websocket error", error));
      return;
    }
    this.#webSocket = webSocket;
    webSocket.onopen = () => {
      this.#open = true;
      this.#sink?.onOpen();
    };
    webSocket.onmessage = ({ data }: MessageEvent) =>
      this.#sink?.onMessage(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
    webSocket.onerror = (event: Event) => {
      this.#error = "error" in event ? event.error : event;
    };
    webSocket.onclose = (event: Event) => {
      this.#open = false;
      if (this.#error === undefined) {
        this.#lose("transport close", "websocket connection closed", event);
      } else {
        this.#lose("transport error", "websocket error", this.#error);
      }
    };
  }

  get writable(): boolean {
    return this.#open;
  }

  send(packets: readonly (string | Bytes)[]): void {
    for (const packet of packets) {
      this.#webSocket?.send(this.#link.base64 ? encodePayload([packet]) : packet);
    }
    queueMicrotask(() => this.#sink?.onWritable());
  }

  close(): void {
    this.#sink = undefined;
    this.#open = false;
    this.#webSocket?.close();
  }

  pause(done: () => void): void {
    done();
  }

  #lose(
    reason: "transport close" | "transport error",
    description: string,
    context?: unknown,
  ): void {
    const sink = this.#sink;
    this.close();
    sink?.onLost(reason, { description, context });
  }
}
