// Engine.IO 4: the handshake, and what is refused.

import { type Case, expect, expectSame } from "../kit/case.ts";
import type { Context } from "../kit/context.ts";
import {
  encodeQuery,
  expectRefusal,
  type OpenPacket,
  PollingSession,
  parseObject,
  pathWith,
  type Query,
  readOpen,
  WebSocketSession,
} from "../kit/engineio.ts";
import { shakeHands } from "../kit/websocket.ts";

const CLAUSE = "Engine.IO v4, Handshake";
const QUERY = { EIO: "4", transport: "polling" } as const;

/** What the open packet must say of numbers. */
const NUMBERS: readonly Case[] = (["pingInterval", "pingTimeout", "maxPayload"] as const).map(
  (name) => ({
    id: `engineio4.handshake.${name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`,
    title: `tells ${name} in the open packet`,
    clause: CLAUSE,
    severity: "MUST",
    sends: "a GET without a session's id",
    expects: `an open packet whose ${name} is a number greater than 0`,
    run: async (context) => {
      const { open } = await PollingSession.open(context);
      expect(Number.isInteger(open[name]) && open[name] > 0, "a number", `${open.fields[name]}`);
    },
  }),
);

/** How many handshakes show that ids differ. */
const MANY = 50;

async function openMany(context: Context): Promise<string[]> {
  const sessions = Array.from({ length: MANY }, () => PollingSession.open(context));
  return (await Promise.all(sessions)).map(({ sid }) => sid);
}

/** What is the same in both handshakes: all but the id and where to go from there. */
function settings({ pingInterval, pingTimeout, maxPayload }: OpenPacket): unknown {
  return { pingInterval, pingTimeout, maxPayload };
}

