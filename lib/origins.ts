// Which web pages may connect, decided by the Origin header of their requests. RFC 6455 §10.2.
//
// A browser opens a WebSocket to any server for any page, and sends the server's cookies along. CORS
// does not apply to WebSockets, so the server has to compare origins itself.

import type { IncomingMessage } from "node:http";

import { type TrustedProxies, trustOf } from "./trusted-proxies.ts";

/** Decides whether a page of `origin` may connect. Only `true` admits it. */
export type OriginFunction = (
  origin: string,
  request: IncomingMessage,
) => boolean | Promise<boolean>;

/** "same": the server's own origin. "*": every origin. A list: exactly these, as "scheme://host[:port]". */
export type Origins = "same" | "*" | readonly string[] | OriginFunction;

/** How a request reached this process, and where its sender says that it was sent. */
export interface Destination {
  /** The connection to this process uses TLS. */
  readonly encrypted: boolean;
  /** The Host header, or HTTP/2's `:authority`. */
  readonly host: string | undefined;
  /** What the proxy in front says, if that proxy is trusted. */
  readonly forwarded: Forwarded | undefined;
}

export interface Forwarded {
  readonly scheme: string | undefined;
  readonly host: string | undefined;
}

/** The origin of a page that this server itself has served, or `undefined` if the host is invalid. */
export function ownOrigin({ encrypted, host, forwarded }: Destination): string | undefined {
  const scheme = forwarded?.scheme ?? (encrypted ? "https" : "http");
  return parseOrigin(`${HTTP_SCHEMES.get(scheme) ?? scheme}://${forwarded?.host ?? host ?? ""}`);
}

// Some proxies name the scheme of the WebSocket; the page's is that of HTTP.
const HTTP_SCHEMES: ReadonlyMap<string, string> = new Map([
  ["ws", "http"],
  ["wss", "https"],
]);

const SERIALIZED_ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@\\*]*$/i;

/** Normalizes the case and the default port of an origin. Returns `undefined` for "null" and invalid text. */
export function parseOrigin(text: string): string | undefined {
  if (!SERIALIZED_ORIGIN.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}

/**
 * Reads X-Forwarded-Proto and X-Forwarded-Host, or else Forwarded (RFC 7239). Of several proxies, the
 * first one saw the client's request.
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

/** Admits or refuses origins by the options `origins` and `trustedProxies`. */
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

  /** A function of the program decides, and receives the request. */
  get asksProgram(): boolean {
    return typeof this.#origins === "function";
  }

  /**
   * Whether a page of `origin` may connect.
   *
   * @param failed called with the error if the program's function throws or rejects, which refuses the
   * page: a client can often cause it, and it must not end the process
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

  /** Explains a refusal to the operator of the server. */
  explain(origin: string, request: IncomingMessage): Readonly<Record<string, unknown>> {
    const origins = this.#origins;
    const expected =
      origins === "same" ? this.#ownOrigin(request) : origins instanceof Set && [...origins];
    // The address to add to `trustedProxies`, if a proxy in front ends TLS or changes Host.
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
