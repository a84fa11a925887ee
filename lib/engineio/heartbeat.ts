// One clock for all sessions: whom to ping, and who is late. Engine.IO "Heartbeat".
//
//   begin ──▶ quiet ── pingInterval ──▶ ping ──▶ awaiting ── pingTimeout ──▶ late
//               ▲                                   │
//               └──────────────── pong ─────────────┘

import { Deadlines } from "../deadlines.ts";

export interface Heartbeating {
  /** Send a ping. */
  onPingDue(): void;
  /** No pong has come in time. */
  onPingTimeout(): void;
}

/**
 * By how much of the interval a ping may be early. Pings of one moment cost half of what as many
 * cost one by one, each of which wakes the process twice (`heartbeats` in bench/).
 */
const EARLY = 0.02;

export class Heartbeat {
  readonly #quiet: Deadlines<Heartbeating>;
  readonly #awaiting: Deadlines<Heartbeating>;
  // Who has had the one extension of a wait.
  readonly #extended = new Set<Heartbeating>();

  /**
   * @param pingInterval milliseconds from a pong to the next ping
   * @param pingTimeout milliseconds that the pong may take
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

  /** How many sessions it serves. */
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
   * Another packet came. A client that is busy with a long transfer cannot answer a ping before
   * its end; so a sign of life while the pong is awaited renews the wait, once.
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
 * The heartbeat of revision 3, where the client sends the pings: it is late when it has said nothing
 * for as long as a ping and its answer may take.
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

  /** A pong of the client is none of this revision; the session has ended before. */
  onPong(): void {}

  /** Whatever comes is a sign of life. */
  onOtherPacket(session: Heartbeating): void {
    this.#quiet.add(session);
  }

  end(session: Heartbeating): void {
    this.#quiet.delete(session);
  }
}