const HANDSHAKE: readonly Case[] = [
  {
    id: "engineio4.handshake.polling",
    title: "opens a session for a GET without an id",
    clause: CLAUSE,
    severity: "MUST",
    sends: "a GET without a session's id",
    expects: "200 and nothing but an open packet with a JSON object",
    run: async (context) => {
      const answer = await context.http({ path: pathWith(context.target, QUERY) });
      expect(answer.status === 200, "status 200", `status ${answer.status}`);
      readOpen(answer.body);
    },
  },
  {
    id: "engineio4.handshake.sid",
    title: "names the session with an id that is good for requests",
    clause: CLAUSE,
    severity: "MUST",
    sends: "a GET without an id, and a POST with the id that it brought",
    expects: "the message back",
    run: async (context) => {
      const session = await PollingSession.open(context);
      expect(session.sid !== "", "an id", "an empty one");
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.handshake.sid-unique",
    title: "names each session with an id of its own",
    clause: CLAUSE,
    severity: "MUST",
    sends: `${MANY} handshakes`,
    expects: `${MANY} ids`,
    run: async (context) => {
      const ids = new Set(await openMany(context));
      expect(ids.size === MANY, `${MANY} ids`, `${ids.size}`);
    },
  },
  {
    id: "engineio4.handshake.sid-unguessable",
    title: "names sessions with ids that cannot be guessed",
    clause: "Engine.IO v4, Session identifier",
    severity: "SHOULD",
    sends: `${MANY} handshakes`,
    expects: "ids of 16 characters and more, any two of which differ in 8 places and more",
    run: async (context) => {
      const ids = await openMany(context);
      const short = ids.find((id) => id.length < 16);
      expect(short === undefined, "16 characters and more", `"${short}"`);
      for (const [at, one] of ids.entries()) {
        for (const other of ids.slice(at + 1)) {
          const places = [...one].filter((letter, i) => letter !== other[i]).length;
          expect(places >= 8, "8 places that differ", `"${one}" and "${other}"`);
        }
      }
    },
  },
  {
    id: "engineio4.handshake.upgrades",
    title: "lists the transports that a session over polling can change to",
    clause: CLAUSE,
    severity: "MUST",
    sends: "a GET without a session's id",
    expects: 'an open packet with upgrades ["websocket"]',
    run: async (context) => {
      const { open } = await PollingSession.open(context);
      expectSame(open.fields.upgrades, ["websocket"], "upgrades");
    },
  },
  ...NUMBERS,
  {
    id: "engineio4.handshake.content-type",
    title: "calls a payload text in UTF-8",
    clause: "Engine.IO v4, Headers",
    severity: "SHOULD",
    sends: "a GET without a session's id",
    expects: "Content-Type: text/plain; charset=UTF-8",
    run: async (context) => {
      const { headers } = await context.http({ path: pathWith(context.target, QUERY) });
      const type = `${headers["content-type"]}`;
      const fits = /^text\/plain; *charset=utf-8$/i.test(type);
      expect(fits, "text/plain; charset=UTF-8", type);
    },
  },
  {
    id: "engineio4.handshake.cache-control",
    title: "lets nobody keep a payload",
    clause: "RFC 9111 §5.2.2.5",
    severity: "INFO",
    sends: "a GET without a session's id",
    expects: "Cache-Control: no-store",
    run: async (context) => {
      const { headers } = await context.http({ path: pathWith(context.target, QUERY) });
      const control = `${headers["cache-control"]}`;
      expect(control.includes("no-store"), "Cache-Control: no-store", control);
    },
  },
  {
    id: "engineio4.handshake.other-parameters",
    title: "takes no notice of other parameters in the query",
    clause: "Engine.IO v4, Query parameters",
    severity: "MUST",
    sends: "a GET with t and others in its query",
    expects: "a session that echoes",
    run: async (context) => {
      const query = { t: "Oa8sX3q", token: "a b&c=d", EIO4: "3", "": "x" };
      const session = await PollingSession.open(context, { query });
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.handshake.escaped-query",
    title: "reads a query that is percent-encoded",
    clause: "RFC 3986 §2.1",
    severity: "SHOULD",
    sends: "a GET with transport=%70olling&EIO=%34",
    expects: "an open packet",
    run: async (context) => {
      const path = `${context.target.engineioPath}?transport=%70olling&EIO=%34`;
      const { body } = await context.http({ path });
      readOpen(body);
    },
  },
  {
    id: "engineio4.handshake.websocket",
    title: "opens a session for a WebSocket without an id",
    clause: CLAUSE,
    severity: "MUST",
    sends: "a WebSocket handshake without a session's id, and a message",
    expects: "a text frame with the open packet first, and the message back",
    run: async (context) => {
      const { session } = await WebSocketSession.open(context);
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.handshake.websocket-upgrades",
    title: "lists no transport to change to over WebSocket",
    clause: CLAUSE,
    severity: "MUST",
    sends: "a WebSocket handshake without a session's id",
    expects: "an open packet with upgrades []",
    run: async (context) => {
      const { open } = await WebSocketSession.open(context);
      expectSame(open.fields.upgrades, [], "upgrades");
    },
  },
  {
    id: "engineio4.handshake.websocket-settings",
    title: "tells the same intervals and limits over both transports",
    clause: CLAUSE,
    severity: "SHOULD",
    sends: "a handshake over polling and one over WebSocket",
    expects: "the same pingInterval, pingTimeout and maxPayload",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const { open } = await WebSocketSession.open(context);
      expectSame(settings(open), settings(polling.open), "settings");
      expect(open.sid !== polling.sid, "another id", "the same one");
    },
  },
];

interface Refused {
  readonly name: string;
  readonly title: string;
  /**
   * The document: "If a mandatory query parameter is missing, then the server MUST respond with an
   * HTTP 400". But that of revision 3 knows no EIO, so a server that speaks both may do without.
   */
  readonly severity: Case["severity"];
  readonly method?: string;
  readonly query: Query;
  /** What the reference implementation, and clients, call it. */
  readonly code: number;
}

const PARAMETERS = "Engine.IO v4, Query parameters";

// biome-ignore format: aligned table
const REFUSED: readonly Refused[] = [
  { name: "transport-missing",     title: "a request without transport",           severity: "MUST",   query: { EIO: "4" }, code: 0 },
  { name: "transport-unknown",     title: "a transport that there is not",         severity: "MUST",   query: { EIO: "4", transport: "pigeon" }, code: 0 },
  { name: "transport-empty",       title: "a transport without a name",            severity: "MUST",   query: { EIO: "4", transport: "" }, code: 0 },
  { name: "transport-constructor", title: "a transport called as a property that all objects have", severity: "MUST", query: { EIO: "4", transport: "constructor" }, code: 0 },
  { name: "transport-proto",       title: "a transport called __proto__",          severity: "MUST",   query: { EIO: "4", transport: "__proto__" }, code: 0 },
  { name: "sid-unknown",           title: "a GET for a session that there is not", severity: "MUST",   query: { ...QUERY, sid: "AAAAAAAAAAAAAAAAAAAA" }, code: 1 },
  { name: "sid-unknown-post",      title: "a POST for a session that there is not", severity: "MUST",  method: "POST", query: { ...QUERY, sid: "AAAAAAAAAAAAAAAAAAAA" }, code: 1 },
  { name: "sid-proto",             title: "a session called __proto__",            severity: "MUST",   query: { ...QUERY, sid: "__proto__" }, code: 1 },
  { name: "sid-constructor",       title: "a session called constructor",          severity: "MUST",   query: { ...QUERY, sid: "constructor" }, code: 1 },
  { name: "method-post",           title: "a handshake with POST",                 severity: "SHOULD", method: "POST", query: QUERY, code: 2 },
  { name: "method-put",            title: "a handshake with PUT",                  severity: "SHOULD", method: "PUT", query: QUERY, code: 2 },
  { name: "method-delete",         title: "a handshake with DELETE",               severity: "SHOULD", method: "DELETE", query: QUERY, code: 2 },
  { name: "websocket-without-upgrade", title: "transport=websocket in a request that is no WebSocket handshake", severity: "MUST", query: { EIO: "4", transport: "websocket" }, code: 3 },
  { name: "eio-missing",           title: "a request without EIO",                 severity: "SHOULD", query: { transport: "polling" }, code: 5 },
  { name: "eio-unknown",           title: "a revision that there is not",          severity: "SHOULD", query: { ...QUERY, EIO: "5" }, code: 5 },
  { name: "eio-old",               title: "revision 2",                            severity: "SHOULD", query: { ...QUERY, EIO: "2" }, code: 5 },
  { name: "eio-no-number",         title: "a revision that is no number",          severity: "SHOULD", query: { ...QUERY, EIO: "abc" }, code: 5 },
];

const REFUSALS: readonly Case[] = REFUSED.map(({ name, title, severity, method, query, code }) => ({
  id: `engineio4.refusal.${name}`,
  title: `refuses ${title}`,
  clause: PARAMETERS,
  severity,
  sends: `${method ?? "GET"} with ${encodeQuery(query)}`,
  expects: code === 2 ? "400, or 405" : "400",
  run: async (context) => {
    const path = pathWith(context.target, query);
    const answer = await context.http(method === undefined ? { path } : { method, path });
    if (code !== 2 || answer.status !== 405) expectRefusal(answer);
  },
}));

/** One of each code: what clients look at. */
const CODED = [
  "transport-unknown",
  "sid-unknown",
  "method-post",
  "websocket-without-upgrade",
  "eio-unknown",
];

const CODES: readonly Case[] = REFUSED.filter(({ name }) => CODED.includes(name)).map(
  ({ title, method, query, code }) => ({
    id: `engineio4.refusal.code-${code}`,
    title: `says with code ${code} why it refuses ${title}`,
    clause: CLAUSE,
    severity: "SHOULD",
    sends: `${method ?? "GET"} with ${encodeQuery(query)}`,
    expects: `400 with application/json: {"code":${code},"message":"…"}`,
    run: async (context) => {
      const path = pathWith(context.target, query);
      const answer = await context.http(method === undefined ? { path } : { method, path });
      expectRefusal(answer, code);
      const type = `${answer.headers["content-type"]}`;
      expect(type.startsWith("application/json"), "application/json", type);
      const keys = Object.keys(parseObject(answer.body) ?? {});
      expectSame(keys.sort(), ["code", "message"], "fields");
    },
  }),
);

// biome-ignore format: aligned table
const REFUSED_WEBSOCKETS: readonly Refused[] = [
  { name: "transport-unknown", title: "a transport that there is not",      severity: "MUST",   query: { EIO: "4", transport: "pigeon" }, code: 0 },
  { name: "transport-polling", title: "a WebSocket with transport=polling", severity: "SHOULD", query: QUERY, code: 3 },
  { name: "transport-missing", title: "a WebSocket without transport",      severity: "MUST",   query: { EIO: "4" }, code: 0 },
  { name: "sid-unknown",       title: "a WebSocket for a session that there is not", severity: "MUST", query: { EIO: "4", transport: "websocket", sid: "AAAAAAAAAAAAAAAAAAAA" }, code: 1 },
  { name: "eio-missing",       title: "a WebSocket without EIO",            severity: "SHOULD", query: { transport: "websocket" }, code: 5 },
  { name: "eio-unknown",       title: "a WebSocket of a revision that there is not", severity: "SHOULD", query: { EIO: "5", transport: "websocket" }, code: 5 },
];

const WEBSOCKET_REFUSALS: readonly Case[] = REFUSED_WEBSOCKETS.map(
  ({ name, title, severity, query }) => ({
    id: `engineio4.refusal.websocket-${name}`,
    title: `refuses ${title} before the connection is a WebSocket`,
    clause: PARAMETERS,
    severity,
    sends: `a WebSocket handshake with ${encodeQuery(query)}`,
    expects: "an HTTP error instead of 101",
    run: async (context) => {
      const path = pathWith(context.target, query);
      const tcp = await context.tcp();
      const { status } = await shakeHands(tcp, context.target, context.conversation, { path });
      expect(status >= 400 && status < 500, "status 400", `status ${status}`);
    },
  }),
);

const MISMATCHES: readonly Case[] = [
  {
    id: "engineio4.refusal.poll-of-websocket",
    title: "refuses polling for a session that is over WebSocket",
    clause: "Engine.IO v4, Session identifier",
    severity: "MUST",
    sends: "a session over WebSocket, and a GET with its id",
    expects: "400, and the session goes on",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      const path = pathWith(context.target, { ...QUERY, sid: open.sid });
      expectRefusal(await context.http({ path }));
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.refusal.post-to-websocket",
    title: "refuses a POST for a session that is over WebSocket",
    clause: "Engine.IO v4, Session identifier",
    severity: "MUST",
    sends: "a session over WebSocket, and a POST with its id",
    expects: "400, no message, and the session goes on",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      const path = pathWith(context.target, { ...QUERY, sid: open.sid });
      expectRefusal(await context.http({ method: "POST", path, body: "4astray" }));
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.refusal.websocket-request-of-polling",
    title: "refuses transport=websocket without an upgrade for a session over polling",
    clause: "Engine.IO v4, Session identifier",
    severity: "MUST",
    sends: "a session over polling, and a plain GET with transport=websocket and its id",
    expects: "400, and the session goes on",
    run: async (context) => {
      const session = await PollingSession.open(context);
      expectRefusal(await context.http({ path: session.path({ transport: "websocket" }) }));
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.refusal.transport-missing-in-session",
    title: "refuses a request of a session without transport",
    clause: PARAMETERS,
    severity: "MUST",
    sends: "a GET with the id of a session, without transport",
    expects: "400, and the session goes on",
    run: async (context) => {
      const session = await PollingSession.open(context);
      expectRefusal(await context.http({ path: session.path({ transport: undefined }) }));
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.refusal.eio-of-another-revision",
    title: "refuses a request of a session with another revision",
    clause: PARAMETERS,
    severity: "SHOULD",
    sends: "a POST with the id of a session and EIO=3",
    expects: "400, and the session goes on",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const path = session.path({ EIO: "3" });
      expectRefusal(await context.http({ method: "POST", path, body: "4astray" }));
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.refusal.method-in-session",
    title: "takes neither PUT nor DELETE for a session",
    clause: "Engine.IO v4, Sending and receiving data",
    severity: "SHOULD",
    sends: "a PUT and a DELETE with the id of a session",
    expects: "an error each time, and no message",
    run: async (context) => {
      const session = await PollingSession.open(context);
      for (const method of ["PUT", "DELETE"]) {
        const path = session.path();
        const { status } = await context.http({ method, path, body: "4astray" });
        expect(status >= 400, "an error", `status ${status}`);
      }
    },
  },
];

export const HANDSHAKE4: readonly Case[] = [
  ...HANDSHAKE,
  ...REFUSALS,
  ...CODES,
  ...WEBSOCKET_REFUSALS,
  ...MISMATCHES,
];
