// The kit accuses nobody without a sentence: each MUST of the WebSocket section quotes the one that obliges a
// server, word for word. And the ids have the form that reports and --only take apart.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { WEBSOCKET } from "../../conformance/cases/server/websocket.ts";
import { CASES } from "../../conformance/cases.ts";
import { CLIENT_CASES } from "../../conformance/client.ts";
import { groupOf } from "../../conformance/reports/report.ts";

interface Requirement {
  readonly document: string;
  readonly section: string;
  readonly level: string;
  readonly whom: string;
  readonly sentence: string;
}

const REQUIREMENTS: readonly Requirement[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../docs/requirements.json"), "utf8"),
);

/** The MUSTs of a server, as the cases quote them. */
const OBLIGING = new Set(
  REQUIREMENTS.filter(
    ({ level, whom }) => level === "MUST" && (whom === "server" || whom === "both"),
  ).map(({ document, section, sentence }) => `${document} §${section}: ${sentence}`),
);

test("each MUST of the WebSocket section quotes a sentence that obliges a server", () => {
  const without = WEBSOCKET.filter(
    ({ severity, sentence = "" }) => severity === "MUST" && !OBLIGING.has(sentence),
  );
  assert.deepEqual(
    without.map(({ id, sentence }) => [id, sentence]),
    [],
  );
});

test("silence weighs less than the case, where it is said", () => {
  for (const { id, severity, silence } of WEBSOCKET) {
    if (silence !== undefined) assert.deepEqual([severity, silence], ["MUST", "SHOULD"], id);
  }
});

test("the informational cases of Sec-WebSocket-Key", () => {
  const keys = WEBSOCKET.filter(({ id }) => /\.key-\d+-bytes$/.test(id));
  assert.deepEqual(
    keys.map(({ severity }) => severity),
    ["INFO", "INFO", "INFO", "INFO"],
  );
});

test("an id is layer, group and name, none of which has a dot", () => {
  for (const { id } of CASES) {
    assert.match(id, /^(?:websocket|engineio[34]|socketio)\.[a-z0-9-]+\.[a-z0-9-]+$/);
    assert.equal(groupOf({ id }).split(".").length, 2);
  }
  for (const { id } of CLIENT_CASES) {
    assert.match(id, /^(?:websocket|socketio)\.client\.[a-z0-9-]+\.[a-z0-9-]+$/);
  }
});
