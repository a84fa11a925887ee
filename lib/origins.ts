// Decides which web pages may connect, based on the Origin header of their requests. RFC 6455 §10.2.
//
// A browser lets every page open a WebSocket to any server, and sends that server's cookies. CORS does not apply to
// WebSockets, so the server must compare the origins itself.

import type { IncomingMessage } from "node:http";

import { type TrustedProxies, trustOf } from "./trusted-proxies.ts";

/**
 * Decides whether a page of `origin` may connect. Only the return value `true`, or a promise of `true`, allows the
 * page.
 *
 * @param origin the value of the Origin header field or, for JSONP, the origin in Referer ("null" if it is unknown)
 * @param request the HTTP request of the page
 */
export type OriginFunction = (
  origin: string,
  request: IncomingMessage,
) => boolean | Promise<boolean>;

/**
 * Which origins are allowed. "same": the server's own origin. "*": every origin. A list: exactly these origins, in the
 * form "scheme://host[:port]". A function: the origins for which the function returns `true`.
 */
export type Origins = "same" | "*" | readonly string[] | OriginFunction;

/** The parts of a request, and of its connection, that determine the server's own origin. */
export interface Destination {
  /** Whether the connection to this process uses TLS. */
  readonly encrypted: boolean;
  /** The Host header, or HTTP/2's `:authority`. */
  readonly host: string | undefined;
  /** The scheme and host that a trusted proxy reports. */
  readonly forwarded: Forwarded | undefined;
}

export interface Forwarded {
  readonly scheme: string | undefined;
  readonly host: string | undefined;
}

/** Returns the origin of pages that this server serves, or `undefined` if the host is invalid. */
export function ownOrigin({ encrypted, host, forwarded }: Destination): string | undefined {
  const scheme = forwarded?.scheme ?? (encrypted ? "https" : "http");
  return parseOrigin(`${HTTP_SCHEMES.get(scheme) ?? scheme}://${forwarded?.host ?? host ?? ""}`);
}

// Some proxies report "ws" or "wss" as the scheme of a WebSocket, but the origin of its page starts with "http" or "https".
const HTTP_SCHEMES: ReadonlyMap<string, string> = new Map([
  ["ws", "http"],
  ["wss", "https"],
]);

const SERIALIZED_ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@\\*]*$/i;

/** Normalizes the case and the default port of an origin. Returns `undefined` for "null" and for invalid text. */
export function parseOrigin(text: string): string | undefined {
  if (!SERIALIZED_ORIGIN.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}

/**
 * Reads X-Forwarded-Proto and X-Forwarded-Host, or, without these headers, Forwarded (RFC 7239). If the request passed
 * several proxies, the first value of a header is the scheme or host that the client used.
 */
export function readForwarded(headers: IncomingMessage["headers"]): Forwarded {
  const [element = ""] = `${headers.forwarded ?? ""}`.split(",", 1);
  const parameter = (name: string): string | undefined =>
    new RegExp(`(?:^|;)\\s*${name}="?([^";]+)`, "i").exec(element)?.[1]?.trim();
  const field = (name: string): string | undefined =>
    `${headers[name] ?? ""}`.split(",", 1)[0]?.trim() || undefined;
  return {
    scheme: (field("x-forwarded-proto") ?? parameter("proto"))?.toLowerCase(),
    host: field("x-forwarded-host") ?? parameter("host"),
  };
}

/** Allows or refuses origins according to the options `origins` and `trustedProxies`. */
export class OriginPolicy {
  readonly #origins: "same" | "*" | ReadonlySet<string> | OriginFunction;
  readonly #isTrusted: (peer: string | undefined) => boolean;

  constructor(origins: Origins = "same", trustedProxies?: TrustedProxies) {
    this.#origins =
      typeof origins === "object"
        ? new Set(origins.map((each) => parseOrigin(each) ?? each))
        : origins;
    this.#isTrusted = trustOf(trustedProxies);
  }

  /** Whether the option `origins` is a function, which receives the request. */
  get asksProgram(): boolean {
    return typeof this.#origins === "function";
  }

  /**
   * Returns whether a page of `origin` may connect.
   *
   * @param failed called with the error if the user's function throws or rejects. The page is then refused. The error does
   * not end the process, because clients can often cause such an error with their requests
   */
  admits(
    origin: string,
    request: IncomingMessage,
    failed: (error: unknown) => void = () => {},
  ): boolean | Promise<boolean> {
    const origins = this.#origins;
    if (typeof origins === "function") {
      const refuse = (error: unknown): boolean => {
        failed(error);
        return false;
      };
      try {
        const verdict = origins(origin, request);
        if (typeof verdict === "boolean") return verdict;
        return Promise.resolve(verdict).then((later) => later === true, refuse);
      } catch (error) {
        return refuse(error);
      }
    }
    if (origins === "*") return true;
    const parsed = parseOrigin(origin);
    if (parsed === undefined) return false;
    return origins === "same" ? parsed === this.#ownOrigin(request) : origins.has(parsed);
  }

  /** Returns why an origin was refused, for the operator of the server. */
  explain(origin: string, request: IncomingMessage): Readonly<Record<string, unknown>> {
    const origins = this.#origins;
    const expected =
      origins === "same" ? this.#ownOrigin(request) : origins instanceof Set && [...origins];
    // If the peer is a proxy that terminates TLS or changes the Host header, the operator must add the address of the
    // proxy to `trustedProxies`.
    const peer = request.socket.remoteAddress;
    return { name: "ORIGIN_NOT_ALLOWED", origin, ...(expected && { expected }), peer };
  }

  #ownOrigin({ headers, socket }: IncomingMessage): string | undefined {
    const { ":authority": authority } = headers;
    return ownOrigin({
      encrypted: "encrypted" in socket && socket.encrypted === true,
      host: headers.host ?? (typeof authority === "string" ? authority : undefined),
      forwarded: this.#isTrusted(socket.remoteAddress) ? readForwarded(headers) : undefined,
    });
  }
}
