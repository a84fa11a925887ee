// Redirections: where a response sends a request, and what does not go there with it. RFC 9110 §15.4.

/** More than these are a loop. */
export const MAX_REDIRECTS = 10;

/** Header fields that are for one server. */
const PERSONAL: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

export type HeaderFields = Readonly<Record<string, string>>;

/** Whether a response sends the request elsewhere. */
export function isRedirect(status: number | undefined): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/**
 * Where a response sends a request.
 *
 * @param from of the request
 * @param location the field of the response
 * @returns `undefined` for what is no URL of HTTP or WebSocket
 */
export function redirectTarget(from: URL, location: string | undefined): URL | undefined {
  if (location === undefined || !URL.canParse(location, from.href)) return undefined;
  const target = new URL(location, from);
  return /^(?:https?|wss?):$/.test(target.protocol) ? target : undefined;
}

/** The header fields that may go along: to another host, or out of TLS, none that say who this is. */
export function redirectHeaders(from: URL, to: URL, headers: HeaderFields): HeaderFields {
  const isSecure = ({ protocol }: URL): boolean => protocol === "https:" || protocol === "wss:";
  if (from.host === to.host && isSecure(to) >= isSecure(from)) return headers;
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !PERSONAL.has(name.toLowerCase())),
  );
}
