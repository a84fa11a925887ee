// The address of a server: the forms of a URL that io() and Manager accept.

/** Options that name the server where no URL does. */
export interface AddressOptions {
  /** The server's host, if there is no URL, also as "host:port". Default: the page's, "localhost" in Node. */
  readonly host?: string;
  /** The same as `host`. */
  readonly hostname?: string;
  /** The server's port, if there is no URL. Default: the page's, or that of the scheme. */
  readonly port?: string | number;
  /** Use https and wss, if there is no URL. Default: as the page does. */
  readonly secure?: boolean;
}

/** A parsed URL. */
export interface Address {
  /** With the scheme http or https. */
  readonly url: URL;
  /** The path as the program wrote it, since a URL would encode it. */
  readonly path: string;
}

/** The scheme, the host and the path of a URL that may lack each of them. */
const PARTS = /^((?:[a-z]+:)?\/\/)?([^/?#]*)([^?#]*)/i;

/**
 * Parses "http://host:port/path?query". The scheme, the host, or both may be missing.
 *
 * @param base the page's URL, for what is missing; `undefined` if there is no page
 * @throws TypeError if the URL is invalid, or has no host and there is no page
 */
export function parseAddress(
  text: string,
  base: string | undefined,
  options: AddressOptions = {},
): Address {
  const [, scheme, host, path = ""] = PARTS.exec(text) ?? [];
  if (base === undefined && !host && options.host === undefined && options.hostname === undefined) {
    throw new TypeError(
      `there is no page whose server "${text}" could mean: give a URL with a host`,
    );
  }
  // Without its path: the path of a page is no namespace. A page from a file has no origin.
  const { origin } = new URL(base ?? "http://localhost");
  const server = origin === "null" ? "http://localhost" : origin;
  const url = new URL(scheme === undefined && host ? `//${text}` : text, server);
  url.protocol = url.protocol.replace("ws", "http");
  if (!host) locate(url, options);
  return { url, path };
}

/** Puts what the options say in the place of the page's host. */
function locate(url: URL, { host, hostname = host, port, secure }: AddressOptions): void {
  if (secure !== undefined) url.protocol = secure ? "https:" : "http:";
  // Another host, or another scheme, has the scheme's port.
  if (hostname !== undefined || secure !== undefined) url.port = "";
  // The setters of a URL ignore an invalid host, and the client would connect to another one.
  if (hostname !== undefined) url.host = new URL(`${url.protocol}//${inBrackets(hostname)}`).host;
  if (port !== undefined) url.port = `${port}`;
}

/** An IPv6 address as it is in a URL, and every other host as it is. */
function inBrackets(host: string): string {
  return /^[^[]*:[^[]*:/.test(host) ? `[${host}]` : host;
}
