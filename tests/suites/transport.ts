// Tests of a session that do not depend on its transport. They run for each transport, and a new
// transport must pass them.

import assert from "node:assert/strict";
import { createServer, type Server as HttpServer } from "node:http";
import { describe, type TestContext, test } from "node:test";

import { attach } from "../../lib/engineio/attach.ts";
import { Engine } from "../../lib/engineio/engine.ts";
import type { EngineOptions } from "../../lib/engineio/options.ts";
import { messages } from "../../lib/engineio/outgoing.ts";
import type { Session } from "../../lib/engineio/session.ts";
import { Clock } from "../support/clock.ts";
import { listen, until } from "../support/net.ts";

/** A client of the transport under test, joined to a session. */
export interface TransportClient {
  /** Sends packets. A string is a text packet, and a Uint8Array is a binary message. */
  send(...packets: readonly (string | Uint8Array)[]): Promise<void>;
  /** Resolves to the next packet. */
  next(): Promise<string | Uint8Array>;
  /** Breaks the connection without a close packet. */
  vanish(): void;
  /** Resolves to the remaining packets when the server has ended the connection. */
  ended(): Promise<readonly (string | Uint8Array)[]>;
}

export interface TransportUnderTest {
  readonly name: string;
  open(port: number): Promise<TransportClient>;
}

interface Setting {
  readonly engine: Engine;
  readonly http: HttpServer;
  readonly client: TransportClient;
  readonly session: Session;
  /** The events of the session. */
  readonly log: unknown[];
}

async function start(
  context: TestContext,
  transport: TransportUnderTest,
  options: EngineOptions = {},
): Promise<Setting> {
  const log: unknown[] = [];
  const sessions: Session[] = [];
  const engine = new Engine(options, {
    onSession: (session) => {
      sessions.push(session);
      return {
        onText: (text) => log.push(text),
        onBinary: (bytes) => log.push(Buffer.from(bytes).toString("hex")),
        onClose: (reason, detail) => log.push(["close", reason, detail?.message]),
      };
    },
  });
  const http = createServer();
  attach(engine, http, {});
  const port = await listen(http);
  context.after(() => {
    engine.close();
    http.close();
  });
  const client = await transport.open(port);
  const [session] = sessions;
  assert.ok(session !== undefined);
  return { engine, http, client, session, log };
}

function text(content: string): Parameters<Session["send"]>[0] {
  return messages(content, [], true);
}

export function transportSuite(transport: TransportUnderTest): void {
  describe(`A session over ${transport.name}`, () => {
    // Engine.IO "Message".
    test("delivers the client's messages in order", async (context) => {
      const { client, log } = await start(context, transport);
      await client.send("4one", Buffer.from([1, 2]), "4", Buffer.alloc(0), "4two");
      await until(() => log.length === 5);
      assert.deepEqual(log, ["one", "0102", "", "", "two"]);
    });

    test("sends messages in order, each followed by its attachments", async (context) => {
      const { client, session } = await start(context, transport);
      session.send(text("one"));
      session.send(messages("two", [Buffer.from([1]), Buffer.from([2, 3])], true));
      session.send(text("three"));
      assert.equal(await client.next(), "4one");
      assert.equal(await client.next(), "4two");
      assert.deepEqual(await client.next(), Buffer.from([1]));
      assert.deepEqual(await client.next(), Buffer.from([2, 3]));
      assert.equal(await client.next(), "4three");
    });

    test("close() sends the messages sent before, and then closes", async (context) => {
      const { client, session, log, engine } = await start(context, transport);
      session.send(text("last words"));
      session.close();
      session.send(text("too late"));
      session.close();
      const last = await client.ended();
      assert.equal(last[0], "4last words");
      assert.ok(!last.includes("4too late"));
      await until(() => log.length === 1);
      assert.deepEqual(log, [["close", "forced close", undefined]]);
      assert.equal(session.state, "closed");
      assert.equal(engine.clientsCount, 0);
      session.send(text("much too late"));
    });

    test("shutDown() closes the session at once", async (context) => {
      const { session, log, engine } = await start(context, transport);
      session.shutDown();
      session.shutDown();
      assert.deepEqual(log, [["close", "forced close", undefined]]);
      assert.equal(engine.clientsCount, 0);
    });

    test("discard() closes the session at once, with the given reason", async (context) => {
      const { session, log } = await start(context, transport);
      session.discard("transport error", new Error("why"));
      session.discard("parse error");
      assert.deepEqual(log, [["close", "transport error", "why"]]);
    });

    test("closes on a close packet from the client, and ignores later packets", async (context) => {
      const { client, log } = await start(context, transport);
      await client.send("4before", "1", "4behind").catch(() => {});
      await until(() => log.length > 1);
      assert.deepEqual(log, ["before", ["close", "transport close", undefined]]);
    });

    test("closes on a ping from the client", async (context) => {
      const { client, log } = await start(context, transport);
      await client.send("2", "4behind").catch(() => {});
      await until(() => log.length > 0);
      assert.deepEqual(log, [["close", "transport error", "invalid heartbeat direction"]]);
    });

    test("closes on an invalid packet, and ignores later packets", async (context) => {
      const { client, log } = await start(context, transport);
      await client.send("4before", "x", "4behind").catch(() => {});
      await until(() => log.length > 0);
      const [last] = log.slice(-1);
      assert.ok(Array.isArray(last) && last[1] === "parse error");
      assert.ok(!log.includes("behind"));
    });

    test("closes when the client's connection is lost", async (context) => {
      const { client, log, engine } = await start(context, transport);
      client.vanish();
      await until(() => log.length === 1);
      const [end] = log;
      assert.ok(Array.isArray(end) && /^transport (close|error)$/.test(end[1]));
      assert.equal(engine.clientsCount, 0);
    });

    test("closes when the client does not answer a ping, and leaves no timer", async (context) => {
      const clock = new Clock(context);
      const options = { pingInterval: 1000, pingTimeout: 500 };
      const { client, log } = await start(context, transport, options);
      clock.tick(1000);
      assert.equal(await client.next(), "2");
      await client.send("3", "4heard");
      await until(() => log.length === 1);
      clock.tick(1000);
      assert.equal(await client.next(), "2");
      clock.tick(500);
      assert.deepEqual(log, ["heard", ["close", "ping timeout", undefined]]);
      await client.ended();
      await until(() => clock.timers === 0);
    });

    test("delivers a message of maxHttpBufferSize bytes, but no larger message", async (context) => {
      const { client, log } = await start(context, transport, { maxHttpBufferSize: 10_000 });
      await client.send(`4${"x".repeat(9999)}`);
      await until(() => log.length === 1);
      await client.send(`4${"x".repeat(10_000)}`).catch(() => {});
      assert.equal(log.filter((entry) => typeof entry === "string").length, 1);
    });

    test("closes when the engine closes, after which no client can connect", async (context) => {
      const { engine, http, log } = await start(context, transport);
      engine.close();
      assert.deepEqual(log, [["close", "forced close", undefined]]);
      const address = http.address();
      assert.ok(address !== null && typeof address === "object");
      await assert.rejects(transport.open(address.port));
    });
  });
}
