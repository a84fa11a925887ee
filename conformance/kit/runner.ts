// Runs cases, those that are independent side by side, each within a limit of time.

import { type Case, Failure, type Layer, layerOf, Skip } from "./case.ts";
import { Context } from "./context.ts";
import { shorten, type Utterance } from "./conversation.ts";
import type { Target } from "./target.ts";

export type Outcome = "passed" | "failed" | "skipped";

export interface Result {
  readonly id: string;
  readonly layer: Layer;
  readonly title: string;
  readonly clause: string;
  readonly severity: Case["severity"];
  readonly sends: string;
  readonly expects: string;
  readonly outcome: Outcome;
  /** Where it failed: what should have come, and what came instead. */
  readonly expected?: string;
  readonly got?: string;
  /** Why it was skipped. */
  readonly reason?: string;
  readonly milliseconds: number;
  readonly conversation: readonly Utterance[];
}

export interface RunOptions {
  /** Milliseconds for one case. */
  readonly timeout: number;
  /** How many cases run at a time. */
  readonly concurrency: number;
  /** Called as each is done. */
  readonly onResult?: (result: Result) => void;
  /** No further case is begun when it is aborted. */
  readonly signal?: AbortSignal;
}

/** The results, in the order of the cases. */
export async function runCases(
  cases: readonly Case[],
  target: Target,
  options: RunOptions,
): Promise<Result[]> {
  const results = new Map<Case, Result>();
  const run = async (each: Case): Promise<void> => {
    if (options.signal?.aborted === true) return;
    const result = await runCase(each, target, options.timeout);
    results.set(each, result);
    options.onResult?.(result);
  };
  const together = cases.filter(({ alone }) => alone !== true);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let each = together[next++]; each !== undefined; each = together[next++]) await run(each);
  };
  await Promise.all(Array.from({ length: options.concurrency }, work));
  for (const each of cases) if (each.alone === true) await run(each);
  return cases.flatMap((each) => results.get(each) ?? []);
}

export async function runCase(each: Case, target: Target, timeout: number): Promise<Result> {
  const context = new Context(target);
  const begin = performance.now();
  const limit = timeout + (each.extraTime ?? 0);
  const { id, title, clause, severity, sends, expects } = each;
  const outcome = await within(limit, () => each.run(context)).then(
    () => ({ outcome: "passed" as const }),
    (error: unknown) => judge(error),
  );
  context.close();
  return {
    id,
    layer: layerOf(each),
    title,
    clause,
    severity,
    sends,
    expects,
    ...outcome,
    milliseconds: Math.round(performance.now() - begin),
    conversation: context.conversation.utterances,
  };
}

type Verdict = Pick<Result, "outcome" | "expected" | "got" | "reason"> &
  Partial<Pick<Result, "severity">>;

function judge(error: unknown): Verdict {
  if (error instanceof Skip) return { outcome: "skipped", reason: shorten(error.message) };
  if (error instanceof Failure) {
    const { severity } = error;
    const [expected, got] = [shorten(error.expected), shorten(error.got)];
    return { outcome: "failed", expected, got, ...(severity !== undefined && { severity }) };
  }
  const got = shorten(error instanceof Error ? error.message : String(error));
  return { outcome: "failed", expected: "the conversation to go on", got };
}

function within(milliseconds: number, work: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Failure("an answer", `nothing more within ${milliseconds} ms`)),
      milliseconds,
    );
    work()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
