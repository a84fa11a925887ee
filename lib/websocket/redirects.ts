// Determines the URL and the header fields of a redirected request. RFC 9110 §15.4.

/** The largest number of redirections. More redirections are probably a loop. */
export const MAX_REDIRECTS = 10;

/** Header fields with credentials, which another server must not receive. */
const PERSONAL: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

export type HeaderFields = Readonly<Record<string, string>>;

/** Returns whether a response with this status is a redirection. */
export function isRedirect(status: number | undefined): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/**
 * Returns the URL of a redirection.
 *
 * @param from the URL of the request
 * @param location the header field Location of the response
 * @returns `undefined` if `location` is not a valid HTTP or WebSocket URL
 */
export function redirectTarget(from: URL, location: string | undefined): URL | undefined {
  if (location === undefined || !URL.canParse(location, from.href)) return undefined;
  const target = new URL(location, from);
  return /^(?:https?|wss?):$/.test(target.protocol) ? target : undefined;
}

/**
 * Returns the header fields for the redirected request. Removes credentials if the host differs, or if the redirection leads
 * from TLS to plain TCP.
 */
export function redirectHeaders(from: URL, to: URL, headers: HeaderFields): HeaderFields {
  const isSecure = ({ protocol }: URL): boolean => protocol === "https:" || protocol === "wss:";
  if (from.host === to.host && isSecure(to) >= isSecure(from)) return headers;
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !PERSONAL.has(name.toLowerCase())),
  );
}
