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
}

// RFC 6265 §4.1.1: a name is a token, an attribute's value anything but controls and ";".
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]*$/;

/**
 * The value of a Set-Cookie header.
 *
 * @throws TypeError for a name or attribute that a cookie cannot have
 */
export function formatCookie(options: CookieOptions, value: string): string {
  const { name = "io", path = "/", httpOnly = true, sameSite = "lax" } = options;
  if (!NAME.test(name)) throw new TypeError(`"${name}" cannot be the name of a cookie`);
  const parts = [`${name}=${encodeURIComponent(value)}`];
  const attribute = (key: string, text: string): void => {
    if (!ATTRIBUTE.test(text)) throw new TypeError(`"${text}" cannot be the ${key} of a cookie`);
    parts.push(`${key}=${text}`);
  };
  if (options.maxAge !== undefined) attribute("Max-Age", String(Math.floor(options.maxAge)));
  if (options.domain !== undefined) attribute("Domain", options.domain);
  if (path !== false) attribute("Path", path);
  if (options.expires !== undefined) attribute("Expires", options.expires.toUTCString());
  if (httpOnly) parts.push("HttpOnly");
  if (options.secure === true) parts.push("Secure");
  if (options.partitioned === true) parts.push("Partitioned");
  if (sameSite !== false) attribute("SameSite", SAME_SITE[sameSite === true ? "strict" : sameSite]);
  return parts.join("; ");
}

const SAME_SITE = { lax: "Lax", strict: "Strict", none: "None" } as const;
