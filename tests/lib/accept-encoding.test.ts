// Accept-Encoding: RFC 9110 §12.5.3, as both of the server's responses with a body read it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { preferredEncoding } from "../../lib/accept-encoding.ts";

// What the client's files have, and what a poll response has.
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
  ["deflate",                          "identity", "deflate",  "a coding that one of them has"],
  ["gzip, deflate, br",                "br",       "gzip",     "equal weights: the server's first"],
  ["deflate, gzip",                    "gzip",     "gzip",     "equal weights in another order"],
  [["br", "gzip"],                     "br",       "gzip",     "two fields"],
  ["gzipped",                          "identity", "identity", "an unknown coding"],
  ["identity",                         "identity", "identity", "identity alone"],
  // Weights.
  ["br;q=0.5, gzip",                   "gzip",     "gzip",     "a lower weight"],
  ["gzip;q=0.5, deflate;q=0.501",      "gzip",     "deflate",  "three decimals"],
  ["gzip;q=1.000, br;q=0.999",         "gzip",     "gzip",     "1 with decimals"],
  ["br;q=0.001",                       "br",       "identity", "the smallest weight"],
  ["br;q=0, gzip;q=0.1",               "gzip",     "gzip",     "q=0 refuses"],
  ["gzip;q=0.000, deflate",            "identity", "deflate",  "q=0 with decimals refuses"],
  ["gzip;q=0.",                        "identity", "identity", "q=0. refuses"],
  ["gzip;q=0",                         "identity", "identity", "nothing but a refusal"],
  // The wildcard.
  ["*",                                "br",       "gzip",     "any coding"],
  ["*;q=0.5, gzip",                    "gzip",     "gzip",     "others less"],
  ["gzip;q=0.5, *",                    "br",       "deflate",  "others more"],
  ["gzip;q=0, *",                      "br",       "deflate",  "any but one"],
  ["*;q=0",                            "identity", "identity", "none, but there must be a response"],
  ["*;q=0, gzip",                      "gzip",     "gzip",     "one and no other"],
  // Identity.
  ["identity, gzip;q=0.5",             "identity", "identity", "identity preferred"],
  ["identity, gzip",                   "gzip",     "gzip",     "identity as good"],
  ["identity;q=0.5, gzip",             "gzip",     "gzip",     "identity less"],
  ["identity;q=0, gzip;q=0.1",         "gzip",     "gzip",     "identity refused"],
  ["identity;q=0.5, *;q=0",            "identity", "identity", "identity and no other"],
  ["identity;q=0.5, *;q=0.1",          "identity", "identity", "identity before any other"],
  // Form.
  ["GZip;Q=0.5",                       "gzip",     "gzip",     "case"],
  ["\tgzip ;\t q=0.5 , br ; q=0.4",    "gzip",     "gzip",     "optional white space"],
  [",, gzip,",                         "gzip",     "gzip",     "empty elements"],
  ["br;level=9;q=0.1, gzip;q=0.2",     "gzip",     "gzip",     "another parameter"],
  // Weights that RFC 9110 §12.4.2 does not have.
  ["gzip;q=x",                         "identity", "identity", "no number"],
  ["gzip;q=",                          "identity", "identity", "an empty weight"],
  ["gzip;q=-1",                        "identity", "identity", "a negative weight"],
  ["gzip;q=1.5",                       "identity", "identity", "more than 1"],
  ["gzip;q=0.1234",                    "identity", "identity", "four decimals"],
  ["gzip;q=1e-1",                      "identity", "identity", "an exponent"],
];

describe("Accept-Encoding", () => {
  for (const [field, file, poll, rule] of FIELDS) {
    test(`${rule}: ${JSON.stringify(field)} selects ${file} and ${poll}`, () => {
      assert.equal(preferredEncoding(field, FILES), file);
      assert.equal(preferredEncoding(field, POLLS), poll);
    });
  }
});
