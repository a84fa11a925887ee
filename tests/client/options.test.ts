// Tests the options of io(), Manager, its sockets and the WebSocket client. Each option is validated at the
// call, before anything is sent.

import assert from "node:assert/strict";
import { Agent } from "node:http";
import { createRequire } from "node:module";
import { createServer, type Server as TcpServer } from "node:net";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";

import { type ClientOptions, Fetch, io, Manager } from "../../client/index.ts";
import type { PlatformOptions } from "../../client/platform/network.ts";
import { WebSocket, type WebSocketOptions } from "../../lib/websocket/client.ts";
import { listen } from "../support/net.ts";
import {
  BOOLEAN,
  BYTES,
  type Cases,
  type CasesOf,
  declared,
  FUNCTION,
  integers,
  LIMIT,
  MILLISECONDS,
  OBJECT,
  POSITIVE_MILLISECONDS,
  RANGE,
  refused,
  STRING,
  TYPE,
  testOptions,
} from "../support/options.ts";

const PEM_MUST = "must be a string, bytes or a list of them, got";
const PEM: Cases = {
  good: [undefined],
  bad: [
    [5, TYPE, `${PEM_MUST} 5`],
    [null, TYPE, `${PEM_MUST} null`],
    [[5], TYPE, `${PEM_MUST} an array`],
  ],
};
const AGENT: Cases = {
  good: [new Agent(), false, undefined],
  bad: [
    [true, TYPE, "must be an object, got true"],
    ["proxy", TYPE, "must be an object, got a string"],
    [null, TYPE, "must be an object, got null"],
  ],
};
const PORT: Cases = {
  good: [80, "80", undefined],
  bad: [
    [{}, TYPE, "must be a number or a string, got an object"],
    [null, TYPE, "must be a number or a string, got null"],
  ],
};
const SERVER_PORT = "must be a port number or a string of digits, got";
const PORT_OF_SERVER: Cases = {
  good: [80, "80", "", undefined],
  bad: [
    [{}, TYPE, `${SERVER_PORT} an object`],
    [null, TYPE, `${SERVER_PORT} null`],
    [65_536, RANGE, `${SERVER_PORT} 65536`],
    ["http", RANGE, `${SERVER_PORT} "http"`],
  ],
};
const FIELDS: Cases = {
  good: [{ a: "b", c: 5, d: ["e", "f"] }, {}, undefined],
  bad: [
    ["a: b", TYPE, "must be an object of strings, numbers and lists of these, got a string"],
    [
      { a: undefined },
      RANGE,
      "must be an object of strings, numbers and lists of these, got an object",
    ],
    [{ a: null }, RANGE, "must be an object of strings, numbers and lists of these, got an object"],
    [null, TYPE, "must be an object of strings, numbers and lists of these, got null"],
  ],
};
const DEFLATE: Cases = {
  good: [true, false, {}, { threshold: 0, zlibDeflateOptions: { level: 1 } }, undefined],
  bad: [
    ["on", TYPE, "must be an object, got a string"],
    [null, TYPE, "must be an object, got null"],
  ],
};
const FAMILY: Cases = { ...integers(0, 6), good: [0, 4, undefined] };
const TRANSPORTS = 'must be a list of "polling", "websocket" or classes, got';
const STRINGS = "must be a string or a list of strings, got";

type Ignored = "policyPort" | "useNativeTimers";

