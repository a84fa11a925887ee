// Tables of options: values that a constructor must accept, and values that it must reject, with the code
// and the message of the error.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

export const TYPE = "ERR_INVALID_ARG_TYPE";
export const RANGE = "ERR_OUT_OF_RANGE";

export interface Cases {
  readonly good: readonly unknown[];
  /** The text after the option's name in the error message. */
  readonly bad: readonly (readonly [
    value: unknown,
    code: typeof TYPE | typeof RANGE,
    says: string,
  ])[];
}

/** Cases for each option of a constructor, or for each option of a nested object. */
export type CasesOf<Options, Stock extends string = never> = Readonly<
  Record<keyof Options | Stock, Cases>
>;

// biome-ignore-start format: tables
export const BOOLEAN: Cases = {
  good: [true, false, undefined],
  bad: [
    ["true", TYPE, 'must be a boolean, got "true"'],
    [1, TYPE, "must be a boolean, got 1"],
    [null, TYPE, "must be a boolean, got null"],
  ],
};
export const STRING: Cases = {
  good: ["text", undefined],
  bad: [
    [5, TYPE, "must be a string, got 5"],
    [null, TYPE, "must be a string, got null"],
  ],
};
export const FUNCTION: Cases = {
  good: [() => {}, undefined],
  bad: [
    ["f", TYPE, 'must be a function, got "f"'],
    [null, TYPE, "must be a function, got null"],
    [{}, TYPE, "must be a function, got an object"],
  ],
};
/**
 * Cases for an option that is a function and decides which clients may connect. Without the option, every client may
 * connect, so `undefined` must be rejected: a program may pass it by mistake.
 */
export const GATE: Cases = {
  good: [() => {}],
  bad: [...FUNCTION.bad, [undefined, TYPE, "must not be undefined: omit it to use its default"]],
};
const ORIGINS_EXPECTED =
  'must be "same", "*", a list of origins such as "https://example.com", or a function, got';
export const ORIGINS: Cases = {
  good: ["same", "*", [], ["https://example.com", "http://[::1]:80"], () => true],
  bad: [
    [undefined, TYPE, "must not be undefined: omit it to use its default"],
    [null, TYPE, `${ORIGINS_EXPECTED} null`],
    ["https://example.com", TYPE, `${ORIGINS_EXPECTED} "https://example.com"`],
    [["https://example.com/chat"], TYPE, `${ORIGINS_EXPECTED} an array`],
    [["example.com"], TYPE, `${ORIGINS_EXPECTED} an array`],
    [[/example/], TYPE, `${ORIGINS_EXPECTED} an array`],
  ],
};
const PROXIES_EXPECTED =
  'must be "none", "loopback", or a list of IP addresses and CIDR ranges, got';
export const TRUSTED_PROXIES: Cases = {
  good: ["none", "loopback", [], ["10.0.0.0/8", "::1", "fd00::/8"], undefined],
  bad: [
    [true, TYPE, `${PROXIES_EXPECTED} true`],
    [null, TYPE, `${PROXIES_EXPECTED} null`],
    [["proxy.example"], TYPE, `${PROXIES_EXPECTED} an array`],
    [["10.0.0.0/33"], TYPE, `${PROXIES_EXPECTED} an array`],
  ],
};
export const OBJECT: Cases = {
  good: [{}, undefined],
  bad: [
    ["secret", TYPE, "must be an object, got a string"],
    [null, TYPE, "must be an object, got null"],
    [[], TYPE, "must be an object, got an array"],
  ],
};
const MS = "must be a number of milliseconds from 0 to 2147483647, got";
export const MILLISECONDS: Cases = {
  good: [0, 1, 0.5, 2147483647, undefined],
  bad: [
    ["25s", TYPE, `${MS} "25s"`],
    [null, TYPE, `${MS} null`],
    [-1, RANGE, `${MS} -1`],
    [Number.NaN, RANGE, `${MS} NaN`],
    [Number.POSITIVE_INFINITY, RANGE, `${MS} Infinity`],
    [2147483648, RANGE, `${MS} 2147483648`],
  ],
};
const POSITIVE = "must be a positive number of milliseconds, got";
export const POSITIVE_MILLISECONDS: Cases = {
  good: [1, 0.5, 1_073_741_823, undefined],
  bad: [
    ["25s", TYPE, `${POSITIVE} "25s"`],
    [null, TYPE, `${POSITIVE} null`],
    [0, RANGE, `${POSITIVE} 0`],
    [-1, RANGE, `${POSITIVE} -1`],
    [Number.NaN, RANGE, `${POSITIVE} NaN`],
    [2147483648, RANGE, `${MS} 2147483648`],
  ],
};
const SIZE = "must be a positive integer, got";
export const BYTES: Cases = {
  good: [1, 1e8, 2 ** 40, undefined],
  bad: [
    ["1mb", TYPE, `${SIZE} "1mb"`],
    [null, TYPE, `${SIZE} null`],
    [0, RANGE, `${SIZE} 0`],
    [-1, RANGE, `${SIZE} -1`],
    [1.5, RANGE, `${SIZE} 1.5`],
    [Number.NaN, RANGE, `${SIZE} NaN`],
    [Number.POSITIVE_INFINITY, RANGE, `${SIZE} Infinity`],
  ],
};
const COUNT = "must be an integer, 0 or more, or Infinity, got";
export const LIMIT: Cases = {
  good: [0, 10, Number.POSITIVE_INFINITY, undefined],
  bad: [
    ["10", TYPE, `${COUNT} "10"`],
    [null, TYPE, `${COUNT} null`],
    [-1, RANGE, `${COUNT} -1`],
    [1.5, RANGE, `${COUNT} 1.5`],
    [Number.NaN, RANGE, `${COUNT} NaN`],
  ],
};
const PER_SECOND = "must be a positive number, or Infinity, got";
export const RATE: Cases = {
  good: [0.5, 1, 1000, Number.POSITIVE_INFINITY, undefined],
  bad: [
    ["10", TYPE, `${PER_SECOND} "10"`],
    [null, TYPE, `${PER_SECOND} null`],
    [0, RANGE, `${PER_SECOND} 0`],
    [-1, RANGE, `${PER_SECOND} -1`],
    [Number.NaN, RANGE, `${PER_SECOND} NaN`],
  ],
};
// biome-ignore-end format: tables

