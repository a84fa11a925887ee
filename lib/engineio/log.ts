// The logger of the program, as an engine calls it. Strangers decide how often a client is refused or fails, so the lines about
// it have a bound; and a logger that fails, such as on a full disk, fails alone.

import { Deadlines } from "../deadlines.ts";
import { isThenable } from "../events/thenable.ts";

/** Takes a text and its details: `console`, or a logger of any library with these methods. */
export interface Logger {
  /** Each connection that begins, changes its transport, or ends as it should. */
  debug?(message: string, details: object): void;
  /** Kept for what an operator wants to see of a healthy server; nothing of the engine is. */
  info?(message: string, details: object): void;
  /**
   * A client that was refused, has broken a protocol or has reached a bound. Called at most 10 times a second for each
   * reason, and then once with the number of the others.
   */
  warn?(message: string, details: object): void;
  /** Something of the server's own has failed, such as the way to the other nodes of a cluster. */
  error?(message: string, details: object): void;
}

/** Lines for one reason in one second. */
const MAX_LINES = 10;
const SECOND = 1000;

/** What was warned of for one reason since a second began. */
interface Warnings {
  readonly message: string;
  readonly reason: string;
  count: number;
}

export class Log {
  readonly #logger: Logger | undefined;
  readonly #onFailure: (error: unknown) => void;
  // By message and reason. Both are from lists of ours, so strangers cannot make them many.
  readonly #warnings = new Map<string, Warnings>();
  readonly #seconds = new Deadlines<Warnings>(SECOND, (warnings) => this.#end(warnings));

  /** @param onFailure called with what the logger throws or rejects with */
  constructor(logger: Logger | undefined, onFailure: (error: unknown) => void) {
    this.#logger = logger;
    this.#onFailure = onFailure;
  }

  /** Lines at `debug` are wanted. */
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
   * Writes a line about a client, unless there were too many in this second.
   *
   * @param reason a name from a list of ours. Lines with the same message and reason count together
   * @param describe returns the details. Called only if the line is written
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

  /** Writes how many lines were left out in this second. */
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
