// The opening handshake (RFC 6455 §4). For a server, decideHandshake() decides how to respond to a request. For a
// client, offerHandshake() creates the headers of the request, and judgeHandshake() checks the response.

import { createHash } from "node:crypto";

import {
  acceptDeflate,
  type DeflateParameters,
  type DeflatePreferences,
  deflateOffer,
  deflateResponse,
  readDeflateResponse,
} from "./deflate-negotiation.ts";
import { type Extension, formatExtensions, isToken, parseExtensions } from "./extensions.ts";

/** The version of the protocol (RFC 6455 §4.1, item 9). */
export const VERSION = "13";

/** A rule of the opening handshake that a client can break. */
export interface HandshakeRule {
  /** The document and the section, such as "RFC 6455 §4.2.1". */
  readonly section: string;
  /** The status of the HTTP response (RFC 6455 §4.2.2, §4.4). */
  readonly status: number;
  /** The text of the HTTP response. */
  readonly text: string;
}

// biome-ignore format: aligned table
const TABLE = {
  METHOD:       { section: "RFC 6455 §4.2.1", status: 405, text: "Invalid HTTP method" },
  HTTP_VERSION: { section: "RFC 6455 §4.2.1", status: 400, text: "Invalid HTTP version" },
  HOST:         { section: "RFC 6455 §4.2.1", status: 400, text: "Missing Host header" },
  UPGRADE:      { section: "RFC 6455 §4.2.1", status: 400, text: "Invalid Upgrade header" },
  CONNECTION:   { section: "RFC 6455 §4.2.1", status: 400, text: "Invalid Connection header" },
  KEY:          { section: "RFC 6455 §4.2.1", status: 400, text: "Missing or invalid Sec-WebSocket-Key header" },
  VERSION:      { section: "RFC 6455 §4.4",   status: 400, text: "Missing or invalid Sec-WebSocket-Version header" },
  PROTOCOL:     { section: "RFC 6455 §4.2.1", status: 400, text: "Invalid Sec-WebSocket-Protocol header" },
  EXTENSIONS:   { section: "RFC 6455 §9.1",   status: 400, text: "Invalid or unacceptable Sec-WebSocket-Extensions header" },
} as const satisfies Record<string, HandshakeRule>;

/**
 * The name of a rule of the opening handshake.
 *
 * @useDeclaredType
 */
export type HandshakeRuleName = keyof typeof TABLE;

/** The rules for which a server rejects an opening handshake, by name (RFC 6455 §4.2.2, §4.4). */
export const HANDSHAKE_RULES: Readonly<Record<HandshakeRuleName, HandshakeRule>> = TABLE;

/**
 * Header fields by their names in lower case. If several fields have the same name, their values are a list, or one
 * string joined by ", ", as in Node's `headers`.
 */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The request of an opening handshake, such as Node's IncomingMessage. */
export interface HandshakeRequest {
  /** The HTTP method, such as "GET". */
  readonly method?: string | undefined;
  /** The HTTP version, such as "1.1". */
  readonly httpVersion: string;
  /** The header fields. */
  readonly headers: Headers;
}

/** Options of decideHandshake(). */
export interface HandshakeOptions {
  /**
   * Chooses one of the subprotocols that the client offers. The list is in the client's order of preference. Returns
   * `undefined` for none. Default: the first subprotocol (RFC 6455 §4.2.2).
   *
   * @param offered the subprotocols that the client offers, in its order of preference
   */
  readonly selectProtocol?: ((offered: readonly string[]) => string | undefined) | undefined;
  /** Accept permessage-deflate with these preferences. Default: do not accept it. */
  readonly deflate?: DeflatePreferences | undefined;
}

/** The decision of a server to accept a request of an opening handshake, or to reject it. */
export type HandshakeDecision =
  | {
      /** The server accepts the request with status 101. */
      readonly accepted: true;
      /** The header fields of the response, as pairs of name and value (RFC 6455 §4.2.2, item 5). */
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** The chosen subprotocol, or "" for none. */
      readonly protocol: string;
      /** The agreed parameters of permessage-deflate, or `undefined` if the messages are not compressed. */
      readonly deflate: DeflateParameters | undefined;
    }
  | {
      /** The server rejects the request. */
      readonly accepted: false;
      /** The name of the broken rule in HANDSHAKE_RULES. */
      readonly rule: HandshakeRuleName;
    };

