// Runs the conformance kit against the package ws, which fails only the MUST cases that are listed
// here.

import assert from "node:assert/strict";
import { test } from "node:test";

import { WEBSOCKET } from "../../conformance/cases/server/websocket.ts";
import { createTarget } from "../../conformance/testees/servers/ws.ts";
import { runPatiently, withTarget } from "./support.ts";

const KNOWN = [
  // ws rejects lists with an empty element.
  "websocket.handshake.extensions-empty-last",
  "websocket.handshake.extensions-empty-first",
  "websocket.handshake.extensions-empty-between",
  "websocket.handshake.protocol-empty-last",
  "websocket.handshake.protocol-empty-first",
  "websocket.handshake.protocol-empty-between",
  // ws requires neither HTTP/1.1 nor the Host header.
  "websocket.handshake.http-1-0",
  "websocket.handshake.no-host",
  // ws parses numbers as JavaScript does.
  "websocket.handshake.version-leading-zero",
  "websocket.handshake.version-decimal",
  "websocket.handshake.version-hexadecimal",
  "websocket.deflate.declines-server-bits-010",
  "websocket.deflate.declines-server-bits-plus",
  "websocket.deflate.declines-server-bits-decimal",
  "websocket.deflate.declines-server-bits-0xa",
  "websocket.deflate.declines-client-bits-09",
];

test("ws passes every MUST case except the known failures", async () => {
  await withTarget(createTarget(), async (target) => {
    const cases = WEBSOCKET.filter(({ severity }) => severity === "MUST");
    const results = await runPatiently(cases, target);
    const others = results.filter(({ outcome }) => outcome !== "passed");
    assert.deepEqual(
      others.map(({ id }) => id),
      KNOWN,
    );
  });
});
