// The opening handshake: RFC 6455 §4. For a server, a request's headers in and a decision out; for
// a client, the headers to ask with and a verdict on the answer.

import { createHash } from "node:crypto";

import {
  acceptDeflate,
  type DeflateParameters,
  type DeflateWishes,
  deflateOffer,
  deflateResponse,
  type Extension,
  formatExtensions,
  isToken,
  parseExtensions,
  readDeflateResponse,
} from "./extensions.ts";

/** The version this is (§4.1, item 9). */
export const VERSION = "13";

interface HandshakeRule {
  readonly section: string;
  readonly status: number;
  readonly text: string;
}

/** Why a server refuses an opening handshake, with the status of the HTTP response (§4.2.2, §4.4). */
// biome-ignore format: aligned table
export const HANDSHAKE_RULES = {
  METHOD:       { section: "4.2.1", status: 405, text: "Invalid HTTP method" },
  HTTP_VERSION: { section: "4.2.1", status: 400, text: "Invalid HTTP version" },
  HOST:         { section: "4.2.1", status: 400, text: "Missing Host header" },
  UPGRADE:      { section: "4.2.1", status: 400, text: "Invalid Upgrade header" },
  CONNECTION:   { section: "4.2.1", status: 400, text: "Invalid Connection header" },
  KEY:          { section: "4.2.1", status: 400, text: "Missing or invalid Sec-WebSocket-Key header" },
  VERSION:      { section: "4.4",   status: 400, text: "Missing or invalid Sec-WebSocket-Version header" },
  PROTOCOL:     { section: "4.2.1", status: 400, text: "Invalid Sec-WebSocket-Protocol header" },
  EXTENSIONS:   { section: "9.1",   status: 400, text: "Invalid or unacceptable Sec-WebSocket-Extensions header" },
} as const satisfies Record<string, HandshakeRule>;

export type HandshakeRuleName = keyof typeof HANDSHAKE_RULES;

/** Header fields by their names in lower case; several of one name joined by ", " or as a list, as Node gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface HandshakeRequest {
  readonly method: string | undefined;
  /** Such as "1.1". */
  readonly httpVersion: string;
  readonly headers: Headers;
}

export interface HandshakeOptions {
  /** Chooses among the subprotocols that the client offers, in its order; `undefined` for none. By default the first (§4.2.2). */
  readonly selectProtocol?: (offered: readonly string[]) => string | undefined;
  /** permessage-deflate is accepted, on these terms. */
  readonly deflate?: DeflateWishes | undefined;
}

export type HandshakeDecision =
  | {
      readonly accepted: true;
      /** The lines of the response's header, in pairs of name and value (§4.2.2, item 5). */
      readonly headers: readonly (readonly [name: string, value: string])[];
      readonly protocol: string;
      readonly deflate: DeflateParameters | undefined;
    }
  | { readonly accepted: false; readonly rule: HandshakeRuleName };

// §4.1, item 7: sixteen bytes in base64.
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * What a server answers to an opening handshake (§4.2). Several fields of extensions or subprotocols
 * are one list (§11.3.2, §11.3.4); in the response each is there once, as is the key's (§11.3.3).
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
  const select = options.selectProtocol ?? first;
  const protocol = offered.length > 0 ? (select(offered) ?? "") : "";
  if (protocol !== "") response.push(["Sec-WebSocket-Protocol", protocol]);
  const deflate = options.deflate && acceptDeflate(extensions, options.deflate);
  if (deflate !== undefined) {
    response.push(["Sec-WebSocket-Extensions", formatExtensions([deflateResponse(deflate)])]);
  }
  return { accepted: true, headers: response, protocol, deflate };
}

/**
 * The items of §4.2.1, in its order. A key or a version that is given twice (§11.3.1, §11.3.5) comes
 * from Node as one, with a comma, which is neither.
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

function first(offered: readonly string[]): string | undefined {
  return offered[0];
}

/** §4.2.2, item 5.4: the key and a fixed text, hashed, so that only who read the key as a WebSocket server can answer. */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** What a client asks with (§4.1). */
export interface HandshakeOffer {
  /** Sixteen random bytes in base64, new for each connection (§4.1, item 7). */
  readonly key: string;
  readonly protocols: readonly string[];
  /** permessage-deflate is offered, on these terms. */
  readonly deflate?: DeflateWishes | undefined;
}

/** The header fields with which a client opens a WebSocket, but for Host (§4.1). */
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

/** Whether a server's answer opens the WebSocket that `offer` asked for (§4.1, the second list of items). */
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
  // §4.1: "…but ignoring any leading and trailing whitespace".
  if (fieldText(headers["sec-websocket-accept"]).trim() !== acceptKey(offer.key)) {
    return refuse("Sec-WebSocket-Accept does not fit the key");
  }
  const protocol = headers["sec-websocket-protocol"];
  if (
    protocol !== undefined &&
    !(typeof protocol === "string" && offer.protocols.includes(protocol))
  ) {
    return refuse("the server chose a subprotocol that was not offered");
  }
  const extensions = parseExtensionHeader(headers["sec-websocket-extensions"]);
  if (extensions === undefined) return refuse("the Sec-WebSocket-Extensions header is malformed");
  const [extension] = extensions;
  if (extension === undefined) {
    return { accepted: true, protocol: protocol ?? "", deflate: undefined };
  }
  const deflate = offer.deflate && readDeflateResponse(extension, offer.deflate);
  if (deflate === undefined || extensions.length > 1) {
    return refuse("the server chose an extension that was not offered so");
  }
  return { accepted: true, protocol: protocol ?? "", deflate };
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

/** Whether a comma-separated field holds `item`, whatever its case (§4.2.1, items 3 and 4). */
function hasItem(field: Field, item: string): boolean {
  return fieldText(field)
    .split(",")
    .some((part) => part.trim().toLowerCase() === item);
}

/** §4.1, item 10: tokens, each once. `undefined` where it is not that. */
function parseProtocols(field: Field): readonly string[] | undefined {
  if (field === undefined) return [];
  const protocols = fieldText(field)
    .split(",")
    .map((part) => part.trim());
  const valid = protocols.every(isToken) && new Set(protocols).size === protocols.length;
  return valid ? protocols : undefined;
}

function parseExtensionHeader(field: Field): readonly Extension[] | undefined {
  return field === undefined ? [] : parseExtensions(fieldText(field));
}
