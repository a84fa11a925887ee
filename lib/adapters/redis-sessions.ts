// The sessions of clients that may come back, as Redis has them: a key for each secret. A session is there as long as its
// client is connected, so that it outlives the process, and `maxDisconnectionDuration` longer.

import { isString } from "../events/options.ts";
import type { RecoverableSession } from "../socketio/adapter.ts";
import { decodeSession, encodeSession, type KeptSession } from "./redis-streams-wire.ts";

/** Sends a command. Resolves to `undefined` where Redis has not taken it; never rejects. */
export type SendCommand = (...args: string[]) => Promise<unknown>;

/** The session of a client that comes back. */
export type TakenSession = KeptSession & { readonly passesMiddleware: boolean };

/** In how many parts the sessions of connected clients are renewed, so that not all are at once. */
const RENEWALS = 20;
/** Redis takes no more milliseconds. */
const MAX_DURATION = 0x7fffffff;

export class RedisSessions {
  private readonly command: SendCommand;
  private readonly keyPrefix: string;
  private readonly duration: number;
  /** The name of the namespace. Who may be in one may not be in another, so sessions are not taken across. */
  private readonly nsp: string;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param nsp the name of the namespace
   * @param duration milliseconds for which a session is kept when its client has gone
   */
  constructor(command: SendCommand, nsp: string, keyPrefix: string, duration: number) {
    this.command = command;
    this.nsp = nsp;
    this.keyPrefix = keyPrefix;
    // SET takes whole milliseconds.
    this.duration = Math.min(Math.max(1, Math.ceil(duration)), MAX_DURATION);
  }

  /**
   * Saves the session of a client that is connected. It is renewed when about a quarter of its time is over.
   *
   * @param returns how often the client has come back
   */
  save(session: RecoverableSession, returns: number): void {
    this.set(session, returns, 2 * this.duration);
  }

  /**
   * Saves the session of a client that has gone.
   *
   * @param returns how often the client has come back
   * @param onlyIfKept it was saved before, and if it is there no more the client has come back elsewhere
   */
  saveLast(session: RecoverableSession, returns: number, onlyIfKept: boolean): void {
    this.set(session, returns, this.duration, onlyIfKept ? ["XX"] : []);
  }

  delete(pid: string): void {
    void this.command("DEL", this.keyOf(pid));
  }

  /**
   * Takes the session of a client that comes back. Once: of two that know the secret, the second is not the client. One
   * that does not say its namespace may be of another, whose middleware has let its client in.
   *
   * @returns `undefined` where there is none for this namespace, "invalid" for something else
   */
  async take(pid: string): Promise<TakenSession | "invalid" | undefined> {
    const text = await this.command("GETDEL", this.keyOf(pid));
    if (!isString(text)) return undefined;
    const session = decodeSession(text, pid);
    if (session === undefined) return "invalid";
    const { nsp = this.nsp, returns } = session;
    if (nsp !== this.nsp) return undefined;
    return { ...session, returns: returns + 1, passesMiddleware: session.nsp === undefined };
  }

  /** Begins to save the sessions again that save() has saved, with what their data is now, a part of them at a time. */
  startRenewal(
    sessions: () => IterableIterator<RecoverableSession | undefined>,
    count: () => number,
    save: (session: RecoverableSession) => void,
  ): void {
    let remaining = sessions();
    const renew = (): void => {
      for (let left = Math.ceil(count() / RENEWALS); left > 0; left--) {
        const { done, value } = remaining.next();
        if (done) remaining = sessions();
        else if (value !== undefined) save(value);
      }
    };
    this.timer = setInterval(renew, Math.ceil(this.duration / 2 / RENEWALS)).unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private set(
    session: RecoverableSession,
    returns: number,
    duration: number,
    condition: string[] = [],
  ): void {
    const { nsp } = this;
    const text = encodeSession({ ...session, nsp, returns });
    const kept = `${Math.min(duration, MAX_DURATION)}`;
    void this.command("SET", this.keyOf(session.pid), text, "PX", kept, ...condition);
  }

  private keyOf(pid: string): string {
    return `${this.keyPrefix}${pid}`;
  }
}
