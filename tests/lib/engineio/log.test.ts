// Tests the limits of logging: clients cannot flood the log, and a logger that fails does not affect connections.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Log } from "../../../lib/engineio/log.ts";
import type { Logger } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import { ask, serve, turn, until, WebSocketClient } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const POLLING = "/socket.io/?EIO=4&transport=polling";

/** Collects the lines logged at `warn`. */
function recorder(): { readonly lines: [message: string, details: object][]; logger: Logger } {
  const lines: [string, object][] = [];
  return { lines, logger: { warn: (message, details) => lines.push([message, details]) } };
}

describe("The log", () => {
  test("the log has at most ten lines a second for each reason, then one line that counts the rest", async (context) => {
    const clock = new Clock(context);
    const { lines, logger } = recorder();
    const { io, port } = await serve(context, { logger });
    const refuse = async (count: number, query: string): Promise<void> => {
      for (let n = 0; n < count; n++) assert.equal((await ask(port, POLLING + query)).status, 400);
    };
    const reasons = (): unknown[] =>
      lines.splice(0).map(([message, details]) => [message, Reflect.get(details, "name")]);
    const line = (name: string): unknown[] => ["a client was refused", name];

    await refuse(25, "&sid=unknown");
    assert.deepEqual(reasons(), Array(10).fill(line("UNKNOWN_SID")));
    // Each reason has its own limit.
    await refuse(1, "&transport=carrier-pigeon");
    assert.deepEqual(reasons(), [line("UNKNOWN_TRANSPORT")]);
    clock.tick(999);
    assert.deepEqual(lines, []);
    clock.tick(1);
    assert.deepEqual(lines.splice(0), [
      ["15 more within a second: a client was refused", { reason: "UNKNOWN_SID", more: 15 }],
    ]);
    // The limit's next second begins with the next logged line.
    clock.tick(1000);
    await refuse(10, "&sid=unknown");
    clock.tick(1000);
    assert.deepEqual(reasons(), Array(10).fill(line("UNKNOWN_SID")));
    assert.equal(clock.timers, 0);
    assert.deepEqual(io.stats().refusals, { UNKNOWN_SID: 35, UNKNOWN_TRANSPORT: 1 });
  });

  test("counts protocol errors and reached limits separately, by name", async (context) => {
    const clock = new Clock(context);
    const { lines, logger } = recorder();
    const { io, port } = await serve(context, { logger, maxHttpBufferSize: 1000 });
    const breach = async (sends: string): Promise<void> => {
      const client = new WebSocketClient(port);
      await client.join();
      client.send(sends);
      await client.closed;
      await until(() => io.engine.clientsCount === 0);
    };
    for (let n = 0; n < 12; n++) {
      await breach("x");
      await breach("4x");
      await breach("x".repeat(1001));
    }
    assert.equal(lines.length, 30);
    lines.splice(0);
    clock.tick(1000);
    assert.deepEqual(
      lines.map(([message, details]) => [message, Reflect.get(details, "reason")]),
      [
        ["2 more within a second: a connection has failed", "parse error"],
        ["2 more within a second: a client has violated the protocol", "PACKET_TYPE"],
        ["2 more within a second: a client has reached a limit", "maxHttpBufferSize"],
      ],
    );
  });

  test("writes the line that counts the rest when the server closes", async (context) => {
    new Clock(context);
    const { lines, logger } = recorder();
    const { io, port } = await serve(context, { logger });
    for (let n = 0; n < 11; n++) await ask(port, `${POLLING}&sid=unknown`);
    await io.close();
    assert.equal(lines.length, 11);
    assert.equal(lines[10]?.[0], "1 more within a second: a client was refused");
  });

  test("does not keep the process alive to write the line that counts the rest", () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const { lines, logger } = recorder();
    const log = new Log(logger, assert.ifError);
    for (let n = 0; n < 11; n++) log.warn("a client was refused", "UNKNOWN_SID", () => ({}));
    assert.equal(lines.length, 10);
    assert.equal(timers(), before);
    log.flush();
    assert.equal(lines.length, 11);
  });

  const FULL = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "write",
  });
  const MISTAKE = new TypeError("a mistake");
  const FAILURES: Readonly<Record<string, { fail: () => void; warnings: readonly string[] }>> = {
    "throws affects no client: the error is counted, and the process warns once": {
      fail: () => {
        throw MISTAKE;
      },
      warnings: ["the logger has failed: TypeError: a mistake"],
    },
    "rejects affects no client: the error is counted, and the process warns once": {
      fail: async () => {
        await turn();
        throw MISTAKE;
      },
      warnings: ["the logger has failed: TypeError: a mistake"],
    },
    "throws an object without toString() affects no client: the process warns once": {
      fail: () => {
        throw Object.create(null);
      },
      warnings: ["the logger has failed: [Object: null prototype] {}"],
    },
    "throws a system error affects no client: the error is counted": {
      fail: () => {
        throw FULL;
      },
      warnings: [],
    },
  };
  for (const [title, { fail, warnings }] of Object.entries(FAILURES)) {
    test(`a logger that ${title}`, async (context) => {
      const uncaught = gatherUncaught(context);
      const warned: Error[] = [];
      const onWarning = (warning: Error): unknown => warned.push(warning);
      process.on("warning", onWarning);
      context.after(() => process.off("warning", onWarning));
      const logger = { debug: fail, warn: fail, error: fail };
      const { io, port } = await serve(context, { logger });
      const client = new WebSocketClient(port);
      await client.join();
      assert.equal((await ask(port, `${POLLING}&sid=unknown`)).status, 400);
      client.send("x");
      await client.closed;
      // Each of three log lines fails: for the client that connects, for the rejected client, and for the disconnect.
      await until(() => io.stats().errors === 3);
      await turn();
      assert.deepEqual(uncaught, []);
      const ours = warned.filter(({ name }) => name === "BarewireLoggerWarning");
      assert.deepEqual(
        ours.map(({ message }) => message),
        warnings,
      );
    });
  }
});
