// Plays the steps of a transcript that a test contains as text.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Result } from "../../conformance/harness/runner.ts";
import { serveClientCases } from "../../conformance/harness/serve-clients.ts";
import { loadClientCases } from "../../conformance/transcripts/load.ts";
import { WebSocket } from "../../lib/websocket/client.ts";

/** Writes a case with these steps to a temporary file, and removes the file after `use`. */
export async function withCaseOf<Value>(
  steps: readonly string[],
  use: (file: string) => Promise<Value>,
): Promise<Value> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-transcript-"));
  try {
    const file = join(folder, "case.wire");
    const header = ["case socketio.client.a", "title t", "section s", "severity MUST"];
    writeFileSync(file, [...header, ...steps, ""].join("\n"));
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Plays these steps against a WebSocket client. `start` adds the listeners of the client. */
export function playToClient(
  steps: readonly string[],
  start: (websocket: WebSocket) => void,
): Promise<Result | undefined> {
  return withCaseOf(steps, async (file) => {
    const [result] = await serveClientCases({
      port: 0,
      cases: loadClientCases(file),
      idleTimeout: 10_000,
      onListening: (port) => {
        start(new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`));
      },
    });
    return result;
  });
}
