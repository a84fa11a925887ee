// The grammar of the header field Sec-WebSocket-Extensions. RFC 6455 §9.1.
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
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/**
 * The extensions of a header, or `undefined` where it does not follow the grammar.
 *
 * "1#extension" permits empty elements, as in "a, , b,", if at least one element is not empty (RFC 2616 §2.1).
 * RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements".
 */
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
  // RFC 6455 §9.1: "…after processing the quoted-string the resulting value MUST conform to the 'token' ABNF".
  /** Reads the value behind "=". */
  const readValue = (): string | undefined => {
    if (header[at] !== '"') return read(TOKEN);
    const value = read(QUOTED)?.replace(/\\(.)/g, "$1");
    return value !== undefined && isToken(value) ? value : undefined;
  };

  const extensions: Extension[] = [];
  read(SPACE);
  do {
    const name = read(TOKEN);
    // An empty element. What else is not a token stays unread, and fails the comparison at the end.
    if (name === undefined) continue;
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
  return at === header.length && extensions.length > 0 ? extensions : undefined;
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
