// Tests docs/errors.md: how the server reports an error that a function of the program throws or rejects with. A
// client can cause each of these errors, and none of them ends the process of a program with onError().

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import {
  Adapter,
  type EngineMiddleware,
  NamespaceHandler,
  type Server,
  type ServerOptions,
  type Socket,
} from "../../server.ts";
import {
  ask,
  serve,
  TcpClient,
  turn,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../support/net.ts";
import { gatherUncaught } from "../support/uncaught.ts";

/**
 * `refused`: the client is rejected with 400 or 403, and "connection_error" has the error in its context.
 * `onError`: the error is passed to onError() of the namespace or the server. Without onError(), it is uncaught.
 * `uncaught`: the error is always uncaught, as with any emitter of Node.
 */
type Way = "refused" | "onError" | "uncaught";

interface Case {
  readonly way: Way;
  /** The event name that is passed to onError(). Default: "e". */
  readonly event?: string;
  /** Options of the server. */
  readonly options?: ServerOptions;
  /** Registers the function. */
  readonly add?: (io: Server, socket: Socket | undefined) => void;
  /** The action of a client, after connecting, that causes the call of the function. */
  readonly act?: (client: WebSocketClient, io: Server) => unknown;
  /** Headers of the client's request. */
  readonly headers?: Readonly<Record<string, string>>;
}

// The options that are functions, or that may be functions.
type FunctionOption = {
  [Name in keyof ServerOptions]-?: Extract<
    NonNullable<ServerOptions[Name]>,
    (...args: never[]) => unknown
  > extends never
    ? never
    : Name;
}[keyof ServerOptions];

type Callback =
  | `option ${FunctionOption}`
  | "option cors.origin"
  | "option cookie.encode"
  | "a line break in a header field that cors sets"
  | "a line break in a header field that a listener sets"
  | "engine.generateId()"
  | "engine.use()"
  | `engine.on("headers")`
  | `engine.on("initial_headers")`
  | "of() with a function"
  | "of() with a function that rejects"
  | "use() of a namespace"
  | `on("connection")`
  | `on("new_namespace")`
  | "a listener of an event"
  | "a listener that rejects"
  | "a value that a listener returns and that cannot be sent"
  | "a value that a listener resolves to and that cannot be sent"
  | "a value that a listener passes to the acknowledgement callback and that cannot be sent"
  | "socket.use()"
  | "socket.use() that rejects"
  | "socket.onAny()"
  | "socket.onAnyOutgoing()"
  | "the callback of an acknowledgement"
  | "the callback of an acknowledgement with timeout()"
  | "the callback of a broadcast"
  | "a listener of serverSideEmit()"
  | `socket.on("error")`
  | `socket.on("disconnecting")`
  | `socket.on("disconnect")`
  | "onConnect() of a NamespaceHandler"
  | "a method of a NamespaceHandler"
  | "init() of an adapter"
  | "addAll() of an adapter"
  | "delAll() of an adapter"
  | "close() of an adapter"
  | "persistSession() of an adapter"
  | "restoreSession() of an adapter"
  | `adapter.on("join-room")`
  | `engine.on("connection")`
  | `session.on("packet")`;

/** The functions throw only while this variable is true. */
let broken = false;
const MISTAKE = new Error("a mistake");

function mistake(): undefined {
  if (broken) throw MISTAKE;
}

async function rejection(): Promise<undefined> {
  mistake();
}

/** Returns options with an adapter of which one method throws. */
function failing(method: keyof Adapter): ServerOptions {
  return {
    adapter: class extends Adapter {
      constructor(nsp: ConstructorParameters<typeof Adapter>[0]) {
        super(nsp);
        const own: unknown = Reflect.get(this, method);
        Reflect.set(this, method, (...args: unknown[]): unknown => {
          mistake();
          return typeof own === "function" ? Reflect.apply(own, this, args) : undefined;
        });
      }
    },
    connectionStateRecovery: true,
    cleanupEmptyChildNamespaces: true,
  };
}

const LINE_END = "a\r\nX-Injected: yes";
const EMIT = (client: WebSocketClient): void => client.send('421["e"]');
const DYNAMIC = (io: Server): unknown => io.of(/^\/dynamic/);
const JOIN_DYNAMIC = (client: WebSocketClient): void => client.send("40/dynamic,");
const pass: EngineMiddleware = (_request, _response, next) => {
  mistake();
  next();
};

class Handler extends NamespaceHandler {
  constructor() {
    super("/handled");
  }

  override onConnect(): void {
    if (this.failsToConnect) mistake();
  }

  onE(): void {
    mistake();
  }

  failsToConnect = false;
}

// biome-ignore format: aligned table
const CASES: Readonly<Record<Callback, Case>> = {
  "option adapter":                       { way: "onError", event: "connect", options: { adapter: (nsp) => { mistake(); return new Adapter(nsp); } }, add: DYNAMIC, act: JOIN_DYNAMIC },
  "option allowRequest":                  { way: "refused", options: { allowRequest: (_request, callback) => { mistake(); callback(null, true); } } },
  "option cors":                          { way: "refused", options: { cors: (_request, callback) => { mistake(); callback(null, {}); } } },
  "option cors.origin":                   { way: "refused", options: { cors: { origin: (_origin, callback) => { mistake(); callback(null, true); } } }, headers: { Origin: "http://page.test" } },
  "option origins":                       { way: "refused", options: { origins: () => { mistake(); return true; } }, headers: { Origin: "http://page.test" } },
  "option cookie.encode":                 { way: "refused", options: { cookie: { encode: (text) => { mistake(); return text; } } } },
  "a line break in a header field that cors sets": { way: "refused", options: { cors: (_request, callback) => callback(null, broken ? { exposedHeaders: LINE_END } : {}) } },
  "a line break in a header field that a listener sets": { way: "refused", add: (io) => io.engine.on("headers", (headers) => { if (broken) headers["X-A"] = LINE_END; }) },
  "engine.generateId()":                  { way: "refused", add: (io) => { const { generateId } = io.engine; io.engine.generateId = (request) => { mistake(); return generateId(request); }; } },
  "engine.use()":                         { way: "refused", add: (io) => io.engine.use(pass) },
  'engine.on("headers")':                 { way: "refused", add: (io) => io.engine.on("headers", mistake) },
  'engine.on("initial_headers")':         { way: "refused", add: (io) => io.engine.on("initial_headers", mistake) },
  "of() with a function":                 { way: "onError", event: "connect", add: (io) => io.of(mistake), act: JOIN_DYNAMIC },
  "of() with a function that rejects":    { way: "onError", event: "connect", add: (io) => io.of(rejection), act: JOIN_DYNAMIC },
  "use() of a namespace":                 { way: "onError", event: "connect", add: (io) => io.use((_socket, next) => { mistake(); next(); }) },
  'on("connection")':                     { way: "onError", event: "connection", add: (io) => io.on("connection", mistake) },
  'on("new_namespace")':                  { way: "onError", event: "new_namespace", add: (io) => { DYNAMIC(io); io.on("new_namespace", mistake); }, act: JOIN_DYNAMIC },
  "a listener of an event":               { way: "onError", add: (_io, socket) => socket?.on("e", mistake), act: EMIT },
  "a listener that rejects":              { way: "onError", add: (_io, socket) => socket?.on("e", rejection), act: EMIT },
  "a value that a listener returns and that cannot be sent": { way: "onError", options: { ackReturnValues: true }, add: (_io, socket) => socket?.on("e", () => 1n), act: EMIT },
  "a value that a listener resolves to and that cannot be sent": { way: "onError", options: { ackReturnValues: true }, add: (_io, socket) => socket?.on("e", async () => 1n), act: EMIT },
  "a value that a listener passes to the acknowledgement callback and that cannot be sent": { way: "onError", add: (_io, socket) => socket?.on("e", (acknowledge) => acknowledge(1n)), act: EMIT },
  "socket.use()":                         { way: "onError", add: (_io, socket) => socket?.use(mistake), act: EMIT },
  "socket.use() that rejects":            { way: "onError", add: (_io, socket) => socket?.use(rejection), act: EMIT },
  "socket.onAny()":                       { way: "onError", add: (_io, socket) => socket?.onAny(mistake), act: EMIT },
  "socket.onAnyOutgoing()":               { way: "onError", add: (_io, socket) => socket?.onAnyOutgoing(mistake).on("x", () => socket.emit("e")), act: (client) => client.send('42["x"]') },
  "the callback of an acknowledgement":   { way: "onError", add: (_io, socket) => socket?.emit("e", mistake), act: (client) => client.send("430[]") },
  "the callback of an acknowledgement with timeout()": { way: "onError", add: (_io, socket) => socket?.timeout(10_000).emit("e", mistake), act: (client) => client.send("430[]") },
  "the callback of a broadcast":          { way: "onError", add: (io) => io.timeout(10_000).emit("e", mistake), act: (client) => client.send("430[]") },
  "a listener of serverSideEmit()":       { way: "onError", add: (io) => io.sockets.on("e", mistake), act: (_client, io) => io.sockets.onServerSideEmit(["e"]) },
  'socket.on("error")':                   { way: "onError", event: "error", add: (_io, socket) => socket?.on("error", mistake), act: (client) => client.send("4garbage") },
  'socket.on("disconnecting")':           { way: "onError", event: "disconnecting", add: (_io, socket) => socket?.on("disconnecting", mistake), act: (client) => client.send("41") },
  'socket.on("disconnect")':              { way: "onError", event: "disconnect", add: (_io, socket) => socket?.on("disconnect", mistake), act: (client) => client.send("41") },
  "onConnect() of a NamespaceHandler":    { way: "onError", event: "connect", add: (io) => io.register(Object.assign(new Handler(), { failsToConnect: true })), act: (client) => client.send("40/handled,") },
  "a method of a NamespaceHandler":       { way: "onError", add: (io) => io.register(new Handler()), act: (client, io) => { io.of("/handled").once("connection", () => client.send('42/handled,["e"]')); client.send("40/handled,"); } },
  "init() of an adapter":                 { way: "onError", event: "connect", options: failing("init"), add: DYNAMIC, act: JOIN_DYNAMIC },
  "addAll() of an adapter":               { way: "onError", event: "adapter", options: failing("addAll") },
  "delAll() of an adapter":               { way: "onError", event: "adapter", options: failing("delAll"), act: (client) => client.send("41") },
  "close() of an adapter":                { way: "onError", event: "adapter", options: failing("close"), add: DYNAMIC, act: (client) => { JOIN_DYNAMIC(client); client.send("41/dynamic,"); } },
  "persistSession() of an adapter":       { way: "onError", event: "adapter", options: failing("persistSession"), act: (client) => client.socket.terminate() },
  "restoreSession() of an adapter":       { way: "onError", event: "adapter", options: failing("restoreSession"), add: (io) => io.of("/b"), act: (client) => client.send('40/b,{"pid":"x","offset":"y"}') },
  'adapter.on("join-room")':              { way: "uncaught", add: (io) => io.of("/").adapter.on("join-room", mistake) },
  'engine.on("connection")':              { way: "uncaught", add: (io) => io.engine.on("connection", mistake) },
  'session.on("packet")':                 { way: "uncaught", add: (_io, socket) => socket?.conn.on("packet", mistake), act: EMIT },
};

const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** Tries to open a session over polling and over WebSocket. The server must reject the request over polling. */
async function connectRefused(
  port: number,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const path = "/socket.io/?EIO=4&transport=";
  const { status } = await ask(port, `${path}polling`, { headers });
  assert.ok(status === 400 || status === 403, `${status}`);
  const upgrade = new TcpClient(port).write(upgradeRequest(`${path}websocket`, headers));
  await upgrade.until("\r\n\r\n");
  upgrade.socket.destroy();
}

describe("The server reports an error of the program as docs/errors.md says:", () => {
  for (const [name, { way, event = "e", options, add, act, headers = {} }] of Object.entries(
    CASES,
  )) {
    test(`${name}: ${way}`, async (context) => {
      broken = false;
      const uncaught = gatherUncaught(context);
      const errors: unknown[] = [];
      const { io, port } = await serve(context, options);
      io.onError((error, call) => {
        const own = broken ? MISTAKE : undefined;
        errors.push(error === own || /BigInt/.test(`${error}`) ? call.event : error);
        return "failed";
      });
      io.engine.on("connection_error", ({ context }) => errors.push(context.error));
      const accepted = new Promise<Socket>((resolve) => io.once("connection", resolve));
      const client = new WebSocketClient(port);
      await client.join();
      add?.(io, await accepted);
      broken = true;
      if (act !== undefined) act(client, io);
      else if (way === "refused") await connectRefused(port, headers);
      else new WebSocketClient(port).join().catch(() => {});
      const reported = way === "uncaught" ? uncaught : errors;
      await until(() => reported.length > 0);
      await turn();
      if (way === "refused") {
        for (const error of errors)
          assert.ok(error === MISTAKE || error instanceof TypeError || error instanceof RangeError);
        assert.deepEqual(uncaught, []);
      } else if (way === "onError") {
        assert.deepEqual([...new Set(errors)], [event]);
        assert.deepEqual(uncaught, []);
      } else {
        assert.deepEqual(new Set(uncaught), new Set([MISTAKE]));
        assert.deepEqual(errors, []);
      }
      // The server still accepts clients after the error.
      broken = false;
      assert.match(await new WebSocketClient(port).join(), /^40\{"sid"/);
      assert.ok(page.includes(`| ${name} | ${way} |`), `docs/errors.md has no row for ${name}`);
    });
  }
});