// Matches sixteen bytes in base64 (RFC 6455 §4.1, item 7).
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Decides how a server responds to an opening handshake (RFC 6455 §4.2). Several Sec-WebSocket-Extensions or
 * Sec-WebSocket-Protocol fields are read as one list (RFC 6455 §11.3.2, §11.3.4). The response contains each field once
 * (RFC 6455 §11.3.3).
 *
 * @param request the request of the client
 * @param options the preferences of the server. Default: the first subprotocol, no compression.
 * @throws TypeError if `selectProtocol` returns a subprotocol that the client did not offer
 */
export function decideHandshake(
  request: HandshakeRequest,
  options: HandshakeOptions = {},
): HandshakeDecision {
  const { headers } = request;
  const key = headers["sec-websocket-key"];
  const rule = brokenRule(request);
  if (rule !== undefined) return { accepted: false, rule };

  const offered = parseProtocols(headers["sec-websocket-protocol"]);
  if (offered === undefined) return { accepted: false, rule: "PROTOCOL" };
  const extensions = parseExtensionHeader(headers["sec-websocket-extensions"]);
  if (extensions === undefined) return { accepted: false, rule: "EXTENSIONS" };

  const response: [string, string][] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", acceptKey(String(key))],
  ];
  const protocol = selectProtocol(offered, options.selectProtocol);
  if (protocol !== "") response.push(["Sec-WebSocket-Protocol", protocol]);
  const deflate = options.deflate && acceptDeflate(extensions, options.deflate);
  if (deflate !== undefined) {
    response.push(["Sec-WebSocket-Extensions", formatExtensions([deflateResponse(deflate)])]);
  }
  return { accepted: true, headers: response, protocol, deflate };
}

/**
 * Checks the items of RFC 6455 §4.2.1 in their order. Returns the first broken rule, or `undefined`. Node joins the
 * values of duplicate key or version fields with a comma. The result is an invalid key or version
 * (RFC 6455 §11.3.1, §11.3.5).
 */
function brokenRule({
  method,
  httpVersion,
  headers,
}: HandshakeRequest): HandshakeRuleName | undefined {
  if (method !== "GET") return "METHOD";
  if (!(Number(httpVersion) >= 1.1)) return "HTTP_VERSION";
  if (headers.host === undefined) return "HOST";
  if (!hasItem(headers.upgrade, "websocket")) return "UPGRADE";
  if (!hasItem(headers.connection, "upgrade")) return "CONNECTION";
  const key = headers["sec-websocket-key"];
  if (typeof key !== "string" || !KEY.test(key)) return "KEY";
  if (headers["sec-websocket-version"] !== VERSION) return "VERSION";
  return undefined;
}

/**
 * Returns the subprotocol that a server chooses, or "" for none (RFC 6455 §1.9). By default the server chooses the
 * first offer, because a client fails the connection if the server chooses none of its offers.
 *
 * @param offered the subprotocols that the client offers, in its order of preference
 * @throws TypeError if `select` returns a subprotocol that the client did not offer
 */
function selectProtocol(
  offered: readonly string[],
  select: HandshakeOptions["selectProtocol"] = ([first]) => first,
): string {
  const chosen = offered.length > 0 ? (select(offered) ?? "") : "";
  if (chosen !== "" && !offered.includes(chosen)) {
    throw new TypeError(
      `the server chose the subprotocol "${chosen}", which the client did not offer`,
    );
  }
  return chosen;
}

/**
 * Returns the reason why a client must fail the connection because of the subprotocol in the response, or
 * `undefined`.
 *
 * RFC 6455 §4.1 requires a client to fail the connection if the server chose a subprotocol that the client did not
 * offer. This client also fails the connection if it offered subprotocols and the server chose none. RFC 6455 allows
 * such a response, but WHATWG's "WebSockets" forbids it.
 */
function protocolFault(offered: readonly string[], chosen: Field): string | undefined {
  if (chosen === undefined) {
    return offered.length > 0 ? "the server chose none of the offered subprotocols" : undefined;
  }
  return typeof chosen === "string" && offered.includes(chosen)
    ? undefined
    : "the server chose a subprotocol that the client did not offer";
}

/**
 * Returns the value of the Sec-WebSocket-Accept header for a key (RFC 6455 §4.2.2, item 5.4). The value proves that
 * the server has received the key and supports WebSocket.
 *
 * @param key the value of the Sec-WebSocket-Key header
 */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** The offer in the request of a client (RFC 6455 §4.1). */
export interface HandshakeOffer {
  /** Sixteen random bytes in base64, new for each connection (RFC 6455 §4.1, item 7). */
  readonly key: string;
  /** The offered subprotocols, in order of preference. */
  readonly protocols: readonly string[];
  /** Offer permessage-deflate with these preferences. Default: do not offer it. */
  readonly deflate?: DeflatePreferences | undefined;
}

