// Tests every place where a program may reject a client, with every kind of value that untyped code may pass: the
// client receives a valid error, and does not try again.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { io as connect } from "socket.io-client";

import { io as connectOurs } from "../../../client/index.ts";
import { ConnectionRefused, NamespaceHandler, type Server, type Socket } from "../../../server.ts";
import { answerTo, ask, open, serve, until, WebSocketClient } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

type Untyped = ReturnType<typeof JSON.parse>;

const DEFAULT = "Connection rejected by server";

type Kind =
  | "error"
  | "errorWithData"
  | "refused"
  | "text"
  | "object"
  | "objectWithText"
  | "objectWithNumber"
  | "array"
  | "true"
  | "number"
  | "function"
  | "withFunction"
  | "objectWithoutPrototype";

/** Values for next(), and the error that the client receives. */
const VALUES: Record<Kind, readonly [value: unknown, told: { message: string; data?: unknown }]> = {
  error: [new Error("no"), { message: "no" }],
  errorWithData: [
    Object.assign(new Error("no"), { data: { code: 401 } }),
    { message: "no", data: { code: 401 } },
  ],
  refused: [new ConnectionRefused("no", 7), { message: "no", data: 7 }],
  text: ["no", { message: "no" }],
  object: [{ code: 401 }, { message: DEFAULT }],
  objectWithText: [
    { message: "no", data: null },
    { message: "no", data: null },
  ],
  objectWithNumber: [
    { message: 7, data: [1] },
    { message: DEFAULT, data: [1] },
  ],
  array: [[1], { message: DEFAULT }],
  true: [true, { message: DEFAULT }],
  number: [401, { message: DEFAULT }],
  function: [(): void => {}, { message: DEFAULT }],
  withFunction: [Object.assign(new Error("no"), { data: (): void => {} }), { message: "no" }],
  objectWithoutPrototype: [Object.create(null), { message: DEFAULT }],
};

function kinds(): readonly Kind[] {
  const isKind = (name: string): name is Kind => name in VALUES;
  return Object.keys(VALUES).filter(isKind);
}

/** Returns the error that a client receives when it connects to the main namespace. */
async function refusal(port: number, packet = "40"): Promise<unknown> {
  const client = new WebSocketClient(port);
  const answer = await client.join(packet);
  assert.match(answer, /^44/);
  return JSON.parse(answer.slice(answer.indexOf("{")));
}

/**
 * Returns the packet with which the server rejects a client 2.x. Its payload is only the error's data, or only the
 * error's message if there is no data.
 */
async function refusalOf2(port: number): Promise<string> {
  const client = new WebSocketClient(port, "/socket.io/?EIO=3&transport=websocket");
  await client.next();
  return `${await client.next()}`;
}

/** Returns a thenable that is not a native promise. */
function thenable(
  settle: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
): object {
  // biome-ignore lint/suspicious/noThenProperty: the test needs a thenable that is not a Promise
  return { then: settle };
}

describe("next(value) of a namespace's middleware", () => {
  for (const kind of kinds()) {
    const [value, told] = VALUES[kind];
    test(`with ${kind} sends ${JSON.stringify(told)}`, async (context) => {
      const { io, port, url } = await serve(context, { allowEIO3: true });
      io.use((_socket, next: (value: Untyped) => void) => next(value));
      assert.deepEqual(await refusal(port), told);
      assert.equal(await refusalOf2(port), `44${JSON.stringify(told.data ?? told.message)}`);
      const options = { forceNew: true, reconnectionDelay: 1 };
      for (const create of [() => connect(url, options), () => connectOurs(url, options)]) {
        const client = create();
        context.after(() => client.disconnect());
        const error = await new Promise<Untyped>((resolve) => client.on("connect_error", resolve));
        assert.equal(error.message, told.message);
        assert.deepEqual(error.data, told.data);
        assert.equal(client.active, false);
      }
    });
  }

  test("with data that JSON cannot encode rejects the client, and the error is uncaught", async (context) => {
    const uncaught = gatherUncaught(context);
    const { io, port } = await serve(context);
    const error = Object.assign(new Error("no"), { data: 1n });
    io.use((_socket, next) => next(error));
    assert.deepEqual(await refusal(port), { message: "no" });
    await until(() => uncaught.length === 1);
    assert.match(`${uncaught[0]}`, /BigInt/);
  });
});

