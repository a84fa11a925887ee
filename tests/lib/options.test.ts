// Tests the options of Server, run(), testClient() and Engine. Each of these functions validates its options at once.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createServer as createTcpServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { Adapter as StockAdapter } from "socket.io-adapter";

import type { CompressionOptions } from "../../lib/engineio/compression.ts";
import type { CookieOptions } from "../../lib/engineio/cookie.ts";
import type { CorsOptions } from "../../lib/engineio/cors.ts";
import type { EngineOptions } from "../../lib/engineio/options.ts";
import type { RecoveryOptions } from "../../lib/socketio/recovery.ts";
import type { DeflateOptions } from "../../lib/websocket/upgrade.ts";
import {
  Adapter,
  Engine,
  NamespaceHandler,
  type RateLimitOptions,
  type RunOptions,
  Server,
  type ServerOptions,
  type TestClientOptions,
} from "../../server.ts";
import { turn } from "../support/net.ts";
import {
  BOOLEAN,
  BYTES,
  type Cases,
  type CasesOf,
  declared,
  FUNCTION,
  GATE,
  integers,
  LIMIT,
  MILLISECONDS,
  OBJECT,
  ORIGINS,
  POSITIVE_MILLISECONDS,
  RANGE,
  RATE,
  STRING,
  TRUSTED_PROXIES,
  TYPE,
  testOptions,
} from "../support/options.ts";

const HEARTBEAT: Cases = {
  ...POSITIVE_MILLISECONDS,
  bad: [
    ...POSITIVE_MILLISECONDS.bad,
    [1_073_741_824, RANGE, "must be at most 1073741823 milliseconds, got 1073741824"],
  ],
};
const FLAG_OR_OBJECT: Cases = {
  good: [true, false, {}, undefined],
  bad: [
    ["on", TYPE, "must be an object, got a string"],
    [1, TYPE, "must be an object, got 1"],
    [null, TYPE, "must be an object, got null"],
  ],
};
const PATH: Cases = {
  good: ["/", "/a", "/a/b/", undefined],
  bad: [
    [5, TYPE, 'must be a string that starts with "/", got 5'],
    [null, TYPE, 'must be a string that starts with "/", got null'],
    ["custom", RANGE, 'must be a string that starts with "/", got "custom"'],
    ["", RANGE, 'must be a string that starts with "/", got ""'],
  ],
};
const TRANSPORTS = 'must be a list of "polling" and "websocket", got';
const PARSER = "must be an object with the classes Encoder and Decoder, got";
const POLICIES = 'must be "close" or "drop-volatile" or "drop-oldest", got';
const ANYTHING: Cases = { good: [{}, "text", undefined], bad: [] };

class Encoder {
  encode(): string[] {
    return [];
  }
}
class Decoder {
  on(): void {}
  add(): void {}
}

const ENGINE: CasesOf<EngineOptions, "wsEngine" | "initialPacket"> = {
  allowEIO3: BOOLEAN,
  allowRequest: GATE,
  allowUpgrades: BOOLEAN,
  cookie: FLAG_OR_OBJECT,
  cors: {
    good: [...FLAG_OR_OBJECT.good, () => {}],
    bad: FLAG_OR_OBJECT.bad,
  },
  httpCompression: FLAG_OR_OBJECT,
  initialPacket: ANYTHING,
  jsonp: BOOLEAN,
  logger: {
    good: [console, {}, { warn: () => {} }, undefined],
    bad: [
      [5, TYPE, "must be an object with the methods of a logger, got 5"],
      [null, TYPE, "must be an object with the methods of a logger, got null"],
    ],
  },
  backpressurePolicy: {
    good: ["close", "drop-volatile", "drop-oldest", undefined],
    bad: [
      ["drop", RANGE, `${POLICIES} "drop"`],
      [true, TYPE, `${POLICIES} true`],
      [null, TYPE, `${POLICIES} null`],
    ],
  },
  maxBackpressure: LIMIT,
  maxConnections: LIMIT,
  maxConnectionsPerAddress: LIMIT,
  maxHandshakesPerSecond: RATE,
  maxTotalBackpressure: LIMIT,
  maxHttpBufferSize: BYTES,
  origins: ORIGINS,
  perMessageDeflate: FLAG_OR_OBJECT,
  pingInterval: HEARTBEAT,
  pingTimeout: HEARTBEAT,
  transports: {
    good: [["polling"], ["websocket", "polling"], ["polling", "webtransport"], undefined],
    bad: [
      ["websocket", TYPE, `${TRANSPORTS} "websocket"`],
      [null, TYPE, `${TRANSPORTS} null`],
      [[], RANGE, `${TRANSPORTS} an array`],
      [["websockets"], RANGE, `${TRANSPORTS} an array`],
      [["webtransport"], RANGE, `${TRANSPORTS} an array`],
    ],
  },
  trustedProxies: TRUSTED_PROXIES,
  upgradeTimeout: POSITIVE_MILLISECONDS,
  wsEngine: ANYTHING,
};

