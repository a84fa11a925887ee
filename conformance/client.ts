// The cases for clients, where our side is the server: conformance/cli.ts serves them with
// `barewire conform --client`. There are none yet.

import type { Case } from "./kit/case.ts";
import type { Result } from "./kit/runner.ts";

/** What the command line asks of such a case: it is selected and listed like those for servers. */
export type ClientCase = Omit<Case, "run">;

export interface ClientCasesOptions {
  readonly host: string;
  readonly port: number;
  readonly cases: readonly ClientCase[];
  /** Milliseconds for one case. */
  readonly timeout?: number;
  /** Called as each is done that a client has come for. */
  readonly onResult?: (result: Result) => void;
  /** Milliseconds without a new connection after which the client has gone for good. */
  readonly idleTimeout: number;
}

export const CLIENT_CASES: readonly ClientCase[] = [];

/**
 * Serves one case to each connection of a client that connects in a loop. The results of cases that
 * no client has come for are skipped.
 */
export async function serveClientCases(_options: ClientCasesOptions): Promise<Result[]> {
  return [];
}
