// Cookies, kept between a server's responses and the next requests. RFC 6265 §5.

interface Cookie {
  readonly name: string;
  readonly value: string;
  /** The host that has set it, or the domain that it named. */
  readonly domain: string;
  /** It named none: no host below gets it. */
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  /** Milliseconds of the clock; for ever where the server says nothing of it. */
  readonly expires: number;
}

/** A server may keep so many here; the oldest make room. RFC 6265 §6.1 asks for 50 at least. */
const MOST_COOKIES = 50;
/** Characters of one; larger ones are passed over. RFC 6265 §6.1 asks for 4096 bytes at least. */
const LONGEST_COOKIE = 8192;

export class CookieJar {
  readonly #now: () => number;
  // By name, domain and path (RFC 6265 §5.3, item 11), in the order of their coming.
  readonly #cookies = new Map<string, Cookie>();

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Takes what a response says.
   *
   * @param url of the request
   * @param fields each Set-Cookie of the response
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

  /** The field Cookie of a request, or `undefined` where there is none to send. RFC 6265 §5.4. */
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

  /** RFC 6265 §5.2: the pair, and the attributes whatever their case; unknown ones are passed over. */
  #parse(url: URL, field: string): Cookie | undefined {
    const [pair = "", ...attributes] = field.split(";");
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals).trim();
    const value = pair.slice(equals + 1).trim();
    // What would end a header field was never let in by Node, and must not be let out.
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
    // RFC 6265 §5.3, item 3: Max-Age counts, whatever Expires says.
    if (maxAge !== undefined) expires = maxAge > 0 ? this.#now() + maxAge * 1000 : 0;
    const hostOnly = domain === "";
    // RFC 6265 §5.3, item 6: nobody sets cookies for others.
    if (!hostOnly && !domainMatches(url.hostname, domain)) return undefined;
    return { name, value, domain: domain || url.hostname, hostOnly, path, secure, expires };
  }
}

/** RFC 6265 §5.1.4. */
function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf("/");
  return end <= 0 ? "/" : pathname.slice(0, end);
}

/** RFC 6265 §5.1.4. */
function pathMatches(pathname: string, path: string): boolean {
  if (pathname === path) return true;
  return pathname.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** RFC 6265 §5.1.3. */
function domainMatches(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

function isFor({ domain, hostOnly, path }: Cookie, url: URL): boolean {
  const here = hostOnly ? url.hostname === domain : domainMatches(url.hostname, domain);
  return here && pathMatches(url.pathname, path);
}