const SERVER: CasesOf<ServerOptions, keyof typeof ENGINE> = {
  ...ENGINE,
  ackReturnValues: BOOLEAN,
  adapter: {
    good: [Adapter, (nsp: never) => new Adapter(nsp), undefined],
    bad: [
      [{}, TYPE, "must be an adapter class or a function that returns an adapter, got an object"],
      [null, TYPE, "must be an adapter class or a function that returns an adapter, got null"],
      [
        "redis",
        TYPE,
        'must be an adapter class or a function that returns an adapter, got "redis"',
      ],
    ],
  },
  addTrailingSlash: BOOLEAN,
  attachmentTimeout: POSITIVE_MILLISECONDS,
  cleanupEmptyChildNamespaces: BOOLEAN,
  connectionStateRecovery: FLAG_OR_OBJECT,
  connectTimeout: MILLISECONDS,
  destroyUpgrade: BOOLEAN,
  destroyUpgradeTimeout: MILLISECONDS,
  maxAttachments: LIMIT,
  maxAuthSize: LIMIT,
  maxRoomsPerSocket: LIMIT,
  maxCreatedNamespaces: LIMIT,
  parser: {
    good: [{ Encoder, Decoder }, undefined],
    bad: [
      [{}, TYPE, `${PARSER} an object`],
      [{ Encoder }, TYPE, `${PARSER} an object`],
      [{ Encoder, Decoder: {} }, TYPE, `${PARSER} an object`],
      [null, TYPE, `${PARSER} null`],
      ["msgpack", TYPE, `${PARSER} a string`],
    ],
  },
  path: PATH,
  rateLimit: {
    good: [{ events: 1, interval: 1 }, { events: 10, interval: 0.5, burst: 100 }, undefined],
    bad: [
      [10, TYPE, "must be an object, got 10"],
      [true, TYPE, "must be an object, got true"],
      [null, TYPE, "must be an object, got null"],
    ],
  },
  serveClient: BOOLEAN,
};

const LIST = "must be a string or a list of strings without control characters, got";
const STRINGS: Cases = {
  good: ["a,b", ["a", "b"], [], undefined],
  bad: [
    [5, TYPE, `${LIST} 5`],
    [null, TYPE, `${LIST} null`],
    [[1], TYPE, `${LIST} an array`],
    ["a\r\nb", RANGE, `${LIST} "a\\r\\nb"`],
  ],
};
const ORIGIN =
  "must be a boolean, a string that is not empty, a RegExp, a list of these, or a function, got";
const CORS: CasesOf<CorsOptions> = {
  allowedHeaders: STRINGS,
  credentials: BOOLEAN,
  exposedHeaders: STRINGS,
  headers: STRINGS,
  maxAge: {
    good: [0, 600, -1, undefined],
    bad: [
      ["600", TYPE, 'must be an integer, got "600"'],
      [Number.NaN, RANGE, "must be an integer, got NaN"],
      [null, TYPE, "must be an integer, got null"],
    ],
  },
  methods: STRINGS,
  optionsSuccessStatus: integers(200, 599),
  origin: {
    good: [true, false, "*", "https://a.test", /a/, ["https://a.test", /b/], [], () => {}],
    bad: [
      [undefined, TYPE, "must not be undefined: omit it to use its default"],
      [null, TYPE, `${ORIGIN} null`],
      ["", TYPE, `${ORIGIN} ""`],
      [5, TYPE, `${ORIGIN} 5`],
      [{}, TYPE, `${ORIGIN} an object`],
      [[undefined], TYPE, `${ORIGIN} an array`],
    ],
  },
  preflightContinue: BOOLEAN,
};

