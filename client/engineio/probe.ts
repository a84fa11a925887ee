// Tests whether the server can be reached over a WebSocket, while polling still carries the packets.
// Engine.IO "Upgrade".
//
//   asking ── "3probe" ──▶ answered ── upgrade() ──▶ upgraded
//     └── anything else ──▶ onProbeFailed()
//
// The probe is the sink of the new transport.
//
//   asking    If the transport fails, only the probe fails. The connection continues over polling.
//   answered  The engine pauses polling. If the transport is lost, the connection is lost.
//   upgraded  The transport carries the packets. The probe passes all calls of the transport to the engine.

import type { Bytes } from "../../protocol/bytes.ts";
import { encodePacket, PING, PONG, PROBE, UPGRADE } from "../../protocol/engineio/packet.ts";
import type {
  DisconnectDetails,
  Link,
  Transport,
  TransportClass,
  TransportSink,
} from "./transport.ts";

/** The methods of an engine that a probe calls. */
export interface ProbeSink extends TransportSink {
  /** Called when the server has answered the probe. */
  onProbeAnswered(probe: Probe): void;
  /** Called when the transport could not be opened, or the server did not answer the probe as specified. */
  onProbeFailed(description: string): void;
}

type ProbeState = "asking" | "answered" | "upgraded";

/** Tests a new transport. After the upgrade, passes the calls of the new transport to the engine. */
export class Probe implements TransportSink {
  readonly transport: Transport;
  readonly #sink: ProbeSink;
  #state: ProbeState = "asking";

  constructor(Class: TransportClass, link: Link, sink: ProbeSink) {
    this.#sink = sink;
    this.transport = new Class(link, this);
  }

  /** Opens the transport, over which the probe then sends the probe packet. */
  start(): void {
    this.transport.open();
  }

  /** Closes the transport. Afterwards the probe calls no methods of its sink. */
  abandon(): void {
    this.transport.close();
  }

  /** Sends the upgrade packet, after which the client sends all packets over this transport. */
  upgrade(): void {
    this.#state = "upgraded";
    this.transport.send([encodePacket(UPGRADE)]);
  }

  onOpen(): void {
    this.transport.send([encodePacket(PING, PROBE)]);
  }

  onMessage(data: string | Bytes): void {
    if (this.#state === "upgraded") {
      this.#sink.onMessage(data);
    } else if (this.#state === "asking" && data === encodePacket(PONG, PROBE)) {
      this.#state = "answered";
      this.#sink.onProbeAnswered(this);
    } else if (this.#state === "asking") {
      this.#sink.onProbeFailed("the server did not answer the probe");
    }
    // In the state `answered`, packets are ignored. The server must not send a packet over the new transport before it
    // receives the upgrade packet.
  }

  onWritable(): void {
    if (this.#state === "upgraded") this.#sink.onWritable();
  }

  onLost(reason: "transport close" | "transport error", details: DisconnectDetails): void {
    if (this.#state === "asking") this.#sink.onProbeFailed(details.description);
    else this.#sink.onLost(reason, details);
  }
}
