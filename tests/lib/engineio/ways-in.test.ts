// Tests each check ("gate") of the engine with each kind of request ("way in"): the response if the check fails.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Server, ServerOptions } from "../../../server.ts";
import { ask, PollingClient, serve, upgradeStatus } from "../../support/net.ts";

const PAGE = "https://page.example";
const EVIL = "https://evil.test";

/** With these options, the server accepts every kind of request from the page. */
const OPEN: ServerOptions = { cors: { origin: PAGE }, allowEIO3: true, jsonp: true };

type WayIn =
  | "GET"
  | "POST"
  | "OPTIONS"
  | "upgrade"
  | "upgrade of a session"
  | "JSONP GET"
  | "JSONP POST"
  | "revision 3 GET"
  | "revision 3 POST"
  | "revision 3 upgrade"
  | "revision 3 upgrade of a session";

interface Way {
  readonly method: string;
  readonly revision: 3 | 4;
  readonly upgrade: boolean;
  /** Whether the request belongs to an existing session. */
  readonly session: boolean;
  /** Whether the request uses JSONP: the page loads a script or submits a form. */
  readonly jsonp: boolean;
  readonly body?: string;
  /** The status of the response if all checks pass. */
  readonly open: number;
}

const PLAIN = { method: "GET", revision: 4, upgrade: false, session: false, jsonp: false } as const;

// biome-ignore format: aligned table
const WAYS: Readonly<Record<WayIn, Way>> = {
  "GET":                             { ...PLAIN, open: 200 },
  "POST":                            { ...PLAIN, open: 200, method: "POST", session: true, body: "4x" },
  "OPTIONS":                         { ...PLAIN, open: 204, method: "OPTIONS" },
  "upgrade":                         { ...PLAIN, open: 101, upgrade: true },
  "upgrade of a session":            { ...PLAIN, open: 101, upgrade: true, session: true },
  "JSONP GET":                       { ...PLAIN, open: 200, jsonp: true },
  "JSONP POST":                      { ...PLAIN, open: 200, jsonp: true, method: "POST", session: true, body: "d=4x" },
  "revision 3 GET":                  { ...PLAIN, open: 200, revision: 3 },
  "revision 3 POST":                 { ...PLAIN, open: 200, revision: 3, method: "POST", session: true, body: "2:4x" },
  "revision 3 upgrade":              { ...PLAIN, open: 101, revision: 3, upgrade: true },
  "revision 3 upgrade of a session": { ...PLAIN, open: 101, revision: 3, upgrade: true, session: true },
};

