// The query of a request: the option `query`, and what the client adds to it.

/** The option `query`: its fields, or its text. */
export type Query = Readonly<Record<string, unknown>> | string;

/**
 * Returns the fields of a query. In a text, "+" and "=" stand for themselves, so that base64 is preserved: only
 * HTML forms write "+" for a blank.
 */
export function queryFields(query: Query): Readonly<Record<string, unknown>> {
  if (typeof query !== "string") return query;
  const pairs = query.replace(/^\?/, "").split("&").filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = "", ...value] = pair.split("=");
      return [decode(name), decode(value.join("="))];
    }),
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // "100%" is text.
    return text;
  }
}

/** Formats fields as the query of a URL, with "%20" for a blank, which every server decodes. */
export function formatQuery(fields: Readonly<Record<string, unknown>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) search.append(name, `${value}`);
  // Here "+" is a blank. A "+" in a field is "%2B".
  return `${search}`.replaceAll("+", "%20");
}
