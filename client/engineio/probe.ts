// A transport on trial, while polling carries the packets: Engine.IO "Upgrade".
//
//   asking ── "3probe" ──▶ answered ── upgrade() ──▶ upgraded
//     └── anything else ──▶ onProbeFailed()
//
// The probe is the sink of its transport. In `asking`, the transport matters to nobody else, so its failure is
// the failure of the probe. In `answered`, the engine pauses polling, so the loss of the transport is the loss
// of the connection. In `upgraded`, the transport carries the packets, and the probe passes on its reports.

import type { Bytes } from "../../protocol/bytes.ts";
import { encodePacket, PING, PONG, PROBE, UPGRADE } from "../../protocol/engineio/packet.ts";
import type {
  DisconnectDetails,
  Link,
  Transport,
  TransportClass,
  TransportSink,
} from "./transport.ts";

/** The layer above a probe. */
export interface ProbeSink extends TransportSink {
  /** The server has answered the probe. */
  onProbeAnswered(probe: Probe): void;
  /** The transport does not reach the session. */
  onProbeFailed(description: string): void;
}

type ProbeState = "asking" | "answered" | "upgraded";

export class Probe implements TransportSink {
  readonly transport: Transport;
  readonly #sink: ProbeSink;
  #state: ProbeState = "asking";

  constructor(Class: TransportClass, link: Link, sink: ProbeSink) {
    this.#sink = sink;
    this.transport = new Class(link, this);
  }

  /** Opens the transport, and asks the server to answer over it. */
  start(): void {
    this.transport.open();
  }

  /** Closes the transport. Nothing is reported any more. */
  abandon(): void {
    this.transport.close();
  }

  /** Tells the server that all further packets are sent over this transport. */
  upgrade(): void {
    this.#state = "upgraded";
    this.transport.send([encodePacket(UPGRADE)]);
  }

  onOpen(): void {
    this.transport.send([encodePacket(PING, PROBE)]);
  }

  onMessage(data: string | Bytes): void {
    // The common case first.
    if (this.#state === "upgraded") {
      this.#sink.onMessage(data);
    } else if (this.#state === "asking" && data === encodePacket(PONG, PROBE)) {
      this.#state = "answered";
      this.#sink.onProbeAnswered(this);
    } else if (this.#state === "asking") {
      this.#sink.onProbeFailed("no probe");
    }
    // Before the server has received the upgrade packet, it sends nothing more over this transport.
  }

  onWritable(): void {
    if (this.#state === "upgraded") this.#sink.onWritable();
  }

  onLost(reason: "transport close" | "transport error", details: DisconnectDetails): void {
    if (this.#state === "asking") this.#sink.onProbeFailed(details.description);
    else this.#sink.onLost(reason, details);
  }
}
