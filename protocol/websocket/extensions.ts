// Parses and formats the header field Sec-WebSocket-Extensions (RFC 6455 §9.1).
//
//   extension-list  = 1#extension
//   extension       = token *( ";" extension-param )
//   extension-param = token [ "=" (token | quoted-string) ]
//
// Rule: the parser reads the header once from left to right, and never uses a received name as the key of an object.

/** A parameter of an extension (RFC 6455 §9.1). */
export interface ExtensionParameter {
  /** The name of the parameter, a token. */
  readonly name: string;
  /** The value, a token. `undefined` for a parameter without "=". */
  readonly value: string | undefined;
}

/** An extension that a client offers or a server accepts (RFC 6455 §9.1). */
export interface Extension {
  /** The name of the extension, a token. */
  readonly name: string;
  /** The parameters in the order of the header. */
  readonly parameters: readonly ExtensionParameter[];
}

// The characters of a token (RFC 9110 §5.6.2). An unquoted value must be a token too (RFC 6455 §9.1).
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const SPACE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/**
 * Parses the value of a Sec-WebSocket-Extensions header. Returns `undefined` if the value does not match the grammar
 * (RFC 6455 §9.1).
 *
 * "1#extension" allows empty elements, as in "a, , b,", if at least one element is not empty (RFC 2616 §2.1).
 * RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements".
 *
 * @param header the value of the header
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
  /** Reads `char` and the spaces around it. Returns `false` if the next character is not `char`. */
  const follows = (char: string): boolean => {
    read(SPACE);
    if (header[at] !== char) return false;
    at++;
    read(SPACE);
    return true;
  };
  /**
   * Reads the value after "=".
   *
   * RFC 6455 §9.1: "…after processing the quoted-string the resulting value MUST conform to the 'token' ABNF".
   */
  const readValue = (): string | undefined => {
    if (header[at] !== '"') return read(TOKEN);
    const value = read(QUOTED)?.replace(/\\(.)/g, "$1");
    return value !== undefined && isToken(value) ? value : undefined;
  };

  const extensions: Extension[] = [];
  read(SPACE);
  do {
    const name = read(TOKEN);
    // The next element is empty or starts with an invalid character. The parser does not skip an invalid character, so
    // the last `return` statement returns `undefined`.
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

/**
 * Returns whether `text` is a token (RFC 9110 §5.6.2).
 *
 * @param text any text
 */
export function isToken(text: string): boolean {
  TOKEN.lastIndex = 0;
  return TOKEN.exec(text)?.[0].length === text.length;
}

/**
 * Formats extensions as the value of a Sec-WebSocket-Extensions header (RFC 6455 §9.1).
 *
 * @param extensions the extensions in order of preference
 */
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
