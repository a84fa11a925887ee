// Stores in Redis the sessions of clients that may reconnect. The key of a session contains the secret id (`pid`) of
// its client. A session is stored while its client is connected, so that the session outlives the process, and for
// `maxDisconnectionDuration` after the client has disconnected.

import { isString } from "../events/options.ts";
import type { RecoverableSession } from "../socketio/adapter.ts";
import { decodeSession, encodeSession, type KeptSession } from "./redis-streams-wire.ts";

/** Sends a command. Resolves to `undefined` if Redis has not accepted it. Never rejects. */
export type SendCommand = (...args: string[]) => Promise<unknown>;

/** The session of a client that has reconnected. */
export type TakenSession = KeptSession & { readonly passesMiddleware: boolean };

/**
 * The sessions of connected clients are renewed in this many parts, one after the other, so that not all sessions are
 * renewed at once.
 */
const RENEWALS = 20;
/** The longest duration that Redis accepts, in milliseconds. */
const MAX_DURATION = 0x7fffffff;

/** Stores the sessions of one namespace in Redis. */
export class RedisSessions {
  private readonly command: SendCommand;
  private readonly keyPrefix: string;
  private readonly duration: number;
  /**
   * The name of the namespace. A session cannot be used in another namespace, because its client may not be allowed
   * there.
   */
  private readonly nsp: string;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param command sends a command to Redis
   * @param nsp the name of the namespace
   * @param keyPrefix the prefix of the keys
   * @param duration how long a session is stored after its client has disconnected, in milliseconds
   */
  constructor(command: SendCommand, nsp: string, keyPrefix: string, duration: number) {
    this.command = command;
    this.nsp = nsp;
    this.keyPrefix = keyPrefix;
    // The command SET only accepts an integer as the duration.
    this.duration = Math.min(Math.max(1, Math.ceil(duration)), MAX_DURATION);
  }

  /**
   * Stores the session of a connected client. The session is renewed after about a quarter of its
   * lifetime in Redis.
   *
   * @param returns how often the client has reconnected
   */
  save(session: RecoverableSession, returns: number): void {
    this.set(session, returns, 2 * this.duration);
  }

  /**
   * Stores the session of a client that has disconnected.
   *
   * @param returns how often the client has reconnected
   * @param onlyIfKept whether to store the session only if Redis still has it. If the session is missing, the client
   * has reconnected to another process
   */
  saveLast(session: RecoverableSession, returns: number, onlyIfKept: boolean): void {
    this.set(session, returns, this.duration, onlyIfKept ? ["XX"] : []);
  }

  /** Deletes a session. */
  delete(pid: string): void {
    void this.command("DEL", this.keyOf(pid));
  }

  /**
   * Returns the session of a client that has reconnected, and deletes it. A session is returned only once, because a
   * second user of the same secret id is not the client. A session that does not name its namespace may belong to
   * another namespace, so the client must pass the middleware of this namespace.
   *
   * @returns `undefined` if there is no session for this namespace. "invalid" if the stored value is not a session
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

  /**
   * Starts renewing the sessions of connected clients regularly: saves their current data, one part of the sessions at
   * a time.
   */
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

  /** Stops renewing sessions. */
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
