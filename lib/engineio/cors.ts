// Cross-origin resource sharing, with the options that users of the `cors` middleware know.
// Fetch standard, "CORS protocol".

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

type OriginRule = boolean | string | RegExp | readonly (string | RegExp)[];
type OriginFunction = (
  origin: string | undefined,
  callback: (error: Error | null, allow?: OriginRule) => void,
) => void;

export interface CorsOptions {
  /** Origins that are allowed: `true` all (echoed), `false` none, "*", one origin, a pattern, several, or a function. Default "*". */
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

/** The options for one request, with the answer of their function if they have one. */
export interface ResolvedCors {
  readonly options: CorsOptions;
  readonly rule: OriginRule;
}

const isOneOrigin = (value: unknown): boolean =>
  (isString(value) && value !== "" && isFieldValue(value)) || value instanceof RegExp;
const isRule = (value: unknown): value is OriginRule =>
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
  // A variable of the environment that is not set would let every page in.
  origin: neverUndefined(
    checkThat(
      "a boolean, a string that is not empty, a RegExp, a list of these, or a function",
      (value): value is unknown => isFunction(value) || isRule(value),
    ),
  ),
  preflightContinue: boolean,
};

/**
 * Checks the options that a program passes, or a delegate calls back with.
 *
 * @throws ArgumentTypeError or ArgumentRangeError for an invalid or unknown option
 */
export function checkCors(options: unknown): asserts options is CorsOptions {
  checkOptions(options, CORS_OPTIONS, "cors");
}

/**
 * Finds out which options count for a request.
 *
 * @param origin the page's origin, for the function of the options
 * @param callback called with the error of the options' own functions, or with the result:
 * `undefined` if no page of another origin is allowed
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
  askProgram<OriginRule>(
    (answer) => origin(page, answer),
    (error, rule) => {
      if (error) callback(error);
      else if (!rule) callback(undefined);
      else if (isRule(rule)) callback(undefined, { options, rule });
      else callback(new ArgumentTypeError("cors.origin called back with an invalid value"));
    },
  );
}

/** Whether CORS lets a page of `origin` read responses. */
export function corsAllows({ rule }: ResolvedCors, origin: string): boolean {
  return rule === "*" || isAllowed(rule, origin);
}

/**
 * Sets the headers that let pages of other origins read the response, answers a preflight, and
 * calls `next` for every other request.
 */
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
  addHeader(response, "Vary", "Origin");
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

function list(value: string | readonly string[] | undefined): string {
  return typeof value === "string" ? value : (value ?? []).join(",");
}
