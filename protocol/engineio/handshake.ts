// The handshake: a request's query becomes a session or one of six refusals, and the open packet
// tells the client of its session. Engine.IO "Handshake".

import { encodePacket, OPEN } from "./packet.ts";
import { ProtocolError } from "./rules.ts";

/** A revision of the protocol: 4 is current, 3 that of Socket.IO 1.x and 2.x. */
export type Revision = 3 | 4;

/** The revisions as "EIO" in the query has them. */
const REVISIONS: ReadonlyMap<string, Revision> = new Map([
  ["4", 4],
  ["3", 3],
]);

export type TransportName = "polling" | "websocket";

interface RefusalDetails {
  readonly code: number;
  /** Of the HTTP response. */
  readonly status: number;
  readonly message: string;
}

/**
 * Why a request is refused. Clients know the codes. The last one is not of the protocol: it has the code of a refusal
 * that the server decides on, and the status of a server that will accept the client later (RFC 9110 §15.6.4).
 */
// biome-ignore format: aligned table
export const REFUSALS = {
  UNKNOWN_TRANSPORT:            { code: 0, status: 400, message: "Transport unknown" },
  UNKNOWN_SID:                  { code: 1, status: 400, message: "Session ID unknown" },
  BAD_HANDSHAKE_METHOD:         { code: 2, status: 400, message: "Bad handshake method" },
  BAD_REQUEST:                  { code: 3, status: 400, message: "Bad request" },
  FORBIDDEN:                    { code: 4, status: 403, message: "Forbidden" },
  UNSUPPORTED_PROTOCOL_VERSION: { code: 5, status: 400, message: "Unsupported protocol version" },
  TOO_MANY_CONNECTIONS:         { code: 4, status: 503, message: "Too many connections" },
} as const satisfies Record<string, RefusalDetails>;

export type RefusalName = keyof typeof REFUSALS;

/** The query of a URL by its names ("Query parameters"); of a name that comes twice the last. A Map, since names come from outside. */
export function parseQuery(search: string): ReadonlyMap<string, string> {
  // The common case: nothing to be decoded, as in the queries of all clients that add none of their own.
  if (ESCAPED.test(search)) return new Map(new URLSearchParams(search));
  const query = new Map<string, string>();
  for (const part of search.split("&")) {
    const end = part.indexOf("=");
    if (end !== -1) query.set(part.slice(0, end), part.slice(end + 1));
    else if (part !== "") query.set(part, "");
  }
  return query;
}

/** What URLSearchParams reads as something else than it is. */
const ESCAPED = /[%+]|^\?/;

export interface EngineRequest {
  /** Of HTTP, such as "GET". */
  readonly method: string;
  readonly query: ReadonlyMap<string, string>;
  /** It asks for an upgrade to WebSocket. */
  readonly upgrade: boolean;
}

/** What the server knows of the session that a request names. */
export interface KnownSession {
  /** The name of its transport, which may be one without HTTP requests. */
  readonly transport: string;
  readonly protocol: Revision;
}

/** A request that is refused. */
export interface Refusal {
  readonly kind: "refused";
  readonly refusal: RefusalName;
  /** The text that the client receives. */
  readonly message: string;
  /** The exact mistake, which the client does not receive. */
  readonly context: Readonly<Record<string, unknown>>;
}

/** What a request means. */
export type Admission =
  | Refusal
  | {
      readonly kind: "handshake";
      readonly transport: TransportName;
      readonly protocol: Revision;
    }
  | {
      readonly kind: "session";
      readonly sid: string;
      readonly transport: TransportName;
      /** The session is to change to this request's transport. */
      readonly upgrade: boolean;
    };

/**
 * Decides what a request means, before any of it is acted on.
 *
 * @param transports those that this server offers
 * @param revisions those that it speaks
 * @param find the session with an id
 */
