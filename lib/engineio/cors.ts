// Cross-origin resource sharing, with the options of the Express middleware `cors`. Fetch standard, "CORS protocol".

import type { IncomingMessage, ServerResponse } from "node:http";

import { ArgumentTypeError } from "../events/errors.ts";
import {
  boolean,
  checkOptions,
  checkThat,
  isBoolean,
  isFunction,
  isString,
  number,
  type OptionTable,
} from "../events/options.ts";
import { addHeader, isFieldValue } from "../headers.ts";
import { integer, neverUndefined } from "../node-options.ts";
import { askProgram } from "./ask-program.ts";

/** The allowed origins: all or none, an origin, a pattern, or a list of these. */
export type CorsOrigin = boolean | string | RegExp | readonly (string | RegExp)[];
/**
 * Decides whether to allow an origin. Calls `callback` with the allowed origins.
 *
 * @param origin the value of the Origin header field. `undefined` if the request has none. For JSONP, the origin in Referer:
 * "null" if it is unknown, `undefined` if the browser reports that the page is of this server
 * @param callback receives an error, or the allowed origins
 */
export type CorsOriginFunction = (
  origin: string | undefined,
  callback: (error: Error | null, allow?: CorsOrigin) => void,
) => void;

/**
 * The CORS options, which are those of the Express middleware `cors`. Fetch standard, "CORS protocol".
 *
 * @example
 * const io = new Server(3000, { cors: { origin: "https://example.com", credentials: true } });
 */
export interface CorsOptions {
  /**
   * The allowed origins: "*" or `true` for all, `false` for none, an origin, a pattern, a list of origins and patterns, or a
   * function that decides. `true` repeats the origin of the request in the response. Default: "*".
   */
  readonly origin?: CorsOrigin | CorsOriginFunction;
  /** The allowed methods. Default: "GET,HEAD,PUT,PATCH,POST,DELETE". */
  readonly methods?: string | readonly string[];
  /** The request header fields that a page may set. Default: those that the preflight request asks for. */
  readonly allowedHeaders?: string | readonly string[];
  /** The same as `allowedHeaders`. */
  readonly headers?: string | readonly string[];
  /** The response header fields that a page may read. Default: none. */
  readonly exposedHeaders?: string | readonly string[];
  /** Allow requests with cookies. Default: `false`. */
  readonly credentials?: boolean;
  /** How long a browser may cache the answer to a preflight request, in seconds. Default: decided by the browser. */
  readonly maxAge?: number;
  /** The HTTP status of the answer to a preflight request. Default: 204. */
  readonly optionsSuccessStatus?: number;
  /** Do not answer preflight requests, and handle them like other requests. Default: `false`. */
  readonly preflightContinue?: boolean;
}

/**
 * Calls `callback` with the CORS options for a request.
 *
 * @param request the HTTP request
 * @param callback receives an error, or the CORS options for this request
 */
export type CorsDelegate = (
  request: IncomingMessage,
  callback: (error: Error | null, options?: CorsOptions) => void,
) => void;

const DEFAULT_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE";

/** The options for one request. */
export interface ResolvedCors {
  readonly options: CorsOptions;
  /** The allowed origins: the value of the option `origin`, or the answer of its function. */
  readonly rule: CorsOrigin;
}

const isOneOrigin = (value: unknown): boolean =>
  (isString(value) && value !== "" && isFieldValue(value)) || value instanceof RegExp;
const isRule = (value: unknown): value is CorsOrigin =>
  isBoolean(value) || (Array.isArray(value) ? value.every(isOneOrigin) : isOneOrigin(value));
const stringList = checkThat(
  "a string or a list of strings without control characters",
  (value): value is unknown => [value].flat().every(isString),
  (value) => [value].flat().every((each) => isFieldValue(`${each}`)),
);

const CORS_OPTIONS: OptionTable<CorsOptions> = {
  allowedHeaders: stringList,
  credentials: boolean,
  exposedHeaders: stringList,
  headers: stringList,
  maxAge: number("an integer", Number.isSafeInteger),
  methods: stringList,
  optionsSuccessStatus: integer(200, 599),
  // `undefined`, such as from a missing environment variable, would allow every page.
  origin: neverUndefined(
    checkThat(
      "a boolean, a string that is not empty, a RegExp, a list of these, or a function",
      (value): value is unknown => isFunction(value) || isRule(value),
    ),
  ),
  preflightContinue: boolean,
};

