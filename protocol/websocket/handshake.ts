// The opening handshake: RFC 6455 §4. For a server, a request's headers in and a decision out; for
// a client, the headers to ask with and a verdict on the answer.

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

/** The version this is (RFC 6455 §4.1, item 9). */
export const VERSION = "13";

interface HandshakeRule {
  readonly section: string;
  readonly status: number;
  readonly text: string;
}

/** Why a server refuses an opening handshake, with the HTTP status (RFC 6455 §4.2.2, §4.4). */
// biome-ignore format: aligned table
export const HANDSHAKE_RULES = {
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

export type HandshakeRuleName = keyof typeof HANDSHAKE_RULES;

/** Header fields by their names in lower case; several of one name joined by ", " or as a list, as Node gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** An HTTP request, such as an IncomingMessage of Node. */
export interface HandshakeRequest {
  readonly method?: string | undefined;
  /** Such as "1.1". */
  readonly httpVersion: string;
  readonly headers: Headers;
}

export interface HandshakeOptions {
  /**
   * Chooses one of the subprotocols that the client offers, in the client's order, or `undefined` for
   * none. Default: the first (RFC 6455 §4.2.2).
   */
  readonly selectProtocol?: ((offered: readonly string[]) => string | undefined) | undefined;
  /** permessage-deflate is accepted, on these terms. */
  readonly deflate?: DeflatePreferences | undefined;
}

export type HandshakeDecision =
  | {
      readonly accepted: true;
      /** The response's header fields, as pairs of name and value (RFC 6455 §4.2.2, item 5). */
      readonly headers: readonly (readonly [name: string, value: string])[];
      readonly protocol: string;
      readonly deflate: DeflateParameters | undefined;
    }
  | { readonly accepted: false; readonly rule: HandshakeRuleName };

// RFC 6455 §4.1, item 7: sixteen bytes in base64.
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Decides what a server responds to an opening handshake (RFC 6455 §4.2). Several fields of extensions or
 * subprotocols are one list (RFC 6455 §11.3.2, §11.3.4). The response has each field once (RFC 6455 §11.3.3).
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
 * Checks the items of RFC 6455 §4.2.1, in its order. Node joins a key or a version that is given twice
 * (RFC 6455 §11.3.1, §11.3.5) with a comma, and the result is not a valid key or version.
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

// Subprotocols, both ends (RFC 6455 §1.9). A server without a choice of its own takes the first that
// the client offers, since a client that offered some and got none fails the connection.

/** The subprotocol that a server chooses, or "". @throws TypeError for a choice that was not offered */
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
 * Why a client fails the connection over the subprotocol of a server's answer, or `undefined`.
 *
 * RFC 6455 §4.1 obliges the client to where the server chose what was not offered. The client also fails
 * where the server chose none of those offered: RFC 6455 permits that, and WHATWG's "WebSockets" does not.
 */
function protocolFault(offered: readonly string[], chosen: Field): string | undefined {
  if (chosen === undefined) {
    return offered.length > 0 ? "the server chose none of the subprotocols offered" : undefined;
  }
  return typeof chosen === "string" && offered.includes(chosen)
    ? undefined
    : "the server chose a subprotocol that was not offered";
}

/**
 * Returns the hash of the key and a fixed text (RFC 6455 §4.2.2, item 5.4), which proves that the server
 * has read the key as a WebSocket server does.
 */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** What a client asks with (RFC 6455 §4.1). */
export interface HandshakeOffer {
  /** Sixteen random bytes in base64, new for each connection (RFC 6455 §4.1, item 7). */
  readonly key: string;
  readonly protocols: readonly string[];
  /** permessage-deflate is offered, on these terms. */
  readonly deflate?: DeflatePreferences | undefined;
}

/** The header fields with which a client opens a WebSocket, but for Host (RFC 6455 §4.1). */
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

export type HandshakeVerdict =
  | {
      readonly accepted: true;
      readonly protocol: string;
      readonly deflate: DeflateParameters | undefined;
    }
  | { readonly accepted: false; readonly reason: string };

/** Judges whether a server's response accepts `offer` (RFC 6455 §4.1, the second list of items). */
export function judgeHandshake(
  offer: HandshakeOffer,
  status: number,
  headers: Headers,
): HandshakeVerdict {
  if (status !== 101) return refuse(`the server answered with status ${status}`);
  if (!isExactly(headers.upgrade, "websocket"))
    return refuse("the Upgrade header is not websocket");
  if (!hasItem(headers.connection, "upgrade")) {
    return refuse("the Connection header does not hold Upgrade");
  }
  // RFC 6455 §4.1: "…but ignoring any leading and trailing whitespace".
  if (fieldText(headers["sec-websocket-accept"]).trim() !== acceptKey(offer.key)) {
    return refuse("Sec-WebSocket-Accept does not fit the key");
  }
  const fault = protocolFault(offer.protocols, headers["sec-websocket-protocol"]);
  if (fault !== undefined) return refuse(fault);
  const protocol = fieldText(headers["sec-websocket-protocol"]);
  const extensions = parseExtensionHeader(headers["sec-websocket-extensions"]);
  if (extensions === undefined) return refuse("the Sec-WebSocket-Extensions header is malformed");
  const [extension] = extensions;
  if (extension === undefined) {
    return { accepted: true, protocol, deflate: undefined };
  }
  const deflate = offer.deflate && readDeflateResponse(extension, offer.deflate);
  if (deflate === undefined || extensions.length > 1) {
    return refuse("the server chose an extension that was not offered so");
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

/** Whether a comma-separated field has `item`, in any case (RFC 6455 §4.2.1, items 3 and 4). */
function hasItem(field: Field, item: string): boolean {
  return fieldText(field)
    .split(",")
    .some((part) => part.trim().toLowerCase() === item);
}

/**
 * The subprotocols that a client offers: tokens, each once (RFC 6455 §4.1, item 10), or `undefined` for
 * anything else. Empty elements are ignored, as in parseExtensions().
 */
function parseProtocols(field: Field): readonly string[] | undefined {
  if (field === undefined) return [];
  const protocols = fieldText(field)
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return protocols.length > 0 && areProtocols(protocols) ? protocols : undefined;
}

/** Whether `protocols` may be offered (RFC 6455 §4.1, item 10): tokens, none of them twice. */
export function areProtocols(protocols: readonly string[]): boolean {
  return protocols.every(isToken) && new Set(protocols).size === protocols.length;
}

function parseExtensionHeader(field: Field): readonly Extension[] | undefined {
  return field === undefined ? [] : parseExtensions(fieldText(field));
}
