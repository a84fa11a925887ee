// Runs cases, each with a time limit. Independent cases run in parallel.

import { needBehaviour } from "./behaviour.ts";
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
  readonly sentence?: string;
  readonly severity: Case["severity"];
  readonly sends: string;
  readonly expects: string;
  readonly outcome: Outcome;
  /** For a failed case: what was expected, and what was received. */
  readonly expected?: string;
  readonly got?: string;
  /** For a skipped case: the reason. */
  readonly reason?: string;
  readonly milliseconds: number;
  readonly conversation: readonly Utterance[];
}

export interface RunOptions {
  /** Time limit of one case, in milliseconds. */
  readonly timeout: number;
  /** How many cases run in parallel. */
  readonly concurrency: number;
  /** Called after each case. */
  readonly onResult?: (result: Result) => void;
  /** No further case starts after this signal is aborted. */
  readonly signal?: AbortSignal;
  /** Time limit of all cases, in milliseconds. Cases that have not started by then are skipped. Default: no limit. */
  readonly budget?: number;
}

/** Runs the cases and resolves to their results, in the order of the cases. */
export async function runCases(
  cases: readonly Case[],
  target: Target,
  options: RunOptions,
): Promise<Result[]> {
  const results = new Map<Case, Result>();
  const { budget = Number.POSITIVE_INFINITY } = options;
  const end = performance.now() + budget;
  const run = async (each: Case): Promise<void> => {
    if (options.signal?.aborted === true) return;
    const inTime = performance.now() < end;
    const result = await runCase(inTime ? each : tooLate(each, budget), target, options.timeout);
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

function tooLate(each: Case, budget: number): Case {
  const run = (): Promise<void> => {
    throw new Skip(`the time limit of ${budget / 1000} s for all cases has passed`);
  };
  return { ...each, run };
}

export async function runCase(each: Case, target: Target, timeout: number): Promise<Result> {
  const context = new Context(target);
  const begin = performance.now();
  const limit = timeout + (each.extraTime ?? 0);
  const { id, title, clause, sentence, severity, sends, expects, silence } = each;
  const late = new Failure(expects, `nothing more within ${limit} ms`, silence);
  const outcome = await within(limit, late, () => run(each, context)).then(
    () => ({ outcome: "passed" as const }),
    (error: unknown) => judge(error, expects),
  );
  context.close();
  return {
    id,
    layer: layerOf(each),
    title,
    clause,
    ...(sentence !== undefined && { sentence }),
    severity,
    sends,
    expects,
    ...outcome,
    milliseconds: Math.round(performance.now() - begin),
    conversation: context.conversation.utterances,
  };
}

/** Runs a case. A case with extra time waits for a timeout, so it is skipped if the server lacks the short timeouts. */
async function run(each: Case, context: Context): Promise<void> {
  if (each.extraTime !== undefined) needBehaviour(context.target, "short-waits");
  await each.run(context);
}

type Verdict = Pick<Result, "outcome" | "expected" | "got" | "reason"> &
  Partial<Pick<Result, "severity">>;

function judge(error: unknown, expects: string): Verdict {
  if (error instanceof Skip) return { outcome: "skipped", reason: shorten(error.message) };
  if (error instanceof Failure) {
    const { severity } = error;
    const [expected, got] = [shorten(error.expected), shorten(error.got)];
    return { outcome: "failed", expected, got, ...(severity !== undefined && { severity }) };
  }
  const got = shorten(error instanceof Error ? error.message : String(error));
  return { outcome: "failed", expected: expects, got };
}

/** Rejects with `late` if `work` takes longer than `milliseconds`. */
async function within(
  milliseconds: number,
  late: Failure,
  work: () => Promise<void>,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late), milliseconds);
  });
  try {
    await Promise.race([work(), limit]);
  } finally {
    clearTimeout(timer);
  }
}