const ATTRIBUTE = "must be a string that a cookie can hold, got";
const COOKIE: CasesOf<CookieOptions> = {
  domain: {
    good: ["example.org", undefined],
    bad: [
      ["a;b", RANGE, `${ATTRIBUTE} "a;b"`],
      ["a\r\nb", RANGE, `${ATTRIBUTE} "a\\r\\nb"`],
      [null, TYPE, `${ATTRIBUTE} null`],
    ],
  },
  encode: FUNCTION,
  expires: {
    good: [new Date(), undefined],
    bad: [
      ["tomorrow", TYPE, 'must be a valid Date, got "tomorrow"'],
      [new Date(Number.NaN), RANGE, "must be a valid Date, got an object"],
      [null, TYPE, "must be a valid Date, got null"],
    ],
  },
  httpOnly: BOOLEAN,
  maxAge: {
    good: [0, 86_400.9, undefined],
    bad: [
      ["1d", TYPE, 'must be a finite number of seconds, got "1d"'],
      [Number.POSITIVE_INFINITY, RANGE, "must be a finite number of seconds, got Infinity"],
      [null, TYPE, "must be a finite number of seconds, got null"],
    ],
  },
  name: {
    good: ["io", undefined],
    bad: [
      ["a=b", RANGE, 'must be a string that can name a cookie, got "a=b"'],
      ["", RANGE, 'must be a string that can name a cookie, got ""'],
      [null, TYPE, "must be a string that can name a cookie, got null"],
    ],
  },
  partitioned: BOOLEAN,
  path: {
    good: ["/", false, undefined],
    bad: [
      ["/;x", RANGE, `${ATTRIBUTE} "/;x"`],
      [true, TYPE, `${ATTRIBUTE} true`],
      [null, TYPE, `${ATTRIBUTE} null`],
    ],
  },
  priority: {
    good: ["low", "high", undefined],
    bad: [
      ["urgent", RANGE, 'must be "low" or "medium" or "high", got "urgent"'],
      [null, TYPE, 'must be "low" or "medium" or "high", got null'],
    ],
  },
  sameSite: {
    good: [true, false, "lax", "None", undefined],
    bad: [
      ["maybe", RANGE, 'must be "lax" or "strict" or "none", got "maybe"'],
      [null, TYPE, 'must be "lax" or "strict" or "none", got null'],
    ],
  },
  secure: BOOLEAN,
};

const ZLIB: CasesOf<import("node:zlib").ZlibOptions, "rejectGarbageAfterEnd"> = {
  chunkSize: integers(64, 0x7fffffff),
  dictionary: { good: [Buffer.from("x"), undefined], bad: OBJECT.bad },
  finishFlush: integers(0, 5),
  flush: integers(0, 5),
  info: BOOLEAN,
  level: integers(-1, 9),
  maxOutputLength: BYTES,
  memLevel: integers(1, 9),
  rejectGarbageAfterEnd: BOOLEAN,
  strategy: integers(0, 4),
  windowBits: integers(8, 15),
};
const COMPRESSION: CasesOf<CompressionOptions, keyof typeof ZLIB> = { ...ZLIB, threshold: LIMIT };
const DEFLATE: CasesOf<DeflateOptions, "zlibInflateOptions" | "concurrencyLimit"> = {
  clientMaxWindowBits: integers(9, 15),
  clientNoContextTakeover: BOOLEAN,
  concurrencyLimit: LIMIT,
  serverMaxWindowBits: integers(9, 15),
  serverNoContextTakeover: BOOLEAN,
  threshold: LIMIT,
  zlibDeflateOptions: OBJECT,
  zlibInflateOptions: OBJECT,
};
const MISSING = "is missing";
const DURATION = "must be a number of milliseconds, 0 or more, got";
const RECOVERY: CasesOf<RecoveryOptions> = {
  maxDisconnectionDuration: {
    good: [0, 120_000, 2 ** 40, Number.POSITIVE_INFINITY, undefined],
    bad: [
      ["2m", TYPE, `${DURATION} "2m"`],
      [-1, RANGE, `${DURATION} -1`],
      [Number.NaN, RANGE, `${DURATION} NaN`],
      [null, TYPE, `${DURATION} null`],
    ],
  },
  maxBytes: LIMIT,
  maxPackets: LIMIT,
  maxSessions: LIMIT,
  skipMiddlewares: BOOLEAN,
};

