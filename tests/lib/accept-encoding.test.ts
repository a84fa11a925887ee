// Tests how Accept-Encoding (RFC 9110 §12.5.3) selects the encoding of client files and of responses to polls.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { preferredEncoding } from "../../lib/accept-encoding.ts";

// The encodings in which the server can send client files, and those of responses to polls.
const FILES = ["br", "gzip"] as const;
const POLLS = ["gzip", "deflate"] as const;

// biome-ignore format: aligned table
const FIELDS: readonly (readonly [
  field: string | readonly string[] | undefined, file: string, poll: string, rule: string,
])[] = [
  [undefined,                          "identity", "identity", "no field"],
  ["",                                 "identity", "identity", "an empty field"],
  [" ",                                "identity", "identity", "a blank field"],
  ["gzip",                             "gzip",     "gzip",     "one coding"],
  ["deflate",                          "identity", "deflate",  "a coding that only polls support"],
  ["gzip, deflate, br",                "br",       "gzip",     "equal weights, the server's order counts"],
  ["deflate, gzip",                    "gzip",     "gzip",     "equal weights in another order"],
  [["br", "gzip"],                     "br",       "gzip",     "two fields"],
  ["gzipped",                          "identity", "identity", "an unknown coding"],
  ["identity",                         "identity", "identity", "identity alone"],
  // Fields with weights.
  ["br;q=0.5, gzip",                   "gzip",     "gzip",     "a lower weight"],
  ["gzip;q=0.5, deflate;q=0.501",      "gzip",     "deflate",  "weights with three decimals"],
  ["gzip;q=1.000, br;q=0.999",         "gzip",     "gzip",     "a weight of 1 with decimals"],
  ["br;q=0.001",                       "br",       "identity", "the smallest weight"],
  ["br;q=0, gzip;q=0.1",               "gzip",     "gzip",     "a coding with q=0"],
  ["gzip;q=0.000, deflate",            "identity", "deflate",  "a coding with q=0.000"],
  ["gzip;q=0.",                        "identity", "identity", "a coding with q=0."],
  ["gzip;q=0",                         "identity", "identity", "only a coding with q=0"],
  // Fields with the wildcard.
  ["*",                                "br",       "gzip",     "the wildcard alone"],
  ["*;q=0.5, gzip",                    "gzip",     "gzip",     "the wildcard with a lower weight"],
  ["gzip;q=0.5, *",                    "br",       "deflate",  "the wildcard with a higher weight"],
  ["gzip;q=0, *",                      "br",       "deflate",  "the wildcard and one coding with q=0"],
  ["*;q=0",                            "identity", "identity", "the wildcard with q=0"],
  ["*;q=0, gzip",                      "gzip",     "gzip",     "one coding, and the wildcard with q=0"],
  // Fields with the coding identity.
  ["identity, gzip;q=0.5",             "identity", "identity", "identity preferred"],
  ["identity, gzip",                   "gzip",     "gzip",     "identity with an equal weight"],
  ["identity;q=0.5, gzip",             "gzip",     "gzip",     "identity with a lower weight"],
  ["identity;q=0, gzip;q=0.1",         "gzip",     "gzip",     "identity with q=0"],
  ["identity;q=0.5, *;q=0",            "identity", "identity", "identity, and the wildcard with q=0"],
  ["identity;q=0.5, *;q=0.1",          "identity", "identity", "identity, and the wildcard with a lower weight"],
  // Fields in unusual syntax.
  ["GZip;Q=0.5",                       "gzip",     "gzip",     "upper case"],
  ["\tgzip ;\t q=0.5 , br ; q=0.4",    "gzip",     "gzip",     "optional white space"],
  [",, gzip,",                         "gzip",     "gzip",     "empty elements"],
  ["br;level=9;q=0.1, gzip;q=0.2",     "gzip",     "gzip",     "an unknown parameter before q"],
  // Weights that are invalid by RFC 9110 §12.4.2.
  ["gzip;q=x",                         "identity", "identity", "a weight that is not a number"],
  ["gzip;q=",                          "identity", "identity", "an empty weight"],
  ["gzip;q=-1",                        "identity", "identity", "a negative weight"],
  ["gzip;q=1.5",                       "identity", "identity", "a weight above 1"],
  ["gzip;q=0.1234",                    "identity", "identity", "a weight with four decimals"],
  ["gzip;q=1e-1",                      "identity", "identity", "a weight with an exponent"],
];

describe("the Accept-Encoding header", () => {
  for (const [field, file, poll, rule] of FIELDS) {
    test(`${rule}: ${JSON.stringify(field)} selects ${file} for client files and ${poll} for polls`, () => {
      assert.equal(preferredEncoding(field, FILES), file);
      assert.equal(preferredEncoding(field, POLLS), poll);
    });
  }
});
