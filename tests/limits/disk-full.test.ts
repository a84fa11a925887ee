// Tests that a server whose log is on a full disk continues to serve its clients.

import assert from "node:assert/strict";
import { closeSync, existsSync, openSync } from "node:fs";
import { describe, test } from "node:test";
import { Faulty } from "../support/faulty.ts";
import { FULL } from "../support/full.ts";
import { ask, WebSocketClient } from "../support/net.ts";

/** The loggers, by the output to which they write. `fails` tells whether the server notices that the logger fails. */
const LOGGERS: Readonly<Record<string, { fails: boolean }>> = {
  // This logger throws ENOSPC.
  file: { fails: true },
  // This logger's stream emits "error" once, and drops later writes.
  stream: { fails: false },
  // Standard output and standard error are full. Node's console throws nothing, and its streams emit "error".
  console: { fails: false },
};

describe("A logger whose output is on a full disk", { skip: !existsSync(FULL) }, () => {
  for (const [logger, { fails }] of Object.entries(LOGGERS)) {
    test(`does not affect clients (${logger})`, async (context) => {
      const output = openSync(FULL, "w");
      const server = await Faulty.start(context, [logger], { output });
      closeSync(output);
      const client = new WebSocketClient(server.port);
      await client.join();
      for (let n = 0; n < 20; n++) {
        const { status } = await ask(server.port, "/socket.io/?EIO=4&transport=polling&sid=none");
        assert.equal(status, 400);
        const breaks = new WebSocketClient(server.port);
        await breaks.join();
        breaks.send("x");
        await breaks.closed;
        client.send(`42["echo",${n}]`);
        assert.equal(await client.next(), `42["echo",${n}]`);
      }
      const { refusals, errors } = await server.report();
      assert.equal(refusals, 20);
      assert.equal(errors > 0, fails, `${errors}`);
      assert.ok(server.alive);
      client.socket.terminate();
    });
  }
});
