// Writes to the logger of the program. The number of lines about refused and failing clients is limited, because clients could
// otherwise fill the log. An error of the logger, such as on a full disk, does not affect the server.

import { Deadlines } from "../deadlines.ts";
import { isThenable } from "../events/thenable.ts";

/**
 * A logger of the program: `console`, or a logger of any library with these methods. Each method is optional.
 *
 * @example
 * const io = new Server(3000, { logger: { warn: console.warn, error: console.error } });
 */
export interface Logger {
  /**
   * Called when a client connects, changes its transport, or disconnects.
   *
   * @param message the message
   * @param details the details, such as the id of the session
   */
  debug?(message: string, details: object): void;
  /**
   * Reserved. The server does not call this method.
   *
   * @param message the message
   * @param details the details
   */
  info?(message: string, details: object): void;
  /**
   * Called when a client is refused, violates a protocol or reaches a limit. Called at most 10 times a second for each reason,
   * and then once with the number of further incidents.
   *
   * @param message the message
   * @param details the details, such as the address of the client
   */
  warn?(message: string, details: object): void;
  /**
   * Called when something in the server itself fails, such as the connection to the other nodes of a cluster.
   *
   * @param message the message
   * @param details the details, with the error in `error`
   */
  error?(message: string, details: object): void;
}

/** The largest number of lines for one reason in one second. */
const MAX_LINES = 10;
const SECOND = 1000;

/** The warnings for one reason within one second. */
interface Warnings {
  readonly message: string;
  readonly reason: string;
  count: number;
}

/** Writes to the logger of the program. */
export class Log {
  readonly #logger: Logger | undefined;
  readonly #onFailure: (error: unknown) => void;
  // Each key consists of a message and a reason. Both are from fixed lists, so clients cannot make the map grow without limit.
  readonly #warnings = new Map<string, Warnings>();
  readonly #seconds = new Deadlines<Warnings>(SECOND, (warnings) => this.#end(warnings));

  /** @param onFailure called with the error if the logger throws or rejects */
  constructor(logger: Logger | undefined, onFailure: (error: unknown) => void) {
    this.#logger = logger;
    this.#onFailure = onFailure;
  }

  /** Whether the logger has the method `debug`. */
  get debugs(): boolean {
    return this.#logger?.debug !== undefined;
  }

  debug(message: string, details: object): void {
    this.#write("debug", message, details);
  }

  error(message: string, details: object): void {
    this.#write("error", message, details);
  }

  /**
   * Writes a warning about a client, unless too many warnings for this reason were written in this second.
   *
   * @param reason a name from a fixed list. Warnings with the same message and reason are counted together
   * @param describe returns the details. Only called if the warning is written
   */
  warn(message: string, reason: string, describe: () => object): void {
    if (this.#logger?.warn === undefined) return;
    const key = `${message} ${reason}`;
    const warnings = this.#warnings.get(key) ?? { message, reason, count: 0 };
    if (warnings.count++ === 0) {
      this.#warnings.set(key, warnings);
      this.#seconds.add(warnings);
    }
    if (warnings.count <= MAX_LINES) this.#write("warn", message, describe());
  }

  /** Writes how many warnings were omitted in this second. */
  flush(): void {
    for (const warnings of [...this.#warnings.values()]) {
      this.#seconds.delete(warnings);
      this.#end(warnings);
    }
  }

  #end({ message, reason, count }: Warnings): void {
    this.#warnings.delete(`${message} ${reason}`);
    const more = count - MAX_LINES;
    if (more > 0) this.#write("warn", `${more} more within a second: ${message}`, { reason, more });
  }

  #write(level: keyof Logger, message: string, details: object): void {
    try {
      const result: unknown = this.#logger?.[level]?.(message, details);
      if (isThenable(result)) result.then(undefined, this.#onFailure);
    } catch (error) {
      this.#onFailure(error);
    }
  }
}
