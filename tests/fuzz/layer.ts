// The interface of the fuzzer's layers, each of which fuzzes one part of the code, and helpers that all layers share.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import { turn } from "../support/net.ts";

/** A layer that has been started. */
export interface Fuzzing {
  /** The number of inputs in one batch. A failure is reproduced with the seed of its batch. */
  readonly batch: number;
  /**
   * Tries a batch of inputs.
   *
   * @returns a report with the seed and the smallest input, or `undefined` if no input failed
   */
  attempt(seed: number, runs: number): Promise<string | undefined>;
  /** Returns how many inputs were tried. A layer with sockets tries several inputs in each run. */
  tried(): number;
  /** Returns one line with the number of inputs for each outcome. */
  reached(): string;
  /**
   * Waits until every connection, session and timer that the inputs created is gone. Rejects if one of them remains.
   */
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
    // This limit also ends the search for a smaller input, which could take too long: each of its steps may wait for a
    // timeout.
    interruptAfterTimeLimit: LONGEST_BATCH_MS,
  });
  if (!details.failed) return undefined;
  const { errorInstance: error } = details;
  return `${await fc.asyncDefaultReportMessage(details)}\n${inspect(error)}`;
}

/** Creates a layer without sockets, which starts nothing and leaves nothing open. */
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
    // Node frees the memory of zlib in a later turn of the event loop. A layer without sockets waits for no other turn.
    settle: turn,
    stop: async () => {},
  };
  return { name, start: async () => fuzzing };
}

/**
 * Counts outcomes by their names. The counts show whether inputs pass the first check of the code. If no input did, the
 * fuzzer would test little.
 */
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

/**
 * Runs `examine`. If it throws, adds the input to the error, because fast-check prints only the generated values from
 * which the input was built.
 */
export function showing(input: () => string, examine: () => void): void {
  try {
    examine();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${text}\nthe input as it was read: ${input()}`, { cause: error });
  }
}

/** Formats bytes in hex, separated by spaces, as in tests/vectors/. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("hex")
    .replace(/..(?!$)/g, "$& ");
}

/** Collects uncaught exceptions and unhandled rejections until `check()` is called. */
class Escaped {
  readonly #escaped: unknown[] = [];

  constructor() {
    process.setUncaughtExceptionCaptureCallback((error) => {
      this.#escaped.push(error);
    });
    process.on("unhandledRejection", (reason) => this.#escaped.push(reason));
  }

  /** Throws if an exception or rejection was collected. The `cause` of the thrown error is the first of them. */
  check(): void {
    const [first] = this.#escaped.splice(0);
    if (first !== undefined)
      throw new Error("an uncaught error has reached the process", { cause: first });
  }
}

export const escaped = new Escaped();

/** Resolves after this many milliseconds. Real sockets and processes cannot use a mock clock. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until a condition holds. If it does not hold after `ms` milliseconds, rejects with the message `what()`. */
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

/** Resolves to `true` when the promise settles, or to `false` after this many milliseconds. */
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
