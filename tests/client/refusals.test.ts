// A rejected client emits `connect_error` with a message, whatever the form of the rejection. Like
// socket.io-client, it tries again only if the HTTP request was rejected.

import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import { describe, type TestContext, test } from "node:test";

import { io as connectStock, type Socket as StockSocket } from "socket.io-client";
import { WebSocketServer } from "ws";

import { io as connect, type Socket } from "../../client/index.ts";
import { listen, turn } from "../support/net.ts";
import { gatherUncaught } from "../support/uncaught.ts";
import { ODD_REFUSALS } from "../vectors/socketio.ts";

const OPEN = JSON.stringify({ sid: "s", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000 });
const WAYS = ["polling", "websocket"] as const;
type Way = (typeof WAYS)[number];

interface Refuser {
  readonly url: string;
  /** How many sessions were opened. */
  readonly sessions: () => number;
}

/** Starts a server that answers each CONNECT packet with one Engine.IO message. */
async function refuser(context: TestContext, answer: string): Promise<Refuser> {
  let sessions = 0;
  let poll: ServerResponse | undefined;
  let asked = false;
  const http = createServer((request, response) => {
    if (request.method === "POST") {
      request.resume().on("end", () => response.end("ok"));
      asked = true;
    } else if (request.url?.includes("sid=")) {
      poll = response;
    } else {
      sessions++;
      response.end(`0${OPEN}`);
    }
    // The poll and the CONNECT packet arrive in any order.
    if (asked) poll?.end(answer);
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on("connection", (socket) => {
    sessions++;
    socket.send(`0${OPEN}`);
    socket.once("message", () => socket.send(answer));
  });
  const port = await listen(http);
  context.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.close();
    http.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${port}`, sessions: () => sessions };
}

interface Refused {
  readonly message: string;
  readonly data: unknown;
  readonly active: boolean;
}

function refusal(context: TestContext, socket: Socket | StockSocket): Promise<Refused> {
  context.after(() => void socket.disconnect());
  return new Promise((resolve) => {
    const listener = (error: Error): void => {
      const { message } = error;
      const data = "data" in error ? error.data : undefined;
      resolve({ message, data, active: socket.active });
    };
    Reflect.apply(socket.once, socket, ["connect_error", listener]);
  });
}

const FAST = { forceNew: true, reconnectionDelay: 1, reconnectionDelayMax: 1 };

describe("a CONNECT_ERROR packet", () => {
  for (const { text, message, data } of ODD_REFUSALS.filter((each) => !each.text.includes("/"))) {
    for (const way of WAYS) {
      test(`4${text} over ${way} causes connect_error, and the client does not try again`, async (context) => {
        const uncaught = gatherUncaught(context);
        const { url, sessions } = await refuser(context, `4${text}`);
        const socket = connect(url, { ...FAST, transports: [way] });
        assert.deepEqual(await refusal(context, socket), { message, data, active: false });
        for (let turns = 0; turns < 20; turns++) await turn();
        assert.equal(sessions(), 1);
        assert.deepEqual(uncaught, []);
      });
    }
  }

  test("with a message and data causes the same connect_error as in socket.io-client", async (context) => {
    const { url } = await refuser(context, '44{"message":"no","data":{"code":1}}');
    const ours = await refusal(context, connect(url, FAST));
    assert.deepEqual(ours, { message: "no", data: { code: 1 }, active: false });
    assert.deepEqual(await refusal(context, connectStock(url, FAST)), ours);
  });

  test("disconnects a connected socket, which can connect() again", async (context) => {
    const http = createServer();
    const sockets = new WebSocketServer({ server: http });
    sockets.on("connection", (socket) => {
      socket.send(`0${OPEN}`);
      socket.once("message", () => {
        socket.send('40{"sid":"a"}');
        if (sockets.clients.size === 1) socket.send('44{"message":"go"}');
      });
    });
    const port = await listen(http);
    const options = { ...FAST, transports: ["websocket"] as const };
    const socket = connect(`http://127.0.0.1:${port}`, options);
    context.after(() => {
      socket.disconnect();
      for (const each of sockets.clients) each.terminate();
      http.close();
    });
    const log: unknown[] = [];
    socket.on("disconnect", (reason) => log.push(reason));
    await new Promise<void>((resolve) => socket.once("connect_error", () => resolve()));
    assert.deepEqual(log, ["io server disconnect"]);
    assert.deepEqual([socket.connected, socket.active], [false, false]);
    await new Promise<void>((resolve) => socket.once("connect", resolve).connect());
  });
});

/** Responses of HTTP servers that reject an Engine.IO client. */
const HTTP_REFUSALS: readonly { readonly status: number; readonly body: string }[] = [
  { status: 400, body: '{"code":0,"message":"Transport unknown"}' },
  { status: 400, body: '{"code":5}' },
  { status: 400, body: "" },
  { status: 401, body: "[]" },
  { status: 403, body: "Forbidden" },
  { status: 403, body: '"text"' },
  { status: 404, body: "<html></html>" },
  { status: 500, body: "null" },
  { status: 503, body: "\ud83d" },
  { status: 200, body: "" },
  { status: 200, body: '{"code":0,"message":"Transport unknown"}' },
  { status: 200, body: "<html>Log in</html>" },
  // The handshake of a server of Engine.IO revision 3.
  {
    status: 200,
    body: '97:0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":5000}2:40',
  },
];

describe("an HTTP response that is not an Engine.IO handshake", () => {
  for (const { status, body } of HTTP_REFUSALS) {
    for (const way of WAYS) {
      test(`${status} ${JSON.stringify(body).slice(0, 40)} over ${way} causes connect_error, and the client tries again`, async (context) => {
        const seen = async (library: "ours" | "stock"): Promise<unknown[]> => {
          const { socket, message } = await refusedByHttp(context, library, way, status, body);
          const { active } = socket;
          await new Promise<void>((resolve) => {
            socket.io.once("reconnect_attempt", () => resolve());
          });
          socket.disconnect();
          assert.ok(message.length > 0);
          return [active];
        };
        assert.deepEqual(await seen("ours"), await seen("stock"));
      });
    }
  }
});

async function refusedByHttp(
  context: TestContext,
  library: "ours" | "stock",
  way: Way,
  status: number,
  body: string,
): Promise<{ socket: Socket | StockSocket; message: string }> {
  const http = createServer((_, response) => response.writeHead(status).end(body));
  const port = await listen(http);
  context.after(() => {
    http.close();
    http.closeAllConnections();
  });
  const options = { ...FAST, transports: [way] };
  const url = `http://127.0.0.1:${port}`;
  const socket = library === "ours" ? connect(url, options) : connectStock(url, options);
  const { message } = await refusal(context, socket);
  return { socket, message };
}