/** The request of a client, which a gate must reject. */
interface Attempt {
  readonly page: string;
  readonly method: string;
  readonly eio: string;
  readonly sid: string | undefined;
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

interface Gate {
  /** Options of the server. Default: OPEN. */
  readonly options?: (way: Way) => ServerOptions;
  /** Closes the gate after the server has created a session. */
  readonly close?: (io: Server) => void;
  readonly attempt?: (attempt: Attempt) => Attempt;
}

type GateName =
  | "no option at all"
  | "origins, a list"
  | "origins, a function that throws"
  | "cors for another origin"
  | "cors with an error"
  | "allowRequest"
  | "allowRequest that throws"
  | "middleware"
  | "middleware that throws"
  | "invalid header of a listener"
  | "generateId that throws"
  | "body size"
  | "method"
  | "EIO"
  | "transports"
  | "unknown sid"
  | "jsonp off"
  | "allowUpgrades off"
  | "version of WebSocket"
  | "closed server";

const mistake = (): never => {
  throw new Error("a mistake");
};
const foreign = (attempt: Attempt): Attempt => ({ ...attempt, page: EVIL });
const { cors: _cors, ...REST } = OPEN;

// biome-ignore format: aligned table
const GATES: Readonly<Record<GateName, Gate>> = {
  "no option at all":                { options: () => REST, attempt: foreign },
  "origins, a list":                 { options: () => ({ ...OPEN, origins: [PAGE] }), attempt: foreign },
  "origins, a function that throws": { options: () => ({ ...OPEN, origins: mistake }) },
  "cors for another origin":         { attempt: foreign },
  "cors with an error":              { options: () => ({ ...OPEN, cors: { origin: (origin, callback) => origin === EVIL ? callback(new Error("no")) : callback(null, true) } }), attempt: foreign },
  "allowRequest":                    { options: () => ({ ...OPEN, allowRequest: ({ headers }, callback) => callback(null, headers["x-refused"] === undefined) }), attempt: (attempt) => ({ ...attempt, headers: { "X-Refused": "yes" } }) },
  "allowRequest that throws":        { options: () => ({ ...OPEN, allowRequest: ({ headers }, callback) => headers["x-refused"] ? mistake() : callback(null, true) }), attempt: (attempt) => ({ ...attempt, headers: { "X-Refused": "yes" } }) },
  "middleware":                      { close: (io) => void io.engine.use((_request, _response, next) => next(new Error("no"))) },
  "middleware that throws":          { close: (io) => void io.engine.use(mistake) },
  "invalid header of a listener":    { close: (io) => void io.engine.on("headers", (headers) => { headers["X-A"] = "a\r\nX-Injected: yes"; }) },
  "generateId that throws":          { close: (io) => { io.engine.generateId = mistake; } },
  "body size":                       { options: () => ({ ...OPEN, maxHttpBufferSize: 100 }), attempt: (attempt) => ({ ...attempt, body: attempt.body && "4".repeat(101) }) },
  "method":                          { attempt: (attempt) => attempt.method === "OPTIONS" ? attempt : { ...attempt, method: "PUT" } },
  "EIO":                             { attempt: (attempt) => ({ ...attempt, eio: "9" }) },
  "transports":                      { options: ({ upgrade }) => ({ ...OPEN, transports: [upgrade ? "polling" : "websocket"] }) },
  "unknown sid":                     { attempt: (attempt) => ({ ...attempt, sid: "unknown" }) },
  "jsonp off":                       { options: () => ({ ...OPEN, jsonp: false }) },
  "allowUpgrades off":               { options: () => ({ ...OPEN, allowUpgrades: false }) },
  "version of WebSocket":            { attempt: (attempt) => ({ ...attempt, headers: { "Sec-WebSocket-Version": "12" } }) },
  "closed server":                   { close: (io) => io.engine.refuseClients() },
};

/**
 * If the gate applies: the status of the response, followed by the error's name if "connection_error" is emitted. If the
 * gate does not apply: the reason.
 */
type Outcome = `${number}${string}` | { readonly does_not_apply: string };

const PREFLIGHT: Outcome = {
  does_not_apply: "a preflight is answered earlier, as with the cors middleware",
};
const BEGUN: Outcome = { does_not_apply: "checked only when a session begins" };
const GOES_ON: Outcome = { does_not_apply: "a closed server continues to serve its sessions" };
const NO_BODY: Outcome = { does_not_apply: "the request has no body" };
const NO_SCRIPT: Outcome = { does_not_apply: "the request does not use JSONP" };
const NO_UPGRADE: Outcome = { does_not_apply: "the request does not upgrade a session" };
const NO_WEBSOCKET: Outcome = { does_not_apply: "the request opens no WebSocket" };

function every(outcome: Outcome): Record<WayIn, Outcome> {
  return {
    GET: outcome,
    POST: outcome,
    OPTIONS: outcome,
    upgrade: outcome,
    "upgrade of a session": outcome,
    "JSONP GET": outcome,
    "JSONP POST": outcome,
    "revision 3 GET": outcome,
    "revision 3 POST": outcome,
    "revision 3 upgrade": outcome,
    "revision 3 upgrade of a session": outcome,
  };
}

/** Returns the outcomes of a gate that the engine checks when a session begins. */
function beginning(
  request: Outcome,
  upgrade: Outcome,
  behind: Outcome = BEGUN,
): Record<WayIn, Outcome> {
  return {
    GET: request,
    POST: behind,
    OPTIONS: PREFLIGHT,
    upgrade,
    "upgrade of a session": behind,
    "JSONP GET": request,
    "JSONP POST": behind,
    "revision 3 GET": request,
    "revision 3 POST": behind,
    "revision 3 upgrade": upgrade,
    "revision 3 upgrade of a session": behind,
  };
}

// biome-ignore format: aligned table
const OUTCOMES: Readonly<Record<GateName, Readonly<Record<WayIn, Outcome>>>> = {
  "no option at all":                every("400 ORIGIN_NOT_ALLOWED"),
  "origins, a list":                 every("400 ORIGIN_NOT_ALLOWED"),
  "origins, a function that throws": every("400 ORIGIN_NOT_ALLOWED"),
  "cors for another origin":         every("400 ORIGIN_NOT_ALLOWED"),
  "cors with an error":              every("400 MIDDLEWARE_FAILURE"),
  "allowRequest":                    beginning("403 Forbidden", "400 Forbidden"),
  "allowRequest that throws":        beginning("403 ALLOW_REQUEST_FAILURE", "400 ALLOW_REQUEST_FAILURE"),
  "middleware":                      { ...every("400 MIDDLEWARE_FAILURE"), OPTIONS: PREFLIGHT },
  "middleware that throws":          { ...every("400 MIDDLEWARE_FAILURE"), OPTIONS: PREFLIGHT },
  "invalid header of a listener":    { ...every("400 MIDDLEWARE_FAILURE"), OPTIONS: PREFLIGHT },
  "generateId that throws":          beginning("400 ID_GENERATION_ERROR", "400 ID_GENERATION_ERROR"),
  "body size":                       { ...every(NO_BODY), POST: "413", "JSONP POST": "413", "revision 3 POST": "413" },
  "method":                          { ...beginning("400 Bad handshake method", "400 Bad handshake method", "500"), OPTIONS: { does_not_apply: "OPTIONS is answered as a preflight" }, "upgrade of a session": "405", "revision 3 upgrade of a session": "405" },
  "EIO":                             beginning("400 Unsupported protocol version", "400 Unsupported protocol version", "400 PROTOCOL_MISMATCH"),
  "transports":                      { ...every("400 Transport unknown"), OPTIONS: PREFLIGHT },
  "unknown sid":                     { ...every("400 Session ID unknown"), OPTIONS: PREFLIGHT },
  "jsonp off":                       { ...every(NO_SCRIPT), "JSONP GET": "400 JSONP_NOT_ENABLED", "JSONP POST": "400 JSONP_NOT_ENABLED" },
  "allowUpgrades off":               { ...every(NO_UPGRADE), "upgrade of a session": "400", "revision 3 upgrade of a session": "400" },
  "version of WebSocket":            { ...every(NO_WEBSOCKET), upgrade: "400", "upgrade of a session": "400", "revision 3 upgrade": "400", "revision 3 upgrade of a session": "400" },
  "closed server":                   beginning("403 SERVER_CLOSED", "400 SERVER_CLOSED", GOES_ON),
};

/** Opens a session if the way in needs one, and sends the request. */
async function attempt(
  port: number,
  way: Way,
  beforehand: () => void,
  change: (attempt: Attempt) => Attempt = (same) => same,
): Promise<number> {
  const sid = way.session ? await sessionOf(port, way) : undefined;
  beforehand();
  const { method, revision, body } = way;
  const made = change({ page: PAGE, method, eio: `${revision}`, sid, body, headers: {} });
  const transport = way.upgrade ? "websocket" : "polling";
  const session = made.sid === undefined ? "" : `&sid=${made.sid}`;
  const script = way.jsonp ? "&j=0" : "";
  const path = `/socket.io/?EIO=${made.eio}&transport=${transport}${session}${script}`;
  // Browsers send a Referer, but no Origin, with the GET of a script.
  const isScript = way.jsonp && made.method === "GET";
  const from = isScript ? { Referer: `${made.page}/a?b` } : { Origin: made.page };
  const headers = { ...from, ...made.headers };
  if (way.upgrade) return upgradeStatus(port, headers, path, made.method);
  const question = { method: made.method, headers, ...(made.body && { body: made.body }) };
  return (await ask(port, path, question)).status;
}

async function sessionOf(port: number, { jsonp, revision }: Way): Promise<string> {
  // If polling is disabled, no session is opened. The server then rejects the request before it looks up the session.
  const path = `/socket.io/?EIO=${revision}&transport=polling${jsonp ? "&j=0" : ""}`;
  const headers = { "Sec-Fetch-Site": "same-origin" };
  const { body } = await ask(port, path, { headers });
  return /"sid\\?":\\?"([^"\\]+)/.exec(body)?.[1] ?? "none";
}

