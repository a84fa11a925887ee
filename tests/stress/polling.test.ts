// A hundred polling sessions, each with a GET and a POST at the same time, exchange numbers with the server. Each
// number arrives once and in order. Other sessions send two GETs or two POSTs at once. The server ends these
// sessions, and no other session.

import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { test } from "node:test";

import type { Socket } from "../../server.ts";
import { PollingClient, serve, TcpClient, until } from "../support/net.ts";

const CLIENTS = 100;
const NUMBERS = 60;
/** The number of events in one POST. */
const BATCH = 4;
const OFFENDERS = 100;

const MISTAKES = ["two GETs", "two POSTs"] as const;

/** Sends one request on a keep-alive connection. Resolves to the body of the response. */
function ask(agent: Agent, port: number, path: string, body?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    httpRequest({ host: "127.0.0.1", port, path, method, agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${method}: ${response.statusCode} ${text}`));
      });
    })
      .on("error", reject)
      .end(body);
  });
}

/** Polls until all numbers have arrived. Returns the numbers in the order of arrival. */
async function receive(agent: Agent, port: number, path: string): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.length < NUMBERS) {
    for (const packet of (await ask(agent, port, path)).split("\x1e")) {
      const [, n] = /^42\["n",(\d+)\]$/.exec(packet) ?? [];
      if (n !== undefined) numbers.push(Number(n));
    }
  }
  return numbers;
}

async function send(agent: Agent, port: number, path: string): Promise<void> {
  for (let n = 0; n < NUMBERS; n += BATCH) {
    const packets = Array.from({ length: BATCH }, (_, k) => `42["n",${n + k}]`);
    assert.equal(await ask(agent, port, path, packets.join("\x1e")), "ok");
  }
}

/** Opens a session and violates the protocol in it. The server must end the session. */
async function offend(port: number, mistake: (typeof MISTAKES)[number]): Promise<void> {
  const client = await PollingClient.open(port);
  await client.join();
  if (mistake === "two GETs") {
    const statuses = (await Promise.all([client.poll(), client.poll()])).map(
      ({ status }) => status,
    );
    assert.deepEqual(statuses.sort(), [200, 400]);
    return;
  }
  const head = (length: number): string =>
    `POST ${client.path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;
  // The server has received the head of this request when it responds with "100 Continue".
  const first = new TcpClient(port).write(head(100));
  await first.until("100 Continue");
  assert.equal((await client.post("3")).status, 400);
  await first.closed;
}

test(`${CLIENTS} sessions with a GET and a POST at once receive and send each number once, in order`, async (context) => {
  const { io, port } = await serve(context, { pingInterval: 1_000_000 });
  const received = new Map<string, number[]>();
  io.on("connection", (socket: Socket) => {
    const numbers: number[] = [];
    received.set(socket.conn.id, numbers);
    socket.on("n", (n) => {
      numbers.push(n);
      // The server sends the event in the response to the pending GET.
      socket.emit("n", n);
    });
  });
  const agents: Agent[] = [];
  const keep = (): Agent => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.push(agent);
    return agent;
  };
  context.after(() => {
    for (const agent of agents) agent.destroy();
  });
  const clients: PollingClient[] = [];
  for (let n = 0; n < CLIENTS; n++) {
    const client = await PollingClient.open(port);
    await client.join();
    clients.push(client);
  }
  const honest = clients.map(async ({ path, sid }) => {
    const [numbers] = await Promise.all([receive(keep(), port, path), send(keep(), port, path)]);
    return { numbers, sid };
  });
  const offences = Array.from({ length: OFFENDERS }, (_, n) =>
    offend(port, MISTAKES[n % MISTAKES.length] ?? "two GETs"),
  );
  const inOrder = Array.from({ length: NUMBERS }, (_, n) => n);
  for (const { numbers, sid } of await Promise.all(honest)) {
    assert.deepEqual(numbers, inOrder);
    assert.deepEqual(received.get(sid), inOrder);
  }
  await Promise.all(offences);
  await until(() => io.engine.clientsCount === CLIENTS);
  assert.deepEqual(io.stats().closes, { "transport error": OFFENDERS });
});
