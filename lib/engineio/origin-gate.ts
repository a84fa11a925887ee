// Which pages may connect, before anything else is decided about a request or an upgrade: the options
// `origins`, `trustedProxies`, `cors` and `jsonp`.

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

export interface OriginOptions {
  /**
   * Which pages may connect, over every transport: "same" those of this server's own origin, "*" all, a
   * list exactly these origins ("https://example.com"), a function those for which it returns or
   * resolves to `true`. The origin "null" of pages without a server is in no list. Requests without an
   * Origin header always pass: a page of another origin cannot read their responses.
   * Default: "same", and what `cors` allows.
   */
  readonly origins?: Origins;
  /**
   * Proxies whose X-Forwarded-Proto, X-Forwarded-Host and Forwarded headers name this server's own
   * origin, and whose X-Forwarded-For and Forwarded headers name the client's address: "none",
   * "loopback", or IP addresses and CIDR ranges. A page of another origin cannot send these headers:
   * WebSockets have none, and other requests ask with a preflight, which is refused. Other programs can:
   * one that reaches the server from a trusted address may name any address as its own. Default "loopback".
   */
  readonly trustedProxies?: TrustedProxies;
  /**
   * CORS headers for pages of other origins. Without `origins`, these pages may connect. `true` allows every
   * origin, as `{}` does. Default `false`: none.
   */
  readonly cors?: boolean | CorsOptions | CorsDelegate;
  /** Answer polling requests of scripts (JSONP), for browsers older than CORS. Default `false`. */
  readonly jsonp?: boolean;
}

/** Why a page may not connect. */
export interface OriginRefusal {
  /** What the client is told. */
  readonly message: string;
  /** What the server's operator is told. */
  readonly context: Readonly<Record<string, unknown>>;
}

/** CORS headers for pages that `origins` admits. */
const ECHO: ResolvedCors = { options: {}, rule: true };

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

  /** Functions of the program receive the requests. */
  get showsRequests(): boolean {
    return typeof this.#cors === "function" || this.#policy.asksProgram;
  }

  /**
   * Decides whether the page that a request comes from may connect.
   *
   * @param jsonp the page loads the response as a script
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

  /** Sets the CORS headers of a response that belongs to no session, and calls `next`. */
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
    // A delegate has looked at the Origin header, and not at what stands for it in a request for a script.
    const seen = typeof this.#cors !== "function" || origin === request.headers.origin;
    return seen && corsAllows(cors, origin);
  }
}

/**
 * The origin of the page that loads a script. Browsers send no Origin header with such a request, so
 * that without another proof it counts as "null", an unknown page.
 */
function originOfScript({ headers }: IncomingMessage): string | undefined {
  const { origin, referer = "" } = headers;
  if (origin !== undefined) return origin;
  const site = headers["sec-fetch-site"];
  if (site === "same-origin" || site === "none") return undefined;
  const [page = ""] = /^[a-z]+:\/\/[^/?#]*/i.exec(referer) ?? [];
  return parseOrigin(page) ?? "null";
}