/**
 * Checks CORS options that the program has set, or that its CorsDelegate has passed to the callback.
 *
 * @throws ArgumentTypeError or ArgumentRangeError if an option is invalid or unknown
 */
export function checkCors(options: unknown): asserts options is CorsOptions {
  checkOptions(options, CORS_OPTIONS, "cors");
}

/**
 * Calls the program's functions to determine the options for a request.
 *
 * @param origin the origin of the page
 * @param callback called with the error of one of the functions, or with the options. The options are `undefined` if pages of
 * other origins are not allowed
 */
export function resolveCors(
  options: CorsOptions | CorsDelegate,
  request: IncomingMessage,
  origin: string | undefined,
  callback: (error: unknown, resolved?: ResolvedCors) => void,
): void {
  if (typeof options !== "function") {
    resolveOrigin(options, origin, callback);
    return;
  }
  askProgram<CorsOptions>(
    (answer) => options(request, answer),
    (error, given) => {
      if (error || !given) {
        callback(error || undefined);
        return;
      }
      try {
        checkCors(given);
      } catch (invalid) {
        callback(invalid);
        return;
      }
      resolveOrigin(given, origin, callback);
    },
  );
}

function resolveOrigin(
  options: CorsOptions,
  page: string | undefined,
  callback: (error: unknown, resolved?: ResolvedCors) => void,
): void {
  const { origin = "*" } = options;
  if (typeof origin !== "function") {
    callback(undefined, { options, rule: origin });
    return;
  }
  askProgram<CorsOrigin>(
    (answer) => origin(page, answer),
    (error, rule) => {
      if (error) callback(error);
      else if (!rule) callback(undefined);
      else if (isRule(rule)) callback(undefined, { options, rule });
      else
        callback(
          new ArgumentTypeError("the function cors.origin called back with an invalid origin"),
        );
    },
  );
}

/** Returns whether CORS allows a page of `origin` to read responses. */
export function corsAllows({ rule }: ResolvedCors, origin: string): boolean {
  return rule === "*" || isAllowed(rule, origin);
}

/** Sets the CORS headers of a response. Answers a preflight request, and calls `next` for every other request. */
export function applyCors(
  { options, rule }: ResolvedCors,
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
    addHeader(response, "Vary", "Access-Control-Request-Headers");
    const asked = request.headers["access-control-request-headers"];
    if (asked !== undefined) response.setHeader("Access-Control-Allow-Headers", asked);
  } else if (list(allowed) !== "") {
    response.setHeader("Access-Control-Allow-Headers", list(allowed));
  }
  if (options.maxAge !== undefined) {
    response.setHeader("Access-Control-Max-Age", String(options.maxAge));
  }
  if (options.preflightContinue === true) next();
  // Without a Content-Length, some browsers wait for a body.
  else response.writeHead(options.optionsSuccessStatus ?? 204, { "Content-Length": 0 }).end();
}

function setAllowedOrigin(
  rule: Exclude<CorsOrigin, false>,
  origin: string | undefined,
  response: ServerResponse,
): void {
  if (rule === "*") {
    response.setHeader("Access-Control-Allow-Origin", "*");
    return;
  }
  // The response depends on the Origin of the request, which caches must take into account.
  addHeader(response, "Vary", "Origin");
  if (typeof rule === "string") response.setHeader("Access-Control-Allow-Origin", rule);
  else if (origin !== undefined && isAllowed(rule, origin)) {
    response.setHeader("Access-Control-Allow-Origin", origin);
  }
}

function isAllowed(rule: CorsOrigin, origin: string): boolean {
  if (typeof rule === "boolean") return rule;
  if (typeof rule === "string") return rule === origin;
  if (rule instanceof RegExp) return origin.search(rule) !== -1;
  return rule.some((each) => isAllowed(each, origin));
}

function list(value: string | readonly string[] | undefined): string {
  return typeof value === "string" ? value : (value ?? []).join(",");
}
