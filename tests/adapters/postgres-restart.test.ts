// Tests the measures in docs/adapters.md for surviving a restart of PostgreSQL with socket.io's adapter. The measures
// are the same for barewire and socket.io servers.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { SuiteClient } from "../suites/adapter.ts";
import { type ClusterNode, startNodes } from "../support/cluster.ts";
import type { AdapterName } from "../support/cluster-adapters.ts";
import { noPostgres, startPostgres } from "../support/postgres.ts";
import { eventually } from "../support/redis-nodes.ts";

const LIMIT = { timeout: 60_000, skip: noPostgres };

/** Starts two nodes, and waits until they know each other. */
async function startTwo(
  context: TestContext,
  library: "barewire" | "socket.io",
  name: AdapterName,
  url: string,
  errors?: "ignored",
): Promise<[ClusterNode, ClusterNode]> {
  const each = { library, adapter: { name, url } };
  const [a, b] = await startNodes(context, [each, each], errors);
  assert.ok(a !== undefined && b !== undefined);
  for (const node of [a, b])
    await eventually(async () => (await node.ask("serverCount", "/")) === 2);
  return [a, b];
}

for (const library of ["barewire", "socket.io"] as const) {
  describe(`when PostgreSQL restarts, ${library} servers with @socket.io/postgres-adapter`, () => {
    test("exit if only the pool has an error listener", LIMIT, async (context) => {
      const postgres = await startPostgres(context);
      const name = "postgres, listener of the pool alone";
      const nodes = await startTwo(context, library, name, postgres.url, "ignored");
      await postgres.restart();
      assert.deepEqual(await Promise.all(nodes.map(({ ended }) => ended)), [1, 1]);
    });

    test(
      "continue and reach each other again if each connection has an error listener",
      LIMIT,
      async (context) => {
        const postgres = await startPostgres(context);
        const [a, b] = await startTwo(context, library, "postgres", postgres.url);
        const clients = [new SuiteClient(a.url, "a", false), new SuiteClient(b.url, "b", false)];
        context.after(() => {
          for (const { socket } of clients) socket.disconnect();
        });
        const [ofA, ofB] = clients;
        assert.ok(ofA !== undefined && ofB !== undefined);
        for (const client of clients) await client.until(({ socket }) => socket.connected);
        await postgres.stop("SIGINT");
        await a.ask("emit", {}, "meanwhile");
        await ofA.received("meanwhile");
        await postgres.restart();
        // The two adapters reconnect at different times.
        for (const [node, client, name] of [
          [a, ofB, "from a"],
          [b, ofA, "from b"],
        ] as const) {
          await eventually(async () => {
            await node.ask("emit", { rooms: [client.id] }, name);
            return client.events.some(([event]) => event === name);
          });
        }
        assert.ok(!ofB.events.some(([event]) => event === "meanwhile"));
      },
    );
  });
}
