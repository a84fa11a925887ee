// A transport within one process, for tests. Delivers packets asynchronously and in order, as a network would.

import type { Bytes } from "../../protocol/bytes.ts";
import { decodePacket, MESSAGE, type Packet, PING } from "../../protocol/engineio/packet.ts";
import { type Outgoing, PONG_PACKET } from "./outgoing.ts";
import type { ConnectionTransport, TransportSink } from "./transport.ts";

/** The client of a MemoryTransport. */
export interface MemoryClient {
  /** Called with each message from the server. */
  onMessage(data: string | Bytes): void;
  /** Called when the session has ended. */
  onEnd(): void;
}

/** Connects a session to a client in the same process. */
export class MemoryTransport implements ConnectionTransport {
  readonly name = "memory";
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly bufferedAmount = 0;
  readonly unreadBytes = 0;
  #sink: TransportSink | undefined;
  #client: MemoryClient | undefined;

  /** After this call, the packets of the client are delivered to `sink`. */
  start(sink: TransportSink): void {
    this.#sink = sink;
  }

  /** After this call, the packets of the session are delivered to `client`. */
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

  /** Receives packets from the client. */
  receive(message: Outgoing): void {
    for (const packet of unpack(message)) process.nextTick(() => this.#sink?.onPacket(packet));
  }

  /** Ends the session as if the client had disconnected without a close packet. */
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

/** Decodes the packets of a message. Copies bytes, since a network would not share memory with the sender either. */
function unpack({ packets }: Outgoing): Packet[] {
  return packets.map((packet) =>
    typeof packet === "string"
      ? decodePacket(packet)
      : { type: MESSAGE, data: Buffer.from(Uint8Array.from(packet).buffer) },
  );
}
