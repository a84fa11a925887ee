// Checks of options for what only Node has: servers, files, zlib. Bundles for browsers have no byte
// of it.

import type { ZlibOptions } from "node:zlib";
import type { DeflatePreferences } from "../protocol/websocket/deflate-negotiation.ts";
import { ArgumentTypeError } from "./events/errors.ts";
import {
  boolean,
  type Check,
  checkOptions,
  checkThat,
  isFunction,
  isObject,
  isString,
  limit,
  milliseconds,
  number,
  type OptionTable,
  object,
} from "./events/options.ts";

export const callback: Check = checkThat("a function", isFunction);

/** Makes a check for an integer from `least` to `most`. */
export function integer(least: number, most: number): Check {
  return number(
    `an integer from ${least} to ${most}`,
    (value) => Number.isInteger(value) && value >= least && value <= most,
  );
}

/** Makes a check for one of several strings. */
export function oneOf(...values: readonly string[]): Check {
  const expected = values.map((value) => JSON.stringify(value)).join(" or ");
  return checkThat(expected, isString, (value) => values.includes(value));
}

/** Makes a check for options of an option. */
export function nested(table: Readonly<Record<string, Check>>): Check {
  return (value, name) => {
    if (value !== undefined) checkOptions(value, table, name);
  };
}

/** A size that goes onto the wire, and so is finite. */
export const bytes: Check = number(
  "a positive integer",
  (value) => Number.isSafeInteger(value) && value > 0,
);
/** A positive number of milliseconds that a timer can wait. */
export const positiveMilliseconds: Check = (value, name) => {
  number("a positive number of milliseconds", (given) => given > 0)(value, name);
  milliseconds(value, name);
};

/** Makes a check that `values` pass, and what `check` passes. */
export function valueOr(values: readonly unknown[], check: Check): Check {
  return (value, name) => {
    if (!values.includes(value)) check(value, name);
  };
}

/**
 * Makes a check for an option that has to be given with a value or not at all: `undefined` would
 * silently let everybody in.
 */
export function neverUndefined(check: Check): Check {
  return (value, name) => {
    if (value === undefined) {
      throw new ArgumentTypeError(`${name} must not be undefined: leave it out for its default`);
    }
    check(value, name);
  };
}

/** Makes a check for an option that other libraries have and this one has not. */
export function unsupported(instead: string): Check {
  return (value, name) => {
    if (value !== undefined) {
      throw new ArgumentTypeError(`${name} is not supported: ${instead}`);
    }
  };
}

/** zlib's own options, which it would check with the first message only. */
export const ZLIB_OPTIONS: OptionTable<ZlibOptions, "rejectGarbageAfterEnd"> = {
  chunkSize: integer(64, 0x7fffffff),
  dictionary: object,
  finishFlush: integer(0, 5),
  flush: integer(0, 5),
  info: boolean,
  level: integer(-1, 9),
  maxOutputLength: bytes,
  memLevel: integer(1, 9),
  rejectGarbageAfterEnd: boolean,
  strategy: integer(0, 4),
  windowBits: integer(8, 15),
};

/** Settings of permessage-deflate, of servers and clients. */
interface Deflate extends DeflatePreferences {
  readonly threshold: number;
  readonly zlibDeflateOptions: ZlibOptions;
}

/** The last two are known from ws. They change nothing that a peer sees, and do nothing here. */
export const DEFLATE_OPTIONS: OptionTable<Deflate, "zlibInflateOptions" | "concurrencyLimit"> = {
  clientMaxWindowBits: integer(9, 15),
  clientNoContextTakeover: boolean,
  serverMaxWindowBits: integer(9, 15),
  serverNoContextTakeover: boolean,
  threshold: limit,
  zlibDeflateOptions: nested(ZLIB_OPTIONS),
  zlibInflateOptions: nested(ZLIB_OPTIONS),
  concurrencyLimit: limit,
};

/** `true`, `false`, or the settings. */
export const perMessageDeflate: Check = valueOr([true, false], nested(DEFLATE_OPTIONS));

/** A number of milliseconds, or `Infinity`. */
export const duration: Check = number("a number of milliseconds, 0 or more", (value) => value >= 0);

export const port: Check = integer(0, 65_535);

/** A certificate or key as Node takes it. */
export const pem: Check = checkThat(
  "a string, bytes or a list of them",
  (value): value is unknown => [value].flat().every((each) => isString(each) || isObject(each)),
);