const CLIENT: CasesOf<ClientOptions & PlatformOptions, Ignored> = {
  ackTimeout: MILLISECONDS,
  addTrailingSlash: BOOLEAN,
  agent: AGENT,
  auth: {
    good: [{}, { token: "t" }, () => {}, undefined],
    bad: [
      ["secret", TYPE, "must be an object or a function, got a string"],
      [null, TYPE, "must be an object or a function, got null"],
    ],
  },
  autoConnect: { good: [false], bad: BOOLEAN.bad },
  autoUnref: BOOLEAN,
  ca: PEM,
  cert: PEM,
  checkServerIdentity: FUNCTION,
  ciphers: STRING,
  closeOnBeforeunload: BOOLEAN,
  extraHeaders: FIELDS,
  family: FAMILY,
  forceBase64: BOOLEAN,
  forceNew: BOOLEAN,
  host: STRING,
  hostname: STRING,
  key: PEM,
  localAddress: STRING,
  maxAttachments: LIMIT,
  maxOfflineBuffer: LIMIT,
  maxPayload: BYTES,
  multiplex: BOOLEAN,
  parser: {
    good: [{ Encoder: class {}, Decoder: class {} }, undefined],
    bad: [
      [{}, TYPE, "must be an object with the classes Encoder and Decoder, got an object"],
      [
        { Encoder: class {} },
        TYPE,
        "must be an object with the classes Encoder and Decoder, got an object",
      ],
      [null, TYPE, "must be an object with the classes Encoder and Decoder, got null"],
    ],
  },
  passphrase: STRING,
  path: {
    good: ["/", "/a", undefined],
    bad: [
      ["a", RANGE, 'must be a string that starts with "/", got "a"'],
      [null, TYPE, 'must be a string that starts with "/", got null'],
    ],
  },
  perMessageDeflate: DEFLATE,
  pfx: PEM,
  policyPort: PORT,
  port: PORT_OF_SERVER,
  protocols: {
    good: ["a", ["a", "b"], undefined],
    bad: [
      [5, TYPE, `${STRINGS} 5`],
      [[5], TYPE, `${STRINGS} an array`],
      [null, TYPE, `${STRINGS} null`],
    ],
  },
  query: {
    good: [{ a: 1 }, "a=1", undefined],
    bad: [
      [5, TYPE, "must be an object or a string, got 5"],
      [null, TYPE, "must be an object or a string, got null"],
    ],
  },
  randomizationFactor: {
    good: [0, 0.5, 1, undefined],
    bad: [
      ["0.5", TYPE, 'must be a number from 0 to 1, got "0.5"'],
      [1.1, RANGE, "must be a number from 0 to 1, got 1.1"],
      [-0.1, RANGE, "must be a number from 0 to 1, got -0.1"],
      [Number.NaN, RANGE, "must be a number from 0 to 1, got NaN"],
    ],
  },
  reconnection: BOOLEAN,
  reconnectionAttempts: LIMIT,
  reconnectionDelay: MILLISECONDS,
  reconnectionDelayMax: MILLISECONDS,
  rejectUnauthorized: BOOLEAN,
  rememberUpgrade: BOOLEAN,
  requestTimeout: MILLISECONDS,
  retries: LIMIT,
  secure: BOOLEAN,
  timeout: { good: [...MILLISECONDS.good, false], bad: MILLISECONDS.bad },
  timestampParam: STRING,
  timestampRequests: BOOLEAN,
  transportOptions: { ...OBJECT, good: [{}, { polling: { extraHeaders: {} } }, undefined] },
  transports: {
    good: [["polling"], ["websocket", "webtransport"], [Fetch], undefined],
    bad: [
      ["websocket", TYPE, `${TRANSPORTS} "websocket"`],
      [[], RANGE, `${TRANSPORTS} an array`],
      [["webtransport"], RANGE, `${TRANSPORTS} an array`],
      [["pigeon"], RANGE, `${TRANSPORTS} an array`],
      [null, TYPE, `${TRANSPORTS} null`],
    ],
  },
  transportTimeout: MILLISECONDS,
  tryAllTransports: BOOLEAN,
  upgrade: BOOLEAN,
  useNativeTimers: BOOLEAN,
  withCredentials: BOOLEAN,
};

type Ws =
  | "allowSynchronousEvents"
  | "autoPong"
  | "closeTimeout"
  | "finishRequest"
  | "generateMask"
  | "maxBufferedChunks"
  | "maxFragments"
  | "maxPendingAutoPongs"
  | "maxRedirects"
  | "origin"
  | "protocolVersion"
  | "skipUTF8Validation";

/** Returns the cases of an option that Node validates. The client only has to accept the name of the option. */
const NODES = (good: unknown, bad: Cases["bad"] = []): Cases => ({ good: [good, undefined], bad });
const SECRET_NODE: Cases = { good: [undefined], bad: STRING.bad };

