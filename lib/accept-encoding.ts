// Chooses the compression of a response by the Accept-Encoding field of the request. RFC 9110 §12.5.3.

/** A weight: a number from 0 to 1 with at most three decimals. RFC 9110 §12.4.2. */
const QVALUE = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/**
 * Returns the content coding that the client prefers, or "identity" for no compression. Returns "identity" if the
 * request has no Accept-Encoding field, or an empty one.
 *
 * @param field the value of the field. The names of codings are case-insensitive. A coding with an invalid weight is
 * not accepted
 * @param available the codings that the server supports. If several codings have the same weight, the first of these
 * codings is returned
 */
export function preferredEncoding<Coding extends string>(
  field: string | readonly string[] | undefined,
  available: readonly Coding[],
): Coding | "identity" {
  if (field === undefined) return "identity";
  const weights = parse(`${field}`);
  const weightOf = (coding: string): number => weights.get(coding) ?? weights.get("*") ?? 0;
  let preferred: Coding | "identity" = "identity";
  let highest = 0;
  for (const coding of available) {
    const weight = weightOf(coding);
    if (weight <= highest) continue;
    preferred = coding;
    highest = weight;
  }
  return weightOf("identity") > highest ? "identity" : preferred;
}

/** Returns the weight of each coding in the field. The default weight is 1. */
function parse(field: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const item of field.toLowerCase().split(",")) {
    const [coding = "", ...parameters] = item.split(";").map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    weights.set(coding, QVALUE.test(weight) ? Number(weight) : 0);
  }
  return weights;
}
