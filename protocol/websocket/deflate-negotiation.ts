// The negotiation of permessage-deflate: a client's offer, a server's response, and what both ends agree on.
// RFC 7692 §5 and §7.1.

import type { Extension, ExtensionParameter } from "./extensions.ts";

export const PERMESSAGE_DEFLATE = "permessage-deflate";

/** The four parameters that both ends have agreed on (RFC 7692 §7.1). */
export interface DeflateParameters {
  /** The server compresses each message by itself (RFC 7692 §7.1.1.1). */
  readonly serverNoContextTakeover: boolean;
  /** The client compresses each message by itself (RFC 7692 §7.1.1.2). */
  readonly clientNoContextTakeover: boolean;
  /** Base-2 logarithm of the size of the server's sliding window, 8 to 15 (RFC 7692 §7.1.2.1). */
  readonly serverMaxWindowBits: number;
  /** Base-2 logarithm of the size of the client's sliding window, 8 to 15 (RFC 7692 §7.1.2.2). */
  readonly clientMaxWindowBits: number;
  /** The client's offer named the server's window. Then the response names it too, even if it is 15. */
  readonly serverMaxWindowBitsAsked?: boolean;
}

/** What one end prefers in the negotiation. The other end decides each parameter that is not given. */
export interface DeflatePreferences {
  /** `true`: the server compresses each message by itself. `false`: the server declines offers that ask for it. */
  readonly serverNoContextTakeover?: boolean;
  /** `true`: the client is asked to compress each message by itself. */
  readonly clientNoContextTakeover?: boolean;
  /** Largest window for the messages that the server sends, 9 to 15. */
  readonly serverMaxWindowBits?: number;
  /** Largest window for the messages that the client sends, 9 to 15. The server declines offers that do not let it choose. */
  readonly clientMaxWindowBits?: number;
}

// zlib cannot make raw deflate data for a window of 256 bytes, though it can inflate such data. A server
// declines an offer that asks for such data. A client accepts that response: it has offered to use any window.
const SMALLEST_WINDOW_BITS = 9;
const LARGEST_WINDOW_BITS = 15;

// RFC 7692 §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/** The parameters of an offer or a response, as they were received. */
interface Received {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number | undefined;
  /** `true`: the parameter was received without a value. */
  clientMaxWindowBits: number | true | undefined;
}

/**
 * Returns what a server agrees to: the first offer of permessage-deflate that it can accept, with its own preferences.
 * Returns `undefined` if there is none.
 *
 * RFC 6455 §9: "A server MUST NOT respond with any extension not requested by the client."
 * RFC 7692 §5: offers are in the client's order of preference. The handshake succeeds even if all are declined.
 */
export function acceptDeflate(
  extensions: readonly Extension[],
  preferences: DeflatePreferences,
): DeflateParameters | undefined {
  for (const extension of extensions) {
    const offer = readDeflate(extension);
    const agreed = offer && agree(offer, preferences);
    if (agreed !== undefined) return agreed;
  }
  return undefined;
}

function agree(offer: Received, preferences: DeflatePreferences): DeflateParameters | undefined {
  if (offer.serverNoContextTakeover && preferences.serverNoContextTakeover === false)
    return undefined;
  // RFC 7692 §7.1.2.2: without the client's parameter, "the server MUST NOT include" it in the response.
  if (preferences.clientMaxWindowBits !== undefined && offer.clientMaxWindowBits === undefined) {
    return undefined;
  }
  const serverMaxWindowBits = Math.min(
    offer.serverMaxWindowBits ?? LARGEST_WINDOW_BITS,
    preferences.serverMaxWindowBits ?? LARGEST_WINDOW_BITS,
  );
  if (!canCompress(serverMaxWindowBits)) return undefined;
  const clientLimit =
    typeof offer.clientMaxWindowBits === "number" ? offer.clientMaxWindowBits : LARGEST_WINDOW_BITS;
  return {
    serverNoContextTakeover:
      offer.serverNoContextTakeover || preferences.serverNoContextTakeover === true,
    clientNoContextTakeover:
      offer.clientNoContextTakeover || preferences.clientNoContextTakeover === true,
    serverMaxWindowBits,
    clientMaxWindowBits: Math.min(
      clientLimit,
      preferences.clientMaxWindowBits ?? LARGEST_WINDOW_BITS,
    ),
    ...(offer.serverMaxWindowBits === undefined ? {} : { serverMaxWindowBitsAsked: true }),
  };
}

/**
 * Returns permessage-deflate for a server's response (RFC 7692 §7.1).
 *
 * A window of 15 bits is the default and is left out. A client's window is smaller than that only if the
 * client's offer named it. But RFC 7692 §7.1.2.1: "A server accepts an extension negotiation offer with this
 * parameter by including" it, and some clients fail the connection if the server's window is missing.
 */
