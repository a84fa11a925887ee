// Tests the options of WebSocketServer: the constructor validates each of them.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { WebSocketServer, type WebSocketServerOptions } from "../../../lib/websocket/server.ts";
import {
  BOOLEAN,
  BYTES,
  type CasesOf,
  declared,
  FUNCTION,
  GATE,
  integers,
  LIMIT,
  ORIGINS,
  POSITIVE_MILLISECONDS,
  RANGE,
  RATE,
  refused,
  STRING,
  TRUSTED_PROXIES,
  TYPE,
  testOptions,
} from "../../support/options.ts";

type Ws =
  | "allowSynchronousEvents"
  | "autoPong"
  | "backlog"
  | "clientTracking"
  | "closeTimeout"
  | "handleProtocols"
  | "maxBufferedChunks"
  | "maxFragments"
  | "maxPendingAutoPongs"
  | "skipUTF8Validation"
  | "verifyClient"
  | "WebSocket";

const PROTOCOLS = "must be a function or a list of the names of subprotocols, got";
const SERVER = "must be an HTTP or HTTPS server, got";

const OPTIONS: CasesOf<WebSocketServerOptions, Ws> = {
  allowSynchronousEvents: BOOLEAN,
  autoPong: refused([true], false, "pings are always answered"),
  backlog: refused(
    [],
    511,
    'call listen() of your own HTTP server, and pass the server as "server"',
  ),
  clientTracking: refused([true], false, 'the server always tracks its "clients"'),
  closeTimeout: refused([], 1000, "the closing handshake may take 30 seconds"),
  handleProtocols: refused([], () => "", 'use "protocols"'),
  handshakeTimeout: POSITIVE_MILLISECONDS,
  host: STRING,
  maxBackpressure: LIMIT,
  maxBufferedChunks: LIMIT,
  maxConnections: LIMIT,
  maxConnectionsPerAddress: LIMIT,
  maxFragments: LIMIT,
  maxHandshakesPerSecond: RATE,
  maxPayload: BYTES,
  maxPendingAutoPongs: LIMIT,
  maxTotalBackpressure: LIMIT,
  noServer: { good: [true], bad: BOOLEAN.bad },
  origins: ORIGINS,
  path: {
    good: ["/", "/ws", undefined],
    bad: [
      ["ws", RANGE, 'must be a string that starts with "/", got "ws"'],
      [null, TYPE, 'must be a string that starts with "/", got null'],
    ],
  },
  perMessageDeflate: {
    good: [true, false, {}, { threshold: 0 }, undefined],
    bad: [
      ["on", TYPE, "must be an object, got a string"],
      [null, TYPE, "must be an object, got null"],
    ],
  },
  port: { good: [undefined], bad: integers(0, 65_535).bad },
  protocols: {
    good: [[], ["echo", "chat"], () => "echo", undefined],
    bad: [
      ["echo", TYPE, `${PROTOCOLS} "echo"`],
      [["a b"], TYPE, `${PROTOCOLS} an array`],
      [null, TYPE, `${PROTOCOLS} null`],
    ],
  },
  server: {
    good: [undefined],
    bad: [
      [{}, TYPE, `${SERVER} an object`],
      [8080, TYPE, `${SERVER} 8080`],
      [null, TYPE, `${SERVER} null`],
    ],
  },
  skipUTF8Validation: refused([false], true, "UTF-8 is always validated"),
  trustedProxies: TRUSTED_PROXIES,
  verify: GATE,
  verifyClient: refused([], () => true, 'use "verify"'),
  WebSocket: refused([], class {}, "connections are of the class WebSocketConnection"),
};

const make = (options: object): unknown =>
  Reflect.construct(WebSocketServer, [{ noServer: true, ...options }]);
testOptions("new WebSocketServer(options)", OPTIONS, make);
testOptions(
  "new WebSocketServer(): zlib",
  { level: integers(-1, 9), dictionary: { good: [Buffer.from("x")], bad: [] }, info: BOOLEAN },
  make,
  ["perMessageDeflate", "zlibDeflateOptions"],
);

describe("WebSocketServer's options", () => {
  test("include all that @types/ws declares", () => {
    const ws = dirname(createRequire(import.meta.url).resolve("@types/ws/package.json"));
    const names = declared(join(ws, "index.d.ts"), "ServerOptions", 4);
    assert.ok(names.length >= 15, `${names.length}`);
    for (const name of names) make({ [name]: name === "noServer" ? true : undefined });
  });

  test("must be an object with exactly one of server, port and noServer", () => {
    for (const args of [[], [null], [8080], ["8080"], [[]]]) {
      assert.throws(() => Reflect.construct(WebSocketServer, args), { code: TYPE });
    }
    for (const options of [{}, { noServer: false }, { port: 0, noServer: true }]) {
      assert.throws(() => new WebSocketServer(options), {
        code: TYPE,
        message: /one of the options/,
      });
    }
  });

  test("open no port and add no listener if one of them is invalid", () => {
    const resources = process.getActiveResourcesInfo();
    const server = createServer();
    for (const options of [
      { port: 0, maxPayload: "1mb" },
      { server, maxPayload: "1mb" },
      { port: 0, verifyClient: () => true },
      { server, pathh: "/" },
    ]) {
      assert.throws(() => Reflect.construct(WebSocketServer, [options]), { code: TYPE });
    }
    assert.equal(server.listenerCount("upgrade"), 0);
    assert.deepEqual(process.getActiveResourcesInfo(), resources);
  });

  test("require a function for verify", () => {
    for (const [value] of FUNCTION.bad)
      assert.throws(() => make({ verify: value }), { code: TYPE });
  });
});
