// barewire's own clients pass all cases of the kit that are for clients.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CLIENT_CASES } from "../../conformance/client/cases.ts";
import { serveClientCases } from "../../conformance/client/serve.ts";
import { runBarewire } from "../../conformance/clients/barewire.ts";

describe("Cases for clients", () => {
  test("barewire passes every case, and none is skipped", async () => {
    let client: Promise<void> | undefined;
    const results = await serveClientCases({
      port: 0,
      cases: CLIENT_CASES,
      timeout: 5000,
      idleTimeout: 10_000,
      onListening: (port) => {
        client = runBarewire(`http://127.0.0.1:${port}`);
      },
    });
    await client;
    const others = results.filter(({ outcome }) => outcome !== "passed");
    assert.deepEqual(
      others.map(({ id, expected, got, reason }) => ({ id, expected, got, reason })),
      [],
    );
    assert.equal(results.length, CLIENT_CASES.length);
  });

  test("each case has an id of its own", () => {
    const ids = CLIENT_CASES.map(({ id }) => id);
    assert.deepEqual([...new Set(ids)], ids);
  });
});