/** Adds the missing required options of a rate limit. */
function completed(options: object): { readonly rateLimit: object } {
  return { rateLimit: { events: 1, interval: 1, ...Reflect.get(options, "rateLimit") } };
}

const RATE_LIMIT: CasesOf<RateLimitOptions> = {
  burst: BYTES,
  events: { good: [1, 1000], bad: [...BYTES.bad, [undefined, TYPE, MISSING]] },
  interval: {
    good: [1, 0.5, 1000],
    bad: [...POSITIVE_MILLISECONDS.bad, [undefined, TYPE, MISSING]],
  },
};

const make = (options: object): unknown => Reflect.construct(Server, [options]);

testOptions("new Server(options)", SERVER, make);
testOptions("new Server(): cors", CORS, make, ["cors"]);
testOptions("new Server(): cookie", COOKIE, make, ["cookie"]);
testOptions("new Server(): perMessageDeflate", DEFLATE, make, ["perMessageDeflate"]);
testOptions("new Server(): zlib", ZLIB, make, ["perMessageDeflate", "zlibDeflateOptions"]);
testOptions("new Server(): httpCompression", COMPRESSION, make, ["httpCompression"]);
testOptions("new Server(): recovery", RECOVERY, make, ["connectionStateRecovery"]);
testOptions("new Server(): rateLimit", RATE_LIMIT, (options) => make(completed(options)), [
  "rateLimit",
]);
for (const parent of ["/a", /b/]) {
  testOptions(
    `rateLimit() of the namespace ${parent}`,
    RATE_LIMIT,
    (options) => {
      const io = new Server();
      const namespace = typeof parent === "string" ? io.of(parent) : io.of(parent);
      return Reflect.apply(namespace.rateLimit, namespace, [completed(options).rateLimit]);
    },
    ["rateLimit"],
  );
}
testOptions("new Server(server, options)", SERVER, (options) => {
  const http = createServer();
  return Reflect.construct(Server, [http, options]).close();
});
/** Options that attach() rejects, because only the constructor accepts them. */
const CONSTRUCTOR_ONLY: ReadonlySet<string> = new Set([
  "ackReturnValues",
  "cleanupEmptyChildNamespaces",
  "connectionStateRecovery",
  "maxAttachments",
  "maxAuthSize",
  "maxRoomsPerSocket",
  "attachmentTimeout",
  "rateLimit",
  "maxCreatedNamespaces",
  "parser",
]);
const ATTACH = Object.fromEntries(
  Object.entries(SERVER).map(([name, { good, bad }]) => [
    name,
    CONSTRUCTOR_ONLY.has(name) ? { good: [undefined], bad } : { good, bad },
  ]),
);
testOptions("attach(server, options)", ATTACH, (options) => {
  const io = new Server();
  Reflect.apply(io.attach, io, [createServer(), options]);
  return io.close();
});
testOptions("new Engine(options)", ENGINE, (options) => Reflect.construct(Engine, [options]));

const FIELDS: Cases = {
  good: [{ a: "b" }, {}, undefined],
  bad: [
    ["a: b", TYPE, "must be an object of strings, numbers and lists of these, got a string"],
    [
      { a: undefined },
      RANGE,
      "must be an object of strings, numbers and lists of these, got an object",
    ],
    [null, TYPE, "must be an object of strings, numbers and lists of these, got null"],
  ],
};
const TEST_CLIENT: CasesOf<TestClientOptions> = {
  auth: OBJECT,
  headers: FIELDS,
  namespace: { ...STRING, good: ["/", undefined] },
  query: OBJECT,
};
testOptions("testClient(options)", TEST_CLIENT, async (options) => {
  const io = new Server({ pingInterval: 1_000_000 });
  await Reflect.apply(io.testClient, io, [options]);
  await io.close();
});