const WEBSOCKET: CasesOf<WebSocketOptions, Ws> = {
  _defaultAgent: { good: [undefined], bad: OBJECT.bad },
  agent: AGENT,
  allowPartialTrustChain: BOOLEAN,
  allowSynchronousEvents: BOOLEAN,
  ALPNCallback: { good: [undefined], bad: FUNCTION.bad },
  auth: { ...STRING, good: ["user:password", undefined] },
  autoPong: refused([true], false, "pings are always answered"),
  autoUnref: BOOLEAN,
  ca: PEM,
  cert: PEM,
  checkServerIdentity: FUNCTION,
  ciphers: SECRET_NODE,
  clientCertEngine: SECRET_NODE,
  closeTimeout: refused([], 1, "the closing handshake may take 30 seconds"),
  createConnection: { good: [undefined], bad: FUNCTION.bad },
  crl: PEM,
  defaultPort: PORT,
  dhparam: PEM,
  ecdhCurve: SECRET_NODE,
  family: FAMILY,
  finishRequest: refused([], () => {}, 'use "headers"'),
  followRedirects: BOOLEAN,
  generateMask: refused([], () => {}, "masking keys are random"),
  handshakeTimeout: POSITIVE_MILLISECONDS,
  headers: FIELDS,
  hints: LIMIT,
  honorCipherOrder: BOOLEAN,
  host: STRING,
  hostname: STRING,
  insecureHTTPParser: BOOLEAN,
  joinDuplicateHeaders: BOOLEAN,
  key: PEM,
  localAddress: SECRET_NODE,
  localPort: { ...integers(0, 65_535), good: [0] },
  lookup: { good: [undefined], bad: FUNCTION.bad },
  maxBufferedChunks: LIMIT,
  maxFragments: LIMIT,
  maxHeaderSize: BYTES,
  maxPayload: BYTES,
  maxPendingAutoPongs: LIMIT,
  maxRedirects: refused([], 5, "ten redirections are followed"),
  maxVersion: SECRET_NODE,
  method: STRING,
  minVersion: SECRET_NODE,
  origin: refused([], "https://a.test", 'put "Origin" into "headers"'),
  passphrase: SECRET_NODE,
  path: STRING,
  perMessageDeflate: DEFLATE,
  pfx: PEM,
  port: PORT,
  privateKeyEngine: SECRET_NODE,
  privateKeyIdentifier: SECRET_NODE,
  protocol: STRING,
  protocolVersion: refused([13], 8, "the version is 13"),
  rejectUnauthorized: BOOLEAN,
  secureOptions: LIMIT,
  secureProtocol: SECRET_NODE,
  servername: SECRET_NODE,
  sessionIdContext: SECRET_NODE,
  sessionTimeout: NODES(300),
  setHost: BOOLEAN,
  sigalgs: SECRET_NODE,
  signal: { good: [new AbortController().signal, undefined], bad: OBJECT.bad },
  skipUTF8Validation: refused([false], true, "UTF-8 is always validated"),
  socketPath: SECRET_NODE,
  ticketKeys: { good: [undefined], bad: OBJECT.bad },
  timeout: { good: [1000, undefined], bad: MILLISECONDS.bad },
  uniqueHeaders: NODES(["a"]),
};

const UNCONNECTED = { autoConnect: false, forceNew: true };

// A server that counts connections.
let server: TcpServer;
let url: string;
let connections = 0;
before(async () => {
  server = createServer((socket) => {
    connections++;
    socket.on("error", () => {}).resume();
  });
  url = `http://127.0.0.1:${await listen(server)}`;
});
after(() => server.close());

const toIo = (options: object): unknown =>
  Reflect.apply(io, undefined, [url, { ...UNCONNECTED, ...options }]);
testOptions("io(url, options)", CLIENT, toIo);
testOptions("new Manager(url, options)", CLIENT, (options) =>
  Reflect.construct(Manager, [url, { ...UNCONNECTED, ...options }]),
);
testOptions("manager.socket(namespace, options)", CLIENT, (options) => {
  const manager = new Manager(url, UNCONNECTED);
  return Reflect.apply(manager.socket, manager, ["/", options]);
});
testOptions("io(): transportOptions", CLIENT, toIo, ["transportOptions", "polling"]);

