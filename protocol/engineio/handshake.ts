// The handshake. The server reads the query of an HTTP request, and creates a session, finds a session, or refuses
// the request. The open packet describes a new session to the client. Engine.IO "Handshake".

import { encodePacket, OPEN } from "./packet.ts";
import { ProtocolError } from "./rules.ts";

/** A revision of Engine.IO. 4 is the current revision. Socket.IO 1.x and 2.x use revision 3. */
export type Revision = 3 | 4;

/** The revisions by the value of "EIO" in the query. */
const REVISIONS: ReadonlyMap<string, Revision> = new Map([
  ["4", 4],
  ["3", 3],
]);

/** The name of a transport. */
export type TransportName = "polling" | "websocket";

/** A reason for which the server refuses a request. */
export interface RefusalDetails {
  /** The code in the body of the HTTP response. */
  readonly code: number;
  /** The status of the HTTP response. */
  readonly status: number;
  /** The message in the body of the HTTP response. */
  readonly message: string;
}

// biome-ignore format: aligned table
const TABLE = {
  UNKNOWN_TRANSPORT:            { code: 0, status: 400, message: "Transport unknown" },
  UNKNOWN_SID:                  { code: 1, status: 400, message: "Session ID unknown" },
  BAD_HANDSHAKE_METHOD:         { code: 2, status: 400, message: "Bad handshake method" },
  BAD_REQUEST:                  { code: 3, status: 400, message: "Bad request" },
  FORBIDDEN:                    { code: 4, status: 403, message: "Forbidden" },
  UNSUPPORTED_PROTOCOL_VERSION: { code: 5, status: 400, message: "Unsupported protocol version" },
  TOO_MANY_CONNECTIONS:         { code: 4, status: 503, message: "Too many connections" },
} as const satisfies Record<string, RefusalDetails>;

/**
 * The name of a refusal.
 *
 * @useDeclaredType
 */
export type RefusalName = keyof typeof TABLE;

/**
 * The reasons for which the server refuses a request, by name. The codes are those of the reference server, engine.io.
 *
 * TOO_MANY_CONNECTIONS is not part of the protocol. It has the same code as FORBIDDEN. Its status is 503, because the
 * server may accept the client later (RFC 9110 §15.6.4).
 */
export const REFUSALS: Readonly<Record<RefusalName, RefusalDetails>> = TABLE;

/**
 * Parses the query of a URL ("Query parameters"). If a name occurs twice, the last value is used. The result is a Map,
 * because a received name such as "__proto__" is not safe as a key of an object.
 *
 * @param search the query, with or without the leading "?"
 */
export function parseQuery(search: string): ReadonlyMap<string, string> {
  // In the common case, the query contains only the parameters of the protocol, which need no decoding.
  if (ESCAPED.test(search)) return new Map(new URLSearchParams(search));
  const query = new Map<string, string>();
  for (const part of search.split("&")) {
    const end = part.indexOf("=");
    if (end !== -1) query.set(part.slice(0, end), part.slice(end + 1));
    else if (part !== "") query.set(part, "");
  }
  return query;
}

/** Matches a query string that URLSearchParams would change: it decodes % and +, and removes a leading question mark. */
const ESCAPED = /[%+]|^\?/;

/** An HTTP request to an Engine.IO server. */
export interface EngineRequest {
  /** The HTTP method, such as "GET". */
  readonly method: string;
  /** The query, see parseQuery(). */
  readonly query: ReadonlyMap<string, string>;
  /** Whether the request is an upgrade to WebSocket. */
  readonly upgrade: boolean;
}

/** The session whose id is in a request. */
export interface KnownSession {
  /** The name of the current transport. In tests, this may also be "memory". */
  readonly transport: string;
  /** The revision with which the session was created. */
  readonly protocol: Revision;
}

/** The server refuses a request. */
export interface Refusal {
  /** Distinguishes the members of Admission. */
  readonly kind: "refused";
  /** The name of the refusal in REFUSALS. */
  readonly refusal: RefusalName;
  /** The message that the client receives. */
  readonly message: string;
  /** Details of the mistake, such as the unknown session id. The client does not receive them. */
  readonly context: Readonly<Record<string, unknown>>;
}

/**
 * The decision of a server about a request: the server refuses the request, creates a session, or passes the request to
 * an existing session.
 */
export type Admission = Refusal | HandshakeAdmission | SessionAdmission;

/** The request creates a session. */
export interface HandshakeAdmission {
  /** Distinguishes the members of Admission. */
  readonly kind: "handshake";
  /** The transport of the new session. */
  readonly transport: TransportName;
  /** The revision of the new session. */
  readonly protocol: Revision;
}

/** The request belongs to an existing session. */
export interface SessionAdmission {
  /** Distinguishes the members of Admission. */
  readonly kind: "session";
  /** The id of the session. */
  readonly sid: string;
  /** The transport of the request. */
  readonly transport: TransportName;
  /** Whether the client wants the session to change to the transport of this request. */
  readonly upgrade: boolean;
}

/**
 * Decides whether a request creates a session, belongs to an existing session, or is refused ("Handshake").
 *
 * @param request the request
 * @param transports the transports that the server supports
 * @param revisions the revisions that the server supports
 * @param find returns the session with an id, or `undefined`
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
  // A request for the transport "websocket" must be an upgrade request, and a request for "polling" must not.
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
    // The message contains the client's value of "EIO" only if the value is a short number. Any other value could
    // contain HTML, and a client may insert the message into a page.
    const theirs = /^\d{1,3}$/.test(asked ?? "")
      ? `Engine.IO ${asked}`
      : "an unknown revision of Engine.IO";
    const both = `the client speaks ${theirs}, the server ${revisions.join(" and ")}`;
    const context = { protocol: asked };
    return refuse("UNSUPPORTED_PROTOCOL_VERSION", context, `${message}: ${both}`);
  }
  return { kind: "handshake", transport, protocol };
}

/**
 * Creates a refusal.
 *
 * @param refusal the name of the refusal
 * @param context details, which the client does not receive
 * @param message the message that the client receives. Default: the message in REFUSALS.
 */
export function refuse(
  refusal: RefusalName,
  context: Readonly<Record<string, unknown>>,
  message: string = REFUSALS[refusal].message,
): Refusal {
  return { kind: "refused", refusal, message, context };
}

/** The data of an open packet, which describes a new session to the client ("Handshake"). */
export interface OpenPacket {
  /** The id of the session. */
  readonly sid: string;
  /** The transports to which the client may change. */
  readonly upgrades: readonly string[];
  /** The interval between two pings of the server, in milliseconds. */
  readonly pingInterval: number;
  /** How long after `pingInterval` the client still waits for a ping, in milliseconds. */
  readonly pingTimeout: number;
  /** The largest payload that the server accepts, in bytes. */
  readonly maxPayload: number;
}

/**
 * Encodes an open packet.
 *
 * @param packet the data of the packet
 */
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

/**
 * Decodes the data of an open packet.
 *
 * @param data the packet without its type
 * @throws ProtocolError if the data is not JSON, or if a required property is missing or invalid
 */
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
  // Early servers of this revision do not send maxPayload.
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
