// The grammar of Sec-WebSocket-Extensions (RFC 6455 §9.1), and permessage-deflate negotiated in it
// (RFC 7692 §5 and §7.1).
//
//   extension-list  = 1#extension
//   extension       = token *( ";" extension-param )
//   extension-param = token [ "=" (token | quoted-string) ]
//
// Rule: one pass from left to right, and no name from the network becomes a property of an object.

export interface ExtensionParameter {
  readonly name: string;
  /** `undefined` for a parameter without "=". */
  readonly value: string | undefined;
}

export interface Extension {
  readonly name: string;
  readonly parameters: readonly ExtensionParameter[];
}

// RFC 9110 §5.6.2, the characters of a token; RFC 6455 §9.1 wants an unquoted value to be one too.
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const SPACE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;

/** The extensions of a header, or `undefined` where it does not follow the grammar. */
export function parseExtensions(header: string): readonly Extension[] | undefined {
  let at = 0;
  const read = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match === null) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  /** Reads `char` and the spaces around it. */
  const follows = (char: string): boolean => {
    read(SPACE);
    if (header[at] !== char) return false;
    at++;
    read(SPACE);
    return true;
  };
  /** The value behind "=". "…after processing the quoted-string the resulting value MUST conform to the 'token' ABNF" (§9.1). */
  const readValue = (): string | undefined => {
    if (header[at] !== '"') return read(TOKEN);
    const value = read(QUOTED)?.replace(/\\([\s\S])/g, "$1");
    return value !== undefined && isToken(value) ? value : undefined;
  };

  const extensions: Extension[] = [];
  read(SPACE);
  do {
    const name = read(TOKEN);
    if (name === undefined) return undefined;
    const parameters: ExtensionParameter[] = [];
    while (follows(";")) {
      const parameter = read(TOKEN);
      if (parameter === undefined) return undefined;
      const hasValue = follows("=");
      const value = hasValue ? readValue() : undefined;
      if (hasValue && value === undefined) return undefined;
      parameters.push({ name: parameter, value });
    }
    extensions.push({ name, parameters });
  } while (follows(","));
  return at === header.length ? extensions : undefined;
}

/** Whether `text` is a token (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  TOKEN.lastIndex = 0;
  return TOKEN.exec(text)?.[0].length === text.length;
}

/** The header that says `extensions`. */
export function formatExtensions(extensions: readonly Extension[]): string {
  return extensions
    .map(({ name, parameters }) =>
      [
        name,
        ...parameters.map((p) => (p.value === undefined ? p.name : `${p.name}=${p.value}`)),
      ].join("; "),
    )
    .join(", ");
}

export const PERMESSAGE_DEFLATE = "permessage-deflate";

/** What both ends agreed on (RFC 7692 §7.1), all four parameters. */
export interface DeflateParameters {
  /** The server compresses each message by itself (§7.1.1.1). */
  readonly serverNoContextTakeover: boolean;
  /** The client compresses each message by itself (§7.1.1.2). */
  readonly clientNoContextTakeover: boolean;
  /** Base-2 logarithm of the server's sliding window, 8 to 15 (§7.1.2.1). */
  readonly serverMaxWindowBits: number;
  /** The same of the client's (§7.1.2.2). */
  readonly clientMaxWindowBits: number;
  /** The client's offer named the server's window: then the response names it too, 15 included. */
  readonly serverMaxWindowBitsAsked?: boolean;
}

/** What a server wishes of permessage-deflate; each is left to the client where it is not given. */
export interface DeflateWishes {
  /** `true`: the server compresses each message by itself, `false`: offers that ask for it are declined. */
  readonly serverNoContextTakeover?: boolean;
  /** `true`: the client is asked to compress each message by itself. */
  readonly clientNoContextTakeover?: boolean;
  /** At most this window for what the server sends; 9 to 15. */
  readonly serverMaxWindowBits?: number;
  /** At most this window for what the client sends; 9 to 15. Offers that leave no say in it are declined. */
  readonly clientMaxWindowBits?: number;
}

// zlib's raw deflate does not know a window of 256 bytes, so what asks for one is declined.
const SMALLEST_WINDOW_BITS = 9;
const LARGEST_WINDOW_BITS = 15;

// RFC 7692 §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

interface Offer {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number | undefined;
  /** `true`: the parameter came without a value. */
  clientMaxWindowBits: number | true | undefined;
}

/**
 * The first offer of permessage-deflate that a server can accept, as agreed, or `undefined`.
 * RFC 6455 §9: "A server MUST NOT respond with any extension not requested by the client."
 * RFC 7692 §5: offers stand in the client's order of preference, and declining all of them does
 * not fail the handshake.
 */
export function acceptDeflate(
  extensions: readonly Extension[],
  wishes: DeflateWishes,
): DeflateParameters | undefined {
  for (const extension of extensions) {
    const offer = readDeflate(extension);
    const agreed = offer && agree(offer, wishes);
    if (agreed !== undefined) return agreed;
  }
  return undefined;
}

