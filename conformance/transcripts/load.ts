// Loads cases from transcript files.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { needBehaviour } from "../harness/behaviour.ts";
import type { Case } from "../harness/case.ts";
import type { ClientCase } from "../harness/client-case.ts";
import { playAll } from "./block.ts";
import { parseTranscripts, type Transcript } from "./parse.ts";
import { Play } from "./play.ts";
import { SyntaxFault } from "./scanner.ts";

/**
 * Returns the cases of a file, in the order of the file.
 *
 * @throws Error that names the file, the line and the column of the first syntax error
 */
export function loadCases(file: string): Case[] {
  return load(file, false).map(caseOf);
}

/**
 * Returns the cases for clients in a file. The client must connect once for each line "accept" of a case. Throws like
 * loadCases().
 */
export function loadClientCases(file: string): ClientCase[] {
  return load(file, true).map(({ steps, needs: _needs, line: _line, alone: _alone, ...rest }) => ({
    ...rest,
    kind: rest.id.startsWith("socketio.") ? "socketio" : "websocket",
    connections: steps.accepts,
    run: (clients) => playAll(steps.actions, new Play(clients.context, clients)),
  }));
}

function load(file: string, isForClients: boolean): Transcript[] {
  try {
    const transcripts = parseTranscripts(readFileSync(file, "utf8"));
    for (const { line, steps } of transcripts) {
      if (steps.accepts > 0 === isForClients) continue;
      const [step, end] = isForClients ? ["accept", "clients"] : ["connect", "servers"];
      throw new SyntaxFault(`expected a line "${step}" in this case for ${end}`, line, 1);
    }
    return transcripts;
  } catch (error) {
    if (error instanceof SyntaxFault)
      throw new Error(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Returns the cases of each file of a folder, in the order of the names. */
export function loadFolder(folder: string): Case[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".wire"));
  return names.sort().flatMap((name) => loadCases(join(folder, name)));
}

function caseOf({ steps, needs, line: _line, ...rest }: Transcript): Case {
  const run: Case["run"] = async (context) => {
    if (needs !== undefined) needBehaviour(context.target, needs);
    await playAll(steps.actions, new Play(context));
  };
  return { ...rest, run };
}