const RUN: CasesOf<RunOptions> = {
  drainTimeout: MILLISECONDS,
  host: { ...STRING, good: ["127.0.0.1", undefined] },
  log: { good: [() => {}], bad: FUNCTION.bad },
  port: { ...integers(0, 65_535), good: [0] },
  // Other values start processes: tests/lib/cluster tests them.
  workers: {
    good: [undefined],
    bad: [
      ["core", TYPE, 'must be "cores" or an integer from 1 to 1024, got "core"'],
      [true, TYPE, 'must be "cores" or an integer from 1 to 1024, got true'],
      [null, TYPE, 'must be "cores" or an integer from 1 to 1024, got null'],
      [0, RANGE, 'must be "cores" or an integer from 1 to 1024, got 0'],
      [1.5, RANGE, 'must be "cores" or an integer from 1 to 1024, got 1.5'],
      [1025, RANGE, 'must be "cores" or an integer from 1 to 1024, got 1025'],
    ],
  },
};
testOptions("run(options)", RUN, async (options) => {
  const io = new Server();
  const running = await Reflect.apply(io.run, io, [{ port: 0, log: () => {}, ...options }]);
  await running.stop();
});

describe("options", () => {
  const stock = createRequire(import.meta.url).resolve("socket.io");
  const engine = createRequire(stock).resolve("engine.io");
  const ws = createRequire(import.meta.url).resolve("@types/ws/package.json");
  const cors = createRequire(import.meta.url).resolve("@types/cors/package.json");
  const server = join(dirname(engine), "server.d.ts");
  const cookie = join(dirname(engine), "contrib/types.cookie.d.ts");
  for (const [path, name, indent, within, least] of [
    [join(dirname(stock), "index.d.ts"), "ServerOptions", 0, [], 6],
    [server, "ServerOptions", 0, [], 12],
    [server, "AttachOptions", 0, [], 4],
    [cookie, "CookieSerializeOptions", 0, ["cookie"], 10],
    [join(dirname(cors), "index.d.ts"), "CorsOptions", 4, ["cors"], 8],
    [join(dirname(ws), "index.d.ts"), "PerMessageDeflateOptions", 4, ["perMessageDeflate"], 8],
  ] as const) {
    test(`include all of ${name} in the declarations of socket.io, ws and cors`, () => {
      const names = declared(path, name, indent);
      assert.ok(names.length >= least, `${names.length}`);
      for (const option of names) {
        const options = within.reduceRight<object>((inner, key) => ({ [key]: inner }), {
          [option]: undefined,
        });
        try {
          make(options);
        } catch (error) {
          assert.match(`${error}`, / must not be undefined: /);
        }
      }
    });
  }

  test("inherited options are validated, and options that are not an object throw", () => {
    const inherited: object = Object.create({ pingInterval: "25s" });
    assert.throws(() => make(inherited), { code: TYPE });
    for (const args of [
      [undefined, null],
      [0, 5],
      [0, []],
      [null, "options"],
    ]) {
      assert.throws(() => Reflect.construct(Server, args), {
        code: TYPE,
        message: /^options must be an object, got /,
      });
    }
  });

  test("setters validate their value like the constructor", () => {
    const io = new Server();
    const call = (
      name: "path" | "connectTimeout" | "serveClient" | "adapter",
      value: unknown,
    ): unknown => Reflect.apply(io[name], io, [value]);
    for (const [name, value, code] of [
      ["path", "custom", RANGE],
      ["path", 5, TYPE],
      ["connectTimeout", "45s", TYPE],
      ["connectTimeout", -1, RANGE],
      ["serveClient", "no", TYPE],
      ["adapter", {}, TYPE],
    ] as const) {
      assert.throws(() => call(name, value), { code });
    }
    assert.equal(io.path(), "/socket.io");
    assert.equal(io.adapter(), Adapter);
  });

  test("connectionStateRecovery is enabled by true and {}, and disabled by false", async () => {
    for (const [connectionStateRecovery, kept] of [
      [true, true],
      [{}, true],
      [false, false],
    ] as const) {
      const io = new Server({ connectionStateRecovery, pingInterval: 1_000_000 });
      io.on("connection", (socket) => {
        assert.equal("sessionCount" in socket.nsp.adapter, kept);
      });
      const client = await io.testClient();
      assert.equal(client.connected, true);
      await io.close();
    }
  });

  test("an invalid option leaves no listener, port or timer behind", () => {
    const before = process.getActiveResourcesInfo();
    const http = createServer();
    const listeners = http.eventNames().map((name) => http.listenerCount(name));
    const bad = { pingInterval: "25s" };
    for (const args of [[http, bad], [0, bad], [bad], [http, { cookie: { name: "=" } }]]) {
      assert.throws(() => Reflect.construct(Server, args), { name: /Error$/ });
    }
    const io = new Server();
    assert.throws(() => Reflect.apply(io.attach, io, [http, bad]));
    assert.throws(() => Reflect.apply(io.run, io, [{ port: "80" }]));
    assert.throws(() => io.httpServer, /not attached/);
    assert.deepEqual(
      http.eventNames().map((name) => http.listenerCount(name)),
      listeners,
    );
    assert.deepEqual(process.getActiveResourcesInfo(), before);
  });
});

