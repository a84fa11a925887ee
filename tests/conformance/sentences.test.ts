// Checks that each MUST case of the WebSocket section quotes a sentence of the specification word for word, and that ids
// have the form that reports and the option --only of `barewire conform` expect.

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

/** The MUST sentences for servers, in the form in which cases quote them. */
const OBLIGING = new Set(
  REQUIREMENTS.filter(
    ({ level, whom }) => level === "MUST" && (whom === "server" || whom === "both"),
  ).map(({ document, section, sentence }) => `${document} §${section}: ${sentence}`),
);

test("each MUST case of the WebSocket section quotes a MUST for servers from docs/requirements.json", () => {
  const without = WEBSOCKET.filter(
    ({ severity, sentence = "" }) => severity === "MUST" && !OBLIGING.has(sentence),
  );
  assert.deepEqual(
    without.map(({ id, sentence }) => [id, sentence]),
    [],
  );
});

test("a case with a separate severity for a silent server is a MUST, and that separate severity is SHOULD", () => {
  for (const { id, severity, silence } of WEBSOCKET) {
    if (silence !== undefined) assert.deepEqual([severity, silence], ["MUST", "SHOULD"], id);
  }
});

test("the four cases on the length of Sec-WebSocket-Key are INFO", () => {
  const keys = WEBSOCKET.filter(({ id }) => /\.key-\d+-bytes$/.test(id));
  assert.deepEqual(
    keys.map(({ severity }) => severity),
    ["INFO", "INFO", "INFO", "INFO"],
  );
});

test("a case id consists of layer, group and name, separated by dots", () => {
  for (const { id } of CASES) {
    assert.match(id, /^(?:websocket|engineio[34]|socketio)\.[a-z0-9-]+\.[a-z0-9-]+$/);
    assert.equal(groupOf({ id }).split(".").length, 2);
  }
  for (const { id } of CLIENT_CASES) {
    assert.match(id, /^(?:websocket|socketio)\.client\.[a-z0-9-]+\.[a-z0-9-]+$/);
  }
});