type Place =
  | "middlewareThrows"
  | "middlewareRejects"
  | "middlewareThenable"
  | "onConnectFalse"
  | "onConnectThrows"
  | "onConnectThenable"
  | "onConnectThenableFalse"
  | "matcherError"
  | "matcherFalse"
  | "matcherThrows"
  | "matcherRejects"
  | "matcherThenable";

const REFUSED = new ConnectionRefused("no");

/** The places where a namespace rejects a client: the code of the program, and the message that the client receives. */
const PLACES: Record<Place, readonly [refuse: (io: Server) => unknown, message: string]> = {
  middlewareThrows: [
    (io) =>
      io.of("/a").use(() => {
        throw REFUSED;
      }),
    "no",
  ],
  middlewareRejects: [(io) => io.of("/a").use(async () => Promise.reject(REFUSED)), "no"],
  middlewareThenable: [
    (io) => io.of("/a").use(() => thenable((_resolve, reject) => reject(REFUSED))),
    "no",
  ],
  onConnectFalse: [(io) => register(io, () => false), DEFAULT],
  onConnectThrows: [
    (io) =>
      register(io, () => {
        throw REFUSED;
      }),
    "no",
  ],
  onConnectThenable: [
    (io) => register(io, () => thenable((_resolve, reject) => reject(REFUSED))),
    "no",
  ],
  onConnectThenableFalse: [
    (io) => register(io, () => thenable((resolve) => resolve(false))),
    DEFAULT,
  ],
  matcherError: [
    (io) => io.of((_name, _auth, next) => next(new Error("no"), true)),
    "Invalid namespace",
  ],
  matcherFalse: [(io) => io.of((_name, _auth, next) => next(null, false)), "Invalid namespace"],
  matcherThrows: [
    (io) =>
      io.of(() => {
        throw REFUSED;
      }),
    "Invalid namespace",
  ],
  matcherRejects: [(io) => io.of(async () => Promise.reject(REFUSED)), "Invalid namespace"],
  matcherThenable: [
    (io) => io.of(() => thenable((_resolve, reject) => reject(REFUSED))),
    "Invalid namespace",
  ],
};

function register(io: Server, onConnect: (socket: Socket) => unknown): void {
  class Handler extends NamespaceHandler {
    override onConnect = onConnect;
  }
  io.register(new Handler("/a"));
}

describe("a namespace rejects a client with the expected message:", () => {
  for (const [place, [refuse, message]] of Object.entries(PLACES)) {
    test(place, async (context) => {
      gatherUncaught(context);
      const { io, port } = await serve(context);
      refuse(io);
      assert.deepEqual(await refusal(port, "40/a,"), { message });
      assert.equal(io._nsps.get("/a")?.sockets.size ?? 0, 0);
    });
  }
});

describe("allowRequest rejects a client", () => {
  for (const [given, message] of [
    ["no", "no"],
    ["", "Forbidden"],
    [null, "Forbidden"],
    [undefined, "Forbidden"],
    [new Error("no"), "no"],
    [401, "Forbidden"],
    [{ code: 401 }, "Forbidden"],
  ] as const) {
    test(`with ${given}: the client receives ${message}`, async (context) => {
      const { port } = await serve(context, {
        allowRequest: (_request, callback: (given: Untyped, allowed: boolean) => void) =>
          callback(given, false),
      });
      const { status, body } = await ask(port, "/socket.io/?EIO=4&transport=polling");
      assert.equal(status, 403);
      assert.deepEqual(JSON.parse(body), { code: 4, message });
      const upgrade = open(port, "/socket.io/?EIO=4&transport=websocket", {
        headers: {
          Connection: "Upgrade",
          Upgrade: "websocket",
          "Sec-WebSocket-Version": "13",
          "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
      });
      upgrade.end();
      const answer = await answerTo(upgrade);
      assert.equal(answer.status, 400);
      assert.equal(answer.body, message);
    });
  }
});

describe("engine middleware rejects a client with", () => {
  for (const given of [new Error("no"), "no", 401, true, { code: 401 }]) {
    test(`${given}`, async (context) => {
      const { io, port } = await serve(context);
      io.engine.use((_request, _response, next) => next(given));
      const { status, body } = await ask(port, "/socket.io/?EIO=4&transport=polling");
      assert.equal(status, 400);
      assert.deepEqual(JSON.parse(body), { code: 3, message: "Bad request" });
    });
  }

  test("a thenable that rejects", async (context) => {
    const { io, port } = await serve(context);
    io.engine.use(() => thenable((_resolve, reject) => reject("no")));
    assert.equal((await ask(port, "/socket.io/?EIO=4&transport=polling")).status, 400);
  });
});