/**
 * Returns the header fields of the request of a client, without Host, as pairs of name and value (RFC 6455 §4.1).
 *
 * @param offer the key, the subprotocols and the extensions that the client offers
 */
export function offerHandshake(offer: HandshakeOffer): readonly (readonly [string, string])[] {
  const headers: [string, string][] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", offer.key],
    ["Sec-WebSocket-Version", VERSION],
  ];
  if (offer.protocols.length > 0) {
    headers.push(["Sec-WebSocket-Protocol", offer.protocols.join(", ")]);
  }
  if (offer.deflate !== undefined) {
    headers.push(["Sec-WebSocket-Extensions", formatExtensions([deflateOffer(offer.deflate)])]);
  }
  return headers;
}

/** The result of judgeHandshake(). */
export type HandshakeVerdict =
  | {
      /** The response is valid, and the connection is open. */
      readonly accepted: true;
      /** The subprotocol that the server chose, or "" for none. */
      readonly protocol: string;
      /** The agreed parameters of permessage-deflate, or `undefined` if the messages are not compressed. */
      readonly deflate: DeflateParameters | undefined;
    }
  | {
      /** The client must fail the connection. */
      readonly accepted: false;
      /** Why the response is invalid. */
      readonly reason: string;
    };

/**
 * Checks whether the response of a server is a valid answer to `offer` (RFC 6455 §4.1, the second list of items).
 *
 * @param offer the offer in the request
 * @param status the status of the response
 * @param headers the header fields of the response
 */
export function judgeHandshake(
  offer: HandshakeOffer,
  status: number,
  headers: Headers,
): HandshakeVerdict {
  if (status !== 101) return refuse(`the server responded with status ${status}, expected 101`);
  if (!isExactly(headers.upgrade, "websocket"))
    return refuse('the Upgrade header is not "websocket"');
  if (!hasItem(headers.connection, "upgrade")) {
    return refuse('the Connection header does not contain "Upgrade"');
  }
  // RFC 6455 §4.1: "…but ignoring any leading and trailing whitespace".
  if (fieldText(headers["sec-websocket-accept"]).trim() !== acceptKey(offer.key)) {
    return refuse("the Sec-WebSocket-Accept header does not match the key");
  }
  const fault = protocolFault(offer.protocols, headers["sec-websocket-protocol"]);
  if (fault !== undefined) return refuse(fault);
  const protocol = fieldText(headers["sec-websocket-protocol"]);
  const extensions = parseExtensionHeader(headers["sec-websocket-extensions"]);
  if (extensions === undefined) return refuse("the Sec-WebSocket-Extensions header is invalid");
  const [extension] = extensions;
  if (extension === undefined) {
    return { accepted: true, protocol, deflate: undefined };
  }
  const deflate = offer.deflate && readDeflateResponse(extension, offer.deflate);
  if (deflate === undefined || extensions.length > 1) {
    return refuse("the server chose an extension or a parameter that the client did not offer");
  }
  return { accepted: true, protocol, deflate };
}

function refuse(reason: string): HandshakeVerdict {
  return { accepted: false, reason };
}

type Field = string | readonly string[] | undefined;

function fieldText(field: Field): string {
  return field === undefined ? "" : typeof field === "string" ? field : field.join(", ");
}

function isExactly(field: Field, value: string): boolean {
  return fieldText(field).trim().toLowerCase() === value;
}

/** Returns whether a comma-separated field contains `item`, ignoring case (RFC 6455 §4.2.1, items 3 and 4). */
function hasItem(field: Field, item: string): boolean {
  return fieldText(field)
    .split(",")
    .some((part) => part.trim().toLowerCase() === item);
}

/**
 * Parses the subprotocols that a client offers. Returns `undefined` unless all are tokens and occur only once
 * (RFC 6455 §4.1, item 10). Empty elements are ignored, as in parseExtensions().
 */
function parseProtocols(field: Field): readonly string[] | undefined {
  if (field === undefined) return [];
  const protocols = fieldText(field)
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return protocols.length > 0 && areProtocols(protocols) ? protocols : undefined;
}

/**
 * Returns whether a client may offer `protocols`: all are tokens, and occur only once (RFC 6455 §4.1, item 10).
 *
 * @param protocols the names of the subprotocols
 */
export function areProtocols(protocols: readonly string[]): boolean {
  return protocols.every(isToken) && new Set(protocols).size === protocols.length;
}

function parseExtensionHeader(field: Field): readonly Extension[] | undefined {
  return field === undefined ? [] : parseExtensions(fieldText(field));
}