/** Returns cases for an integer: both limits of the range are valid, the integers beyond them are invalid. */
export function integers(least: number, most: number): Cases {
  const must = `must be an integer from ${least} to ${most}, got`;
  return {
    good: [least, most, undefined],
    bad: [
      [`${least}`, TYPE, `${must} "${least}"`],
      [null, TYPE, `${must} null`],
      [least - 1, RANGE, `${must} ${least - 1}`],
      [most + 1, RANGE, `${must} ${most + 1}`],
      [least + 0.5, RANGE, `${must} ${least + 0.5}`],
      [Number.NaN, RANGE, `${must} NaN`],
    ],
  };
}

/** Returns cases for an option that other libraries have and that we do not support. */
export function refused(good: readonly unknown[], bad: unknown, says: string): Cases {
  return { good: [...good, undefined], bad: [[bad, TYPE, `is not supported: ${says}`]] };
}

/**
 * Tests each case of a table.
 *
 * @param make passes options to the constructor, and closes the object that it creates
 * @param within the names of the enclosing options, outermost first
 */
export function testOptions(
  title: string,
  table: Readonly<Record<string, Cases>>,
  make: (options: object) => unknown,
  within: readonly string[] = [],
): void {
  const wrap = (options: unknown): object =>
    within.reduceRight<unknown>((inner, name) => ({ [name]: inner }), options) ?? {};
  const prefix = within.map((name) => `${name}.`).join("");
  describe(title, () => {
    for (const [name, { good, bad }] of Object.entries(table)) {
      test(`${prefix}${name} accepts ${good.length} valid values and rejects ${bad.length} invalid values`, async () => {
        for (const value of good) await make(wrap({ [name]: value }));
        for (const [value, code, says] of bad) {
          await assert.rejects(
            async () => make(wrap({ [name]: value })),
            { code, message: `${prefix}${name} ${says}` },
            `${name}: ${String(value)}`,
          );
        }
      });
    }

    test(`an unknown option${prefix && ` in ${prefix}`} throws an error that suggests the nearest known name`, async () => {
      for (const known of Object.keys(table)) {
        const message = `unknown option "${prefix}${known}x"; did you mean "${prefix}${known}"?`;
        await assert.rejects(async () => make(wrap({ [`${known}x`]: 1 })), { code: TYPE, message });
      }
      for (const name of ["zzzzzzzzzzzzzzzzzz", "constructor", "__proto__x"]) {
        const message = `unknown option "${prefix}${name}"`;
        await assert.rejects(async () => make(wrap({ [name]: undefined })), {
          code: TYPE,
          message,
        });
      }
    });
  });
}

/** Returns the names of an interface's members in a declaration file. */
export function declared(path: string, name: string, indent: number): string[] {
  const text = readFileSync(path, "utf8");
  const margin = " ".repeat(indent);
  const [, body = ""] =
    new RegExp(
      `^${margin}(?:export )?interface ${name}\\b[^{]*\\{\\n(.*?)^${margin}\\}`,
      "ms",
    ).exec(text) ?? [];
  const member = new RegExp(`^${margin} {4}(\\w+)\\??[:(]`, "gm");
  return Array.from(body.matchAll(member), ([, option = ""]) => option);
}
