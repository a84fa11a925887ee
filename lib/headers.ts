// Header fields of a response that several parties set: each Set-Cookie and Vary is kept, and of
// other fields the last value counts.

import { validateHeaderName } from "node:http";

type Value = number | string | readonly string[];

/** A response of node:http, or the header of a 101. */
export interface HeaderFields {
  getHeader(name: string): Value | undefined;
  setHeader(name: string, value: Value): unknown;
}

/**
 * Sets a field. A further Set-Cookie or Vary is added to those before it.
 *
 * @throws TypeError if a header cannot have this name or value
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

/** Fields that the 101 has of its own, or must not have. */
const OF_THE_101 = /^(?:connection|upgrade|content-length|transfer-encoding|sec-websocket-.*)$/;

// RFC 9112 §5: a line end would begin another field.
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\uffff]*$/;

/** Whether a header field can have this value. */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

/** The fields that a program adds to the header of a 101. */
export class UpgradeHeaders implements HeaderFields {
  readonly #fields = new Map<string, { readonly name: string; readonly value: Value }>();

  getHeader(name: string): Value | undefined {
    return this.#fields.get(name.toLowerCase())?.value;
  }

  setHeader(name: string, value: Value): void {
    validateHeaderName(name);
    if (![value].flat().every((each) => isFieldValue(`${each}`))) {
      throw new TypeError(`the value of the header field "${name}" has control characters`);
    }
    const lower = name.toLowerCase();
    if (!OF_THE_101.test(lower)) this.#fields.set(lower, { name, value });
  }

  /** Lines of the header. */
  get lines(): readonly string[] {
    return [...this.#fields.values()].flatMap(({ name, value }) =>
      [value].flat().map((each) => `${name}: ${each}`),
    );
  }
}
