// Checks options that only exist in Node, such as servers and the options of zlib. Browser bundles do not include this
// file.

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

/** Returns a check that accepts integers from `least` to `most`. */
export function integer(least: number, most: number): Check {
  return number(
    `an integer from ${least} to ${most}`,
    (value) => Number.isInteger(value) && value >= least && value <= most,
  );
}

/** Returns a check that accepts one of several strings. */
export function oneOf(...values: readonly string[]): Check {
  const expected = values.map((value) => JSON.stringify(value)).join(" or ");
  return checkThat(expected, isString, (value) => values.includes(value));
}

/** Returns a check that accepts an object with the options of `table`. */
export function nested(table: Readonly<Record<string, Check>>): Check {
  return (value, name) => {
    if (value !== undefined) checkOptions(value, table, name);
  };
}

/** Accepts a size that is sent over the wire and therefore must be finite. */
export const bytes: Check = number(
  "a positive integer",
  (value) => Number.isSafeInteger(value) && value > 0,
);
/** Accepts a positive number of milliseconds that a timer supports. */
export const positiveMilliseconds: Check = (value, name) => {
  number("a positive number of milliseconds", (given) => given > 0)(value, name);
  milliseconds(value, name);
};

/** Returns a check that accepts `values`, and everything that `check` accepts. */
export function valueOr(values: readonly unknown[], check: Check): Check {
  return (value, name) => {
    if (!values.includes(value)) check(value, name);
  };
}

/** Returns a check for an option that must not be `undefined`, because `undefined` would silently allow all clients. */
export function neverUndefined(check: Check): Check {
  return (value, name) => {
    if (value === undefined) {
      throw new ArgumentTypeError(`${name} must not be undefined: omit it to use its default`);
    }
    check(value, name);
  };
}

/**
 * Returns a check for an option of other libraries that this library does not support.
 *
 * @param instead what to use instead, for the error message
 */
export function unsupported(instead: string): Check {
  return (value, name) => {
    if (value !== undefined) {
      throw new ArgumentTypeError(`${name} is not supported: ${instead}`);
    }
  };
}

/**
 * The checks of zlib's options. Without these checks, zlib would report an invalid option only at the first message.
 */
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

/** The settings of permessage-deflate, for servers and clients. */
interface Deflate extends DeflatePreferences {
  readonly threshold: number;
  readonly zlibDeflateOptions: ZlibOptions;
}

/**
 * The checks of the options of permessage-deflate. The last two options exist in the package ws. This library accepts
 * these two options, but they have no effect, which a peer cannot notice.
 */
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

/** Accepts `true`, `false`, or an object with the settings. */
export const perMessageDeflate: Check = valueOr([true, false], nested(DEFLATE_OPTIONS));

/** Accepts a number of milliseconds, or `Infinity`. */
export const duration: Check = number("a number of milliseconds, 0 or more", (value) => value >= 0);

export const port: Check = integer(0, 65_535);

/** Accepts a certificate or key in one of the forms that node:tls accepts. */
export const pem: Check = checkThat(
  "a string, bytes or a list of them",
  (value): value is unknown => [value].flat().every((each) => isString(each) || isObject(each)),
);
