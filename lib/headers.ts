// Sets header fields of a response that several functions may set. All values of Set-Cookie and Vary are kept. Of every
// other field, only the last value is kept.

import { validateHeaderName } from "node:http";

type Value = number | string | readonly string[];

/** A response of node:http, or the header of a 101 response. */
export interface HeaderFields {
  getHeader(name: string): Value | undefined;
  setHeader(name: string, value: Value): unknown;
}

/**
 * Sets a header field. If the field is Set-Cookie or Vary, adds the value to the existing values.
 *
 * @throws TypeError if the name or the value is invalid
 */
export function addHeader(fields: HeaderFields, name: string, value: Value): void {
  const before = fields.getHeader(name);
  const kind = before === undefined ? "" : name.toLowerCase();
  if (kind === "set-cookie") fields.setHeader(name, [before ?? [], value].flat().map(String));
  else if (kind === "vary") fields.setHeader(name, joinVary(`${before}`, `${value}`));
  else fields.setHeader(name, value);
}

function joinVary(before: string, added: string): string {
  const names = before.split(/, */);
  const known = new Set(names.map((name) => name.toLowerCase()));
  return [...names, ...added.split(/, */).filter((name) => !known.has(name.toLowerCase()))].join(
    ", ",
  );
}

/** Fields that the server sets in a 101 response itself, or that a 101 response must not have. */
const OF_THE_101 = /^(?:connection|upgrade|content-length|transfer-encoding|sec-websocket-.*)$/;

// RFC 9112 §5: a line break in a value would start another field.
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\uffff]*$/;

/** Returns whether a text is a valid value of a header field. */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

/** The fields that the user adds to the header of a 101 response. */
export class UpgradeHeaders implements HeaderFields {
  readonly #fields = new Map<string, { readonly name: string; readonly value: Value }>();

  getHeader(name: string): Value | undefined {
    return this.#fields.get(name.toLowerCase())?.value;
  }

  setHeader(name: string, value: Value): void {
    validateHeaderName(name);
    if (![value].flat().every((each) => isFieldValue(`${each}`))) {
      throw new TypeError(
        `the value of the header field "${name}" must not contain control characters`,
      );
    }
    const lower = name.toLowerCase();
    if (!OF_THE_101.test(lower)) this.#fields.set(lower, { name, value });
  }

  /** The lines of the header. */
  get lines(): readonly string[] {
    return [...this.#fields.values()].flatMap(({ name, value }) =>
      [value].flat().map((each) => `${name}: ${each}`),
    );
  }
}
