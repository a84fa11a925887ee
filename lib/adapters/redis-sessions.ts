// The sessions of clients that may come back, as Redis has them: a key for each secret. A session is there as long as its
// client is connected, so that it outlives the process, and `maxDisconnectionDuration` longer.

import { isString } from "../events/options.ts";
import type { RecoverableSession } from "../socketio/adapter.ts";
import { decodeSession, encodeSession, type KeptSession } from "./redis-streams-wire.ts";

/** Sends a command. Resolves to `undefined` where Redis has not taken it; never rejects. */
export type SendCommand = (...args: string[]) => Promise<unknown>;

/** In how many parts the sessions of connected clients are renewed, so that not all are at once. */
const RENEWALS = 20;
/** Redis takes no more milliseconds. */
const MAX_DURATION = 0x7fffffff;

export class RedisSessions {
  private readonly command: SendCommand;
  private readonly keyPrefix: string;
  private readonly duration: number;
  /** How often the clients have come back that are connected here, if they have, by their secrets. */
  private readonly returns = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  /** @param duration milliseconds for which a session is kept when its client has gone */
  constructor(command: SendCommand, keyPrefix: string, duration: number) {
    this.command = command;
    this.keyPrefix = keyPrefix;
    // SET takes whole milliseconds.
    this.duration = Math.min(Math.max(1, Math.ceil(duration)), MAX_DURATION);
  }

  /** Saves the session of a client that is connected. It is renewed after half of the time for which it is kept. */
  save(session: RecoverableSession): void {
    this.set(session, 2 * this.duration);
  }

  /**
   * Saves the session of a client that has gone.
   *
   * @param onlyIfKept it was saved before, and if it is there no more the client has come back elsewhere
   */
  saveLast(session: RecoverableSession, onlyIfKept: boolean): void {
    this.set(session, this.duration, onlyIfKept ? ["XX"] : []);
    this.release(session.pid);
  }

  delete(pid: string): void {
    this.release(pid);
    void this.command("DEL", this.keyOf(pid));
  }

  /**
   * Takes the session of a client that comes back. Once: of two that know the secret, the second is not the client.
   *
   * @returns `undefined` where there is none, "invalid" for something else
   */
  async take(pid: string): Promise<KeptSession | "invalid" | undefined> {
    const text = await this.command("GETDEL", this.keyOf(pid));
    if (!isString(text)) return undefined;
    const session = decodeSession(text, pid);
    if (session === undefined) return "invalid";
    const returns = session.returns + 1;
    this.returns.set(pid, returns);
    return { ...session, returns };
  }

  /** How often a client that is connected here has come back. */
  returnsOf(pid: string): number {
    return this.returns.get(pid) ?? 0;
  }

  /** The client is not connected here: it has gone elsewhere, or has not come back after all. */
  release(pid: string): void {
    this.returns.delete(pid);
  }

  /** Begins to save the sessions again that save() has saved, with what their data is now, a part of them at a time. */
  startRenewal(
    sessions: () => IterableIterator<RecoverableSession | undefined>,
    count: () => number,
  ): void {
    let remaining = sessions();
    const renew = (): void => {
      for (let left = Math.ceil(count() / RENEWALS); left > 0; left--) {
        const { done, value } = remaining.next();
        if (done) remaining = sessions();
        else if (value !== undefined) this.save(value);
      }
    };
    this.timer = setInterval(renew, Math.ceil(this.duration / 2 / RENEWALS)).unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private set(session: RecoverableSession, duration: number, condition: string[] = []): void {
    const key = this.keyOf(session.pid);
    const kept = `${Math.min(duration, MAX_DURATION)}`;
    void this.command(
      "SET",
      key,
      encodeSession({ ...session, returns: this.returnsOf(session.pid) }),
      "PX",
      kept,
      ...condition,
    );
  }

  private keyOf(pid: string): string {
    return `${this.keyPrefix}${pid}`;
  }
}
