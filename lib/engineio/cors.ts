// Cross-origin resource sharing, with the options that users of the `cors` middleware know.
// Fetch standard, "CORS protocol".

import type { IncomingMessage, ServerResponse } from "node:http";

type OriginRule = boolean | string | RegExp | readonly (string | RegExp)[];
type OriginFunction = (
  origin: string | undefined,
  callback: (error: Error | null, allow?: OriginRule) => void,
) => void;

export interface CorsOptions {
  /** Who may ask: `true` everyone (echoed), `false` nobody, "*", one origin, a pattern, several, or a function. Default "*". */
  readonly origin?: OriginRule | OriginFunction;
  /** Default `GET,HEAD,PUT,PATCH,POST,DELETE`. */
  readonly methods?: string | readonly string[];
  /** Default: those that the request asks for. */
  readonly allowedHeaders?: string | readonly string[];
  /** The same as `allowedHeaders`. */
  readonly headers?: string | readonly string[];
  /** Default: none. */
  readonly exposedHeaders?: string | readonly string[];
  /** Cookies may come along. Default `false`. */
  readonly credentials?: boolean;
  /** Seconds for which a browser may keep the answer to a preflight. Default: left to the browser. */
  readonly maxAge?: number;
  /** Status of the answer to a preflight. Default 204. */
  readonly optionsSuccessStatus?: number;
  /** A preflight is passed on instead of being answered. Default `false`. */
  readonly preflightContinue?: boolean;
}

/** Gives the options for one request. */
export type CorsDelegate = (
  request: IncomingMessage,
  callback: (error: Error | null, options?: CorsOptions) => void,
) => void;

const DEFAULT_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE";

/**
 * Sets the headers that let pages of other origins read the response, answers a preflight, and
 * calls `next` for everything else; with an error where the options' own function gave one.
 */
export function applyCors(
  options: CorsOptions | CorsDelegate,
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: Error) => void,
): void {
  if (typeof options !== "function") {
    resolveOrigin(options, request, response, next);
    return;
  }
  options(request, (error, given) => {
    if (error) next(error);
    else if (given === undefined) next();
    else resolveOrigin(given, request, response, next);
  });
}

function resolveOrigin(
  options: CorsOptions,
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: Error) => void,
): void {
  const { origin = "*" } = options;
  if (typeof origin !== "function") {
    setHeaders(options, origin, request, response, next);
    return;
  }
  origin(request.headers.origin, (error, allow) => {
    if (error || allow === undefined || allow === false) next(error ?? undefined);
    else setHeaders(options, allow, request, response, next);
  });
}

function setHeaders(
  options: CorsOptions,
  rule: OriginRule,
  request: IncomingMessage,
  response: ServerResponse,
  next: () => void,
): void {
  if (rule === false) {
    next();
    return;
  }
  setAllowedOrigin(rule, request.headers.origin, response);
  if (options.credentials === true) response.setHeader("Access-Control-Allow-Credentials", "true");
  const exposed = list(options.exposedHeaders);
  if (exposed !== "") response.setHeader("Access-Control-Expose-Headers", exposed);
  if (request.method !== "OPTIONS") {
    next();
    return;
  }

  response.setHeader("Access-Control-Allow-Methods", list(options.methods) || DEFAULT_METHODS);
  const allowed = options.allowedHeaders ?? options.headers;
  if (allowed === undefined) {
    vary(response, "Access-Control-Request-Headers");
    const asked = request.headers["access-control-request-headers"];
    if (asked !== undefined) response.setHeader("Access-Control-Allow-Headers", asked);
  } else if (list(allowed) !== "") {
    response.setHeader("Access-Control-Allow-Headers", list(allowed));
  }
  if (options.maxAge !== undefined) {
    response.setHeader("Access-Control-Max-Age", String(options.maxAge));
  }
  if (options.preflightContinue === true) next();
  // Some browsers wait for a body where the length is not said.
  else response.writeHead(options.optionsSuccessStatus ?? 204, { "Content-Length": 0 }).end();
}

function setAllowedOrigin(
  rule: Exclude<OriginRule, false>,
  origin: string | undefined,
  response: ServerResponse,
): void {
  if (rule === "*") {
    response.setHeader("Access-Control-Allow-Origin", "*");
    return;
  }
  // The answer depends on who asks: a cache must know.
  vary(response, "Origin");
  if (typeof rule === "string") response.setHeader("Access-Control-Allow-Origin", rule);
  else if (origin !== undefined && isAllowed(rule, origin)) {
    response.setHeader("Access-Control-Allow-Origin", origin);
  }
}

function isAllowed(rule: OriginRule, origin: string): boolean {
  if (typeof rule === "boolean") return rule;
  if (typeof rule === "string") return rule === origin;
  if (rule instanceof RegExp) return origin.search(rule) !== -1;
  return rule.some((each) => isAllowed(each, origin));
}

function vary(response: ServerResponse, field: string): void {
  const before = response.getHeader("Vary");
  response.setHeader("Vary", before === undefined ? field : `${before}, ${field}`);
}

function list(value: string | readonly string[] | undefined): string {
  return typeof value === "string" ? value : (value ?? []).join(",");
}