function agree(offer: Offer, wishes: DeflateWishes): DeflateParameters | undefined {
  if (offer.serverNoContextTakeover && wishes.serverNoContextTakeover === false) return undefined;
  // §7.1.2.2: without the client's parameter, "the server MUST NOT include" it in the response.
  if (wishes.clientMaxWindowBits !== undefined && offer.clientMaxWindowBits === undefined) {
    return undefined;
  }
  const serverMaxWindowBits = Math.min(
    offer.serverMaxWindowBits ?? LARGEST_WINDOW_BITS,
    wishes.serverMaxWindowBits ?? LARGEST_WINDOW_BITS,
  );
  if (serverMaxWindowBits < SMALLEST_WINDOW_BITS) return undefined;
  const clientLimit =
    typeof offer.clientMaxWindowBits === "number" ? offer.clientMaxWindowBits : LARGEST_WINDOW_BITS;
  return {
    serverNoContextTakeover:
      offer.serverNoContextTakeover || wishes.serverNoContextTakeover === true,
    clientNoContextTakeover:
      offer.clientNoContextTakeover || wishes.clientNoContextTakeover === true,
    serverMaxWindowBits,
    clientMaxWindowBits: Math.min(clientLimit, wishes.clientMaxWindowBits ?? LARGEST_WINDOW_BITS),
    ...(offer.serverMaxWindowBits === undefined ? {} : { serverMaxWindowBitsAsked: true }),
  };
}

/**
 * permessage-deflate as a server's response says it (RFC 7692 §7.1).
 *
 * A window of 15 bits is the default and left out, as is a client's window that the client did
 * not ask about: `agreed` is smaller than 15 only where it did. But §7.1.2.1: "A server accepts an
 * extension negotiation offer with this parameter by including" it, and there are clients that
 * fail the connection where it is missing.
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

/** permessage-deflate as a client offers it: it can do with any window, and says so. */
export function deflateOffer(wishes: DeflateWishes): Extension {
  const parameters: ExtensionParameter[] = [];
  if (wishes.serverNoContextTakeover) {
    parameters.push({ name: "server_no_context_takeover", value: undefined });
  }
  if (wishes.clientNoContextTakeover) {
    parameters.push({ name: "client_no_context_takeover", value: undefined });
  }
  if (wishes.serverMaxWindowBits !== undefined) {
    parameters.push({ name: "server_max_window_bits", value: `${wishes.serverMaxWindowBits}` });
  }
  const bits = wishes.clientMaxWindowBits;
  parameters.push({ name: "client_max_window_bits", value: bits === undefined ? bits : `${bits}` });
  return { name: PERMESSAGE_DEFLATE, parameters };
}

/**
 * What a server's response means to the client that made the offer of deflateOffer(wishes), or
 * `undefined` where the client must fail the connection (RFC 7692 §5, §7).
 */
export function readDeflateResponse(
  response: Extension,
  wishes: DeflateWishes,
): DeflateParameters | undefined {
  const read = readDeflate(response);
  if (read === undefined || read.clientMaxWindowBits === true) return undefined;
  // §7.1.1.1: what was asked of the server must be granted.
  if (wishes.serverNoContextTakeover && !read.serverNoContextTakeover) return undefined;
  const serverMaxWindowBits = read.serverMaxWindowBits ?? LARGEST_WINDOW_BITS;
  // §7.1.2.1: "…with the same or smaller value as the offer".
  if (serverMaxWindowBits > (wishes.serverMaxWindowBits ?? LARGEST_WINDOW_BITS)) return undefined;
  const ours = wishes.clientMaxWindowBits ?? LARGEST_WINDOW_BITS;
  const clientMaxWindowBits = Math.min(read.clientMaxWindowBits ?? LARGEST_WINDOW_BITS, ours);
  if (clientMaxWindowBits < SMALLEST_WINDOW_BITS) return undefined;
  return {
    serverNoContextTakeover: read.serverNoContextTakeover,
    clientNoContextTakeover:
      read.clientNoContextTakeover || wishes.clientNoContextTakeover === true,
    serverMaxWindowBits,
    clientMaxWindowBits,
  };
}

/**
 * The four parameters of one permessage-deflate, or `undefined` for another extension and where
 * RFC 7692 §7 wants it declined: an unknown parameter, an invalid value, a name given twice.
 */
function readDeflate({ name, parameters }: Extension): Offer | undefined {
  if (name !== PERMESSAGE_DEFLATE) return undefined;
  const offer: Offer = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: undefined,
    clientMaxWindowBits: undefined,
  };
  for (const { name: parameter, value } of parameters) {
    const bits = value !== undefined && WINDOW_BITS.test(value) ? Number(value) : undefined;
    switch (parameter) {
      case "server_no_context_takeover":
        if (offer.serverNoContextTakeover || value !== undefined) return undefined;
        offer.serverNoContextTakeover = true;
        break;
      case "client_no_context_takeover":
        if (offer.clientNoContextTakeover || value !== undefined) return undefined;
        offer.clientNoContextTakeover = true;
        break;
      case "server_max_window_bits":
        if (offer.serverMaxWindowBits !== undefined || bits === undefined) return undefined;
        offer.serverMaxWindowBits = bits;
        break;
      case "client_max_window_bits":
        if (offer.clientMaxWindowBits !== undefined) return undefined;
        if (value !== undefined && bits === undefined) return undefined;
        offer.clientMaxWindowBits = bits ?? true;
        break;
      default:
        return undefined;
    }
  }
  return offer;
}
