// Stores the cookies of responses, and adds them to later requests. RFC 6265 §5.

interface Cookie {
  readonly name: string;
  readonly value: string;
  /** The value of the Domain attribute, or the host that set the cookie. */
  readonly domain: string;
  /** Whether the Domain attribute was missing. If so, the cookie is not sent to subdomains. */
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  /** The expiry time, in milliseconds since 1970. `Infinity` for a session cookie. */
  readonly expires: number;
}

/** The largest number of cookies. The oldest cookie is removed first. RFC 6265 §6.1 requires at least 50. */
const MOST_COOKIES = 50;
/** The longest cookie, in characters. A longer cookie is ignored. RFC 6265 §6.1 requires at least 4096 bytes. */
const LONGEST_COOKIE = 8192;

/** The cookies of one manager. */
export class CookieJar {
  readonly #now: () => number;
  // The cookies by name, domain and path (RFC 6265 §5.3, item 11), the oldest first.
  readonly #cookies = new Map<string, Cookie>();

  /** @param now returns the time, in milliseconds since 1970. Default: Date.now */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Stores the cookies of a response, and removes the cookies that the response marks as expired.
   *
   * @param url the URL of the request
   * @param fields the values of the response's Set-Cookie fields. Default: none
   */
  take(url: URL, fields: readonly string[] = []): void {
    for (const field of fields) {
      const cookie = field.length > LONGEST_COOKIE ? undefined : this.#parse(url, field);
      if (cookie === undefined) continue;
      const key = `${cookie.name};${cookie.domain};${cookie.path}`;
      this.#cookies.delete(key);
      if (cookie.expires > this.#now()) this.#cookies.set(key, cookie);
      const [oldest] = this.#cookies.keys();
      if (this.#cookies.size > MOST_COOKIES && oldest !== undefined) this.#cookies.delete(oldest);
    }
  }

  /** Returns the Cookie field for a request to `url`, or `undefined` if no cookie matches. RFC 6265 §5.4. */
  header(url: URL): string | undefined {
    const secure = url.protocol === "https:" || url.protocol === "wss:";
    const pairs: string[] = [];
    for (const [key, cookie] of this.#cookies) {
      if (cookie.expires <= this.#now()) this.#cookies.delete(key);
      else if (isFor(cookie, url) && (secure || !cookie.secure)) {
        pairs.push(`${cookie.name}=${cookie.value}`);
      }
    }
    return pairs.length > 0 ? pairs.join("; ") : undefined;
  }

  /**
   * Parses a Set-Cookie field. Returns `undefined` if the cookie must be ignored. The names of attributes are
   * case-insensitive, and unknown attributes are ignored. RFC 6265 §5.2.
   */
  #parse(url: URL, field: string): Cookie | undefined {
    const [pair = "", ...attributes] = field.split(";");
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals).trim();
    const value = pair.slice(equals + 1).trim();
    // A control character could end the Cookie field of a request and start another field. Node's HTTP parser also
    // rejects responses with most control characters in a field.
    if (equals === -1 || name === "" || /\p{Cc}/u.test(field)) return undefined;
    let path = defaultPath(url.pathname);
    let domain = "";
    let secure = false;
    let expires = Number.POSITIVE_INFINITY;
    let maxAge: number | undefined;
    for (const attribute of attributes) {
      const [key = "", ...rest] = attribute.split("=");
      const said = rest.join("=").trim();
      switch (key.trim().toLowerCase()) {
        case "path":
          path = said.startsWith("/") ? said : defaultPath(url.pathname);
          break;
        case "secure":
          secure = true;
          break;
        case "domain":
          domain = said.toLowerCase().replace(/^\./, "");
          break;
        case "expires":
          expires = Date.parse(said) || expires;
          break;
        case "max-age":
          // RFC 6265 §5.2.2: "If the remainder … contains a non-DIGIT character, ignore the cookie-av."
          if (/^-?\d+$/.test(said)) maxAge = Number(said);
      }
    }
    // RFC 6265 §5.3, item 3: Max-Age overrides Expires.
    if (maxAge !== undefined) expires = maxAge > 0 ? this.#now() + maxAge * 1000 : 0;
    const hostOnly = domain === "";
    // RFC 6265 §5.3, item 6: a server cannot set cookies for other domains.
    if (!hostOnly && !domainMatches(url.hostname, domain)) return undefined;
    return { name, value, domain: domain || url.hostname, hostOnly, path, secure, expires };
  }
}

/** Returns the path of a cookie without a Path attribute. RFC 6265 §5.1.4. */
function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf("/");
  return end <= 0 ? "/" : pathname.slice(0, end);
}

/** Returns whether the path of a request is the path of a cookie, or is below it. RFC 6265 §5.1.4. */
function pathMatches(pathname: string, path: string): boolean {
  if (pathname === path) return true;
  return pathname.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** Returns whether a host is a domain or one of its subdomains. RFC 6265 §5.1.3. */
function domainMatches(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

function isFor({ domain, hostOnly, path }: Cookie, url: URL): boolean {
  const here = hostOnly ? url.hostname === domain : domainMatches(url.hostname, domain);
  return here && pathMatches(url.pathname, path);
}