export function deflateResponse(agreed: DeflateParameters): Extension {
  const parameters: ExtensionParameter[] = [];
  if (agreed.serverNoContextTakeover) {
    parameters.push({ name: "server_no_context_takeover", value: undefined });
  }
  if (agreed.clientNoContextTakeover) {
    parameters.push({ name: "client_no_context_takeover", value: undefined });
  }
  if (agreed.serverMaxWindowBits < LARGEST_WINDOW_BITS || agreed.serverMaxWindowBitsAsked) {
    parameters.push({ name: "server_max_window_bits", value: `${agreed.serverMaxWindowBits}` });
  }
  if (agreed.clientMaxWindowBits < LARGEST_WINDOW_BITS) {
    parameters.push({ name: "client_max_window_bits", value: `${agreed.clientMaxWindowBits}` });
  }
  return { name: PERMESSAGE_DEFLATE, parameters };
}

/**
 * Whether zlib can compress for a window of this size. Otherwise an endpoint sends its messages uncompressed, as
 * RFC 7692 §6 permits for each message.
 */
export function canCompress(windowBits: number): boolean {
  return windowBits >= SMALLEST_WINDOW_BITS;
}

/** Returns permessage-deflate for a client's offer, which says that the client can use any window. */
export function deflateOffer(preferences: DeflatePreferences): Extension {
  const parameters: ExtensionParameter[] = [];
  if (preferences.serverNoContextTakeover) {
    parameters.push({ name: "server_no_context_takeover", value: undefined });
  }
  if (preferences.clientNoContextTakeover) {
    parameters.push({ name: "client_no_context_takeover", value: undefined });
  }
  if (preferences.serverMaxWindowBits !== undefined) {
    parameters.push({
      name: "server_max_window_bits",
      value: `${preferences.serverMaxWindowBits}`,
    });
  }
  const bits = preferences.clientMaxWindowBits;
  parameters.push({ name: "client_max_window_bits", value: bits === undefined ? bits : `${bits}` });
  return { name: PERMESSAGE_DEFLATE, parameters };
}

/**
 * Returns the parameters in a server's response to deflateOffer(preferences), or `undefined` if the client
 * must fail the connection (RFC 7692 §5, §7). The client's window may be too small for zlib: see canCompress().
 */
export function readDeflateResponse(
  response: Extension,
  preferences: DeflatePreferences,
): DeflateParameters | undefined {
  const received = readDeflate(response);
  if (received === undefined || received.clientMaxWindowBits === true) return undefined;
  // RFC 7692 §7.1.1.1: a server that accepts this request includes the parameter.
  if (preferences.serverNoContextTakeover && !received.serverNoContextTakeover) return undefined;
  const serverMaxWindowBits = received.serverMaxWindowBits ?? LARGEST_WINDOW_BITS;
  // RFC 7692 §7.1.2.1: "…with the same or smaller value as the offer".
  if (serverMaxWindowBits > (preferences.serverMaxWindowBits ?? LARGEST_WINDOW_BITS))
    return undefined;
  const ours = preferences.clientMaxWindowBits ?? LARGEST_WINDOW_BITS;
  const clientMaxWindowBits = Math.min(received.clientMaxWindowBits ?? LARGEST_WINDOW_BITS, ours);
  return {
    serverNoContextTakeover: received.serverNoContextTakeover,
    clientNoContextTakeover:
      received.clientNoContextTakeover || preferences.clientNoContextTakeover === true,
    serverMaxWindowBits,
    clientMaxWindowBits,
  };
}

/**
 * Returns the four parameters of permessage-deflate, or `undefined` for another extension and where
 * RFC 7692 §7 wants it declined: for an unknown parameter, an invalid value, or a duplicate parameter.
 */
function readDeflate({ name, parameters }: Extension): Received | undefined {
  if (name !== PERMESSAGE_DEFLATE) return undefined;
  const received: Received = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: undefined,
    clientMaxWindowBits: undefined,
  };
  for (const { name: parameter, value } of parameters) {
    const bits = value !== undefined && WINDOW_BITS.test(value) ? Number(value) : undefined;
    switch (parameter) {
      case "server_no_context_takeover":
        if (received.serverNoContextTakeover || value !== undefined) return undefined;
        received.serverNoContextTakeover = true;
        break;
      case "client_no_context_takeover":
        if (received.clientNoContextTakeover || value !== undefined) return undefined;
        received.clientNoContextTakeover = true;
        break;
      case "server_max_window_bits":
        if (received.serverMaxWindowBits !== undefined || bits === undefined) return undefined;
        received.serverMaxWindowBits = bits;
        break;
      case "client_max_window_bits":
        if (received.clientMaxWindowBits !== undefined) return undefined;
        if (value !== undefined && bits === undefined) return undefined;
        received.clientMaxWindowBits = bits ?? true;
        break;
      default:
        return undefined;
    }
  }
  return received;
}
