// Connects a client and a server over a faulty network. Events must arrive at most once and in order, recovery and
// `retries` must deliver what they guarantee, and neither side may hang.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import { type ClientOptions, io as connect, type Socket } from "../../client/index.ts";
import type { Server, ServerOptions } from "../../server.ts";
import { type FaultKind, FaultProxy, randomFault } from "../support/fault-proxy.ts";
import { held } from "../support/memory.ts";
import { serve, turn, until } from "../support/net.ts";
import { Random, seed } from "../support/random.ts";
import { gatherUncaught } from "../support/uncaught.ts";

const COUNT = 300;

const WAYS: readonly (readonly ("polling" | "websocket")[])[] = [
  ["polling"],
  ["websocket"],
  ["polling", "websocket"],
];

/** A checksum that is sent with each number, to detect numbers that were changed in transit. */
function check(n: unknown): string {
  return `${n}:${Number(n) * 7919}`;
}

interface Ends {
  readonly io: Server;
  readonly proxy: FaultProxy;
  readonly client: Socket;
}

async function start(
  context: TestContext,
  options: ClientOptions,
  serverOptions: ServerOptions = { connectionStateRecovery: {} },
): Promise<Ends> {
  const { io, port } = await serve(context, {
    pingInterval: 200,
    pingTimeout: 200,
    ...serverOptions,
  });
  const proxy = new FaultProxy(port);
  await proxy.start();
  const client = connect(`http://127.0.0.1:${proxy.port}`, {
    forceNew: true,
    reconnectionDelay: 1,
    reconnectionDelayMax: 5,
    timeout: 2000,
    ...options,
  });
  context.after(() => {
    client.disconnect();
    proxy.close();
  });
  return { io, proxy, client };
}

/** Waits like until(), but fails after 20 seconds with the state in the error. */
async function within(condition: () => boolean, state: () => string): Promise<void> {
  const end = performance.now() + 20_000;
  await until(() => condition() || performance.now() > end);
  assert.ok(condition(), state());
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? n));
}

describe(`client and server over a faulty network (seed ${seed})`, () => {
  const kinds: readonly (readonly FaultKind[])[] = [
    ["delay"],
    ["cut"],
    ["reset"],
    ["halfClose"],
    ["corrupt"],
    ["none", "delay", "cut", "reset", "halfClose", "corrupt"],
  ];
  for (const transports of WAYS) {
    for (const kind of kinds) {
      test(`receive each event at most once and in order, and recover: ${transports.join(" and ")}, ${kind.join("/")}`, async (context) => {
        const uncaught = gatherUncaught(context);
        const random = new Random(seed + kind.length);
        const { io, proxy, client } = await start(context, { transports });
        const ours: number[] = [];
        const theirs: number[] = [];
        io.on("connection", (socket) => {
          socket.on("n", (n, sum) => sum === check(n) && ours.push(n));
          socket.on("end", (answer) => answer());
        });
        let recovered = true;
        let connects = 0;
        client.on("connect", () => {
          if (connects++ > 0) recovered &&= client.recovered;
        });
        client.on("n", (n, sum) => sum === check(n) && theirs.push(n));
        await until(() => client.connected);
        proxy.next = () => randomFault(random, kind);
        proxy.cut();
        let last = 0;
        for (; last < COUNT || proxy.faults < 3; last++) {
          client.emit("n", last, check(last));
          io.emit("n", last, check(last));
          if (last % 5 === 0) await turn();
          if (last % 100 === 50) proxy.cut();
        }
        // The network works again, and the remaining events arrive.
        proxy.next = () => ({ kind: "none", direction: "up", after: 0 });
        await until(() => client.connected);
        proxy.cut();
        while ((await client.emitWithAck("end").catch(() => false)) === false);
        io.emit("n", last, check(last));
        await until(() => theirs.at(-1) === last);
        assert.ok(connects > 1, "the connection was never lost");
        assert.ok(isRising(ours), `${ours}`);
        assert.ok(isRising(theirs), `${theirs}`);
        if (recovered && !kind.includes("corrupt")) assert.equal(theirs.length, last + 1);
        assert.deepEqual(uncaught, []);
      });
    }

    test(`deliver every event once with the retries option: ${transports.join(" and ")}`, async (context) => {
      const random = new Random(seed);
      const options = { transports, retries: 1000, ackTimeout: 500 };
      const { io, proxy, client } = await start(context, options);
      const got = new Set<number>();
      io.on("connection", (socket) => {
        socket.on("n", (n, answer) => {
          got.add(n);
          answer(n);
        });
      });
      await until(() => client.connected);
      proxy.next = () => randomFault(random, ["cut", "reset", "halfClose"], 3000);
      proxy.cut();
      const answers: number[] = [];
      while (proxy.faults < 3) {
        const numbers = Array.from({ length: 50 }, (_, i) => answers.length + i);
        answers.push(...(await Promise.all(numbers.map((n) => client.emitWithAck("n", n)))));
      }
      assert.ok(isRising(answers), `${answers}`);
      assert.deepEqual([...got], answers);
    });
  }

  test("hold no more memory, sockets or timers after 1,000 reconnections than before", async (context) => {
    const random = new Random(seed);
    // Recovery is disabled, because it keeps sessions in memory for a while.
    const { io, proxy, client } = await start(context, {}, {});
    let reconnections = 0;
    client.io.on("reconnect", () => reconnections++);
    let pending = 0;
    io.on("connection", (socket) => socket.on("n", (n, answer) => answer(n)));
    const ask = (): void => {
      pending++;
      const settle = (): void => void pending--;
      client.emitWithAck("n", "x".repeat(100)).then(settle, settle);
    };
    const churn = async (count: number): Promise<void> => {
      const until = reconnections + count;
      proxy.next = () => randomFault(random, ["cut", "reset", "halfClose", "corrupt"], 2500);
      while (reconnections < until) {
        ask();
        if (random.int(20) === 0) proxy.cut();
        await turn();
      }
      proxy.next = () => ({ kind: "none", direction: "up", after: 0 });
    };
    const settle = async (): Promise<Record<string, number>> => {
      const { engine } = client.io;
      const state = (): string =>
        JSON.stringify({
          connected: client.connected,
          engine: [engine.readyState, engine.transport.name],
          clients: io.engine.clientsCount,
          pending,
          proxied: proxy.size,
        });
      await within(() => client.connected, state);
      client.disconnect();
      await within(() => io.engine.clientsCount === 0, state);
      await within(() => pending === 0, state);
      await within(() => proxy.size === 0, state);
      // Node releases the resources of a destroyed socket within one or two turns of the event loop.
      for (let turns = 0; turns < 5; turns++) await turn();
      const counts: Record<string, number> = {};
      for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
      return counts;
    };
    await until(() => client.connected);
    // The memory that V8 uses while warming up is not counted.
    await churn(300);
    const resources = await settle();
    const memory = held();
    client.connect();
    await until(() => client.connected);
    await churn(1000);
    assert.deepEqual(await settle(), resources);
    let least = held();
    for (let n = 0; n < 3; n++) {
      for (let turns = 0; turns < 50; turns++) await turn();
      least = Math.min(least, held());
    }
    const growth = least - memory;
    context.diagnostic(`the heap has ${growth} bytes more than after the first 300 reconnections`);
    // V8 itself allocates some megabytes during the measurement. On either side, a leaked connection holds
    // more than 10 kB, so a thousand of them exceed this limit.
    assert.ok(growth < 6_000_000, `${growth} bytes more`);
    assert.ok(reconnections >= 1300);
  });
});
