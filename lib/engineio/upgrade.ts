// The upgrade of a session from long-polling to WebSocket, without losing packets. Engine.IO "Upgrade".
//
//   client                      server
//     ── WebSocket with sid ──▶   the session continues over polling
//     ── 2probe ──▶               state: probing; the waiting GET request is answered with a noop
//     ◀── 3probe ──
//        (the client finishes its requests)
//     ── 5 ──▶                    state: websocket; waiting packets are sent over the WebSocket

import { type Packet, PING, PROBE, UPGRADE } from "../../protocol/engineio/packet.ts";
import { PROBE_PONG } from "./outgoing.ts";
import type { Session, UpgradeAttempt } from "./session.ts";
import type { TransportSink } from "./transport.ts";
import type { WebSocketTransport } from "./websocket.ts";

/** One attempt to upgrade a session. */
export class Upgrade implements TransportSink, UpgradeAttempt {
  readonly #session: Session;
  readonly #transport: WebSocketTransport;
  readonly #onEnd: (upgrade: Upgrade) => void;

  /** @param onEnd called when the attempt has succeeded or failed */
  constructor(session: Session, transport: WebSocketTransport, onEnd: (upgrade: Upgrade) => void) {
    this.#session = session;
    this.#transport = transport;
    this.#onEnd = onEnd;
  }

  start(): void {
    this.#session.beginUpgrade(this);
    this.#transport.start(this);
  }

  onPacket(packet: Packet): void {
    if (packet.type === PING && packet.data === PROBE) {
      this.#transport.send(PROBE_PONG);
      this.#session.onProbe(this.#transport);
    } else if (packet.type === UPGRADE && this.#session.probing) {
      this.#onEnd(this);
      this.#transport.deliverTo(this.#session);
      this.#session.onUpgrade(this.#transport);
    } else {
      this.abandon();
    }
  }

  onWritable(): void {}

  onLost(): void {
    this.#onEnd(this);
    this.#session.onAbandon();
  }

  /** Ends the attempt. The session continues over polling. */
  abandon(): void {
    this.#transport.discard();
    this.onLost();
  }
}