describe("With every check passed", () => {
  for (const [name, way] of Object.entries(WAYS)) {
    test(`${name} is answered with ${way.open}`, async (context) => {
      const { port, io } = await serve(context, OPEN);
      io.engine.on("connection_error", ({ context: why }) => assert.fail(JSON.stringify(why)));
      assert.equal(await attempt(port, way, () => {}), way.open);
    });
  }
});

const GATE_NAMES = Object.keys(GATES).filter((name): name is GateName => name in GATES);
const WAY_NAMES = Object.keys(WAYS).filter((name): name is WayIn => name in WAYS);

for (const gate of GATE_NAMES) {
  describe(`${gate}:`, () => {
    for (const name of WAY_NAMES) {
      const outcome = OUTCOMES[gate][name];
      const way = WAYS[name];
      const refused = typeof outcome === "string";
      const title = refused ? `is rejected: ${outcome}` : `is accepted: ${outcome.does_not_apply}`;
      test(`${name} ${title}`, async (context) => {
        const { options = () => OPEN, close = () => {}, attempt: change } = GATES[gate];
        const { port, io } = await serve(context, options(way));
        const errors: string[] = [];
        const beforehand = (): void => {
          errors.length = 0;
          close(io);
        };
        io.engine.on("connection_error", ({ message, context: why }) => {
          errors.push(typeof why.name === "string" ? why.name : message);
        });
        const status = await attempt(port, way, beforehand, change);
        assert.equal([status, ...errors].join(" "), refused ? outcome : `${way.open}`);
      });
    }
  });
}

describe("The id of an existing session", () => {
  test("cannot be distinguished from an unknown id by a page of another origin", async (context) => {
    const { port } = await serve(context, REST);
    const { path } = await PollingClient.open(port);
    const answers = await Promise.all(
      [path, `${path}x`].map((each) => ask(port, each, { headers: { Origin: EVIL } })),
    );
    const body = '{"code":3,"message":"Origin not allowed"}';
    assert.deepEqual(
      answers.map((answer) => [answer.status, answer.body]),
      [
        [400, body],
        [400, body],
      ],
    );
  });
});
