// Negotiates permessage-deflate: the offer of the client, the response of the server, and the parameters on which
// both ends agree (RFC 7692 §5, §7.1).

import type { Extension, ExtensionParameter } from "./extensions.ts";

/** The name of the extension (RFC 7692 §7). */
export const PERMESSAGE_DEFLATE = "permessage-deflate";

/** The parameters on which both ends have agreed (RFC 7692 §7.1). */
export interface DeflateParameters {
  /** Whether the server compresses each message independently of earlier messages (RFC 7692 §7.1.1.1). */
  readonly serverNoContextTakeover: boolean;
  /** Whether the client compresses each message independently of earlier messages (RFC 7692 §7.1.1.2). */
  readonly clientNoContextTakeover: boolean;
  /** The base-2 logarithm of the size of the server's sliding window, 8 to 15 (RFC 7692 §7.1.2.1). */
  readonly serverMaxWindowBits: number;
  /** The base-2 logarithm of the size of the client's sliding window, 8 to 15 (RFC 7692 §7.1.2.2). */
  readonly clientMaxWindowBits: number;
  /**
   * Whether the offer contained `server_max_window_bits`. If so, the response contains this parameter too, even if its
   * value is 15. Default: `false`.
   */
  readonly serverMaxWindowBitsAsked?: boolean;
}

/** The preferences of one end. If a preference is not set, the other end chooses the parameter. */
export interface DeflatePreferences {
  /**
   * `true`: the server compresses each message independently. `false`: the server declines offers that contain
   * `server_no_context_takeover`. Default: the server follows the offer.
   */
  readonly serverNoContextTakeover?: boolean;
  /** `true`: the client must compress each message independently. Default: `false`. */
  readonly clientNoContextTakeover?: boolean;
  /** The largest window for messages of the server, as a base-2 logarithm, 9 to 15. Default: 15. */
  readonly serverMaxWindowBits?: number;
  /**
   * The largest window for messages of the client, as a base-2 logarithm, 9 to 15. If this is set, the server
   * declines offers without `client_max_window_bits`. Default: 15.
   */
  readonly clientMaxWindowBits?: number;
}

// zlib can inflate raw deflate data for a window of 256 bytes (8 bits), but cannot produce such data. Therefore a
// server declines an offer that requests this window. A client must accept a response with this window, because
// its offer allows any window.
const SMALLEST_WINDOW_BITS = 9;
const LARGEST_WINDOW_BITS = 15;

// RFC 7692 §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/** The parameters of a received offer or response. */
interface Received {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number | undefined;
  /** `true` if the parameter has no value. */
  clientMaxWindowBits: number | true | undefined;
}

/**
 * Accepts the first acceptable offer of permessage-deflate, and returns the agreed parameters. Returns `undefined` if
 * no offer is acceptable.
 *
 * RFC 6455 §9: "A server MUST NOT respond with any extension not requested by the client."
 * RFC 7692 §5: the offers are in the client's order of preference. The handshake succeeds even if the server declines
 * all offers.
 *
 * @param extensions the extensions that the client offers
 * @param preferences the preferences of the server
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
  // RFC 7692 §7.1.2.2: if the offer lacks `client_max_window_bits`, "the server MUST NOT include" this parameter in the
  // response.
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
 * Returns the extension permessage-deflate for the response of a server (RFC 7692 §7.1).
 *
 * The response omits a window of 15 bits, because 15 is the default. There is one exception: if the offer contained
 * `server_max_window_bits`, the response contains this parameter too. RFC 7692 §7.1.2.1: "A server accepts an extension
 * negotiation offer with this parameter by including" the parameter in the response. Some clients fail the connection
 * if the parameter is missing. The client's window is smaller than 15 bits only if the offer contained
 * `client_max_window_bits`.
 *
 * @param agreed the parameters that acceptDeflate() has returned
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
 * Returns whether zlib can compress with a window of this size. If not, the endpoint sends its messages uncompressed.
 * RFC 7692 §6 allows the endpoint to send any message uncompressed.
 *
 * @param windowBits the base-2 logarithm of the size of the window
 */
export function canCompress(windowBits: number): boolean {
  return windowBits >= SMALLEST_WINDOW_BITS;
}

/**
 * Returns the extension permessage-deflate for the offer of a client (RFC 7692 §7.1). The offer allows the server to
 * choose any window for the client.
 *
 * @param preferences the preferences of the client
 */
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
 * Returns the parameters in the response of a server to the offer that deflateOffer() returned. Returns `undefined` if
 * the client must fail the connection (RFC 7692 §5, §7). The client's window may be too small for zlib, see
 * canCompress().
 *
 * @param response the extension in the response
 * @param preferences the preferences with which deflateOffer() was called
 */
export function readDeflateResponse(
  response: Extension,
  preferences: DeflatePreferences,
): DeflateParameters | undefined {
  const received = readDeflate(response);
  if (received === undefined || received.clientMaxWindowBits === true) return undefined;
  // RFC 7692 §7.1.1.1: a server that accepts an offer with `server_no_context_takeover` includes this parameter in the
  // response.
  if (preferences.serverNoContextTakeover && !received.serverNoContextTakeover) return undefined;
  const serverMaxWindowBits = received.serverMaxWindowBits ?? LARGEST_WINDOW_BITS;
  // RFC 7692 §7.1.2.1: the server responds with `server_max_window_bits` "…with the same or smaller value as the offer".
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
 * Reads the parameters of permessage-deflate. Returns `undefined` for any other extension. Also returns `undefined` if
 * RFC 7692 §7 forbids an endpoint to accept the parameters: for an unknown parameter, an invalid value, or a duplicate
 * parameter.
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
