// What a layer of the fuzzer is, and what all of them share.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import { turn } from "../support/net.ts";

/** One layer under test, from its start to its end. */
export interface Fuzzing {
  /** Inputs in one batch. A failure is repeated from the beginning of its batch. */
  readonly batch: number;
  /**
   * Tries a batch of inputs.
   *
   * @returns a report with the seed and the smallest input, or `undefined` if no input failed
   */
  attempt(seed: number, runs: number): Promise<string | undefined>;
  /** Returns how many inputs were tried. Over sockets a batch has several at once. */
  tried(): number;
  /** Returns what the inputs have reached, as one line. */
  reached(): string;
  /** Waits until every connection, session and timer of the inputs is gone. Rejects if one remains. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

export interface Layer {
  readonly name: string;
  start(): Promise<Fuzzing>;
}

const LONGEST_BATCH_MS = 60_000;

/** Checks a property on a batch of inputs. Returns the report of a failure. */
export async function check<T>(
  property: fc.IProperty<T> | fc.IAsyncProperty<T>,
  seed: number,
  numRuns: number,
): Promise<string | undefined> {
  const details = await fc.check<T>(property, {
    seed,
    numRuns,
    // Also ends the search for a smaller input, each step of which may wait for a timeout.
    interruptAfterTimeLimit: LONGEST_BATCH_MS,
  });
  if (!details.failed) return undefined;
  const { errorInstance: error } = details;
  return `${await fc.asyncDefaultReportMessage(details)}\n${inspect(error)}`;
}

/** A layer without sockets: nothing is to be started, and nothing can remain. */
export function pureLayer<T>(
  name: string,
  batch: number,
  property: fc.IProperty<T>,
  outcomes: Outcomes,
): Layer {
  let tried = 0;
  const fuzzing: Fuzzing = {
    batch,
    attempt: (seed, runs) => {
      tried += runs;
      return check(property, seed, runs);
    },
    tried: () => tried,
    reached: () => outcomes.toString(),
    // Node frees what zlib has used in a later turn, and a layer without sockets leaves it none.
    settle: turn,
    stop: async () => {},
  };
  return { name, start: async () => fuzzing };
}

/** Counts outcomes by their names. Inputs that all fail the first check would prove little. */
export class Outcomes {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  toString(): string {
    const sorted = [...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1));
    return sorted.map(([name, count]) => `${name} ${count}`).join(", ");
  }
}

/** Runs `examine`. A failure names the bytes or messages that were read, which the choices behind them do not show. */
export function showing(input: () => string, examine: () => void): void {
  try {
    examine();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${text}\nthe input as it was read: ${input()}`, { cause: error });
  }
}

/** Bytes as the vectors in tests/vectors/ write them. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("hex")
    .replace(/..(?!$)/g, "$& ");
}

/** Exceptions and rejections that reached the process, until `take()` is called. */
class Escaped {
  readonly #escaped: unknown[] = [];

  constructor() {
    process.setUncaughtExceptionCaptureCallback((error) => {
      this.#escaped.push(error);
    });
    process.on("unhandledRejection", (reason) => this.#escaped.push(reason));
  }

  /** Throws the first of them, if there is one. */
  check(): void {
    const [first] = this.#escaped.splice(0);
    if (first !== undefined) throw new Error("an error reached the process", { cause: first });
  }
}

export const escaped = new Escaped();

/** Resolves after so many milliseconds. Real sockets and processes have no clock that can be set. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until a condition holds. Rejects with `what` after so many milliseconds. */
export async function within(
  ms: number,
  condition: () => boolean,
  what: () => string,
): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    assert.ok(performance.now() < end, what());
    await wait(5);
  }
}

/** Resolves when a promise is settled, to `true`, or after so many milliseconds, to `false`. */
export function settled(promise: Promise<unknown> | undefined, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    const done = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    Promise.resolve(promise).then(done, done);
  });
}
