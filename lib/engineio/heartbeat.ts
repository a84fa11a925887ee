// The heartbeat of all sessions: sends pings, and ends sessions whose client does not answer. Engine.IO "Heartbeat".
//
//   begin ──▶ quiet ── pingInterval ──▶ ping ──▶ awaiting ── pingTimeout ──▶ ping timeout
//               ▲                                   │
//               └──────────────── pong ─────────────┘

import { Deadlines } from "../deadlines.ts";

/** A session with a heartbeat. */
export interface Heartbeating {
  /** Called when a ping is due. */
  onPingDue(): void;
  /** Called when the client has not answered a ping in time or, in revision 3, has sent no packet for too long. */
  onPingTimeout(): void;
}

/**
 * The fraction of `pingInterval` by which a ping may be early, so that it is sent together with other pings. This halves the
 * CPU time of the pings: each ping that is sent alone wakes the process twice (`heartbeats` in bench/).
 */
const EARLY = 0.02;

/** The heartbeat of revision 4, where the server sends the pings. */
export class Heartbeat {
  readonly #quiet: Deadlines<Heartbeating>;
  readonly #awaiting: Deadlines<Heartbeating>;
  // The sessions whose deadline was already extended once.
  readonly #extended = new Set<Heartbeating>();

  /**
   * @param pingInterval milliseconds from a pong to the next ping
   * @param pingTimeout milliseconds from a ping until the pong must be received
   */
  constructor(pingInterval: number, pingTimeout: number) {
    this.#awaiting = new Deadlines(pingTimeout, (session) => {
      this.end(session);
      session.onPingTimeout();
    });
    const onDue = (session: Heartbeating): void => {
      this.#awaiting.add(session);
      session.onPingDue();
    };
    this.#quiet = new Deadlines(pingInterval, onDue, pingInterval * EARLY);
  }

  /** The number of sessions. */
  get size(): number {
    return this.#quiet.size + this.#awaiting.size;
  }

  begin(session: Heartbeating): void {
    this.#quiet.add(session);
  }

  onPong(session: Heartbeating): void {
    if (!this.#awaiting.delete(session)) return;
    this.#extended.delete(session);
    this.#quiet.add(session);
  }

  /**
   * Extends the deadline of a pong once, because another packet was received. A client that is sending a large message cannot
   * send the pong before the end of the message.
   */
  onOtherPacket(session: Heartbeating): void {
    if (!this.#awaiting.has(session) || this.#extended.has(session)) return;
    this.#extended.add(session);
    this.#awaiting.add(session);
  }

  end(session: Heartbeating): void {
    this.#quiet.delete(session);
    this.#awaiting.delete(session);
    this.#extended.delete(session);
  }
}

/**
 * The heartbeat of revision 3, where the client sends the pings. Ends a session if no packet is received during the sum of
 * `pingInterval` and `pingTimeout`.
 */
export class ClientHeartbeat {
  readonly #quiet: Deadlines<Heartbeating>;

  /**
   * @param pingInterval milliseconds between two pings of the client
   * @param pingTimeout milliseconds that a ping may be late
   */
  constructor(pingInterval: number, pingTimeout: number) {
    this.#quiet = new Deadlines(pingInterval + pingTimeout, (session) => session.onPingTimeout());
  }

  begin(session: Heartbeating): void {
    this.#quiet.add(session);
  }

  /** Never called: in this revision a pong from the client is a protocol error, and the session ends. */
  onPong(): void {}

  /** Restarts the deadline, because a packet was received. */
  onOtherPacket(session: Heartbeating): void {
    this.#quiet.add(session);
  }

  end(session: Heartbeating): void {
    this.#quiet.delete(session);
  }
}
