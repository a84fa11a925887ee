// Decides by the origin of a page whether the page may connect, before a request is handled. Implements the options `origins`,
// `trustedProxies`, `cors` and `jsonp`.

import type { IncomingMessage, ServerResponse } from "node:http";

import { REFUSALS } from "../../protocol/engineio/handshake.ts";
import { OriginPolicy, type Origins, parseOrigin } from "../origins.ts";
import type { TrustedProxies } from "../trusted-proxies.ts";
import {
  applyCors,
  type CorsDelegate,
  type CorsOptions,
  corsAllows,
  type ResolvedCors,
  resolveCors,
} from "./cors.ts";

/** The options about the origins of pages. */
export interface OriginOptions {
  /**
   * The origins whose pages may connect, over every transport: "same" for the origin of this server, "*" for every origin, a list
   * of origins such as "https://example.com", or a function that returns or resolves to `true` for an allowed origin. A list
   * cannot contain "null", the origin of pages that were not loaded from a server. Requests without an Origin header are always
   * accepted, because a page of another origin cannot read their responses. Default: "same", and the origins that `cors` allows.
   *
   * @example
   * const io = new Server(3000, { origins: ["https://example.com"] });
   */
  readonly origins?: Origins;
  /**
   * The proxies whose header fields are trusted: "none", "loopback", or a list of IP addresses and CIDR ranges. The origin of this
   * server is read from X-Forwarded-Proto, X-Forwarded-Host and Forwarded, and the address of the client from X-Forwarded-For and
   * Forwarded. A page of another origin cannot set these fields: a WebSocket cannot set header fields, and other requests
   * require a preflight request, which is refused. Other programs can set them: a program that connects from a trusted address can
   * pretend to be a client with any address. Default: "loopback".
   *
   * @example
   * const io = new Server(3000, { trustedProxies: ["10.0.0.0/8"] });
   */
  readonly trustedProxies?: TrustedProxies;
  /**
   * Send CORS headers to pages of other origins. If `origins` is not set, the pages that `cors` allows may also connect. `true`
   * allows every origin, as `{}` does. Default: `false`, same origin only.
   */
  readonly cors?: boolean | CorsOptions | CorsDelegate;
  /** Answer polling requests of scripts (JSONP), for browsers without CORS. Default: `false`. */
  readonly jsonp?: boolean;
}

/** The refusal of a page because of its origin. */
export interface OriginRefusal {
  /** The message that the client receives. */
  readonly message: string;
  /** The details for the program and the logger. */
  readonly context: Readonly<Record<string, unknown>>;
}

/** The CORS options for pages that `origins` allows, if `cors` is not set. */
const ECHO: ResolvedCors = { options: {}, rule: true };

/** Decides by the origin of a page whether the page may connect. */
export class OriginGate {
  readonly #policy: OriginPolicy;
  readonly #origins: Origins | undefined;
  readonly #cors: CorsOptions | CorsDelegate | undefined;
  readonly #jsonp: boolean;

  constructor(options: OriginOptions) {
    const { origins, trustedProxies, cors, jsonp } = options;
    this.#policy = new OriginPolicy(origins, trustedProxies);
    this.#origins = origins;
    this.#cors = cors === true ? {} : cors || undefined;
    this.#jsonp = jsonp === true;
  }

  /** Whether functions of the program receive the requests. */
  get showsRequests(): boolean {
    return typeof this.#cors === "function" || this.#policy.asksProgram;
  }

  /**
   * Decides whether the page that sent a request may connect.
   *
   * @param jsonp whether the page loads the response as a script
   * @param callback called with the refusal, or with the CORS options for the response
   */
  check(
    request: IncomingMessage,
    jsonp: boolean,
    callback: (refusal: OriginRefusal | undefined, cors?: ResolvedCors) => void,
  ): void {
    if (jsonp && !this.#jsonp) {
      const context = { name: "JSONP_NOT_ENABLED" };
      callback({ message: REFUSALS.BAD_REQUEST.message, context });
      return;
    }
    const origin = jsonp ? originOfScript(request) : request.headers.origin;
    this.#resolve(request, origin, (error, cors) => {
      if (error !== undefined) {
        const context = { name: "MIDDLEWARE_FAILURE", error };
        callback({ message: REFUSALS.BAD_REQUEST.message, context });
      } else if (origin === undefined) {
        callback(undefined, cors);
      } else {
        this.#admit(request, origin, cors, callback);
      }
    });
  }

  /**
   * Sets the CORS headers of a response that belongs to no session, and answers a preflight request. Calls `next` for every
   * other request, and for every request if CORS is disabled.
   */
  setHeaders(request: IncomingMessage, response: ServerResponse, next: () => void): void {
    this.#resolve(request, request.headers.origin, (_error, cors) => {
      if (cors === undefined) next();
      else applyCors(cors, request, response, next);
    });
  }

  #resolve(
    request: IncomingMessage,
    origin: string | undefined,
    callback: (error: unknown, cors?: ResolvedCors) => void,
  ): void {
    if (this.#cors !== undefined) resolveCors(this.#cors, request, origin, callback);
    else
      callback(
        undefined,
        this.#origins === undefined || this.#origins === "same" ? undefined : ECHO,
      );
  }

  #admit(
    request: IncomingMessage,
    origin: string,
    cors: ResolvedCors | undefined,
    callback: (refusal: OriginRefusal | undefined, cors?: ResolvedCors) => void,
  ): void {
    if (
      this.#origins === undefined &&
      cors !== undefined &&
      this.#corsAdmits(request, origin, cors)
    ) {
      callback(undefined, cors);
      return;
    }
    let failure: { readonly error?: unknown } = {};
    const verdict = this.#policy.admits(origin, request, (error) => {
      failure = { error };
    });
    const decide = (admitted: boolean): void => {
      if (admitted) {
        callback(undefined, cors);
      } else {
        const context = { ...this.#policy.explain(origin, request), ...failure };
        callback({ message: "Origin not allowed", context });
      }
    };
    if (typeof verdict === "boolean") decide(verdict);
    else void verdict.then(decide);
  }

  #corsAdmits(request: IncomingMessage, origin: string, cors: ResolvedCors): boolean {
    // If `cors` is a function, it reads the Origin header of the request. A request for a script has no Origin header, so the
    // function has not checked the origin.
    const seen = typeof this.#cors !== "function" || origin === request.headers.origin;
    return seen && corsAllows(cors, origin);
  }
}

/**
 * Returns the origin of the page that loads a script. Browsers send no Origin header with such a request, so Sec-Fetch-Site and
 * Referer are read instead. Returns `undefined` if no other server's page can have sent the request, and "null" for an unknown
 * page.
 */
function originOfScript({ headers }: IncomingMessage): string | undefined {
  const { origin, referer = "" } = headers;
  if (origin !== undefined) return origin;
  const site = headers["sec-fetch-site"];
  if (site === "same-origin" || site === "none") return undefined;
  const [page = ""] = /^[a-z]+:\/\/[^/?#]*/i.exec(referer) ?? [];
  return parseOrigin(page) ?? "null";
}
