// Parses the URL of a server, in the forms that io() and Manager accept.

/** Options that name the server if Manager is called without a URL. io() ignores these options. */
export interface AddressOptions {
  /** The server's host, or "host:port". Used if there is no URL. Default: the host of the page, in Node "localhost". */
  readonly host?: string;
  /** The same as `host`. */
  readonly hostname?: string;
  /** The server's port, if there is no URL. Default: the port of the page, or the default port of the scheme. */
  readonly port?: string | number;
  /** Use https and wss, if there is no URL. Default: `true` if the page uses https, otherwise `false`. */
  readonly secure?: boolean;
}

/** A parsed URL. */
export interface Address {
  /** The URL, always with the scheme http or https. */
  readonly url: URL;
  /** The path as the program wrote it. The path in `url` is percent-encoded. */
  readonly path: string;
}

/** Matches the scheme, the host and the path of a URL. Each of them may be missing. */
const PARTS = /^((?:[a-z]+:)?\/\/)?([^/?#]*)([^?#]*)/i;

/**
 * Parses "http://host:port/path?query". The scheme, the host, or both may be missing.
 *
 * @param base the URL of the page, which completes `text`. `undefined` if there is no page
 * @param options options that name the server if `text` has no host. Default: none
 * @throws TypeError if the URL is invalid, or has no host and there is no page
 */
export function parseAddress(
  text: string,
  base: string | undefined,
  options: AddressOptions = {},
): Address {
  const [, scheme, host, path = ""] = PARTS.exec(text) ?? [];
  if (base === undefined && !host && options.host === undefined && options.hostname === undefined) {
    throw new TypeError(`the URL "${text}" must have a host outside of a page`);
  }
  // Only the origin of the page is used, because the page's path is not a namespace. The origin of a page from a file
  // is "null", and is replaced by "http://localhost".
  const { origin } = new URL(base ?? "http://localhost");
  const server = origin === "null" ? "http://localhost" : origin;
  const url = new URL(scheme === undefined && host ? `//${text}` : text, server);
  url.protocol = url.protocol.replace("ws", "http");
  if (!host) locate(url, options);
  return { url, path };
}

/** Replaces the host, the port and the scheme of the page with those of the options. */
function locate(url: URL, { host, hostname = host, port, secure }: AddressOptions): void {
  if (secure !== undefined) url.protocol = secure ? "https:" : "http:";
  // The port of the page does not apply to another host or scheme.
  if (hostname !== undefined || secure !== undefined) url.port = "";
  // The constructor of URL throws for an invalid host. The setter of `host` would ignore an invalid host, and the
  // client would connect to the host of the page.
  if (hostname !== undefined) url.host = new URL(`${url.protocol}//${inBrackets(hostname)}`).host;
  if (port !== undefined) url.port = `${port}`;
}

/** Returns an IPv6 address in brackets, as URLs require, and every other host unchanged. */
function inBrackets(host: string): string {
  return /^[^[]*:[^[]*:/.test(host) ? `[${host}]` : host;
}
