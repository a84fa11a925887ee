// Formats the cookie with the session id. With this cookie, a load balancer can route all requests of a client to one
// server. RFC 6265 §4.1.

/** The options of the cookie with the session id. RFC 6265 §4.1. */
export interface CookieOptions {
  /** The name of the cookie. Default: "io". */
  readonly name?: string;
  /** The attribute Path. `false` omits the attribute. Default: "/". */
  readonly path?: string | false;
  /** The attribute Domain. Default: none, and the cookie is for this host only. */
  readonly domain?: string;
  /** The attribute Max-Age, in seconds. Default: none, and the cookie expires when the browser is closed. */
  readonly maxAge?: number;
  /** The attribute Expires. Default: none, and the cookie expires when the browser is closed. */
  readonly expires?: Date;
  /** Hide the cookie from scripts. Default: `true`. */
  readonly httpOnly?: boolean;
  /** Send the cookie over TLS only. Default: `false`. */
  readonly secure?: boolean;
  /** Store the cookie separately for each top-level site. Default: `false`. */
  readonly partitioned?: boolean;
  /** The attribute SameSite. `true` is "strict", and `false` omits the attribute. Default: "lax". */
  readonly sameSite?: boolean | "lax" | "strict" | "none";
  /** The attribute Priority. A browser with too many cookies deletes those of low priority first. Default: none. */
  readonly priority?: "low" | "medium" | "high";
  /**
   * Encodes the session id. Default: `encodeURIComponent`.
   *
   * @param value the session id
   */
  readonly encode?: (value: string) => string;
}

// RFC 6265 §4.1.1: the name is a token. The value of an attribute has no control characters and no ";".
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]*$/;

/** Returns whether a cookie may have this name. */
export function isCookieName(text: string): boolean {
  return NAME.test(text);
}

/** Returns whether an attribute of a cookie may have this value. */
export function isCookieAttribute(text: string): boolean {
  return ATTRIBUTE.test(text);
}

/**
 * Returns the value of a Set-Cookie header.
 *
 * @throws TypeError if the name or an attribute is invalid
 */
export function formatCookie(options: CookieOptions, value: string): string {
  const { name = "io", path = "/", httpOnly = true, sameSite = "lax" } = options;
  const { encode = encodeURIComponent, priority } = options;
  if (!isCookieName(name)) throw new TypeError(`"${name}" is not a valid cookie name`);
  const parts = [`${name}=${encode(value)}`];
  const attribute = (key: string, text: string): void => {
    if (!isCookieAttribute(text))
      throw new TypeError(`"${text}" is not a valid ${key} of a cookie`);
    parts.push(`${key}=${text}`);
  };
  if (options.maxAge !== undefined) attribute("Max-Age", String(Math.floor(options.maxAge)));
  if (options.domain !== undefined) attribute("Domain", options.domain);
  if (path !== false) attribute("Path", path);
  if (options.expires !== undefined) attribute("Expires", options.expires.toUTCString());
  if (httpOnly) parts.push("HttpOnly");
  if (options.secure === true) parts.push("Secure");
  if (options.partitioned === true) parts.push("Partitioned");
  if (priority !== undefined) parts.push(`Priority=${capitalized(priority)}`);
  if (sameSite === true) parts.push("SameSite=Strict");
  else if (sameSite !== false) parts.push(`SameSite=${capitalized(sameSite)}`);
  return parts.join("; ");
}

/** Changes "lax" and "LAX" to "Lax", since programs pass all three forms. */
function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
}
