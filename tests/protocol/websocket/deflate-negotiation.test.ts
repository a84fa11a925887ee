// Tests the negotiation of permessage-deflate in Sec-WebSocket-Extensions: RFC 7692 §5 and §7.1.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  acceptDeflate,
  type DeflateParameters,
  type DeflatePreferences,
  deflateOffer,
  deflateResponse,
  readDeflateResponse,
} from "../../../protocol/websocket/deflate-negotiation.ts";
import { formatExtensions, parseExtensions } from "../../../protocol/websocket/extensions.ts";

interface Row {
  readonly does: string;
  readonly offer: string;
  readonly preferences?: DeflatePreferences;
  /** The response, or `undefined` if the server declines the offer. */
  readonly gives: string | undefined;
}

// biome-ignore format: aligned table
const OFFERS: readonly Row[] = [
  { does: "RFC 7692 §5 declines another extension",                                                  offer: "x-webkit-deflate-frame",            gives: undefined },
  { does: "RFC 7692 §5 accepts the first acceptable offer",                                          offer: "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=10, permessage-deflate", gives: "permessage-deflate; server_max_window_bits=10" },
  { does: "RFC 7692 §5 declines all offers if none of them is acceptable",                           offer: "permessage-deflate; x, other",      gives: undefined },
  { does: "RFC 7692 §7.1 accepts an offer without parameters (Autobahn 12.1, 13.1)",                 offer: "permessage-deflate",                gives: "permessage-deflate" },
  { does: "RFC 7692 §7.1 declines an unknown parameter",                                             offer: "permessage-deflate; window=9",      gives: undefined },
  { does: "RFC 7692 §7.1.1.1 confirms server_no_context_takeover, which the client requests (Autobahn 13.2)", offer: "permessage-deflate; server_no_context_takeover", gives: "permessage-deflate; server_no_context_takeover" },
  { does: "RFC 7692 §7.1.1.1 declines server_no_context_takeover with a value",                      offer: "permessage-deflate; server_no_context_takeover=1", gives: undefined },
  { does: "RFC 7692 §7.1.1.1 declines a repeated server_no_context_takeover",                        offer: "permessage-deflate; server_no_context_takeover; server_no_context_takeover", gives: undefined },
  { does: "RFC 7692 §7.1.1.1 adds server_no_context_takeover if the server prefers it",              offer: "permessage-deflate", preferences: { serverNoContextTakeover: true }, gives: "permessage-deflate; server_no_context_takeover" },
  { does: "RFC 7692 §7.1.1.1 declines server_no_context_takeover if the server does not allow it",   offer: "permessage-deflate; server_no_context_takeover", preferences: { serverNoContextTakeover: false }, gives: undefined },
  { does: "RFC 7692 §7.1.1.2 confirms client_no_context_takeover, which the client announces",       offer: "permessage-deflate; client_no_context_takeover", gives: "permessage-deflate; client_no_context_takeover" },
  { does: "RFC 7692 §7.1.1.2 declines client_no_context_takeover with a value",                      offer: "permessage-deflate; client_no_context_takeover=true", gives: undefined },
  { does: "RFC 7692 §7.1.1.2 declines a repeated client_no_context_takeover",                        offer: "permessage-deflate; client_no_context_takeover; client_no_context_takeover", gives: undefined },
  { does: "RFC 7692 §7.1.1.2 adds client_no_context_takeover if the server prefers it",              offer: "permessage-deflate", preferences: { clientNoContextTakeover: true }, gives: "permessage-deflate; client_no_context_takeover" },
  { does: "RFC 7692 §7.1.2.1 accepts the smallest window that zlib supports (Autobahn 13.3)",        offer: "permessage-deflate; server_max_window_bits=9", gives: "permessage-deflate; server_max_window_bits=9" },
  { does: "RFC 7692 §7.1.2.1 repeats server_max_window_bits with the largest window (Autobahn 13.4)", offer: "permessage-deflate; server_max_window_bits=15", gives: "permessage-deflate; server_max_window_bits=15" },
  { does: "RFC 7692 §7.1.2.1 accepts a value of server_max_window_bits in quotation marks",          offer: 'permessage-deflate; server_max_window_bits="10"', gives: "permessage-deflate; server_max_window_bits=10" },
  { does: "RFC 7692 §7.1.2.1 declines a window that zlib does not support",                          offer: "permessage-deflate; server_max_window_bits=8", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 declines server_max_window_bits without a value",                       offer: "permessage-deflate; server_max_window_bits",   gives: undefined },
  { does: "RFC 7692 §7.1.2.1 declines a window that is too small",                                   offer: "permessage-deflate; server_max_window_bits=7", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 declines a window that is too large",                                   offer: "permessage-deflate; server_max_window_bits=16", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 declines a value of server_max_window_bits with an additional digit",   offer: "permessage-deflate; server_max_window_bits=80", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 declines a value of server_max_window_bits with a leading zero",        offer: "permessage-deflate; server_max_window_bits=010", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 declines a value of server_max_window_bits that is not an integer",     offer: "permessage-deflate; server_max_window_bits=1e1", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 declines a repeated server_max_window_bits",                            offer: "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 has the server's window if it is smaller than the client's",            offer: "permessage-deflate; server_max_window_bits=12", preferences: { serverMaxWindowBits: 11 }, gives: "permessage-deflate; server_max_window_bits=11" },
  { does: "RFC 7692 §7.1.2.1 has the server's window if the client requests none",                   offer: "permessage-deflate", preferences: { serverMaxWindowBits: 11 }, gives: "permessage-deflate; server_max_window_bits=11" },
  { does: "RFC 7692 §7.1.2.2 omits client_max_window_bits if the server has no preference",          offer: "permessage-deflate; client_max_window_bits",   gives: "permessage-deflate" },
  { does: "RFC 7692 §7.1.2.2 limits the client's window to the size that the server prefers",        offer: "permessage-deflate; client_max_window_bits", preferences: { clientMaxWindowBits: 10 }, gives: "permessage-deflate; client_max_window_bits=10" },
  { does: "RFC 7692 §7.1.2.2 repeats the limit that the client offers for its window",               offer: "permessage-deflate; client_max_window_bits=11", gives: "permessage-deflate; client_max_window_bits=11" },
  { does: "RFC 7692 §7.1.2.2 has the smaller of the limits that the client and the server prefer",   offer: "permessage-deflate; client_max_window_bits=11", preferences: { clientMaxWindowBits: 10 }, gives: "permessage-deflate; client_max_window_bits=10" },
  { does: "RFC 7692 §7.1.2.2 declines the offer if the server limits the client's window, but the client does not support this", offer: "permessage-deflate", preferences: { clientMaxWindowBits: 10 }, gives: undefined },
  { does: "RFC 7692 §7.1.2.2 declines a window that is too large",                                   offer: "permessage-deflate; client_max_window_bits=16", gives: undefined },
  { does: "RFC 7692 §7.1.2.2 declines a value of client_max_window_bits that is not a number",       offer: "permessage-deflate; client_max_window_bits=all", gives: undefined },
  { does: "RFC 7692 §7.1.2.2 declines a repeated client_max_window_bits",                            offer: "permessage-deflate; client_max_window_bits; client_max_window_bits", gives: undefined },
  { does: "RFC 7692 §7.1 accepts all four parameters",                                               offer: "permessage-deflate; client_max_window_bits=12; server_max_window_bits=13; client_no_context_takeover; server_no_context_takeover", gives: "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=13; client_max_window_bits=12" },
];

describe("RFC 7692: a server's response to a client's offers", () => {
  for (const { does, offer, preferences = {}, gives } of OFFERS) {
    test(`${does}: ${offer}`, () => {
      const extensions = parseExtensions(offer);
      assert.ok(extensions !== undefined);
      const agreed = acceptDeflate(extensions, preferences);
      assert.equal(agreed && formatExtensions([deflateResponse(agreed)]), gives);
    });
  }
});

interface Answer {
  readonly does: string;
  readonly preferences?: DeflatePreferences;
  readonly response: string;
  /** The agreed parameters, or `undefined` if the client must fail the connection. */
  readonly gives: DeflateParameters | undefined;
}

const PLAIN: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

// biome-ignore format: aligned table
const ANSWERS: readonly Answer[] = [
  { does: "RFC 7692 §5 accepts a response without parameters",                             response: "permessage-deflate", gives: PLAIN },
  { does: "RFC 7692 §5 rejects another extension",                                         response: "other", gives: undefined },
  { does: "RFC 7692 §7.1 rejects an unknown parameter",                                    response: "permessage-deflate; x", gives: undefined },
  { does: "RFC 7692 §7.1.1.1 accepts server_no_context_takeover if it has requested it",   preferences: { serverNoContextTakeover: true }, response: "permessage-deflate; server_no_context_takeover", gives: { ...PLAIN, serverNoContextTakeover: true } },
  { does: "RFC 7692 §7.1.1.1 rejects a response without server_no_context_takeover if it has requested it", preferences: { serverNoContextTakeover: true }, response: "permessage-deflate", gives: undefined },
  { does: "RFC 7692 §7.1.1.1 accepts server_no_context_takeover even if it has not requested it", response: "permessage-deflate; server_no_context_takeover", gives: { ...PLAIN, serverNoContextTakeover: true } },
  { does: "RFC 7692 §7.1.1.2 accepts client_no_context_takeover, which the server requests", response: "permessage-deflate; client_no_context_takeover", gives: { ...PLAIN, clientNoContextTakeover: true } },
  { does: "RFC 7692 §7.1.1.2 does as it announced with client_no_context_takeover even if the response omits it", preferences: { clientNoContextTakeover: true }, response: "permessage-deflate", gives: { ...PLAIN, clientNoContextTakeover: true } },
  { does: "RFC 7692 §7.1.2.1 accepts a smaller window than it has requested",              preferences: { serverMaxWindowBits: 12 }, response: "permessage-deflate; server_max_window_bits=10", gives: { ...PLAIN, serverMaxWindowBits: 10 } },
  { does: "RFC 7692 §7.1.2.1 rejects a larger window than it has requested",               preferences: { serverMaxWindowBits: 12 }, response: "permessage-deflate; server_max_window_bits=13", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 rejects a response without the window that it has requested", preferences: { serverMaxWindowBits: 12 }, response: "permessage-deflate", gives: undefined },
  { does: "RFC 7692 §7.1.2.2 accepts a limit for the client's window",                     response: "permessage-deflate; client_max_window_bits=9", gives: { ...PLAIN, clientMaxWindowBits: 9 } },
  { does: "RFC 7692 §7.1.2.2 keeps its own limit for the client's window if the limit in the response is larger", preferences: { clientMaxWindowBits: 10 }, response: "permessage-deflate; client_max_window_bits=12", gives: { ...PLAIN, clientMaxWindowBits: 10 } },
  { does: "RFC 7692 §7.1.2.2 keeps its own limit for the client's window if the response has none", preferences: { clientMaxWindowBits: 10 }, response: "permessage-deflate", gives: { ...PLAIN, clientMaxWindowBits: 10 } },
  { does: "RFC 7692 §7.1.2.2 rejects client_max_window_bits without a value",              response: "permessage-deflate; client_max_window_bits", gives: undefined },
  { does: "RFC 7692 §7.1.2.2 accepts a window for which zlib cannot compress",             response: "permessage-deflate; client_max_window_bits=8", gives: { ...PLAIN, clientMaxWindowBits: 8 } },
  { does: "RFC 7692 §7.1.2.2 rejects a window that is too small",                          response: "permessage-deflate; client_max_window_bits=7", gives: undefined },
  { does: "RFC 7692 §7.1.2.1 accepts the smallest window of the server",                   response: "permessage-deflate; server_max_window_bits=8", gives: { ...PLAIN, serverMaxWindowBits: 8 } },
];

describe("RFC 7692: a client that reads a server's response", () => {
  for (const { does, preferences = {}, response, gives } of ANSWERS) {
    test(`${does}: ${response}`, () => {
      const [extension] = parseExtensions(response) ?? [];
      assert.ok(extension !== undefined);
      assert.deepEqual(readDeflateResponse(extension, preferences), gives);
    });
  }

  test("RFC 7692 §7.1 the client's offer has all preferences of the client", () => {
    const offer = (preferences: DeflatePreferences): string =>
      formatExtensions([deflateOffer(preferences)]);
    assert.equal(offer({}), "permessage-deflate; client_max_window_bits");
    assert.equal(
      offer({
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 10,
        clientMaxWindowBits: 11,
      }),
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11",
    );
  });

  test("RFC 7692 §7.1.2.2 the client's offer has the size of its window as text, like a parsed offer", () => {
    const { parameters } = deflateOffer({ clientMaxWindowBits: 11 });
    assert.deepEqual(parameters, [{ name: "client_max_window_bits", value: "11" }]);
  });

  test("RFC 7692 §7.1 both ends agree on the parameters, for all preferences of both", () => {
    const flags = [undefined, true, false];
    const bits = [undefined, 9, 12, 15];
    let agreements = 0;
    for (const serverNoContextTakeover of flags)
      for (const clientNoContextTakeover of flags)
        for (const serverMaxWindowBits of bits)
          for (const clientMaxWindowBits of bits) {
            const preferences = preferencesOf({
              serverNoContextTakeover,
              clientNoContextTakeover,
              serverMaxWindowBits,
              clientMaxWindowBits,
            });
            for (const other of [{}, { serverMaxWindowBits: 10, clientMaxWindowBits: 10 }]) {
              const server = acceptDeflate([deflateOffer(preferences)], other);
              if (server === undefined) continue;
              const client = readDeflateResponse(deflateResponse(server), preferences);
              assert.ok(client !== undefined);
              const { serverMaxWindowBitsAsked: _asked, ...agreed } = server;
              assert.deepEqual(client, agreed);
              agreements++;
            }
          }
    assert.equal(agreements, 3 * 3 * 4 * 4 * 2);
  });
});

/** Returns the preferences that are not `undefined`. */
function preferencesOf(
  preferences: { [Name in keyof DeflatePreferences]: DeflatePreferences[Name] | undefined },
): DeflatePreferences {
  return Object.fromEntries(Object.entries(preferences).filter(([, value]) => value !== undefined));
}
