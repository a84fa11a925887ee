// The transport within one process. It delivers packets in the next tick and in order, as a network would.

import type { Bytes } from "../../protocol/bytes.ts";
import { decodePacket, MESSAGE, type Packet, PING } from "../../protocol/engineio/packet.ts";
import { type Outgoing, PONG_PACKET } from "./outgoing.ts";
import type { ConnectionTransport, TransportSink } from "./transport.ts";

/** The client's end. */
export interface MemoryClient {
  onMessage(data: string | Bytes): void;
  /** The session has ended. */
  onEnd(): void;
}

export class MemoryTransport implements ConnectionTransport {
  readonly name = "memory";
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly bufferedAmount = 0;
  readonly unreadBytes = 0;
  #sink: TransportSink | undefined;
  #client: MemoryClient | undefined;

  /** Delivers what the client sends to `sink`. */
  start(sink: TransportSink): void {
    this.#sink = sink;
  }

  /** Delivers what the session sends to `client`. */
  deliverTo(client: MemoryClient): void {
    this.#client = client;
  }

  get writable(): boolean {
    return this.#client !== undefined;
  }

  send(message: Outgoing): void {
    for (const packet of unpack(message)) process.nextTick(() => this.#toClient(packet));
  }

  close(): void {
    const sink = this.#sink;
    this.discard();
    sink?.onLost("forced close");
  }

  discard(): void {
    this.#sink = undefined;
    process.nextTick(() => {
      this.#client?.onEnd();
      this.#client = undefined;
    });
  }

  release(): void {
    this.discard();
  }

  /** The client sends. */
  receive(message: Outgoing): void {
    for (const packet of unpack(message)) process.nextTick(() => this.#sink?.onPacket(packet));
  }

  /** The client goes without a word. */
  lose(): void {
    const sink = this.#sink;
    this.discard();
    sink?.onLost("transport close");
  }

  #toClient(packet: Packet): void {
    if (packet.type === PING) this.receive(PONG_PACKET);
    else if (packet.type === MESSAGE) this.#client?.onMessage(packet.data);
  }
}

/** The packets, with bytes of their own, as everything that has been on a wire has. */
function unpack({ packets }: Outgoing): Packet[] {
  return packets.map((packet) =>
    typeof packet === "string"
      ? decodePacket(packet)
      : { type: MESSAGE, data: Buffer.from(Uint8Array.from(packet).buffer) },
  );
}