const toWebSocket = (options: object): void => {
  const socket: WebSocket = Reflect.construct(WebSocket, [url, [], options]);
  socket.close();
};
testOptions("new WebSocket(url, protocols, options)", WEBSOCKET, toWebSocket);

describe("options of the clients", () => {
  const client = dirname(createRequire(import.meta.url).resolve("socket.io-client/package.json"));
  const engine = dirname(
    createRequire(join(client, "x.js")).resolve("engine.io-client/package.json"),
  );
  const ws = dirname(createRequire(import.meta.url).resolve("@types/ws/package.json"));
  for (const [path, name, indent, make, least] of [
    [join(client, "build/esm/manager.d.ts"), "ManagerOptions", 0, toIo, 11],
    [join(client, "build/esm/socket.d.ts"), "SocketOptions", 0, toIo, 3],
    [join(engine, "build/esm/socket.d.ts"), "SocketOptions", 0, toIo, 30],
    [join(ws, "index.d.ts"), "ClientOptions", 4, toWebSocket, 20],
  ] as const) {
    test(`every option of ${name} in ${path.replace(/^.*node_modules\//, "")} is known`, () => {
      const names = declared(path, name, indent);
      assert.ok(names.length >= least, `${names.length}`);
      for (const option of names) make({ [option]: option === "autoConnect" ? false : undefined });
    });
  }

  test("transportImplementations throws an error that names the transports option instead", () => {
    assert.throws(() => toIo({ transportImplementations: [Fetch] }), {
      code: TYPE,
      message: 'transportImplementations is not supported: use "transports"',
    });
  });

  test("options that are not an object throw", () => {
    for (const options of [null, 5, "options", [], true]) {
      for (const call of [
        () => Reflect.apply(io, undefined, [url, options]),
        () => Reflect.construct(Manager, [url, options]),
        () => Reflect.construct(WebSocket, [url, [], options]),
      ]) {
        assert.throws(call, { code: TYPE, message: /^options must be an object, got / });
      }
    }
    assert.throws(() => Reflect.apply(io, undefined, [3000]), {
      code: TYPE,
    });
  });

  test("the setters of Manager validate their argument like its constructor", () => {
    const manager = new Manager(url, UNCONNECTED);
    for (const name of [
      "reconnection",
      "reconnectionAttempts",
      "reconnectionDelay",
      "reconnectionDelayMax",
      "randomizationFactor",
      "timeout",
    ] as const) {
      const value = manager[name]();
      for (const [bad, code, says] of CLIENT[name].bad) {
        assert.throws(() => Reflect.apply(manager[name], manager, [bad]), {
          code,
          message: `${name} ${says}`,
        });
      }
      assert.equal(manager[name](), value);
    }
  });

  test("io() with invalid options for a shared connection throws, and creates no socket", () => {
    const first = io(`${url}/a`, { autoConnect: false });
    const again = (options: object): unknown => Reflect.apply(io, undefined, [`${url}/b`, options]);
    assert.throws(() => again({ ackTimeout: "5s" }), { code: TYPE });
    assert.equal(first.io.has("/b"), false);
  });

  test("invalid options leave no connection and no timer behind", async () => {
    const resources = process.getActiveResourcesInfo();
    const heard = connections;
    const bad = { timeout: "20s" };
    for (const call of [
      () => Reflect.apply(io, undefined, [url, bad]),
      () => Reflect.construct(Manager, [url, bad]),
      () => Reflect.construct(WebSocket, [url, [], { handshakeTimeout: "1s" }]),
      () => Reflect.construct(WebSocket, [url, [], { handshakeTimout: 1000 }]),
    ]) {
      assert.throws(call, { code: TYPE });
    }
    assert.deepEqual(process.getActiveResourcesInfo(), resources);
    // The calls above have opened no connection, so the next one is the connection with valid options.
    const socket = new WebSocket(url);
    await new Promise((resolve) => server.once("connection", resolve));
    assert.equal(connections, heard + 1);
    socket.close();
  });
});
