// The query of a request: the fields of the option `query`, and the fields that the client adds.

/** A query, as an object with its fields or as text. */
export type Query = Readonly<Record<string, unknown>> | string;

/**
 * Returns the fields of a query. In a text, "+" is not decoded as a space, and a second "=" belongs to the value.
 * Therefore a value in base64 is not changed. Only the encoding of HTML forms uses "+" for a space.
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
    // A text such as "100%" is not percent-encoded, and is used unchanged.
    return text;
  }
}

/** Formats fields as the query of a URL. A space is encoded as "%20", which every server decodes. */
export function formatQuery(fields: Readonly<Record<string, unknown>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) search.append(name, `${value}`);
  // URLSearchParams encodes a space as "+", and a "+" as "%2B". Therefore each "+" in the result is a space.
  return `${search}`.replaceAll("+", "%20");
}
