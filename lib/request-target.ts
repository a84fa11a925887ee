// Parses the target of an HTTP request. RFC 9112 §3.2.

/**
 * Returns the path and query of a request target.
 *
 * A client sends "/path?query" to a server, and "http://host/path?query" to a proxy. A server must support both forms.
 * RFC 9112 §3.2.2: "a server MUST accept the absolute-form in requests".
 */
export function pathAndQuery(target: string): string {
  if (target.startsWith("/")) return target;
  const rest = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i, "");
  return rest === target || rest.startsWith("/") ? rest : `/${rest}`;
}

/** Returns the path of a request target, without its query. */
export function pathOf(target: string): string {
  const [path = ""] = pathAndQuery(target).split("?", 1);
  return path;
}