describe("arguments of constructors", () => {
  test("Server accepts an HTTP server or a port, and throws otherwise", () => {
    const neither = [{ listen: 5 }, { listen: () => {} }, "abc", "", " ", "1e3", true, Number.NaN];
    for (const server of neither) {
      assert.throws(() => Reflect.construct(Server, [server]), {
        code: TYPE,
        message: "the server must be an HTTP server or a port",
      });
    }
    for (const server of [{}, null, undefined, ...neither]) {
      const io = new Server();
      assert.throws(() => Reflect.apply(io.attach, io, [server]), { code: TYPE });
    }
    for (const port of [-1, 65_536, 1.5, "65536"]) {
      assert.throws(() => Reflect.construct(Server, [port]), {
        code: RANGE,
        message: `the port must be an integer from 0 to 65535, got ${port}`,
      });
    }
    assert.throws(() => Reflect.construct(Server, [() => {}]), { code: TYPE, message: /express/ });
    // A TCP server is accepted too, because Server does not require an instance of http.Server.
    const tcp = createTcpServer();
    new Server(tcp);
    assert.equal(tcp.listenerCount("request"), 1);
  });

  test("NamespaceHandler accepts a name, a pattern or a function, and throws otherwise", () => {
    for (const name of [5, null, {}, true]) {
      assert.throws(() => Reflect.construct(NamespaceHandler, [name]), { code: TYPE });
    }
    for (const name of ["/a", /a/, () => {}, undefined]) {
      Reflect.construct(NamespaceHandler, [name]);
    }
  });
});

describe("an invalid adapter", () => {
  const CASES: Readonly<Record<string, unknown>> = {
    "from socket.io 2, without broadcastWithAck()": () =>
      Object.defineProperty(new StockAdapter({ server: {} }), "broadcastWithAck", {
        value: undefined,
      }),
    "that is an empty class": class {},
    "from a function that returns undefined": () => {},
  };
  for (const [title, adapter] of Object.entries(CASES)) {
    test(`${title} throws a TypeError`, async () => {
      const message = /^the adapter has no method \w+\(\): it must extend Adapter of this package/;
      assert.throws(() => make({ adapter }), { code: TYPE, message });
      const io = new Server({ pingInterval: 1_000_000 });
      const { adapter: before } = io.sockets;
      assert.throws(() => Reflect.apply(io.adapter, io, [adapter]), { code: TYPE, message });
      assert.equal(io.adapter(), Adapter);
      assert.equal(io.sockets.adapter, before);
      await io.close();
    });
  }

  test("is closed, even if its close() throws", async () => {
    let closed = 0;
    class Half {
      close(): void {
        closed++;
        throw new Error("cannot be closed either");
      }
    }
    assert.throws(() => make({ adapter: Half }), { code: TYPE });
    await turn();
    assert.equal(closed, 1);
  });

  test("throws a TypeError even if it lacks only one method", () => {
    for (const name of ["addAll", "broadcast", "emitTo", "serverSideEmit", "persistSession"]) {
      const adapter = (nsp: never): object =>
        Object.defineProperty(new Adapter(nsp), name, { value: undefined });
      const message = new RegExp(`no method ${name}\\(\\)`);
      assert.throws(() => make({ adapter }), { code: TYPE, message });
    }
  });
});