export function admit(
  request: EngineRequest,
  transports: readonly TransportName[],
  revisions: readonly Revision[],
  find: (sid: string) => KnownSession | undefined,
): Admission {
  const { method, query, upgrade } = request;
  const name = query.get("transport");
  const transport = transports.find((each) => each === name);
  if (transport === undefined) return refuse("UNKNOWN_TRANSPORT", { transport: name });
  // Only a WebSocket is upgraded to, and it is never had without an upgrade.
  const fits = upgrade === (transport === "websocket");

  const asked = query.get("EIO");
  const protocol = REVISIONS.get(asked ?? "");
  const sid = query.get("sid");
  if (sid !== undefined) {
    const session = find(sid);
    if (session === undefined) return refuse("UNKNOWN_SID", { sid });
    if (protocol !== session.protocol)
      return refuse("BAD_REQUEST", { name: "PROTOCOL_MISMATCH", protocol: asked });
    if (!fits || (!upgrade && session.transport !== transport)) {
      const previousTransport = session.transport;
      return refuse("BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport, previousTransport });
    }
    return { kind: "session", sid, transport, upgrade };
  }

  if (method !== "GET") return refuse("BAD_HANDSHAKE_METHOD", { method });
  if (!fits) return refuse("BAD_REQUEST", { name: "TRANSPORT_HANDSHAKE_ERROR", transport });
  if (protocol === undefined || !revisions.includes(protocol)) {
    const { message } = REFUSALS.UNSUPPORTED_PROTOCOL_VERSION;
    // Not repeated unless it is a number: it may end up in a page.
    const theirs = /^\d{1,3}$/.test(asked ?? "") ? `Engine.IO ${asked}` : "no Engine.IO known here";
    const both = `the client speaks ${theirs}, the server ${revisions.join(" and ")}`;
    const context = { protocol: asked };
    return refuse("UNSUPPORTED_PROTOCOL_VERSION", context, `${message}: ${both}`);
  }
  return { kind: "handshake", transport, protocol };
}

/** Creates a refusal. The message defaults to that of REFUSALS. */
export function refuse(
  refusal: RefusalName,
  context: Readonly<Record<string, unknown>>,
  message: string = REFUSALS[refusal].message,
): Refusal {
  return { kind: "refused", refusal, message, context };
}

/** What the server tells a client of its new session. */
export interface OpenPacket {
  /** The session's id. */
  readonly sid: string;
  /** Transports that the client may change to. */
  readonly upgrades: readonly string[];
  /** Milliseconds between two pings of the server. */
  readonly pingInterval: number;
  /** Milliseconds that a ping may be late. */
  readonly pingTimeout: number;
  /** Bytes in one payload. */
  readonly maxPayload: number;
}

/** The open packet as it travels. */
export function encodeOpen({
  sid,
  upgrades,
  pingInterval,
  pingTimeout,
  maxPayload,
}: OpenPacket): string {
  return encodePacket(
    OPEN,
    JSON.stringify({ sid, upgrades, pingInterval, pingTimeout, maxPayload }),
  );
}

/** Reads the data of an open packet. Throws ProtocolError. */
export function decodeOpen(data: string): OpenPacket {
  const { sid, upgrades, pingInterval, pingTimeout, maxPayload } = fieldsOf(data);
  if (
    typeof sid !== "string" ||
    !Array.isArray(upgrades) ||
    !upgrades.every((upgrade) => typeof upgrade === "string") ||
    !isMilliseconds(pingInterval) ||
    !isMilliseconds(pingTimeout)
  ) {
    throw new ProtocolError("OPEN_PACKET");
  }
  // Servers of the first versions of this revision did not say it.
  const limit = isMilliseconds(maxPayload) ? maxPayload : Number.POSITIVE_INFINITY;
  return { sid, upgrades, pingInterval, pingTimeout, maxPayload: limit };
}

function fieldsOf(text: string): Partial<Record<keyof OpenPacket, unknown>> {
  try {
    return { ...JSON.parse(text) };
  } catch {
    throw new ProtocolError("OPEN_PACKET");
  }
}

function isMilliseconds(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}
