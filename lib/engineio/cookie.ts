// The cookie that names the session, for load balancers that keep a client on one server by it.
// RFC 6265 §4.1.

export interface CookieOptions {
  /** Default "io". */
  readonly name?: string;
  /** Default "/"; `false` leaves it out. */
  readonly path?: string | false;
  readonly domain?: string;
  /** Seconds. */
  readonly maxAge?: number;
  readonly expires?: Date;
  /** Hidden from scripts. Default `true`. */
  readonly httpOnly?: boolean;
  readonly secure?: boolean;
  readonly partitioned?: boolean;
  /** Default "lax"; `true` is "strict". */
  readonly sameSite?: boolean | "lax" | "strict" | "none";
  /** Which cookies a browser drops last: "low", "medium" or "high". */
  readonly priority?: "low" | "medium" | "high";
  /** Encodes the session's id. Default: `encodeURIComponent`. */
  readonly encode?: (value: string) => string;
}

// RFC 6265 §4.1.1: a name is a token, an attribute's value anything but controls and ";".
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]*$/;

/** Whether a cookie may have this name. */
export function isCookieName(text: string): boolean {
  return NAME.test(text);
}

/** Whether an attribute of a cookie may have this value. */
export function isCookieAttribute(text: string): boolean {
  return ATTRIBUTE.test(text);
}

/**
 * Returns the value of a Set-Cookie header.
 *
 * @throws TypeError for a name or attribute that a cookie cannot have
 */
export function formatCookie(options: CookieOptions, value: string): string {
  const { name = "io", path = "/", httpOnly = true, sameSite = "lax" } = options;
  const { encode = encodeURIComponent, priority } = options;
  if (!isCookieName(name)) throw new TypeError(`"${name}" cannot be the name of a cookie`);
  const parts = [`${name}=${encode(value)}`];
  const attribute = (key: string, text: string): void => {
    if (!isCookieAttribute(text)) throw new TypeError(`"${text}" cannot be the ${key} of a cookie`);
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

/** Programs write "Lax" too. */
function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
}
